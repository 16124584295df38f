/* Counter-based random numbers: any draw can be made at any time, in any order, on any thread.
 *
 * A stream is a 64-bit key; draw number i is the finaliser of SplitMix64 (Steele, Lea & Flood 2014) at key +
 * (i+1)*golden ratio.  Only integer operations, square roots and written additions and multiplications are used, so
 * that the numbers are the same on every machine (no library logarithm). */
#ifndef NCE_SRC_SNN_RANDOM_H
#define NCE_SRC_SNN_RANDOM_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t nce_snn_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t nce_snn_draw(uint64_t key, uint64_t i)
{
    return nce_snn_mix(key + (i + 1) * 0x9e3779b97f4a7c15u);
}

/* Key of a sub-stream. */
static inline uint64_t nce_snn_key(uint64_t key, uint64_t stream)
{
    return nce_snn_mix(nce_snn_draw(key, stream) ^ 0xd1b54a32d192ed03u);
}

static inline double nce_snn_uniform(uint64_t bits) /* [0, 1) */
{
    return (double)(bits >> 11) * 0x1p-53;
}

/* bits scaled to [0, n) by the high half of the product with its upper 32 bits; the bias is below n / 2^32. */
static inline uint32_t nce_snn_below(uint64_t bits, uint32_t n)
{
    return (uint32_t)((bits >> 32) * n >> 32);
}

/* ln(x), x > 0 and normal, error below 2 ulp: x = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m-1)/(m+1)). */
static inline double nce_snn_ln(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1022;
    bits = (bits & 0xfffffffffffffu) | 0x3fe0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m < 0.70710678118654752) {
        m *= 2;
        e -= 1;
    }
    const double s = (m - 1) / (m + 1), q = s * s;
    double p = 1.0 / 21;
    for (int k = 19; k >= 1; k -= 2)
        p = p * q + 1.0 / k;
    return (double)e * 0.69314718055994531 + 2 * s * p;
}

typedef struct nce_snn_stream {
    uint64_t key, i;
} nce_snn_stream;

static inline uint64_t nce_snn_next(nce_snn_stream *s)
{
    return nce_snn_draw(s->key, s->i++);
}

/* Two independent standard normals (Marsaglia's polar method). */
static inline void nce_snn_normal2(nce_snn_stream *s, double z[2])
{
    double x, y, q;
    do {
        x = 2 * nce_snn_uniform(nce_snn_next(s)) - 1;
        y = 2 * nce_snn_uniform(nce_snn_next(s)) - 1;
        q = x * x + y * y;
    } while (q >= 1 || q < 1e-300);
    const double f = sqrt(-2 * nce_snn_ln(q) / q);
    z[0] = x * f;
    z[1] = y * f;
}

#endif
