/* Philox 4x32-10 and what is drawn from it (see random.h). */
#include "src/photonic/random.h"
#include <math.h>

static const double two_pi = 6.283185307179586476925;

void nce_philox(uint64_t key, uint64_t index, uint64_t stream, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u; /* golden ratio and sqrt(3) - 1, the paper's Weyl constants */
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

double nce_uniform(uint64_t bits)
{
    return ((double)(bits >> 12) + 0.5) * 0x1p-52;
}

void nce_normal_pair(uint64_t key, uint64_t index, uint64_t stream, double out[2])
{
    uint32_t w[4];
    nce_philox(key, index, stream, w);
    const double radius = sqrt(-2.0 * log(nce_uniform((uint64_t)w[0] << 32 | w[1])));
    const double angle = two_pi * nce_uniform((uint64_t)w[2] << 32 | w[3]);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}
