/* Reading and writing the little-endian words and short floats of the file formats, at any alignment, on any host.
 *
 * The conversions are the exact IEEE ones (round to nearest even, subnormals kept, a NaN becomes quiet), the same bits
 * as F16C and the Armv8 instructions give, so that a SIMD kernel may use those. */
#ifndef NCE_SRC_TYPES_BITS_H
#define NCE_SRC_TYPES_BITS_H
#include <stdint.h>
#include <string.h>

static inline uint32_t nce_load_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t nce_load_u32(const uint8_t *p)
{
    return nce_load_u16(p) | nce_load_u16(p + 2) << 16;
}

static inline uint64_t nce_load_u64(const uint8_t *p)
{
    return nce_load_u32(p) | (uint64_t)nce_load_u32(p + 4) << 32;
}

static inline void nce_store_u16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void nce_store_u32(uint8_t *p, uint32_t v)
{
    nce_store_u16(p, v);
    nce_store_u16(p + 2, v >> 16);
}

static inline float nce_f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t nce_f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float nce_f16_to_f32(uint32_t h)
{
    const uint32_t sign = (h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 0) { /* a multiple of 2^-24 below 1024: the product is exact */
        const float magnitude = (float)mantissa * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31) return nce_f32_from_bits(sign | 0x7f800000 | (mantissa ? 0x400000 | mantissa << 13 : 0));
    return nce_f32_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static inline uint32_t nce_f32_to_f16(float f)
{
    const uint32_t bits = nce_f32_bits(f), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    if (magnitude >= 0x477ff000) return sign | 0x7c00; /* 65520 and more round to infinity */
    if (magnitude < 0x38800000) /* below 2^-14: adding 1/2 leaves the multiple of 2^-24, rounded, in the low bits */
        return sign | (nce_f32_bits(nce_f32_from_bits(magnitude) + 0.5f) - 0x3f000000);
    return sign | ((magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

static inline float nce_bf16_to_f32(uint32_t h)
{
    return nce_f32_from_bits(h << 16);
}

static inline uint32_t nce_f32_to_bf16(float f)
{
    const uint32_t bits = nce_f32_bits(f);
    if ((bits & 0x7fffffff) > 0x7f800000) return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* A float that begins at p as an F16. */
static inline float nce_load_f16(const uint8_t *p)
{
    return nce_f16_to_f32(nce_load_u16(p));
}

/* E8M0 of MXFP4: 2^(e - 127), halved because its codes are kept doubled.  There is no zero and, unlike the OCP text, no
 * NaN: 255 is 2^128 / 2. */
static inline float nce_e8m0_half_to_f32(uint32_t e)
{
    return nce_f32_from_bits(e < 2 ? 0x200000u << e : (e - 1) << 23);
}

/* UE4M3 of NVFP4: unsigned, bias 7, halved for the same reason; bit 7 is ignored, 0x7f (NaN) counts as 0. */
static inline float nce_ue4m3_half_to_f32(uint32_t x)
{
    const uint32_t exponent = x >> 3 & 15, mantissa = x & 7;
    if (x == 0x7f) return 0;
    if (exponent == 0) return (float)mantissa * 0x1p-10f;
    return nce_f32_from_bits((exponent + 119) << 23 | mantissa << 20);
}

#endif
