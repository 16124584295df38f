/* Sampling.  Everything is sorted by (probability descending, token id ascending), sums run in that order, and the random
 * number is a hash of (seed, sequence, position): the same inputs always choose the same token. */
#include "nce/sampler.h"
#include "src/core/runtime/context.h"
#include "src/kernels/vec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(nce_sampler_options) == 64, "ABI: grows only at the end");

typedef struct candidate {
    float logit, p;
    int32_t token;
} candidate;

struct nce_sampler {
    nce_context *ctx;
    uint32_t n_vocab;
    nce_sampler_options o;
    nce_logit_bias *biases;
    int32_t *window; /* ring of the last penalty_window tokens */
    size_t n_window, next;
    candidate *candidates; /* [n_vocab] */
    uint16_t *counts;      /* [n_vocab] occurrences in the window */
    nce_vec_ops vec;
};

nce_status nce_sampler_preset(const char *name, nce_sampler_options *o)
{
    static const struct { const char *name; float temperature, top_p; uint32_t top_k; } presets[] = {
        {"greedy", 0.0f, 1.0f, 1}, {"precise", 0.2f, 0.8f, 20}, {"default", 0.7f, 0.9f, 40}, {"creative", 1.0f, 0.95f, 50}};
    if (name == NULL || o == NULL) return NCE_ERR_INVALID;
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(name, presets[i].name) == 0) {
            o->temperature = presets[i].temperature;
            o->top_p = presets[i].top_p;
            o->top_k = presets[i].top_k;
            return NCE_OK;
        }
    return NCE_ERR_NOTFOUND;
}

static nce_status check_range(nce_context *ctx, const char *name, float value, float min, float max)
{
    if (value >= min && value <= max) return NCE_OK; /* false for NaN */
    return nce_fail(ctx, NCE_ERR_INVALID, "nce_sampler_options: %s %g is outside %g..%g", name, (double)value, (double)min, (double)max);
}

static nce_status check_options(nce_context *ctx, const nce_sampler_options *o, uint32_t n_vocab)
{
    const struct { const char *name; float value, min, max; } ranges[] = {
        {"temperature", o->temperature, 0, 100}, {"top_p", o->top_p, 0, 1}, {"min_p", o->min_p, 0, 1},
        {"repeat_penalty", o->repeat_penalty, 0, 100}, {"frequency_penalty", o->frequency_penalty, -100, 100},
        {"presence_penalty", o->presence_penalty, -100, 100}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const nce_status status = check_range(ctx, ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max);
        if (status != NCE_OK) return status;
    }
    if (o->penalty_window > 65535) return nce_fail(ctx, NCE_ERR_INVALID, "nce_sampler_options: penalty_window %u is over 65535", o->penalty_window);
    if (o->n_biases > 0 && o->biases == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_sampler_options: biases is NULL, n_biases is %zu", o->n_biases);
    if (o->n_biases > n_vocab) return nce_fail(ctx, NCE_ERR_INVALID, "nce_sampler_options: %zu biases for %u tokens", o->n_biases, n_vocab);
    for (size_t i = 0; i < o->n_biases; i++)
        if (o->biases[i].token < 0 || (uint32_t)o->biases[i].token >= n_vocab || isnan(o->biases[i].bias) || o->biases[i].bias == INFINITY)
            return nce_fail(ctx, NCE_ERR_INVALID, "nce_sampler_options: bias %zu: token %d of %u, bias %g", i, o->biases[i].token, n_vocab,
                            (double)o->biases[i].bias);
    return NCE_OK;
}

nce_status nce_sampler_create(nce_context *ctx, uint32_t n_vocab, const nce_sampler_options *options, nce_sampler **out)
{
    nce_sampler_options o = NCE_SAMPLER_OPTIONS_INIT;
    if (ctx == NULL || out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (n_vocab == 0 || n_vocab > 1u << 24) return nce_fail(ctx, NCE_ERR_INVALID, "nce_sampler_create: n_vocab %u is outside 1..16777216", n_vocab);
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_sampler_options");
    if (status == NCE_OK) status = check_options(ctx, &o, n_vocab);
    if (status != NCE_OK) return status;
    if (o.penalty_window == 0) o.penalty_window = 64;
    if (o.repeat_penalty == 0.0f) o.repeat_penalty = 1.0f;
    if (o.top_p == 0.0f) o.top_p = 1.0f;
    nce_sampler *s = nce_alloc_zero(ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(ctx, sizeof *s);
    *s = (nce_sampler){.ctx = ctx, .n_vocab = n_vocab, .o = o};
    s->biases = nce_alloc_array(ctx, o.n_biases, sizeof *s->biases);
    s->window = nce_alloc_array(ctx, o.penalty_window, sizeof *s->window);
    s->candidates = nce_alloc_array(ctx, n_vocab, sizeof *s->candidates);
    s->counts = nce_alloc_array(ctx, n_vocab, sizeof *s->counts);
    if (s->biases == NULL || s->window == NULL || s->candidates == NULL || s->counts == NULL) {
        nce_sampler_destroy(s);
        return nce_fail(ctx, NCE_ERR_NOMEM, "no memory for a sampler of %u tokens", n_vocab);
    }
    if (o.n_biases > 0) memcpy(s->biases, o.biases, o.n_biases * sizeof *s->biases);
    nce_vec_ops_init(&s->vec, ctx->cpu);
    *out = s;
    return NCE_OK;
}

void nce_sampler_destroy(nce_sampler *s)
{
    if (s == NULL) return;
    nce_free(s->ctx, s->biases);
    nce_free(s->ctx, s->window);
    nce_free(s->ctx, s->candidates);
    nce_free(s->ctx, s->counts);
    nce_free(s->ctx, s);
}

void nce_sampler_accept(nce_sampler *s, int32_t token)
{
    if (s == NULL || token < 0 || (uint32_t)token >= s->n_vocab) return;
    if (s->n_window == s->o.penalty_window) s->counts[s->window[s->next]]--;
    else s->n_window++;
    s->window[s->next] = token;
    s->next = (s->next + 1) % s->o.penalty_window;
    s->counts[token]++;
}

void nce_sampler_reset(nce_sampler *s)
{
    if (s == NULL) return;
    memset(s->counts, 0, s->n_vocab * sizeof *s->counts);
    s->n_window = s->next = 0;
}

static float adjusted(const nce_sampler *s, float logit, uint32_t token)
{
    const uint16_t n = s->counts[token];
    if (n == 0) return logit;
    logit = logit > 0.0f ? logit / s->o.repeat_penalty : logit * s->o.repeat_penalty;
    return logit - (float)n * s->o.frequency_penalty - s->o.presence_penalty;
}

/* Higher logit first, then the lower id. */
static int before(const candidate *a, const candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

static int compare(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a) ? 1 : 0;
}

/* The k best to the front, in any order: quick-select, whose result does not depend on the pivots. */
static void select_best(candidate *c, size_t n, size_t k)
{
    size_t lo = 0, hi = n;
    while (hi - lo > 1 && k > lo && k < hi) {
        const candidate pivot = c[lo + (hi - lo) / 2];
        size_t i = lo, j = hi - 1;
        for (;;) {
            while (before(&c[i], &pivot))
                i++;
            while (before(&pivot, &c[j]))
                j--;
            if (i >= j) break;
            const candidate x = c[i];
            c[i++] = c[j];
            c[j--] = x;
        }
        if (k <= i) hi = i;
        else lo = i;
        if (hi == n && lo == 0) break; /* cannot happen with distinct keys */
    }
}

/* Uniform in [0, 1) from 53 bits of a hash of the three numbers (SplitMix64's finaliser, Steele et al. 2014). */
static double uniform(uint64_t seed, uint64_t seq, uint64_t position)
{
    uint64_t x = seed;
    const uint64_t parts[2] = {seq, position};
    for (int i = 0; i < 3; i++) {
        x += 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        x ^= x >> 31;
        if (i < 2) x ^= parts[i] * 0xd1342543de82ef95u;
    }
    return (double)(x >> 11) * 0x1p-53;
}

/* Soft-max of the sorted candidates at the temperature; returns the sum of the weights. */
static double weigh(nce_sampler *s, size_t n)
{
    candidate *c = s->candidates;
    const float scale = 1.44269504f / s->o.temperature;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const float x = (c[i].logit - c[0].logit) * scale;
        s->vec.exp2neg(&c[i].p, &x, 1);
        sum += c[i].p;
    }
    return sum;
}

static int32_t draw(nce_sampler *s, size_t n, uint32_t seq, uint64_t position)
{
    candidate *c = s->candidates;
    double sum = weigh(s, n), kept = 0.0, at = 0.0;
    size_t m = 0;
    while (m < n && (m == 0 || (kept < s->o.top_p * sum && c[m].p >= s->o.min_p * c[0].p)))
        kept += c[m++].p;
    const double u = uniform(s->o.seed, seq, position) * kept;
    for (size_t i = 0; i + 1 < m; i++)
        if (u < (at += c[i].p)) return c[i].token;
    return c[m - 1].token;
}

nce_status nce_sampler_sample(nce_sampler *s, uint32_t seq, uint64_t position, const float *logits, int32_t *token)
{
    if (s == NULL || logits == NULL || token == NULL) return NCE_ERR_INVALID;
    candidate *c = s->candidates;
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_vocab; i++)
        c[i] = (candidate){logits[i], 0.0f, (int32_t)i};
    for (size_t i = 0; i < s->o.n_biases; i++)
        c[s->biases[i].token].logit += s->biases[i].bias;
    for (uint32_t i = 0; i < s->n_vocab; i++) {
        const float x = adjusted(s, c[i].logit, i);
        if (x > -INFINITY) c[n++] = (candidate){x, 0.0f, (int32_t)i}; /* drops NaN and -infinity */
    }
    if (n == 0) return nce_fail(s->ctx, NCE_ERR_FORMAT, "no logit is a number above -infinity");
    const bool greedy = s->o.temperature == 0.0f || s->o.top_k == 1;
    if (greedy) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (before(&c[i], &c[best])) best = i;
        *token = c[best].token;
        return NCE_OK;
    }
    if (s->o.top_k != 0 && s->o.top_k < n) {
        select_best(c, n, s->o.top_k);
        n = s->o.top_k;
    }
    qsort(c, n, sizeof *c, compare);
    *token = draw(s, n, seq, position);
    return NCE_OK;
}
