/* Statistics of a scheduler, as a struct and as Prometheus text.
 *
 * What is not known is absent, not zero.  The text is written into a caller's buffer with its length counted past the
 * end, so that a too small one says how much is needed.  Numbers are printed without regard to the host's locale. */
#include "src/sched/scheduler.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(nce_scheduler_stats) == 192, "ABI: grows only at the end");

static double busy_s(const nce_node *n, double now)
{
    return n->busy_slot_s + (n->up ? n->n_running * (now - n->busy_since_s) : 0);
}

static double slots_used(const nce_scheduler *s, double now)
{
    double used = 0, slots = 0;
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        used += busy_s(&s->nodes[k], now);
        slots += s->nodes[k].slots;
    }
    return slots > 0 && now > 0 ? used / (slots * now) : 0;
}

static double variation(const nce_scheduler *s, double now)
{
    double busy[NCE_MAX_NODES];
    size_t n = 0;
    for (uint32_t k = 0; k < s->n_nodes; k++)
        if (s->nodes[k].up) busy[n++] = busy_s(&s->nodes[k], now) / s->nodes[k].slots;
    return nce_load_variation(busy, n);
}

/* With the lock held; the meter is asked by the caller, who holds none. */
static nce_scheduler_stats collect(const nce_scheduler *s, double joules)
{
    nce_scheduler_stats x = s->stats;
    nce_kv_cache_stats bound = NCE_KV_CACHE_STATS_INIT;
    const double now = nce_scheduler_clock(s);
    const uint64_t n = nce_histogram_count(s->latency);
    const size_t logged = s->n_outcomes < NCE_OUTCOMES ? (size_t)s->n_outcomes : NCE_OUTCOMES;
    x.output_tokens_per_s = now > 0 ? (double)x.output_tokens / now : 0;
    x.ttft_p50_s = nce_histogram_quantile(s->ttft, 0.50);
    x.ttft_p95_s = nce_histogram_quantile(s->ttft, 0.95);
    x.ttft_p99_s = nce_histogram_quantile(s->ttft, 0.99);
    x.latency_mean_s = n > 0 ? nce_histogram_sum(s->latency) / (double)n : NAN;
    x.hit_rate = s->blocks_queried > 0 ? (double)s->blocks_hit / (double)s->blocks_queried : NAN;
    x.hit_rate_bound = NAN;
    if (s->shadow != NULL && nce_kv_cache_get_stats(s->shadow, &bound) == NCE_OK && bound.n_queried > 0)
        x.hit_rate_bound = (double)bound.n_hit / (double)bound.n_queried;
    x.utilisation = slots_used(s, now);
    x.load_variation = variation(s, now);
    x.joules_per_token = x.output_tokens > 0 ? joules / (double)x.output_tokens : NAN;
    x.prediction_tau = nce_rank_correlation(s->predicted, s->real, logged);
    return x;
}

/* Joules so far, NaN without a meter. */
static double read_meter(const nce_scheduler *s)
{
    double joules = NAN;
    return s->o.energy != NULL && s->o.energy(s->o.user, &joules) ? joules : NAN;
}

nce_status nce_scheduler_get_stats(nce_scheduler *s, nce_scheduler_stats *out)
{
    if (s == NULL) return NCE_ERR_INVALID;
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_scheduler_get_stats: no struct_size");
    const double joules = read_meter(s);
    pthread_mutex_lock(&s->mutex);
    nce_scheduler_stats full = collect(s, joules);
    pthread_mutex_unlock(&s->mutex);
    full.struct_size = out->struct_size;
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

/* ---- text ---- */

typedef struct writer {
    char *buffer;
    size_t size, used;
    bool open_metrics;
} writer;

static void put(writer *w, const char *text)
{
    const size_t n = strlen(text);
    if (w->used < w->size) memcpy(w->buffer + w->used, text, n < w->size - w->used ? n : w->size - w->used);
    w->used += n;
}

static void put_number(writer *w, double x)
{
    char text[40];
    if (isinf(x)) {
        put(w, x > 0 ? "+Inf" : "-Inf");
        return;
    }
    snprintf(text, sizeof text, "%.12g", x);
    for (char *c = text; *c != '\0'; c++)
        if (strchr("0123456789+-e", *c) == NULL) *c = '.'; /* the host's decimal comma */
    put(w, text);
}

/* # HELP and # TYPE; a counter's name carries _total, which OpenMetrics leaves out of the family's name. */
static void family(writer *w, const char *name, const char *type, const char *help)
{
    char base[96];
    snprintf(base, sizeof base, "%s", name);
    const size_t n = strlen(base);
    if (w->open_metrics && n > 6 && strcmp(base + n - 6, "_total") == 0) base[n - 6] = '\0';
    put(w, "# HELP ");
    put(w, base);
    put(w, " ");
    put(w, help);
    put(w, "\n# TYPE ");
    put(w, base);
    put(w, " ");
    put(w, type);
    put(w, "\n");
}

static void sample(writer *w, const char *name, const char *labels, double value)
{
    put(w, name);
    put(w, labels);
    put(w, " ");
    put_number(w, value);
    put(w, "\n");
}

static void one(writer *w, const char *name, const char *type, const char *help, double value)
{
    if (isnan(value)) return;
    family(w, name, type, help);
    sample(w, name, "", value);
}

static void histogram(writer *w, const char *name, const char *help, const nce_histogram *h)
{
    char series[96], label[64];
    uint64_t below = 0;
    family(w, name, "histogram", help);
    snprintf(series, sizeof series, "%s_bucket", name);
    for (size_t i = 0; i <= h->n_bounds; i++) {
        writer number = {label, sizeof label - 1, 0, false};
        below += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        put(&number, "{le=\"");
        put_number(&number, i < h->n_bounds ? h->bounds[i] : INFINITY);
        put(&number, "\"}");
        label[number.used] = '\0';
        sample(w, series, label, (double)below);
    }
    snprintf(series, sizeof series, "%s_sum", name);
    sample(w, series, "", nce_histogram_sum(h));
    snprintf(series, sizeof series, "%s_count", name);
    sample(w, series, "", (double)below); /* the same walk as the buckets: never less than the last of them */
}

static void requests(writer *w, const nce_scheduler_stats *x)
{
    one(w, "nce_requests_submitted_total", "counter", "Requests accepted.", (double)x->n_submitted);
    family(w, "nce_requests_ended_total", "counter", "Accepted requests that ended, by how.");
    sample(w, "nce_requests_ended_total", "{reason=\"done\"}", (double)x->n_done);
    sample(w, "nce_requests_ended_total", "{reason=\"cancelled\"}", (double)x->n_cancelled);
    sample(w, "nce_requests_ended_total", "{reason=\"expired\"}", (double)x->n_expired);
    family(w, "nce_rejected_total", "counter", "Requests refused, by reason.");
    sample(w, "nce_rejected_total", "{reason=\"deadline\"}", (double)x->n_rejected_deadline);
    sample(w, "nce_rejected_total", "{reason=\"memory\"}", (double)x->n_rejected_memory);
    sample(w, "nce_rejected_total", "{reason=\"busy\"}", (double)x->n_rejected_busy);
    one(w, "nce_requests_restarted_total", "counter", "Requests placed again because their node went down.",
        (double)x->n_restarted);
    one(w, "nce_requests_waiting", "gauge", "Requests waiting for a slot.", (double)x->n_queued);
    one(w, "nce_requests_running", "gauge", "Requests handed out.", (double)x->n_running);
    one(w, "nce_prompt_tokens_total", "counter", "Input tokens of requests done.", (double)x->input_tokens);
    one(w, "nce_generation_tokens_total", "counter", "Output tokens of requests done.", (double)x->output_tokens);
}

static void nodes(writer *w, const nce_scheduler *s)
{
    char label[32];
    const double now = nce_scheduler_clock(s);
    if (s->n_nodes == 0) return;
    family(w, "nce_node_up", "gauge", "Whether the node takes requests.");
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        snprintf(label, sizeof label, "{node=\"%" PRIu32 "\"}", k);
        sample(w, "nce_node_up", label, s->nodes[k].up);
    }
    family(w, "nce_node_busy_seconds_total", "counter", "Slot seconds used on the node.");
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        snprintf(label, sizeof label, "{node=\"%" PRIu32 "\"}", k);
        sample(w, "nce_node_busy_seconds_total", label, busy_s(&s->nodes[k], now));
    }
}

nce_status nce_scheduler_metrics(nce_scheduler *s, bool open_metrics, char *buffer, size_t size, size_t *needed)
{
    if (s == NULL) return NCE_ERR_INVALID;
    if (buffer == NULL && size > 0) return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_scheduler_metrics: buffer is NULL");
    const double joules = read_meter(s);
    writer w = {buffer, size, 0, open_metrics};
    pthread_mutex_lock(&s->mutex);
    const nce_scheduler_stats x = collect(s, joules);
    requests(&w, &x);
    one(&w, "nce_prefix_cache_queries_total", "counter", "Blocks looked for in caches.", (double)s->blocks_queried);
    one(&w, "nce_prefix_cache_hits_total", "counter", "Blocks found in an unbroken run from the start.",
        (double)s->blocks_hit);
    one(&w, "nce_prefix_cache_hit_bound_ratio", "gauge", "Hit rate that a cache without limit would have had.",
        x.hit_rate_bound);
    one(&w, "nce_slot_utilisation_ratio", "gauge", "Mean share of slots in use since the start.", x.utilisation);
    one(&w, "nce_load_variation_ratio", "gauge", "Standard deviation over mean of the nodes' busy time.",
        x.load_variation);
    one(&w, "nce_prediction_rank_correlation", "gauge",
        "Kendall tau of predicted and real service time, recent requests.", x.prediction_tau);
    one(&w, "nce_energy_joules_total", "counter", "Energy used, by the embedder's meter.", joules);
    nodes(&w, s);
    histogram(&w, "nce_time_to_first_token_seconds", "From arrival to the first token.", s->ttft);
    histogram(&w, "nce_e2e_request_latency_seconds", "From arrival to the last token.", s->latency);
    histogram(&w, "nce_request_queue_time_seconds", "From arrival to the first hand-out.", s->queueing);
    histogram(&w, "nce_route_decision_seconds", "Time taken to place a request.", s->decision);
    pthread_mutex_unlock(&s->mutex);
    if (open_metrics) put(&w, "# EOF\n");
    if (needed != NULL) *needed = w.used + 1;
    if (w.used >= size)
        return nce_fail(s->ctx, NCE_ERR_LIMIT, "nce_scheduler_metrics: %zu bytes are needed, %zu given", w.used + 1,
                        size);
    buffer[w.used] = '\0';
    return NCE_OK;
}
