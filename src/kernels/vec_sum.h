/* The sums of norms: sixteen lanes as elsewhere, but each lane keeps what its additions rounded away.
 *
 * A norm scales a whole row by one number, so an error of its sum moves every later number of the token the same way.  The
 * reference engines of the files sum in binary64, which many graphics processors lack; two floats with the error-free
 * addition of Knuth (TAOCP 2, 4.2.2, theorem B) give the same number after rounding, everywhere. */
#ifndef NCE_SRC_VEC_SUM_H
#define NCE_SRC_VEC_SUM_H
#include <math.h>

typedef struct nce_sum16 {
    float s[16]; /* rounded sums of the lanes */
    float c[16]; /* what they lack */
} nce_sum16;

/* (s, c) + p */
static inline void nce_sum_add(float *s, float *c, float p)
{
    const float t = *s + p, z = t - *s;
    *c += (*s - (t - z)) + (p - z);
    *s = t;
}

/* The lanes folded in the order of the contract, divided by n: lane 0 is used up. */
static inline float nce_sum_mean(nce_sum16 *sum, float n)
{
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; l++) {
            sum->c[l] += sum->c[l + half];
            nce_sum_add(&sum->s[l], &sum->c[l], sum->s[l + half]);
        }
    const float q = sum->s[0] / n;
    return q + (fmaf(-q, n, sum->s[0]) + sum->c[0]) / n;
}

#endif
