/* Recordings: spikes, counted and kept after every interval; probes of single state variables. */
#include "src/snn/network.h"
#include <string.h>

/* ---- spikes ---- */

static nce_status keep(nce_snn *snn, nce_snn_population *p, uint32_t neuron, double time)
{
    nce_status status =
        nce_grow(snn->ctx, (void **)&p->rec_neuron, &p->rec_capacity[0], p->rec_count + 1, sizeof *p->rec_neuron);
    if (status == NCE_OK)
        status = nce_grow(snn->ctx, (void **)&p->rec_time, &p->rec_capacity[1], p->rec_count + 1, sizeof *p->rec_time);
    if (status != NCE_OK) return status;
    p->rec_neuron[p->rec_count] = neuron;
    p->rec_time[p->rec_count++] = time;
    return NCE_OK;
}

/* Count a spike; the populations are walked upwards with the ids. */
static nce_status count(nce_snn *snn, nce_snn_population *p, uint32_t id, uint64_t step, double time)
{
    if (p->has_ring) {
        const uint64_t last = snn->last_spike[id];
        if (last == 0 || (last - 1) / NCE_SNN_WINDOW != step / NCE_SNN_WINDOW) snn->window_active++;
        snn->spikes++;
    }
    snn->spike_count[id]++;
    snn->last_spike[id] = step + 1;
    p->spikes++;
    p->window_spikes++;
    return p->o.flags & NCE_SNN_RECORD ? keep(snn, p, id - p->first, time) : NCE_OK;
}

nce_status nce_snn_record_interval(nce_snn *snn, uint64_t step, uint32_t n_steps, unsigned parity)
{
    nce_status status = NCE_OK;
    for (uint32_t k = 0; k < n_steps; k++) {
        size_t i = 0;
        for (uint32_t q = 0; q < snn->n_parts; q++) {
            const nce_snn_part *part = &snn->parts[q];
            for (size_t j = 0; j < part->count[parity][k]; j++) {
                const size_t at = k * part->room + j;
                const uint32_t id = part->fired[parity][at];
                while (i + 1 < snn->n_populations && snn->populations[i + 1].first <= id)
                    i++;
                nce_snn_population *p = &snn->populations[i];
                const double since = (double)(step + k) - p->o.onset;
                const double time = p->precise ? since * snn->o.dt + part->offset[parity][at] : (since + 1) * snn->o.dt;
                const nce_status one = count(snn, p, id, step + k, time);
                if (one != NCE_OK) status = one;
            }
        }
    }
    return status;
}

nce_status nce_snn_spikes_read(nce_snn *snn, uint32_t population, size_t first, size_t capacity, uint32_t *neuron,
                               double *time, size_t *n)
{
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, population);
    const nce_snn_population *p = status == NCE_OK ? &snn->populations[population] : NULL;
    if (status == NCE_OK && (n == NULL || !(p->o.flags & NCE_SNN_RECORD)))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID,
                          "population %s: n is NULL, or its spikes are not recorded (NCE_SNN_RECORD)", p->name);
    if (status == NCE_OK) {
        *n = p->rec_count > first ? p->rec_count - first : 0;
        const size_t copy = *n < capacity ? *n : capacity;
        if (neuron != NULL && copy > 0) memcpy(neuron, p->rec_neuron + first, copy * sizeof *neuron);
        if (time != NULL && copy > 0) memcpy(time, p->rec_time + first, copy * sizeof *time);
    }
    nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_spikes_clear(nce_snn *snn)
{
    const nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    for (size_t i = 0; i < snn->n_populations; i++)
        snn->populations[i].rec_count = 0;
    nce_snn_unlock(snn);
    return NCE_OK;
}

/* ---- probes ---- */

nce_status nce_snn_probe_add(nce_snn *snn, uint32_t population, uint32_t neuron, nce_snn_param what, uint32_t every,
                             uint32_t *probe)
{
    const nce_snn_probe g = {.population = population, .neuron = neuron, .what = what, .every = every};
    nce_status status = nce_snn_enter(snn, -1, true);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, population);
    if (status == NCE_OK && (neuron >= snn->populations[population].n || (unsigned)what > NCE_SNN_PARAM_S1 ||
                             every == 0 || probe == NULL || !snn->populations[population].has_ring))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "probe: neuron %u of population %s, parameter %d, every %u steps",
                          neuron, snn->populations[population].name, (int)what, every);
    if (status == NCE_OK)
        status = nce_grow(snn->ctx, (void **)&snn->probes, &snn->probes_capacity, snn->n_probes + 1, sizeof g);
    if (status == NCE_OK) {
        *probe = (uint32_t)snn->n_probes;
        snn->probes[snn->n_probes++] = g;
    }
    nce_snn_unlock(snn);
    return status;
}

/* By the thread that owns the block, right after the step. */
nce_status nce_snn_record_probes(nce_snn *snn, const nce_snn_part *part, uint64_t step)
{
    for (size_t i = 0; i < snn->n_probes; i++) {
        nce_snn_probe *g = &snn->probes[i];
        nce_snn_population *p = &snn->populations[g->population];
        const uint32_t block = p->first_block + g->neuron / NCE_SNN_LANES;
        if (block < part->first_block || block >= part->end_block || (step + 1) % g->every != 0) continue;
        const nce_status status =
            nce_grow(snn->ctx, (void **)&g->values, &g->capacity, g->count + 1, sizeof *g->values);
        if (status != NCE_OK) return status;
        g->values[g->count++] = nce_snn_peek(snn, p, g->neuron, (nce_snn_param)g->what, step + 1);
    }
    return NCE_OK;
}

nce_status nce_snn_probe_read(nce_snn *snn, uint32_t probe, size_t first, size_t capacity, double *values, size_t *n)
{
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    if (probe >= snn->n_probes || n == NULL)
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "probe %u of %zu", probe, snn->n_probes);
    if (status == NCE_OK) {
        const nce_snn_probe *g = &snn->probes[probe];
        *n = g->count > first ? g->count - first : 0;
        const size_t copy = *n < capacity ? *n : capacity;
        if (values != NULL && copy > 0) memcpy(values, g->values + first, copy * sizeof *values);
    }
    nce_snn_unlock(snn);
    return status;
}
