/* Expanders on AVX2: the main types 8 rows at once (matmul_expand.inc), every other through its decode function and the
 * same transposing loads. */
#include "src/kernels/x86/matmul_avx2.h"

typedef rows8 vec_rows;
#define OFFSET 0 /* signed codes */
#define OFFSET_FLAT 0

INLINE __m256i iq4_levels(void)
{
    return v_repeat(_mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
}

INLINE void put(uint8_t *line, int i, __m256i v)
{
    _mm256_store_si256((__m256i *)(line + 64 * i), v);
}
INLINE void put_ps(uint8_t *line, int i, __m256 v)
{
    _mm256_store_ps((float *)(void *)(line + 64 * i), v);
}
/* The low 16 bits of 8 words, as floats. */
INLINE void put_half_lo(uint8_t *line, int i, __m256i v)
{
    const __m256i low = v_and(v, v_set32(0xffff));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0xd8);
    put_ps(line, i, _mm256_cvtph_ps(_mm256_castsi256_si128(packed)));
}
INLINE void put_half_hi(uint8_t *line, int i, __m256i v)
{
    put_half_lo(line, i, v_srl32(v, 16));
}
INLINE void put_half_at(uint8_t *line, int i, const rows8 *r, size_t off)
{
    uint16_t h[8] __attribute__((aligned(16)));
    for (size_t row = 0; row < 8; row++)
        memcpy(h + row, r->p + off + row * r->s, 2);
    put_ps(line, i, _mm256_cvtph_ps(_mm_load_si128((const __m128i *)h)));
}

#include "src/kernels/matmul_expand.inc"

/* Sixteen sub-scales of six bits, less 32; the third bit of a code lies apart, inverted. */
INLINE void q3_k(const rows8 *r, uint8_t *p)
{
    __m256i t[4], hm[8], s[4];
    put_half_at(p, 0, r, 108);
    load_t(r, 94, s); /* 2 bytes early, to stay inside the block: realign */
    const __m256i w0 = v_or(v_srl32(s[0], 16), v_sll32(s[1], 16));
    const __m256i w1 = v_or(v_srl32(s[1], 16), v_sll32(s[2], 16));
    const __m256i w2 = v_or(v_srl32(s[2], 16), v_sll32(s[3], 16));
    const __m256i low[4] = {lo4(w0), lo4(w1), hi4(w0), hi4(w1)};
    UNROLL for (int j = 0; j < 16; j++)
    {
        const __m256i six = v_or(low[j / 4], v_sll16(bits2(w2, j / 4 * 2), 4));
        put(p, 1 + j, v_sub32(byte_of(six, j % 4), v_set32(32)));
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
                const __m256i bit = and8(v_srl16(hm[c % 2 * 4 + j], c / 2 * 4 + k), 1);
                const __m256i code = v_or(bits2(t[j], 2 * k), v_sll16(bit, 2));
                put(p, 17 + 4 * sub + j, v_sub8(code, v_set8(4)));
            }
        }
    }
}

/* 8 of the 16 rows of a panel at a time. */
#define EXPAND(name, bytes, kind, call)                                                                                \
    static void expand_##name(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *to)                        \
    {                                                                                                                  \
        for (size_t half = 0; half < 2; half++) {                                                                      \
            rows8 r = {w + half * 8 * row_bytes, row_bytes};                                                           \
            uint8_t *panel = to + 32 * half;                                                                           \
            for (size_t b = 0; b < n_blocks; b++, r.p += bytes, panel += nce_panel_block_bytes(kind))                  \
                call;                                                                                                  \
        }                                                                                                              \
    }
EXPAND(q8_0, 34, NCE_PANEL_FLAT32, q8_0(&r, panel))
EXPAND(q4_0, 18, NCE_PANEL_FLAT32, nibbles32(&r, panel, 0))
EXPAND(iq4_nl, 18, NCE_PANEL_FLAT32, nibbles32(&r, panel, 1))
EXPAND(q4_k, 144, NCE_PANEL_SUB32_MIN, q4_k(&r, panel))
EXPAND(q5_k, 176, NCE_PANEL_SUB32_MIN, q5_k(&r, panel))
EXPAND(q6_k, 210, NCE_PANEL_SUB16, q6_k(&r, panel))
EXPAND(iq4_xs, 136, NCE_PANEL_SUB32, iq4_xs(&r, panel))
EXPAND(q2_k, 84, NCE_PANEL_FLAT256_MIN, q2_k(&r, panel))
EXPAND(q3_k, 110, NCE_PANEL_SUB16, q3_k(&r, panel))
EXPAND(tq2_0, 66, NCE_PANEL_FLAT256, tq2_0(&r, panel))

/* Pieces of 16 rows, decoded, with their codes transposed. */
static void expand_any(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)
{
    const nce_panel_kind kind = nce_panel_kind_of(type);
    const size_t head = nce_panel_head(kind), n_pieces = type->block / type->act_block;
    nce_plain_block plain[NCE_PANEL_ROWS];
    for (size_t i = 0; i < n_blocks * n_pieces; i++, panel += nce_panel_block_bytes(kind)) {
        for (size_t row = 0; row < NCE_PANEL_ROWS; row++) {
            type->decode(w + row * row_bytes + i / n_pieces * type->block_bytes, i % n_pieces, &plain[row]);
            nce_panel_put_head(kind, &plain[row], panel, row);
        }
        for (size_t half = 0; half < 2; half++) {
            const rows8 r = {(const uint8_t *)plain[8 * half].code, sizeof *plain};
            for (size_t j = 0; j < type->act_block / 16; j++) {
                __m256i t[4];
                load_t(&r, 16 * j, t);
                UNROLL for (size_t k = 0; k < 4; k++) put(panel + 32 * half, (int)(head + 4 * j + k), t[k]);
            }
        }
    }
}

void nce_expand_avx2(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)
{
    switch (type->id) {
    case NCE_TYPE_Q8_0:
        expand_q8_0(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_Q4_0:
        expand_q4_0(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_IQ4_NL:
        expand_iq4_nl(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_Q4_K:
        expand_q4_k(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_Q5_K:
        expand_q5_k(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_Q6_K:
        expand_q6_k(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_IQ4_XS:
        expand_iq4_xs(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_Q2_K:
        expand_q2_k(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_Q3_K:
        expand_q3_k(w, row_bytes, n_blocks, panel);
        break;
    case NCE_TYPE_TQ2_0:
        expand_tq2_0(w, row_bytes, n_blocks, panel);
        break;
    default:
        expand_any(type, w, row_bytes, n_blocks, panel);
        break;
    }
}
