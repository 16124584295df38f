/* The length predictor: a network of 8 inputs, 16 hidden units and 4 outputs that ranks requests by how long they will
 * take.  A rank is all that shortest-first needs, so it is trained and judged as a ranker (Kendall's tau), not by its
 * error in seconds.  Without a network, or when it is unsure, a heuristic answers. */
#ifndef NCE_SCHED_PREDICT_H
#define NCE_SCHED_PREDICT_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_predictor nce_predictor;

/* What is known of a request.  All may be 0 when unknown. */
typedef struct nce_predict_input {
    size_t struct_size;
    double cpu_s;          /* predicted processor time: the prefill of what is not cached */
    double io_bytes;       /* to be fetched or loaded first */
    double memory_bytes;   /* keys and values of the prompt */
    double ipc;            /* instructions a cycle of recent work of this kind */
    double idle;           /* share of time the device has been idle, 0..1 */
    double average_s;      /* mean service time of recent requests of this kind */
    bool is_ai;            /* a model runs, not a plain task */
    uint8_t priority;      /* 0..7 */
    uint8_t reserved[6];
} nce_predict_input;
#define NCE_PREDICT_INPUT_INIT { sizeof(nce_predict_input), 0, 0, 0, 0, 0, 0, true, 0, { 0 } }

typedef struct nce_prediction {
    size_t struct_size;
    double runtime_s;      /* service time; use it as a rank */
    double io_probability; /* that it will wait for I/O, 0..1 */
    double time_slice_s;   /* suggested share before something else may run */
    double boost;          /* suggested priority correction, -1..1 */
    bool from_network;     /* false: the heuristic answered */
    uint8_t reserved[7];
} nce_prediction;
#define NCE_PREDICTION_INIT { sizeof(nce_prediction), 0, 0, 0, 0, false, { 0 } }

/* Load a network from a GGUF file: tensors "sched.hidden.weight" [8, 16], "sched.hidden.bias" [16],
 * "sched.output.weight" [16, 4], "sched.output.bias" [4], and the scales of its inputs "sched.input.mean" and
 * "sched.input.scale" [8], all F32; metadata general.architecture = "nce-sched".
 *
 * path  NULL: no network, the heuristic only.
 * Returns NCE_OK; NCE_ERR_IO, NCE_ERR_FORMAT, NCE_ERR_NOTFOUND (a tensor); NCE_ERR_NOMEM.  Immutable: any number of
 *         threads.  Since 0.1. */
NCE_API nce_status nce_predictor_create(nce_context *ctx, const char *path, nce_predictor **out);
/* The same from memory, which is borrowed until return. */
NCE_API nce_status nce_predictor_create_memory(nce_context *ctx, const void *data, size_t size, nce_predictor **out);
NCE_API void nce_predictor_destroy(nce_predictor *predictor); /* NULL is allowed */

/* Predict.  predictor may be NULL: the heuristic.  The network is unsure, and the heuristic answers, when an input lies
 * more than 4 standard deviations outside what it was trained on.
 * Returns NCE_OK; NCE_ERR_INVALID (an input is NaN or negative, no struct_size).  Deterministic.  Since 0.1. */
NCE_API nce_status nce_predictor_predict(const nce_predictor *predictor, const nce_predict_input *input,
                                         nce_prediction *out);

/* Kendall's tau-b of two rankings, -1..1: the share of pairs in the same order less that of pairs in the opposite one,
 * corrected for ties.  O(n^2).  NaN if a side is all ties or n < 2. */
NCE_API double nce_rank_correlation(const double *a, const double *b, size_t n);

#ifdef __cplusplus
}
#endif
#endif
