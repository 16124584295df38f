/* Dense layers from the tensors of a GGUF file. */
#include "nce/snn_codec.h"
#include "src/core/gguf/gguf.h"
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 64 };

/* Tensor data lies at any address in the file: copied so that it may be read as floats.  Absent: NCE_ERR_NOTFOUND. */
static nce_status copy_tensor(nce_gguf *g, const char *name, uint64_t rows, const nce_gguf_tensor **tensor, float **out)
{
    nce_context *ctx = nce_gguf_context(g);
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, name);
    *out = NULL;
    *tensor = t;
    if (t == NULL) return NCE_ERR_NOTFOUND;
    if (t->type != NCE_TYPE_F32 || t->n_dims > 2 || t->ne[0] == 0 || t->ne[0] > 1 << 24 || t->ne[1] == 0 ||
        t->ne[1] > 1 << 24 || (rows == 1 && t->ne[1] != 1))
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: tensor '%s' is no F32 %s", nce_gguf_name(g), name,
                        rows == 1 ? "vector" : "matrix");
    *out = nce_alloc(ctx, t->bytes);
    if (*out == NULL) return nce_fail_nomem(ctx, t->bytes);
    memcpy(*out, t->data, t->bytes);
    return NCE_OK;
}

nce_status nce_snn_from_gguf(nce_context *ctx, const char *path, const float *samples, size_t n_samples,
                             double percentile, nce_snn **out)
{
    nce_snn_dense_layer layers[MAX_LAYERS];
    float *data[2 * MAX_LAYERS] = {0};
    const nce_gguf_tensor *w, *b;
    nce_gguf *g = NULL;
    size_t n = 0;
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (path == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_snn_from_gguf: NULL path");
    nce_status status = nce_gguf_open(ctx, path, NULL, &g);
    for (; n < MAX_LAYERS && status == NCE_OK; n++) {
        char name[32];
        snprintf(name, sizeof name, "layer%zu.weight", n);
        status = copy_tensor(g, name, 2, &w, &data[2 * n]);
        if (status != NCE_OK) break;
        snprintf(name, sizeof name, "layer%zu.bias", n);
        status = copy_tensor(g, name, 1, &b, &data[2 * n + 1]);
        if (status == NCE_ERR_NOTFOUND) status = NCE_OK;
        layers[n] = (nce_snn_dense_layer){data[2 * n], data[2 * n + 1], (uint32_t)w->ne[0], (uint32_t)w->ne[1]};
        if (status == NCE_OK && b != NULL && b->ne[0] != w->ne[1])
            status = nce_fail(ctx, NCE_ERR_FORMAT, "%s: '%s' has %llu values for %llu outputs", path, name,
                              (unsigned long long)b->ne[0], (unsigned long long)w->ne[1]);
    }
    if (status == NCE_ERR_NOTFOUND && g != NULL)
        status = n > 0 ? NCE_OK : nce_fail(ctx, NCE_ERR_NOTFOUND, "%s: no tensor 'layer0.weight'", path);
    if (status == NCE_OK) status = nce_snn_from_dense(ctx, layers, n, samples, n_samples, percentile, out);
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        nce_free(ctx, data[i]);
    nce_gguf_close(g);
    return status;
}
