/* Half precision and bfloat16, one number at a time, exactly as the hardware instructions convert them: nearest even,
 * denormals kept, a signalling NaN made quiet with its payload kept. */
#ifndef NCE_SRC_HALF_H
#define NCE_SRC_HALF_H
#include <stdint.h>
#include <string.h>

static inline float nce_f32_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t nce_bits_from_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float nce_f32_from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return nce_f32_from_bits(sign | 0x7f800000 | (fraction != 0 ? 0x400000 : 0) | fraction << 13);
    if (exponent != 0) return nce_f32_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* denormal or zero: fraction * 2^-24 is a normal float, and exact */
    return nce_f32_from_bits(sign | nce_bits_from_f32((float)fraction * 0x1p-24f));
}

static inline uint16_t nce_f16_from_f32(float x)
{
    const uint32_t bits = nce_bits_from_f32(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (magnitude < 0x38800000) {
        /* below 2^-14: adding 0.5 puts the last bit of a half at the last bit of the sum, which rounds for us */
        return (uint16_t)(sign | (nce_bits_from_f32(nce_f32_from_bits(magnitude) + 0.5f) & 0x7ff));
    }
    return (uint16_t)(sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

static inline float nce_f32_from_bf16(uint16_t h)
{
    return nce_f32_from_bits((uint32_t)h << 16); /* exact; bit patterns of NaN pass unchanged */
}

static inline uint16_t nce_bf16_from_f32(float x)
{
    const uint32_t bits = nce_bits_from_f32(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
