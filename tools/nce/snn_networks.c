/* CUBA and COBA: 4,000 LIF neurons, 80 % excitatory, connection probability 2 %, no external drive but a start in
 * disorder (Vogels & Abbott 2005, doi 10.1523/JNEUROSCI.0508-05.2005).
 *
 * Potjans-Diesmann microcircuit: 77,169 neurons in four layers, 299 million synapses (2014, doi 10.1093/cercor/bhs358);
 * constant current instead of Poisson background; means and deviations of the first membrane potentials as published with
 * the network so that it starts near its working point.  scale < 1 keeps that share of the neurons and of the synapses per
 * neuron, with weights growing by 1/sqrt(scale) and a current for the mean input that is missing (van Albada 2015). */
#include "tools/nce/snn_networks.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* SplitMix64, for start values. */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    const double r = sqrt(-2 * log(1 - uniform(state)));
    return r * cos(6.283185307179586 * uniform(state));
}

static nce_status start_values(nce_snn *snn, uint32_t p, nce_snn_param what, double mean, double sd, double spread,
                               uint64_t *state)
{
    const uint32_t n = nce_snn_population_size(snn, p);
    double *v = malloc(n * sizeof *v);
    if (v == NULL) return NCE_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = mean + (sd > 0 ? sd * normal(state) : 0) + spread * uniform(state);
        if (what != NCE_SNN_PARAM_V) v[i] = fmax(v[i], 0); /* a conductance */
    }
    const nce_status status = nce_snn_population_set(snn, p, what, v, n);
    free(v);
    return status;
}

/* ---- CUBA and COBA ---- */

static nce_status vogels_abbott(nce_snn *snn, double scale, uint64_t seed, bool conductance)
{
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    const uint32_t n = (uint32_t)(4000 * scale), n_exc = n * 4 / 5;
    uint32_t p[2];
    uint64_t state = seed;
    o.synapse = conductance ? NCE_SNN_CONDUCTANCE : NCE_SNN_CURRENT;
    o.flags = NCE_SNN_RECORD;
    o.e_l = conductance ? -60 : -49;
    o.v_th = -50;
    o.v_reset = -60;
    o.t_ref = 5;
    o.r_m = conductance ? 0.1 : 1; /* COBA: 10 nS, 200 pF */
    for (int k = 0; k < 2; k++) {
        o.name = k == 0 ? "E" : "I";
        o.n = k == 0 ? n_exc : n - n_exc;
        nce_status status = nce_snn_population_add(snn, &o, &p[k]);
        if (status == NCE_OK) status = start_values(snn, p[k], NCE_SNN_PARAM_V, -60, 0, 10, &state);
        if (status == NCE_OK && conductance) status = start_values(snn, p[k], NCE_SNN_PARAM_U, 40, 15, 0, &state);
        if (status == NCE_OK && conductance) status = start_values(snn, p[k], NCE_SNN_PARAM_S1, 200, 120, 0, &state);
        if (status != NCE_OK) return status;
    }
    for (int k = 0; k < 4; k++) {
        nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
        nce_snn_random r = NCE_SNN_RANDOM_INIT;
        c.pre = p[k / 2];
        c.post = p[k % 2];
        c.receptor = (uint32_t)k / 2;
        c.weight = k < 2 ? (conductance ? 6 : 1.62) : (conductance ? 67 : -9);
        r.rule = NCE_SNN_PAIRWISE;
        r.p = 0.02 / scale;
        const nce_status status = nce_snn_connect_random(snn, &c, &r);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

static nce_status cuba(nce_snn *snn, double scale, uint64_t seed)
{
    return vogels_abbott(snn, scale, seed, false);
}

static nce_status coba(nce_snn *snn, double scale, uint64_t seed)
{
    return vogels_abbott(snn, scale, seed, true);
}

/* ---- Potjans-Diesmann ---- */

const double nce_snn_pd14_rates[8] = {0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829};

static const char *const pd14_names[8] = {"L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"};
static const double pd14_sizes[8] = {20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948};
static const double pd14_external[8] = {1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100};
static const double pd14_v_mean[8] = {-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43};
static const double pd14_v_sd[8] = {5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48};
static const double pd14_probability[8][8] = {/* [target][source] */
                                              {0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0},
                                              {0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0},
                                              {0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0},
                                              {0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0},
                                              {0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0},
                                              {0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0},
                                              {0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252},
                                              {0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443}};

static double pd14_synapses(int target, int source)
{
    const double pairs = pd14_sizes[target] * pd14_sizes[source], p = pd14_probability[target][source];
    return p > 0 ? round(log1p(-p) / log1p(-1 / pairs)) : 0;
}

static double pd14_weight(int target, int source) /* mV of the potential's peak */
{
    const double psp = target == 0 && source == 2 ? 0.3 : 0.15;
    return source % 2 == 0 ? psp : -4 * 0.15;
}

static nce_status pd14_population(nce_snn *snn, int k, double scale, double w_per_mv, uint64_t *state)
{
    const double tau_syn = 0.5, rate_external = 8;
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    double missing = 0; /* mean input (pA) that the synapses left out would bring, at the published rates */
    uint32_t id;
    for (int s = 0; s < 8; s++)
        missing +=
            pd14_synapses(k, s) / pd14_sizes[k] * pd14_weight(k, s) * w_per_mv * nce_snn_pd14_rates[s] * tau_syn * 1e-3;
    o.name = pd14_names[k];
    o.n = (uint32_t)round(pd14_sizes[k] * scale);
    o.synapse = NCE_SNN_CURRENT;
    o.flags = NCE_SNN_RECORD;
    o.tau_m = 10;
    o.r_m = 10.0 / 250;
    o.e_l = o.v_reset = -65;
    o.v_th = -50;
    o.t_ref = 2;
    o.tau_syn[0] = o.tau_syn[1] = tau_syn;
    o.i_e = pd14_external[k] * rate_external * tau_syn * 1e-3 * 0.15 * w_per_mv + (1 - sqrt(scale)) * missing;
    const nce_status status = nce_snn_population_add(snn, &o, &id);
    return status == NCE_OK ? start_values(snn, id, NCE_SNN_PARAM_V, pd14_v_mean[k], pd14_v_sd[k], 0, state) : status;
}

static nce_status pd14(nce_snn *snn, double scale, uint64_t seed)
{
    const double tau_m = 10, tau_s = 0.5, c_m = 250, peak = log(tau_m / tau_s) * tau_s * tau_m / (tau_m - tau_s);
    const double psp = tau_s * tau_m / (tau_m - tau_s) / c_m * (exp(-peak / tau_m) - exp(-peak / tau_s)); /* mV/pA */
    uint64_t state = seed;
    for (int k = 0; k < 8; k++) {
        const nce_status status = pd14_population(snn, k, scale, 1 / psp, &state);
        if (status != NCE_OK) return status;
    }
    for (int target = 0; target < 8; target++)
        for (int source = 0; source < 8; source++) {
            nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
            nce_snn_random r = NCE_SNN_RANDOM_INIT;
            c.pre = (uint32_t)source;
            c.post = (uint32_t)target;
            c.weight = pd14_weight(target, source) / psp / sqrt(scale);
            c.delay = source % 2 == 0 ? 1.5 : 0.75;
            r.rule = NCE_SNN_FIXED_TOTAL;
            r.n = (uint64_t)round(pd14_synapses(target, source) * scale * scale);
            r.weight_sd = fabs(c.weight) * 0.1;
            r.delay_sd = c.delay / 2;
            const nce_status status = r.n > 0 ? nce_snn_connect_random(snn, &c, &r) : NCE_OK;
            if (status != NCE_OK) return status;
        }
    return NCE_OK;
}

const nce_snn_bench_net *nce_snn_bench_net_find(const char *name)
{
    static const nce_snn_bench_net nets[] = {{"cuba", 0.1, cuba}, {"coba", 0.1, coba}, {"pd14", 0.1, pd14}};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (strcmp(nets[i].name, name) == 0) return &nets[i];
    return NULL;
}
