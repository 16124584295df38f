/* Generation: the loop of evaluate, sample, detokenize, look for stops.
 *
 * Text that may be the beginning of a stop string is held back until it is clear; so a stop string is found across token
 * borders and never streamed. */
#include "src/core/session/generate.h"
#include "src/core/session/session.h"
#include <string.h>

_Static_assert(sizeof(nce_generate_options) == 80, "ABI: grows only at the end");

enum { MAX_STOPS = 64 };

typedef struct generation {
    nce_session *s;
    nce_generate_options o;
    uint32_t seq;
    nce_text_stream *stream;
    float *logits;
    char *held;    /* text not yet shown: a prefix of some stop string */
    size_t n_held, held_capacity;
    nce_stop_reason reason;
    nce_token_sink *sink;
    void *sink_user;
} generation;

static nce_status check_options(nce_session *s, const nce_generate_options *o)
{
    if (o->sampler == NULL) return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_generate_options: sampler is NULL");
    if (o->n_stop_strings > MAX_STOPS || (o->n_stop_strings > 0 && o->stop_strings == NULL) || o->ignore_end > 1 || o->show_special > 1 || o->reserved != 0)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_generate_options: at most %d stop strings, flags 0 or 1, reserved 0", MAX_STOPS);
    for (size_t i = 0; i < o->n_stop_strings; i++)
        if (o->stop_strings[i] == NULL || o->stop_strings[i][0] == '\0' || strlen(o->stop_strings[i]) > 4096)
            return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_generate_options: stop string %zu is empty or over 4096 bytes", i);
    return NCE_OK;
}

static bool show(generation *g, const char *text, size_t n)
{
    if (n == 0 || g->o.on_text == NULL) return true;
    if (g->o.on_text(g->o.on_text_user, text, n)) return true;
    g->reason = NCE_STOP_CALLER;
    return false;
}

/* Length of the longest end of the held text that begins a stop string. */
static size_t open_stop(const generation *g)
{
    size_t longest = 0;
    for (size_t i = 0; i < g->o.n_stop_strings; i++) {
        const size_t n = strlen(g->o.stop_strings[i]);
        for (size_t k = n - 1 < g->n_held ? n - 1 : g->n_held; k > longest; k--)
            if (memcmp(g->held + g->n_held - k, g->o.stop_strings[i], k) == 0) {
                longest = k;
                break;
            }
    }
    return longest;
}

/* Offset of the first stop string in the held text, or SIZE_MAX. */
static size_t find_stop(const generation *g)
{
    for (size_t at = 0; at < g->n_held; at++)
        for (size_t i = 0; i < g->o.n_stop_strings; i++) {
            const size_t n = strlen(g->o.stop_strings[i]);
            if (n <= g->n_held - at && memcmp(g->held + at, g->o.stop_strings[i], n) == 0) return at;
        }
    return SIZE_MAX;
}

/* New text from the model; false: stop, g->reason says why. */
static nce_status take_text(generation *g, const char *text, size_t n, bool last)
{
    const nce_status status = nce_grow(g->s->ctx, (void **)&g->held, &g->held_capacity, g->n_held + n, 1);
    if (status != NCE_OK) return status;
    memcpy(g->held + g->n_held, text, n);
    g->n_held += n;
    const size_t stop = find_stop(g);
    if (stop != SIZE_MAX) {
        if (show(g, g->held, stop)) g->reason = NCE_STOP_STRING;
        g->n_held = 0;
        return NCE_OK;
    }
    const size_t clear = last ? g->n_held : g->n_held - open_stop(g);
    show(g, g->held, clear);
    memmove(g->held, g->held + clear, g->n_held - clear);
    g->n_held -= clear;
    return NCE_OK;
}

static nce_status evaluate(generation *g, const int32_t *tokens, size_t n)
{
    const nce_run run = {.tokens = tokens, .n_tokens = n, .logits = g->logits, .seq = g->seq, .want = NCE_LOGITS_LAST};
    return nce_session_eval(g->s, &run, 1);
}

/* The prompt in batches, so that progress can be shown and the caller can cancel; all of it or nothing. */
static nce_status evaluate_prompt(generation *g, const int32_t *prompt, size_t n)
{
    const size_t before = g->s->seqs[g->seq].n, batch = g->s->o.n_batch;
    if (n > g->s->o.n_ctx - before)
        return nce_fail(g->s->ctx, NCE_ERR_LIMIT, "a prompt of %zu tokens after %zu positions exceeds the context of %u by %zu", n, before,
                        g->s->o.n_ctx, before + n - g->s->o.n_ctx);
    nce_status status = NCE_OK;
    for (size_t i = 0; i < n && status == NCE_OK; i += batch) {
        status = evaluate(g, prompt + i, n - i < batch ? n - i : batch);
        const size_t done = i + batch < n ? i + batch : n;
        if (status == NCE_OK && g->o.on_prompt != NULL && !g->o.on_prompt(g->o.on_prompt_user, done, n))
            status = nce_fail(g->s->ctx, NCE_ERR_CANCELLED, "cancelled by the progress callback");
    }
    if (status != NCE_OK) nce_session_trim(g->s, g->seq, before);
    for (size_t i = 0; i < n && status == NCE_OK; i++)
        nce_sampler_accept(g->o.sampler, prompt[i]);
    return status;
}

static nce_status loop(generation *g, size_t *n_tokens)
{
    const nce_tokenizer *t = g->s->model->tokenizer;
    const char *text;
    size_t n;
    while (g->reason == NCE_STOP_NONE) {
        int32_t token;
        nce_status status = nce_sampler_sample(g->o.sampler, g->seq, g->s->seqs[g->seq].n, g->logits, &token);
        if (status != NCE_OK) return status;
        nce_sampler_accept(g->o.sampler, token);
        ++*n_tokens;
        if (!g->o.ignore_end && nce_tokenizer_is_eog(t, token)) g->reason = NCE_STOP_END;
        if (g->sink != NULL && (status = g->sink(g->sink_user, token, g->reason == NCE_STOP_END)) != NCE_OK) return status;
        if (g->reason == NCE_STOP_NONE || g->o.show_special) {
            if ((size_t)token < nce_tokenizer_n_tokens(t)) status = nce_text_stream_feed(g->stream, token, &text, &n);
            else n = 0; /* padding of the embedding table */
            if (status == NCE_OK && n > 0) status = take_text(g, text, n, false);
        }
        if (status != NCE_OK) return status;
        if (g->reason == NCE_STOP_NONE && g->o.max_tokens != 0 && *n_tokens >= g->o.max_tokens) g->reason = NCE_STOP_MAX_TOKENS;
        if (g->reason == NCE_STOP_NONE && g->s->seqs[g->seq].n >= g->s->o.n_ctx) g->reason = NCE_STOP_CONTEXT;
        if (g->reason != NCE_STOP_NONE) break;
        status = evaluate(g, &token, 1);
        if (status == NCE_ERR_CANCELLED) g->reason = NCE_STOP_CANCELLED;
        else if (status != NCE_OK) return status;
    }
    nce_status status = nce_text_stream_flush(g->stream, &text, &n);
    if (status == NCE_OK && g->reason != NCE_STOP_STRING && g->reason != NCE_STOP_CALLER) {
        const nce_stop_reason reason = g->reason;
        g->reason = NCE_STOP_NONE;
        status = take_text(g, text, n, true);
        if (g->reason == NCE_STOP_NONE) g->reason = reason;
    }
    return status;
}

nce_status nce_generate(nce_session *s, uint32_t seq, const int32_t *prompt, size_t n_prompt, const nce_generate_options *options,
                        size_t *n_tokens, nce_stop_reason *reason)
{
    return nce_generate_to(s, seq, prompt, n_prompt, options, NULL, NULL, n_tokens, reason);
}

nce_status nce_generate_to(nce_session *s, uint32_t seq, const int32_t *prompt, size_t n_prompt, const nce_generate_options *options,
                           nce_token_sink *sink, void *sink_user, size_t *n_tokens, nce_stop_reason *reason)
{
    if (s == NULL) return NCE_ERR_INVALID;
    generation g = {.s = s, .o = NCE_GENERATE_OPTIONS_INIT, .seq = seq, .sink = sink, .sink_user = sink_user};
    size_t n = 0;
    if (n_tokens != NULL) *n_tokens = 0;
    if (reason != NULL) *reason = NCE_STOP_NONE;
    nce_status status = nce_read_options(s->ctx, &g.o, sizeof g.o, options, "nce_generate_options");
    if (status == NCE_OK) status = check_options(s, &g.o);
    if (status != NCE_OK) return status;
    if (seq >= s->o.n_seq) return nce_fail(s->ctx, NCE_ERR_INVALID, "sequence %u of %u", seq, s->o.n_seq);
    if (n_prompt == 0 || prompt == NULL) return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_generate: the prompt is empty");
    g.logits = nce_alloc(s->ctx, s->model->h.n_vocab * sizeof *g.logits);
    if (g.logits == NULL) return nce_fail_nomem(s->ctx, s->model->h.n_vocab * sizeof *g.logits);
    status = nce_text_stream_create(s->model->tokenizer, NCE_DECODE_CONTINUE | (g.o.show_special ? NCE_DECODE_SPECIAL : 0), &g.stream);
    if (status == NCE_OK) status = evaluate_prompt(&g, prompt, n_prompt);
    if (status == NCE_OK) status = loop(&g, &n);
    nce_text_stream_destroy(g.stream);
    nce_free(s->ctx, g.held);
    nce_free(s->ctx, g.logits);
    if (n_tokens != NULL) *n_tokens = n;
    if (reason != NULL) *reason = g.reason;
    return status;
}
