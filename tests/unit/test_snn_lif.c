/* LIF against closed forms: propagators, f-I curve, post-synaptic potentials, Euler and exact steps, refractory time.
 */
#include "nce/nce.h"
#include <criterion/criterion.h>
#include <math.h>

static void near(double value, double expected, double relative, const char *what)
{
    cr_assert(fabs(value - expected) <= relative * fabs(expected), "%s: %.17g, expected %.17g", what, value, expected);
}

static nce_context *ctx;
static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}
static void teardown(void)
{
    nce_context_destroy(ctx);
}
TestSuite(snn_lif, .init = setup, .fini = teardown);

static nce_snn *create(double dt, nce_snn_precision precision)
{
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    nce_snn *snn;
    o.dt = dt;
    o.precision = precision;
    cr_assert_eq(nce_snn_create(ctx, &o, &snn), NCE_OK);
    return snn;
}

static uint32_t add(nce_snn *snn, const nce_snn_population_options *o)
{
    uint32_t id;
    cr_assert_eq(nce_snn_population_add(snn, o, &id), NCE_OK, "%s", nce_context_error(ctx));
    return id;
}

static void ok(nce_status status)
{
    cr_assert_eq(status, NCE_OK, "%s: %s", nce_status_name(status), nce_context_error(ctx));
}

Test(snn_lif, propagators)
{
    double p[4];
    ok(nce_snn_propagators(10, 0.5, 250, 0.1, p)); /* Potjans-Diesmann */
    near(p[0], 0.8187307530779818, 1e-12, "P11");
    near(p[1], 0.9900498337491681, 1e-12, "P22");
    near(p[2], 3.6067174878144463e-4, 1e-12, "P21");
    near(p[3], 3.9800665003327787e-4, 1e-12, "P20");
    ok(nce_snn_propagators(20, 5, 200, 0.1, p)); /* CUBA */
    near(p[0], 0.9801986733067553, 1e-12, "P11");
    near(p[1], 0.9950124791926823, 1e-12, "P22");
    near(p[2], 4.937935295309003e-4, 1e-12, "P21");
    near(p[3], 4.987520807317687e-4, 1e-12, "P20");
    ok(nce_snn_propagators(20, 10, 200, 0.1, p));
    near(p[2], 4.962645443514261e-4, 1e-12, "P21");
    ok(nce_snn_propagators(10, 10, 250, 0.1, p)); /* equal time constants: the limit h/C exp(-h/tau) */
    near(p[2], 0.1 / 250 * exp(-0.01), 1e-12, "P21");
    double close[4];
    ok(nce_snn_propagators(10, 10 * (1 + 1e-9), 250, 0.1, close));
    near(close[2], p[2], 1e-9, "P21 beside the limit");
    cr_assert_eq(nce_snn_propagators(0, 1, 1, 1, p), NCE_ERR_INVALID);
}

Test(snn_lif, rate_closed_form)
{
    near(nce_snn_lif_rate(20, 2, 1.1, 1), 20.01685200516251, 1e-12, "1.1");
    near(nce_snn_lif_rate(20, 2, 1.5, 1), 41.71490687414833, 1e-12, "1.5");
    near(nce_snn_lif_rate(20, 2, 2, 1), 63.04000219064139, 1e-12, "2");
    near(nce_snn_lif_rate(20, 2, 5, 1), 154.72999475512455, 1e-12, "5");
    cr_assert_eq(nce_snn_lif_rate(20, 2, 1, 1), 0);
}

/* Precise spike times off the grid give the closed-form rate whatever the step. */
Test(snn_lif, rate_simulated)
{
    const double drives[] = {1.1, 1.5, 2, 5},
                 rates[] = {20.01685200516251, 41.71490687414833, 63.04000219064139, 154.72999475512455};
    for (int i = 0; i < 4; i++) {
        nce_snn *snn = create(0.1, NCE_SNN_F64);
        nce_snn_population_options o = NCE_SNN_LIF_INIT;
        double times[1000];
        size_t n;
        o.synapse = NCE_SNN_HOLD;
        o.flags = NCE_SNN_RECORD | NCE_SNN_PRECISE;
        o.t_ref = 2;
        o.i_e = drives[i];
        const uint32_t p = add(snn, &o);
        ok(nce_snn_build(snn, NULL, NULL));
        ok(nce_snn_run(snn, 10000, NULL, NULL));
        ok(nce_snn_spikes_read(snn, p, 0, 1000, NULL, times, &n));
        cr_assert_gt(n, 10);
        near((double)(n - 1) * 1000 / (times[n - 1] - times[0]), rates[i], 1e-12, "rate");
        nce_snn_destroy(snn);
    }
}

/* A grid neuron fires at the first step whose end lies beyond the closed-form crossing. */
Test(snn_lif, rate_on_the_grid)
{
    nce_snn *snn = create(0.1, NCE_SNN_F64);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    double times[1000];
    size_t n;
    o.flags = NCE_SNN_RECORD;
    o.t_ref = 2;
    o.i_e = 2;
    const uint32_t p = add(snn, &o);
    ok(nce_snn_build(snn, NULL, NULL));
    ok(nce_snn_run(snn, 1000, NULL, NULL));
    ok(nce_snn_spikes_read(snn, p, 0, 1000, NULL, times, &n));
    cr_assert_eq(n, 6);
    const double first = ceil(20 * log(2.0) / 0.1) * 0.1; /* 13.86 -> 13.9 ms */
    for (size_t i = 0; i < n; i++)
        near(times[i], first + (double)i * (first + 2), 1e-12, "spike time");
    nce_snn_destroy(snn);
}

/* One spike through an exponential synapse: V follows the difference of two exponentials exactly. */
static void check_psp(nce_snn_drive drive, nce_snn_precision precision, double tolerance)
{
    nce_snn *snn = create(0.1, precision);
    nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    const uint32_t zero = 0;
    const double at = 0, ts = 0.5, tm = 10, cm = 250, w = 87.80849352920845;
    double values[400], peak = 0;
    uint32_t probe;
    size_t n;
    o.synapse = NCE_SNN_CURRENT;
    o.drive = drive;
    o.tau_m = tm;
    o.r_m = tm / cm;
    o.v_th = 15;
    o.tau_syn[0] = ts;
    c.pre = add(snn, &source);
    c.post = add(snn, &o);
    c.weight = w;
    c.delay = 1.5;
    ok(nce_snn_connect(snn, &c, 1, &zero, &zero, NULL, NULL));
    ok(nce_snn_source_add(snn, c.pre, 1, &zero, &at));
    ok(nce_snn_probe_add(snn, c.post, 0, NCE_SNN_PARAM_V, 1, &probe));
    ok(nce_snn_build(snn, NULL, NULL));
    ok(nce_snn_run(snn, 400, NULL, NULL));
    ok(nce_snn_probe_read(snn, probe, 0, 400, values, &n));
    cr_assert_eq(n, 400);
    for (int k = 0; k < 400; k++) {
        const double t = (k - 15) * 0.1; /* the spike of step 0 enters the current at the end of step 15 */
        const double v = t <= 0 ? 0 : w / cm * ts * tm / (tm - ts) * (exp(-t / tm) - exp(-t / ts));
        cr_assert(fabs(values[k] - v) <= tolerance, "step %d: %.17g, expected %.17g", k, values[k], v);
        peak = fmax(peak, values[k]);
    }
    cr_assert(fabs(peak - 0.15) < 1e-4, "peak %g mV", peak);
    nce_snn_destroy(snn);
}
Test(snn_lif, psp_clock)
{
    check_psp(NCE_SNN_CLOCK, NCE_SNN_F64, 1e-14);
}
Test(snn_lif, psp_event)
{
    check_psp(NCE_SNN_EVENT, NCE_SNN_F64, 1e-14);
}
Test(snn_lif, psp_f32)
{
    check_psp(NCE_SNN_CLOCK, NCE_SNN_F32, 2e-7);
}

/* The paper's discrete CuBa-LIF of NIR as a plain program, against EULER with reset by subtraction. */
static void check_euler(bool current_first)
{
    nce_snn *snn = create(1, NCE_SNN_F64);
    nce_snn_population_options source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    const uint32_t zero = 0;
    double at[50], values[100], times[100];
    uint32_t probe;
    size_t n;
    o.synapse = NCE_SNN_CURRENT;
    o.method = NCE_SNN_EULER;
    o.reset = NCE_SNN_RESET_SUBTRACT;
    o.flags = NCE_SNN_RECORD | (current_first ? NCE_SNN_CURRENT_FIRST : 0);
    o.tau_m = 8;
    o.tau_syn[0] = 4;
    o.v_th = 0.7;
    o.onset = 1;
    c.pre = add(snn, &source);
    c.post = add(snn, &o);
    c.weight = 0.9;
    ok(nce_snn_connect(snn, &c, 1, &zero, &zero, NULL, NULL));
    for (int k = 0; k < 50; k++)
        at[k] = 2 * k;
    uint32_t zeros[50] = {0};
    ok(nce_snn_source_add(snn, c.pre, 50, zeros, at));
    ok(nce_snn_probe_add(snn, c.post, 0, NCE_SNN_PARAM_V, 1, &probe));
    ok(nce_snn_build(snn, NULL, NULL));
    ok(nce_snn_run(snn, 101, NULL, NULL));
    ok(nce_snn_probe_read(snn, probe, 1, 100, values, &n));
    size_t fired = 0, recorded;
    double current = 0, v = 0;
    ok(nce_snn_spikes_read(snn, c.post, 0, 100, NULL, times, &recorded));
    for (int k = 0; k < 100; k++) {
        const double old = current;
        current = old + 0.25 * -old + (k % 2 == 0 ? 0.9 : 0);
        v = v + 0.125 * (-v + (current_first ? current : old));
        if (v > 0.7) {
            v -= 0.7;
            cr_assert_lt(fired, recorded);
            near(times[fired++], k + 1, 1e-12, "spike");
        }
        cr_assert(fabs(values[k] - v) < 1e-12, "step %d: %.17g, expected %.17g", k, values[k], v);
    }
    cr_assert_gt(fired, 5);
    cr_assert_eq(fired, recorded);
    nce_snn_destroy(snn);
}
Test(snn_lif, euler_old_current)
{
    check_euler(false);
}
Test(snn_lif, euler_new_current)
{
    check_euler(true);
}

/* Conductances: one step is exact for a constant conductance. */
Test(snn_lif, conductance_step)
{
    nce_snn *snn = create(0.1, NCE_SNN_F64);
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    const double ge = 6, gi = 20, v0 = -60, gl = 10, cm = 200;
    double v;
    o.synapse = NCE_SNN_CONDUCTANCE;
    o.tau_m = cm / gl;
    o.r_m = 1 / gl;
    o.e_l = o.v_reset = -60;
    o.v_th = -50;
    o.e_rev[0] = 0;
    o.e_rev[1] = -80;
    o.v_init = v0;
    const uint32_t p = add(snn, &o);
    ok(nce_snn_population_set(snn, p, NCE_SNN_PARAM_U, &ge, 1));
    ok(nce_snn_population_set(snn, p, NCE_SNN_PARAM_S1, &gi, 1));
    ok(nce_snn_build(snn, NULL, NULL));
    ok(nce_snn_run(snn, 1, NULL, NULL));
    ok(nce_snn_population_get(snn, p, NCE_SNN_PARAM_V, &v, 1));
    const double g = gl + ge + gi, v_inf = (gl * -60 + gi * -80) / g;
    near(v, v_inf + (v0 - v_inf) * exp(-0.1 * g / cm), 1e-14, "v");
    ok(nce_snn_population_get(snn, p, NCE_SNN_PARAM_U, &v, 1));
    near(v, ge * exp(-0.1 / 5), 1e-14, "g_e");
    nce_snn_destroy(snn);
}

Test(snn_lif, leaky_integrator_and_if)
{
    nce_snn *snn = create(0.5, NCE_SNN_F64);
    nce_snn_population_options li = NCE_SNN_LIF_INIT, integrate = NCE_SNN_LIF_INIT;
    double v;
    size_t n;
    li.model = NCE_SNN_LI;
    li.i_e = 30;
    integrate.model = NCE_SNN_IF;
    integrate.i_e = 0.25;
    integrate.reset = NCE_SNN_RESET_SUBTRACT;
    integrate.flags = NCE_SNN_RECORD;
    const uint32_t a = add(snn, &li), b = add(snn, &integrate);
    ok(nce_snn_build(snn, NULL, NULL));
    ok(nce_snn_run(snn, 80, NULL, NULL));
    ok(nce_snn_population_get(snn, a, NCE_SNN_PARAM_V, &v, 1));
    near(v, 30 * -expm1(-40.0 / 20), 1e-13, "leaky integrator");
    ok(nce_snn_spikes_read(snn, b, 0, 0, NULL, NULL, &n));
    cr_assert_eq(n, 9, "10 mV of drift in all, threshold 1 must be exceeded: %zu", n);
    nce_snn_destroy(snn);
}
