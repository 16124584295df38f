/* nce_snn_load_nir: read, check shapes, multiply out. */
#include "src/snn/nir/graph.h"

_Static_assert(sizeof(nce_snn_nir_options) == 40, "ABI: grows only at the end");

nce_status nce_snn_load_nir(nce_context *ctx, const char *path, const nce_snn_nir_options *options, nce_snn **out)
{
    nce_snn_nir_options o = NCE_SNN_NIR_OPTIONS_INIT;
    nce_snn_options network = NCE_SNN_OPTIONS_INIT;
    nce_nir_graph g = {.ctx = ctx, .path = path};
    nce_snn *snn = NULL;
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (path == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_snn_load_nir: NULL path");
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_snn_nir_options");
    if (status == NCE_OK &&
        (o.reset > NCE_SNN_RESET_SUBTRACT || o.method > NCE_SNN_EULER || o.current_first > 1 || o.precise > 1))
        status =
            nce_fail(ctx, NCE_ERR_INVALID, "nce_snn_nir_options: reset %u, method %u, current_first %u, precise %u",
                     o.reset, o.method, o.current_first, o.precise);
    network.dt = o.dt;
    network.precision = o.precision;
    network.n_threads = o.n_threads;
    if (status == NCE_OK) status = nce_snn_create(ctx, &network, &snn);
    if (status == NCE_OK) status = nce_nir_read(&g);
    if (status == NCE_OK) status = nce_nir_infer_shapes(&g);
    if (status == NCE_OK) status = nce_nir_to_network(&g, &o, snn);
    nce_nir_finish(&g);
    if (status == NCE_OK)
        *out = snn;
    else
        nce_snn_destroy(snn);
    return status;
}
