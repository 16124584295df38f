/* Products with F32, F16 and BF16 weights: tiles of 4 rows x up to 6 columns, one register an output.
 *
 * The contract's 16 lanes over k are one register, so nothing is shuffled until the fold at the end of a row.  Weights
 * are widened as they are loaded; columns are taken in blocks small enough to stay in L2 while all rows pass. */
#include "src/kernels/x86/matmul_avx512.h"

enum { ROWS = 4, COLUMNS = 6, BLOCK_FLOATS = 128 << 10 };

INLINE __m512 widen(const uint8_t *w, size_t i, __mmask16 m, nce_type id)
{
    if (id == NCE_TYPE_F32) return _mm512_maskz_loadu_ps(m, w + 4 * i);
    const __m256i h = _mm256_maskz_loadu_epi16(m, w + 2 * i);
    if (id == NCE_TYPE_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

INLINE __m512 widen_all(const uint8_t *w, size_t i, nce_type id)
{
    if (id == NCE_TYPE_F32) return _mm512_loadu_ps(w + 4 * i);
    const __m256i h = _mm256_loadu_si256((const __m256i *)(w + 2 * i));
    if (id == NCE_TYPE_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Lanes l += l + 8, l += l + 4: four left. */
INLINE __m128 fold_to_4(__m512 v)
{
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
}

/* The four rows of a column, folded; lane = row. */
INLINE __m128 fold_rows(const __m512 v[ROWS])
{
    __m128 a = fold_to_4(v[0]), b = fold_to_4(v[1]), c = fold_to_4(v[2]), d = fold_to_4(v[3]);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    return _mm_add_ps(_mm_add_ps(a, c), _mm_add_ps(b, d));
}

/* x: n columns ld_x floats apart; y: n columns ld_y apart, 4 rows by mask. */
INLINE void tile(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,
                 __mmask8 rows, int n, nce_type id)
{
    __m512 acc[COLUMNS][ROWS];
    size_t i = 0;
    UNROLL for (int c = 0; c < n; c++) UNROLL for (int r = 0; r < ROWS; r++) acc[c][r] = _mm512_setzero_ps();
    for (; i + 16 <= k; i += 16) {
        __m512 v[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) v[r] = widen_all(w[r], i, id);
        UNROLL for (int c = 0; c < n; c++)
        {
            const __m512 xc = _mm512_loadu_ps(x + (size_t)c * ld_x + i);
            UNROLL for (int r = 0; r < ROWS; r++) acc[c][r] = _mm512_fmadd_ps(v[r], xc, acc[c][r]);
        }
    }
    if (i < k) { /* idle lanes stay as they are: fma(0, 0, -0) would be +0 */
        const __mmask16 m = (__mmask16)((1u << (k - i)) - 1);
        UNROLL for (int c = 0; c < n; c++) UNROLL for (int r = 0; r < ROWS; r++) acc[c][r] = _mm512_mask3_fmadd_ps(
            widen(w[r], i, m, id), _mm512_maskz_loadu_ps(m, x + (size_t)c * ld_x + i), acc[c][r], m);
    }
    UNROLL for (int c = 0; c < n; c++) _mm_mask_storeu_ps(y + (size_t)c * ld_y, rows, fold_rows(acc[c]));
}

typedef void tile_fn(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,
                     __mmask8 rows);
#define TILE(name, n, id)                                                                                              \
    static void name##n(const uint8_t *const w[ROWS], const float *x, size_t ld_x, size_t k, float *y, size_t ld_y,    \
                        __mmask8 rows)                                                                                 \
    {                                                                                                                  \
        tile(w, x, ld_x, k, y, ld_y, rows, n, id);                                                                     \
    }
#define TILES(n)                                                                                                       \
    TILE(f32_, n, NCE_TYPE_F32)                                                                                        \
    TILE(f16_, n, NCE_TYPE_F16)                                                                                        \
    TILE(bf16_, n, NCE_TYPE_BF16)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
TILES(5)
TILES(6)
static tile_fn *const tiles[3][COLUMNS + 1] = {{0, f32_1, f32_2, f32_3, f32_4, f32_5, f32_6},
                                               {0, f16_1, f16_2, f16_3, f16_4, f16_5, f16_6},
                                               {0, bf16_1, bf16_2, bf16_3, bf16_4, bf16_5, bf16_6}};

void nce_product_float_avx512(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                              const nce_act *a, float *y, size_t ld_y)
{
    tile_fn *const *fn = tiles[type->id == NCE_TYPE_F32 ? 0 : type->id == NCE_TYPE_F16 ? 1 : 2];
    const size_t ld_x = nce_act_ld(a->k), fit = BLOCK_FLOATS / (a->k + 1) / COLUMNS * COLUMNS;
    const size_t per_block = fit < COLUMNS ? COLUMNS : fit;
    for (size_t b = 0; b < a->n_cols; b += per_block) {
        const size_t end = a->n_cols - b < per_block ? a->n_cols : b + per_block;
        for (size_t r = 0; r < n_rows; r += ROWS) {
            const size_t left = n_rows - r < ROWS ? n_rows - r : ROWS;
            const uint8_t *row[ROWS];
            for (size_t i = 0; i < ROWS; i++) /* missing rows repeat the last one; they are not stored */
                row[i] = w + (r + (i < left ? i : left - 1)) * row_bytes;
            for (size_t c = b; c < end; c += COLUMNS) {
                const size_t n = end - c < COLUMNS ? end - c : COLUMNS;
                fn[n](row, (const float *)a->data + c * ld_x, ld_x, a->k, y + c * ld_y + r, ld_y,
                      (__mmask8)((1u << left) - 1));
            }
        }
    }
}
