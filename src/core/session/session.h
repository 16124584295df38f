/* Inside of a session: sequences, pages of keys and values, and the device's executable step. */
#ifndef NCE_SRC_SESSION_H
#define NCE_SRC_SESSION_H
#include "nce/metrics.h"
#include "nce/session.h"
#include "src/core/model/model.h"
#include "src/hal/meters/meters.h"

/* A page holds 64 positions of all layers.  Sequences may share pages; a shared page is copied before it is written. */
typedef struct nce_page {
    nce_buffer *buffer;
    uint32_t n_users;
} nce_page;

typedef struct nce_sequence {
    int32_t *tokens; /* [n] */
    size_t n, tokens_capacity;
    nce_page **pages; /* [n_pages] */
    uint8_t **addresses; /* [n_pages] device addresses of the pages */
    size_t n_pages, pages_capacity, addresses_capacity;
} nce_sequence;

typedef struct nce_counters {
    uint64_t prompt_tokens, decode_tokens, steps;
    double prompt_seconds, decode_seconds, prompt_joules, decode_joules;
    uint64_t kv_bytes, kv_bytes_peak;
} nce_counters;

typedef struct nce_importance nce_importance;

struct nce_session {
    nce_context *ctx;
    nce_model *model;
    nce_session_options o; /* filled in */
    nce_forward *forward;
    nce_exec *exec;
    nce_sequence *seqs; /* [n_seq] */
    nce_rope_table rope[NCE_MAX_ROPE];
    float *rope_rows[NCE_MAX_ROPE]; /* [n_batch][n_rot] of the running step */
    int32_t *step_tokens;           /* [n_batch] */
    uint32_t *step_selected;        /* [n_batch] */
    nce_step_run *step_runs;        /* [n_seq] */
    uint32_t max_selected;
    float *gathered;                /* logits of a step with several runs; grown on demand */
    size_t gathered_capacity;
    atomic_bool cancel;
    nce_importance *importance; /* NULL unless it is collected */
    nce_counters counters;
    nce_meters *meters; /* NULL: energy is not asked for */
    bool metered;       /* every step so far could be measured */
};

/* Pages of a sequence so that positions [n, n_new) can be written: new ones are taken, the shared last one is copied.
 * On failure the sequence is as before. */
nce_status nce_kv_reserve(nce_session *s, nce_sequence *q, size_t n_new);
/* Give back the pages beyond the first n positions. */
void nce_kv_trim(nce_session *s, nce_sequence *q, size_t n);
/* dst, empty, shares the pages of src. */
nce_status nce_kv_share(nce_session *s, const nce_sequence *src, nce_sequence *dst);
/* Let the products of a forward step note their inputs (importance.c).  Destroy after the exec, before the forward. */
nce_status nce_importance_create(const nce_model *m, nce_forward *f, nce_importance **out);
void nce_importance_destroy(nce_context *ctx, nce_importance *i); /* NULL is allowed */
static inline size_t nce_kv_pages(size_t n_positions) { return (n_positions + NCE_KV_PAGE - 1) / NCE_KV_PAGE; }

#endif
