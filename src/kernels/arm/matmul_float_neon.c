/* Products with F32, F16 and BF16 weights on NEON: the contract's 16 lanes are four registers, tiles of 2 rows x 2 columns.
 * Columns are taken in blocks small enough to stay in L2 while all rows pass. */
#include "src/kernels/arm/matmul_neon.h"
#include <math.h>

enum { ROWS = 2, COLUMNS = 2, BLOCK_FLOATS = 64 << 10 };

typedef struct lanes16 {
    float32x4_t v[4];
} lanes16;

INLINE float32x4_t widen4(const uint8_t *w, nce_type id)
{
    if (id == NCE_TYPE_F32) return vreinterpretq_f32_u8(vld1q_u8(w));
    const uint16x4_t h = vreinterpret_u16_u8(vld1_u8(w));
    return id == NCE_TYPE_F16 ? vcvt_f32_f16(vreinterpret_f16_u16(h)) : vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

/* Lanes l += l + h for h = 8, 4, 2, 1. */
INLINE float fold(lanes16 a)
{
    const float32x4_t four = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

static float widen1(const uint8_t *w, nce_type id)
{
    uint8_t padded[16] = {0};
    memcpy(padded, w, id == NCE_TYPE_F32 ? 4 : 2);
    return vgetq_lane_f32(widen4(padded, id), 0);
}

/* The last 1 .. 15 elements, scalar in the spilled lanes: a vector with zeros would turn a lane of -0 into +0. */
static void add_tail(lanes16 *acc, const uint8_t *w, const float *x, size_t n, nce_type id)
{
    float lane[16];
    for (size_t j = 0; j < 4; j++)
        vst1q_f32(lane + 4 * j, acc->v[j]);
    for (size_t i = 0; i < n; i++)
        lane[i] = fmaf(widen1(w + i * (id == NCE_TYPE_F32 ? 4 : 2), id), x[i], lane[i]);
    for (size_t j = 0; j < 4; j++)
        acc->v[j] = vld1q_f32(lane + 4 * j);
}

INLINE void tile(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,
                 size_t n_rows, int n, nce_type id)
{
    const size_t bytes = id == NCE_TYPE_F32 ? 4 : 2;
    lanes16 acc[COLUMNS][ROWS];
    size_t i = 0;
    memset(acc, 0, sizeof acc);
    for (; i + 16 <= k; i += 16)
        UNROLL for (int r = 0; r < ROWS; r++) UNROLL for (size_t j = 0; j < 4; j++)
        {
            const float32x4_t v = widen4(w[r] + (i + 4 * j) * bytes, id);
            UNROLL for (int c = 0; c < n; c++) acc[c][r].v[j] =
                vfmaq_f32(acc[c][r].v[j], v, vld1q_f32(x + (size_t)c * ld_x + i + 4 * j));
        }
    for (int c = 0; c < n; c++)
        for (size_t r = 0; r < n_rows; r++) {
            if (i < k) add_tail(&acc[c][r], w[r] + i * bytes, x + (size_t)c * ld_x + i, k - i, id);
            y[(size_t)c * ld_y + r] = fold(acc[c][r]);
        }
}

INLINE void product(const uint8_t *w, size_t row_bytes, size_t n_rows, const nce_act *a, float *y, size_t ld_y,
                    nce_type id)
{
    const size_t ld = nce_act_ld(a->k), fit = BLOCK_FLOATS / ld,
                 block = fit < COLUMNS ? COLUMNS : fit / COLUMNS * COLUMNS;
    const float *const data = a->data;
    for (size_t c0 = 0; c0 < a->n_cols; c0 += block)
        for (size_t r = 0; r < n_rows; r += ROWS) {
            const size_t rows = n_rows - r < ROWS ? 1 : ROWS, end = a->n_cols - c0 < block ? a->n_cols : c0 + block;
            const uint8_t *const row[ROWS] = {w + r * row_bytes, w + (r + rows - 1) * row_bytes};
            size_t c = c0;
            for (; c + 2 <= end; c += 2)
                tile(row, data + c * ld, ld, a->k, y + c * ld_y + r, ld_y, rows, 2, id);
            if (c < end) tile(row, data + c * ld, ld, a->k, y + c * ld_y + r, ld_y, rows, 1, id);
        }
}

void nce_product_float_neon(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                            const nce_act *a, float *y, size_t ld_y)
{
    if (type->id == NCE_TYPE_F32)
        product(w, row_bytes, n_rows, a, y, ld_y, NCE_TYPE_F32);
    else if (type->id == NCE_TYPE_F16)
        product(w, row_bytes, n_rows, a, y, ld_y, NCE_TYPE_F16);
    else
        product(w, row_bytes, n_rows, a, y, ld_y, NCE_TYPE_BF16);
}
