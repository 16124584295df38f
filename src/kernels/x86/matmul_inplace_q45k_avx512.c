/* Q4_K, Q5_K: 8 sub-blocks of 32 with 6-bit scales and minima.
 * Q4_K never shifts a high nibble: the dot of (byte & 0xf0) is 16 times too large, so the low nibbles' scales are
 * extracted 16 times too large as well (same instructions) and the sum is shifted once.  Largest sum 4.9e8. */
#include "src/kernels/x86/matmul_avx512.h"

INLINE void q45k_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const uint8_t *ahead,
                         float (*out)[16], const int n, const int five)
{
    const size_t bytes = five ? 176 : 144, codes = five ? 48 : 16;
    __m512 acc[NCE_FEW_GROUP];
    rows16 r = rows_at(w, s);
    UNROLL for (int c = 0; c < n; c++) acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, x += NCE_X256_WORDS_FEW * n, ahead += 16 * bytes) {
        __m512i head[4], h[8], sc[2], mn[2], isum[NCE_FEW_GROUP];
        load_t(&r, 0, head);
        scales_4k(head, sc, mn);
        if (five) load_t(&r, 16, h), load_t(&r, 32, h + 4);
        UNROLL for (int c = 0; c < n; c++) isum[c] = _mm512_setzero_si512();
        UNROLL for (int j = 0; j < 4; j++)
        { /* sub-blocks 2j and 2j + 1 */
            __m512i low[NCE_FEW_GROUP], high[NCE_FEW_GROUP];
            ahead_part(ahead, bytes, b, (size_t)j, 4);
            UNROLL for (int c = 0; c < n; c++) low[c] = high[c] = _mm512_setzero_si512();
            UNROLL for (int p = 0; p < 2; p++)
            {
                __m512i t[4];
                load_t(&r, codes + 32 * (size_t)j + 16 * (size_t)p, t);
                UNROLL for (int i = 0; i < 4; i++)
                {
                    __m512i u = lo4(t[i]), v = and8(t[i], 240);
                    if (five) {
                        const __m512i bits = h[4 * p + i];
                        const int left = 4 - 2 * j, left2 = left - 1;
                        u = v_and_or(left >= 0 ? _mm512_slli_epi16(bits, (unsigned)left)
                                               : _mm512_srli_epi16(bits, (unsigned)-left),
                                     16, u);
                        v = v_and_or(left2 >= 0 ? _mm512_slli_epi16(bits, (unsigned)left2)
                                                : _mm512_srli_epi16(bits, (unsigned)-left2),
                                     16, hi4(t[i]));
                    }
                    UNROLL for (int c = 0; c < n; c++)
                    {
                        low[c] = dot4(low[c], u, x + (16 * j + 4 * p + i) * n + c);
                        high[c] = dot4(high[c], v, x + (16 * j + 8 + 4 * p + i) * n + c);
                    }
                }
            }
            const __m512i s0 = byte_up(sc[j / 2], j % 2 * 2, five ? 0 : 4), s1 = byte_up(sc[j / 2], j % 2 * 2 + 1, 0);
            UNROLL for (int c = 0; c < n; c++)
            {
                isum[c] = mul_add(isum[c], low[c], s0);
                isum[c] = mul_add(isum[c], high[c], s1);
            }
        }
        const __m512 dw = half_lo(head[0]), dmin = half_hi(head[0]);
        const __m512i m[4] = {byte_pair(mn[0], 0), byte_pair(mn[0], 1), byte_pair(mn[1], 0), byte_pair(mn[1], 1)};
        UNROLL for (int c = 0; c < n; c++)
        {
            const int32_t *const da = x + NCE_X256_DA * n + c;
            __m512i msum = _mm512_setzero_si512();
            UNROLL for (int j = 0; j < 4; j++) msum =
                _mm512_dpwssd_epi32(msum, m[j], word(x + (NCE_X256_PAIR32 + j) * n + c));
            acc[c] = add_block(acc[c], dw, da, five ? isum[c] : _mm512_srai_epi32(isum[c], 4));
            acc[c] = sub_block(acc[c], dmin, da, msum);
        }
        rows_step(&r, bytes);
    }
    UNROLL for (int c = 0; c < n; c++) _mm512_storeu_ps(out[c], acc[c]);
}

#define q4_k_segment(w, s, nb, x, a, acc, n) q45k_segment(w, s, nb, x, a, acc, n, 0)
#define q5_k_segment(w, s, nb, x, a, acc, n) q45k_segment(w, s, nb, x, a, acc, n, 1)
NCE_INPLACE(q4_k);
NCE_INPLACE(q5_k);
