/* Models of their own and spike times inside a step, part of engine_body.h: one step of blocks first .. end - 1, one neuron after
 * the other.  What fires is written to fired; returns how many. */

/* Loihi: integers held exactly in REAL; arithmetic in 64 bits, shifts round toward zero. */
static size_t NAME(update_loihi)(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end,
                                 uint32_t *fired)
{
    const int64_t keep_u = 4096 - (int64_t)p->o.decay_current, keep_v = 4096 - (int64_t)p->o.decay_voltage;
    const int64_t scale = (int64_t)p->o.weight_scale, v_th = (int64_t)(p->o.v_th + p->threshold_shift),
                  v_reset = (int64_t)p->o.v_reset;
    const uint16_t n_ref = (uint16_t)p->coef[NCE_SNN_COEF_NREF];
    REAL *v = (REAL *)snn->v + p->first, *u = (REAL *)snn->s0 + p->first;
    uint16_t *ref = snn->ref + p->first;
    size_t count = 0;
    for (uint32_t i = first * NCE_SNN_LANES; i < end * NCE_SNN_LANES; i++) {
        REAL *in = NAME(cell)(snn, p->first_ring + i / NCE_SNN_LANES, 0, step) + i % NCE_SNN_LANES;
        const int64_t current = (int64_t)u[i] * keep_u / 4096 + scale * (int64_t)*in;
        const int64_t bias = (int64_t)(p->i_e != NULL && i < p->n ? p->i_e[i] : p->o.i_e);
        int64_t next = (int64_t)v[i] * keep_v / 4096 + current + bias;
        *in = 0;
        u[i] = (REAL)current;
        if (ref[i] > 0) {
            ref[i]--;
            continue;
        }
        if (next >= v_th && i < p->n) {
            next = p->o.reset == NCE_SNN_RESET_SUBTRACT ? next - (v_th - v_reset) : v_reset;
            ref[i] = n_ref;
            fired[count++] = p->first + i;
        }
        v[i] = (REAL)next;
    }
    return count;
}

/* Input of the two nonlinear models: their exponential current lives in s1.  Returns the current of this step; *jump is
 * what moves v at its end. */
static inline double NAME(take_input)(nce_snn *snn, const nce_snn_population *p, uint32_t i, uint64_t step,
                                      double *jump)
{
    REAL *in = NAME(cell)(snn, p->first_ring + i / NCE_SNN_LANES, 0, step) + i % NCE_SNN_LANES,
         *s1 = (REAL *)snn->s1 + p->first + i;
    const double x = (double)*in;
    double current = p->i_e != NULL && i < p->n ? p->i_e[i] : p->o.i_e;
    *in = 0;
    *jump = p->o.synapse == NCE_SNN_DELTA ? x : 0;
    if (p->o.synapse == NCE_SNN_HOLD) current += x;
    if (p->o.synapse == NCE_SNN_CURRENT) {
        const bool now = p->o.flags & NCE_SNN_CURRENT_FIRST;
        if (!now) current += (double)*s1;
        *s1 = (REAL)((double)*s1 * p->coef[NCE_SNN_COEF_P11_0] + x);
        if (now) current += (double)*s1;
    }
    return current;
}

/* Forward Euler with v in two half steps, as in the 2003 paper. */
static size_t NAME(update_izhikevich)(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end,
                                      uint32_t *fired)
{
    REAL *vs = (REAL *)snn->v + p->first, *us = (REAL *)snn->s0 + p->first;
    const double h = snn->o.dt;
    size_t count = 0;
    for (uint32_t i = first * NCE_SNN_LANES; i < end * NCE_SNN_LANES; i++) {
        double jump, v = (double)vs[i], u = (double)us[i];
        const double current = NAME(take_input)(snn, p, i, step, &jump);
        for (int half = 0; half < 2; half++)
            v += h / 2 * (0.04 * v * v + 5 * v + 140 - u + current);
        u += h * p->o.a * (p->o.b * v - u);
        v += jump;
        if (v >= p->o.v_peak + p->threshold_shift) {
            v = p->o.c;
            u += p->o.d;
            if (i < p->n) fired[count++] = p->first + i;
        }
        vs[i] = (REAL)v;
        us[i] = (REAL)u;
    }
    return count;
}

/* Slopes of AdEx; the exponent is clipped at v_peak, where the spike ends anyway. */
static inline void NAME(adex_slope)(const nce_snn_population_options *o, double v, double w, double current, double *dv,
                                    double *dw)
{
    const double g = 1 / o->r_m, x = v < o->v_peak ? v : o->v_peak;
    *dv =
        (g * (o->e_l - x) + g * o->delta_t * nce_snn_exp((x - o->v_th) / o->delta_t) - w + current) * o->r_m / o->tau_m;
    *dw = (o->a * (x - o->e_l) - w) / o->tau_w;
}

/* Classic Runge-Kutta of order 4. */
static size_t NAME(update_adex)(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end,
                                uint32_t *fired)
{
    const nce_snn_population_options *o = &p->o;
    REAL *vs = (REAL *)snn->v + p->first, *ws = (REAL *)snn->s0 + p->first;
    uint16_t *ref = snn->ref + p->first;
    const double h = snn->o.dt;
    size_t count = 0;
    for (uint32_t i = first * NCE_SNN_LANES; i < end * NCE_SNN_LANES; i++) {
        double jump, v = (double)vs[i], w = (double)ws[i], dv[4], dw[4];
        const double current = NAME(take_input)(snn, p, i, step, &jump);
        NAME(adex_slope)(o, v, w, current, &dv[0], &dw[0]);
        NAME(adex_slope)(o, v + h / 2 * dv[0], w + h / 2 * dw[0], current, &dv[1], &dw[1]);
        NAME(adex_slope)(o, v + h / 2 * dv[1], w + h / 2 * dw[1], current, &dv[2], &dw[2]);
        NAME(adex_slope)(o, v + h * dv[2], w + h * dw[2], current, &dv[3], &dw[3]);
        w += h / 6 * (dw[0] + 2 * dw[1] + 2 * dw[2] + dw[3]);
        if (ref[i] > 0)
            ref[i]--;
        else
            v += h / 6 * (dv[0] + 2 * dv[1] + 2 * dv[2] + dv[3]) + jump;
        if (v > o->v_peak) {
            v = o->v_reset;
            w += o->b;
            ref[i] = (uint16_t)p->coef[NCE_SNN_COEF_NREF];
            if (i < p->n) fired[count++] = p->first + i;
        }
        vs[i] = (REAL)v;
        ws[i] = (REAL)w;
    }
    return count;
}

/* LIF with spike times inside the step: v relaxes to v_inf under the step's constant current; the crossing is solved in
 * closed form, then the rest of the step goes on from the reset. */
static size_t NAME(update_precise)(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end,
                                   uint32_t *fired, double *offset)
{
    const double h = snn->o.dt;
    size_t count = 0;
    const uint32_t stop = end * NCE_SNN_LANES < p->n ? end * NCE_SNN_LANES : p->n;
    for (uint32_t i = first * NCE_SNN_LANES; i < stop; i++) {
        REAL *in = NAME(cell)(snn, p->first_ring + i / NCE_SNN_LANES, 0, step) + i % NCE_SNN_LANES;
        const double tau = nce_snn_param_value(p, NCE_SNN_PARAM_TAU_M, i),
                     r = nce_snn_param_value(p, NCE_SNN_PARAM_R_M, i);
        const double v_th = nce_snn_param_value(p, NCE_SNN_PARAM_V_TH, i) + p->threshold_shift;
        const double v_reset = nce_snn_param_value(p, NCE_SNN_PARAM_V_RESET, i);
        const double v_inf = nce_snn_param_value(p, NCE_SNN_PARAM_E_L, i) +
                             r * (nce_snn_param_value(p, NCE_SNN_PARAM_I_E, i) + (double)*in);
        double v = (double)((REAL *)snn->v)[p->first + i], t = 0, *ref = &snn->ref_ms[p->first + i];
        *in = 0;
        for (int n = 0;;) {
            if (*ref >= h - t) {
                *ref -= h - t;
                break;
            }
            t += *ref;
            *ref = 0;
            const double cross = v >= v_th ? 0 : v_inf > v_th ? -tau * log1p(-(v_th - v) / (v_inf - v)) : HUGE_VAL;
            if (!(cross <= h - t) || n == NCE_SNN_PRECISE_MAX) {
                v = v_inf + (v - v_inf) * exp(-(h - t) / tau);
                break;
            }
            t += cross;
            /* at a crossing v is v_th and both resets agree; an event may have lifted it higher */
            v = p->o.reset == NCE_SNN_RESET_SUBTRACT && cross == 0 ? v - (v_th - v_reset) : v_reset;
            *ref = nce_snn_param_value(p, NCE_SNN_PARAM_T_REF, i);
            fired[count] = p->first + i;
            offset[count++] = t;
            n++;
        }
        ((REAL *)snn->v)[p->first + i] = (REAL)v;
    }
    return count;
}
