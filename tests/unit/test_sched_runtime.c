/* The run-time scheduler on the simulated and the real clock: order, deadlines, back-pressure, node death, statistics. */
#include "nce/sched.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static nce_context *ctx;

static void start(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

static void stop(void)
{
    nce_context_destroy(ctx);
}

TestSuite(sched_runtime, .init = start, .fini = stop);

typedef struct record {
    uint64_t order[64];
    uint32_t n_ended, n_dispatched, n_prefetched;
    uint64_t prefetched;
} record;

static void on_dispatch(void *user, const nce_dispatch *d)
{
    (void)d;
    ((record *)user)->n_dispatched++;
}

static void on_ended(void *user, const nce_job_info *job)
{
    record *r = user;
    r->order[r->n_ended++ % 64] = (uint64_t)(uintptr_t)job->job_user;
}

static void on_prefetch(void *user, uint32_t node, const nce_block_hash *blocks, size_t n)
{
    record *r = user;
    (void)node;
    r->n_prefetched++;
    r->prefetched = blocks[n - 1].lo;
}

static nce_node_profile profile(void)
{
    nce_node_profile p = NCE_NODE_PROFILE_INIT;
    p.block_s = 1;
    p.decode_s = 0.1;
    return p;
}

static nce_scheduler *simulated(record *r, uint32_t queue, uint32_t n_nodes, uint32_t slots)
{
    nce_scheduler_options o = NCE_SCHEDULER_OPTIONS_INIT;
    nce_scheduler *s;
    const nce_node_profile p = profile();
    o.queue = queue;
    o.simulated = 1;
    o.dispatch = on_dispatch;
    o.ended = on_ended;
    o.prefetch = on_prefetch;
    o.user = r;
    o.max_waiting = 10;
    o.aging = 0.001;
    cr_assert_eq(nce_scheduler_create(ctx, &o, &s), NCE_OK, "%s", nce_context_error(ctx));
    for (uint32_t k = 0; k < n_nodes; k++)
        cr_assert_eq(nce_scheduler_add_node(s, &p, slots, 100, NULL), NCE_OK);
    return s;
}

/* A request of its own blocks; tag comes back in the order of ending. */
static nce_status submit(nce_scheduler *s, uint64_t tag, size_t n_blocks, double deadline, uint32_t priority,
                         uint64_t *job)
{
    nce_block_hash blocks[16];
    nce_sched_request r = NCE_SCHED_REQUEST_INIT;
    for (size_t i = 0; i < n_blocks; i++)
        blocks[i] = (nce_block_hash){tag * 100 + i, 7};
    r.blocks = blocks;
    r.n_blocks = n_blocks;
    r.input_tokens = (uint32_t)n_blocks * 512;
    r.output_tokens = 10;
    r.deadline_s = deadline;
    r.priority = priority;
    r.user = (void *)(uintptr_t)tag;
    return nce_scheduler_submit(s, &r, job);
}

static void expect_order(nce_scheduler *s, const record *r, const char *want)
{
    cr_assert_eq(nce_scheduler_advance(s, INFINITY), NCE_OK);
    char got[65] = "";
    for (uint32_t i = 0; i < r->n_ended && i < 64; i++)
        got[i] = (char)('0' + r->order[i]);
    cr_assert_str_eq(got, want);
}

Test(sched_runtime, queue_policies)
{
    static const struct {
        uint32_t policy;
        const char *order;
    } cases[] = {{NCE_QUEUE_FIFO, "14235"}, {NCE_QUEUE_EDF, "14352"}, {NCE_QUEUE_SHORTEST, "14532"}};
    for (size_t i = 0; i < 3; i++) {
        record r = {.n_ended = 0};
        nce_scheduler *s = simulated(&r, cases[i].policy, 1, 1);
        uint64_t job;
        cr_assert_eq(submit(s, 1, 2, 0, 0, &job), NCE_OK); /* starts at once */
        cr_assert_eq(submit(s, 2, 8, 0, 0, &job), NCE_OK);
        cr_assert_eq(submit(s, 3, 4, 90, 0, &job), NCE_OK);
        cr_assert_eq(submit(s, 4, 9, 0, 5, &job), NCE_OK); /* higher priority goes first whatever the policy */
        cr_assert_eq(submit(s, 5, 2, 95, 0, &job), NCE_OK);
        expect_order(s, &r, cases[i].order);
        cr_assert_eq(r.n_dispatched, 5);
        nce_scheduler_destroy(s);
    }
}

Test(sched_runtime, deadlines_and_back_pressure)
{
    record r = {.n_ended = 0};
    nce_scheduler *s = simulated(&r, NCE_QUEUE_FIFO, 1, 1);
    nce_job_info info = NCE_JOB_INFO_INIT;
    nce_scheduler_stats stats = NCE_SCHEDULER_STATS_INIT;
    uint64_t first, job;
    cr_assert_eq(submit(s, 1, 5, 0, 0, &first), NCE_OK);
    cr_assert_eq(submit(s, 2, 5, 6, 0, &job), NCE_ERR_LIMIT);
    cr_assert(strstr(nce_context_error(ctx), "first token predicted in 10 s") != NULL, "%s", nce_context_error(ctx));
    cr_assert_eq(submit(s, 3, 2, 8, 0, &job), NCE_OK); /* predicted after 7 s: the output of job 1 is not known yet */
    cr_assert_eq(submit(s, 4, 3, 0, 7, &job), NCE_OK); /* goes before job 3, whose deadline then passes */
    cr_assert_eq(nce_scheduler_poll(s, first, &info), NCE_OK);
    cr_assert_eq(info.state, NCE_JOB_RUNNING);
    expect_order(s, &r, "143");
    nce_scheduler_get_stats(s, &stats);
    cr_assert(stats.n_expired == 1 && stats.n_done == 2 && stats.n_rejected_deadline == 1);
    cr_assert_eq(nce_scheduler_poll(s, first, &info), NCE_OK);
    cr_assert(info.state == NCE_JOB_DONE && fabs(info.first_token_s - 5) < 1e-9 && fabs(info.end_s - 6) < 1e-9);
    cr_assert_eq(nce_scheduler_cancel(s, first), NCE_ERR_STATE);
    cr_assert_eq(nce_scheduler_cancel(s, 12345), NCE_ERR_NOTFOUND);
    for (uint64_t i = 0; i < 11; i++)
        cr_assert_eq(submit(s, 50 + i, 1, 0, 0, &job), NCE_OK);
    cr_assert_eq(submit(s, 70, 1, 0, 0, &job), NCE_ERR_BUSY);
    cr_assert_eq(nce_scheduler_cancel(s, job), NCE_OK);
    cr_assert_eq(submit(s, 71, 1, 0, 0, &job), NCE_OK);
    cr_assert_eq(nce_scheduler_start(s), NCE_ERR_STATE);
    nce_scheduler_destroy(s); /* with jobs queued and running */
}

Test(sched_runtime, a_dying_node_loses_and_doubles_nothing)
{
    record r = {.n_ended = 0};
    nce_scheduler *s = simulated(&r, NCE_QUEUE_FIFO, 3, 2);
    nce_scheduler_stats stats = NCE_SCHEDULER_STATS_INIT;
    uint64_t jobs[12];
    uint32_t seen = 0;
    for (uint64_t i = 0; i < 12; i++)
        cr_assert_eq(submit(s, i, 4, 0, 0, &jobs[i]), NCE_OK);
    cr_assert_eq(nce_scheduler_advance(s, 2), NCE_OK);
    cr_assert_eq(nce_scheduler_set_node_up(s, 1, false), NCE_OK);
    nce_scheduler_get_stats(s, &stats);
    cr_assert_eq(stats.n_restarted, 4);
    cr_assert_eq(nce_scheduler_advance(s, 3), NCE_OK);
    nce_scheduler_set_node_up(s, 0, false);
    nce_scheduler_set_node_up(s, 2, false);
    nce_scheduler_get_stats(s, &stats);
    cr_assert(stats.n_queued == 12 && stats.n_running == 0);
    uint64_t other;
    cr_assert_eq(submit(s, 60, 1, 0, 0, &other), NCE_ERR_BUSY);
    cr_assert_eq(nce_scheduler_advance(s, 50), NCE_OK);
    cr_assert_eq(r.n_ended, 0, "no node: they wait");
    nce_scheduler_set_node_up(s, 2, true);
    cr_assert_eq(nce_scheduler_advance(s, INFINITY), NCE_OK);
    cr_assert_eq(r.n_ended, 12);
    for (int i = 0; i < 12; i++)
        seen |= 1u << r.order[i];
    cr_assert_eq(seen, 0xfff);
    nce_scheduler_get_stats(s, &stats);
    cr_assert(stats.n_done == 12 && stats.n_queued == 0 && stats.n_running == 0);
    nce_scheduler_destroy(s);
}

Test(sched_runtime, statistics_and_prefetch)
{
    record r = {.n_ended = 0};
    nce_scheduler *s = simulated(&r, NCE_QUEUE_FIFO, 1, 1);
    nce_scheduler_stats x = NCE_SCHEDULER_STATS_INIT;
    uint64_t job;
    nce_scheduler_get_stats(s, &x);
    cr_assert(isnan(x.ttft_p50_s) && isnan(x.hit_rate) && isnan(x.joules_per_token));
    for (int i = 0; i < 6; i++) { /* the prompts 1 and 2 take turns */
        cr_assert_eq(submit(s, 1 + (uint64_t)i % 2, 4, 0, 0, &job), NCE_OK);
        nce_scheduler_advance(s, INFINITY);
    }
    nce_scheduler_get_stats(s, &x);
    cr_assert_float_eq(x.hit_rate, 16.0 / 24, 1e-12);
    cr_assert_float_eq(x.hit_rate_bound, 16.0 / 24, 1e-12);
    cr_assert_eq(r.n_prefetched, 0, "its usual successor is there");
    nce_block_hash two[4];
    for (uint64_t i = 0; i < 4; i++)
        two[i] = (nce_block_hash){200 + i, 7};
    nce_scheduler_drop_blocks(s, 0, two, 4);
    submit(s, 1, 4, 0, 0, &job);
    cr_assert(r.n_prefetched == 1 && r.prefetched == 203);
    nce_scheduler_advance(s, INFINITY);
    nce_scheduler_get_stats(s, &x);
    cr_assert_eq(x.output_tokens, 70);
    cr_assert(x.ttft_p99_s > 3.9 && x.ttft_p99_s < 4.1 && x.utilisation > 0.99 && x.utilisation < 1.01, "%g %g",
              x.ttft_p99_s, x.utilisation);
    char text[32768], small[64];
    size_t needed, again;
    cr_assert_eq(nce_scheduler_metrics(s, false, text, sizeof text, &needed), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(strlen(text) + 1, needed);
    cr_assert(strstr(text, "nce_generation_tokens_total 70\n") != NULL);
    cr_assert(strstr(text, "nce_time_to_first_token_seconds_bucket{le=\"+Inf\"} 7\n") != NULL);
    cr_assert_null(strstr(text, "joules"), "no meter, no series");
    cr_assert_eq(nce_scheduler_metrics(s, false, small, sizeof small, &again), NCE_ERR_LIMIT);
    cr_assert_geq(again, needed - 8);
    cr_assert_eq(nce_scheduler_metrics(s, true, text, sizeof text, NULL), NCE_OK);
    cr_assert(strstr(text, "# TYPE nce_generation_tokens counter\nnce_generation_tokens_total 70\n") != NULL);
    cr_assert(strstr(text, "# EOF\n") != NULL);
    nce_scheduler_destroy(s);
}

/* Buckets must rise to the +Inf one, which equals the count: promtool does not notice when they do not. */
Test(sched_runtime, histograms)
{
    nce_histogram *h, *other;
    const double bounds[] = {1, 2, 1.5};
    cr_assert_eq(nce_histogram_create(ctx, bounds, 3, &h), NCE_ERR_INVALID);
    cr_assert_eq(nce_histogram_create(ctx, NULL, 0, &h), NCE_OK);
    cr_assert_eq(nce_histogram_create(ctx, NULL, 0, &other), NCE_OK);
    cr_assert(isnan(nce_histogram_quantile(h, 0.5)));
    for (int i = 1; i <= 10000; i++)
        nce_histogram_observe(i % 2 ? h : other, i * 1e-3);
    nce_histogram_observe(h, NAN);
    cr_assert_eq(nce_histogram_merge(h, other), NCE_OK);
    cr_assert_eq(nce_histogram_count(h), 10000);
    cr_assert_float_eq(nce_histogram_sum(h), 50005, 0.01);
    for (double q = 0.01; q < 1; q += 0.01)
        cr_assert_float_eq(nce_histogram_quantile(h, q), q * 10, 0.01 * q * 10 + 1e-3, "quantile %g", q);
    nce_histogram_observe(h, 1e300);
    nce_histogram_observe(h, -1);
    cr_assert_eq(nce_histogram_count(h), 10002);
    nce_histogram_destroy(h);
    nce_histogram_destroy(other);
}

/* ---- the real clock ---- */

enum { N_JOBS = 400, N_THREADS = 4 };

typedef struct engine {
    nce_scheduler *s;
    atomic_uint ended[N_THREADS * N_JOBS], dispatched, stale;
} engine;

/* An engine that is done at once: it reports from inside the callback. */
static void run_at_once(void *user, const nce_dispatch *d)
{
    engine *e = user;
    atomic_fetch_add(&e->dispatched, 1);
    nce_scheduler_first_token(e->s, d->job, d->attempt);
    if (nce_scheduler_complete(e->s, d->job, d->attempt, 3) != NCE_OK) atomic_fetch_add(&e->stale, 1);
    if (nce_scheduler_complete(e->s, d->job, d->attempt, 3) == NCE_OK) atomic_fetch_add(&e->stale, 1000000);
}

static void count_ended(void *user, const nce_job_info *job)
{
    engine *e = user;
    atomic_fetch_add(&e->ended[(uintptr_t)job->job_user], 1);
}

typedef struct client {
    engine *e;
    uint32_t index;
} client;

static void *submit_many(void *argument)
{
    const client *c = argument;
    for (uint32_t i = 0; i < N_JOBS; i++) {
        const uint64_t tag = (uint64_t)c->index * N_JOBS + i;
        nce_block_hash blocks[3] = {{i % 7 + 1, 1}, {i % 50 + 1, 2}, {tag, 3}};
        nce_sched_request r = NCE_SCHED_REQUEST_INIT;
        uint64_t job;
        r.blocks = blocks;
        r.n_blocks = 3;
        r.user = (void *)(uintptr_t)tag;
        while (nce_scheduler_submit(c->e->s, &r, &job) == NCE_ERR_BUSY)
            usleep(100);
    }
    return NULL;
}

static void *flap(void *argument)
{
    engine *e = argument;
    for (int i = 0; i < 40; i++) {
        nce_scheduler_set_node_up(e->s, (uint32_t)i % 3, false);
        usleep(300);
        nce_scheduler_set_node_up(e->s, (uint32_t)i % 3, true);
    }
    return NULL;
}

static void *scrape(void *argument)
{
    engine *e = argument;
    static char text[65536];
    nce_scheduler_stats x = NCE_SCHEDULER_STATS_INIT;
    for (int i = 0; i < 100; i++) {
        nce_scheduler_metrics(e->s, i % 2, text, sizeof text, NULL);
        nce_scheduler_get_stats(e->s, &x);
    }
    return NULL;
}

Test(sched_runtime, threads_and_flapping_nodes)
{
    static engine e;
    nce_scheduler_options o = NCE_SCHEDULER_OPTIONS_INIT;
    const nce_node_profile p = profile();
    pthread_t threads[N_THREADS + 2];
    client clients[N_THREADS];
    nce_scheduler_stats x = NCE_SCHEDULER_STATS_INIT;
    o.dispatch = run_at_once;
    o.ended = count_ended;
    o.user = &e;
    o.max_waiting = 64;
    o.queue = NCE_QUEUE_SHORTEST;
    cr_assert_eq(nce_scheduler_create(ctx, &o, &e.s), NCE_OK);
    for (int k = 0; k < 3; k++)
        cr_assert_eq(nce_scheduler_add_node(e.s, &p, 2, 40, NULL), NCE_OK);
    cr_assert_eq(nce_scheduler_advance(e.s, 1), NCE_ERR_STATE);
    cr_assert_eq(nce_scheduler_start(e.s), NCE_OK);
    cr_assert_eq(nce_scheduler_start(e.s), NCE_ERR_STATE);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        clients[i] = (client){&e, i};
        pthread_create(&threads[i], NULL, submit_many, &clients[i]);
    }
    pthread_create(&threads[N_THREADS], NULL, flap, &e);
    pthread_create(&threads[N_THREADS + 1], NULL, scrape, &e);
    for (int i = 0; i < N_THREADS + 2; i++)
        pthread_join(threads[i], NULL);
    do {
        usleep(1000);
        nce_scheduler_get_stats(e.s, &x);
    } while (x.n_done < N_THREADS * N_JOBS);
    cr_assert_eq(nce_scheduler_stop(e.s), NCE_OK);
    cr_assert_eq(nce_scheduler_stop(e.s), NCE_OK);
    nce_scheduler_get_stats(e.s, &x);
    cr_assert_eq(x.n_done, N_THREADS * N_JOBS);
    cr_assert_eq(x.output_tokens, 3 * N_THREADS * N_JOBS);
    for (int i = 0; i < N_THREADS * N_JOBS; i++)
        cr_assert_eq(atomic_load(&e.ended[i]), 1, "request %d ended %u times", i, atomic_load(&e.ended[i]));
    cr_assert_lt(atomic_load(&e.stale), 1000000, "a job completed twice");
    cr_assert_eq(atomic_load(&e.dispatched) - atomic_load(&e.stale), N_THREADS * N_JOBS);
    nce_scheduler_destroy(e.s);
}

static void scenario(nce_context *c)
{
    record r = {.n_ended = 0};
    nce_scheduler_options o = NCE_SCHEDULER_OPTIONS_INIT;
    nce_scheduler *s;
    const nce_node_profile p = profile();
    uint64_t jobs[4];
    o.simulated = 1;
    o.ended = on_ended;
    o.dispatch = on_dispatch;
    o.user = &r;
    o.keep_finished = 2;
    if (nce_scheduler_create(c, &o, &s) != NCE_OK) return;
    uint32_t accepted = 0;
    for (uint32_t k = 0; k < 2; k++)
        nce_scheduler_add_node(s, &p, 1, 10, NULL);
    for (uint64_t i = 0; i < 4; i++)
        accepted += submit(s, i, 3, 0, 0, &jobs[i]) == NCE_OK;
    nce_scheduler_set_node_up(s, 0, false);
    nce_scheduler_set_node_up(s, 0, true);
    nce_scheduler_advance(s, INFINITY);
    nce_scheduler_advance(s, 1e6); /* what could not be handed out for want of memory goes now */
    uint64_t job;
    submit(s, 9, 1, 0, 0, &job);
    nce_scheduler_advance(s, INFINITY);
    nce_scheduler_stats x = NCE_SCHEDULER_STATS_INIT;
    nce_scheduler_get_stats(s, &x);
    cr_assert_eq(x.n_done, x.n_submitted, "%u accepted", accepted);
    nce_scheduler_destroy(s);
}

Test(sched_runtime, failing_allocation)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) != NCE_OK) continue;
        scenario(c);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
        cr_assert_lt(n, 2000);
    }
}
