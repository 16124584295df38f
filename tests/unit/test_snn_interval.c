/* Intervals that leave the arrivals of their last step to the next one: the same bits as step by step, whatever happens in
 * between. */
#include "tests/unit/snn_test.h"
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

TestSuite(snn_interval, .init = setup, .fini = teardown);

enum { STEPS = 437, N = 300 };

typedef struct {
    nce_snn_precision precision;
    uint32_t threads, piece;
    nce_snn_synapse synapse;
    double delay; /* ms */
    bool events, probe, through_file;
} how;

/* Two populations that excite and inhibit, Poisson arrivals, a source. */
static nce_snn *network(const how *h)
{
    nce_snn *snn = snn_create(ctx, 0.1, h->precision, h->threads);
    nce_snn_population_options o = NCE_SNN_LIF_INIT, source = NCE_SNN_SOURCE_INIT;
    uint32_t p[3], ids[50];
    double times[50];
    const bool cond = h->synapse == NCE_SNN_CONDUCTANCE;
    o.n = N;
    o.synapse = h->synapse;
    o.flags = NCE_SNN_RECORD;
    o.e_l = cond ? -60 : -49.5;
    o.v_th = -50;
    o.v_reset = o.v_init = -60;
    o.t_ref = 2;
    if (cond) o.r_m = 0.1;
    source.n = 50;
    OK(nce_snn_population_add(snn, &o, &p[0]));
    OK(nce_snn_population_add(snn, &source, &p[1]));
    OK(nce_snn_population_add(snn, &o, &p[2]));
    for (uint32_t k = 0; k < 6; k++) {
        nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
        nce_snn_random r = NCE_SNN_RANDOM_INIT;
        c.pre = p[k / 2];
        c.post = p[k % 2 * 2];
        c.receptor = h->synapse >= NCE_SNN_CURRENT && k >= 4;
        c.weight = cond ? 8 : k < 4 ? 2.1 : -3;
        c.delay = h->delay;
        r.p = 0.1;
        r.delay_sd = k == 3 ? 0.2 : 0;
        r.weight_sd = 0.1;
        OK(nce_snn_connect_random(snn, &c, &r));
    }
    OK(nce_snn_poisson_add(snn, p[0], 0, 400, cond ? 8 : 1.5));
    for (uint32_t i = 0; i < 50; i++) {
        ids[i] = i;
        times[i] = 0.7 * i;
    }
    OK(nce_snn_source_add(snn, p[1], 50, ids, times));
    OK(nce_snn_build(snn, NULL, NULL));
    return snn;
}

static uint64_t state_hash(nce_snn *snn)
{
    uint64_t h = snn_hash(ctx, snn);
    for (uint32_t p = 0; p < 3; p += 2)
        for (int what = NCE_SNN_PARAM_V; what <= NCE_SNN_PARAM_S1; what++) {
            double x[N];
            OK(nce_snn_population_get(snn, p, (nce_snn_param)what, x, N));
            for (uint32_t i = 0; i < N; i++) {
                uint64_t bits;
                memcpy(&bits, &x[i], sizeof bits);
                h = (h ^ bits) * 1099511628211u;
            }
        }
    return h;
}

/* A loaded network has no recording: what is compared afterwards is its state. */
static nce_snn *reload(nce_snn *snn, const how *h)
{
    char path[] = "/tmp/nce-snn-interval-XXXXXX";
    const int fd = mkstemp(path);
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    nce_snn *loaded;
    cr_assert_geq(fd, 0);
    close(fd);
    o.n_threads = h->threads;
    OK(nce_snn_save(snn, path));
    OK(nce_snn_load(ctx, path, &o, &loaded));
    unlink(path);
    nce_snn_destroy(snn);
    return loaded;
}

static uint64_t result(const how *h)
{
    nce_snn *snn = network(h);
    uint32_t probe;
    if (h->probe) OK(nce_snn_probe_add(snn, 0, 3, NCE_SNN_PARAM_U, 1, &probe));
    for (uint32_t i = 0; h->events && i < 40; i++)
        OK(nce_snn_submit(snn, i % 2 * 2, i * 7, 300 * (uint64_t)i, 2.0f - (float)(i % 5)));
    for (uint32_t done = 0; done < STEPS;) {
        const uint32_t piece = h->piece < STEPS - done ? h->piece : STEPS - done;
        OK(nce_snn_run(snn, piece, NULL, NULL));
        done += piece;
    }
    OK(nce_snn_spikes_clear(snn));
    if (h->through_file) snn = reload(snn, h);
    OK(nce_snn_run(snn, 20, NULL, NULL));
    OK(nce_snn_spikes_clear(snn));
    const uint64_t hash = state_hash(snn);
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    OK(nce_snn_statistics_read(snn, &s));
    cr_assert_gt(s.spikes, 100, "the network is silent: %g Hz", s.mean_rate_hz);
    cr_assert_eq(s.neuron_updates + s.updates_skipped, (uint64_t)(STEPS + 20) * 2 * (N + 4));
    nce_snn_destroy(snn);
    return hash ^ s.spikes ^ s.synaptic_events << 24;
}

static void compare(how h)
{
    const uint32_t pieces[] = {STEPS, 2, 3, 60}, threads[] = {1, 2, 3};
    h.piece = h.threads = 1;
    const uint64_t wanted = result(&h);
    for (int k = 0; k < 4; k++)
        for (int t = 0; t < 3; t++) {
            h.piece = pieces[k];
            h.threads = threads[t];
            cr_assert_eq(result(&h), wanted, "pieces of %u steps, %u threads, delay %g ms", h.piece, h.threads,
                         h.delay);
        }
    h.threads = 1;
    h.piece = STEPS;
    h.probe = true;
    cr_assert_eq(result(&h), wanted, "with a probe, delay %g ms", h.delay);
    h.probe = false;
    h.through_file = true;
    cr_assert_eq(result(&h), wanted, "saved and loaded, delay %g ms", h.delay);
}

Test(snn_interval, currents)
{
    for (int k = 1; k <= 5; k++)
        compare((how){.precision = k % 2 ? NCE_SNN_F32 : NCE_SNN_F64, .synapse = NCE_SNN_CURRENT, .delay = 0.1 * k});
}

Test(snn_interval, conductances)
{
    compare((how){.precision = NCE_SNN_F32, .synapse = NCE_SNN_CONDUCTANCE, .delay = 0.1});
}

Test(snn_interval, inputs_held_for_a_step)
{
    compare((how){.precision = NCE_SNN_F32, .synapse = NCE_SNN_DELTA, .delay = 0.3});
}

Test(snn_interval, events_between)
{
    compare((how){.precision = NCE_SNN_F32, .synapse = NCE_SNN_CURRENT, .delay = 0.1, .events = true});
    compare((how){.precision = NCE_SNN_F64, .synapse = NCE_SNN_DELTA, .delay = 0.2, .events = true});
}

static bool stop_at_once(void *user, uint64_t done, uint64_t total)
{
    (void)user, (void)done, (void)total;
    return false;
}

Test(snn_interval, cancelled_between)
{
    const how h = {.precision = NCE_SNN_F32, .threads = 2, .synapse = NCE_SNN_CURRENT, .delay = 0.1};
    nce_snn *snn = network(&h), *again = network(&h);
    cr_assert_eq(nce_snn_run(snn, 100000000, stop_at_once, NULL), NCE_ERR_CANCELLED);
    OK(nce_snn_run(again, nce_snn_step(snn), NULL, NULL));
    cr_assert_eq(state_hash(snn), state_hash(again));
    nce_snn_destroy(snn);
    nce_snn_destroy(again);
}
