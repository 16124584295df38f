/* How far neurons run before spikes are exchanged.
 *
 * An interval is as long as the shortest delay, L steps.  Under exponential synapses one more is possible: a step moves v by
 * the currents of its beginning and adds the arrivals afterwards, so v and the spikes of step t + L need the arrivals up to
 * t + L - 1 only.  Such networks defer: an interval has L + 1 steps and leaves the arrivals of its last step to the next one,
 * which needs a slot more in the rings.  With the shortest possible delay neurons then pass through the cache every other step
 * instead of every step.  Runs and windows begin and end with nothing left behind, so nobody else sees the difference. */
#include "src/snn/network.h"

/* With longer intervals a step more saves little, and may double the rings. */
enum { DEFER_BELOW = 4 };

static bool may_defer(const nce_snn *snn)
{
    if (snn->pull || snn->min_delay >= DEFER_BELOW) return false;
    for (size_t i = 0; i < snn->n_populations; i++) {
        const nce_snn_population_options *o = &snn->populations[i].o;
        if (!snn->populations[i].has_ring) continue;
        if (o->model > NCE_SNN_IF || o->synapse < NCE_SNN_CURRENT || o->onset > 0 || (o->flags & NCE_SNN_CURRENT_FIRST))
            return false;
    }
    return true;
}

/* As many as the longest delay: when an interval is delivered, its own steps have been taken, or all but one. */
void nce_snn_choose_slots(nce_snn *snn)
{
    for (snn->n_slots = 1; snn->n_slots < snn->max_delay; snn->n_slots *= 2) {
    }
    nce_snn_choose_delivery(snn);
    snn->n_waiting = snn->n_slots;
    snn->may_defer = may_defer(snn);
    if (snn->may_defer && snn->n_slots == snn->max_delay) snn->n_slots *= 2;
}

/* Event-driven blocks are advanced by whole steps, and probes want the currents of every one. */
void nce_snn_choose_defer(nce_snn *snn)
{
    snn->defer = snn->may_defer && snn->n_probes == 0;
    for (size_t i = 0; i < snn->n_populations; i++)
        if (snn->populations[i].event_driven) snn->defer = false;
}

/* Intervals end where a window or the run does.  The first of a window has L steps either way: what is due in it is
 * collected before the window's end has decided. */
nce_snn_span nce_snn_interval(const nce_snn *snn, uint64_t step)
{
    const uint64_t window = (step / NCE_SNN_WINDOW + 1) * NCE_SNN_WINDOW;
    const uint64_t left = (window < snn->run_end ? window : snn->run_end) - step;
    nce_snn_span span = {.step = step, .n_steps = snn->min_delay};
    if (left <= span.n_steps) span.n_steps = (uint32_t)left;
    if (!snn->defer) return span;
    span.behind = step % NCE_SNN_WINDOW != 0 && step != snn->run_begin;
    span.stay_behind = left > snn->min_delay;
    if (span.behind && left > snn->min_delay + 1) span.n_steps++; /* at least a step must remain to catch up in */
    return span;
}
