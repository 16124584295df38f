/* The NEON product with matrix instructions (i8mm, Armv8.6). */
#define PRODUCT nce_product_i8mm
#define WITH_MATRIX 1
#include "src/kernels/arm/matmul_neon_body.h"
