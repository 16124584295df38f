/* Sessions: sequences of tokens over a model, with their keys and values.
 *
 * A session holds n_seq sequences, numbered from 0, each a growing list of positions.  Evaluation appends tokens to
 * sequences; logits of a token depend on its own sequence only, never on what else is in the batch, on how the tokens
 * were cut into calls, or on the number of threads (docs/numerics.md).  One thread at a time may use a session, except
 * for nce_session_cancel; sessions of one model run in parallel. */
#ifndef NCE_SESSION_H
#define NCE_SESSION_H
#include "model.h"
#include "quant.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_session nce_session;

typedef struct nce_session_options {
    size_t struct_size;
    uint32_t n_ctx;     /* positions of a sequence; 0: what the model was trained for, at most 4096; at most 2^20 */
    uint32_t n_seq;     /* sequences; 0: 1; at most 1024 */
    uint32_t n_batch;   /* tokens of one forward step; 0: 512; at most 4096.  Longer inputs are cut. */
    uint32_t n_threads; /* 0: the context's */
    uint32_t kv_type_k; /* nce_type of stored keys: F32, F16, BF16, Q8_0, Q4_0 ... */
    uint32_t kv_type_v;
    uint32_t kv_types_set; /* 1: the two above are meant; 0: both F16 */
    uint32_t collect_importance; /* 1: keep what nce_session_importance_save writes (importance.h); a little slower */
    uint32_t dense_only; /* 1: products read all of a weight.  0: behind ReLU and ReLU^2 what meets a zero is left out where
                            that pays (ternary types; a copy of them is made, the bits of results are the same) */
    uint32_t reserved;   /* 0 */
} nce_session_options;
#define NCE_SESSION_OPTIONS_INIT { sizeof(nce_session_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Create a session.  Memory for keys and values is taken page by page as sequences grow.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (an option out of range); NCE_ERR_UNSUPPORTED (a KV type; a device that cannot
 *         collect_importance); NCE_ERR_NOMEM; *out is NULL then.  The model must outlive the session.  Since 0.1. */
NCE_API nce_status nce_session_create(nce_model *model, const nce_session_options *options, nce_session **out);
NCE_API void nce_session_destroy(nce_session *session); /* NULL is allowed.  Since 0.1. */

/* Which logits an evaluation returns. */
typedef enum nce_logits { NCE_LOGITS_NONE = 0, NCE_LOGITS_LAST = 1, NCE_LOGITS_ALL = 2 } nce_logits;

/* Tokens to append to one sequence. */
typedef struct nce_run {
    const int32_t *tokens; /* [n_tokens] ids, borrowed until return */
    size_t n_tokens;
    float *logits;         /* [1 or n_tokens][n_vocab] for LAST or ALL; NULL for NONE; undefined on failure */
    uint32_t seq;
    uint32_t want;         /* nce_logits */
} nce_run;

/* Append tokens to one or more different sequences in as few forward steps as possible.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (no token, an id outside the vocabulary, seq out of range or named twice, logits
 *         missing); NCE_ERR_LIMIT (a sequence would exceed n_ctx: the message says by how much); NCE_ERR_CANCELLED;
 *         NCE_ERR_NOMEM; NCE_ERR_IO (the mapped file shrank); NCE_ERR_BACKEND (only destroy is allowed).
 * On every failure the sequences are as before the call.  Since 0.1. */
NCE_API nce_status nce_session_eval(nce_session *session, const nce_run *runs, size_t n_runs);

/* Ask a running evaluation or generation to stop soon: it returns NCE_ERR_CANCELLED.  If none is running, the next one
 * is cancelled.  Any thread, also a signal handler.  Since 0.1. */
NCE_API void nce_session_cancel(nce_session *session);

/* ---- sequences ---- */
NCE_API uint32_t nce_session_n_ctx(const nce_session *session);
NCE_API uint32_t nce_session_n_seq(const nce_session *session);
NCE_API size_t nce_session_length(const nce_session *session, uint32_t seq); /* positions in use; 0 for a bad seq */
/* Tokens of a sequence, [nce_session_length]; borrowed until the next call that changes it; NULL for a bad seq. */
NCE_API const int32_t *nce_session_tokens(const nce_session *session, uint32_t seq);
/* Keep the first n positions.  NCE_ERR_INVALID if seq is bad or n > length.  Since 0.1. */
NCE_API nce_status nce_session_trim(nce_session *session, uint32_t seq, size_t n);
/* Make dst a copy of src; whole pages are shared, not copied, until one of them changes.
 * NCE_ERR_INVALID; NCE_ERR_NOMEM (dst is then empty).  Since 0.1. */
NCE_API nce_status nce_session_fork(nce_session *session, uint32_t src, uint32_t dst);

/* ---- state ----
 * A saved state holds the tokens, keys and values of one sequence; it can be loaded into any session with the same model
 * file, KV types and library major version, and evaluation continues with the same bits.  Since 0.1. */
/* Bytes that nce_session_save needs now; 0 for a bad seq. */
NCE_API size_t nce_session_state_bytes(const nce_session *session, uint32_t seq);
/* Returns NCE_OK and *n_bytes written; NCE_ERR_LIMIT if capacity is too small; NCE_ERR_INVALID. */
NCE_API nce_status nce_session_save(nce_session *session, uint32_t seq, void *buffer, size_t capacity, size_t *n_bytes);
/* Replace a sequence.  NCE_ERR_FORMAT (not a state, damaged, or of another model or KV type: the message says which);
 * NCE_ERR_LIMIT (longer than n_ctx); NCE_ERR_NOMEM.  The sequence is unchanged on failure. */
NCE_API nce_status nce_session_load(nce_session *session, uint32_t seq, const void *buffer, size_t n_bytes);

/* The model of a session.  Since 0.1. */
NCE_API nce_model *nce_session_model(const nce_session *session);

#ifdef __cplusplus
}
#endif
#endif
