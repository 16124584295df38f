/* Q2_K, Q3_K, TQ2_0: 2-bit fields in planes, field k of a byte is 32 elements further on.
 *
 * Fields are used where they lie: (byte & 3 << 2k) is 4^k too large, so the sub-scale is extracted 4^(3-k) too large
 * (Q2_K; the same shift and mask) and one shift at the end undoes both.  Largest sums: Q2_K 9.4e7, Q3_K 1.2e8.
 * Q3_K: the mask bit joins at bit 2 + 2k, except that field 3 is first moved to bits 2 and 3; its factors are
 * 1 4 16 4 and its scales' 16 4 1 4.  TQ2_0 has no sub-scales: four sums, folded by shifts. */
#include "src/kernels/x86/matmul_avx512.h"

INLINE void q2_k_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                         const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    clear_out(out, n);
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2, ahead += 16 * 84) {
        __m512i head[4], isum[NCE_FEW];
        load_t(&r, 0, head);
        COLS isum[c] = _mm512_setzero_si512();
        UNROLL for (int g = 0; g < 4; g++)
        { /* half g / 2, 16 bytes g % 2 of each 32 */
            __m512i t[4];
            ahead_part(ahead, 84, b, (size_t)g, 4);
            load_t(&r, 16 + 16 * (size_t)g, t);
            UNROLL for (int k = 0; k < 4; k++)
            {
                const int sub = 8 * (g / 2) + 2 * k + g % 2, up = 6 - 2 * k, right = 8 * (sub % 4) - up;
                __m512i dot[NCE_FEW];
                COLS dot[c] = _mm512_setzero_si512();
                UNROLL for (int j = 0; j < 4; j++)
                {
                    const __m512i u = and8(t[j], 3 << 2 * k);
                    COLS dot[c] = dot4(dot[c], u, NCE_X(4 * sub + j, c));
                }
                const __m512i h = head[sub / 4];
                const __m512i sc = _mm512_and_si512(right >= 0 ? _mm512_srli_epi32(h, (unsigned)right)
                                                               : _mm512_slli_epi32(h, (unsigned)-right),
                                                    SET32(15 << up));
                COLS isum[c] = mul_add(isum[c], dot[c], sc);
            }
        }
        const __m512i dd = words_at(&r, 80);
        const __m512 dw = half_lo(dd), dmin = half_hi(dd);
        __m512i m[8];
        UNROLL for (int j = 0; j < 8; j++) m[j] = byte_pair(hi4(head[j / 2]), j % 2);
        COLS
        {
            const int32_t *const da = NCE_X(NCE_X256_DA, c);
            __m512i msum = _mm512_setzero_si512();
            UNROLL for (int j = 0; j < 8; j++) msum =
                _mm512_dpwssd_epi32(msum, m[j], word(NCE_X(NCE_X256_PAIR16 + j, c)));
            add_out(out[c], dw, da, _mm512_srai_epi32(isum[c], 6));
            sub_out(out[c], dmin, da, msum);
        }
        rows_step(&r, 84);
    }
}
NCE_INPLACE(q2_k);

/* Signed byte j of every lane, times 1 << up. */
INLINE __m512i sbyte_up(__m512i v, int j, int up)
{
    const char b = (char)j;
    const __m512i moved =
        _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_setr_epi8(-1, -1, -1, b, -1, -1, -1, (char)(4 + b), -1, -1,
                                                                    -1, (char)(8 + b), -1, -1, -1, (char)(12 + b))));
    return _mm512_srai_epi32(moved, 24u - (unsigned)up);
}

/* Bit `from` of every byte moved to bit `to`, the rest zero. */
INLINE __m512i move_bit(__m512i v, int from, int to, int n)
{
    if (n <= 2)
        return _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64((long long)((uint64_t)(1 << from) << 8 * (7 - to))),
                                             0);
    return and8(to >= from ? _mm512_slli_epi16(v, (unsigned)(to - from)) : _mm512_srli_epi16(v, (unsigned)(from - to)),
                1 << to);
}

INLINE void q3_k_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                         const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    clear_out(out, n);
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2, ahead += 16 * 110) {
        __m512i head[4], mask[8], six[4], isum[NCE_FEW];
        load_t(&r, 94, head); /* 2 bytes early, to stay inside the block and to catch d */
        const __m512i w0 = _mm512_or_si512(_mm512_srli_epi32(head[0], 16), _mm512_slli_epi32(head[1], 16));
        const __m512i w1 = _mm512_or_si512(_mm512_srli_epi32(head[1], 16), _mm512_slli_epi32(head[2], 16));
        const __m512i w2 = _mm512_or_si512(_mm512_srli_epi32(head[2], 16), _mm512_slli_epi32(head[3], 16));
        six[0] = _mm512_sub_epi8(v_and_or(_mm512_slli_epi16(w2, 4), 48, lo4(w0)), SET8(32));
        six[1] = _mm512_sub_epi8(v_and_or(_mm512_slli_epi16(w2, 2), 48, lo4(w1)), SET8(32));
        six[2] = _mm512_sub_epi8(v_and_or(w2, 48, hi4(w0)), SET8(32));
        six[3] = _mm512_sub_epi8(v_and_or(_mm512_srli_epi16(w2, 2), 48, hi4(w1)), SET8(32));
        load_t(&r, 0, mask);
        load_t(&r, 16, mask + 4);
        COLS isum[c] = _mm512_setzero_si512();
        UNROLL for (int g = 0; g < 4; g++)
        {
            __m512i t[4];
            ahead_part(ahead, 110, b, (size_t)g, 4);
            load_t(&r, 32 + 16 * (size_t)g, t);
            UNROLL for (int k = 0; k < 4; k++)
            {
                const int sub = 8 * (g / 2) + 2 * k + g % 2,
                          at = k == 3 ? 2 : 2 * k; /* where the field lies when used */
                __m512i dot[NCE_FEW];
                COLS dot[c] = word(NCE_X(NCE_X256_MINUS4 + sub, c));
                UNROLL for (int j = 0; j < 4; j++)
                {
                    const __m512i q = k == 3 ? _mm512_srli_epi16(t[j], 4) : t[j];
                    const __m512i u = v_and_or(q, 3 << at, move_bit(mask[4 * (g % 2) + j], 4 * (g / 2) + k, at + 2, n));
                    COLS dot[c] = dot4(dot[c], u, NCE_X(4 * sub + j, c));
                }
                const __m512i sc = sbyte_up(six[sub / 4], sub % 4, 4 - at);
                COLS isum[c] = mul_add(isum[c], dot[c], sc);
            }
        }
        const __m512 dw = half_hi(head[3]);
        COLS add_out(out[c], dw, NCE_X(NCE_X256_DA, c), _mm512_srai_epi32(isum[c], 4));
        rows_step(&r, 110);
    }
}
NCE_INPLACE(q3_k);

INLINE void tq2_0_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                          const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    const bool two = n <= NCE_FEW_GROUP; /* chains of vpdpbusd, which has a latency of 4 */
    rows16 r = rows_at(w, s);
    clear_out(out, n);
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2, ahead += 16 * 66) {
        __m512i t[16], isum[NCE_FEW];
        UNROLL for (size_t g = 0; g < 4; g++)
        {
            ahead_part(ahead, 66, b, g, 4);
            load_t(&r, 16 * g, t + 4 * g);
        }
        UNROLL for (int k = 3; k >= 0; k--)
        {
            __m512i dot[NCE_FEW][2];
            COLS dot[c][0] = dot[c][1] = _mm512_setzero_si512();
            UNROLL for (int g = 0; g < 4; g++) UNROLL for (int j = 0; j < 4; j++)
            {
                const __m512i u = and8(t[4 * g + j], 3 << 2 * k);
                COLS dot[c][two * j % 2] =
                    dot4(dot[c][two * j % 2], u, NCE_X(32 * (g / 2) + 8 * k + 4 * (g % 2) + j, c));
            }
            COLS
            {
                const __m512i sum = _mm512_add_epi32(dot[c][0], dot[c][1]);
                isum[c] = k == 3 ? sum : _mm512_add_epi32(_mm512_srai_epi32(isum[c], 2), sum);
            }
        }
        const __m512 dw = halves_at(&r, 64);
        COLS add_out(out[c], dw, NCE_X(NCE_X256_DA, c), _mm512_add_epi32(isum[c], word(NCE_X(NCE_X256_MINUS1, c))));
        rows_step(&r, 66);
    }
}
NCE_INPLACE(tq2_0);
