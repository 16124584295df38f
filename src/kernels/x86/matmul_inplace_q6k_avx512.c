/* Q6_K (16 sub-blocks of 16, int8 scales) and IQ4_XS (8 sub-blocks of 32, 6-bit scales, nibble table).
 * Q6_K's two high bits are moved by gf2p8affineqb for one or two columns (its pipe is idle there) and by shifts for
 * more (vpdpbusd needs that pipe). */
#include "src/kernels/x86/matmul_avx512.h"

/* Bits 2k and 2k + 1 of every byte moved to bits 4 and 5. */
INLINE __m512i high_bits(__m512i v, int k, int n)
{
    if (k == 2) return and8(v, 48);
    if (n <= 2) {
        /* matrix byte 7 - i selects the source bit of result bit i */
        const uint64_t m = (uint64_t)(1 << 2 * k) << 24 | (uint64_t)(2 << 2 * k) << 16;
        return _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64((long long)m), 0);
    }
    return and8(k < 2 ? _mm512_slli_epi16(v, 4u - 2u * (unsigned)k) : _mm512_srli_epi16(v, 2), 48);
}

INLINE void q6_k_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                         const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    COLS _mm512_storeu_ps(out[c], _mm512_setzero_ps());
    for (size_t b = 0; b < n_blocks; b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2) {
        __m512i scales[4], isum[NCE_FEW];
        load_t(&r, 192, scales);
        COLS isum[c] = _mm512_setzero_si512();
        UNROLL for (size_t g = 0; g < 4; g++)
        { /* half g / 2, 16 bytes g % 2 of each 32 */
            const size_t half = g / 2, p = g % 2;
            __m512i lo[8], hi[4];
            ahead_part(ahead, 210, b, g, 4);
            load_t(&r, 64 * half + 16 * p, lo);
            load_t(&r, 64 * half + 32 + 16 * p, lo + 4);
            load_t(&r, 128 + 32 * half + 16 * p, hi);
            UNROLL for (int k = 0; k < 4; k++)
            {
                const int sub = (int)(8 * half + p) + 2 * k;
                __m512i dot[NCE_FEW];
                COLS dot[c] = word(NCE_X(NCE_X256_MINUS32 + sub, c));
                UNROLL for (int j = 0; j < 4; j++)
                {
                    const __m512i t = lo[4 * (k % 2) + j];
                    const __m512i u = v_and_or(k < 2 ? t : _mm512_srli_epi16(t, 4), 15, high_bits(hi[j], k, n));
                    COLS dot[c] = dot4(dot[c], u, NCE_X(4 * sub + j, c));
                }
                const __m512i sc = sbyte_of(scales[sub / 4], sub % 4);
                COLS isum[c] = mul_add(isum[c], dot[c], sc);
            }
        }
        const __m512 dw = halves_at(&r, 208);
        COLS _mm512_storeu_ps(out[c], add_block(_mm512_loadu_ps(out[c]), dw, NCE_X(NCE_X256_DA, c), isum[c]));
        ahead += 16 * 210;
        rows_step(&r, 210);
    }
}
NCE_INPLACE_PAIRS(q6_k);

INLINE void iq4_xs_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                           const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const __m512i table = iq4_table();
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    COLS _mm512_storeu_ps(out[c], _mm512_setzero_ps());
    for (size_t b = 0; b < n_blocks; b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2) {
        __m512i head[4], isum[NCE_FEW];
        load_t(&r, 0, head); /* 8 bytes of it: d, 8 x 2 high bits, 8 low nibbles */
        const __m512i high = _mm512_srli_epi32(head[0], 12);
        COLS isum[c] = _mm512_setzero_si512();
        UNROLL for (int j = 0; j < 8; j++)
        {
            __m512i t[4], dot[NCE_FEW];
            ahead_part(ahead, 136, b, (size_t)j, 8);
            load_t(&r, 8 + 16 * (size_t)j, t);
            COLS dot[c] = word(NCE_X(NCE_X256_START32 + j, c));
            UNROLL for (int i = 0; i < 4; i++)
            {
                const __m512i u = _mm512_permutexvar_epi8(t[i], table),
                              v = _mm512_permutexvar_epi8(_mm512_srli_epi16(t[i], 4), table);
                COLS
                {
                    dot[c] = dot4(dot[c], u, NCE_X(8 * j + i, c));
                    dot[c] = dot4(dot[c], v, NCE_X(8 * j + 4 + i, c));
                }
            }
            const __m512i low = _mm512_and_si512(_mm512_srli_epi32(head[1], 4u * (unsigned)j), SET32(15));
            const __m512i sc = _mm512_sub_epi32(
                _mm512_ternarylogic_epi32(_mm512_srli_epi32(high, 2u * (unsigned)j), SET32(48), low, 0xea), SET32(32));
            COLS isum[c] = mul_add(isum[c], dot[c], sc);
        }
        const __m512 dw = half_lo(head[0]);
        COLS _mm512_storeu_ps(out[c], add_block(_mm512_loadu_ps(out[c]), dw, NCE_X(NCE_X256_DA, c), isum[c]));
        ahead += 16 * 136;
        rows_step(&r, 136);
    }
}
NCE_INPLACE_PAIRS(iq4_xs);
