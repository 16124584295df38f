/* Figures about a session's work.  A figure that cannot be measured here is absent (NCE_ERR_NOTFOUND), never zero. */
#ifndef NCE_METRICS_H
#define NCE_METRICS_H
#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values are part of the ABI; new ones are added at the end. */
typedef enum nce_metric {
    NCE_METRIC_PROMPT_TOKENS = 1,     /* tokens evaluated in steps of more than one token a sequence */
    NCE_METRIC_PROMPT_SECONDS = 2,    /* wall time of these steps */
    NCE_METRIC_DECODE_TOKENS = 3,     /* tokens evaluated one a sequence */
    NCE_METRIC_DECODE_SECONDS = 4,
    NCE_METRIC_STEPS = 5,             /* forward steps */
    NCE_METRIC_KV_BYTES = 6,          /* pages held now */
    NCE_METRIC_KV_BYTES_PEAK = 7,
    NCE_METRIC_SCRATCH_BYTES = 8,     /* activations and other working memory */
    NCE_METRIC_KV_PAGES_SHARED = 9,   /* pages used by more than one sequence now */
    /* Energy, where nce_context_options.meters asks for it and the machine has meters (docs/gpus.md): what processor and
     * GPUs drew while steps ran, whoever used them. */
    NCE_METRIC_PROMPT_JOULES = 10,
    NCE_METRIC_DECODE_JOULES = 11,
    NCE_METRIC_JOULES_PER_TOKEN = 12, /* of decoding; absent before the first such token */
    NCE_METRIC_TOKENS_PER_JOULE = 13,
    NCE_METRIC_DEVICE_BUSY = 14,      /* share of the time that the GPU is busy now, 0 to 1, as its driver says */
    NCE_METRIC_ZERO_ACTIVATIONS = 15  /* share of exact zeros, 0 .. 1, in what decoding put into products behind ReLU or ReLU^2
                                         that can leave them out; absent where a model has none */
} nce_metric;

/* Read a figure.  NCE_OK; NCE_ERR_NOTFOUND (unknown here, or not measurable); NCE_ERR_INVALID.
 * Threads: as other calls of the session.  Since 0.1. */
NCE_API nce_status nce_session_metric(const nce_session *session, nce_metric metric, double *value);
/* Set tokens, seconds, joules and steps to zero.  Since 0.1. */
NCE_API void nce_session_metrics_reset(nce_session *session);

#ifdef __cplusplus
}
#endif
#endif
