/* A day of requests: the conversation trace, looped to 24 hours of trace time, through the run-time scheduler on the
 * simulated clock with nodes dying and coming back; then first come, first served against shortest predicted first at
 * high load.  Run it under the address and the thread sanitizer too.  Skips without the trace.
 *
 * argv[1]: hours (24), argv[2]: a network (GGUF) for the predictor. */
#include "tests/sched/oracle.h"
#include <math.h>
#include <string.h>

static nce_context *ctx;

typedef struct day {
    uint8_t *ended; /* by request */
    uint64_t n_ended, n_doubled;
} day;

static void on_ended(void *user, const nce_job_info *job)
{
    day *d = user;
    const size_t i = (size_t)(uintptr_t)job->job_user;
    d->n_doubled += d->ended[i] != 0;
    d->ended[i] = 1;
    d->n_ended++;
}

static nce_scheduler *make(day *d, uint32_t queue, const nce_predictor *predictor)
{
    nce_scheduler_options o = NCE_SCHEDULER_OPTIONS_INIT;
    nce_node_profile p = NCE_NODE_PROFILE_INIT;
    nce_scheduler *s;
    p.block_s = 0.03;
    p.block_growth = 1.0 / 64;
    p.request_s = 0.02;
    p.decode_s = 0.002;
    o.simulated = 1;
    o.queue = queue;
    o.max_waiting = 1000000;
    o.predictor = predictor;
    o.ended = on_ended;
    o.user = d;
    EXPECT(nce_scheduler_create(ctx, &o, &s) == NCE_OK, "%s", nce_context_error(ctx));
    for (int k = 0; k < 8; k++)
        EXPECT(nce_scheduler_add_node(s, &p, 1, 5000, NULL) == NCE_OK, "%s", nce_context_error(ctx));
    return s;
}

/* Submit the trace once, starting at a time. */
static void submit_all(nce_scheduler *s, const nce_trace *t, double from, double scale, size_t first_tag)
{
    for (size_t i = 0; i < nce_trace_n_requests(t); i++) {
        nce_trace_request q = NCE_TRACE_REQUEST_INIT;
        nce_sched_request r = NCE_SCHED_REQUEST_INIT;
        uint64_t job;
        nce_trace_request_at(t, i, &q);
        EXPECT(nce_scheduler_advance(s, fmax(nce_scheduler_now(s), from + q.arrival_s * scale)) == NCE_OK, "%s",
               nce_context_error(ctx));
        r.blocks = q.blocks;
        r.n_blocks = q.n_blocks;
        r.input_tokens = q.input_tokens;
        r.output_tokens = q.output_tokens;
        r.user = (void *)(uintptr_t)(first_tag + i);
        EXPECT(nce_scheduler_submit(s, &r, &job) == NCE_OK, "%s", nce_context_error(ctx));
    }
}

static void check_day(const nce_trace *t, double hours)
{
    nce_trace_request last = NCE_TRACE_REQUEST_INIT;
    const size_t n = nce_trace_n_requests(t);
    nce_scheduler_stats x = NCE_SCHEDULER_STATS_INIT;
    nce_trace_request_at(t, n - 1, &last);
    const size_t loops = (size_t)ceil(hours * 3600 / last.arrival_s);
    day d = {(uint8_t *)calloc(loops * n, 1), 0, 0};
    nce_scheduler *s = make(&d, NCE_QUEUE_FIFO, NULL);
    for (size_t loop = 0; loop < loops; loop++) {
        const uint32_t node = (uint32_t)loop % 8;
        nce_scheduler_set_node_up(s, node, false);
        submit_all(s, t, (double)loop * last.arrival_s, 1, loop * n);
        nce_scheduler_set_node_up(s, node, true);
    }
    nce_scheduler_advance(s, INFINITY);
    nce_scheduler_get_stats(s, &x);
    printf(
        "%.1f h: %llu requests, %llu done, %llu restarted, hit rate %.3f of %.3f possible, TTFT p50 %.2f p99 %.2f s, "
        "variation %.3f\n",
        nce_scheduler_now(s) / 3600, (unsigned long long)x.n_submitted, (unsigned long long)x.n_done,
        (unsigned long long)x.n_restarted, x.hit_rate, x.hit_rate_bound, x.ttft_p50_s, x.ttft_p99_s, x.load_variation);
    EXPECT(x.n_done == loops * n && d.n_ended == loops * n && d.n_doubled == 0,
           "lost or doubled: %llu ended, %llu doubled", (unsigned long long)d.n_ended, (unsigned long long)d.n_doubled);
    nce_scheduler_destroy(s);
    free(d.ended);
}

static nce_scheduler_stats run_once(const nce_trace *t, uint32_t queue, const nce_predictor *p, double scale)
{
    nce_scheduler_stats x = NCE_SCHEDULER_STATS_INIT;
    day d = {(uint8_t *)calloc(nce_trace_n_requests(t), 1), 0, 0};
    nce_scheduler *s = make(&d, queue, p);
    submit_all(s, t, 0, scale, 0);
    nce_scheduler_advance(s, INFINITY);
    nce_scheduler_get_stats(s, &x);
    nce_scheduler_destroy(s);
    free(d.ended);
    return x;
}

int main(int argc, char **argv)
{
    const char *data = getenv("NCE_TEST_DATA");
    char path[2048];
    size_t size = 0;
    nce_trace *t;
    nce_predictor *p = NULL;
    snprintf(path, sizeof path, "%s/traces/mooncake-conversation.jsonl", data != NULL ? data : ".");
    char *text = read_file(path, &size);
    if (text == NULL) {
        printf("SKIP: no %s (NCE_TEST_DATA)\n", path);
        return 77;
    }
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    EXPECT(nce_trace_read(ctx, path, text, size, NCE_TRACE_MOONCAKE, &t) == NCE_OK, "%s", nce_context_error(ctx));
    if (argc > 2) EXPECT(nce_predictor_create(ctx, argv[2], &p) == NCE_OK, "%s", nce_context_error(ctx));
    check_day(t, argc > 1 ? atof(argv[1]) : 24);
    const double scale = 0.45; /* more work than eight nodes can do while it lasts */
    const nce_scheduler_stats fifo = run_once(t, NCE_QUEUE_FIFO, NULL, scale);
    const nce_scheduler_stats plain = run_once(t, NCE_QUEUE_SHORTEST, NULL, scale);
    printf("mean latency at high load: first come %.1f s (TTFT p99 %.1f), shortest by heuristic %.1f s (%.1f)",
           fifo.latency_mean_s, fifo.ttft_p99_s, plain.latency_mean_s, plain.ttft_p99_s);
    if (p != NULL) {
        const nce_scheduler_stats net = run_once(t, NCE_QUEUE_SHORTEST, p, scale);
        printf(", by network %.1f s (%.1f), tau %.3f against %.3f", net.latency_mean_s, net.ttft_p99_s,
               net.prediction_tau, plain.prediction_tau);
        EXPECT(net.latency_mean_s <= 0.75 * fifo.latency_mean_s, "the network gains less than 25 %%");
    }
    puts("");
    EXPECT(plain.latency_mean_s <= 0.75 * fifo.latency_mean_s, "shortest first gains less than 25 %%");
    nce_predictor_destroy(p);
    nce_trace_destroy(t);
    free(text);
    nce_context_destroy(ctx);
    return 0;
}
