/* Latency histograms.  Two sets of counters: the exact buckets that Prometheus aggregates, and fine logarithmic ones for
 * percentiles in process (after HdrHistogram: the octave and the leading bits of the mantissa are the index, so finding
 * it takes no search and no logarithm). */
#include "src/sched/histogram.h"
#include <math.h>
#include <string.h>

_Static_assert(NCE_HISTOGRAM_STEPS == 1 << 6, "fine_index takes six bits");
static const double ttft_bounds[] = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                     1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};

nce_status nce_histogram_create(nce_context *ctx, const double *bounds, size_t n_bounds, nce_histogram **out)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_histogram_create: out is NULL");
    if (bounds == NULL) {
        bounds = ttft_bounds;
        n_bounds = sizeof ttft_bounds / sizeof *ttft_bounds;
    }
    if (n_bounds > NCE_HISTOGRAM_BOUNDS)
        return nce_fail(ctx, NCE_ERR_INVALID, "histogram: %zu bounds, at most %d", n_bounds, NCE_HISTOGRAM_BOUNDS);
    for (size_t i = 0; i < n_bounds; i++)
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            return nce_fail(ctx, NCE_ERR_INVALID, "histogram: bound %zu is %g, not above the one before", i, bounds[i]);
    nce_histogram *h = nce_alloc_zero(ctx, sizeof *h);
    if (h == NULL) return nce_fail_nomem(ctx, sizeof *h);
    h->ctx = ctx;
    h->n_bounds = n_bounds;
    memcpy(h->bounds, bounds, n_bounds * sizeof *bounds);
    *out = h;
    return NCE_OK;
}

void nce_histogram_destroy(nce_histogram *h)
{
    if (h != NULL) nce_free(h->ctx, h);
}

static size_t fine_index(double seconds)
{
    uint64_t bits;
    const double micro = seconds * 1e6;
    if (!(micro > 1)) return 0;
    if (micro >= 0x1p44) return NCE_HISTOGRAM_FINE - 1;
    memcpy(&bits, &micro, sizeof bits);
    return (size_t)((bits >> (52 - 6)) - ((uint64_t)1023 << 6)); /* exponent and six bits of the mantissa */
}

static double fine_middle(size_t i)
{
    const double mantissa = 1 + ((double)(i % NCE_HISTOGRAM_STEPS) + 0.5) / NCE_HISTOGRAM_STEPS;
    return ldexp(mantissa, (int)(i / NCE_HISTOGRAM_STEPS)) * 1e-6;
}

void nce_histogram_observe(nce_histogram *h, double seconds)
{
    if (h == NULL || isnan(seconds)) return;
    size_t b = 0;
    for (size_t i = 0; i < h->n_bounds; i++) /* no branch to guess wrong */
        b += seconds > h->bounds[i];
    atomic_fetch_add_explicit(&h->bucket[b], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->fine[fine_index(seconds)], 1, memory_order_relaxed);
    const double ns = fmin(fmax(seconds, 0) * 1e9, 1e17);
    atomic_fetch_add_explicit(&h->sum_ns, (uint64_t)ns, memory_order_relaxed);
}

uint64_t nce_histogram_count(const nce_histogram *h)
{
    uint64_t n = 0;
    for (size_t i = 0; h != NULL && i <= h->n_bounds; i++)
        n += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    return n;
}

double nce_histogram_sum(const nce_histogram *h)
{
    return h != NULL ? (double)atomic_load_explicit(&h->sum_ns, memory_order_relaxed) * 1e-9 : 0;
}

double nce_histogram_quantile(const nce_histogram *h, double q)
{
    uint64_t total = 0, below = 0;
    for (size_t i = 0; h != NULL && i < NCE_HISTOGRAM_FINE; i++)
        total += atomic_load_explicit(&h->fine[i], memory_order_relaxed);
    if (total == 0 || !(q >= 0 && q <= 1)) return NAN;
    const uint64_t wanted = (uint64_t)ceil(q * (double)total);
    for (size_t i = 0; i < NCE_HISTOGRAM_FINE; i++) {
        below += atomic_load_explicit(&h->fine[i], memory_order_relaxed);
        if (below >= wanted && below > 0) return fine_middle(i);
    }
    return fine_middle(NCE_HISTOGRAM_FINE - 1); /* an observation came between the two walks */
}

nce_status nce_histogram_merge(nce_histogram *h, const nce_histogram *other)
{
    if (h == NULL || other == NULL) return NCE_ERR_INVALID;
    if (h->n_bounds != other->n_bounds || memcmp(h->bounds, other->bounds, h->n_bounds * sizeof *h->bounds) != 0)
        return nce_fail(h->ctx, NCE_ERR_INVALID, "histogram: the bounds of the two differ");
    for (size_t i = 0; i <= h->n_bounds; i++)
        atomic_fetch_add_explicit(&h->bucket[i], atomic_load_explicit(&other->bucket[i], memory_order_relaxed),
                                  memory_order_relaxed);
    for (size_t i = 0; i < NCE_HISTOGRAM_FINE; i++)
        atomic_fetch_add_explicit(&h->fine[i], atomic_load_explicit(&other->fine[i], memory_order_relaxed),
                                  memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, atomic_load_explicit(&other->sum_ns, memory_order_relaxed),
                              memory_order_relaxed);
    return NCE_OK;
}
