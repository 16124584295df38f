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

#define SHARE 4
#define EXPAND_PANEL nce_expand_neon
#define EXPAND_MORE
#include "src/kernels/matmul_expand_any.inc"
