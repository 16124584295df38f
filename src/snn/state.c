/* State from outside: single values, whole neurons, and going back to step 0. */
#include "src/snn/network.h"
#include <string.h>

double nce_snn_peek(nce_snn *snn, nce_snn_population *p, uint32_t neuron, nce_snn_param what, uint64_t now)
{
    void *const arrays[] = {snn->v, snn->s0, snn->s1};
    const size_t real = snn->engine->real_bytes, bytes = real * NCE_SNN_LANES;
    const uint32_t block = neuron / NCE_SNN_LANES;
    const size_t first = (size_t)p->first + (size_t)block * NCE_SNN_LANES;
    uint64_t *seen = &snn->seen[p->first_ring + block];
    if (!p->event_driven || *seen >= now) return snn->engine->get(arrays[what], (size_t)p->first + neuron);
    unsigned char saved[3][sizeof(double) * NCE_SNN_LANES];
    const uint64_t seen_then = *seen;
    for (int k = 0; k < 3; k++)
        memcpy(saved[k], (unsigned char *)arrays[k] + first * real, bytes);
    snn->engine->wake(snn, p, block, block + 1, now);
    const double value = snn->engine->get(arrays[what], (size_t)p->first + neuron);
    for (int k = 0; k < 3; k++)
        memcpy((unsigned char *)arrays[k] + first * real, saved[k], bytes);
    *seen = seen_then;
    return value;
}

nce_status nce_snn_neuron_read(nce_snn *snn, uint32_t population, uint32_t neuron, nce_snn_neuron *out)
{
    nce_snn_neuron r = NCE_SNN_NEURON_INIT;
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, population);
    nce_snn_population *p = status == NCE_OK ? &snn->populations[population] : NULL;
    if (status == NCE_OK &&
        (neuron >= p->n || out == NULL || out->struct_size < sizeof out->struct_size || out->struct_size > sizeof r))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "neuron %u of population %s, which has %u", neuron, p->name, p->n);
    if (status == NCE_OK) {
        const size_t id = (size_t)p->first + neuron;
        r.struct_size = out->struct_size;
        r.v = nce_snn_peek(snn, p, neuron, NCE_SNN_PARAM_V, snn->step);
        r.u = nce_snn_peek(snn, p, neuron, NCE_SNN_PARAM_U, snn->step);
        r.s1 = nce_snn_peek(snn, p, neuron, NCE_SNN_PARAM_S1, snn->step);
        r.v_th = nce_snn_param_value(p, NCE_SNN_PARAM_V_TH, neuron) + p->threshold_shift;
        r.refractory = p->precise ? snn->ref_ms[id] : snn->ref[id] * snn->o.dt;
        r.spikes = snn->spike_count[id];
        r.last_spike = snn->last_spike[id];
        memcpy(out, &r, out->struct_size);
    }
    nce_snn_unlock(snn);
    return status;
}

static void clear_plastic(const nce_snn *snn, nce_snn_plastic *s)
{
    const size_t n = (snn->n_classes + 1) * (size_t)snn->n_ids;
    if (s == NULL) return;
    memset(s->pre, 0, n * sizeof *s->pre);
    memset(s->post, 0, n * sizeof *s->post);
    memset(s->pre_step, 0, n * sizeof *s->pre_step);
    memset(s->post_step, 0, n * sizeof *s->post_step);
}

static void clear_population(nce_snn *snn, nce_snn_population *p)
{
    p->rec_count = 0;
    p->spikes = p->window_spikes = p->window_updates = 0;
    p->threshold_shift = 0;
    p->event_driven = p->may_sleep;
    p->retry_at = 0;
    p->retry_wait = 16 * NCE_SNN_WINDOW;
    nce_snn_refresh_coefficients(snn, p);
}

nce_status nce_snn_reset_state(nce_snn *snn)
{
    const nce_status status = nce_snn_enter(snn, 1, true);
    if (status != NCE_OK) return status;
    const size_t real = snn->engine->real_bytes, n = snn->n_ids, rings = snn->n_rings;
    memset(snn->ref, 0, n * sizeof *snn->ref);
    memset(snn->ring, 0, rings * snn->n_receptors * snn->n_slots * NCE_SNN_LANES * real);
    memset(snn->touched, 0, rings * snn->n_slots * snn->n_receptors);
    memset(snn->seen, 0, rings * sizeof *snn->seen);
    memset(snn->spike_count, 0, n * sizeof *snn->spike_count);
    memset(snn->last_spike, 0, n * sizeof *snn->last_spike);
    memset(snn->delta_last, 0, n * sizeof *snn->delta_last);
    for (size_t i = 0; i < snn->n_populations; i++) {
        nce_snn_population *p = &snn->populations[i];
        clear_population(snn, p);
        for (uint32_t k = 0; p->precise && k < p->n; k++)
            snn->ref_ms[p->first + k] = 0;
    }
    for (uint32_t t = 0; t < snn->n_parts; t++) {
        nce_snn_part *part = &snn->parts[t];
        part->synaptic_events = part->updates = part->skipped = 0;
        clear_plastic(snn, part->plastic);
        if (snn->pull) memset(part->past_n, 0, snn->n_past * sizeof *part->past_n);
    }
    for (size_t i = 0; i < snn->n_probes; i++)
        snn->probes[i].count = 0;
    for (nce_snn_event e; nce_snn_queue_pop(&snn->queue, &e);)
        nce_snn_queue_release(&snn->queue, 1);
    nce_snn_queue_release(&snn->queue, snn->calendar.count);
    nce_snn_calendar_clear(&snn->calendar);
    snn->submitted_before = atomic_load(&snn->queue.tail);
    atomic_store(&snn->dropped, 0);
    snn->step = snn->window_deliveries = snn->window_active = snn->n_windows = snn->active_sum = 0;
    snn->spikes = snn->applied = snn->late = 0;
    nce_snn_set_marks(snn, true, 0);
    nce_snn_initial_state(snn);
    nce_snn_unlock(snn);
    return NCE_OK;
}
