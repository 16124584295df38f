/* Conversion of plain numbers, n of them at any alignment, to float. */
#ifndef NCE_SRC_TYPES_NUMBERS_H
#define NCE_SRC_TYPES_NUMBERS_H
#include <stddef.h>
#include <stdint.h>

typedef void nce_numbers_fn(const uint8_t *src, float *dst, size_t n);
nce_numbers_fn nce_numbers_f32, nce_numbers_f16, nce_numbers_bf16, nce_numbers_f64;
nce_numbers_fn nce_numbers_i8, nce_numbers_i16, nce_numbers_i32, nce_numbers_i64;

#endif
