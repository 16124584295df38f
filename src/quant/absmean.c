/* See absmean.h. */
#include "src/quant/absmean.h"
#include <math.h>

double nce_absmean_sum(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += isfinite(x[i]) ? fabsf(x[i]) : (double)NAN;
    return sum;
}

void nce_absmean_round(float *x, size_t n, float mean)
{
    const float inverse = 1 / (mean + 1e-5f);
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] * inverse; /* round half to even, as the rule's authors do */
        x[i] = v > 0.5f ? mean : v < -0.5f ? -mean : 0;
    }
}
