/* What the AVX2 files of the matrix product share. */
#ifndef NCE_SRC_MATMUL_AVX2_H
#define NCE_SRC_MATMUL_AVX2_H
#include "src/kernels/matmul_panel.h"
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)") /* clang ignores the other one and keeps arrays in memory */
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef __m256i vec;
#define v_and _mm256_and_si256
#define v_or _mm256_or_si256
#define v_xor _mm256_xor_si256
#define v_add8 _mm256_add_epi8
#define v_sub8 _mm256_sub_epi8
#define v_sub32 _mm256_sub_epi32
#define v_mul16 _mm256_mullo_epi16
#define v_shuffle8 _mm256_shuffle_epi8
#define v_srl16(v, n) _mm256_srli_epi16(v, (int)(n))
#define v_sll16(v, n) _mm256_slli_epi16(v, (int)(n))
#define v_srl32(v, n) _mm256_srli_epi32(v, (int)(n))
#define v_sll32(v, n) _mm256_slli_epi32(v, (int)(n))
#define v_sra32(v, n) _mm256_srai_epi32(v, (int)(n))
#define v_set8(x) _mm256_set1_epi8((char)(x))
#define v_set32(x) _mm256_set1_epi32((int)(x))
#define v_repeat _mm256_broadcastsi128_si256
#define v_pattern(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#define v_and_or(v, mask, w) _mm256_or_si256(_mm256_and_si256(v, v_set8(mask)), w)
#include "src/kernels/matmul_fields.inc"

/* Eight rows, s bytes apart. */
typedef struct rows8 {
    const uint8_t *p;
    size_t s;
} rows8;

INLINE __m256i two_rows(const rows8 *r, size_t row, size_t off)
{
    const __m128i low = _mm_loadu_si128((const __m128i *)(r->p + row * r->s + off));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low),
                                   _mm_loadu_si128((const __m128i *)(r->p + (row + 4) * r->s + off)), 1);
}

/* out[j] lane i = bytes off + 4j .. off + 4j + 3 of row i. */
INLINE void load_t(const rows8 *r, size_t off, __m256i out[4])
{
    const __m256i a = two_rows(r, 0, off), b = two_rows(r, 1, off), c = two_rows(r, 2, off), d = two_rows(r, 3, off);
    const __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
    const __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
    out[0] = _mm256_unpacklo_epi64(ab0, cd0);
    out[1] = _mm256_unpackhi_epi64(ab0, cd0);
    out[2] = _mm256_unpacklo_epi64(ab1, cd1);
    out[3] = _mm256_unpackhi_epi64(ab1, cd1);
}

/* The levels of IQ4. */
INLINE __m256i iq4_levels(void)
{
    return v_repeat(_mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
}
/* Sixteen sub-scales of Q3_K, six bits less 32, as bytes; head: the last 16 bytes of a block, of which they are 12. */
INLINE void scales_3k(const __m256i head[4], __m256i six[4])
{
    const __m256i w0 = v_or(v_srl32(head[0], 16), v_sll32(head[1], 16));
    const __m256i w1 = v_or(v_srl32(head[1], 16), v_sll32(head[2], 16));
    const __m256i w2 = v_or(v_srl32(head[2], 16), v_sll32(head[3], 16));
    const __m256i low[4] = {lo4(w0), lo4(w1), hi4(w0), hi4(w1)};
    UNROLL for (int i = 0; i < 4; i++) six[i] = v_sub8(v_or(low[i], v_sll16(bits2(w2, 2 * i), 4)), v_set8(32));
}

/* ---- products; n columns ---- */

#define COLS UNROLL for (int c = 0; c < n; c++)

INLINE __m256i word(const int32_t *p)
{
    return _mm256_set1_epi32(*p);
}
INLINE __m256 word_ps(const int32_t *p)
{
    return _mm256_castsi256_ps(_mm256_set1_epi32(*p));
}
/* acc = fma(dw * da, (float)isum, acc) */
INLINE __m256 add_block(__m256 acc, __m256 dw, const int32_t *da, __m256i isum)
{
    return _mm256_fmadd_ps(_mm256_mul_ps(dw, word_ps(da)), _mm256_cvtepi32_ps(isum), acc);
}
/* acc = fma(-(dmin * da), (float)msum, acc) */
INLINE __m256 sub_block(__m256 acc, __m256 dmin, const int32_t *da, __m256i msum)
{
    return _mm256_fnmadd_ps(_mm256_mul_ps(dmin, word_ps(da)), _mm256_cvtepi32_ps(msum), acc);
}

/* 16 rows of a segment to a panel of signed codes, of the kind nce_panel_kind_of. */
void nce_expand_avx2(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel);

/* Through panels: any type, any number of columns. */
nce_product_fn nce_product_panels_avx2;

void nce_product_float_avx2(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                            const nce_act *a, float *y, size_t ld_y);

#endif
