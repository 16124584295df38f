/* Inside of a histogram, for the exposition. */
#ifndef NCE_SRC_SCHED_HISTOGRAM_H
#define NCE_SRC_SCHED_HISTOGRAM_H
#include "nce/sched_metrics.h"
#include "src/core/runtime/context.h"

enum {
    NCE_HISTOGRAM_BOUNDS = 64,
    NCE_HISTOGRAM_STEPS = 64,   /* fine buckets an octave: a bucket is 1.1 % wide, its middle at most 0.6 % off */
    NCE_HISTOGRAM_OCTAVES = 44, /* 1 us .. 2^44 us, over half a year */
    NCE_HISTOGRAM_FINE = NCE_HISTOGRAM_STEPS * NCE_HISTOGRAM_OCTAVES
};

struct nce_histogram {
    nce_context *ctx;
    size_t n_bounds;
    double bounds[NCE_HISTOGRAM_BOUNDS];
    _Atomic uint64_t bucket[NCE_HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last goes up to infinity */
    _Atomic uint64_t fine[NCE_HISTOGRAM_FINE];
    _Atomic uint64_t sum_ns; /* whole nanoseconds: addition stays exact and needs no lock */
};

#endif
