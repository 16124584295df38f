/* Few columns on AVX2: what the products that read weights in place share.  8 rows are loaded together, a 32-bit lane is
 * four neighbouring codes of a row (matmul_avx2.h).  maddubs takes codes as unsigned bytes; its pairs of products are
 * added up as int16 while they fit (matmul_avx2.c) and widened by the madd that multiplies with a sub-scale anyway.  What
 * codes are too large by comes off at the end of a block, from sums of activations that packing has stored. */
#ifndef NCE_SRC_MATMUL_INPLACE_AVX2_H
#define NCE_SRC_MATMUL_INPLACE_AVX2_H
#include "src/kernels/x86/matmul_avx2.h"

/* One segment of 8 rows from w, n columns from x, acc[column][row] from +0; ahead: an address stream to prefetch. */
typedef void nce_inplace_avx2_fn(const uint8_t *w, size_t row_bytes, size_t n_blocks, const int32_t *x,
                                 const uint8_t *ahead, float (*acc)[8]);
typedef struct nce_inplace_avx2 {
    nce_inplace_avx2_fn *fn[NCE_FEW_GROUP]; /* by columns - 1 */
} nce_inplace_avx2;
extern const nce_inplace_avx2 nce_inplace_q4_0_avx2, nce_inplace_q4_1_avx2, nce_inplace_q5_0_avx2,
    nce_inplace_q5_1_avx2, nce_inplace_q8_0_avx2, nce_inplace_iq4_nl_avx2, nce_inplace_mxfp4_avx2,
    nce_inplace_q2_k_avx2, nce_inplace_q3_k_avx2, nce_inplace_q4_k_avx2, nce_inplace_q5_k_avx2, nce_inplace_q6_k_avx2,
    nce_inplace_iq4_xs_avx2, nce_inplace_tq2_0_avx2;

/* Compile name##_segment(..., n), always inline, for every number of columns. */
#define NCE_INPLACE_N(name, n)                                                                                         \
    static void name##_##n(const uint8_t *w, size_t s, size_t nb, const int32_t *x, const uint8_t *a, float(*acc)[8])  \
    {                                                                                                                  \
        name##_segment(w, s, nb, x, a, acc, n);                                                                        \
    }
#define NCE_INPLACE(name)                                                                                              \
    NCE_INPLACE_N(name, 1)                                                                                             \
    NCE_INPLACE_N(name, 2)                                                                                             \
    NCE_INPLACE_N(name, 3)                                                                                             \
    NCE_INPLACE_N(name, 4)                                                                                             \
    const nce_inplace_avx2 nce_inplace_##name##_avx2 = {{name##_1, name##_2, name##_3, name##_4}}

/* The lines of a block of 8 rows, once each and in order: bytes / 8 of them; what is left over comes with a later
 * block. */
INLINE void prefetch_block(const uint8_t *ahead, size_t bytes)
{
    const uint8_t *const end = ahead + 8 * bytes;
    for (const uint8_t *p = (const uint8_t *)(((uintptr_t)ahead + 63) & ~(uintptr_t)63); p < end; p += 64)
        __asm__ volatile("prefetcht1 %0" ::"m"(*p)); /* volatile: gcc would gather them into one burst */
}

/* Four bytes of each of 8 rows, by integer moves (volatile: gcc would make insertions of them), for a load some blocks
 * later: one at once would wait for all of them. */
INLINE void gather_words(uint32_t *dst, const rows8 *r, size_t off)
{
    UNROLL for (size_t i = 0; i < 8; i++)
    {
        uint32_t w;
        memcpy(&w, r->p + i * r->s + off, sizeof w);
        ((volatile uint32_t *)dst)[i] = w;
    }
}
INLINE __m256i words_of(const uint32_t *p)
{
    return _mm256_load_si256((const __m256i *)p);
}
/* The low or high 16 bits of 8 words, as floats. */
INLINE __m256 half_lo(__m256i v)
{
    const __m256i low = v_and(v, v_set32(0xffff));
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}
INLINE __m256 half_hi(__m256i v)
{
    const __m256i high = v_srl32(v, 16);
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1)));
}

/* pairs[c] += codes . x as int16; line: of four elements. */
INLINE void dot_pairs(__m256i *pairs, __m256i codes, const int32_t *x, int line, int n)
{
    COLS pairs[c] = _mm256_add_epi16(pairs[c], _mm256_maddubs_epi16(codes, word(x + line * n + c)));
}
/* sum[c] += pairs[c] times a factor, the same in both halves of a lane. */
INLINE void widen(__m256i *sum, const __m256i *pairs, __m256i factor, int n)
{
    COLS sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pairs[c], factor));
}
/* sum[c] += signed codes . x times a factor. */
INLINE void dot_signed(__m256i *sum, __m256i codes, const int32_t *x, int line, __m256i factor, int n)
{
    const __m256i size = _mm256_abs_epi8(codes);
    COLS
    {
        const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(word(x + line * n + c), codes));
        sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pairs, factor));
    }
}
/* sum[c] += both int16 of every lane of m times those of the words of x, n side by side. */
INLINE void dot_sums(__m256i *sum, __m256i m, const int32_t *x, int n)
{
    COLS sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(m, word(x + c)));
}
INLINE void clear(__m256i *v, int n)
{
    COLS v[c] = _mm256_setzero_si256();
}

#endif
