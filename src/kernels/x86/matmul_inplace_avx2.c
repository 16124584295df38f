/* The AVX2 product: few columns of the types of 4 bits and more, the K types and TQ2_0 are read in place, 8 rows at a
 * time, while one linear stream ahead is prefetched into L2; everything else goes through panels (matmul_avx2.c). */
#include "src/kernels/x86/matmul_inplace_avx2.h"

enum { AHEAD_BYTES = 96 << 10, TILE = 8 };

static const nce_inplace_avx2 *const kernels[NCE_TYPE_LAST + 1] = {
    [NCE_TYPE_Q4_0] = &nce_inplace_q4_0_avx2,     [NCE_TYPE_Q4_1] = &nce_inplace_q4_1_avx2,
    [NCE_TYPE_Q5_0] = &nce_inplace_q5_0_avx2,     [NCE_TYPE_Q5_1] = &nce_inplace_q5_1_avx2,
    [NCE_TYPE_Q8_0] = &nce_inplace_q8_0_avx2,     [NCE_TYPE_IQ4_NL] = &nce_inplace_iq4_nl_avx2,
    [NCE_TYPE_MXFP4] = &nce_inplace_mxfp4_avx2,   [NCE_TYPE_Q2_K] = &nce_inplace_q2_k_avx2,
    [NCE_TYPE_Q3_K] = &nce_inplace_q3_k_avx2,     [NCE_TYPE_Q4_K] = &nce_inplace_q4_k_avx2,
    [NCE_TYPE_Q5_K] = &nce_inplace_q5_k_avx2,     [NCE_TYPE_Q6_K] = &nce_inplace_q6_k_avx2,
    [NCE_TYPE_IQ4_XS] = &nce_inplace_iq4_xs_avx2, [NCE_TYPE_TQ2_0] = &nce_inplace_tq2_0_avx2,
};

/* One group of n columns over the whole depth of up to 8 rows. */
static void tile(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                 size_t c0, size_t n, float *y, size_t ld_y, uint8_t *pad)
{
    const size_t bytes = type->block_bytes, n_blocks = a->k / a->block, per_segment = NCE_SEGMENT / a->block;
    nce_inplace_avx2_fn *const fn = kernels[type->id]->fn[n - 1];
    const uint8_t *const ahead = w + (c0 == 0 ? AHEAD_BYTES : 0); /* later groups find the tile in the cache */
    for (size_t b = 0; b < n_blocks; b += per_segment) {
        const size_t nb = n_blocks - b < per_segment ? n_blocks - b : per_segment;
        const uint8_t *src = w + b * bytes, *next = ahead + TILE * b * bytes;
        size_t stride = row_bytes;
        float acc[NCE_FEW_GROUP][TILE];
        if (n_rows < TILE) {
            src = next = nce_pad_rows(pad, src, row_bytes, n_rows, nb * bytes);
            stride = nb * bytes;
        }
        fn(src, stride, nb, nce_act_at(a, c0, n, b), next, acc);
        for (size_t c = 0; c < n; c++)
            for (size_t i = 0; i < n_rows; i++) {
                float *const to = y + (c0 + c) * ld_y + i;
                *to = b == 0 ? acc[c][i] : *to + acc[c][i];
            }
    }
}

void nce_product_avx2(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                      float *y, size_t ld_y, void *scratch)
{
    if (kernels[type->id] == NULL || a->n_cols > NCE_FEW) {
        nce_product_panels_avx2(type, w, row_bytes, n_rows, a, y, ld_y, scratch);
        return;
    }
    for (size_t r = 0; r < n_rows; r += TILE)
        for (size_t g = 0; g < nce_act_groups(a->n_cols); g++) {
            const size_t c0 = nce_act_group_start(a->n_cols, g), n = nce_act_group_start(a->n_cols, g + 1) - c0;
            tile(type, (const uint8_t *)w + r * row_bytes, row_bytes, n_rows - r < TILE ? n_rows - r : TILE, a, c0, n,
                 y + r, ld_y, scratch);
        }
}
