/* Expanders: 16 rows of blocks in the file's layout -> a panel (matmul_panel.h).
 *
 * The interleave is done on the PACKED bytes: load_t returns vectors with lane = row, a nibble or 2-bit field of which
 * already is four neighbouring k of one row.  So unpacking is shift and mask on whole vectors, and a b-bit type needs
 * only b/8 of the shuffles of int8. */
#include "src/kernels/x86/matmul_avx512.h"

INLINE __m512 half_at(const rows16 *r, size_t off)
{
    uint16_t h[16] __attribute__((aligned(32)));
    gather_halves(h, r->p[0] + off, r->s);
    return halves(h);
}

INLINE void put(uint8_t *line, int i, __m512i v)
{
    _mm512_store_si512(line + 64 * i, v);
}
INLINE void put_ps(uint8_t *line, int i, __m512 v)
{
    _mm512_store_ps(line + 64 * i, v);
}

INLINE void q8_0(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    put_ps(p, 0, half_at(r, 0));
    for (int h = 0; h < 2; h++) {
        load_t(r, 2 + 16 * (size_t)h, t);
        for (int j = 0; j < 4; j++)
            put(p, 1 + 4 * h + j, _mm512_xor_si512(t[j], SET8(128)));
    }
}

INLINE void nibbles32(const rows16 *r, uint8_t *p, int is_iq4)
{
    __m512i t[4];
    put_ps(p, 0, half_at(r, 0));
    load_t(r, 2, t);
    for (int j = 0; j < 4; j++) {
        const __m512i lo = lo4(t[j]), hi = hi4(t[j]);
        put(p, 1 + j, is_iq4 ? _mm512_shuffle_epi8(iq4_table(), lo) : _mm512_add_epi8(lo, SET8(120)));
        put(p, 5 + j, is_iq4 ? _mm512_shuffle_epi8(iq4_table(), hi) : _mm512_add_epi8(hi, SET8(120)));
    }
}

/* The 16 bytes that open a Q4_K or Q5_K block. */
INLINE void head_4k(const rows16 *r, uint8_t *p)
{
    __m512i t[4], sc[2], mn[2];
    load_t(r, 0, t);
    scales_4k(t, sc, mn);
    put_ps(p, 0, half_lo(t[0]));
    put_ps(p, 1, half_hi(t[0]));
    for (int j = 0; j < 4; j++)
        put(p, 2 + j, byte_pair(mn[j / 2], j % 2));
    for (int j = 0; j < 8; j++)
        put(p, 6 + j, byte_of(sc[j / 4], j % 4));
}

INLINE void q4_k(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    head_4k(r, p);
    for (int c = 0; c < 8; c++) { /* 16 bytes: half of sub-blocks 2(c/2) and 2(c/2) + 1 */
        load_t(r, 16 + 16 * (size_t)c, t);
        uint8_t *line = p + 64 * (14 + c / 2 * 16 + c % 2 * 4);
        for (int j = 0; j < 4; j++) {
            put(line, j, lo4(t[j]));
            put(line, 8 + j, hi4(t[j]));
        }
    }
}

INLINE void q5_k(const rows16 *r, uint8_t *p)
{
    __m512i t[4], h[8];
    head_4k(r, p);
    load_t(r, 16, h);
    load_t(r, 32, h + 4);
    for (int c = 0; c < 8; c++) {
        load_t(r, 48 + 16 * (size_t)c, t);
        uint8_t *line = p + 64 * (14 + c / 2 * 16 + c % 2 * 4);
        for (int j = 0; j < 4; j++) {
            const __m512i high = h[c % 2 * 4 + j];
            const __m512i bit0 = _mm512_and_si512(_mm512_srli_epi16(high, (unsigned)(c / 2 * 2)), SET8(1));
            const __m512i bit1 = _mm512_and_si512(_mm512_srli_epi16(high, (unsigned)(c / 2 * 2 + 1)), SET8(1));
            put(line, j, _mm512_or_si512(lo4(t[j]), _mm512_slli_epi16(bit0, 4)));
            put(line, 8 + j, _mm512_or_si512(hi4(t[j]), _mm512_slli_epi16(bit1, 4)));
        }
    }
}

INLINE void q6_k(const rows16 *r, uint8_t *p)
{
    __m512i a[4], b[4], h[4];
    put_ps(p, 0, half_at(r, 208));
    load_t(r, 192, a);
    for (int j = 0; j < 16; j++)
        put(p, 1 + j, sbyte_of(a[j / 4], j % 4));
    for (int c = 0; c < 4; c++) { /* half c/2 of the block, 16 bytes c%2 of each 32 */
        load_t(r, (size_t)(c / 2 * 64 + c % 2 * 16), a);
        load_t(r, (size_t)(c / 2 * 64 + 32 + c % 2 * 16), b);
        load_t(r, (size_t)(128 + c / 2 * 32 + c % 2 * 16), h);
        uint8_t *line = p + 64 * (17 + c / 2 * 32 + c % 2 * 4);
        for (int j = 0; j < 4; j++) {
            const __m512i nib[4] = {lo4(a[j]), lo4(b[j]), hi4(a[j]), hi4(b[j])};
            for (int k = 0; k < 4; k++) {
                const __m512i top = _mm512_slli_epi16(bits2(h[j], 2 * k), 4);
                put(line, 8 * k + j, _mm512_add_epi8(_mm512_or_si512(nib[k], top), SET8(96)));
            }
        }
    }
}

INLINE void iq4_xs(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    load_t(r, 0, t);
    put_ps(p, 0, half_lo(t[0]));
    const __m512i high = _mm512_srli_epi32(t[0], 16);
    for (int j = 0; j < 8; j++) {
        const __m512i lo = _mm512_and_si512(_mm512_srli_epi32(t[1], 4u * (unsigned)j), SET32(15));
        const __m512i hi = _mm512_and_si512(_mm512_slli_epi32(_mm512_srli_epi32(high, 2u * (unsigned)j), 4), SET32(48));
        put(p, 1 + j, _mm512_sub_epi32(_mm512_or_si512(lo, hi), SET32(32)));
    }
    for (int c = 0; c < 8; c++) {
        load_t(r, 8 + 16 * (size_t)c, t);
        uint8_t *line = p + 64 * (9 + 8 * c);
        for (int j = 0; j < 4; j++) {
            put(line, j, _mm512_shuffle_epi8(iq4_table(), lo4(t[j])));
            put(line, 4 + j, _mm512_shuffle_epi8(iq4_table(), hi4(t[j])));
        }
    }
}

/* code * scale is at most 3 * 15: it fits a byte, so the sub-scales are multiplied in here. */
INLINE void q2_k(const rows16 *r, uint8_t *p)
{
    __m512i s[4], t[4], scale[16];
    put_ps(p, 0, half_at(r, 80));
    put_ps(p, 1, half_at(r, 82));
    load_t(r, 0, s);
    for (int j = 0; j < 16; j++) {
        const __m512i b = byte_of(lo4(s[j / 4]), j % 4);
        scale[j] = _mm512_or_si512(b, _mm512_slli_epi32(b, 16));
        if (j % 2 == 0) put(p, 2 + j / 2, byte_pair(hi4(s[j / 4]), j / 2 % 2));
    }
    for (int c = 0; c < 4; c++) { /* 16 bytes: sub-blocks 8(c/2) + c%2 + {0, 2, 4, 6} */
        load_t(r, 16 + 16 * (size_t)c, t);
        for (int k = 0; k < 4; k++) {
            const int sub = c / 2 * 8 + c % 2 + 2 * k;
            for (int j = 0; j < 4; j++)
                put(p, 10 + 4 * sub + j, _mm512_mullo_epi16(bits2(t[j], 2 * k), scale[sub])); /* no carry: 45 < 256 */
        }
    }
}

/* code * scale lies in -124 .. 128: plus 124 it is a byte (0 .. 252), so these sub-scales are multiplied in too.
 * With code = q2 - 4 * !h and scale = s6 - 32, modulo 256:  code * scale = q2 * s6 - 32 * q2 - !h * 4 * scale. */
INLINE void q3_k(const rows16 *r, uint8_t *p)
{
    __m512i t[4], hm[8], s[4], scale[16], times4[16];
    put_ps(p, 0, half_at(r, 108));
    load_t(r, 94, s); /* 2 bytes early, to stay inside the block: realign */
    const __m512i w0 = _mm512_or_si512(_mm512_srli_epi32(s[0], 16), _mm512_slli_epi32(s[1], 16));
    const __m512i w1 = _mm512_or_si512(_mm512_srli_epi32(s[1], 16), _mm512_slli_epi32(s[2], 16));
    const __m512i w2 = _mm512_or_si512(_mm512_srli_epi32(s[2], 16), _mm512_slli_epi32(s[3], 16));
    const __m512i low[4] = {lo4(w0), lo4(w1), hi4(w0), hi4(w1)};
    for (int j = 0; j < 16; j++) {
        const __m512i six = _mm512_or_si512(low[j / 4], _mm512_slli_epi16(bits2(w2, j / 4 * 2), 4));
        const __m512i b = byte_of(six, j % 4),
                      b4 = _mm512_and_si512(_mm512_slli_epi32(_mm512_sub_epi32(b, SET32(32)), 2), SET32(255));
        scale[j] = _mm512_or_si512(b, _mm512_slli_epi32(b, 16));
        times4[j] = _mm512_mullo_epi32(b4, SET32(0x01010101));
    }
    load_t(r, 0, hm);
    load_t(r, 16, hm + 4);
    for (int c = 0; c < 4; c++) {
        load_t(r, 32 + 16 * (size_t)c, t);
        for (int k = 0; k < 4; k++) {
            const int sub = c / 2 * 8 + c % 2 + 2 * k;
            for (int j = 0; j < 4; j++) {
                const __m512i q2 = bits2(t[j], 2 * k);
                const __mmask64 low_half = _mm512_testn_epi8_mask(hm[c % 2 * 4 + j], SET8(1 << (c / 2 * 4 + k)));
                __m512i v = _mm512_add_epi8(SET8(124), _mm512_mullo_epi16(q2, scale[sub])); /* no carry: 189 < 256 */
                v = _mm512_sub_epi8(v, _mm512_slli_epi16(q2, 5));
                put(p, 1 + 4 * sub + j, _mm512_mask_sub_epi8(v, low_half, v, times4[sub]));
            }
        }
    }
}

INLINE void tq2_0(const rows16 *r, uint8_t *p)
{
    __m512i t[4];
    put_ps(p, 0, half_at(r, 64));
    for (int c = 0; c < 4; c++) {
        load_t(r, 16 * (size_t)c, t);
        uint8_t *line = p + 64 * (1 + c / 2 * 32 + c % 2 * 4);
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 4; j++)
                put(line, 8 * k + j, _mm512_add_epi8(bits2(t[j], 2 * k), SET8(123)));
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
