/* Q2_K to Q6_K, IQ4_XS, TQ2_0 in place on AVX2: blocks of 256.
 * A sub-scale multiplies in the madd that widens a sub-block's sums.  Codes of Q6_K are 32 too large, those of Q3_K 4: the
 * sub-scales times the sums of activations, as minima are elsewhere.  All of TQ2_0's 256 products of codes 0, 1, 2 fit
 * int16. */
#include "src/kernels/x86/matmul_inplace_avx2.h"

/* Byte j of every lane in both halves of it, unsigned or signed. */
INLINE __m256i byte_twice(__m256i v, int j)
{
    const char b = (char)j, z = -1;
    return v_shuffle8(v, v_pattern(b, z, b, z, (char)(4 + b), z, (char)(4 + b), z, (char)(8 + b), z, (char)(8 + b), z,
                                   (char)(12 + b), z, (char)(12 + b), z));
}
INLINE __m256i sbyte_twice(__m256i v, int j)
{
    return _mm256_srai_epi16(v_sll16(byte_twice(v, j), 8), 8);
}
/* Bytes 2j and 2j + 1, signed, as two int16. */
INLINE __m256i sbyte_pair(__m256i v, int j)
{
    return _mm256_srai_epi16(v_sll16(byte_pair(v, j), 8), 8);
}

/* ---- the frame ---- */

/* What a block adds: sums with its sub-scales, sums with its minima, or of the offset of its codes, and its scales. */
typedef struct k_sums {
    __m256i isum[NCE_FEW_GROUP], msum[NCE_FEW_GROUP];
    __m256 d, dmin;
} k_sums;
/* What gather_words stores is read back at the end: at once, the processor would wait for the stores. */
typedef void k_block(k_sums *k, const rows8 *r, const int32_t *x, int n);
/* Codes are 1 << shift too large; NO_OFFSET: they are not; MINIMA: msum has a scale of its own. */
enum { NO_OFFSET = -1, MINIMA = -2 };

INLINE void k_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const uint8_t *ahead, float (*out)[8],
                      const int n, const size_t bytes, const int shift, k_block *block)
{
    __m256 acc[NCE_FEW_GROUP];
    rows8 r = {w, s};
    COLS acc[c] = _mm256_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, x += NCE_X256_WORDS_FEW * n, ahead += 8 * bytes, r.p += bytes) {
        const int32_t *const da = x + NCE_X256_DA * n;
        k_sums k;
        prefetch_block(ahead, bytes);
        clear(k.isum, n), clear(k.msum, n);
        block(&k, &r, x, n);
        COLS
        {
            if (shift >= 0) k.isum[c] = v_sub32(k.isum[c], v_sll32(k.msum[c], shift));
            acc[c] = add_block(acc[c], k.d, da + c, k.isum[c]);
            if (shift == MINIMA) acc[c] = sub_block(acc[c], k.dmin, da + c, k.msum[c]);
        }
    }
    COLS _mm256_storeu_ps(out[c], acc[c]);
}

#define SEGMENT(name, bytes, shift)                                                                                    \
    INLINE void name##_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const uint8_t *ahead,    \
                               float (*out)[8], const int n)                                                           \
    {                                                                                                                  \
        k_segment(w, s, n_blocks, x, ahead, out, n, bytes, shift, name##_block);                                       \
    }                                                                                                                  \
    NCE_INPLACE(name)

/* ---- Q4_K, Q5_K ---- */

INLINE void q45k_block(k_sums *k, const rows8 *r, const int32_t *x, int n, bool five)
{
    const size_t codes = five ? 48 : 16;
    __m256i head[4], sc[2], mn[2], h[8];
    load_t(r, 0, head);
    scales_4k(head, sc, mn);
    k->d = half_lo(head[0]), k->dmin = half_hi(head[0]);
    if (five) load_t(r, 16, h), load_t(r, 32, h + 4);
    UNROLL for (int j = 0; j < 4; j++)
    {                                                          /* sub-blocks 2j and 2j + 1 */
        __m256i low[2][NCE_FEW_GROUP], high[2][NCE_FEW_GROUP]; /* by 16 elements: four lines of 31 fit */
        UNROLL for (int p = 0; p < 2; p++)
        {
            __m256i t[4];
            load_t(r, codes + 32 * (size_t)j + 16 * (size_t)p, t);
            clear(low[p], n), clear(high[p], n);
            UNROLL for (int i = 0; i < 4; i++)
            {
                __m256i u = lo4(t[i]), v = hi4(t[i]);
                if (five) {
                    u = v_or(u, v_sll16(and8(v_srl16(h[4 * p + i], 2 * j), 1), 4));
                    v = v_or(v, v_sll16(and8(v_srl16(h[4 * p + i], 2 * j + 1), 1), 4));
                }
                dot_pairs(low[p], u, x, 16 * j + 4 * p + i, n);
                dot_pairs(high[p], v, x, 16 * j + 8 + 4 * p + i, n);
            }
        }
        UNROLL for (int p = 0; p < 2; p++)
        {
            widen(k->isum, low[p], byte_twice(sc[j / 2], j % 2 * 2), n);
            widen(k->isum, high[p], byte_twice(sc[j / 2], j % 2 * 2 + 1), n);
        }
        dot_sums(k->msum, byte_pair(mn[j / 2], j % 2), x + (NCE_X256_PAIR32 + j) * n, n);
    }
}

INLINE void q4_k_block(k_sums *k, const rows8 *r, const int32_t *x, int n) { q45k_block(k, r, x, n, false); }
INLINE void q5_k_block(k_sums *k, const rows8 *r, const int32_t *x, int n) { q45k_block(k, r, x, n, true); }
SEGMENT(q4_k, 144, MINIMA);
SEGMENT(q5_k, 176, MINIMA);

/* ---- Q6_K: no more than two lines of codes up to 63 fit int16 ---- */

INLINE void q6_k_block(k_sums *k, const rows8 *r, const int32_t *x, int n)
{
    uint32_t d[8] __attribute__((aligned(32)));
    __m256i scales[4];
    gather_words(d, r, 206);
    load_t(r, 192, scales);
    UNROLL for (int g = 0; g < 4; g++)
    { /* half g / 2, 16 bytes g % 2 of each 32 */
        const size_t half = (size_t)g / 2, p = (size_t)g % 2;
        __m256i lo[8], hi[4];
        load_t(r, 64 * half + 16 * p, lo);
        load_t(r, 64 * half + 32 + 16 * p, lo + 4);
        load_t(r, 128 + 32 * half + 16 * p, hi);
        UNROLL for (int f = 0; f < 4; f++)
        {
            const int sub = (int)(8 * half + p) + 2 * f;
            const __m256i factor = sbyte_twice(scales[sub / 4], sub % 4);
            UNROLL for (int j = 0; j < 4; j += 2)
            {
                __m256i pairs[NCE_FEW_GROUP];
                clear(pairs, n);
                UNROLL for (int i = j; i < j + 2; i++)
                {
                    const __m256i t = lo[4 * (f % 2) + i];
                    const __m256i u = v_or(f < 2 ? lo4(t) : hi4(t), v_sll16(bits2(hi[i], 2 * f), 4));
                    dot_pairs(pairs, u, x, 4 * sub + i, n);
                }
                widen(k->isum, pairs, factor, n);
            }
        }
    }
    UNROLL for (int j = 0; j < 8; j++)
        dot_sums(k->msum, sbyte_pair(scales[j / 2], j % 2), x + (NCE_X256_PAIR16 + j) * n, n);
    k->d = half_hi(words_of(d));
}
SEGMENT(q6_k, 210, 5);

/* ---- Q2_K, Q3_K: 2-bit fields in planes, field k of a byte is 32 elements further on ---- */

INLINE void q2_k_block(k_sums *k, const rows8 *r, const int32_t *x, int n)
{
    uint32_t d[8] __attribute__((aligned(32)));
    __m256i head[4];
    gather_words(d, r, 80);
    load_t(r, 0, head);
    UNROLL for (int g = 0; g < 4; g++)
    { /* half g / 2, 16 bytes g % 2 of each 32 */
        __m256i t[4];
        load_t(r, 16 + 16 * (size_t)g, t);
        UNROLL for (int f = 0; f < 4; f++)
        {
            const int sub = 8 * (g / 2) + 2 * f + g % 2;
            __m256i pairs[NCE_FEW_GROUP];
            clear(pairs, n);
            UNROLL for (int j = 0; j < 4; j++) dot_pairs(pairs, bits2(t[j], 2 * f), x, 4 * sub + j, n);
            widen(k->isum, pairs, byte_twice(lo4(head[sub / 4]), sub % 4), n);
        }
    }
    UNROLL for (int j = 0; j < 8; j++)
        dot_sums(k->msum, byte_pair(hi4(head[j / 2]), j % 2), x + (NCE_X256_PAIR16 + j) * n, n);
    k->d = half_lo(words_of(d)), k->dmin = half_hi(words_of(d));
}
SEGMENT(q2_k, 84, MINIMA);

INLINE void q3_k_block(k_sums *k, const rows8 *r, const int32_t *x, int n)
{
    __m256i head[4], six[4], top[8];
    load_t(r, 94, head); /* 2 bytes early, to stay inside the block and to catch d */
    k->d = half_hi(head[3]);
    scales_3k(head, six);
    load_t(r, 0, top);
    load_t(r, 16, top + 4);
    UNROLL for (int g = 0; g < 4; g++)
    {
        __m256i t[4];
        load_t(r, 32 + 16 * (size_t)g, t);
        UNROLL for (int f = 0; f < 4; f++)
        {
            const int sub = 8 * (g / 2) + 2 * f + g % 2;
            __m256i pairs[NCE_FEW_GROUP];
            clear(pairs, n);
            UNROLL for (int j = 0; j < 4; j++)
            {
                const __m256i bit = and8(v_srl16(top[4 * (g % 2) + j], 4 * (g / 2) + f), 1);
                dot_pairs(pairs, v_or(bits2(t[j], 2 * f), v_sll16(bit, 2)), x, 4 * sub + j, n);
            }
            widen(k->isum, pairs, sbyte_twice(six[sub / 4], sub % 4), n);
        }
    }
    UNROLL for (int j = 0; j < 8; j++)
        dot_sums(k->msum, sbyte_pair(six[j / 2], j % 2), x + (NCE_X256_PAIR16 + j) * n, n);
}
SEGMENT(q3_k, 110, 2);

/* ---- IQ4_XS, TQ2_0 ---- */

INLINE void iq4_xs_block(k_sums *k, const rows8 *r, const int32_t *x, int n)
{
    __m256i head[4];
    load_t(r, 0, head); /* 8 bytes of it: d, 8 x 2 high bits, 8 low nibbles */
    k->d = half_lo(head[0]);
    UNROLL for (int j = 0; j < 8; j++)
    {
        __m256i t[4];
        const __m256i low = v_and(v_srl32(head[1], 4u * (unsigned)j), v_set32(15));
        const __m256i high = v_and(v_srl32(head[0], 16u + 2u * (unsigned)j), v_set32(3));
        const __m256i scale = v_sub32(v_or(low, v_sll32(high, 4)), v_set32(32));
        const __m256i factor = v_or(v_and(scale, v_set32(0xffff)), v_sll32(scale, 16));
        load_t(r, 8 + 16 * (size_t)j, t);
        UNROLL for (int i = 0; i < 4; i++)
        {
            dot_signed(k->isum, v_shuffle8(iq4_levels(), lo4(t[i])), x, 8 * j + i, factor, n);
            dot_signed(k->isum, v_shuffle8(iq4_levels(), hi4(t[i])), x, 8 * j + 4 + i, factor, n);
        }
    }
}
SEGMENT(iq4_xs, 136, NO_OFFSET);

INLINE void tq2_0_block(k_sums *k, const rows8 *r, const int32_t *x, int n)
{
    uint32_t d[8] __attribute__((aligned(32)));
    __m256i pairs[NCE_FEW_GROUP];
    gather_words(d, r, 62);
    clear(pairs, n);
    UNROLL for (int g = 0; g < 4; g++)
    {
        __m256i t[4];
        load_t(r, 16 * (size_t)g, t);
        UNROLL for (int f = 0; f < 4; f++) UNROLL for (int j = 0; j < 4; j++)
            dot_pairs(pairs, bits2(t[j], 2 * f), x, 32 * (g / 2) + 8 * f + 4 * (g % 2) + j, n);
    }
    COLS k->isum[c] = word(x + NCE_X256_MINUS1 * n + c);
    widen(k->isum, pairs, _mm256_set1_epi16(1), n);
    k->d = half_hi(words_of(d));
}
SEGMENT(tq2_0, 66, NO_OFFSET);
