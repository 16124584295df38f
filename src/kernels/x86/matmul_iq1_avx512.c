/* IQ1_S and IQ1_M: words of eight ternary values from a book of 2,048.
 *
 * Here a lane is a row, unlike the other codebook types: one lookup fetches the same word of 16 rows from a copy of the
 * book in nibbles (8 KB, a quarter of L1), 4 * (value + 1) for elements k and k + 4 in byte k, so that two masks make the
 * codes of two lines and nothing is turned.  A high nibble is used where it lies: its sums are 16 times too large, and so
 * the low ones are made.
 *   IQ1_S  code = 8 value +- 1, one sign for 32: its share is a factor of the activations' own sums.
 *   IQ1_M  code = 2 (nibble + (sign is +)) - 9, a sign for every word. */
#include "src/kernels/types/codebooks.h"
#include "src/kernels/x86/matmul_avx512.h"

/* Bits from, from + 1, from + 2 of every lane as bits 8, 9, 10. */
INLINE __m512i top3(__m512i v, int from)
{
    v = from >= 8 ? _mm512_srli_epi32(v, (unsigned)from - 8) : _mm512_slli_epi32(v, 8 - (unsigned)from);
    return _mm512_and_si512(v, SET32(0x700));
}

/* Nibbles of the word whose number is byte j of low below three bits of high. */
INLINE __m512i nibbles(__m512i low, int j, __m512i high, int from)
{
    const __m512i byte = j == 3 ? _mm512_srli_epi32(low, 24) : byte_of(low, j);
    return _mm512_i32gather_epi32(_mm512_or_si512(byte, top3(high, from)), nce_iq1_nibbles, 4);
}

/* 16 * (sum of the low nibbles' products) + 16 * (that of the high ones'). */
INLINE __m512i joined(__m512i low, __m512i high)
{
    return _mm512_add_epi32(_mm512_slli_epi32(low, 4), high);
}

/* A word's eight codes times those of n columns, from line `line` of x on. */
INLINE void add_word(__m512i low[NCE_FEW], __m512i high[NCE_FEW], __m512i word8, const int32_t *x, const int32_t *x2,
                     int line, int n1, int n2)
{
    const int n = n1 + n2;
    const __m512i u = lo4(word8), v = and8(word8, 240);
    COLS
    {
        low[c] = dot4(low[c], u, NCE_X(line, c));
        high[c] = dot4(high[c], v, NCE_X(line + 1, c));
    }
}

/* ---- IQ1_S: F16, 32 low bytes, eight fields of 4 x 3 high bits, 3 bits of scale and the sign ---- */

/* Scales of two neighbouring sub-blocks. */
INLINE __m512i s_scales(__m512i fields)
{
    return _mm512_ternarylogic_epi32(_mm512_srli_epi16(fields, 11), _mm512_set1_epi16(14), _mm512_set1_epi16(1), 0xea);
}
/* 1, or -1 where the sign is set. */
INLINE __m512i s_signs(__m512i fields)
{
    return _mm512_or_si512(_mm512_srai_epi16(fields, 15), _mm512_set1_epi16(1));
}
INLINE __m512i s_half(__m512i pair, int which)
{
    return which ? _mm512_srli_epi32(pair, 16) : _mm512_and_si512(pair, SET32(0xffff));
}

INLINE void iq1_s_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                          const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    clear_out(out, n);
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2, ahead += 16 * 50) {
        __m512i low8[8], fields[4], isum[NCE_FEW], msum[NCE_FEW];
        load_t(&r, 2, low8);
        load_t(&r, 18, low8 + 4);
        load_t(&r, 34, fields);
        COLS isum[c] = msum[c] = _mm512_setzero_si512();
        UNROLL for (int j = 0; j < 8; j++)
        {
            const __m512i f = fields[j / 2], scales = s_scales(f);
            __m512i low[NCE_FEW], high[NCE_FEW];
            ahead_part(ahead, 50, b, (size_t)j, 8);
            COLS low[c] = high[c] = _mm512_setzero_si512();
            UNROLL for (int k = 0; k < 4; k++)
                add_word(low, high, nibbles(low8[j], k, f, 16 * (j % 2) + 3 * k), x, x2, 8 * j + 2 * k, n1, n2);
            COLS isum[c] = mul_add(isum[c], joined(low[c], high[c]), s_half(scales, j % 2));
            if (j % 2) { /* 8 value is 8 (value + 1) - 8 */
                const __m512i rest = _mm512_mullo_epi16(scales, _mm512_sub_epi16(s_signs(f), _mm512_set1_epi16(8)));
                COLS msum[c] = _mm512_dpwssd_epi32(msum[c], rest, word(NCE_X(NCE_X256_PAIR32 + j / 2, c)));
            }
        }
        const __m512 dw = _mm512_mul_ps(halves_at(&r, 0), _mm512_set1_ps(0.125f));
        COLS add_out(out[c], dw, NCE_X(NCE_X256_DA, c), _mm512_add_epi32(_mm512_srai_epi32(isum[c], 3), msum[c]));
        rows_step(&r, 50);
    }
}
NCE_INPLACE(iq1_s);

/* ---- IQ1_M: 32 low bytes, 32 nibbles of 3 high bits and a sign, four fields of 4 x 3 bits of scale and 4 of the F16 */

INLINE __m512i m_word(__m512i low, __m512i high, int i)
{
    const __mmask16 up = _mm512_testn_epi32_mask(high, SET32(8u << 4 * (i % 8)));
    const __m512i v = nibbles(low, i % 4, high, 4 * (i % 8));
    return _mm512_mask_or_epi32(v, up, v, SET32(0x11111111));
}
/* Of 16 elements; w: two of the fields. */
INLINE __m512i m_scale(const __m512i w[2], int sub)
{
    const int at = 16 * (sub / 4 % 2) + 3 * (sub % 4) - 1;
    const __m512i v = w[sub / 8];
    return _mm512_ternarylogic_epi32(at < 0 ? _mm512_slli_epi32(v, 1) : _mm512_srli_epi32(v, (unsigned)at), SET32(14),
                                     SET32(1), 0xea);
}
INLINE __m512 m_d(const __m512i w[2])
{
    __m512i v = _mm512_and_si512(_mm512_srli_epi32(w[0], 12), SET32(15));
    v = _mm512_ternarylogic_epi32(_mm512_srli_epi32(w[0], 24), SET32(0xf0), v, 0xea);
    v = _mm512_ternarylogic_epi32(_mm512_srli_epi32(w[1], 4), SET32(0xf00), v, 0xea);
    v = _mm512_ternarylogic_epi32(_mm512_srli_epi32(w[1], 16), SET32(0xf000), v, 0xea);
    return _mm512_mul_ps(half_lo(v), _mm512_set1_ps(0.125f));
}

INLINE void iq1_m_segment(const uint8_t *w, size_t s, size_t n_blocks, const int32_t *x, const int32_t *x2,
                          const uint8_t *ahead, float (*out)[16], const int n1, const int n2)
{
    const int n = n1 + n2;
    rows16 r = rows_at(w, s);
    clear_out(out, n);
    for (size_t b = 0; b < n_blocks;
         b++, x += NCE_X256_WORDS_FEW * n1, x2 += NCE_X256_WORDS_FEW * n2, ahead += 16 * 56) {
        __m512i low8[8], high[4], last[4], isum[NCE_FEW], msum[NCE_FEW];
        load_t(&r, 0, low8);
        load_t(&r, 16, low8 + 4);
        load_t(&r, 32, high);
        load_t(&r, 40, last); /* the scales are words 2 and 3 */
        COLS isum[c] = msum[c] = _mm512_setzero_si512();
        UNROLL for (int j = 0; j < 8; j++)
        { /* sub-blocks 2j and 2j + 1 */
            const __m512i scale[2] = {m_scale(last + 2, 2 * j), m_scale(last + 2, 2 * j + 1)};
            ahead_part(ahead, 56, b, (size_t)j, 8);
            UNROLL for (int h = 0; h < 2; h++)
            {
                __m512i lo[NCE_FEW], hi[NCE_FEW];
                COLS lo[c] = hi[c] = _mm512_setzero_si512();
                UNROLL for (int i = 4 * j + 2 * h; i < 4 * j + 2 * h + 2; i++)
                    add_word(lo, hi, m_word(low8[i / 4], high[i / 8], i), x, x2, 2 * i, n1, n2);
                COLS isum[c] = mul_add(isum[c], joined(lo[c], hi[c]), scale[h]);
            }
            const __m512i both = _mm512_or_si512(scale[0], _mm512_slli_epi32(scale[1], 16));
            COLS msum[c] = _mm512_dpwssd_epi32(msum[c], both, word(NCE_X(NCE_X256_PAIR16 + j, c)));
        }
        const __m512 dw = m_d(last + 2);
        COLS
        {
            const __m512i nine = _mm512_add_epi32(_mm512_slli_epi32(msum[c], 3), msum[c]);
            add_out(out[c], dw, NCE_X(NCE_X256_DA, c), _mm512_sub_epi32(_mm512_srai_epi32(isum[c], 3), nine));
        }
        rows_step(&r, 56);
    }
}
NCE_INPLACE(iq1_m);

/* ---- panels ---- */

/* Two lines of codes: twice the nibbles, plus rest. */
INLINE void put_word(uint8_t *line, __m512i word8, __m512i rest)
{
    const __m512i low = and8(_mm512_slli_epi16(word8, 1), 30), high = and8(_mm512_srli_epi16(word8, 3), 30);
    _mm512_store_si512(line, _mm512_add_epi8(low, rest));
    _mm512_store_si512(line + 64, _mm512_add_epi8(high, rest));
}

void nce_expand_iq1_s_avx512(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *p)
{
    rows16 r = rows_at(w, row_bytes);
    for (size_t b = 0; b < n_blocks; b++, p += nce_panel_block_bytes(NCE_PANEL_SUB32), rows_step(&r, 50)) {
        __m512i low8[8], fields[4];
        load_t(&r, 2, low8);
        load_t(&r, 18, low8 + 4);
        load_t(&r, 34, fields);
        _mm512_store_ps(p, _mm512_mul_ps(halves_at(&r, 0), _mm512_set1_ps(0.125f)));
        UNROLL for (int j = 0; j < 8; j++)
        {
            const __m512i f = fields[j / 2], sign = _mm512_srai_epi32(j % 2 ? f : _mm512_slli_epi32(f, 16), 31);
            const __m512i rest = _mm512_sub_epi8(SET8(121), and8(sign, 2));
            _mm512_store_si512(p + 64 * (1 + j), s_half(s_scales(f), j % 2));
            UNROLL for (int k = 0; k < 4; k++)
                put_word(p + 64 * (9 + 8 * j + 2 * k), nibbles(low8[j], k, f, 16 * (j % 2) + 3 * k), rest);
        }
    }
}

void nce_expand_iq1_m_avx512(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *p)
{
    rows16 r = rows_at(w, row_bytes);
    for (size_t b = 0; b < n_blocks; b++, p += nce_panel_block_bytes(NCE_PANEL_SUB16), rows_step(&r, 56)) {
        __m512i low8[8], high[4], last[4];
        load_t(&r, 0, low8);
        load_t(&r, 16, low8 + 4);
        load_t(&r, 32, high);
        load_t(&r, 40, last);
        _mm512_store_ps(p, m_d(last + 2));
        UNROLL for (int j = 0; j < 16; j++) _mm512_store_si512(p + 64 * (1 + j), m_scale(last + 2, j));
        UNROLL for (int i = 0; i < 32; i++)
            put_word(p + 64 * (17 + 2 * i), m_word(low8[i / 4], high[i / 8], i), SET8(119));
    }
}
