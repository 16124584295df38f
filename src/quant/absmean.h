/* The absmean rule of BitNet b1.58 (Ma et al., "The Era of 1-bit LLMs", 2024): with m the mean |w| of a whole matrix,
 * w becomes m * clamp(round(w / (m + 1e-5)), -1, 1).  It is right for float weights that were trained under it. */
#ifndef NCE_SRC_QUANT_ABSMEAN_H
#define NCE_SRC_QUANT_ABSMEAN_H
#include <stddef.h>

double nce_absmean_sum(const float *x, size_t n); /* sum of |x| in order; NaN if one is not finite */
void nce_absmean_round(float *x, size_t n, float mean);

#endif
