/* Sessions: creation, sequences, and their figures. */
#include "src/core/session/session.h"
#include <string.h>

_Static_assert(sizeof(nce_session_options) == 48, "ABI: grows only at the end");

static nce_status bad_option(nce_context *ctx, const char *name, uint32_t value, uint32_t limit)
{
    return nce_fail(ctx, NCE_ERR_INVALID, "nce_session_options: %s %u is over the limit of %u", name, value, limit);
}

static bool kv_type_known(uint32_t type)
{
    return type == NCE_TYPE_F32 || type == NCE_TYPE_F16 || type == NCE_TYPE_BF16 || type == NCE_TYPE_Q8_0 || type == NCE_TYPE_Q4_0;
}

static nce_status read_session_options(nce_session *s, const nce_session_options *options)
{
    nce_session_options *o = &s->o;
    const nce_model *m = s->model;
    nce_status status = nce_read_options(s->ctx, o, sizeof *o, options, "nce_session_options");
    if (status != NCE_OK) return status;
    if (o->n_ctx > 1u << 20) return bad_option(s->ctx, "n_ctx", o->n_ctx, 1u << 20);
    if (o->n_seq > 1024) return bad_option(s->ctx, "n_seq", o->n_seq, 1024);
    if (o->n_batch > 4096) return bad_option(s->ctx, "n_batch", o->n_batch, 4096);
    if (o->n_threads > 1024) return bad_option(s->ctx, "n_threads", o->n_threads, 1024);
    if (o->kv_types_set > 1 || o->collect_importance > 1 || o->dense_only > 1 || o->reserved != 0)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_session_options: kv_types_set, collect_importance and dense_only must be 0 or 1, reserved 0");
    if (o->kv_types_set == 0) o->kv_type_k = o->kv_type_v = NCE_TYPE_F16;
    if (!kv_type_known(o->kv_type_k) || !kv_type_known(o->kv_type_v))
        return nce_fail(s->ctx, NCE_ERR_UNSUPPORTED, "nce_session_options: KV types %u, %u: F32, F16, BF16, Q8_0 and Q4_0 are supported",
                        o->kv_type_k, o->kv_type_v);
    if (o->n_ctx == 0) o->n_ctx = m->h.n_ctx_train < 4096 ? m->h.n_ctx_train : 4096;
    if (m->position_embed.type != NULL && o->n_ctx > m->position_embed.n_rows)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_session_options: n_ctx %u, but %s has %zu learned positions", o->n_ctx,
                        nce_gguf_name(m->gguf), m->position_embed.n_rows);
    if (o->n_seq == 0) o->n_seq = 1;
    if (o->n_batch == 0) o->n_batch = 512;
    if (o->n_threads == 0) o->n_threads = s->ctx->n_threads;
    return NCE_OK;
}

static nce_status take_memory(nce_session *s)
{
    const nce_model *m = s->model;
    const uint32_t n = s->o.n_batch;
    s->max_selected = n;
    s->seqs = nce_alloc_array(s->ctx, s->o.n_seq, sizeof *s->seqs);
    s->step_tokens = nce_alloc_array(s->ctx, n, sizeof *s->step_tokens);
    s->step_selected = nce_alloc_array(s->ctx, n, sizeof *s->step_selected);
    s->step_runs = nce_alloc_array(s->ctx, s->o.n_seq, sizeof *s->step_runs);
    if (s->seqs == NULL || s->step_tokens == NULL || s->step_selected == NULL || s->step_runs == NULL)
        return nce_fail(s->ctx, NCE_ERR_NOMEM, "no memory for a session of %u sequences, %u tokens a step", s->o.n_seq, n);
    for (uint32_t i = 0; i < m->h.n_rope; i++) {
        const nce_rope_params *r = &m->h.rope[i];
        nce_rope_table_init(r, s->o.n_ctx > r->n_ctx_original, &s->rope[i]);
        s->rope_rows[i] = nce_alloc_array(s->ctx, (size_t)n * r->n_rot, sizeof(float));
        if (s->rope_rows[i] == NULL) return nce_fail_nomem(s->ctx, (size_t)n * r->n_rot * sizeof(float));
    }
    nce_status status = nce_forward_create(m, (nce_type)s->o.kv_type_k, (nce_type)s->o.kv_type_v, &s->forward);
    if (status == NCE_OK && s->o.collect_importance) status = nce_importance_create(m, s->forward, &s->importance);
    if (status != NCE_OK) return status;
    const nce_exec_options e = {.max_rows = n, .max_selected = s->max_selected, .max_runs = s->o.n_seq,
                                .max_positions = s->o.n_ctx, .n_threads = s->o.n_threads, .dense_only = s->o.dense_only != 0};
    status = m->device->ops->exec_create(m->device, &s->forward->program, &e, &s->exec);
    if (status == NCE_OK && s->ctx->meters) status = nce_meters_open(s->ctx, m->device->caps.meters, &s->meters);
    double joules;
    s->metered = nce_meters_joules(s->meters, &joules);
    return status;
}

nce_status nce_session_create(nce_model *model, const nce_session_options *options, nce_session **out)
{
    if (model == NULL || out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    nce_session *s = nce_alloc_zero(model->ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(model->ctx, sizeof *s);
    s->ctx = model->ctx;
    s->model = model;
    s->o = (nce_session_options)NCE_SESSION_OPTIONS_INIT;
    nce_status status = read_session_options(s, options);
    if (status == NCE_OK) status = take_memory(s);
    if (status != NCE_OK) {
        nce_session_destroy(s);
        return status;
    }
    *out = s;
    return NCE_OK;
}

void nce_session_destroy(nce_session *s)
{
    if (s == NULL) return;
    for (uint32_t i = 0; s->seqs != NULL && i < s->o.n_seq; i++) {
        nce_kv_trim(s, &s->seqs[i], 0);
        nce_free(s->ctx, s->seqs[i].tokens);
        nce_free(s->ctx, s->seqs[i].pages);
        nce_free(s->ctx, s->seqs[i].addresses);
    }
    if (s->exec != NULL) s->model->device->ops->exec_destroy(s->exec);
    nce_importance_destroy(s->ctx, s->importance);
    nce_meters_close(s->meters);
    nce_forward_destroy(s->ctx, s->forward);
    for (uint32_t i = 0; i < NCE_MAX_ROPE; i++)
        nce_free(s->ctx, s->rope_rows[i]);
    nce_free(s->ctx, s->seqs);
    nce_free(s->ctx, s->step_tokens);
    nce_free(s->ctx, s->step_selected);
    nce_free(s->ctx, s->step_runs);
    nce_free(s->ctx, s->gathered);
    nce_free(s->ctx, s);
}

void nce_session_cancel(nce_session *s)
{
    atomic_store_explicit(&s->cancel, true, memory_order_relaxed);
}

uint32_t nce_session_n_ctx(const nce_session *s) { return s->o.n_ctx; }
uint32_t nce_session_n_seq(const nce_session *s) { return s->o.n_seq; }
nce_model *nce_session_model(const nce_session *s) { return s->model; }

size_t nce_session_length(const nce_session *s, uint32_t seq)
{
    return seq < s->o.n_seq ? s->seqs[seq].n : 0;
}

const int32_t *nce_session_tokens(const nce_session *s, uint32_t seq)
{
    return seq < s->o.n_seq ? s->seqs[seq].tokens : NULL;
}

nce_status nce_session_trim(nce_session *s, uint32_t seq, size_t n)
{
    if (seq >= s->o.n_seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "sequence %u of %u", seq, s->o.n_seq);
    nce_sequence *q = &s->seqs[seq];
    if (n > q->n) return nce_fail(s->ctx, NCE_ERR_INVALID, "sequence %u has %zu positions, cannot keep %zu", seq, q->n, n);
    nce_kv_trim(s, q, n);
    q->n = n;
    return NCE_OK;
}

nce_status nce_session_fork(nce_session *s, uint32_t src, uint32_t dst)
{
    if (src >= s->o.n_seq || dst >= s->o.n_seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "sequences %u, %u of %u", src, dst, s->o.n_seq);
    if (src == dst) return NCE_OK;
    const nce_sequence *from = &s->seqs[src];
    nce_sequence *to = &s->seqs[dst];
    nce_kv_trim(s, to, 0);
    to->n = 0;
    nce_status status = nce_grow(s->ctx, (void **)&to->tokens, &to->tokens_capacity, from->n, sizeof *to->tokens);
    if (status == NCE_OK) status = nce_kv_share(s, from, to);
    if (status != NCE_OK) return status;
    if (from->n > 0) memcpy(to->tokens, from->tokens, from->n * sizeof *to->tokens);
    to->n = from->n;
    return NCE_OK;
}

static uint64_t shared_pages(const nce_session *s)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->o.n_seq; i++)
        for (size_t p = 0; p < s->seqs[i].n_pages; p++)
            n += s->seqs[i].pages[p]->n_users > 1;
    return n;
}

/* Share of zeros among the activations that products may leave out. */
static nce_status zero_share(const nce_session *s, double *value)
{
    uint64_t columns = 0, zero = 0;
    if (s->model->device->ops->exec_sparsity != NULL) s->model->device->ops->exec_sparsity(s->exec, &columns, &zero);
    if (columns == 0) return NCE_ERR_NOTFOUND;
    *value = (double)zero / (double)columns;
    return NCE_OK;
}

static nce_status energy_metric(const nce_session *s, nce_metric metric, double *value)
{
    const nce_counters *c = &s->counters;
    if (!s->metered) return NCE_ERR_NOTFOUND;
    switch (metric) {
    case NCE_METRIC_PROMPT_JOULES: *value = c->prompt_joules; return NCE_OK;
    case NCE_METRIC_DECODE_JOULES: *value = c->decode_joules; return NCE_OK;
    case NCE_METRIC_JOULES_PER_TOKEN:
        if (c->decode_tokens == 0) return NCE_ERR_NOTFOUND;
        *value = c->decode_joules / (double)c->decode_tokens;
        return NCE_OK;
    default: /* tokens per joule */
        if (c->decode_joules <= 0.0) return NCE_ERR_NOTFOUND;
        *value = (double)c->decode_tokens / c->decode_joules;
        return NCE_OK;
    }
}

nce_status nce_session_metric(const nce_session *s, nce_metric metric, double *value)
{
    if (s == NULL || value == NULL) return NCE_ERR_INVALID;
    const nce_counters *c = &s->counters;
    switch (metric) {
    case NCE_METRIC_PROMPT_TOKENS: *value = (double)c->prompt_tokens; return NCE_OK;
    case NCE_METRIC_PROMPT_SECONDS: *value = c->prompt_seconds; return NCE_OK;
    case NCE_METRIC_DECODE_TOKENS: *value = (double)c->decode_tokens; return NCE_OK;
    case NCE_METRIC_DECODE_SECONDS: *value = c->decode_seconds; return NCE_OK;
    case NCE_METRIC_STEPS: *value = (double)c->steps; return NCE_OK;
    case NCE_METRIC_KV_BYTES: *value = (double)c->kv_bytes; return NCE_OK;
    case NCE_METRIC_KV_BYTES_PEAK: *value = (double)c->kv_bytes_peak; return NCE_OK;
    case NCE_METRIC_SCRATCH_BYTES: *value = (double)s->model->device->ops->exec_bytes(s->exec); return NCE_OK;
    case NCE_METRIC_KV_PAGES_SHARED: *value = (double)shared_pages(s); return NCE_OK;
    case NCE_METRIC_ZERO_ACTIVATIONS: return zero_share(s, value);
    case NCE_METRIC_DEVICE_BUSY: return nce_meters_busy(s->meters, value) ? NCE_OK : NCE_ERR_NOTFOUND;
    case NCE_METRIC_PROMPT_JOULES:
    case NCE_METRIC_DECODE_JOULES:
    case NCE_METRIC_JOULES_PER_TOKEN:
    case NCE_METRIC_TOKENS_PER_JOULE: return energy_metric(s, metric, value);
    }
    return NCE_ERR_NOTFOUND;
}

void nce_session_metrics_reset(nce_session *s)
{
    s->counters.prompt_tokens = s->counters.decode_tokens = s->counters.steps = 0;
    s->counters.prompt_seconds = s->counters.decode_seconds = 0.0;
    s->counters.prompt_joules = s->counters.decode_joules = 0.0;
}
