/* Operations on rows of floats in AVX-512: vec_simd.h over the primitives of vec_lanes_avx512.h. */
#include "src/kernels/x86/vec_lanes_avx512.h"
#define VEC_OPS nce_vec_ops_avx512
#include "src/kernels/vec_simd.h"
