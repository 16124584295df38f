/* Evaluation: runs of tokens are cut into steps of at most n_batch tokens.
 *
 * First everything that can fail for good reasons is checked and all pages are taken, then the steps run.  If one fails or
 * is cancelled, every sequence is trimmed back to what it was. */
#include "src/core/session/session.h"
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static nce_status check_run(nce_session *s, const nce_run *runs, size_t i)
{
    const nce_run *r = &runs[i];
    if (r->seq >= s->o.n_seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "run %zu: sequence %u of %u", i, r->seq, s->o.n_seq);
    if (r->n_tokens == 0 || r->tokens == NULL) return nce_fail(s->ctx, NCE_ERR_INVALID, "run %zu: no tokens", i);
    if (r->want > NCE_LOGITS_ALL || (r->want != NCE_LOGITS_NONE && r->logits == NULL))
        return nce_fail(s->ctx, NCE_ERR_INVALID, "run %zu: want %u without a place for logits, or unknown", i, r->want);
    for (size_t j = 0; j < i; j++)
        if (runs[j].seq == r->seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "runs %zu and %zu name sequence %u", j, i, r->seq);
    for (size_t j = 0; j < r->n_tokens; j++)
        if (r->tokens[j] < 0 || (uint32_t)r->tokens[j] >= s->model->h.n_vocab)
            return nce_fail(s->ctx, NCE_ERR_INVALID, "run %zu: token %zu is %d, the vocabulary has %u", i, j, r->tokens[j], s->model->h.n_vocab);
    const size_t n = s->seqs[r->seq].n;
    if (r->n_tokens > s->o.n_ctx - n)
        return nce_fail(s->ctx, NCE_ERR_LIMIT, "sequence %u: %zu positions and %zu more tokens exceed the context of %u by %zu", r->seq,
                        n, r->n_tokens, s->o.n_ctx, n + r->n_tokens - s->o.n_ctx);
    return NCE_OK;
}

static nce_status reserve(nce_session *s, const nce_run *r)
{
    nce_sequence *q = &s->seqs[r->seq];
    const nce_status status = nce_grow(s->ctx, (void **)&q->tokens, &q->tokens_capacity, q->n + r->n_tokens, sizeof *q->tokens);
    return status != NCE_OK ? status : nce_kv_reserve(s, q, q->n + r->n_tokens);
}

/* Where we are in the caller's runs: the next token to take, and the next row of logits of that run. */
typedef struct cursor {
    size_t run, token;
} cursor;


/* Fill a step from the cursor.  *direct: where the logits rows of the step go if they are contiguous. */
static void fill_step(nce_session *s, const nce_run *runs, size_t n_runs, cursor *at, nce_step *step, float **direct,
                      bool *contiguous)
{
    size_t rows = 0, selected = 0;
    step->n_runs = 0;
    *direct = NULL;
    *contiguous = true;
    for (; at->run < n_runs && rows < s->o.n_batch && step->n_runs < s->o.n_seq; at->run++, at->token = 0) {
        const nce_run *r = &runs[at->run];
        nce_sequence *q = &s->seqs[r->seq];
        const size_t left = r->n_tokens - at->token, n = left < s->o.n_batch - rows ? left : s->o.n_batch - rows;
        s->step_runs[step->n_runs++] = (nce_step_run){.pages = q->addresses, .row0 = rows, .n_rows = n, .pos0 = q->n};
        memcpy(s->step_tokens + rows, r->tokens + at->token, n * sizeof *s->step_tokens);
        memcpy(q->tokens + q->n, r->tokens + at->token, n * sizeof *q->tokens);
        for (size_t i = 0; i < n; i++) {
            const bool last = at->token + i + 1 == r->n_tokens;
            if (r->want != NCE_LOGITS_ALL && !(r->want == NCE_LOGITS_LAST && last)) continue;
            float *to = r->logits + (r->want == NCE_LOGITS_ALL ? at->token + i : 0) * s->model->h.n_vocab;
            if (selected == 0) *direct = to;
            else if (to != *direct + selected * s->model->h.n_vocab) *contiguous = false;
            s->step_selected[selected++] = (uint32_t)(rows + i);
        }
        q->n += n;
        rows += n;
        at->token += n;
        if (at->token < r->n_tokens) break; /* the step is full */
    }
    step->n_rows = rows;
    step->n_selected = selected;
}

static void fill_rope(nce_session *s, nce_step *step)
{
    for (uint32_t t = 0; t < s->model->h.n_rope; t++) {
        const uint32_t width = s->rope[t].n_rot;
        for (size_t i = 0; i < step->n_runs; i++)
            for (size_t j = 0; j < step->runs[i].n_rows; j++)
                nce_rope_fill(&s->rope[t], step->runs[i].pos0 + j, s->rope_rows[t] + (step->runs[i].row0 + j) * width);
        step->rope[t] = s->rope_rows[t];
        step->rope_width[t] = width;
    }
}

/* Copy the logits of a step whose rows go to different places. */
static void scatter(nce_session *s, const nce_run *runs, cursor from, const nce_step *step)
{
    const size_t n_vocab = s->model->h.n_vocab;
    size_t row = 0;
    for (size_t i = 0; i < step->n_runs; i++, from.run++, from.token = 0) {
        const nce_run *r = &runs[from.run];
        for (size_t j = 0; j < step->runs[i].n_rows; j++) {
            const size_t token = from.token + j;
            if (r->want != NCE_LOGITS_ALL && !(r->want == NCE_LOGITS_LAST && token + 1 == r->n_tokens)) continue;
            memcpy(r->logits + (r->want == NCE_LOGITS_ALL ? token : 0) * n_vocab, s->gathered + row++ * n_vocab, n_vocab * sizeof(float));
        }
    }
}

static nce_status run_step(nce_session *s, const nce_run *runs, size_t n_runs, cursor *at)
{
    nce_device *d = s->model->device;
    nce_step step = {.tokens = s->step_tokens, .runs = s->step_runs, .selected = s->step_selected, .cancel = &s->cancel};
    const cursor from = *at;
    bool contiguous;
    float *direct;
    nce_event *event;
    double joules0 = 0.0, joules = 0.0;
    if (s->metered) s->metered = nce_meters_joules(s->meters, &joules0);
    const double t0 = now();
    fill_step(s, runs, n_runs, at, &step, &direct, &contiguous);
    fill_rope(s, &step);
    step.logits = direct;
    if (!contiguous) {
        const nce_status status = nce_grow(s->ctx, (void **)&s->gathered, &s->gathered_capacity,
                                           step.n_selected * s->model->h.n_vocab, sizeof *s->gathered);
        if (status != NCE_OK) return status;
        step.logits = s->gathered;
    }
    nce_status status = d->ops->submit(s->exec, &step, &event);
    if (status == NCE_OK) status = d->ops->wait(event);
    if (status != NCE_OK) return status;
    if (!contiguous) scatter(s, runs, from, &step);
    const bool decode = step.n_rows == step.n_runs;
    *(decode ? &s->counters.decode_tokens : &s->counters.prompt_tokens) += step.n_rows;
    *(decode ? &s->counters.decode_seconds : &s->counters.prompt_seconds) += now() - t0;
    if (s->metered) s->metered = nce_meters_joules(s->meters, &joules);
    *(decode ? &s->counters.decode_joules : &s->counters.prompt_joules) += joules - joules0;
    s->counters.steps++;
    return NCE_OK;
}

nce_status nce_session_eval(nce_session *s, const nce_run *runs, size_t n_runs)
{
    if (s == NULL) return NCE_ERR_INVALID;
    if (runs == NULL || n_runs == 0 || n_runs > s->o.n_seq)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_session_eval: %zu runs, 1 to %u are possible", n_runs, s->o.n_seq);
    nce_status status = nce_gguf_check_size(s->model->gguf);
    for (size_t i = 0; status == NCE_OK && i < n_runs; i++)
        status = check_run(s, runs, i);
    if (status != NCE_OK) return status;
    size_t before[8], *lengths = before;
    if (n_runs > sizeof before / sizeof *before && (lengths = nce_alloc(s->ctx, n_runs * sizeof *lengths)) == NULL)
        return nce_fail_nomem(s->ctx, n_runs * sizeof *lengths);
    for (size_t i = 0; i < n_runs; i++)
        lengths[i] = s->seqs[runs[i].seq].n;
    for (size_t i = 0; status == NCE_OK && i < n_runs; i++)
        status = reserve(s, &runs[i]);
    for (cursor at = {0, 0}; status == NCE_OK && at.run < n_runs;)
        status = run_step(s, runs, n_runs, &at);
    for (size_t i = 0; status != NCE_OK && i < n_runs; i++) {
        nce_kv_trim(s, &s->seqs[runs[i].seq], lengths[i]);
        s->seqs[runs[i].seq].n = lengths[i];
    }
    if (status == NCE_ERR_CANCELLED) atomic_store_explicit(&s->cancel, false, memory_order_relaxed);
    if (lengths != before) nce_free(s->ctx, lengths);
    return status;
}
