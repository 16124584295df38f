/* Any bytes are a network file or are refused; what loads can run.  The header is made right here, so that the fuzzer
 * reaches the payload behind the checksum. */
#include "nce/snn.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEADER = 32 };
    uint8_t *file = malloc(HEADER + size);
    const uint32_t version[2] = {1, HEADER};
    const uint64_t tail[2] = {size, XXH64(data, size, 0)};
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    nce_context *ctx;
    nce_snn *snn;
    if (file == NULL || nce_context_create(NULL, &ctx) != NCE_OK) abort();
    memcpy(file, "NCESNN\r\n", 8);
    memcpy(file + 8, version, sizeof version);
    memcpy(file + 16, tail, sizeof tail);
    if (size > 0) memcpy(file + HEADER, data, size);
    o.n_threads = 1;
    if (nce_snn_load_memory(ctx, "fuzz", file, HEADER + size, &o, &snn) == NCE_OK) {
        if (nce_snn_step(snn) < UINT64_C(1) << 40) nce_snn_run(snn, 5, NULL, NULL);
        nce_snn_destroy(snn);
    }
    nce_context_destroy(ctx);
    free(file);
    return 0;
}
