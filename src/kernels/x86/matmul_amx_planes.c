/* Planes: integer sub-scales multiplied into the codes of a panel, once for all columns.
 *
 * code * scale = 128 high + low with both in a byte (8 high + low for Q4_K and Q5_K, whose codes and scales are small and
 * not negative), so 256 elements with sub-scales need two products of bytes instead of a multiplication for every
 * sub-block; exact like everything integer. */
#include "src/kernels/x86/matmul_amx.h"
#include "src/kernels/x86/matmul_avx512.h"

/* 64 bytes (code + offset) times the scales of their rows: 128 high + low, both in -64 .. 64. */
INLINE void two_planes(__m512i codes, __m512i scale, __m512i *high, __m512i *low)
{
    /* even and odd bytes as int16; scale is int32, its low half repeated */
    const __m512i s = _mm512_or_si512(_mm512_slli_epi32(scale, 16), _mm512_and_si512(scale, SET32(0xffff)));
    const __m512i even = _mm512_mullo_epi16(_mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 8), s);
    const __m512i odd = _mm512_mullo_epi16(_mm512_srai_epi16(codes, 8), s);
    const __m512i round = _mm512_set1_epi16(64);
    const __m512i high_even = _mm512_srai_epi16(_mm512_add_epi16(even, round), 7);
    const __m512i high_odd = _mm512_srai_epi16(_mm512_add_epi16(odd, round), 7);
    const __m512i low_even = _mm512_sub_epi16(even, _mm512_slli_epi16(high_even, 7));
    const __m512i low_odd = _mm512_sub_epi16(odd, _mm512_slli_epi16(high_odd, 7));
    const __mmask64 odds = 0xaaaaaaaaaaaaaaaau;
    *high = _mm512_mask_mov_epi8(high_even, odds, _mm512_slli_epi16(high_odd, 8));
    *low = _mm512_mask_mov_epi8(low_even, odds, _mm512_slli_epi16(low_odd, 8));
}

/* The same for Q4_K and Q5_K, whose codes (0 .. 31) and scales (0 .. 63) allow 8 high + low with unsigned bytes: the
 * scale is split instead of the product, and two bytes are multiplied at once, for 31 * 7 does not carry. */
INLINE void two_planes_unsigned(__m512i codes, __m512i scale, __m512i *high, __m512i *low)
{
    const __m512i both = _mm512_or_si512(scale, _mm512_slli_epi32(scale, 16));
    *high = _mm512_mullo_epi16(codes, _mm512_srli_epi16(both, 3));
    *low = _mm512_mullo_epi16(codes, _mm512_and_si512(both, _mm512_set1_epi16(7)));
}

static void split_planes(const uint8_t *p, nce_panel_kind kind, size_t n_blocks, uint8_t *out)
{
    const size_t head = nce_panel_head(kind), n_sub = kind == NCE_PANEL_SUB16 ? 16 : 8, first = head - n_sub;
    const __m512i offset = SET8(nce_panel_offset(kind));
    for (size_t b = 0; b < n_blocks; b++, p += nce_panel_block_bytes(kind), out += NCE_AMX_PLANES_BYTES / 4) {
        memcpy(out, p, 64 * first);
        for (size_t i = 0; i < NCE_AMX_PLANE_LINES; i++) {
            const __m512i scale = _mm512_load_si512(p + 64 * (first + i * n_sub / NCE_AMX_PLANE_LINES));
            const __m512i codes = _mm512_load_si512(p + 64 * (head + i));
            __m512i high, low;
            if (kind == NCE_PANEL_SUB32_MIN)
                two_planes_unsigned(codes, scale, &high, &low);
            else
                two_planes(_mm512_sub_epi8(codes, offset), scale, &high, &low);
            _mm512_store_si512(out + 64 * (NCE_AMX_PLANES_HEAD + i), high);
            _mm512_store_si512(out + 64 * (NCE_AMX_PLANES_HEAD + NCE_AMX_PLANE_LINES + i), low);
        }
    }
}

void nce_amx_make_operand(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_blocks,
                          uint8_t *pad, uint8_t *panel, uint8_t *out)
{
    const nce_panel_kind kind = nce_panel_kind_avx512(type);
    const bool planes = kind >= NCE_PANEL_SUB32;
    nce_expand_avx512(type, w, row_bytes, n_rows, n_blocks, pad, planes ? panel : out);
    if (planes) split_planes(panel, kind, n_blocks, out);
}
