/* Any graph that can be written as NIR becomes a network that runs, or is refused with a message.  The bytes are read by
 * nir_samples.h; two more at the front are the options. */
#include "nce/snn_nir.h"
#include "tests/fuzz/nir_samples.h"
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    nce_snn_nir_options o = NCE_SNN_NIR_OPTIONS_INIT;
    nce_context *ctx;
    nce_snn *snn;
    if (size < 2) return 0;
    snprintf(path, sizeof path, "/dev/shm/nce-fuzz-%ld.nir", (long)getpid());
    if (!nir_write(path, data + 2, size - 2)) {
        unlink(path);
        return 0;
    }
    o.reset = data[0] & 1;
    o.method = data[0] >> 1 & 1;
    o.current_first = data[0] >> 2 & 1;
    o.precise = data[0] >> 3 & 1;
    o.precision = data[0] >> 4 & 1;
    o.dt = data[1] / 16.0;
    o.n_threads = 1;
    if (nce_context_create(NULL, &ctx) != NCE_OK) abort();
    const nce_status status = nce_snn_load_nir(ctx, path, &o, &snn);
    unlink(path);
    if (status != NCE_OK && (snn != NULL || *nce_context_error(ctx) == '\0')) abort(); /* refused, but silently */
    if (status == NCE_OK && nce_snn_build(snn, NULL, NULL) == NCE_OK) nce_snn_run(snn, 5, NULL, NULL);
    nce_snn_destroy(snn);
    nce_context_destroy(ctx);
    return 0;
}
