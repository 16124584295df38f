/* What programs that measure share: clocks, quantiles, a repeatable random stream.  A busy machine only adds to thread CPU
 * time, so medians of it are upper bounds; compare rates only within one run.  Also C++, for the tests. */
#ifndef NCE_TOOLS_MEASURE_H
#define NCE_TOOLS_MEASURE_H
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline double measure_seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline double measure_cpu_us(void) /* of this thread */
{
    return measure_seconds(CLOCK_THREAD_CPUTIME_ID) * 1e6;
}

static inline int measure_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts v; q 0: the least, 0.5: the (lower) median, 1: the greatest. */
static inline double measure_quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, measure_compare);
    return v[(size_t)(q * (double)(n - 1))];
}

typedef struct rng {
    uint64_t state;
} rng;

static inline uint64_t rng_next(rng *r) /* splitmix64 */
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint32_t rng_below(rng *r, uint32_t n)
{
    return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

static inline double rng_unit(rng *r)
{
    return (double)(rng_next(r) >> 11) / 9007199254740992.0; /* 2^53 */
}

#endif
