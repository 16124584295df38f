/* Vectors of 4 floats in NEON: the primitives that vec_simd.h and attention_simd.h are written in. */
#ifndef NCE_SRC_ARM_VEC_LANES_NEON_H
#define NCE_SRC_ARM_VEC_LANES_NEON_H
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#define VL 4
typedef float32x4_t vf;
typedef int32x4_t vi;
#define v_zero() vdupq_n_f32(0.0f)
#define v_set1(x) vdupq_n_f32(x)
#define v_load(p) vld1q_f32(p)
#define v_loadu(p) vld1q_f32(p)
#define v_store(p, x) vst1q_f32(p, x)
#define v_storeu(p, x) vst1q_f32(p, x)
#define v_add(a, b) vaddq_f32(a, b)
#define v_sub(a, b) vsubq_f32(a, b)
#define v_mul(a, b) vmulq_f32(a, b)
#define v_div(a, b) vdivq_f32(a, b)
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_first(a) vgetq_lane_f32(a, 0)
#define v_dup_even(a) vtrn1q_f32(a, a)
#define v_dup_odd(a) vtrn2q_f32(a, a)
#define v_bits(x) vreinterpretq_u32_f32(x)
#define v_from_bits(x) vreinterpretq_f32_u32(x)
#define v_sign_bit() vdupq_n_u32(0x80000000u)
#define v_neg(x) vnegq_f32(x)
#define v_neg_abs(x) v_from_bits(vorrq_u32(v_bits(x), v_sign_bit()))
#define v_copysign(y, s) v_from_bits(vorrq_u32(v_bits(y), vandq_u32(v_bits(s), v_sign_bit()))) /* y has no sign */
/* the low bits of t as an exponent: see exp2neg */
#define v_exponent(t) v_from_bits(vshlq_n_u32(v_bits(t), 23))
#define v_zero_below(x, min, y) v_from_bits(vbicq_u32(v_bits(y), vcltq_f32(x, min)))
#define v_if_not_negative(x, a, b) vbslq_f32(vcgeq_f32(x, v_zero()), a, b)

/* a > b ? a : b, so a NaN in b stays; likewise min.  (The instructions of that name treat NaN otherwise.) */
static inline vf v_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vf v_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline float v_hmax(vf a)
{
    float top = vgetq_lane_f32(a, 0);
    top = top > vgetq_lane_f32(a, 1) ? top : vgetq_lane_f32(a, 1);
    top = top > vgetq_lane_f32(a, 2) ? top : vgetq_lane_f32(a, 2);
    return top > vgetq_lane_f32(a, 3) ? top : vgetq_lane_f32(a, 3);
}

/* even lanes a b - c, odd lanes a b + c */
static inline vf v_fmaddsub(vf a, vf b, vf c)
{
    const uint32_t sign[4] = {0x80000000u, 0, 0x80000000u, 0};
    return vfmaq_f32(v_from_bits(veorq_u32(v_bits(c), vld1q_u32(sign))), a, b);
}

/* lanes j.. with lo <= j < hi from x, the others from y */
static inline vf v_keep(vf x, int j, int lo, int hi, vf y)
{
    const int32_t lane[4] = {0, 1, 2, 3};
    const int32x4_t i = vaddq_s32(vdupq_n_s32(j), vld1q_s32(lane));
    return vbslq_f32(vandq_u32(vcgeq_s32(i, vdupq_n_s32(lo)), vcltq_s32(i, vdupq_n_s32(hi))), x, y);
}

static inline vf v_load_n(const float *p, size_t n)
{
    float x[4] = {0};
    if (n == 4) return vld1q_f32(p);
    for (size_t i = 0; i < n; i++)
        x[i] = p[i];
    return vld1q_f32(x);
}

static inline void v_store_n(float *p, size_t n, vf x)
{
    float y[4];
    vst1q_f32(y, x);
    for (size_t i = 0; i < n; i++)
        p[i] = y[i];
}

/* lanes below n from x, the others from y */
static inline vf v_first_n(size_t n, vf x, vf y)
{
    return v_keep(x, 0, 0, (int)n, y);
}

/* the fold of the contract: 16 lanes, then 8, 4, 2, 1 */
static inline float v_fold16(const vf *sum)
{
    const vf four = vaddq_f32(vaddq_f32(sum[0], sum[2]), vaddq_f32(sum[1], sum[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

/* a0 b0 a1 b1 ...: half a register of each */
static inline vf v_pairs(const float *a, const float *b)
{
    const float32x2_t x = vld1_f32(a), y = vld1_f32(b);
    return vcombine_f32(vzip1_f32(x, y), vzip2_f32(x, y));
}

/* rounded to a half and back */
#define v_half_grid(x) vcvt_f32_f16(vcvt_f16_f32(x))

#endif
