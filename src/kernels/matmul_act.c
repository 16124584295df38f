/* Packing of activations in the layout of matmul_panel.h, around a quantizer of one block.
 *
 * Everything but the quantizer works on sums of four neighbouring codes, so it is the same plain C for every processor.
 */
#include "src/kernels/matmul_panel.h"
#include "src/kernels/types/bits.h"
#include <math.h>

size_t nce_act_bytes(uint32_t block, size_t n_cols, size_t k)
{
    if (k != 0 && n_cols > SIZE_MAX / 16 / k) return 0; /* a word serves at least one element in any layout */
    if (block == 0) return n_cols > SIZE_MAX / 8 / nce_act_ld(k + 16) ? 0 : n_cols * nce_act_ld(k) * 4 + 64;
    return (n_cols * (k / block) * nce_act_words(block, n_cols) * 4 + 127) / 64 * 64;
}

bool nce_act_scale(nce_act_block *out, uint32_t amax_bits, size_t n)
{
    const float amax = nce_f32_from_bits(amax_bits);
    if (amax_bits >= 0x7f800000 || amax < 0x1p-120f) { /* not finite; or 127 / amax would overflow */
        memset(out->q, 0, n);
        memset(out->sum4, 0, n);
        out->d = amax_bits >= 0x7f800000 ? NAN : 0;
        return false;
    }
    out->inverse = 127.0f / amax;
    out->d = amax / 127.0f;
    return true;
}

/* The codes of n columns side by side, 4 of a column in a word. */
static void interleave(int32_t *dst, size_t n_words, const nce_act_block *columns, size_t n)
{
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < n_words; i++)
            memcpy(dst + i * n + c, columns[c].q + 4 * i, 4);
}

static void finish32(int32_t *dst, size_t n, const nce_act_block *x)
{
    int32_t low = 0, high = 0;
    float sum;
    for (int i = 0; i < 4; i++) {
        low += x->sum4[i];
        high += x->sum4[4 + i];
    }
    dst[NCE_X32_START * n] = -128 * (low + high);
    dst[NCE_X32_START_HALF * n] = -128 * low;
    memcpy(dst + NCE_X32_DA * n, &x->d, 4);
    sum = (float)(low + high);
    memcpy(dst + NCE_X32_SUM * n, &sum, 4);
}

static int32_t pair(int32_t low, int32_t high)
{
    return (int32_t)(((uint32_t)low & 0xffff) | (uint32_t)high << 16);
}

static void finish256(int32_t *dst, size_t n, const nce_act_block *x, bool few)
{
    static const int16_t field[4] = {-4, -16, -64, -16};
    int32_t s16[16], s32[8], all = 0;
    for (int i = 0; i < 16; i++)
        s16[i] = x->sum4[4 * i] + x->sum4[4 * i + 1] + x->sum4[4 * i + 2] + x->sum4[4 * i + 3];
    for (int i = 0; i < 8; i++)
        all += s32[i] = s16[2 * i] + s16[2 * i + 1];
    dst[NCE_X256_START * n] = -124 * all;
    memcpy(dst + NCE_X256_DA * n, &x->d, 4);
    for (size_t i = 0; i < 8; i++)
        dst[(NCE_X256_START32 + i) * n] = -128 * s32[i];
    for (size_t i = 0; i < 16; i++)
        dst[(NCE_X256_START16 + i) * n] = -128 * s16[i];
    for (size_t i = 0; i < 4; i++)
        dst[(NCE_X256_PAIR32 + i) * n] = pair(s32[2 * i], s32[2 * i + 1]);
    for (size_t i = 0; i < 8; i++)
        dst[(NCE_X256_PAIR16 + i) * n] = pair(s16[2 * i], s16[2 * i + 1]);
    if (!few) return;
    dst[NCE_X256_MINUS1 * n] = -all;
    for (size_t i = 0; i < 16; i++) {
        dst[(NCE_X256_MINUS32 + i) * n] = -32 * s16[i];
        dst[(NCE_X256_MINUS4 + i) * n] = field[i % 8 / 2] * s16[i];
    }
}

void nce_act_finish(int32_t *dst, size_t n, const nce_act_block *x, size_t block, bool few)
{
    if (block == 32)
        finish32(dst, n, x);
    else
        finish256(dst, n, x, few);
}

static void pack_group(const nce_act *a, const float *x, size_t ld_x, size_t c0, size_t n, size_t b,
                       nce_quantize_block_fn *quantize)
{
    nce_act_block columns[NCE_GROUP];
    const size_t block = a->block;
    int32_t *dst = (int32_t *)a->data + (nce_act_at(a, c0, n, b) - (const int32_t *)a->data);
    for (size_t c = 0; c < n; c++)
        quantize(x + (c0 + c) * ld_x + b * block, block, &columns[c]);
    interleave(dst, block / 4, columns, n);
    for (size_t c = 0; c < n; c++)
        nce_act_finish(dst + c, n, &columns[c], block, a->n_cols <= NCE_FEW);
}

void nce_act_pack_with(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts,
                       nce_quantize_block_fn *quantize)
{
    if (a->block == 0) {
        for (size_t c = a->n_cols * part / n_parts; c < a->n_cols * (part + 1) / n_parts; c++)
            memcpy((float *)a->data + c * nce_act_ld(a->k), x + c * ld_x, a->k * sizeof *x);
        return;
    }
    /* The unit is a block of a group: one column has as many parts as blocks. */
    const size_t n_blocks = a->k / a->block, n_units = nce_act_groups(a->n_cols) * n_blocks;
    for (size_t unit = n_units * part / n_parts; unit < n_units * (part + 1) / n_parts; unit++) {
        const size_t g = unit / n_blocks, c0 = nce_act_group_start(a->n_cols, g);
        pack_group(a, x, ld_x, c0, nce_act_group_start(a->n_cols, g + 1) - c0, unit % n_blocks, quantize);
    }
}
