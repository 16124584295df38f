/* The engine as a whole: the same bits for any number of threads, instruction set and split of a run; activity of CUBA and
 * COBA; delays; random connections; sleeping populations. */
#include "tests/unit/snn_test.h"
#include "src/snn/random.h"

static nce_context *ctx;
static void setup(void)
{
    ctx = snn_context(NCE_ISA_AUTO);
}
static void teardown(void)
{
    nce_context_destroy(ctx);
}
TestSuite(snn_engine, .init = setup, .fini = teardown);

/* Vogels and Abbott: 80 % excitatory; delays and weights spread when asked. */
static nce_snn *balanced(nce_context *c, nce_snn_precision precision, uint32_t threads, bool conductance, double delay,
                         double delay_sd)
{
    nce_snn *snn = snn_create(c, 0.1, precision, threads);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    nce_snn_stream stream = {42, 0};
    uint32_t p[2];
    o.synapse = conductance ? NCE_SNN_CONDUCTANCE : NCE_SNN_CURRENT;
    o.flags = NCE_SNN_RECORD;
    o.e_l = conductance ? -60 : -49;
    o.v_th = -50;
    o.v_reset = -60;
    o.t_ref = 5;
    o.r_m = conductance ? 0.1 : 1;
    for (int k = 0; k < 2; k++) {
        o.n = k == 0 ? 3200 : 800;
        cr_assert_eq(nce_snn_population_add(snn, &o, &p[k]), NCE_OK);
        double v[3200], g[3200], h[3200];
        for (uint32_t i = 0; i < o.n; i++) {
            double z[2];
            nce_snn_normal2(&stream, z);
            v[i] = -60 + 10 * nce_snn_uniform(nce_snn_next(&stream));
            g[i] = fmax(0, 40 + 15 * z[0]);
            h[i] = fmax(0, 200 + 120 * z[1]);
        }
        cr_assert_eq(nce_snn_population_set(snn, p[k], NCE_SNN_PARAM_V, v, o.n), NCE_OK);
        if (!conductance) continue;
        cr_assert_eq(nce_snn_population_set(snn, p[k], NCE_SNN_PARAM_U, g, o.n), NCE_OK);
        cr_assert_eq(nce_snn_population_set(snn, p[k], NCE_SNN_PARAM_S1, h, o.n), NCE_OK);
    }
    for (int k = 0; k < 4; k++) {
        nce_snn_connection conn = NCE_SNN_CONNECTION_INIT;
        nce_snn_random r = NCE_SNN_RANDOM_INIT;
        conn.pre = p[k / 2];
        conn.post = p[k % 2];
        conn.receptor = (uint32_t)k / 2;
        conn.weight = k < 2 ? (conductance ? 6 : 1.62) : (conductance ? 67 : -9);
        conn.delay = delay;
        r.p = 0.02;
        r.delay_sd = delay_sd;
        r.weight_sd = delay_sd > 0 ? fabs(conn.weight) / 10 : 0;
        cr_assert_eq(nce_snn_connect_random(snn, &conn, &r), NCE_OK);
    }
    cr_assert_eq(nce_snn_build(snn, NULL, NULL), NCE_OK, "%s", nce_context_error(c));
    return snn;
}

static double rate_of(nce_snn *snn)
{
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    OK(nce_snn_statistics_read(snn, &s));
    return s.mean_rate_hz;
}

Test(snn_engine, cuba_rate)
{
    nce_snn *snn = balanced(ctx, NCE_SNN_F32, 1, false, 0, 0);
    OK(nce_snn_run(snn, 20000, NULL, NULL));
    cr_assert(rate_of(snn) >= 4.5 && rate_of(snn) <= 7, "%g Hz", rate_of(snn));
    nce_snn_destroy(snn);
}

Test(snn_engine, coba_rate)
{
    nce_snn *snn = balanced(ctx, NCE_SNN_F64, 1, true, 0, 0);
    OK(nce_snn_run(snn, 10000, NULL, NULL));
    cr_assert(rate_of(snn) >= 15 && rate_of(snn) <= 22, "%g Hz", rate_of(snn));
    nce_snn_destroy(snn);
}

static uint64_t run_hash(nce_context *c, nce_snn_precision precision, uint32_t threads, bool conductance, double delay,
                         double sd, uint32_t piece)
{
    nce_snn *snn = balanced(c, precision, threads, conductance, delay, sd);
    for (uint32_t done = 0; done < 1000; done += piece)
        cr_assert_eq(nce_snn_run(snn, piece, NULL, NULL), NCE_OK);
    const uint64_t h = snn_hash(c, snn);
    nce_snn_destroy(snn);
    return h;
}

Test(snn_engine, same_bits_for_any_threads)
{
    for (int k = 0; k < 4; k++) {
        const nce_snn_precision precision = k & 1 ? NCE_SNN_F64 : NCE_SNN_F32;
        const double delay = k & 2 ? 1.5 : 0, sd = k & 2 ? 0.3 : 0;
        const uint64_t one = run_hash(ctx, precision, 1, false, delay, sd, 1000);
        cr_assert_eq(run_hash(ctx, precision, 2, false, delay, sd, 1000), one, "2 threads, case %d", k);
        cr_assert_eq(run_hash(ctx, precision, 5, false, delay, sd, 1000), one, "5 threads, case %d", k);
        cr_assert_eq(run_hash(ctx, precision, 3, false, delay, sd, 8), one, "3 threads in pieces, case %d", k);
    }
    /* equal delays of 8 steps: intervals of 8 steps, cut by the pieces */
    const uint64_t one = run_hash(ctx, NCE_SNN_F32, 1, false, 0.8, 0, 1000);
    cr_assert_eq(run_hash(ctx, NCE_SNN_F32, 3, false, 0.8, 0, 1000), one);
    cr_assert_eq(run_hash(ctx, NCE_SNN_F32, 2, false, 0.8, 0, 5), one);
}

Test(snn_engine, same_bits_for_any_isa)
{
    const nce_isa isas[] = {NCE_ISA_AVX2, NCE_ISA_AVX512};
    nce_context *scalar = snn_context(NCE_ISA_SCALAR);
    int tried = 0;
    for (int k = 0; k < 2; k++) {
        nce_context *other = snn_context(isas[k]);
        if (other == NULL) continue;
        for (int m = 0; m < 4; m++) {
            const nce_snn_precision precision = m & 1 ? NCE_SNN_F64 : NCE_SNN_F32;
            cr_assert_eq(run_hash(other, precision, 1, m & 2, 0, 0, 1000),
                         run_hash(scalar, precision, 1, m & 2, 0, 0, 1000), "%s, case %d", nce_isa_name(isas[k]), m);
        }
        tried++;
        nce_context_destroy(other);
    }
    nce_context_destroy(scalar);
    if (tried == 0) cr_skip_test("neither AVX2 nor AVX-512 here");
}

/* Delays: one spike to many targets, each at its own time, through 8 and 16-bit delays. */
static void check_delays(double longest)
{
    enum { N = 50 };
    nce_snn *snn = snn_create(ctx, 1, NCE_SNN_F64, 1);
    nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    uint32_t pre[N] = {0}, post[N], id[N];
    double delay[N], time[N];
    const double at = 3;
    size_t n;
    o.n = N;
    o.flags = NCE_SNN_RECORD;
    OK(nce_snn_population_add(snn, &source, &c.pre));
    OK(nce_snn_population_add(snn, &o, &c.post));
    for (uint32_t i = 0; i < N; i++) {
        post[i] = i;
        delay[i] = floor(1 + (longest - 1) * i / (N - 1));
    }
    c.weight = 2;
    OK(nce_snn_connect(snn, &c, N, pre, post, NULL, delay));
    OK(nce_snn_source_add(snn, c.pre, 1, pre, &at));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, (uint64_t)longest + 10, NULL, NULL));
    OK(nce_snn_spikes_read(snn, c.post, 0, N, id, time, &n));
    cr_assert_eq(n, N);
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_eq(id[i], i);
        cr_assert_float_eq(time[i], 3 + delay[i] + 1, 1e-9);
    }
    nce_snn_destroy(snn);
}
Test(snn_engine, delays_8_bit)
{
    check_delays(255);
}
Test(snn_engine, delays_16_bit)
{
    check_delays(3000);
}

Test(snn_engine, random_connections)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F64, 2);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    uint32_t p[3];
    o.n = 300;
    for (int k = 0; k < 3; k++)
        OK(nce_snn_population_add(snn, &o, &p[k]));
    c.weight = -2;
    c.delay = 1.5;
    r.rule = NCE_SNN_FIXED_TOTAL;
    r.n = 40000;
    r.weight_sd = 1;
    r.delay_sd = 0.75;
    c.pre = p[0];
    c.post = p[1];
    OK(nce_snn_connect_random(snn, &c, &r));
    r.rule = NCE_SNN_FIXED_INDEGREE;
    r.n = 30;
    r.no_autapses = 1;
    c.pre = c.post = p[2];
    OK(nce_snn_connect_random(snn, &c, &r));
    OK(nce_snn_build(snn, NULL, NULL));
    cr_assert_eq(nce_snn_n_synapses(snn), 40000 + 9000);
    uint32_t *pre = malloc(40000 * 4), *post = malloc(40000 * 4), in[300] = {0};
    double *w = malloc(40000 * 8), *d = malloc(40000 * 8), mean = 0, square = 0, delays = 0;
    size_t n;
    OK(nce_snn_synapses_read(snn, p[2], p[2], 40000, pre, post, w, d, &n));
    cr_assert_eq(n, 9000);
    for (size_t i = 0; i < n; i++) {
        cr_assert_neq(pre[i], post[i]);
        in[post[i]]++;
    }
    for (int i = 0; i < 300; i++)
        cr_assert_eq(in[i], 30);
    OK(nce_snn_synapses_read(snn, p[0], p[1], 40000, pre, post, w, d, &n));
    cr_assert_eq(n, 40000);
    for (size_t i = 0; i < n; i++) {
        cr_assert(w[i] < 0 && d[i] >= 0.1 - 1e-12 && d[i] <= 6 + 1e-9, "%g %g", w[i], d[i]);
        mean += w[i] / (double)n;
        square += w[i] * w[i] / (double)n;
        delays += d[i] / (double)n;
    }
    /* normal with mean -2, deviation 1, cut at 0: mean -2.0553, variance 0.8864 - see the truncated normal */
    cr_assert_float_eq(mean, -2.0552, 0.02);
    cr_assert_float_eq(square - mean * mean, 0.886, 0.03);
    cr_assert_float_eq(delays, 1.51, 0.03);
    free(pre), free(post), free(w), free(d);
    nce_snn_destroy(snn);
}

/* Sleepers and the clock agree on the spikes; the potentials differ by rounding only. */
static void run_drive(nce_snn_drive drive, nce_snn_synapse synapse, nce_snn_method method, double *v, size_t *n,
                      uint32_t *ids, nce_snn_statistics *s)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F64, 2);
    nce_snn_population_options source = NCE_SNN_POISSON_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    source.n = 50;
    source.rate_hz = 20;
    o.n = 2000;
    o.synapse = synapse;
    o.method = method;
    o.drive = drive;
    o.t_ref = 3;
    o.flags = NCE_SNN_RECORD;
    OK(nce_snn_population_add(snn, &source, &c.pre));
    OK(nce_snn_population_add(snn, &o, &c.post));
    c.weight = synapse == NCE_SNN_CURRENT ? 3.1 : synapse == NCE_SNN_HOLD ? 90 : 0.45;
    r.p = 0.02;
    OK(nce_snn_connect_random(snn, &c, &r));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 20000, NULL, NULL));
    OK(nce_snn_population_get(snn, c.post, NCE_SNN_PARAM_V, v, 2000));
    OK(nce_snn_spikes_read(snn, c.post, 0, 20000, ids, NULL, n));
    OK(nce_snn_statistics_read(snn, s));
    nce_snn_destroy(snn);
}

Test(snn_engine, sleepers_equal_the_clock)
{
    static uint32_t ids[2][20000];
    static double v[2][2000];
    for (int k = 0; k < 4; k++) {
        const nce_snn_synapse synapse = (nce_snn_synapse)(k % 3);
        const nce_snn_method method = k == 3 ? NCE_SNN_EULER : NCE_SNN_EXACT;
        nce_snn_statistics s[2] = {NCE_SNN_STATISTICS_INIT, NCE_SNN_STATISTICS_INIT};
        size_t n[2];
        run_drive(NCE_SNN_CLOCK, synapse, method, v[0], &n[0], ids[0], &s[0]);
        run_drive(NCE_SNN_EVENT, synapse, method, v[1], &n[1], ids[1], &s[1]);
        cr_assert(n[0] > 100 && n[0] < 20000, "case %d: %zu spikes", k, n[0]);
        cr_assert_eq(n[0], n[1], "case %d: %zu and %zu spikes", k, n[0], n[1]);
        cr_assert_eq(memcmp(ids[0], ids[1], n[0] * sizeof ids[0][0]), 0);
        for (int i = 0; i < 2000; i++)
            cr_assert(fabs(v[0][i] - v[1][i]) < 1e-10, "case %d neuron %d: %.17g %.17g", k, i, v[0][i], v[1][i]);
        cr_assert_eq(s[0].updates_skipped, 0);
        cr_assert_gt(s[1].updates_skipped, 0);
        cr_assert_eq(s[1].updates_skipped + s[1].neuron_updates, UINT64_C(2000) * 20000);
    }
}

/* AUTO leaves event mode under dense input and goes back to it when the input ends. */
/* Beside a population with two receptors: the lines of the receptor it lacks must not keep a block awake. */
Test(snn_engine, sleepers_without_a_second_receptor)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F32, 1);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    o.n = 160;
    o.drive = NCE_SNN_EVENT;
    OK(nce_snn_population_add(snn, &o, &c.pre));
    o.drive = NCE_SNN_CLOCK;
    o.synapse = NCE_SNN_CURRENT;
    OK(nce_snn_population_add(snn, &o, &c.post));
    c.receptor = 1;
    r.p = 0.1;
    OK(nce_snn_connect_random(snn, &c, &r));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 1000, NULL, NULL));
    OK(nce_snn_statistics_read(snn, &s));
    cr_assert_gt(s.updates_skipped, 150000);
    nce_snn_destroy(snn);
}

Test(snn_engine, automatic_drive)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F32, 1);
    nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    o.n = 1600;
    o.v_th = 1e6;
    OK(nce_snn_population_add(snn, &source, &c.pre));
    OK(nce_snn_population_add(snn, &o, &c.post));
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    r.p = 1;
    OK(nce_snn_connect_random(snn, &c, &r));
    const uint32_t zero = 0;
    for (int k = 0; k < 2000; k++) {
        const double at = 0.1 * k;
        OK(nce_snn_source_add(snn, c.pre, 1, &zero, &at));
    }
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 2000, NULL, NULL)); /* every neuron gets input every step */
    OK(nce_snn_statistics_read(snn, &s));
    cr_assert_lt(s.updates_skipped, UINT64_C(1600) * 110, "only before the first window ends: %llu",
                 (unsigned long long)s.updates_skipped);
    const uint64_t skipped = s.updates_skipped;
    OK(nce_snn_run(snn, 18000, NULL, NULL));
    OK(nce_snn_statistics_read(snn, &s));
    cr_assert_gt(s.updates_skipped - skipped, UINT64_C(1600) * 15000, "silence is skipped");
    nce_snn_destroy(snn);
}

/* A network that has been silent for long holds zeros, not denormal numbers, which would slow it down. */
Test(snn_engine, silence_becomes_zero)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F32, 1);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    double v[20], u[20];
    uint32_t p;
    o.n = 20;
    o.synapse = NCE_SNN_CURRENT;
    o.drive = NCE_SNN_CLOCK;
    OK(nce_snn_population_add(snn, &o, &p));
    OK(nce_snn_build(snn, NULL, NULL));
    for (int i = 0; i < 20; i++)
        v[i] = u[i] = 1e-6;
    OK(nce_snn_population_set(snn, p, NCE_SNN_PARAM_V, v, 20));
    OK(nce_snn_population_set(snn, p, NCE_SNN_PARAM_U, u, 20));
    OK(nce_snn_run(snn, 5000, NULL, NULL));
    OK(nce_snn_population_get(snn, p, NCE_SNN_PARAM_V, v, 20));
    OK(nce_snn_population_get(snn, p, NCE_SNN_PARAM_U, u, 20));
    cr_assert(v[0] > 1e-20 && v[0] < 1e-6, "25 time constants: %g", v[0]);
    cr_assert_eq(u[0], 0, "100 time constants: %g", u[0]);
    OK(nce_snn_run(snn, 20000, NULL, NULL));
    OK(nce_snn_population_get(snn, p, NCE_SNN_PARAM_V, v, 20));
    cr_assert_eq(v[19], 0);
    nce_snn_destroy(snn);
}

Test(snn_engine, poisson_input)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F64, 1);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    uint32_t p;
    double v[1000], mean = 0, square = 0;
    o.model = NCE_SNN_IF;
    o.n = 1000;
    o.v_th = 1e9;
    OK(nce_snn_population_add(snn, &o, &p));
    OK(nce_snn_poisson_add(snn, p, 0, 16000, 1)); /* 1.6 arrivals a step */
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 1000, NULL, NULL));
    OK(nce_snn_population_get(snn, p, NCE_SNN_PARAM_V, v, 1000));
    for (int i = 0; i < 1000; i++) {
        mean += v[i] / 1000;
        square += v[i] * v[i] / 1000;
    }
    cr_assert_float_eq(mean, 1600, 4 * 40 / sqrt(1000), "mean %g", mean);
    cr_assert_float_eq(square - mean * mean, 1600, 0.15 * 1600, "variance %g", square - mean * mean);
    nce_snn_destroy(snn);
}

Test(snn_engine, reset_repeats)
{
    nce_snn *snn = balanced(ctx, NCE_SNN_F32, 2, false, 1.5, 0.3);
    OK(nce_snn_run(snn, 700, NULL, NULL));
    const uint64_t h = snn_hash(ctx, snn);
    OK(nce_snn_reset_state(snn));
    cr_assert_eq(nce_snn_step(snn), 0);
    OK(nce_snn_run(snn, 700, NULL, NULL));
    cr_assert_eq(snn_hash(ctx, snn), h);
    nce_snn_destroy(snn);
}

static bool stop_soon(void *user, uint64_t done, uint64_t total)
{
    (void)total;
    *(uint64_t *)user = done;
    return false;
}

Test(snn_engine, cancel_and_continue)
{
    nce_snn *snn = balanced(ctx, NCE_SNN_F32, 2, false, 0, 0);
    uint64_t done = 0;
    cr_assert_eq(nce_snn_run(snn, 100000000, stop_soon, &done), NCE_ERR_CANCELLED);
    const uint64_t at = nce_snn_step(snn);
    cr_assert_geq(at, done);
    OK(nce_snn_run(snn, 100, NULL, NULL));
    cr_assert_eq(nce_snn_step(snn), at + 100);
    nce_snn_destroy(snn);
}

Test(snn_engine, refuses)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F32, 1);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    uint32_t p, one = 1;
    o.tau_m = 0;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p), NCE_ERR_INVALID);
    cr_assert_not_null(strstr(nce_context_error(ctx), "tau_m"));
    o.tau_m = NAN;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p), NCE_ERR_INVALID);
    o.tau_m = 20;
    o.flags = NCE_SNN_PRECISE;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p), NCE_ERR_UNSUPPORTED);
    o.flags = 0;
    cr_assert_eq(nce_snn_run(snn, 1, NULL, NULL), NCE_ERR_STATE);
    cr_assert_eq(nce_snn_connect(snn, &c, 0, NULL, NULL, NULL, NULL), NCE_ERR_INVALID, "no population yet");
    OK(nce_snn_population_add(snn, &o, &p));
    cr_assert_eq(nce_snn_connect(snn, &c, 1, &one, &one, NULL, NULL), NCE_ERR_INVALID);
    c.receptor = 1;
    cr_assert_eq(nce_snn_connect(snn, &c, 0, NULL, NULL, NULL, NULL), NCE_ERR_INVALID);
    c.receptor = 0;
    c.delay = -1;
    cr_assert_eq(nce_snn_connect(snn, &c, 0, NULL, NULL, NULL, NULL), NCE_ERR_INVALID);
    OK(nce_snn_build(snn, NULL, NULL));
    cr_assert_eq(nce_snn_population_add(snn, &o, &p), NCE_ERR_STATE);
    nce_snn_destroy(snn);
    nce_snn_destroy(NULL);
}
