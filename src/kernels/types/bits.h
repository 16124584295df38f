/* Reading and writing the little-endian words of the file formats, at any alignment, on any host, and the eight-bit
 * scale formats.  Half precision is in half.h. */
#ifndef NCE_SRC_TYPES_BITS_H
#define NCE_SRC_TYPES_BITS_H
#include "src/kernels/half.h"

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

/* A float that begins at p as an F16. */
static inline float nce_load_f16(const uint8_t *p)
{
    return nce_f32_from_f16((uint16_t)nce_load_u16(p));
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
