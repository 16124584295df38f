/* From parameters to the coefficients of one step: exact propagators of the linear equations, or forward Euler.
 *
 * Everything is computed in double once; the loops never call exp for a propagator. */
#include "src/snn/network.h"
#include <math.h>
#include <string.h>

/* From an exponential current to v over h.  With q = 1/tau_syn - 1/tau_m:  r/tau_m * exp(-h/tau_syn) * (exp(h q) - 1) /
 * q. expm1 keeps the digits when the time constants are close, and the limit q = 0 is h. */
static double propagate_current(double tau_m, double tau_syn, double r_over_tau, double h)
{
    const double q = (tau_m - tau_syn) / (tau_syn * tau_m);
    return r_over_tau * exp(-h / tau_syn) * (q == 0 ? h : expm1(h * q) / q);
}

nce_status nce_snn_propagators(double tau_m, double tau_syn, double c_m, double h, double p[4])
{
    if (p == NULL || !(tau_m > 0) || !(tau_syn > 0) || !(c_m > 0) || !(h > 0) || !isfinite(tau_m) ||
        !isfinite(tau_syn) || !isfinite(c_m) || !isfinite(h))
        return NCE_ERR_INVALID;
    p[0] = exp(-h / tau_syn);
    p[1] = exp(-h / tau_m);
    p[2] = propagate_current(tau_m, tau_syn, 1 / c_m, h);
    p[3] = tau_m / c_m * -expm1(-h / tau_m);
    return NCE_OK;
}

double nce_snn_lif_rate(double tau_m, double t_ref, double drive, double threshold)
{
    if (!(drive > threshold)) return 0;
    return 1000 / (t_ref - tau_m * log1p(-threshold / drive));
}

double nce_snn_param_value(const nce_snn_population *p, nce_snn_param param, uint32_t i)
{
    if (param == NCE_SNN_PARAM_I_E && p->i_e != NULL) return p->i_e[i];
    if (p->each[param] != NULL) return p->each[param][i];
    switch (param) {
    case NCE_SNN_PARAM_V:
        return p->o.v_init;
    case NCE_SNN_PARAM_U:
        return p->o.model == NCE_SNN_IZHIKEVICH ? p->o.b * p->o.v_init : 0;
    case NCE_SNN_PARAM_I_E:
        return p->o.i_e;
    case NCE_SNN_PARAM_V_TH:
        return p->o.v_th;
    case NCE_SNN_PARAM_TAU_M:
        return p->o.tau_m;
    case NCE_SNN_PARAM_R_M:
        return p->o.r_m;
    case NCE_SNN_PARAM_E_L:
        return p->o.e_l;
    case NCE_SNN_PARAM_V_RESET:
        return p->o.v_reset;
    case NCE_SNN_PARAM_T_REF:
        return p->o.t_ref;
    case NCE_SNN_PARAM_TAU_SYN0:
        return p->o.tau_syn[0];
    case NCE_SNN_PARAM_TAU_SYN1:
        return p->o.tau_syn[1];
    default:
        return 0;
    }
}

/* Over n steps; arrivals come only at the last one, so their gain is that of one step. */
static void linear(const nce_snn *snn, const nce_snn_population *p, uint32_t i, unsigned n, nce_snn_decay *d,
                   double *gain)
{
    const double h = snn->o.dt * n, r = nce_snn_param_value(p, NCE_SNN_PARAM_R_M, i);
    const double tau = nce_snn_param_value(p, NCE_SNN_PARAM_TAU_M, i),
                 e_l = nce_snn_param_value(p, NCE_SNN_PARAM_E_L, i);
    const double drive = r * nce_snn_param_value(p, NCE_SNN_PARAM_I_E, i);
    const bool euler = p->o.method == NCE_SNN_EULER, leak = p->o.model != NCE_SNN_IF;
    d->p22 = !leak ? 1 : euler ? 1 - h / tau : exp(-h / tau);
    const double grow = !leak ? h : euler ? h / tau : -expm1(-h / tau);
    d->c0 = ((leak ? e_l : 0) + drive) * grow;
    *gain = p->o.synapse == NCE_SNN_DELTA ? 1 : r * grow;
    for (int k = 0; k < 2; k++) {
        const double ts = nce_snn_param_value(p, k == 0 ? NCE_SNN_PARAM_TAU_SYN0 : NCE_SNN_PARAM_TAU_SYN1, i);
        d->p11[k] = d->p21[k] = 0;
        if (p->o.synapse < NCE_SNN_CURRENT || !(ts > 0)) continue;
        d->p11[k] = euler ? 1 - h / ts : exp(-h / ts);
        if (!leak)
            d->p21[k] = euler ? r * h : -r * ts * expm1(-h / ts);
        else
            d->p21[k] = euler ? r * h / tau : propagate_current(tau, ts, r / tau, h);
    }
}

void nce_snn_coefficients(const nce_snn *snn, const nce_snn_population *p, uint32_t i, double coef[NCE_SNN_COEF_COUNT])
{
    nce_snn_decay d;
    double gain;
    linear(snn, p, i, 1, &d, &gain);
    coef[NCE_SNN_COEF_P22] = d.p22;
    coef[NCE_SNN_COEF_C0] = d.c0;
    coef[NCE_SNN_COEF_P21_0] = p->o.synapse == NCE_SNN_CURRENT ? d.p21[0] : gain;
    coef[NCE_SNN_COEF_P21_1] = d.p21[1];
    coef[NCE_SNN_COEF_P11_0] = d.p11[0];
    coef[NCE_SNN_COEF_P11_1] = d.p11[1];
    coef[NCE_SNN_COEF_VTH] =
        p->o.model == NCE_SNN_LI ? HUGE_VAL : nce_snn_param_value(p, NCE_SNN_PARAM_V_TH, i) + p->threshold_shift;
    coef[NCE_SNN_COEF_VRESET] = nce_snn_param_value(p, NCE_SNN_PARAM_V_RESET, i);
    coef[NCE_SNN_COEF_NREF] = floor(nce_snn_param_value(p, NCE_SNN_PARAM_T_REF, i) / snn->o.dt + 0.5);
}

/* A sleeping block is advanced by powers of the one-step map, so that Euler populations sleep too.  v_bound leaves a
 * margin for rounding: a neuron that could graze the threshold stays awake. */
static void prepare_decay(const nce_snn *snn, nce_snn_population *p)
{
    nce_snn_decay one;
    double gain;
    linear(snn, p, 0, 1, &one, &gain);
    p->decay[0] = (nce_snn_decay){1, 0, {0, 0}, {1, 1}};
    for (unsigned n = 1; n <= NCE_SNN_TABLE; n++) {
        const nce_snn_decay *a = &p->decay[n - 1];
        nce_snn_decay *d = &p->decay[n];
        if (p->o.method == NCE_SNN_EXACT) {
            linear(snn, p, 0, n, d, &gain);
            continue;
        }
        d->p22 = a->p22 * one.p22;
        d->c0 = a->c0 * one.p22 + one.c0;
        for (int k = 0; k < 2; k++) {
            d->p21[k] = a->p21[k] * one.p22 + a->p11[k] * one.p21[k];
            d->p11[k] = a->p11[k] * one.p11[k];
        }
    }
    const double rest = p->o.e_l + p->o.r_m * p->o.i_e, v_th = p->coef[NCE_SNN_COEF_VTH];
    p->v_bound = p->o.model == NCE_SNN_LI ? HUGE_VAL : v_th - 1e-5 * (fabs(v_th) + fabs(rest));
    const double h = snn->o.dt;
    const bool stable = p->o.method == NCE_SNN_EXACT || (h < p->o.tau_m && h < p->o.tau_syn[0] && h < p->o.tau_syn[1]);
    p->may_sleep =
        p->o.drive != NCE_SNN_CLOCK && !p->each_set && p->i_e == NULL && !p->precise && stable && rest < p->v_bound;
}

/* Models without coefficients of their own need none of this but bind. */
static bool linear_model(const nce_snn_population *p)
{
    return p->o.model <= NCE_SNN_IF && p->o.synapse != NCE_SNN_CONDUCTANCE;
}

void nce_snn_refresh_coefficients(nce_snn *snn, nce_snn_population *p)
{
    double coef[NCE_SNN_COEF_COUNT];
    const size_t padded = (size_t)p->n_blocks * NCE_SNN_LANES;
    nce_snn_coefficients(snn, p, 0, p->coef);
    for (size_t i = 0; p->coefs != NULL && i < padded; i++) {
        nce_snn_coefficients(snn, p, i < p->n ? (uint32_t)i : 0, coef);
        for (size_t k = 0; k < NCE_SNN_COEF_COUNT; k++)
            snn->engine->set(p->coefs, k * padded + i, coef[k]);
        p->n_ref[i] = (uint16_t)coef[NCE_SNN_COEF_NREF];
    }
    if (p->decay != NULL) prepare_decay(snn, p);
    snn->engine->bind(snn, p);
}

nce_status nce_snn_prepare_population(nce_snn *snn, nce_snn_population *p)
{
    const size_t padded = (size_t)p->n_blocks * NCE_SNN_LANES;
    if (p->each_set) {
        p->coefs = nce_alloc_array(snn->ctx, padded * NCE_SNN_COEF_COUNT, snn->engine->real_bytes);
        if (p->n_ref == NULL) p->n_ref = nce_alloc_array(snn->ctx, padded, sizeof *p->n_ref);
        if (p->coefs == NULL || p->n_ref == NULL)
            return nce_fail_nomem(snn->ctx, padded * NCE_SNN_COEF_COUNT * snn->engine->real_bytes);
    }
    if (linear_model(p) && p->o.model != NCE_SNN_IF && p->o.drive != NCE_SNN_CLOCK && p->decay == NULL) {
        p->decay = nce_alloc_array(snn->ctx, NCE_SNN_TABLE + 1, sizeof *p->decay);
        if (p->decay == NULL) return nce_fail_nomem(snn->ctx, (NCE_SNN_TABLE + 1) * sizeof *p->decay);
    }
    nce_snn_refresh_coefficients(snn, p);
    p->event_driven = p->may_sleep; /* AUTO begins so and changes when it does not pay */
    p->retry_wait = 16 * NCE_SNN_WINDOW;
    return NCE_OK;
}
