/* Histograms for latencies: exact Prometheus buckets and percentiles to 1 %, cheap to observe from many threads, and
 * mergeable (percentiles of several processes must never be averaged). */
#ifndef NCE_SCHED_METRICS_H
#define NCE_SCHED_METRICS_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_histogram nce_histogram;

/* Create a histogram of seconds.
 *
 * bounds  [n_bounds] ascending upper bounds of the Prometheus buckets, at most 64, copied; NULL: those of time to first
 *         token, 1 ms .. 2560 s.  The bucket up to infinity is added.
 * Returns NCE_OK; NCE_ERR_INVALID (bounds not ascending or not finite); NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_histogram_create(nce_context *ctx, const double *bounds, size_t n_bounds, nce_histogram **out);
NCE_API void nce_histogram_destroy(nce_histogram *histogram); /* NULL is allowed */

/* Count a value; below 1 us counts as 1 us for percentiles, NaN is ignored.  Any thread, without locks. */
NCE_API void nce_histogram_observe(nce_histogram *histogram, double seconds);

/* The value below which a share q of the observations lies (0.5: the median), to 1 %; NaN while there are none. */
NCE_API double nce_histogram_quantile(const nce_histogram *histogram, double q);
NCE_API uint64_t nce_histogram_count(const nce_histogram *histogram);
NCE_API double nce_histogram_sum(const nce_histogram *histogram);

/* Add the observations of another with the same bounds.  NCE_ERR_INVALID if they differ: nothing is added. */
NCE_API nce_status nce_histogram_merge(nce_histogram *histogram, const nce_histogram *other);

#ifdef __cplusplus
}
#endif
#endif
