/* What the AVX2 files of the matrix product share. */
#ifndef NCE_SRC_MATMUL_AVX2_H
#define NCE_SRC_MATMUL_AVX2_H
#include "src/kernels/matmul_panel.h"
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)") /* clang ignores the other one and keeps arrays in memory */
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

void nce_product_float_avx2(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                            const nce_act *a, float *y, size_t ld_y);

#endif
