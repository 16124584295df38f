/* Operations on rows of floats in AVX2: vec_simd.h over the primitives of vec_lanes_avx2.h. */
#include "src/kernels/x86/vec_lanes_avx2.h"
#define VEC_OPS nce_vec_ops_avx2
#include "src/kernels/vec_simd.h"
