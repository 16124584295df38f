/* Plain numbers to float: one rounding, to nearest even. */
#include "src/kernels/types/numbers.h"
#include "src/kernels/types/bits.h"

void nce_numbers_f32(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = nce_f32_from_bits(nce_load_u32(src + 4 * i));
}

void nce_numbers_f16(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = nce_load_f16(src + 2 * i);
}

void nce_numbers_bf16(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = nce_f32_from_bf16((uint16_t)nce_load_u16(src + 2 * i));
}

void nce_numbers_f64(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t bits = nce_load_u64(src + 8 * i);
        double v;
        memcpy(&v, &bits, sizeof v);
        dst[i] = (float)v;
    }
}

void nce_numbers_i8(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (int8_t)src[i];
}

void nce_numbers_i16(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (int16_t)nce_load_u16(src + 2 * i);
}

void nce_numbers_i32(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(int32_t)nce_load_u32(src + 4 * i);
}

void nce_numbers_i64(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(int64_t)nce_load_u64(src + 8 * i);
}
