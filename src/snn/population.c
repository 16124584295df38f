/* Populations: checking of their options, and their parameters and state one by one. */
#include "src/snn/network.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(nce_snn_population_options) == 48 + 23 * 8, "ABI: grows only at the end");

typedef struct {
    const char *name;
    double value, min, max;
} range;

static nce_status check_ranges(nce_snn *snn, const char *name, const range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(r[i].value >= r[i].min && r[i].value <= r[i].max))
            return nce_fail(snn->ctx, NCE_ERR_INVALID, "population %s: %s %g is outside %g..%g", name, r[i].name,
                            r[i].value, r[i].min, r[i].max);
    return NCE_OK;
}

static nce_status check_parameters(nce_snn *snn, const nce_snn_population *p)
{
    const nce_snn_population_options *o = &p->o;
    const double big = 1e9, tiny = 1e-9;
    const bool lif = o->model <= NCE_SNN_IF, current = o->synapse >= NCE_SNN_CURRENT, adex = o->model == NCE_SNN_ADEX;
    const double tau_min = (lif && o->model != NCE_SNN_IF) || adex ? tiny : -big, r_min = lif || adex ? tiny : -big;
    const double syn0 = current ? tiny : -big, syn1 = current && lif ? tiny : -big;
    const range ranges[] = {
        {"tau_m", o->tau_m, tau_min, big},
        {"r_m", o->r_m, o->synapse == NCE_SNN_CONDUCTANCE || adex ? r_min : -big, big},
        {"e_l", o->e_l, -big, big},
        {"v_th", o->v_th, -big, big},
        {"v_reset", o->v_reset, -big, big},
        {"t_ref", o->t_ref, 0, 65535 * snn->o.dt},
        {"i_e", o->i_e, -big, big},
        {"tau_syn[0]", o->tau_syn[0], syn0, big},
        {"tau_syn[1]", o->tau_syn[1], syn1, big},
        {"e_rev[0]", o->e_rev[0], -big, big},
        {"e_rev[1]", o->e_rev[1], -big, big},
        {"a", o->a, -big, big},
        {"b", o->b, -big, big},
        {"c", o->c, -big, big},
        {"d", o->d, -big, big},
        {"delta_t", o->delta_t, adex ? tiny : -big, big},
        {"v_peak", o->v_peak, -big, big},
        {"tau_w", o->tau_w, adex ? tiny : -big, big},
        {"decay_current", o->decay_current, 0, 4096},
        {"decay_voltage", o->decay_voltage, 0, 4096},
        {"weight_scale", o->weight_scale, 0, 65536},
        {"rate_hz", o->rate_hz, 0, 1000 / snn->o.dt},
        {"v_init", o->v_init, -big, big},
    };
    return check_ranges(snn, p->name, ranges, sizeof ranges / sizeof *ranges);
}

static nce_status check_combination(nce_snn *snn, const nce_snn_population *p)
{
    const nce_snn_population_options *o = &p->o;
    const char *why = NULL;
    const bool lif = o->model <= NCE_SNN_IF;
    if (o->synapse == NCE_SNN_CONDUCTANCE && (o->model != NCE_SNN_LIF || o->method != NCE_SNN_EXACT))
        why = "conductances need model LIF and method EXACT";
    if (o->model == NCE_SNN_LOIHI && o->synapse > NCE_SNN_HOLD) why = "the Loihi model has its own current; use DELTA";
    if ((o->flags & NCE_SNN_PRECISE) && (o->model != NCE_SNN_LIF || o->synapse != NCE_SNN_HOLD ||
                                         o->method != NCE_SNN_EXACT || snn->o.precision != NCE_SNN_F64))
        why = "PRECISE needs model LIF, synapse HOLD, method EXACT and double precision";
    if (o->drive == NCE_SNN_EVENT &&
        (o->model > NCE_SNN_LI || o->synapse == NCE_SNN_CONDUCTANCE || (o->flags & NCE_SNN_PRECISE)))
        why = "drive EVENT needs model LIF or LI with DELTA, HOLD or CURRENT and without PRECISE";
    if (!lif && (o->reset == NCE_SNN_RESET_SUBTRACT && o->model != NCE_SNN_LOIHI))
        why = "reset by subtraction needs LIF, IF or Loihi";
    if (why == NULL) return NCE_OK;
    return nce_fail(snn->ctx, NCE_ERR_UNSUPPORTED, "population %s: %s", p->name, why);
}

static nce_status check_options(nce_snn *snn, const nce_snn_population *p)
{
    const nce_snn_population_options *o = &p->o;
    const range ranges[] = {
        {"model", o->model, NCE_SNN_LIF, NCE_SNN_POISSON},
        {"n", o->n, 1, 1 << 27},
        {"synapse", o->synapse, 0, NCE_SNN_CONDUCTANCE},
        {"reset", o->reset, 0, NCE_SNN_RESET_SUBTRACT},
        {"method", o->method, 0, NCE_SNN_EULER},
        {"drive", o->drive, 0, NCE_SNN_EVENT},
        {"flags", o->flags, 0, NCE_SNN_RECORD | NCE_SNN_PRECISE | NCE_SNN_CURRENT_FIRST},
    };
    nce_status status = check_ranges(snn, p->name, ranges, sizeof ranges / sizeof *ranges);
    if (status == NCE_OK) status = check_parameters(snn, p);
    if (status == NCE_OK) status = check_combination(snn, p);
    return status;
}

static nce_status add(nce_snn *snn, const nce_snn_population_options *options, uint32_t *id)
{
    nce_snn_population p = {.o = NCE_SNN_LIF_INIT};
    nce_status status = nce_read_options(snn->ctx, &p.o, sizeof p.o, options, "nce_snn_population_options");
    if (status != NCE_OK) return status;
    if (p.o.name != NULL && (strlen(p.o.name) >= sizeof p.name || p.o.name[0] == '\0'))
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "population name '%.80s' is empty or longer than 63 bytes",
                        p.o.name);
    if (p.o.name != NULL)
        snprintf(p.name, sizeof p.name, "%s", p.o.name);
    else
        snprintf(p.name, sizeof p.name, "p%zu", snn->n_populations);
    p.o.name = NULL;
    status = check_options(snn, &p);
    if (status != NCE_OK) return status;
    p.n = p.o.n;
    p.n_blocks = (p.n + NCE_SNN_LANES - 1) / NCE_SNN_LANES;
    if (snn->n_populations > 0) {
        const nce_snn_population *before = &snn->populations[snn->n_populations - 1];
        p.first_block = before->first_block + before->n_blocks;
    }
    if (p.first_block + p.n_blocks > 1u << 27)
        return nce_fail(snn->ctx, NCE_ERR_LIMIT, "population %s: more than 2^31 neurons in all", p.name);
    p.first = p.first_block * NCE_SNN_LANES;
    p.has_ring = p.o.model < NCE_SNN_SOURCE;
    p.precise = p.o.flags & NCE_SNN_PRECISE;
    status =
        nce_grow(snn->ctx, (void **)&snn->populations, &snn->populations_capacity, snn->n_populations + 1, sizeof p);
    if (status != NCE_OK) return status;
    *id = (uint32_t)snn->n_populations;
    snn->populations[snn->n_populations++] = p;
    return NCE_OK;
}

nce_status nce_snn_population_add(nce_snn *snn, const nce_snn_population_options *options, uint32_t *id)
{
    nce_status status = nce_snn_enter(snn, 0, true);
    if (status != NCE_OK) return status;
    if (options == NULL || id == NULL)
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_population_add: NULL");
    else
        status = add(snn, options, id);
    nce_snn_unlock(snn);
    return status;
}

/* ---- parameters ---- */

static void *state_array(nce_snn *snn, nce_snn_param param)
{
    return param == NCE_SNN_PARAM_V ? snn->v : param == NCE_SNN_PARAM_U ? snn->s0 : snn->s1;
}

static nce_status check_values(nce_snn *snn, const nce_snn_population *p, nce_snn_param param, const double *values,
                               size_t n)
{
    const bool positive =
        param == NCE_SNN_PARAM_TAU_M || param == NCE_SNN_PARAM_TAU_SYN0 || param == NCE_SNN_PARAM_TAU_SYN1;
    if ((unsigned)param >= NCE_SNN_PARAM_COUNT_ || values == NULL || n != p->n)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "population %s: parameter %d with %zu values for %u neurons",
                        p->name, (int)param, n, p->n);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(values[i]) <= 1e12) || (positive && !(values[i] > 0)) ||
            (param == NCE_SNN_PARAM_T_REF && !(values[i] >= 0 && values[i] <= 65535 * snn->o.dt)))
            return nce_fail(snn->ctx, NCE_ERR_INVALID, "population %s: value %g of parameter %d, neuron %zu", p->name,
                            values[i], (int)param, i);
    const bool constant = param > NCE_SNN_PARAM_I_E;
    if (constant && (p->o.model > NCE_SNN_IF || p->o.synapse == NCE_SNN_CONDUCTANCE))
        return nce_fail(snn->ctx, NCE_ERR_UNSUPPORTED, "population %s: this model takes no parameter %d per neuron",
                        p->name, (int)param);
    if (constant && snn->built && param != NCE_SNN_PARAM_V_TH)
        return nce_fail(snn->ctx, NCE_ERR_STATE, "population %s: parameter %d is fixed once built", p->name,
                        (int)param);
    if (constant && snn->built && !p->each_set)
        return nce_fail(snn->ctx, NCE_ERR_STATE, "population %s: thresholds per neuron must be set before the build",
                        p->name);
    return NCE_OK;
}

/* A copy of the values in place of *slot. */
static nce_status keep(nce_snn *snn, double **slot, const double *values, size_t n)
{
    double *copy = nce_alloc_array(snn->ctx, n, sizeof *copy);
    if (copy == NULL) return nce_fail_nomem(snn->ctx, n * sizeof *copy);
    memcpy(copy, values, n * sizeof *copy);
    nce_free(snn->ctx, *slot);
    *slot = copy;
    return NCE_OK;
}

static nce_status set_values(nce_snn *snn, nce_snn_population *p, nce_snn_param param, const double *values, size_t n)
{
    nce_status status = check_values(snn, p, param, values, n);
    if (status != NCE_OK) return status;
    if (snn->built && p->event_driven) snn->engine->wake(snn, p, 0, p->n_blocks, snn->step);
    if (param < NCE_SNN_PARAM_I_E && snn->built) {
        for (size_t i = 0; i < n; i++)
            snn->engine->set(state_array(snn, param), p->first + i, values[i]);
        return NCE_OK;
    }
    status = keep(snn, param == NCE_SNN_PARAM_I_E ? &p->i_e : &p->each[param], values, n);
    if (status != NCE_OK) return status;
    if (param >= NCE_SNN_PARAM_I_E && p->o.model <= NCE_SNN_IF && p->o.synapse != NCE_SNN_CONDUCTANCE && !p->each_set) {
        if (snn->built) { /* constant currents on a uniform population: it becomes one with coefficients per neuron */
            p->each_set = true;
            p->event_driven = false;
            status = nce_snn_prepare_population(snn, p);
            if (status != NCE_OK) p->each_set = false;
            return status;
        }
        p->each_set = true;
    }
    if (snn->built) nce_snn_refresh_coefficients(snn, p);
    return NCE_OK;
}

nce_status nce_snn_population_set(nce_snn *snn, uint32_t population, nce_snn_param param, const double *values,
                                  size_t n)
{
    nce_status status = nce_snn_enter(snn, -1, false);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, population);
    if (status == NCE_OK) status = set_values(snn, &snn->populations[population], param, values, n);
    nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_population_get(nce_snn *snn, uint32_t population, nce_snn_param param, double *values, size_t n)
{
    nce_status status = nce_snn_enter(snn, -1, false);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, population);
    const nce_snn_population *p = status == NCE_OK ? &snn->populations[population] : NULL;
    if (status == NCE_OK && (values == NULL || n != p->n || (unsigned)param >= NCE_SNN_PARAM_COUNT_))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "population %s: parameter %d, %zu values for %u neurons", p->name,
                          (int)param, n, p->n);
    for (uint32_t i = 0; status == NCE_OK && i < n; i++)
        values[i] = snn->built && param < NCE_SNN_PARAM_I_E
                        ? nce_snn_peek(snn, &snn->populations[population], i, param, snn->step)
                        : nce_snn_param_value(p, param, i);
    nce_snn_unlock(snn);
    return status;
}

/* ---- look-ups ---- */

uint32_t nce_snn_population_size(nce_snn *snn, uint32_t population)
{
    if (nce_snn_enter(snn, -1, false) != NCE_OK) return 0;
    const uint32_t n = population < snn->n_populations ? snn->populations[population].n : 0;
    nce_snn_unlock(snn);
    return n;
}

const char *nce_snn_population_name(nce_snn *snn, uint32_t population)
{
    if (nce_snn_enter(snn, -1, false) != NCE_OK) return NULL;
    const char *name = population < snn->n_populations ? snn->populations[population].name : NULL;
    nce_snn_unlock(snn);
    return name;
}

nce_status nce_snn_population_find(nce_snn *snn, const char *name, uint32_t *id)
{
    nce_status status = nce_snn_enter(snn, -1, false);
    if (status != NCE_OK) return status;
    size_t i = 0;
    if (name == NULL || id == NULL) {
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_population_find: NULL");
    } else {
        while (i < snn->n_populations && strcmp(snn->populations[i].name, name) != 0)
            i++;
        if (i == snn->n_populations)
            status = nce_fail(snn->ctx, NCE_ERR_NOTFOUND, "no population is named '%.80s'", name);
        else
            *id = (uint32_t)i;
    }
    nce_snn_unlock(snn);
    return status;
}
