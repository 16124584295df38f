/* exp(x) by written operations only, so that traces and spikes are the same whatever C library is used.
 * 2^n * exp(r), |r| <= ln(2)/2, degree 13; error below 4 ulp for |x| <= 1, growing with |x|; x is clipped to +-700. */
#ifndef NCE_SRC_SNN_EXPONENTIAL_H
#define NCE_SRC_SNN_EXPONENTIAL_H
#include <stdint.h>
#include <string.h>

static inline double nce_snn_exp(double x)
{
    const double round = 6755399441055744.0; /* 1.5 * 2^52: adding it leaves the nearest integer in the low bits */
    x = x < -700 ? -700 : x > 700 ? 700 : x;
    const double y = x * 1.4426950408889634, t = y + round, r = (y - (t - round)) * 0.6931471805599453;
    double p = 1.0 / 6227020800, last = 6227020800;
    for (int k = 13; k >= 1; k--) {
        last /= k;
        p = p * r + 1.0 / last;
    }
    uint64_t bits, n;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&n, &t, sizeof n);
    bits += n << 52;
    memcpy(&p, &bits, sizeof p);
    return p;
}

#endif
