/* Figures of a run: three kinds of sparsity kept apart, and the energy estimate. */
#include "src/snn/network.h"
#include <string.h>

_Static_assert(sizeof(nce_snn_statistics) == 120, "ABI: grows only at the end");

static uint64_t state_bytes(const nce_snn *snn)
{
    const uint64_t real = snn->engine->real_bytes, ids = snn->n_ids, rings = snn->n_rings;
    const uint64_t delay = snn->equal_delay || snn->pull ? 0 : snn->max_delay <= 255 ? 1 : 2;
    const uint64_t cells = rings * snn->n_receptors * snn->n_slots * NCE_SNN_LANES;
    uint64_t n = ids * (3 * real + sizeof(uint16_t) + sizeof(uint32_t) + sizeof(uint64_t) + sizeof(float)) +
                 cells * real + rings * (snn->n_slots * snn->n_receptors + 13);
    n += snn->n_synapses * (sizeof(uint32_t) + real + delay) + snn->n_parts * (ids + 2) * sizeof(uint64_t);
    if (snn->pull) n += snn->n_parts * ids * (snn->n_groups + 1) * sizeof(uint32_t);
    return n;
}

static uint64_t neurons(const nce_snn *snn)
{
    uint64_t n = 0;
    for (size_t i = 0; i < snn->n_populations; i++)
        if (snn->populations[i].has_ring) n += snn->populations[i].n;
    return n;
}

static uint64_t silent_neurons(const nce_snn *snn)
{
    uint64_t silent = 0;
    for (size_t i = 0; i < snn->n_populations; i++) {
        const nce_snn_population *p = &snn->populations[i];
        for (uint32_t k = 0; p->has_ring && k < p->n; k++)
            silent += snn->spike_count[p->first + k] == 0;
    }
    return silent;
}

static void fill(nce_snn *snn, nce_snn_statistics *s)
{
    const double n = (double)neurons(snn), steps = (double)snn->step;
    s->steps = snn->step;
    s->spikes = snn->spikes;
    for (uint32_t t = 0; t < snn->n_parts; t++) {
        s->synaptic_events += snn->parts[t].synaptic_events;
        s->neuron_updates += snn->parts[t].updates;
        s->updates_skipped += snn->parts[t].skipped;
    }
    s->events_submitted = atomic_load(&snn->queue.tail) - snn->submitted_before;
    s->events_dropped = atomic_load(&snn->dropped);
    s->events_applied = snn->applied;
    s->events_late = snn->late;
    s->slot_sparsity = n * steps > 0 ? 1 - (double)snn->spikes / (n * steps) : 1;
    s->silent_share = n > 0 ? (double)silent_neurons(snn) / n : 1;
    s->skippable_share =
        n > 0 && snn->n_windows > 0 ? 1 - (double)snn->active_sum / (n * (double)snn->n_windows) : s->silent_share;
    s->mean_rate_hz = n * steps > 0 ? (double)snn->spikes / n / (steps * snn->o.dt / 1000) : 0;
    s->state_bytes = state_bytes(snn);
}

nce_status nce_snn_statistics_read(nce_snn *snn, nce_snn_statistics *out)
{
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    if (out == NULL || out->struct_size < sizeof out->struct_size || out->struct_size > sizeof s)
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_statistics: use the _INIT macro");
    if (status == NCE_OK) {
        fill(snn, &s);
        s.struct_size = out->struct_size;
        memcpy(out, &s, out->struct_size);
    }
    nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_energy_estimate(nce_snn *snn, nce_snn_energy *io)
{
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    if (io == NULL || io->struct_size != sizeof *io || !(io->pj_per_synop >= 0) || !(io->pj_per_update >= 0) ||
        !(io->pj_per_mac >= 0))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_energy: use the _INIT macro and costs >= 0");
    if (status == NCE_OK) {
        fill(snn, &s);
        if (io->pj_per_synop == 0) io->pj_per_synop = 0.03;
        if (io->pj_per_update == 0) io->pj_per_update = 0.23;
        if (io->pj_per_mac == 0) io->pj_per_mac = 0.23;
        io->synops = (double)s.synaptic_events;
        io->updates = (double)s.neuron_updates;
        io->energy_pj = io->synops * io->pj_per_synop + io->updates * io->pj_per_update;
        io->dense_macs = (double)snn->n_synapses * (double)snn->step;
        io->dense_energy_pj = io->dense_macs * io->pj_per_mac;
    }
    nce_snn_unlock(snn);
    return status;
}
