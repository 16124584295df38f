/* Products with F32, F16 and BF16 weights on AVX2: the contract's 16 lanes are two registers, tiles of 2 rows x 2
 * columns.  Columns are taken in blocks small enough to stay in L2 while all rows pass. */
#include "src/kernels/x86/matmul_avx2.h"

enum { ROWS = 2, COLUMNS = 2, BLOCK_FLOATS = 64 << 10 };

typedef struct lanes16 {
    __m256 low, high;
} lanes16;

INLINE __m256 widen8(const uint8_t *w, nce_type id)
{
    if (id == NCE_TYPE_F32) return _mm256_loadu_ps((const float *)(const void *)w);
    const __m128i h = _mm_loadu_si128((const __m128i *)w);
    if (id == NCE_TYPE_F16) return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Lanes l += l + h for h = 8, 4, 2, 1. */
INLINE float fold(lanes16 v)
{
    const __m256 a = _mm256_add_ps(v.low, v.high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* The last 1 .. 15 elements, scalar in the spilled lanes: a vector with zeros would turn a lane of -0 into +0. */
static lanes16 add_tail(lanes16 acc, const uint8_t *w, const float *x, size_t n, nce_type id)
{
    float lane[16];
    _mm256_storeu_ps(lane, acc.low);
    _mm256_storeu_ps(lane + 8, acc.high);
    for (size_t i = 0; i < n; i++) {
        float v;
        if (id == NCE_TYPE_F32) {
            memcpy(&v, w + 4 * i, 4);
        } else {
            uint16_t h;
            memcpy(&h, w + 2 * i, 2);
            const uint32_t bits = (uint32_t)h << 16;
            memcpy(&v, &bits, 4);
            if (id == NCE_TYPE_F16) v = _cvtsh_ss(h);
        }
        lane[i] = _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(v), _mm_set_ss(x[i]), _mm_set_ss(lane[i])));
    }
    return (lanes16){_mm256_loadu_ps(lane), _mm256_loadu_ps(lane + 8)};
}

INLINE void tile(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,
                 size_t n_rows, int n, nce_type id)
{
    const size_t bytes = id == NCE_TYPE_F32 ? 4 : 2;
    lanes16 acc[COLUMNS][ROWS];
    size_t i = 0;
    UNROLL for (int c = 0; c < n; c++) UNROLL for (int r = 0; r < ROWS; r++) acc[c][r] =
        (lanes16){_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (; i + 16 <= k; i += 16)
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            const __m256 low = widen8(w[r] + i * bytes, id), high = widen8(w[r] + (i + 8) * bytes, id);
            UNROLL for (int c = 0; c < n; c++)
            {
                const float *xc = x + (size_t)c * ld_x + i;
                acc[c][r].low = _mm256_fmadd_ps(low, _mm256_loadu_ps(xc), acc[c][r].low);
                acc[c][r].high = _mm256_fmadd_ps(high, _mm256_loadu_ps(xc + 8), acc[c][r].high);
            }
        }
    for (size_t r = 0; r < n_rows; r++)
        for (int c = 0; c < n; c++) {
            const float *xc = x + (size_t)c * ld_x + i;
            y[(size_t)c * ld_y + r] = fold(i < k ? add_tail(acc[c][r], w[r] + i * bytes, xc, k - i, id) : acc[c][r]);
        }
}

typedef void tile_fn(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,
                     size_t n_rows);
#define TILE(name, n, id)                                                                                              \
    static void name##n(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,    \
                        size_t n_rows)                                                                                 \
    {                                                                                                                  \
        tile(w, x, ld_x, k, y, ld_y, n_rows, n, id);                                                                   \
    }
#define TILES(n)                                                                                                       \
    TILE(f32_, n, NCE_TYPE_F32)                                                                                        \
    TILE(f16_, n, NCE_TYPE_F16)                                                                                        \
    TILE(bf16_, n, NCE_TYPE_BF16)
TILES(1)
TILES(2)
static tile_fn *const tiles[3][COLUMNS + 1] = {{0, f32_1, f32_2}, {0, f16_1, f16_2}, {0, bf16_1, bf16_2}};

void nce_product_float_avx2(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                            const nce_act *a, float *y, size_t ld_y)
{
    tile_fn *const *fn = tiles[type->id == NCE_TYPE_F32 ? 0 : type->id == NCE_TYPE_F16 ? 1 : 2];
    const size_t ld_x = nce_act_ld(a->k), fit = BLOCK_FLOATS / (a->k + 1) / COLUMNS * COLUMNS;
    const size_t per_block = fit < COLUMNS ? COLUMNS : fit;
    for (size_t b = 0; b < a->n_cols; b += per_block) {
        const size_t end = a->n_cols - b < per_block ? a->n_cols : b + per_block;
        for (size_t r = 0; r < n_rows; r += ROWS) {
            const size_t left = n_rows - r < ROWS ? n_rows - r : ROWS;
            const uint8_t *const row[ROWS] = {w + r * row_bytes, w + (r + left - 1) * row_bytes};
            for (size_t c = b; c < end; c += COLUMNS) {
                const size_t n = end - c < COLUMNS ? end - c : COLUMNS;
                fn[n](row, (const float *)a->data + c * ld_x, ld_x, a->k, y + c * ld_y + r, ld_y, left);
            }
        }
    }
}
