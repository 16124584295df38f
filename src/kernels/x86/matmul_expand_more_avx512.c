/* Expanders of the remaining flat types (one or two scales per 16, 32 or 256 elements) to panels; lane = row, as in
 * matmul_expand_avx512.c.  Small fields that lie side by side in a byte are spread over the bytes of a lane by
 * vpmultishiftqb, which picks eight bits at any bit offset of a 64-bit lane: two rows. */
#include "src/kernels/x86/matmul_avx512.h"

INLINE void put(uint8_t *line, int i, __m512i v)
{
    _mm512_store_si512(line + 64 * i, v);
}
INLINE void put_ps(uint8_t *line, int i, __m512 v)
{
    _mm512_store_ps(line + 64 * i, v);
}

/* Q4_1 (no fifth bits), Q5_0, Q5_1.  Fifth bits: bit i of the word belongs to element i. */
INLINE void nibbles(const rows16 *r, uint8_t *p, bool has_min, bool five)
{
    const size_t at = has_min ? 4 : 2;
    const int head = has_min ? 2 : 1;
    __m512i t[4], high = _mm512_setzero_si512();
    const __m512i first = words_at(r, 0);
    put_ps(p, 0, half_lo(first));
    if (has_min) /* stored as an offset; a minimum is subtracted */
        put_ps(p, 1, _mm512_xor_ps(half_hi(first), _mm512_set1_ps(-0.0f)));
    if (five) high = words_at(r, at);
    load_t(r, at + (five ? 4 : 0), t);
    UNROLL for (int j = 0; j < 4; j++)
    {
        __m512i lo = lo4(t[j]), hi = hi4(t[j]);
        if (five) {
            lo = _mm512_or_si512(lo, _mm512_slli_epi16(and8(spread(high, 4 * j, 1), 1), 4));
            hi = _mm512_or_si512(hi, _mm512_slli_epi16(and8(spread(high, 4 * j + 16, 1), 1), 4));
        }
        put(p, head + j, has_min ? lo : _mm512_add_epi8(lo, SET8(112)));
        put(p, head + 4 + j, has_min ? hi : _mm512_add_epi8(hi, SET8(112)));
    }
}

INLINE void q8_1(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    put_ps(p, 0, halves_at(r, 0));
    UNROLL for (int h = 0; h < 2; h++)
    {
        load_t(r, 4 + 16 * (size_t)h, t);
        UNROLL for (int j = 0; j < 4; j++) put(p, 1 + 4 * h + j, _mm512_xor_si512(t[j], SET8(128)));
    }
}

INLINE void mxfp4(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    put_ps(p, 0, e8m0_half(_mm512_and_si512(words_at(r, 0), SET32(255))));
    load_t(r, 1, t);
    UNROLL for (int j = 0; j < 4; j++)
    {
        put(p, 1 + j, _mm512_shuffle_epi8(fp4_table(), lo4(t[j])));
        put(p, 5 + j, _mm512_shuffle_epi8(fp4_table(), hi4(t[j])));
    }
}

/* UE4M3, halved; bit 7 is ignored, 0x7f counts as 0. */
INLINE __m512 ue4m3_half(__m512i x)
{
    const __m512i mantissa = _mm512_and_si512(x, SET32(7)),
                  exponent = _mm512_and_si512(_mm512_srli_epi32(x, 3), SET32(15));
    const __m512i bits =
        _mm512_or_si512(_mm512_slli_epi32(_mm512_add_epi32(exponent, SET32(119)), 23), _mm512_slli_epi32(mantissa, 20));
    const __m512 small = _mm512_mul_ps(_mm512_cvtepi32_ps(mantissa), _mm512_set1_ps(0x1p-10f));
    const __m512 f = _mm512_mask_mov_ps(_mm512_castsi512_ps(bits), _mm512_testn_epi32_mask(exponent, exponent), small);
    return _mm512_maskz_mov_ps(_mm512_cmpneq_epi32_mask(x, SET32(0x7f)), f);
}

INLINE void nvfp4(const rows16 *r, uint8_t *p)
{
    const __m512i scales = words_at(r, 0);
    UNROLL for (int piece = 0; piece < 2; piece++, p += 64 * 10)
    {
        __m512i t[4];
        load_t(r, 4 + 16 * (size_t)piece, t);
        UNROLL for (int half = 0; half < 2; half++)
        {
            put_ps(p, half, ue4m3_half(byte_of(scales, 2 * piece + half)));
            UNROLL for (int j = 0; j < 2; j++)
            { /* 8 bytes of each 16 elements, the first 8 in the low halves */
                const __m512i v = t[2 * half + j];
                put(p, 2 + 4 * half + j, _mm512_shuffle_epi8(fp4_table(), lo4(v)));
                put(p, 4 + 4 * half + j, _mm512_shuffle_epi8(fp4_table(), hi4(v)));
            }
        }
    }
}

/* 128 signs: bit 0 is -1 (127), bit 1 is +1 (129). */
INLINE void q1_0(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    const __m512 d = halves_at(r, 0);
    load_t(r, 2, t);
    UNROLL for (int piece = 0; piece < 4; piece++, p += 64 * 9)
    {
        put_ps(p, 0, d);
        UNROLL for (int j = 0; j < 8; j++)
        {
            const __m512i bit = and8(spread(t[piece], 4 * j, 1), 1);
            put(p, 1 + j, _mm512_add_epi8(_mm512_add_epi8(bit, bit), SET8(127)));
        }
    }
}

/* 64 codes of two bits, four neighbours in a byte. */
INLINE void q2_0(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    const __m512 d = halves_at(r, 0);
    load_t(r, 2, t);
    UNROLL for (int piece = 0; piece < 2; piece++, p += 64 * 9)
    {
        put_ps(p, 0, d);
        UNROLL for (int j = 0; j < 8; j++)
            put(p, 1 + j, _mm512_add_epi8(and8(spread(t[2 * piece + j / 4], 8 * (j % 4), 2), 3), SET8(127)));
    }
}

/* BitNet's: piece p in bits 6 - 2p; the scale belongs to the tensor. */
INLINE void i2_s(const rows16 *r, uint8_t *p)
{
    __m512i t[8];
    load_t(r, 0, t);
    load_t(r, 16, t + 4);
    UNROLL for (int piece = 0; piece < 4; piece++, p += 64 * 9)
    {
        put_ps(p, 0, _mm512_set1_ps(1));
        UNROLL for (int j = 0; j < 8; j++) put(p, 1 + j, _mm512_add_epi8(bits2(t[j], 6 - 2 * piece), SET8(127)));
    }
}

/* The leading base-3 digit of a fraction byte / 256, less one, plus 124. */
INLINE __m512i digit(__m512i v)
{
    const __m512i one = _mm512_mask_mov_epi8(SET8(123), _mm512_cmpge_epu8_mask(v, SET8(86)), SET8(124));
    return _mm512_mask_mov_epi8(one, _mm512_cmpge_epu8_mask(v, SET8(171)), SET8(125));
}
INLINE __m512i times3(__m512i v)
{
    return _mm512_add_epi8(v, _mm512_add_epi8(v, v));
} /* modulo 256: drops the digit */

/* 32 bytes of five digits, 16 of five, 4 of four; digit k of byte i is element n k + i of its run of n bytes. */
INLINE void tq1_0(const rows16 *r, uint8_t *p)
{
    __m512i t[12], tail[4];
    load_t(r, 0, t);
    load_t(r, 16, t + 4);
    load_t(r, 32, t + 8);
    load_t(r, 38, tail); /* early, to stay inside the block */
    put_ps(p, 0, half_hi(tail[3]));
    __m512i last = _mm512_or_si512(_mm512_srli_epi32(tail[2], 16), _mm512_slli_epi32(tail[3], 16));
    uint8_t *line = p + 64;
    UNROLL for (int k = 0; k < 5; k++) UNROLL for (int j = 0; j < 12; j++)
    {
        put(line, j < 8 ? 8 * k + j : 40 + 4 * k + j - 8, digit(t[j]));
        t[j] = times3(t[j]);
    }
    UNROLL for (int k = 0; k < 4; k++, last = times3(last)) put(line, 60 + k, digit(last));
}

#define EXPAND(name, bytes, step, call)                                                                                \
    void nce_expand_##name##_avx512(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)               \
    {                                                                                                                  \
        rows16 r = rows_at(w, row_bytes);                                                                              \
        for (size_t b = 0; b < n_blocks; b++, rows_step(&r, bytes), panel += 64 * (step))                              \
            call;                                                                                                      \
    }
EXPAND(q4_1, 20, 10, nibbles(&r, panel, true, false))
EXPAND(q5_0, 22, 9, nibbles(&r, panel, false, true))
EXPAND(q5_1, 24, 10, nibbles(&r, panel, true, true))
EXPAND(q8_1, 36, 9, q8_1(&r, panel))
EXPAND(mxfp4, 17, 9, mxfp4(&r, panel))
EXPAND(nvfp4, 36, 2 * 10, nvfp4(&r, panel))
EXPAND(q1_0, 18, 4 * 9, q1_0(&r, panel))
EXPAND(q2_0, 18, 2 * 9, q2_0(&r, panel))
EXPAND(i2_s, 32, 4 * 9, i2_s(&r, panel))
EXPAND(tq1_0, 54, 65, tq1_0(&r, panel))
