/* Q4_0, IQ4_NL, Q8_0: blocks of 32 with one f16 scale.  Codes are made unsigned (nibble, value + 128); the start value
 * of the accumulator takes the offset back exactly.
 * Q4_0's high nibbles are not shifted: their own chain is 16 times too large, shifted once; -128 * (sum of q) is -8 of
 * it. */
#include "src/kernels/x86/matmul_avx512.h"

enum { KIND_Q4_0, KIND_IQ4_NL, KIND_Q8_0 };

INLINE void block32_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                            const uint8_t *ahead, float (*out)[16], const int n1, const int n2, const int kind)
{
    const size_t bytes = kind == KIND_Q8_0 ? 34 : 18;
    const int n = n1 + n2;
    /* vpdpbusd has a latency of 4: two chains for few columns, which lets Q4_0 do without a shift as well */
    const bool two = n <= NCE_FEW_GROUP;
    __m512 acc[NCE_FEW];
    rows16 r = rows_at(w, s);
    UNROLL for (int c = 0; c < n; c++) acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X32_WORDS * n1, x2 += NCE_X32_WORDS * n2, ahead += 16 * bytes, rows_step(&r, bytes)) {
        __m512i t[8], sum[NCE_FEW], sum2[NCE_FEW];
        ahead_part(ahead, bytes, b, 0, 1);
        load_t(&r, 2, t);
        if (kind == KIND_Q8_0) load_t(&r, 18, t + 4);
        UNROLL for (int c = 0; c < n; c++)
        {
            const __m512i start = word(NCE_X(NCE_X32_START, c));
            sum[c] = two ? _mm512_setzero_si512() : kind == KIND_Q4_0 ? _mm512_srai_epi32(start, 4) : start;
            sum2[c] = start;
        }
        UNROLL for (int j = 0; j < 4; j++)
        {
            const __m512i high = _mm512_srli_epi16(t[j], 4);
            const __m512i u = kind == KIND_Q8_0   ? _mm512_xor_si512(t[j], SET8(128))
                              : kind == KIND_Q4_0 ? lo4(t[j])
                                                  : _mm512_permutexvar_epi8(t[j], iq4_table());
            const __m512i v = kind == KIND_Q8_0   ? _mm512_xor_si512(t[j + 4], SET8(128))
                              : kind == KIND_Q4_0 ? (two ? and8(t[j], 240) : lo4(high))
                                                  : _mm512_permutexvar_epi8(high, iq4_table());
            UNROLL for (int c = 0; c < n; c++)
            {
                __m512i *const other = two ? &sum2[c] : &sum[c];
                sum[c] = dot4(sum[c], u, NCE_X(j, c));
                *other = dot4(*other, v, NCE_X(j + 4, c));
            }
        }
        const __m512 dw = halves_at(&r, 0);
        UNROLL for (int c = 0; c < n; c++)
        {
            if (two) sum[c] = _mm512_add_epi32(sum[c], kind == KIND_Q4_0 ? _mm512_srai_epi32(sum2[c], 4) : sum2[c]);
            acc[c] = add_block(acc[c], dw, NCE_X(NCE_X32_DA, c), sum[c]);
        }
    }
    UNROLL for (int c = 0; c < n; c++) _mm512_storeu_ps(out[c], acc[c]);
}

#define q4_0_segment(w, s, nb, x, x2, a, acc, n, n2) block32_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q4_0)
#define iq4_nl_segment(w, s, nb, x, x2, a, acc, n, n2) block32_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_IQ4_NL)
#define q8_0_segment(w, s, nb, x, x2, a, acc, n, n2) block32_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q8_0)
NCE_INPLACE(q4_0);
NCE_INPLACE(iq4_nl);
NCE_INPLACE(q8_0);
