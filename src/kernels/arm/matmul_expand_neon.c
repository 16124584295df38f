/* Expanders on NEON: the main types 4 rows at once (matmul_expand.inc), every other through its decode function and the same
 * transposing loads. */
#include "src/kernels/arm/matmul_neon.h"

typedef rows4 vec_rows;
#define OFFSET 0 /* signed codes */
#define OFFSET_FLAT 0

INLINE vec iq4_levels(void)
{
    return v_pattern(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
}

INLINE void put(uint8_t *line, int i, vec v)
{
    vst1q_u8(line + 64 * i, v);
}
INLINE void put_halves(uint8_t *line, int i, uint16x4_t h)
{
    vst1q_f32((float *)(void *)(line + 64 * i), vcvt_f32_f16(vreinterpret_f16_u16(h)));
}
INLINE void put_half_lo(uint8_t *line, int i, vec v)
{
    put_halves(line, i, vmovn_u32(v_u32(v)));
}
INLINE void put_half_hi(uint8_t *line, int i, vec v)
{
    put_halves(line, i, vshrn_n_u32(v_u32(v), 16));
}
INLINE void put_half_at(uint8_t *line, int i, const rows4 *r, size_t off)
{
    uint16_t h[4];
    for (size_t row = 0; row < 4; row++)
        memcpy(h + row, r->p + off + row * r->s, 2);
    put_halves(line, i, vld1_u16(h));
}

#include "src/kernels/matmul_expand.inc"

/* 4 of the 16 rows of a panel at a time. */
#define EXPAND(name, bytes, kind, call)                                                                                \
    static void expand_##name(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *to)                        \
    {                                                                                                                  \
        for (size_t quarter = 0; quarter < 4; quarter++) {                                                             \
            rows4 r = {w + quarter * 4 * row_bytes, row_bytes};                                                        \
            uint8_t *panel = to + 16 * quarter;                                                                        \
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
EXPAND(tq2_0, 66, NCE_PANEL_FLAT256, tq2_0(&r, panel))

/* Pieces of 16 rows, decoded, with their codes transposed; of FLAT256 times their sub-scales (all 1 or in the code). */
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
        for (size_t quarter = 0; quarter < 4; quarter++) {
            const rows4 r = {(const uint8_t *)plain[4 * quarter].code, sizeof *plain};
            for (size_t j = 0; j < type->act_block / 16; j++) {
                vec t[4];
                load_t(&r, 16 * j, t);
                UNROLL for (size_t k = 0; k < 4; k++) put(panel + 16 * quarter, (int)(head + 4 * j + k), t[k]);
            }
        }
    }
}

typedef void expand_fn(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *to);
static expand_fn *const expanders[NCE_TYPE_LAST + 1] = {
    [NCE_TYPE_Q8_0] = expand_q8_0,     [NCE_TYPE_Q4_0] = expand_q4_0, [NCE_TYPE_IQ4_NL] = expand_iq4_nl,
    [NCE_TYPE_Q4_K] = expand_q4_k,     [NCE_TYPE_Q5_K] = expand_q5_k, [NCE_TYPE_Q6_K] = expand_q6_k,
    [NCE_TYPE_IQ4_XS] = expand_iq4_xs, [NCE_TYPE_Q2_K] = expand_q2_k, [NCE_TYPE_TQ2_0] = expand_tq2_0,
};

void nce_expand_neon(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)
{
    if (expanders[type->id] != NULL)
        expanders[type->id](w, row_bytes, n_blocks, panel);
    else
        expand_any(type, w, row_bytes, n_blocks, panel);
}
