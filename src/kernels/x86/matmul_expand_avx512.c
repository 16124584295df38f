/* Expanders of the main types on AVX-512: 16 rows at once (see matmul_expand.inc). */
#include "src/kernels/x86/matmul_avx512.h"

typedef rows16 vec_rows;
#define OFFSET 128
#define OFFSET_FLAT 124
#define iq4_levels iq4_table

INLINE void put(uint8_t *line, int i, __m512i v)
{
    _mm512_store_si512(line + 64 * i, v);
}
INLINE void put_half_lo(uint8_t *line, int i, __m512i v)
{
    _mm512_store_ps(line + 64 * i, half_lo(v));
}
INLINE void put_half_hi(uint8_t *line, int i, __m512i v)
{
    _mm512_store_ps(line + 64 * i, half_hi(v));
}
INLINE void put_half_at(uint8_t *line, int i, const rows16 *r, size_t off)
{
    _mm512_store_ps(line + 64 * i, halves_at(r, off));
}

#include "src/kernels/matmul_expand.inc"

/* code * scale lies in -124 .. 128: plus 124 it is a byte (0 .. 252), so these sub-scales are multiplied in too.
 * With code = q2 - 4 * !h and scale = s6 - 32, modulo 256:  code * scale = q2 * s6 - 32 * q2 - !h * 4 * scale. */
INLINE void q3_k(const rows16 *r, uint8_t *p)
{
    __m512i t[4], hm[8], s[4], scale[16], times4[16];
    put_half_at(p, 0, r, 108);
    load_t(r, 94, s); /* 2 bytes early, to stay inside the block: realign */
    const __m512i w0 = _mm512_or_si512(_mm512_srli_epi32(s[0], 16), _mm512_slli_epi32(s[1], 16));
    const __m512i w1 = _mm512_or_si512(_mm512_srli_epi32(s[1], 16), _mm512_slli_epi32(s[2], 16));
    const __m512i w2 = _mm512_or_si512(_mm512_srli_epi32(s[2], 16), _mm512_slli_epi32(s[3], 16));
    const __m512i low[4] = {lo4(w0), lo4(w1), hi4(w0), hi4(w1)};
    UNROLL for (int j = 0; j < 16; j++)
    {
        const __m512i six = _mm512_or_si512(low[j / 4], _mm512_slli_epi16(bits2(w2, j / 4 * 2), 4));
        const __m512i b = byte_of(six, j % 4),
                      b4 = _mm512_and_si512(_mm512_slli_epi32(_mm512_sub_epi32(b, SET32(32)), 2), SET32(255));
        scale[j] = _mm512_or_si512(b, _mm512_slli_epi32(b, 16));
        times4[j] = _mm512_mullo_epi32(b4, SET32(0x01010101));
    }
    load_t(r, 0, hm);
    load_t(r, 16, hm + 4);
    UNROLL for (int c = 0; c < 4; c++)
    {
        load_t(r, 32 + 16 * (size_t)c, t);
        UNROLL for (int k = 0; k < 4; k++)
        {
            const int sub = c / 2 * 8 + c % 2 + 2 * k;
            UNROLL for (int j = 0; j < 4; j++)
            {
                const __m512i q2 = bits2(t[j], 2 * k);
                const __mmask64 low_half = _mm512_testn_epi8_mask(hm[c % 2 * 4 + j], SET8(1 << (c / 2 * 4 + k)));
                __m512i v = _mm512_add_epi8(SET8(124), _mm512_mullo_epi16(q2, scale[sub])); /* no carry: 189 < 256 */
                v = _mm512_sub_epi8(v, _mm512_slli_epi16(q2, 5));
                put(p, 1 + 4 * sub + j, _mm512_mask_sub_epi8(v, low_half, v, times4[sub]));
            }
        }
    }
}

#define EXPAND(name, bytes, kind, call)                                                                                \
    void nce_expand_##name##_avx512(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)               \
    {                                                                                                                  \
        rows16 r = rows_at(w, row_bytes);                                                                              \
        for (size_t b = 0; b < n_blocks; b++, rows_step(&r, bytes), panel += nce_panel_block_bytes(kind))              \
            call;                                                                                                      \
    }
EXPAND(q8_0, 34, NCE_PANEL_FLAT32, q8_0(&r, panel))
EXPAND(q4_0, 18, NCE_PANEL_FLAT32, nibbles32(&r, panel, 0))
EXPAND(iq4_nl, 18, NCE_PANEL_FLAT32, nibbles32(&r, panel, 1))
EXPAND(q4_k, 144, NCE_PANEL_SUB32_MIN, q4_k(&r, panel))
EXPAND(q5_k, 176, NCE_PANEL_SUB32_MIN, q5_k(&r, panel))
EXPAND(q6_k, 210, NCE_PANEL_SUB16, q6_k(&r, panel))
EXPAND(iq4_xs, 136, NCE_PANEL_SUB32, iq4_xs(&r, panel))
EXPAND(q2_k, 84, NCE_PANEL_FLAT256_MIN, q2_k(&r, panel))
EXPAND(q3_k, 110, NCE_PANEL_FLAT256, q3_k(&r, panel))
EXPAND(tq2_0, 66, NCE_PANEL_FLAT256, tq2_0(&r, panel))
