/* The NEON product with dot products (Armv8.2). */
#define PRODUCT nce_product_neon
#define WITH_MATRIX 0
#include "src/kernels/arm/matmul_neon_body.h"
