/* Attention in NEON with the dot product of Armv8.2: 32 registers of 4 lanes, so a unit is 4 of them; the bodies are in
 * attention_simd.h. */
#include "src/kernels/arm/vec_lanes_neon.h"
#include "src/kernels/attention_tiled.h"

typedef int8x16_t vk; /* codes of 4 positions, 4 dimensions each, without their offset: the dot product is signed */
#define v_prefetch(p) __builtin_prefetch(p, 0, 2)
#define v_load_f16(p) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))
#define v_from_int(i) vcvtq_f32_s32(i)
#define v_bcast4(p) vdupq_n_s32(*(const int32_t *)(const void *)(p))
#define v_dot_start(type, fix) ((void)(fix), vdupq_n_s32(0))
#define v_dot4(type, acc, k, q) vdotq_s32(acc, k, vreinterpretq_s8_s32(q))
#define v_abs_bits(x) vreinterpretq_s32_u32(vbicq_u32(v_bits(x), v_sign_bit()))
#define v_max_int(a, b) vmaxq_s32(a, b)
#define v_min_int(a, b) vminq_s32(a, b)
#define v_add_int(a, b) vaddq_s32(a, b)
#define v_set1_int(x) vdupq_n_s32(x)
#define v_hmax_int(a) (uint32_t) vmaxvq_s32(a)
#define v_truncate(x) vcvtq_s32_f32(x)
#define v_round(x) vcvtnq_s32_f32(x)
#define v_store_f16(p, x) vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)))

static inline vk v_codes8(const uint8_t *p)
{
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(128)));
}

static inline vk v_codes4(const uint8_t *p, int high)
{
    const uint8x16_t pair = vld1q_u8(p), code = high ? vshrq_n_u8(pair, 4) : vandq_u8(pair, vdupq_n_u8(15));
    return vsubq_s8(vreinterpretq_s8_u8(code), vdupq_n_s8(8));
}

static inline void v_store_s8(int8_t *p, int32x4_t i)
{
    const int8x8_t bytes = vmovn_s16(vcombine_s16(vmovn_s32(i), vmovn_s32(i)));
    vst1_lane_s32((int32_t *)(void *)p, vreinterpret_s32_s8(bytes), 0);
}

static inline vf v_load_bf16(const uint16_t *p)
{
    return v_from_bits(vshll_n_u16(vld1_u16(p), 16));
}

static inline void v_store_bf16(uint16_t *p, vf x)
{
    const uint32x4_t bits = v_bits(x), high = vshrq_n_u32(bits, 16), odd = vandq_u32(high, vdupq_n_u32(1));
    const uint32x4_t near = vshrq_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
    vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(x, x), near, vorrq_u32(high, vdupq_n_u32(0x40)))));
}

static inline vf v_load_s8(const int8_t *p)
{
    int32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

static inline vf v_load_s4(const uint8_t *p, int high)
{
    uint32_t four;
    __builtin_memcpy(&four, p, sizeof four);
    four = (high ? four >> 4 : four) & 0x0f0f0f0fu;
    const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide))), vdupq_n_s32(8)));
}

#include "src/kernels/attention_simd.h"
#include "src/kernels/attention_store_simd.h"

/* 4 lanes: a unit of 16 is 4 registers, so 6 rows of one unit are 24 accumulators */
#define NAME nce_attn_ops_neon
#define ROWS 6
#define CASES(M) M(1, 1, 1, 1) M(2, 1, 1, 1) M(3, 1, 1, 1) M(4, 1, 1, 1) M(5, 1, 1, 1) M(6, 1, 1, 1)
#define QK_ROWS 6
#define PV_ROWS                                                                                                        \
    {                                                                                                                  \
        0, 6, 6, 6, 6                                                                                                  \
    }
#include "src/kernels/attention_variant.inc"
