/* TQ1_0, I2_S, Q1_0, Q2_0 in place: fields of two bits, code + 1, go into vpdpbusd where they lie, as in
 * matmul_inplace_low_avx512.c.
 *
 * TQ1_0: a byte holds five base-3 digits as a fraction of 256.  The first is found by two rounded averages, v * 3 / 4 in
 * bits 6 and 7; the other four come from one table of 256 as fields of two bits. */
#include "src/kernels/x86/matmul_avx512.h"

/* Digit k of fraction b; the digits 1 to 4 of b as fields, digit 4 in the lowest. */
#define DIGIT(b, power) (((uint8_t)((b) * (power)) * 3) >> 8)
#define FIELDS(b) (uint8_t)(DIGIT(b, 3) << 6 | DIGIT(b, 9) << 4 | DIGIT(b, 27) << 2 | DIGIT(b, 81))
#define FIELDS4(b) FIELDS(b), FIELDS((b) + 1), FIELDS((b) + 2), FIELDS((b) + 3)
#define FIELDS16(b) FIELDS4(b), FIELDS4((b) + 4), FIELDS4((b) + 8), FIELDS4((b) + 12)
#define FIELDS64(b) FIELDS16(b), FIELDS16((b) + 16), FIELDS16((b) + 32), FIELDS16((b) + 48)
static const uint8_t fields_of[256]
    __attribute__((aligned(64))) = {FIELDS64(0), FIELDS64(64), FIELDS64(128), FIELDS64(192)};

INLINE __m512i later_digits(__m512i v)
{
    const __m512i *const t = (const __m512i *)fields_of;
    const __m512i low = _mm512_permutex2var_epi8(t[0], v, t[1]), high = _mm512_permutex2var_epi8(t[2], v, t[3]);
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(v), high);
}

/* 64 times the first digit, floor(3 v / 256).  The averages round up, twice: v - 1 in place of v makes that right for all v. */
INLINE __m512i first_digit(__m512i v)
{
    v = _mm512_subs_epu8(v, SET8(1));
    return and8(_mm512_avg_epu8(_mm512_avg_epu8(v, _mm512_setzero_si512()), v), 192);
}

/* dot[c][k] += digit 4 - k of four bytes a row, 4^k times; the first digit joins the second's chain. */
INLINE void tq1_0_digits(__m512i (*dot)[4], __m512i v, const int32_t *x, const int32_t *x2, int line, int stride,
                         int n_digits, const int n1, const int n2)
{
    const int n = n1 + n2;
    const __m512i u0 = first_digit(v), u = later_digits(v);
    COLS
    {
        dot[c][3] = dot4(dot[c][3], u0, NCE_X(line, c));
        UNROLL for (int k = 1; k < n_digits; k++) dot[c][4 - k] =
            dot4(dot[c][4 - k], and8(u, 3 << (8 - 2 * k)), NCE_X(line + k * stride, c));
    }
}

INLINE void tq1_0_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                          const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    clear_out(out, n);
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2, ahead += 16 * 54) {
        __m512i dot[NCE_FEW][4];
        COLS UNROLL for (int k = 0; k < 4; k++) dot[c][k] = _mm512_setzero_si512();
        tq1_0_digits(dot, words_at(&r, 48), x, x2, 60, 1, 4, n1, n2);
        UNROLL for (size_t g = 0; g < 3; g++)
        {
            __m512i t[4];
            ahead_part(ahead, 54, b, g, 3);
            load_t(&r, 16 * g, t);
            UNROLL for (size_t j = 0; j < 4; j++)
                tq1_0_digits(dot, t[j], x, x2, (int)((g < 2 ? 4 * g : 40) + j), g < 2 ? 8 : 4, 5, n1, n2);
        }
        const __m512 dw = halves_at(&r, 52);
        COLS
        {
            __m512i sum = dot[c][3];
            UNROLL for (int k = 2; k >= 0; k--) sum = _mm512_add_epi32(_mm512_srai_epi32(sum, 2), dot[c][k]);
            add_out(out[c], dw, NCE_X(NCE_X256_DA, c), _mm512_add_epi32(sum, word(NCE_X(NCE_X256_MINUS1, c))));
        }
        rows_step(&r, 54);
    }
}
NCE_INPLACE(tq1_0);

/* -(sum of codes) of a block of 32. */
INLINE __m512i minus_sum(const int32_t *start)
{
    return _mm512_srai_epi32(word(start), 7);
}

/* ---- I2_S, Q1_0, Q2_0: blocks of several pieces of 32, each with activations of its own ---- */

enum { KIND_I2_S, KIND_Q1_0, KIND_Q2_0 };

/* Word j of a piece as unsigned codes.  I2_S: fields where they lie, 4^(3 - piece) times, the top bits first; Q1_0: a bit each;
 * Q2_0: four neighbours in a byte. */
INLINE __m512i piece_codes(const __m512i *t, int piece, int j, const int kind)
{
    if (kind == KIND_I2_S) return and8(t[j], 3 << (6 - 2 * piece));
    if (kind == KIND_Q1_0) return and8(spread(t[piece], 4 * j, 1), 1);
    return and8(spread(t[2 * piece + j / 4], 8 * (j % 4), 2), 3);
}

/* The sum of unsigned codes as that of code + 1: a set bit of Q1_0 is 2. */
INLINE __m512i piece_sum(__m512i sum, int piece, const int kind)
{
    if (kind == KIND_I2_S) return _mm512_srai_epi32(sum, (unsigned)(6 - 2 * piece));
    return kind == KIND_Q1_0 ? _mm512_slli_epi32(sum, 1) : sum;
}

INLINE void pieces_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                           const uint8_t *ahead, float (*out)[16], const int n1, const int n2, const int kind)
{
    const size_t bytes = kind == KIND_I2_S ? 32 : 18;
    const int n_pieces = kind == KIND_Q2_0 ? 2 : 4;
    const int n = n1 + n2;
    const bool two = n <= NCE_FEW_GROUP; /* chains of vpdpbusd, which has a latency of 4 */
    __m512 acc[NCE_FEW];
    rows16 r = rows_at(w, s);
    COLS acc[c] = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, ahead += 16 * bytes) {
        __m512i t[8];
        ahead_part(ahead, bytes, b, 0, 1);
        load_t(&r, kind == KIND_I2_S ? 0 : 2, t);
        if (kind == KIND_I2_S) load_t(&r, 16, t + 4);
        const __m512 dw = kind == KIND_I2_S ? _mm512_set1_ps(1) : halves_at(&r, 0);
        UNROLL for (int piece = 0; piece < n_pieces; piece++, x += NCE_X32_WORDS * n1, x2 += NCE_X32_WORDS * n2)
        {
            __m512i dot[NCE_FEW][2];
            COLS dot[c][0] = dot[c][1] = _mm512_setzero_si512();
            UNROLL for (int j = 0; j < 8; j++)
            {
                const __m512i u = piece_codes(t, piece, j, kind);
                COLS dot[c][two * j % 2] = dot4(dot[c][two * j % 2], u, NCE_X(j, c));
            }
            COLS
            {
                const __m512i sum = piece_sum(_mm512_add_epi32(dot[c][0], dot[c][1]), piece, kind);
                acc[c] = add_block(acc[c], dw, NCE_X(NCE_X32_DA, c),
                                   _mm512_add_epi32(sum, minus_sum(NCE_X(NCE_X32_START, c))));
            }
        }
        rows_step(&r, bytes);
    }
    COLS _mm512_storeu_ps(out[c], acc[c]);
}

#define i2_s_segment(w, s, nb, x, x2, a, acc, n, n2) pieces_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_I2_S)
#define q1_0_segment(w, s, nb, x, x2, a, acc, n, n2) pieces_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q1_0)
#define q2_0_segment(w, s, nb, x, x2, a, acc, n, n2) pieces_segment(w, s, nb, x, x2, a, acc, n, n2, KIND_Q2_0)
NCE_INPLACE(i2_s);
NCE_INPLACE(q1_0);
NCE_INPLACE(q2_0);
