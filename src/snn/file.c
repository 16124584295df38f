/* What a network file holds, in order.  The same walk writes and reads; reading checks every count before it is used. */
#include "src/snn/file.h"
#include "src/snn/random.h"
#include <math.h>
#include <string.h>

const char nce_snn_file_magic[8] = {'N', 'C', 'E', 'S', 'N', 'N', '\r', '\n'};

static void fail(nce_snn_cursor *c, const char *what, uint64_t value)
{
    if (c->status == NCE_OK)
        c->status = nce_fail(c->ctx, NCE_ERR_FORMAT, "%s: byte %zu: %s: %llu is not possible", c->name, c->at, what,
                             (unsigned long long)value);
}

void nce_snn_field(nce_snn_cursor *c, void *value, size_t n, const char *what)
{
    if (c->status != NCE_OK || n == 0) return;
    if (c->writing) {
        c->status = nce_grow(c->ctx, (void **)&c->bytes, &c->size, c->at + n, 1);
        if (c->status != NCE_OK) return;
        memcpy(c->bytes + c->at, value, n);
    } else {
        if (n > c->size - c->at) {
            fail(c, what, n);
            return;
        }
        memcpy(value, c->bytes + c->at, n);
    }
    c->at += n;
}

static void u32(nce_snn_cursor *c, uint32_t *value, uint32_t min, uint32_t max, const char *what)
{
    nce_snn_field(c, value, sizeof *value, what);
    if (!c->writing && c->status == NCE_OK && (*value < min || *value > max)) fail(c, what, *value);
}

static void u64(nce_snn_cursor *c, uint64_t *value, uint64_t max, const char *what)
{
    nce_snn_field(c, value, sizeof *value, what);
    if (!c->writing && c->status == NCE_OK && *value > max) fail(c, what, *value);
}

/* An array that may be absent: a flag, then n values; allocated when reading. */
static void optional(nce_snn_cursor *c, void **array, size_t n, size_t size, const char *what)
{
    uint32_t present = *array != NULL;
    u32(c, &present, 0, 1, what);
    if (c->status != NCE_OK || !present) return;
    if (!c->writing && n * size > c->size - c->at) {
        fail(c, what, n * size);
        return;
    }
    if (!c->writing && *array == NULL && (*array = nce_alloc_array(c->ctx, n, size)) == NULL)
        c->status = nce_fail_nomem(c->ctx, n * size);
    nce_snn_field(c, *array, n * size, what);
}

static void check_finite(nce_snn_cursor *c, const double *x, size_t n, const char *what)
{
    for (size_t i = 0; !c->writing && c->status == NCE_OK && x != NULL && i < n; i++)
        if (!(fabs(x[i]) <= 1e15)) fail(c, what, i);
}

/* ---- populations: added by the ordinary call, which checks their options ---- */

static void walk_population(nce_snn_cursor *c, nce_snn *snn, uint32_t i)
{
    char name[64] = {0};
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    uint32_t id;
    if (c->writing) {
        o = snn->populations[i].o;
        memcpy(name, snn->populations[i].name, sizeof name);
    }
    nce_snn_field(c, name, sizeof name, "name of a population");
    nce_snn_field(c, (char *)&o + offsetof(nce_snn_population_options, model),
                  sizeof o - offsetof(nce_snn_population_options, model), "options of a population");
    if (c->status == NCE_OK && !c->writing) {
        name[63] = '\0';
        o.name = name;
        if (o.n > c->size)
            fail(c, "neurons", o.n); /* each has state in the file */
        else if ((c->status = nce_snn_population_add(snn, &o, &id)) == NCE_ERR_INVALID ||
                 c->status == NCE_ERR_UNSUPPORTED)
            c->status = nce_fail(c->ctx, NCE_ERR_FORMAT, "%s: %s", c->name, nce_context_error(c->ctx));
    }
    if (c->status != NCE_OK) return;
    nce_snn_population *p = &snn->populations[i];
    uint32_t each = p->each_set;
    u32(c, &each, 0, 1, "per-neuron coefficients");
    for (int k = 0; k < NCE_SNN_PARAM_COUNT_; k++) {
        optional(c, (void **)&p->each[k], p->n, sizeof(double), "per-neuron parameters");
        check_finite(c, p->each[k], p->n, "per-neuron parameter");
        if (!c->writing && p->each[k] != NULL && k > NCE_SNN_PARAM_I_E &&
            (p->o.model > NCE_SNN_IF || p->o.synapse == NCE_SNN_CONDUCTANCE))
            fail(c, "parameter of this model", (uint64_t)k);
        for (uint32_t n = 0;
             !c->writing && c->status == NCE_OK && k == NCE_SNN_PARAM_T_REF && p->each[k] != NULL && n < p->n; n++)
            if (!(p->each[k][n] >= 0 && p->each[k][n] <= 65535 * snn->o.dt)) fail(c, "refractory time of neuron", n);
    }
    optional(c, (void **)&p->i_e, p->n, sizeof(double), "constant currents");
    check_finite(c, p->i_e, p->n, "constant current");
    if (c->status == NCE_OK && !c->writing)
        p->each_set = each && p->o.model <= NCE_SNN_IF && p->o.synapse != NCE_SNN_CONDUCTANCE;
}

/* What runs of the population have changed; after the state is laid out. */
static void walk_progress(nce_snn_cursor *c, nce_snn *snn, nce_snn_population *p)
{
    uint32_t event_driven = p->event_driven;
    nce_snn_field(c, &p->threshold_shift, sizeof(double), "threshold shift");
    check_finite(c, &p->threshold_shift, 1, "threshold shift");
    u32(c, &event_driven, 0, 1, "drive");
    u64(c, &p->retry_at, UINT64_MAX, "retry");
    u64(c, &p->retry_wait, UINT64_MAX, "retry");
    u64(c, &p->window_updates, UINT64_MAX, "window");
    u64(c, &p->spikes, UINT64_MAX, "spikes");
    u64(c, &p->window_spikes, UINT64_MAX, "window");
    u64(c, &p->n_in, UINT64_MAX, "synapses");
    if (c->status != NCE_OK || c->writing) return;
    nce_snn_refresh_coefficients(snn, p);
    if (event_driven && !p->may_sleep)
        fail(c, "drive of a population that cannot sleep", 1);
    else
        p->event_driven = event_driven;
}

/* ---- inputs ---- */

static void walk_inputs(nce_snn_cursor *c, nce_snn *snn)
{
    uint64_t n = snn->n_poissons;
    u64(c, &n, c->size, "Poisson inputs");
    for (uint64_t i = 0; i < n && c->status == NCE_OK; i++) {
        nce_snn_poisson g = {0};
        if (c->writing) g = snn->poissons[i];
        nce_snn_field(c, &g.population, sizeof g.population, "Poisson input");
        nce_snn_field(c, &g.receptor, sizeof g.receptor, "Poisson input");
        nce_snn_field(c, &g.rate_hz, sizeof g.rate_hz, "Poisson input");
        nce_snn_field(c, &g.weight, sizeof g.weight, "Poisson input");
        if (c->status != NCE_OK || c->writing) continue;
        c->status = nce_snn_poisson_add(snn, g.population, g.receptor, g.rate_hz, g.weight);
        if (c->status == NCE_ERR_INVALID) fail(c, "Poisson input", i);
    }
    n = snn->n_given;
    u64(c, &n, c->size, "given spikes");
    if (c->status == NCE_OK && !c->writing)
        c->status = nce_grow(c->ctx, (void **)&snn->given, &snn->given_capacity, n, sizeof *snn->given);
    for (uint64_t i = 0; i < n && c->status == NCE_OK; i++) {
        if (!c->writing) snn->given[i] = (nce_snn_event){0, 0, 0};
        nce_snn_field(c, &snn->given[i].step, sizeof(uint64_t), "given spike");
        nce_snn_field(c, &snn->given[i].neuron, sizeof(uint32_t), "given spike");
        if (!c->writing && snn->given[i].neuron >= snn->n_ids) fail(c, "given spike", snn->given[i].neuron);
    }
    if (!c->writing && c->status == NCE_OK) snn->n_given = n;
    if (!c->writing) snn->given_sorted = false;
}

/* ---- synapses: by source, all targets; parts are chosen anew when reading ---- */

static uint32_t target_id(const nce_snn *snn, const nce_snn_part *part, uint64_t e, uint32_t *receptor)
{
    const uint32_t plane = snn->n_slots * NCE_SNN_LANES, line = part->base[e] / plane;
    *receptor = line % snn->n_receptors;
    return snn->ring_first[line / snn->n_receptors] + part->base[e] % NCE_SNN_LANES;
}

static void write_rows(nce_snn_cursor *c, nce_snn *snn)
{
    for (uint32_t id = 0; id < snn->n_ids; id++) {
        uint64_t n = 0;
        for (uint32_t t = 0; t < snn->n_parts; t++)
            n += snn->parts[t].row[id + 1] - snn->parts[t].row[id];
        nce_snn_field(c, &n, sizeof n, "row");
        for (uint32_t t = 0; t < snn->n_parts; t++) {
            const nce_snn_part *part = &snn->parts[t];
            for (uint64_t e = part->row[id]; e < part->row[id + 1]; e++) {
                uint32_t receptor, target = target_id(snn, part, e, &receptor);
                uint16_t delay = (uint16_t)nce_snn_delay_of(snn, part, id, e);
                uint8_t tail[2] = {(uint8_t)receptor, part->plastic ? part->plastic->cls[e] : 0};
                nce_snn_field(c, &target, sizeof target, "synapse");
                nce_snn_field(c, &delay, sizeof delay, "synapse");
                nce_snn_field(c, tail, sizeof tail, "synapse");
                nce_snn_field(c, (uint8_t *)part->weight + e * snn->engine->real_bytes, snn->engine->real_bytes,
                              "synapse");
            }
        }
    }
}

static const nce_snn_population *population_at(const nce_snn *snn, uint32_t id)
{
    size_t lo = 0, hi = snn->n_populations;
    while (hi - lo > 1) {
        const size_t middle = (lo + hi) / 2;
        if (snn->populations[middle].first <= id)
            lo = middle;
        else
            hi = middle;
    }
    const nce_snn_population *p = &snn->populations[lo];
    return id < p->first + p->n ? p : NULL;
}

/* One pass over the rows: count into row[id + 1], or place at the cursors row[id]. */
static void read_rows(nce_snn_cursor *c, nce_snn *snn, bool fill)
{
    const size_t real = snn->engine->real_bytes;
    for (uint32_t id = 0; id < snn->n_ids && c->status == NCE_OK; id++) {
        uint64_t n = 0;
        u64(c, &n, c->size / (8 + real), "synapses of a neuron");
        for (uint64_t k = 0; k < n && c->status == NCE_OK; k++) {
            uint32_t target = 0;
            uint16_t delay = 0;
            uint8_t tail[2] = {0}, weight[8] = {0};
            nce_snn_field(c, &target, sizeof target, "target");
            nce_snn_field(c, &delay, sizeof delay, "delay");
            nce_snn_field(c, tail, sizeof tail, "receptor");
            nce_snn_field(c, weight, real, "weight");
            if (c->status != NCE_OK) return;
            const nce_snn_population *p = target < snn->n_ids ? population_at(snn, target) : NULL;
            if (p == NULL || !p->has_ring || delay < snn->min_delay || delay > snn->max_delay ||
                tail[0] >= snn->n_receptors || tail[1] > snn->n_classes ||
                !(fabs(snn->engine->get(weight, 0)) <= 1e15)) {
                fail(c, "synapse to neuron", target);
                return;
            }
            uint32_t t = 0;
            while (target / NCE_SNN_LANES >= snn->parts[t].end_block)
                t++;
            nce_snn_part *part = &snn->parts[t];
            if (!fill) {
                part->row[id + 1]++;
                continue;
            }
            const uint64_t e = part->row[id]++;
            const uint32_t block = p->first_ring + (target - p->first) / NCE_SNN_LANES;
            part->base[e] =
                (block * snn->n_receptors + tail[0]) * snn->n_slots * NCE_SNN_LANES + target % NCE_SNN_LANES;
            memcpy((uint8_t *)part->weight + e * real, weight, real);
            if (part->delay8 != NULL) part->delay8[e] = (uint8_t)delay;
            if (part->delay16 != NULL) part->delay16[e] = delay;
            if (part->plastic != NULL) part->plastic->cls[e] = tail[1];
        }
    }
}

static void read_synapses(nce_snn_cursor *c, nce_snn *snn)
{
    const size_t begin = c->at;
    for (uint32_t t = 0; t < snn->n_parts && c->status == NCE_OK; t++)
        if ((snn->parts[t].row = nce_alloc_array(c->ctx, (size_t)snn->n_ids + 2, sizeof(uint64_t))) == NULL)
            c->status = nce_fail_nomem(c->ctx, (size_t)snn->n_ids * sizeof(uint64_t));
    read_rows(c, snn, false);
    for (uint32_t t = 0; t < snn->n_parts && c->status == NCE_OK; t++) {
        nce_snn_part *part = &snn->parts[t];
        for (uint32_t i = 0; i < snn->n_ids; i++)
            part->row[i + 1] += part->row[i];
        part->n_synapses = part->row[snn->n_ids];
        snn->n_synapses += part->n_synapses;
        c->status = nce_snn_allocate_part(snn, part);
    }
    c->at = begin;
    read_rows(c, snn, true);
    for (uint32_t t = 0; t < snn->n_parts && c->status == NCE_OK; t++) {
        uint64_t *row = snn->parts[t].row;
        memmove(row + 1, row, (size_t)snn->n_ids * sizeof *row);
        row[0] = 0;
        c->status = nce_snn_group_rows(snn, &snn->parts[t]);
    }
}

/* ---- state ---- */

/* Inputs under way and marks of the slots that may hold any, by the step modulo their number; in memory there may be a
 * slot more. */
static void walk_rings(nce_snn_cursor *c, nce_snn *snn)
{
    const size_t lines = (size_t)snn->n_rings * snn->n_receptors, bytes = snn->engine->real_bytes * NCE_SNN_LANES;
    const uint32_t n = snn->n_waiting;
    if (!c->writing) memset(snn->touched, 0, lines * snn->n_slots);
    for (size_t line = 0; line < lines; line++)
        for (uint32_t k = 0; k < n; k++) {
            const uint64_t step = snn->step + ((k - snn->step) & (n - 1)), slot = step & (snn->n_slots - 1);
            nce_snn_field(c, (uint8_t *)snn->ring + (line * snn->n_slots + slot) * bytes, bytes, "inputs under way");
        }
    for (uint32_t k = 0; k < n; k++) {
        const uint64_t step = snn->step + ((k - snn->step) & (n - 1)), slot = step & (snn->n_slots - 1);
        nce_snn_field(c, snn->touched + slot * lines, lines, "marks");
    }
    for (size_t i = 0; !c->writing && i < lines * snn->n_slots && c->status == NCE_OK; i++)
        if (snn->touched[i] > 1) fail(c, "mark", snn->touched[i]); /* the kernels compute addresses with it */
}

static void walk_state(nce_snn_cursor *c, nce_snn *snn)
{
    const size_t real = snn->engine->real_bytes, n = snn->n_ids, rings = snn->n_rings;
    uint32_t marks = snn->marks;
    nce_snn_field(c, snn->v, n * real, "potentials");
    nce_snn_field(c, snn->s0, n * real, "currents");
    nce_snn_field(c, snn->s1, n * real, "currents");
    nce_snn_field(c, snn->ref, n * sizeof *snn->ref, "refractory steps");
    walk_rings(c, snn);
    nce_snn_field(c, snn->active, rings, "activity");
    nce_snn_field(c, snn->seen, rings * sizeof *snn->seen, "block times");
    nce_snn_field(c, snn->spike_count, n * sizeof *snn->spike_count, "spike counts");
    nce_snn_field(c, snn->last_spike, n * sizeof *snn->last_spike, "last spikes");
    nce_snn_field(c, snn->delta_last, n * sizeof *snn->delta_last, "amplitudes");
    optional(c, (void **)&snn->ref_ms, n, sizeof(double), "refractory times");
    for (size_t i = 0; !c->writing && i < rings && c->status == NCE_OK; i++)
        if (snn->seen[i] > snn->step + 1) fail(c, "block time", snn->seen[i]);
    u32(c, &marks, 0, 1, "marks");
    for (size_t i = 0; i < snn->n_populations && c->status == NCE_OK; i++)
        walk_progress(c, snn, &snn->populations[i]);
    if (!c->writing && c->status == NCE_OK) {
        snn->marks = marks;
        for (size_t i = 0; i < snn->n_populations; i++) {
            if (snn->populations[i].event_driven && !marks) fail(c, "marks of an event-driven population", 0);
            snn->engine->bind(snn, &snn->populations[i]);
        }
    }
    const nce_snn_plastic *from = snn->parts[0].plastic; /* every part has all traces */
    const size_t traces = (snn->n_classes + 1) * n;
    for (uint32_t t = 0; from != NULL && t < (c->writing ? 1 : snn->n_parts) && c->status == NCE_OK; t++) {
        const size_t at = c->at;
        nce_snn_field(c, snn->parts[t].plastic->pre, traces * sizeof(double), "traces");
        nce_snn_field(c, snn->parts[t].plastic->post, traces * sizeof(double), "traces");
        nce_snn_field(c, snn->parts[t].plastic->pre_step, traces * sizeof(uint64_t), "traces");
        nce_snn_field(c, snn->parts[t].plastic->post_step, traces * sizeof(uint64_t), "traces");
        if (!c->writing && t + 1 < snn->n_parts) c->at = at;
    }
}

/* Spikes that are still under way: those of the last max_delay steps. */
static void walk_past(nce_snn_cursor *c, nce_snn *snn)
{
    const uint64_t first = snn->step > snn->max_delay ? snn->step - snn->max_delay : 0;
    for (uint64_t s = first; snn->pull && s < snn->step && c->status == NCE_OK; s++) {
        const size_t slot = s & (snn->n_past - 1);
        uint64_t n = 0;
        for (uint32_t t = 0; c->writing && t < snn->n_parts; t++)
            n += snn->parts[t].past_n[slot];
        u64(c, &n, c->size / sizeof(uint32_t), "spikes under way");
        for (uint32_t t = 0; c->writing && t < snn->n_parts; t++) {
            const nce_snn_part *part = &snn->parts[t];
            nce_snn_field(c, part->past + slot * part->room, part->past_n[slot] * sizeof(uint32_t), "spikes under way");
        }
        for (uint64_t k = 0; !c->writing && k < n && c->status == NCE_OK; k++) {
            uint32_t id = 0, t = 0;
            u32(c, &id, 0, snn->n_ids - 1, "spike under way");
            while (t + 1 < snn->n_parts && id / NCE_SNN_LANES >= snn->parts[t].end_block)
                t++;
            nce_snn_part *part = &snn->parts[t];
            if (part->past_n[slot] == part->room)
                fail(c, "spikes under way", n);
            else
                part->past[slot * part->room + part->past_n[slot]++] = id;
        }
    }
}

static void walk_counters(nce_snn_cursor *c, nce_snn *snn)
{
    uint64_t sums[3] = {0};
    for (uint32_t t = 0; t < snn->n_parts; t++) {
        sums[0] += snn->parts[t].synaptic_events;
        sums[1] += snn->parts[t].updates;
        sums[2] += snn->parts[t].skipped;
    }
    nce_snn_field(c, sums, sizeof sums, "counters");
    uint64_t *const counters[] = {&snn->window_deliveries, &snn->window_active, &snn->n_windows, &snn->active_sum,
                                  &snn->spikes};
    for (size_t k = 0; k < sizeof counters / sizeof *counters; k++)
        nce_snn_field(c, counters[k], sizeof(uint64_t), "counters");
    if (c->writing) return;
    snn->parts[0].synaptic_events = sums[0];
    snn->parts[0].updates = sums[1];
    snn->parts[0].skipped = sums[2];
}

static void walk_classes(nce_snn_cursor *c, nce_snn *snn)
{
    uint32_t n = (uint32_t)snn->n_classes;
    u32(c, &n, 0, 254, "plastic connections");
    if (!c->writing && c->status == NCE_OK && n > 0)
        c->status =
            nce_grow(c->ctx, (void **)&snn->classes, &snn->classes_capacity, (size_t)n + 1, sizeof *snn->classes);
    for (uint32_t k = 1; k <= n && c->status == NCE_OK; k++) {
        nce_snn_stdp *s = &snn->classes[k];
        nce_snn_field(c, s, sizeof *s, "plasticity");
        if (!c->writing && c->status == NCE_OK &&
            !(s->tau_plus > 0 && s->tau_minus > 0 && s->w_max > 0 && s->w_min <= s->w_max && s->mu <= 1 &&
              fabs(s->a_plus) < 1e12 && fabs(s->a_minus) < 1e12 && s->tau_plus < 1e12 && s->tau_minus < 1e12 &&
              s->w_max < 1e12 && s->w_min >= 0))
            fail(c, "plasticity of class", k);
    }
    if (!c->writing && c->status == NCE_OK) snn->n_classes = n;
}

void nce_snn_walk_network(nce_snn_cursor *c, nce_snn *snn)
{
    uint32_t n = (uint32_t)snn->n_populations;
    u32(c, &n, 1, 1 << 20, "populations");
    for (uint32_t i = 0; i < n && c->status == NCE_OK; i++)
        walk_population(c, snn, i);
    walk_classes(c, snn);
    u32(c, &snn->n_receptors, 1, 2, "receptors");
    u32(c, &snn->min_delay, 1, NCE_SNN_MAX_INTERVAL, "shortest delay");
    u32(c, &snn->max_delay, 1, 65535, "longest delay");
    u32(c, &snn->equal_delay, 0, 65535, "equal delay");
    if (c->status != NCE_OK) return;
    if (!c->writing) {
        if (snn->equal_delay != 0 && snn->equal_delay != snn->max_delay) fail(c, "equal delay", snn->equal_delay);
        const uint32_t receptors = snn->n_receptors;
        if (c->status == NCE_OK) c->status = nce_snn_layout(snn);
        if (c->status == NCE_OK && snn->n_receptors != receptors) fail(c, "receptors", receptors);
        const uint64_t cells =
            (uint64_t)snn->n_rings * snn->n_receptors * snn->n_waiting * NCE_SNN_LANES * snn->engine->real_bytes;
        if (c->status == NCE_OK && cells > c->size) fail(c, "ring cells", cells);
        if (c->status == NCE_OK) nce_snn_choose_parts(snn);
        if (c->status == NCE_OK) read_synapses(c, snn);
        if (c->status == NCE_OK) c->status = nce_snn_allocate_state(snn);
    } else {
        write_rows(c, snn);
    }
    u64(c, &snn->step, UINT64_C(1) << 62, "step");
    walk_inputs(c, snn);
    for (size_t i = 0; !c->writing && i < snn->n_poissons && c->status == NCE_OK; i++)
        c->status = nce_snn_prepare_poisson(snn, &snn->poissons[i]);
    if (c->status == NCE_OK) walk_state(c, snn);
    if (c->status == NCE_OK) walk_past(c, snn);
    if (c->status == NCE_OK) walk_counters(c, snn);
    if (c->status == NCE_OK && !c->writing && c->at != c->size) fail(c, "bytes after the end", c->size - c->at);
}
