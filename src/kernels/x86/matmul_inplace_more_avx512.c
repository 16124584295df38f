/* Q4_1, Q5_0, Q5_1, MXFP4 in place: as matmul_inplace_block32_avx512.c, with a minimum, fifth bits, or a scale that is a
 * power of two.  Codes of Q5_0 are 16 too large, -128 * (sum of q) is -16 of it eight times; those of MXFP4 128; with a
 * minimum they are not negative. */
#include "src/kernels/x86/matmul_avx512.h"

enum { KIND_Q4_1, KIND_Q5_0, KIND_Q5_1, KIND_MXFP4 };

INLINE void more_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                         const uint8_t *ahead, float (*out)[16], const int n1, const int n2, const int kind)
{
    const size_t bytes = kind == KIND_Q4_1 ? 20 : kind == KIND_Q5_0 ? 22 : kind == KIND_Q5_1 ? 24 : 17;
    const bool five = kind == KIND_Q5_0 || kind == KIND_Q5_1, has_min = kind == KIND_Q4_1 || kind == KIND_Q5_1;
    const int n = n1 + n2;
    const bool two = n <= NCE_FEW_GROUP; /* chains of vpdpbusd a column */
    __m512 acc[NCE_FEW];
    rows16 r = rows_at(w, s);
    UNROLL for (int c = 0; c < n; c++) acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X32_WORDS * n1, x2 += NCE_X32_WORDS * n2, ahead += 16 * bytes, rows_step(&r, bytes)) {
        __m512i t[4], sum[NCE_FEW], sum2[NCE_FEW];
        ahead_part(ahead, bytes, b, 0, 1);
        load_t(&r, bytes - 16, t);
        const __m512i fifth = five ? words_at(&r, kind == KIND_Q5_0 ? 2 : 4) : _mm512_setzero_si512();
        UNROLL for (int c = 0; c < n; c++)
        {
            const __m512i start = word(NCE_X(NCE_X32_START, c));
            sum[c] = has_min ? _mm512_setzero_si512() : kind == KIND_Q5_0 ? _mm512_srai_epi32(start, 3) : start;
            sum2[c] = _mm512_setzero_si512();
        }
        UNROLL for (int j = 0; j < 4; j++)
        {
            const __m512i high = _mm512_srli_epi16(t[j], 4);
            __m512i u = kind == KIND_MXFP4 ? _mm512_permutexvar_epi8(t[j], fp4_table()) : lo4(t[j]);
            __m512i v = kind == KIND_MXFP4 ? _mm512_permutexvar_epi8(high, fp4_table()) : lo4(high);
            if (five) {
                u = _mm512_or_si512(u, _mm512_slli_epi16(and8(spread(fifth, 4 * j, 1), 1), 4));
                v = _mm512_or_si512(v, _mm512_slli_epi16(and8(spread(fifth, 4 * j + 16, 1), 1), 4));
            }
            UNROLL for (int c = 0; c < n; c++)
            {
                __m512i *const other = two ? &sum2[c] : &sum[c];
                sum[c] = dot4(sum[c], u, NCE_X(j, c));
                *other = dot4(*other, v, NCE_X(j + 4, c));
            }
        }
        const __m512i first = words_at(&r, 0);
        const __m512 dw = kind == KIND_MXFP4 ? e8m0_half(_mm512_and_si512(first, SET32(255))) : half_lo(first);
        UNROLL for (int c = 0; c < n; c++)
        {
            const int32_t *const da = NCE_X(NCE_X32_DA, c);
            acc[c] = add_block(acc[c], dw, da, two ? _mm512_add_epi32(sum[c], sum2[c]) : sum[c]);
            if (has_min) /* the stored offset is minus the minimum */
                acc[c] =
                    _mm512_fmadd_ps(_mm512_mul_ps(half_hi(first), word_ps(da)), word_ps(NCE_X(NCE_X32_SUM, c)), acc[c]);
        }
    }
    UNROLL for (int c = 0; c < n; c++) _mm512_storeu_ps(out[c], acc[c]);
}

#define q4_1_segment(w, s, nb, x, x2, a, acc, n, n2) more_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q4_1)
#define q5_0_segment(w, s, nb, x, x2, a, acc, n, n2) more_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q5_0)
#define q5_1_segment(w, s, nb, x, x2, a, acc, n, n2) more_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q5_1)
#define mxfp4_segment(w, s, nb, x, x2, a, acc, n, n2) more_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_MXFP4)
NCE_INPLACE(q4_1);
NCE_INPLACE(q5_0);
NCE_INPLACE(q5_1);
NCE_INPLACE(mxfp4);
