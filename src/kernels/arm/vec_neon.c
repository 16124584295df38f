/* Operations on rows of floats in NEON: vec_simd.h over the primitives of vec_lanes_neon.h. */
#include "src/kernels/arm/vec_lanes_neon.h"
#define VEC_OPS nce_vec_ops_neon
#include "src/kernels/vec_simd.h"
