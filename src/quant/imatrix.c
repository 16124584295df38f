/* See imatrix.h. */
#include "src/quant/imatrix.h"
#include "src/kernels/types/bits.h"
#include <math.h>
#include <stdio.h>

struct nce_imatrix {
    nce_gguf *gguf;
    size_t count;
};

static const char sums[] = ".in_sum2";

nce_status nce_imatrix_open(nce_context *ctx, const char *path, nce_imatrix **out)
{
    nce_str kind = {0};
    *out = NULL;
    nce_imatrix *m = nce_alloc_zero(ctx, sizeof *m);
    if (m == NULL) return nce_fail_nomem(ctx, sizeof *m);
    nce_status status = nce_gguf_open(ctx, path, NULL, &m->gguf);
    if (status == NCE_OK) status = nce_gguf_string(m->gguf, "general.type", &kind);
    if (status == NCE_ERR_NOTFOUND || (status == NCE_OK && !nce_str_equal(kind, "imatrix")))
        status = m->gguf == NULL ? status : nce_fail(ctx, NCE_ERR_FORMAT, "%s: general.type is not 'imatrix'", path);
    if (status != NCE_OK) {
        nce_gguf_close(m->gguf);
        nce_free(ctx, m);
        return status;
    }
    for (size_t i = 0; i < nce_gguf_n_tensors(m->gguf); i++) {
        const nce_str name = nce_gguf_tensor_at(m->gguf, i)->name;
        const size_t tail = sizeof sums - 1;
        m->count += name.size > tail && memcmp(name.data + name.size - tail, sums, tail) == 0;
    }
    *out = m;
    return NCE_OK;
}

void nce_imatrix_close(nce_imatrix *m)
{
    if (m == NULL) return;
    nce_context *ctx = nce_gguf_context(m->gguf);
    nce_gguf_close(m->gguf);
    nce_free(ctx, m);
}

size_t nce_imatrix_count(const nce_imatrix *m)
{
    return m->count;
}

static const nce_gguf_tensor *find(const nce_imatrix *m, nce_str weight, const char *tail)
{
    char name[128];
    const int n = snprintf(name, sizeof name, "%.*s%s", (int)weight.size, weight.data, tail);
    return n < (int)sizeof name ? nce_gguf_find_tensor(m->gguf, name) : NULL;
}

nce_status nce_imatrix_columns(const nce_imatrix *m, nce_str weight, size_t n, size_t expert, float *out)
{
    if (m == NULL) return NCE_ERR_NOTFOUND;
    const nce_gguf_tensor *sum = find(m, weight, sums), *counts = find(m, weight, ".counts");
    if (sum == NULL || counts == NULL) return NCE_ERR_NOTFOUND;
    nce_context *ctx = nce_gguf_context(m->gguf);
    const uint64_t n_sets = sum->ne[1];
    if (sum->type != NCE_TYPE_F32 || counts->type != NCE_TYPE_F32 || sum->ne[0] != n || counts->ne[0] != 1 ||
        counts->ne[1] != n_sets || (n_sets > 1 && expert >= n_sets))
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: '%.*s%s' has %llu columns and %llu sets, expected %zu columns",
                        nce_gguf_name(m->gguf), (int)weight.size, weight.data, sums, (unsigned long long)sum->ne[0],
                        (unsigned long long)n_sets, n);
    const size_t set = n_sets > 1 ? expert : 0;
    const float count = nce_f32_from_bits(nce_load_u32(counts->data + 4 * set));
    if (!(count > 0)) return NCE_ERR_NOTFOUND;
    for (size_t i = 0; i < n; i++) {
        out[i] = nce_f32_from_bits(nce_load_u32(sum->data + 4 * (set * n + i))) / count;
        if (!(out[i] >= 0) || !isfinite(out[i]))
            return nce_fail(ctx, NCE_ERR_FORMAT, "%s: '%.*s%s': value %zu is %g: must be finite and not negative",
                            nce_gguf_name(m->gguf), (int)weight.size, weight.data, sums, i, (double)out[i]);
    }
    return NCE_OK;
}
