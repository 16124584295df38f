/* Q4_K, Q5_K: 8 sub-blocks of 32 with 6-bit scales and minima.
 * Q4_K never shifts a high nibble: the dot of (byte & 0xf0) is 16 times too large, so the low nibbles' scales are
 * extracted 16 times too large as well (same instructions) and the sum is shifted once.  Largest sum 4.9e8. */
#include "src/kernels/x86/matmul_avx512.h"

/* Codes u with the bits 4 - left of h as their fifth. */
INLINE __m512i fifth(__m512i u, __m512i h, int left)
{
    return v_and_or(left >= 0 ? _mm512_slli_epi16(h, (unsigned)left) : _mm512_srli_epi16(h, (unsigned)-left), 16, u);
}

INLINE void q45k_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                         const uint8_t *ahead, float (*out)[16], const int n1, const int n2, const int five)
{
    const size_t bytes = five ? 176 : 144, codes = five ? 48 : 16;
    const int n = n1 + n2;
    const bool two = n <= NCE_FEW_GROUP; /* chains of vpdpbusd a column: both nibbles of a byte at once */
    rows16 r = rows_at(w, s);
    COLS _mm512_storeu_ps(out[c], _mm512_setzero_ps());
    for (size_t b = 0; b < n_blocks; b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2) {
        __m512i head[4], h[8], sc[2], mn[2], isum[NCE_FEW];
        load_t(&r, 0, head);
        scales_4k(head, sc, mn);
        if (five) load_t(&r, 16, h), load_t(&r, 32, h + 4);
        COLS isum[c] = _mm512_setzero_si512();
        UNROLL for (int j = 0; j < 4; j++)
        { /* sub-blocks 2j and 2j + 1 */
            __m512i t[8], low[NCE_FEW], high[NCE_FEW];
            ahead_part(ahead, bytes, b, (size_t)j, 4);
            load_t(&r, codes + 32 * (size_t)j, t);
            load_t(&r, codes + 32 * (size_t)j + 16, t + 4);
            COLS low[c] = high[c] = _mm512_setzero_si512();
            const __m512i s0 = byte_up(sc[j / 2], j % 2 * 2, five ? 0 : 4), s1 = byte_up(sc[j / 2], j % 2 * 2 + 1, 0);
            UNROLL for (int i = 0; i < 8; i++)
            {
                const __m512i u = five ? fifth(lo4(t[i]), h[i], 4 - 2 * j) : lo4(t[i]);
                COLS low[c] = dot4(low[c], u, NCE_X(16 * j + i, c));
                if (!two) continue;
                const __m512i v = five ? fifth(hi4(t[i]), h[i], 3 - 2 * j) : and8(t[i], 240);
                COLS high[c] = dot4(high[c], v, NCE_X(16 * j + 8 + i, c));
            }
            COLS isum[c] = mul_add(isum[c], low[c], s0);
            UNROLL for (int i = 0; i < 8 && !two; i++)
            {
                const __m512i v = five ? fifth(hi4(t[i]), h[i], 3 - 2 * j) : and8(t[i], 240);
                COLS high[c] = dot4(high[c], v, NCE_X(16 * j + 8 + i, c));
            }
            COLS isum[c] = mul_add(isum[c], high[c], s1);
        }
        const __m512 dw = half_lo(head[0]), dmin = half_hi(head[0]);
        const __m512i m[4] = {byte_pair(mn[0], 0), byte_pair(mn[0], 1), byte_pair(mn[1], 0), byte_pair(mn[1], 1)};
        COLS
        {
            const int32_t *const da = NCE_X(NCE_X256_DA, c);
            __m512i msum = _mm512_setzero_si512();
            UNROLL for (int j = 0; j < 4; j++) msum =
                _mm512_dpwssd_epi32(msum, m[j], word(NCE_X(NCE_X256_PAIR32 + j, c)));
            const __m512 acc =
                add_block(_mm512_loadu_ps(out[c]), dw, da, five ? isum[c] : _mm512_srai_epi32(isum[c], 4));
            _mm512_storeu_ps(out[c], sub_block(acc, dmin, da, msum));
        }
        ahead += 16 * bytes;
        rows_step(&r, bytes);
    }
}

#define q4_k_segment(w, s, nb, x, x2, a, acc, n, n2) q45k_segment(w, s, nb, x, x2, a, acc, n, n2, 0)
#define q5_k_segment(w, s, nb, x, x2, a, acc, n, n2) q45k_segment(w, s, nb, x, x2, a, acc, n, n2, 1)
NCE_INPLACE_PAIRS(q4_k);
NCE_INPLACE_PAIRS(q5_k);
