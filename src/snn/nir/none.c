/* A build without HDF5. */
#include "nce/snn_nir.h"
#include "src/core/runtime/context.h"

nce_status nce_snn_load_nir(nce_context *ctx, const char *path, const nce_snn_nir_options *options, nce_snn **out)
{
    (void)options;
    if (out != NULL) *out = NULL;
    return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "%s: this build reads no NIR files (Meson option nir, libhdf5-dev)",
                    path != NULL ? path : "(null)");
}
