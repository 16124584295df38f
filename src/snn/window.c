/* What happens every 100 steps: the figures of the window, thresholds that hold a sparsity, and the choice between
 * event-driven and clock-driven update.  All of it follows from counts of spikes and deliveries, never from time, so it
 * is the same for any number of threads. */
#include "src/snn/network.h"
#include "src/snn/exponential.h"
#include <string.h>

/* Crossover, measured with bench/snn_drive (16,384 neurons, AVX-512, Sapphire Rapids): the two ways cost the same with 3.2 % of
 * the blocks awake.  The lower mark for going back keeps it from swinging. */
static const double LEAVE_ABOVE = 0.035, ENTER_BELOW = 0.02;

/* Marks save reading and clearing the lines without input; every delivery pays for them. */
static const double MARKS_BELOW = 1.0;

/* Mark every line that may hold input of ring blocks first .. first + n - 1. */
static void mark_all(nce_snn *snn, uint32_t first, uint32_t n, uint64_t step)
{
    for (uint32_t k = 0; k < snn->n_waiting; k++)
        memset(snn->touched + (((step + k) & (snn->n_slots - 1)) * snn->n_rings + first) * snn->n_receptors, 1,
               (size_t)n * snn->n_receptors);
}

void nce_snn_set_marks(nce_snn *snn, bool on, uint64_t step)
{
    if (on == snn->marks) return;
    if (on) { /* what came while no marks were kept is not marked */
        memset(snn->touched, 0, (size_t)snn->n_slots * snn->n_rings * snn->n_receptors);
        mark_all(snn, 0, snn->n_rings, step);
    }
    snn->marks = on;
    for (size_t i = 0; i < snn->n_populations; i++)
        snn->engine->bind(snn, &snn->populations[i]);
}

static uint64_t total_deliveries(const nce_snn *snn)
{
    uint64_t n = 0;
    for (uint32_t t = 0; t < snn->n_parts; t++)
        n += snn->parts[t].synaptic_events;
    return n;
}

static double poisson_arrivals(const nce_snn *snn, const nce_snn_population *p)
{
    double n = 0;
    for (size_t i = 0; i < snn->n_poissons; i++)
        if (&snn->populations[snn->poissons[i].population] == p) n += snn->poissons[i].rate_hz * snn->o.dt / 1000;
    return n;
}

static void to_clock(nce_snn *snn, nce_snn_population *p, uint64_t step)
{
    snn->engine->wake(snn, p, 0, p->n_blocks, step);
    p->event_driven = false;
    p->retry_at = step + p->retry_wait;
    if (p->retry_wait < UINT64_C(1) << 24) p->retry_wait *= 2;
}

static void to_event(nce_snn *snn, nce_snn_population *p, uint64_t step)
{
    for (uint32_t b = 0; b < p->n_blocks; b++) {
        snn->seen[p->first_ring + b] = step;
        snn->active[p->first_ring + b] = 1;
    }
    mark_all(snn, p->first_ring, p->n_blocks, step); /* inputs under way were not marked */
    p->event_driven = true;
}

static void choose_drive(nce_snn *snn, nce_snn_population *p, uint64_t step, uint64_t deliveries)
{
    const double blocks = (double)p->n_blocks * NCE_SNN_WINDOW;
    if (!p->may_sleep || p->o.drive != NCE_SNN_AUTO) return;
    if (p->event_driven) {
        if ((double)p->window_updates / blocks > LEAVE_ABOVE) to_clock(snn, p, step);
        return;
    }
    if (step < p->retry_at) return;
    const double share = snn->n_synapses > 0 ? (double)p->n_in / (double)snn->n_synapses : 0;
    const double arrivals = (double)deliveries * share / p->n / NCE_SNN_WINDOW + poisson_arrivals(snn, p);
    if (1 - nce_snn_exp(-NCE_SNN_LANES * arrivals) < ENTER_BELOW) to_event(snn, p, step);
}

/* Integral control in the logarithm-like measure (a - t)/(a + t): 10 % of the height of the threshold per window at most. */
static void hold_sparsity(nce_snn *snn, nce_snn_population *p, uint64_t step)
{
    if (!(snn->control.target_sparsity > 0) || !p->has_ring || p->o.model == NCE_SNN_LI) return;
    const double activity = (double)p->window_spikes / ((double)p->n * NCE_SNN_WINDOW);
    const double target = 1 - snn->control.target_sparsity,
                 height = p->o.model <= NCE_SNN_LOIHI ? p->o.v_th - p->o.v_reset : p->o.v_peak - p->o.v_reset;
    const double before = p->threshold_shift;
    p->threshold_shift += 0.1 * (height > 0 ? height : -height) * (activity - target) / (activity + target);
    if (p->threshold_shift < 0) p->threshold_shift = 0;
    if (p->threshold_shift == before) return;
    if (p->event_driven) snn->engine->wake(snn, p, 0, p->n_blocks, step);
    nce_snn_refresh_coefficients(snn, p);
    if (p->event_driven) memset(snn->active + p->first_ring, 1, p->n_blocks); /* the bound has moved */
}

void nce_snn_window_end(nce_snn *snn, uint64_t step)
{
    const uint64_t total = total_deliveries(snn), deliveries = total - snn->window_deliveries;
    snn->window_deliveries = total;
    snn->n_windows++;
    snn->active_sum += snn->window_active;
    snn->window_active = 0;
    bool sleepers = false;
    for (size_t i = 0; i < snn->n_populations; i++) {
        nce_snn_population *p = &snn->populations[i];
        hold_sparsity(snn, p, step);
        if (p->has_ring && !p->event_driven) snn->engine->settle(snn, p);
        choose_drive(snn, p, step, deliveries);
        p->window_spikes = p->window_updates = 0;
        sleepers |= p->event_driven;
    }
    const double lines = (double)snn->n_rings * snn->n_receptors * NCE_SNN_WINDOW;
    nce_snn_set_marks(snn, sleepers || (double)deliveries < MARKS_BELOW * lines, step);
    nce_snn_choose_defer(snn);
}
