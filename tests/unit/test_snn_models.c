/* Izhikevich, AdEx, Loihi and STDP against plain programs written from the papers. */
#include "tests/unit/snn_test.h"

static nce_context *ctx;
static void setup(void)
{
    ctx = snn_context(NCE_ISA_AUTO);
}
static void teardown(void)
{
    nce_context_destroy(ctx);
}
TestSuite(snn_models, .init = setup, .fini = teardown);

static size_t spikes_of(nce_snn *snn, uint32_t p, double *time, size_t capacity)
{
    size_t n;
    OK(nce_snn_spikes_read(snn, p, 0, capacity, NULL, time, &n));
    return n;
}

Test(snn_models, izhikevich_regular_spiking)
{
    nce_snn *snn = snn_create(ctx, 1, NCE_SNN_F64, 1);
    nce_snn_population_options o = NCE_SNN_IZHIKEVICH_INIT;
    uint32_t p;
    double time[200], v = -65, u = 0.2 * -65;
    size_t fired = 0;
    o.i_e = 10;
    o.flags = NCE_SNN_RECORD;
    OK(nce_snn_population_add(snn, &o, &p));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 1000, NULL, NULL));
    const size_t n = spikes_of(snn, p, time, 200);
    for (int t = 0; t < 1000; t++) { /* the published program, spike test after the update */
        v += 0.5 * (0.04 * v * v + 5 * v + 140 - u + 10);
        v += 0.5 * (0.04 * v * v + 5 * v + 140 - u + 10);
        u += 0.02 * (0.2 * v - u);
        if (v >= 30) {
            cr_assert_lt(fired, n);
            cr_assert_float_eq(time[fired], t + 1, 1e-9);
            fired++;
            v = -65;
            u += 8;
        }
    }
    cr_assert_eq(fired, n);
    cr_assert(n > 15 && n < 40, "regular spiking: %zu spikes in a second", n);
    cr_assert_lt(time[1] - time[0], time[n - 1] - time[n - 2], "adapts");
    nce_snn_destroy(snn);
}

/* Against the same equations in steps a hundred times as fine. */
Test(snn_models, adex_converges)
{
    nce_snn *snn = snn_create(ctx, 0.1, NCE_SNN_F64, 1);
    nce_snn_population_options o = NCE_SNN_ADEX_INIT;
    uint32_t p;
    double time[100], v = -70.6, w = 0;
    size_t fired = 0;
    o.i_e = 900;
    o.flags = NCE_SNN_RECORD;
    OK(nce_snn_population_add(snn, &o, &p));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 3000, NULL, NULL));
    const size_t n = spikes_of(snn, p, time, 100);
    for (int k = 0; k < 300000; k++) {
        const double h = 0.001, x = fmin(v, 20);
        const double dv = (-30 * (x + 70.6) + 30 * 2 * exp((x + 50.4) / 2) - w + 900) / 281;
        w += h * (4 * (x + 70.6) - w) / 144;
        v += h * dv;
        if (v > 20) {
            cr_assert_lt(fired, n, "too few spikes: %zu", n);
            cr_assert(fabs(time[fired] - k * h) < 0.3 * (double)(fired + 1), "spike %zu at %g, fine %g", fired,
                      time[fired], k * h);
            fired++;
            v = -70.6;
            w += 80.5;
        }
    }
    cr_assert_eq(fired, n);
    cr_assert_gt(n, 3);
    nce_snn_destroy(snn);
}

Test(snn_models, loihi_integers)
{
    for (int f64 = 0; f64 < 2; f64++) {
        nce_snn *snn = snn_create(ctx, 1, f64 ? NCE_SNN_F64 : NCE_SNN_F32, 1);
        nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LOIHI_INIT;
        nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
        const uint32_t pre[3] = {0, 1, 1}, post[3] = {0, 0, 1};
        const double weight[3] = {37, -11, 90};
        double v[2];
        int64_t u = 0, x = 0;
        int ref = 0, fired = 0;
        source.n = o.n = 2;
        o.flags = NCE_SNN_RECORD;
        o.t_ref = 1;
        OK(nce_snn_population_add(snn, &source, &c.pre));
        OK(nce_snn_population_add(snn, &o, &c.post));
        OK(nce_snn_connect(snn, &c, 3, pre, post, weight, NULL));
        for (uint32_t t = 0; t < 100; t++) {
            const uint32_t zero = 0, one = 1;
            const double at = t;
            OK(nce_snn_source_add(snn, c.pre, 1, &zero, &at));
            if (t % 3 == 0) OK(nce_snn_source_add(snn, c.pre, 1, &one, &at));
        }
        OK(nce_snn_build(snn, NULL, NULL));
        OK(nce_snn_run(snn, 101, NULL, NULL));
        for (int t = 0; t < 101; t++) {
            const int in = t == 0 ? 0 : 37 - ((t - 1) % 3 == 0 ? 11 : 0);
            u = u * (4096 - 1024) / 4096 + 64 * in;
            const int64_t next = x * (4096 - 128) / 4096 + u;
            if (ref > 0)
                ref--;
            else if (next >= 5120)
                x = 0, ref = 1, fired++;
            else
                x = next;
        }
        OK(nce_snn_population_get(snn, c.post, NCE_SNN_PARAM_V, v, 2));
        uint32_t id[1000];
        size_t n, first = 0;
        OK(nce_snn_spikes_read(snn, c.post, 0, 1000, id, NULL, &n));
        for (size_t i = 0; i < n; i++)
            first += id[i] == 0;
        cr_assert_eq(v[0], (double)x);
        cr_assert_eq(first, fired);
        cr_assert_gt(fired, 20);
        nce_snn_destroy(snn);
    }
}

/* Pre and post made to fire at given times; the weight must follow the sum over all pairs. */
static void check_stdp(uint32_t mu, uint32_t threads)
{
    nce_snn *snn = snn_create(ctx, 1, NCE_SNN_F64, threads);
    nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT, force = NCE_SNN_CONNECTION_INIT;
    const int pre_at[] = {5, 12, 30, 31, 60, 80}, post_at[] = {7, 12, 25, 33, 50, 58, 81};
    uint32_t drive, zero = 0;
    double w = 0.5, x_pre = 0, x_post = 0;
    source.n = 40;
    OK(nce_snn_population_add(snn, &source, &c.pre));
    source.n = 1;
    OK(nce_snn_population_add(snn, &source, &drive));
    o.n = 40;
    OK(nce_snn_population_add(snn, &o, &c.post));
    c.weight = w;
    c.stdp = (nce_snn_stdp){15, 30, 0.05, 0.06, 0.1, 0.9, mu, 1};
    const uint32_t from = 39, to = 20;
    OK(nce_snn_connect(snn, &c, 1, &from, &to, NULL, NULL));
    force.pre = drive;
    force.post = c.post;
    force.weight = 10;
    OK(nce_snn_connect(snn, &force, 1, &zero, &to, NULL, NULL));
    for (size_t i = 0; i < sizeof pre_at / sizeof *pre_at; i++) {
        const double at = pre_at[i];
        OK(nce_snn_source_add(snn, c.pre, 1, &from, &at));
    }
    for (size_t i = 0; i < sizeof post_at / sizeof *post_at; i++) {
        const double at = post_at[i] - 1; /* one step of delay */
        OK(nce_snn_source_add(snn, drive, 1, &zero, &at));
    }
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 100, NULL, NULL));
    for (int t = 0; t < 100; t++) {
        bool pre = false, post = false;
        for (size_t i = 0; i < sizeof pre_at / sizeof *pre_at; i++)
            pre |= pre_at[i] == t;
        for (size_t i = 0; i < sizeof post_at / sizeof *post_at; i++)
            post |= post_at[i] == t;
        if (pre) w = fmin(0.9, fmax(0.1, w - 0.06 * 0.9 * (mu ? w / 0.9 : 1) * x_post));
        if (post) w = fmin(0.9, fmax(0.1, w + 0.05 * 0.9 * (mu ? 1 - w / 0.9 : 1) * x_pre));
        x_pre = (x_pre + pre) * exp(-1.0 / 15);
        x_post = (x_post + post) * exp(-1.0 / 30);
    }
    double learned;
    size_t n;
    OK(nce_snn_synapses_read(snn, c.pre, c.post, 1, NULL, NULL, &learned, NULL, &n));
    cr_assert_eq(n, 1);
    cr_assert_neq(learned, 0.5);
    cr_assert_float_eq(learned, w, 1e-12, "weight %.17g, expected %.17g", learned, w);
    nce_snn_destroy(snn);
}
Test(snn_models, stdp_additive)
{
    check_stdp(0, 1);
}
Test(snn_models, stdp_multiplicative)
{
    check_stdp(1, 1);
}
Test(snn_models, stdp_in_parts)
{
    check_stdp(0, 3);
}

Test(snn_models, stdp_bounds)
{
    nce_snn *snn = snn_create(ctx, 1, NCE_SNN_F32, 1);
    nce_snn_population_options source = NCE_SNN_POISSON_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    static double w[5000];
    size_t n;
    source.n = 50;
    source.rate_hz = 100;
    o.n = 100;
    OK(nce_snn_population_add(snn, &source, &c.pre));
    OK(nce_snn_population_add(snn, &o, &c.post));
    c.weight = 0.2;
    c.stdp = (nce_snn_stdp){20, 20, 0.1, 0.105, 0, 0.4, 0, 1};
    r.p = 1;
    OK(nce_snn_connect_random(snn, &c, &r));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 5000, NULL, NULL));
    OK(nce_snn_synapses_read(snn, c.pre, c.post, 5000, NULL, NULL, w, NULL, &n));
    cr_assert_eq(n, 5000);
    int low = 0, high = 0;
    for (int i = 0; i < 5000; i++) {
        cr_assert(w[i] >= 0 && w[i] <= (double)0.4f, "%g", w[i]);
        low += w[i] < 0.1;
        high += w[i] > 0.3;
    }
    cr_assert_gt(low + high, 2500, "additive STDP drives weights to the bounds: %d low, %d high", low, high);
    nce_snn_destroy(snn);
}
