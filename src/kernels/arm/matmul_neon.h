/* What the NEON files of the matrix product share: 4 rows in a vector of bytes, lane = row. */
#ifndef NCE_SRC_ARM_MATMUL_NEON_H
#define NCE_SRC_ARM_MATMUL_NEON_H
#include "src/kernels/matmul_panel.h"
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef uint8x16_t vec;
#define v_u16(v) vreinterpretq_u16_u8(v)
#define v_u32(v) vreinterpretq_u32_u8(v)
#define v_s32(v) vreinterpretq_s32_u8(v)
#define v_of16(v) vreinterpretq_u8_u16(v)
#define v_of32(v) vreinterpretq_u8_u32(v)
#define v_and vandq_u8
#define v_or vorrq_u8
#define v_xor veorq_u8
#define v_add8 vaddq_u8
#define v_sub8 vsubq_u8
#define v_sub32(a, b) v_of32(vsubq_u32(v_u32(a), v_u32(b)))
#define v_mul16(a, b) v_of16(vmulq_u16(v_u16(a), v_u16(b)))
#define v_shuffle8 vqtbl1q_u8
#define v_srl16(v, n) v_of16(vshlq_u16(v_u16(v), vdupq_n_s16((int16_t)(-(int)(n)))))
#define v_sll16(v, n) v_of16(vshlq_u16(v_u16(v), vdupq_n_s16((int16_t)(n))))
#define v_srl32(v, n) v_of32(vshlq_u32(v_u32(v), vdupq_n_s32(-(int)(n))))
#define v_sll32(v, n) v_of32(vshlq_u32(v_u32(v), vdupq_n_s32((int)(n))))
#define v_sra32(v, n) vreinterpretq_u8_s32(vshlq_s32(v_s32(v), vdupq_n_s32(-(int)(n))))
#define v_set8(x) vdupq_n_u8((uint8_t)(x))
#define v_set32(x) v_of32(vdupq_n_u32((uint32_t)(x)))
#define v_pattern(...) vreinterpretq_u8_s8((int8x16_t){__VA_ARGS__})
#define v_and_or(v, mask, w) vorrq_u8(vandq_u8(v, v_set8(mask)), w)
#include "src/kernels/matmul_fields.inc"

/* Four rows, s bytes apart. */
typedef struct rows4 {
    const uint8_t *p;
    size_t s;
} rows4;

/* out[j] lane i = bytes off + 4j .. off + 4j + 3 of row i. */
INLINE void load_t(const rows4 *r, size_t off, vec out[4])
{
    uint32x4_t v[4];
    UNROLL for (size_t i = 0; i < 4; i++) v[i] = v_u32(vld1q_u8(r->p + i * r->s + off));
    const uint32x4_t ab0 = vzip1q_u32(v[0], v[1]), ab1 = vzip2q_u32(v[0], v[1]);
    const uint32x4_t cd0 = vzip1q_u32(v[2], v[3]), cd1 = vzip2q_u32(v[2], v[3]);
    out[0] = vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u32(ab0), vreinterpretq_u64_u32(cd0)));
    out[1] = vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u32(ab0), vreinterpretq_u64_u32(cd0)));
    out[2] = vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u32(ab1), vreinterpretq_u64_u32(cd1)));
    out[3] = vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u32(ab1), vreinterpretq_u64_u32(cd1)));
}

/* 16 rows of a segment to a panel of signed codes, of the kind nce_panel_kind_of. */
void nce_expand_neon(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel);

void nce_product_float_neon(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                            const nce_act *a, float *y, size_t ld_y);

#endif
