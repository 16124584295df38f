/* Events, the background run, statistics, sparsity control, failing allocations. */
#include "tests/unit/snn_test.h"
#include "tests/unit/faulty_alloc.h"
#include "src/snn/calendar.h"
#include <pthread.h>
#include <unistd.h>

static nce_context *ctx;
static void setup(void)
{
    ctx = snn_context(NCE_ISA_AUTO);
}
static void teardown(void)
{
    nce_context_destroy(ctx);
}
TestSuite(snn_control, .init = setup, .fini = teardown);

/* ---- the queue ---- */

enum { PRODUCERS = 4, EACH = 2500000 };
typedef struct {
    nce_snn_queue *queue;
    uint32_t index;
} producer;

static void *produce(void *user)
{
    producer *p = user;
    uint64_t state = p->index;
    for (uint64_t i = 0; i < EACH; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const nce_snn_event e = {i, p->index, (float)(state >> 40)};
        while (!nce_snn_queue_push(p->queue, &e))
            usleep(20);
    }
    return NULL;
}

/* Ten million random events of four threads: none lost, none twice, each thread's in order. */
Test(snn_control, queue_loses_nothing, .timeout = 900)
{
    nce_snn_queue q;
    producer p[PRODUCERS];
    pthread_t thread[PRODUCERS];
    uint64_t next[PRODUCERS] = {0}, state[PRODUCERS], total = 0;
    OK(nce_snn_queue_init(ctx, &q, 4096));
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        p[i] = (producer){&q, i};
        state[i] = i;
        pthread_create(&thread[i], NULL, produce, &p[i]);
    }
    while (total < (uint64_t)PRODUCERS * EACH) {
        nce_snn_event e;
        if (!nce_snn_queue_pop(&q, &e)) {
            usleep(20);
            continue;
        }
        nce_snn_queue_release(&q, 1);
        cr_assert_lt(e.neuron, PRODUCERS);
        cr_assert_eq(e.step, next[e.neuron], "lost or repeated");
        next[e.neuron]++;
        state[e.neuron] = state[e.neuron] * 6364136223846793005u + 1442695040888963407u;
        cr_assert_eq(e.amplitude, (float)(state[e.neuron] >> 40));
        total++;
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(thread[i], NULL);
    cr_assert_eq(atomic_load(&q.tail), total);
    cr_assert_eq(nce_snn_queue_pending(&q), 0);
    nce_snn_queue_finish(ctx, &q);
}

Test(snn_control, calendar_keeps_later_rounds)
{
    nce_snn_calendar c;
    nce_snn_event out[64 + NCE_SNN_CALENDAR_LINE];
    OK(nce_snn_calendar_init(ctx, &c, 64));
    for (uint32_t i = 0; i < 64; i++)
        cr_assert(nce_snn_calendar_insert(&c, &(nce_snn_event){7 + 64 * (i % 4), i, 1}));
    cr_assert_not(nce_snn_calendar_insert(&c, &(nce_snn_event){1, 1, 1}), "full");
    for (uint64_t step = 0; step <= 7 + 64 * 3; step++) {
        cr_assert_eq(nce_snn_calendar_take(&c, step, out), step % 64 == 7 ? 16 : 0);
        for (uint32_t i = 0; step % 64 == 7 && i < 16; i++) {
            cr_assert_eq(out[i].step, step);
            cr_assert_eq(out[i].neuron, 4 * i + (uint32_t)(step / 64));
        }
    }
    cr_assert_eq(c.count, 0);
    nce_snn_calendar_finish(ctx, &c);
}

/* Whatever the number of events in a step, how far ahead they are and how they came, a step gives its own, in order. */
Test(snn_control, calendar_orders_every_step)
{
    enum { CAPACITY = 256, HORIZON = 700 };
    static nce_snn_event out[CAPACITY + NCE_SNN_CALENDAR_LINE];
    static uint32_t expected[HORIZON * 8];
    uint64_t state = 5, taken = 0, given = 0;
    nce_snn_calendar c;
    OK(nce_snn_calendar_init(ctx, &c, CAPACITY));
    for (uint64_t step = 0; step < 20000; step++) {
        for (uint64_t k = snn_random(&state) % 5; k > 0 && step < 19000; k--) {
            const uint64_t at = step + (snn_random(&state) % 3 ? snn_random(&state) % 4 : snn_random(&state) % HORIZON);
            const nce_snn_event e = {at, (uint32_t)(snn_random(&state) % 9), (float)(int)(snn_random(&state) % 7) - 3};
            if (!nce_snn_calendar_insert(&c, &e)) continue;
            expected[at % (HORIZON * 8)]++;
            given++;
        }
        const size_t n = nce_snn_calendar_take(&c, step, out);
        cr_assert_eq(n, expected[step % (HORIZON * 8)], "step %llu", (unsigned long long)step);
        expected[step % (HORIZON * 8)] = 0;
        taken += n;
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(out[i].step, step);
            cr_assert(i == 0 || nce_snn_calendar_key(&out[i - 1]) <= nce_snn_calendar_key(&out[i]));
        }
        if (step % 97 == 0 && n > 0) { /* a run that ended early gives them back and takes them again */
            for (size_t i = 0; i < n; i++)
                cr_assert(nce_snn_calendar_insert(&c, &out[i]));
            cr_assert_eq(nce_snn_calendar_take(&c, step, out), n);
        }
    }
    cr_assert_eq(taken, given);
    cr_assert_eq(c.count, 0);
    nce_snn_calendar_finish(ctx, &c);
}

/* ---- events in a network ---- */

static nce_snn *small(nce_context *c, uint32_t threads, uint32_t capacity, uint32_t *source, uint32_t *lif)
{
    nce_snn_options options = NCE_SNN_OPTIONS_INIT;
    nce_snn_population_options s = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection conn = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    nce_snn *snn = NULL;
    nce_status status;
    options.n_threads = threads;
    options.queue_capacity = capacity;
    s.n = 40;
    s.flags = o.flags = NCE_SNN_RECORD;
    o.n = 100;
    o.synapse = NCE_SNN_CURRENT;
    if ((status = nce_snn_create(c, &options, &snn)) != NCE_OK) return NULL;
    if (nce_snn_population_add(snn, &s, source) != NCE_OK || nce_snn_population_add(snn, &o, lif) != NCE_OK) goto fail;
    conn.pre = *source;
    conn.post = *lif;
    conn.weight = 2;
    conn.delay = 1;
    conn.stdp = (nce_snn_stdp){20, 20, 0.01, 0.01, 0, 4, 0, 1};
    r.p = 0.3;
    r.weight_sd = 0.1;
    r.delay_sd = 0.3;
    if (nce_snn_connect_random(snn, &conn, &r) != NCE_OK || nce_snn_poisson_add(snn, *lif, 0, 100, 1) != NCE_OK)
        goto fail;
    if (nce_snn_build(snn, NULL, NULL) != NCE_OK) goto fail;
    return snn;
fail:
    nce_snn_destroy(snn);
    return NULL;
}

Test(snn_control, events_in_any_order)
{
    uint64_t hash[2];
    for (int k = 0; k < 2; k++) {
        uint32_t source, lif;
        nce_snn *snn = small(ctx, 1 + (uint32_t)k * 2, 0, &source, &lif);
        for (uint32_t i = 0; i < 500; i++) {
            const uint32_t j = k == 0 ? i : 499 - i;
            OK(nce_snn_submit(snn, j % 3 ? lif : source, j % 7, 100 * (j % 50), 0.37f * (float)(j % 11)));
        }
        OK(nce_snn_run(snn, 300, NULL, NULL));
        hash[k] = snn_hash(ctx, snn);
        nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
        OK(nce_snn_statistics_read(snn, &s));
        cr_assert_eq(s.events_submitted, 500);
        cr_assert_eq(s.events_applied, 500);
        cr_assert_eq(s.events_late, 0);
        nce_snn_destroy(snn);
    }
    cr_assert_eq(hash[0], hash[1]);
}

Test(snn_control, event_effects)
{
    uint32_t source, lif, id[8];
    double time[8], v;
    size_t n;
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F64, 1);
    nce_snn_population_options s = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    s.flags = NCE_SNN_RECORD;
    s.n = 4;
    OK(nce_snn_population_add(snn, &s, &source));
    OK(nce_snn_population_add(snn, &o, &lif));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_submit(snn, lif, 0, 1000, 0.5f)); /* 1 ms: step 10 */
    OK(nce_snn_submit(snn, source, 2, 500, 1));
    OK(nce_snn_run(snn, 11, NULL, NULL));
    OK(nce_snn_population_get(snn, lif, NCE_SNN_PARAM_V, &v, 1));
    cr_assert_float_eq(v, 0.5 * exp(-0.1 / 20), 1e-12, "the jump decays from the beginning of its step: %.17g", v);
    OK(nce_snn_spikes_read(snn, source, 0, 8, id, time, &n));
    cr_assert_eq(n, 1);
    cr_assert_eq(id[0], 2);
    cr_assert_float_eq(time[0], 0.6, 1e-12);
    cr_assert_eq(nce_snn_submit(snn, 9, 0, 0, 1), NCE_ERR_INVALID);
    cr_assert_eq(nce_snn_submit(snn, lif, 1, 0, 1), NCE_ERR_INVALID);
    cr_assert_eq(nce_snn_submit(snn, lif, 0, 0, NAN), NCE_ERR_INVALID);
    OK(nce_snn_submit(snn, source, 0, 0, 1)); /* long past */
    OK(nce_snn_run(snn, 1, NULL, NULL));
    nce_snn_statistics st = NCE_SNN_STATISTICS_INIT;
    OK(nce_snn_statistics_read(snn, &st));
    cr_assert_eq(st.events_late, 1);
    cr_assert_eq(st.events_applied, 3);
    nce_snn_destroy(snn);
}

Test(snn_control, full_queue)
{
    uint32_t source, lif;
    nce_snn *snn = small(ctx, 1, 64, &source, &lif);
    for (int i = 0; i < 64; i++)
        OK(nce_snn_submit(snn, source, 0, 1000000, 1));
    cr_assert_eq(nce_snn_submit(snn, source, 0, 0, 1), NCE_ERR_BUSY);
    OK(nce_snn_run(snn, 10, NULL, NULL)); /* they wait in the calendar: still pending */
    cr_assert_eq(nce_snn_submit(snn, source, 0, 0, 1), NCE_ERR_BUSY);
    OK(nce_snn_run(snn, 10000, NULL, NULL));
    OK(nce_snn_submit(snn, source, 0, 0, 1));
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    OK(nce_snn_statistics_read(snn, &s));
    cr_assert_eq(s.events_dropped, 2);
    cr_assert_eq(s.events_applied, 64);
    nce_snn_destroy(snn);
}

static size_t encoded_spikes(nce_snn_encoding encoding, const float *amplitude, size_t n, double *time)
{
    uint32_t source;
    size_t count;
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F32, 1);
    nce_snn_population_options s = NCE_SNN_SOURCE_INIT;
    nce_snn_control_options o = NCE_SNN_CONTROL_OPTIONS_INIT;
    s.flags = NCE_SNN_RECORD;
    OK(nce_snn_population_add(snn, &s, &source));
    OK(nce_snn_build(snn, NULL, NULL));
    o.encoding = encoding;
    o.interval_us = 10000;
    o.scale_mv = 10;
    OK(nce_snn_configure(snn, &o));
    for (size_t i = 0; i < n; i++)
        OK(nce_snn_submit(snn, source, 0, 10000 * i, amplitude[i]));
    OK(nce_snn_run(snn, 100 * n + 100, NULL, NULL));
    OK(nce_snn_spikes_read(snn, source, 0, 1000, NULL, time, &count));
    nce_snn_destroy(snn);
    return count;
}

Test(snn_control, encodings)
{
    double time[1000];
    const float ramp[] = {0, 4, 9, 11, 21, 22, 30, -5}, half[] = {5, 5, 5, 5}, late[] = {10, 5, 0};
    cr_assert_eq(encoded_spikes(NCE_SNN_ENCODE_DIRECT, half, 4, time), 4);
    cr_assert_eq(encoded_spikes(NCE_SNN_ENCODE_DELTA, ramp, 8, time), 3); /* at 11, 21 and -5; 30 is 9 from 21 */
    const size_t n = encoded_spikes(NCE_SNN_ENCODE_RATE, half, 4, time);
    cr_assert(n > 150 && n < 250, "half of 400 steps: %zu", n);
    cr_assert_eq(encoded_spikes(NCE_SNN_ENCODE_TEMPORAL, late, 3, time), 2);
    cr_assert_float_eq(time[0], 0.1, 1e-9);
    cr_assert_float_eq(time[1], 15.1, 1e-9);
}

/* ---- background ---- */

typedef struct {
    nce_snn *snn;
    uint32_t source, lif, accepted;
} submitter;

static void *submit_many(void *user)
{
    submitter *s = user;
    for (uint32_t i = 0; i < 2000; i++) {
        nce_snn_neuron neuron = NCE_SNN_NEURON_INIT;
        nce_snn_statistics st = NCE_SNN_STATISTICS_INIT;
        s->accepted += nce_snn_submit(s->snn, s->source, i % 40, 0, 1) == NCE_OK;
        if (i % 100 == 0 && (nce_snn_neuron_read(s->snn, s->lif, i % 100, &neuron) != NCE_OK ||
                             nce_snn_statistics_read(s->snn, &st) != NCE_OK))
            return NULL;
        if (i % 50 == 0) usleep(100);
    }
    return user;
}

Test(snn_control, background_run)
{
    uint32_t source, lif;
    nce_snn *snn = small(ctx, 2, 0, &source, &lif);
    nce_snn_control_options o = NCE_SNN_CONTROL_OPTIONS_INIT;
    submitter s[3];
    pthread_t thread[3];
    uint64_t accepted = 0;
    o.flags = NCE_SNN_FREE_RUN;
    o.interval_us = 500;
    OK(nce_snn_configure(snn, &o));
    cr_assert_eq(nce_snn_stop(snn), NCE_ERR_STATE);
    OK(nce_snn_start(snn));
    cr_assert_eq(nce_snn_start(snn), NCE_ERR_STATE);
    cr_assert_eq(nce_snn_run(snn, 1, NULL, NULL), NCE_ERR_STATE);
    for (int i = 0; i < 3; i++) {
        s[i] = (submitter){snn, source, lif, 0};
        pthread_create(&thread[i], NULL, submit_many, &s[i]);
    }
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(thread[i], &result);
        cr_assert_not_null(result);
        accepted += s[i].accepted;
    }
    OK(nce_snn_stop(snn));
    OK(nce_snn_run(snn, 2, NULL, NULL)); /* takes what is left */
    nce_snn_statistics st = NCE_SNN_STATISTICS_INIT;
    OK(nce_snn_statistics_read(snn, &st));
    cr_assert_gt(accepted, 0);
    cr_assert_eq(st.events_submitted, accepted);
    cr_assert_eq(st.events_applied, accepted);
    cr_assert_eq(st.events_dropped, 6000 - accepted);
    OK(nce_snn_start(snn));
    nce_snn_destroy(snn); /* stops it */
}

/* ---- sparsity ---- */

Test(snn_control, target_sparsity)
{
    const double targets[] = {0.69, 0.9, 0.99};
    for (int k = 0; k < 3; k++) {
        nce_snn *snn = snn_create(ctx, 1, NCE_SNN_F32, 1);
        nce_snn_population_options o = NCE_SNN_LIF_INIT;
        nce_snn_control_options control = NCE_SNN_CONTROL_OPTIONS_INIT;
        nce_snn_statistics a = NCE_SNN_STATISTICS_INIT, b = NCE_SNN_STATISTICS_INIT;
        uint32_t p;
        o.n = 500;
        o.tau_m = 5;
        OK(nce_snn_population_add(snn, &o, &p));
        OK(nce_snn_poisson_add(snn, p, 0, 900, 1.2));
        OK(nce_snn_build(snn, NULL, NULL));
        control.target_sparsity = targets[k];
        OK(nce_snn_configure(snn, &control));
        OK(nce_snn_run(snn, 30000, NULL, NULL));
        OK(nce_snn_statistics_read(snn, &a));
        OK(nce_snn_run(snn, 10000, NULL, NULL));
        OK(nce_snn_statistics_read(snn, &b));
        const double sparsity = 1 - (double)(b.spikes - a.spikes) / (500.0 * 10000);
        cr_assert_float_eq(sparsity, targets[k], 0.01, "target %g, held %g", targets[k], sparsity);
        cr_assert_leq(b.silent_share, b.skippable_share + 1e-12);
        cr_assert_leq(b.skippable_share, b.slot_sparsity);
        nce_snn_destroy(snn);
    }
}

Test(snn_control, statistics_and_energy)
{
    nce_snn *snn = snn_create(ctx, 1, NCE_SNN_F64, 1);
    nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    const uint32_t zero = 0;
    const double at = 10;
    o.n = 32;
    o.drive = NCE_SNN_CLOCK;
    OK(nce_snn_population_add(snn, &source, &c.pre));
    OK(nce_snn_population_add(snn, &o, &c.post));
    c.weight = 2;
    r.p = 1;
    OK(nce_snn_connect_random(snn, &c, &r));
    OK(nce_snn_source_add(snn, c.pre, 1, &zero, &at));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 200, NULL, NULL)); /* every neuron fires once, in the first of two windows */
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    OK(nce_snn_statistics_read(snn, &s));
    cr_assert_eq(s.spikes, 32);
    cr_assert_eq(s.synaptic_events, 32);
    cr_assert_eq(s.neuron_updates, 32 * 200);
    cr_assert_float_eq(s.slot_sparsity, 1 - 1.0 / 200, 1e-12);
    cr_assert_eq(s.silent_share, 0);
    cr_assert_float_eq(s.skippable_share, 0.5, 1e-12);
    cr_assert_float_eq(s.mean_rate_hz, 5, 1e-12);
    nce_snn_energy e = NCE_SNN_ENERGY_INIT;
    e.pj_per_synop = 2;
    e.pj_per_update = 3;
    e.pj_per_mac = 5;
    OK(nce_snn_energy_estimate(snn, &e));
    cr_assert_eq(e.energy_pj, 32 * 2 + 6400 * 3);
    cr_assert_eq(e.dense_energy_pj, 32 * 200 * 5);
    nce_snn_destroy(snn);
}

/* ---- failing allocations ---- */

Test(snn_control, failing_allocations)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        uint32_t source, lif, probe;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) == NCE_OK) {
            nce_snn *snn = small(c, 2, 0, &source, &lif);
            if (snn != NULL) {
                const double at = 1;
                const uint32_t zero = 0;
                nce_status status = nce_snn_probe_add(snn, lif, 3, NCE_SNN_PARAM_V, 1, &probe);
                if (status == NCE_OK) status = nce_snn_source_add(snn, source, 1, &zero, &at);
                if (status == NCE_OK) status = nce_snn_run(snn, 400, NULL, NULL);
                cr_assert(status == NCE_OK || status == NCE_ERR_NOMEM, "%s", nce_status_name(status));
                if (status == NCE_ERR_NOMEM)
                    cr_assert_eq(nce_snn_run(snn, 50, NULL, NULL), NCE_OK, "usable afterwards");
                nce_snn_destroy(snn);
            }
            nce_context_destroy(c);
        }
        cr_assert_eq(f.live, 0, "request %ld leaks", n);
        if (!f.failed) break;
        cr_assert_lt(n, 1000);
    }
}
