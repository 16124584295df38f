/* Inputs: Poisson arrivals, given spikes, and submitted events on their way from the queue to the neurons. */
#include "src/snn/network.h"
#include "src/snn/random.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Poisson ---- */

/* above[k] = P(at most k arrivals) scaled to 2^64: one draw is compared with the table from its beginning. */
nce_status nce_snn_prepare_poisson(nce_snn *snn, nce_snn_poisson *g)
{
    enum { LONGEST = 512 };
    const double lambda = g->rate_hz * snn->o.dt / 1000;
    double term = exp(-lambda), sum = term;
    nce_free(snn->ctx, g->above);
    g->above = nce_alloc_array(snn->ctx, LONGEST, sizeof *g->above);
    if (g->above == NULL) return nce_fail_nomem(snn->ctx, LONGEST * sizeof *g->above);
    g->n_above = 0;
    for (unsigned k = 0; k < LONGEST && (1 - sum > 1e-15 || term > 1e-18 || k < lambda); k++) {
        g->above[g->n_above++] = sum < 1 ? (uint64_t)(sum * 0x1p64) : UINT64_MAX;
        term *= lambda / (k + 1);
        sum += term;
    }
    return NCE_OK;
}

nce_status nce_snn_poisson_add(nce_snn *snn, uint32_t population, uint32_t receptor, double rate_hz, double weight)
{
    nce_snn_poisson g = {.population = population, .receptor = receptor, .rate_hz = rate_hz, .weight = weight};
    nce_status status = nce_snn_enter(snn, 0, true);
    if (status != NCE_OK) return status;
    status = nce_snn_check_population(snn, population);
    const nce_snn_population *p = status == NCE_OK ? &snn->populations[population] : NULL;
    if (status == NCE_OK && (!p->has_ring || receptor > 1 ||
                             (receptor == 1 && (p->o.synapse < NCE_SNN_CURRENT || p->o.model > NCE_SNN_IF))))
        status =
            nce_fail(snn->ctx, NCE_ERR_INVALID, "Poisson input: population %s has no receptor %u", p->name, receptor);
    if (status == NCE_OK && (!(rate_hz >= 0 && rate_hz * snn->o.dt <= 1e5) || !(fabs(weight) <= 1e12)))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID,
                          "Poisson input: rate %g Hz (at most 100 arrivals a step), weight %g", rate_hz, weight);
    if (status == NCE_OK)
        status = nce_grow(snn->ctx, (void **)&snn->poissons, &snn->poissons_capacity, snn->n_poissons + 1, sizeof g);
    if (status == NCE_OK) {
        g.key = nce_snn_key(snn->o.seed, 0x100000000u + snn->n_poissons);
        snn->poissons[snn->n_poissons++] = g;
    }
    nce_snn_unlock(snn);
    return status;
}

static void apply_poisson(nce_snn *snn, const nce_snn_poisson *g, nce_snn_population *p, uint64_t step, uint32_t first,
                          uint32_t end)
{
    const uint64_t key = nce_snn_key(g->key, step);
    const uint32_t stop = end * NCE_SNN_LANES < p->n ? end * NCE_SNN_LANES : p->n;
    if (g->n_above == 0) return;
    for (uint32_t i = first * NCE_SNN_LANES; i < stop; i++) {
        const uint64_t u = nce_snn_draw(key, i);
        uint32_t n = 0;
        while (n < g->n_above && u >= g->above[n])
            n++;
        if (n > 0) snn->engine->add(snn, p, i, step, g->receptor, n * g->weight);
    }
}

/* ---- given spikes ---- */

void nce_snn_sort_given(nce_snn *snn)
{
    if (snn->given_sorted) return;
    nce_snn_sort_events(snn->given, snn->n_given);
    snn->given_sorted = true;
}

static nce_status check_source(nce_snn *snn, uint32_t population)
{
    const nce_status status = nce_snn_check_population(snn, population);
    if (status != NCE_OK || snn->populations[population].o.model == NCE_SNN_SOURCE) return status;
    return nce_fail(snn->ctx, NCE_ERR_INVALID, "population %s is no SOURCE", snn->populations[population].name);
}

/* One spike more; the caller has made room. */
static nce_status append_given(nce_snn *snn, uint32_t population, uint32_t neuron, double time)
{
    const nce_snn_population *p = &snn->populations[population];
    const double step = floor(time / snn->o.dt + 1e-9);
    if (neuron >= p->n || !(time >= 0) || step > 1e15 || (uint64_t)step < snn->step)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "spike of neuron %u at %g ms: population %s has %u, time is %g ms",
                        neuron, time, p->name, p->n, (double)snn->step * snn->o.dt);
    snn->given[snn->n_given++] = (nce_snn_event){(uint64_t)step, p->first + neuron, 0};
    snn->given_sorted = false;
    return NCE_OK;
}

static nce_status room_given(nce_snn *snn, size_t more)
{
    return nce_grow(snn->ctx, (void **)&snn->given, &snn->given_capacity, snn->n_given + more, sizeof *snn->given);
}

nce_status nce_snn_source_add(nce_snn *snn, uint32_t population, size_t n, const uint32_t *neuron, const double *time)
{
    nce_status status = nce_snn_enter(snn, -1, true);
    if (status != NCE_OK) return status;
    const size_t before = snn->n_given;
    status = check_source(snn, population);
    if (status == NCE_OK && n > 0 && (neuron == NULL || time == NULL))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_source_add: NULL");
    if (status == NCE_OK) status = room_given(snn, n);
    for (size_t i = 0; i < n && status == NCE_OK; i++)
        status = append_given(snn, population, neuron[i], time[i]);
    if (status != NCE_OK) snn->n_given = before;
    nce_snn_unlock(snn);
    return status;
}

static nce_status read_spikes(nce_snn *snn, uint32_t population, FILE *f, const char *path)
{
    char line[256], end[2];
    nce_status status = NCE_OK;
    for (size_t number = 1; status == NCE_OK && fgets(line, sizeof line, f) != NULL; number++) {
        unsigned neuron;
        double time;
        if (line[strspn(line, " \t\r\n")] == '\0' || line[strspn(line, " \t")] == '#') continue;
        if (strchr(line, '\n') == NULL && !feof(f))
            return nce_fail(snn->ctx, NCE_ERR_FORMAT, "%s:%zu: the line is longer than %zu bytes", path, number,
                            sizeof line - 2);
        if (sscanf(line, "%u %lf %1s", &neuron, &time, end) != 2)
            return nce_fail(snn->ctx, NCE_ERR_FORMAT, "%s:%zu: expected 'neuron time_ms'", path, number);
        status = room_given(snn, 1);
        if (status == NCE_OK && append_given(snn, population, neuron, time) != NCE_OK)
            status = nce_fail(snn->ctx, NCE_ERR_FORMAT, "%s:%zu: neuron %u at %g ms is out of range", path, number,
                              neuron, time);
    }
    if (status == NCE_OK && ferror(f)) status = nce_fail(snn->ctx, NCE_ERR_IO, "%s: cannot be read", path);
    return status;
}

nce_status nce_snn_source_load(nce_snn *snn, uint32_t population, const char *path)
{
    nce_status status = nce_snn_enter(snn, -1, true);
    if (status != NCE_OK) return status;
    const size_t before = snn->n_given;
    status = check_source(snn, population);
    if (status == NCE_OK && path == NULL) status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_source_load: NULL");
    FILE *f = status == NCE_OK ? fopen(path, "r") : NULL;
    if (status == NCE_OK && f == NULL) status = nce_fail(snn->ctx, NCE_ERR_IO, "%s: cannot be opened", path);
    if (status == NCE_OK) status = read_spikes(snn, population, f, path);
    if (f != NULL) fclose(f);
    if (status != NCE_OK) snn->n_given = before;
    nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_source_clear(nce_snn *snn)
{
    const nce_status status = nce_snn_enter(snn, -1, true);
    if (status != NCE_OK) return status;
    snn->n_given = 0;
    nce_snn_unlock(snn);
    return NCE_OK;
}

/* ---- events ---- */

static nce_snn_population *population_of(nce_snn *snn, uint32_t id)
{
    size_t lo = 0, hi = snn->n_populations;
    while (hi - lo > 1) {
        const size_t middle = (lo + hi) / 2;
        if (snn->populations[middle].first <= id)
            lo = middle;
        else
            hi = middle;
    }
    return &snn->populations[lo];
}

static void schedule(nce_snn *snn, nce_snn_event e, uint64_t step)
{
    e.step = step;
    if (nce_snn_calendar_insert(&snn->calendar, &e)) return;
    nce_snn_queue_release(&snn->queue, 1);
    atomic_fetch_add(&snn->dropped, 1);
}

/* Steps of a processing interval. */
static uint64_t interval_steps(const nce_snn *snn)
{
    const double n = floor(snn->control.interval_us / 1000.0 / snn->o.dt + 0.5);
    return n < 1 ? 1 : (uint64_t)n;
}

/* An event for a source becomes spikes by the encoding in force. */
static void encode(nce_snn *snn, nce_snn_event e)
{
    const double x = e.amplitude / snn->control.scale_mv;
    const uint64_t n = interval_steps(snn), key = nce_snn_key(snn->o.seed, 0x200000000u + e.neuron);
    bool one = true;
    switch (snn->control.encoding) {
    case NCE_SNN_ENCODE_RATE: /* each spike holds a place of its own; the event gives up the one it has */
        for (uint64_t k = 0; k < n; k++)
            if (nce_snn_uniform(nce_snn_draw(key, e.step + k)) < x) {
                nce_snn_queue_hold(&snn->queue, 1);
                schedule(snn, e, e.step + k);
            }
        one = false;
        break;
    case NCE_SNN_ENCODE_TEMPORAL:
        one = x > 0;
        e.step += x < 1 ? (uint64_t)((1 - x) * (double)n) : 0;
        break;
    case NCE_SNN_ENCODE_DELTA:
        one = fabs((double)e.amplitude - (double)snn->delta_last[e.neuron]) >= snn->control.scale_mv;
        if (one) snn->delta_last[e.neuron] = e.amplitude;
        break;
    default:
        break;
    }
    if (one)
        schedule(snn, e, e.step);
    else
        nce_snn_queue_release(&snn->queue, 1);
}

void nce_snn_collect_events(nce_snn *snn, uint64_t step, uint64_t end, unsigned parity)
{
    nce_snn_event e;
    uint64_t taken = 0;
    for (; taken < snn->events_limit && nce_snn_queue_pop(&snn->queue, &e); taken++) {
        if (e.step < step) {
            e.step = step;
            snn->late++;
        }
        if (population_of(snn, e.neuron)->o.model == NCE_SNN_SOURCE)
            encode(snn, e);
        else
            schedule(snn, e, e.step);
    }
    if (snn->events_limit != UINT64_MAX) snn->events_limit -= taken;
    size_t n = 0;
    for (uint64_t s = step; s < end && snn->calendar.count > 0; s++)
        n += nce_snn_calendar_take(&snn->calendar, s, snn->due[parity] + n);
    nce_snn_queue_release(&snn->queue, n);
    snn->applied += n;
    snn->n_due[parity] = n;
}

/* A run ended before these were applied. */
void nce_snn_return_events(nce_snn *snn, unsigned parity)
{
    const size_t n = snn->n_due[parity];
    snn->n_due[parity] = 0;
    snn->applied -= n;
    nce_snn_queue_hold(&snn->queue, n);
    for (size_t i = 0; i < n; i++)
        schedule(snn, snn->due[parity][i], snn->due[parity][i].step);
}

/* First entry at or after (step, id). */
static size_t find(const nce_snn_event *events, size_t n, uint64_t step, uint32_t id)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t middle = (lo + hi) / 2;
        if (events[middle].step < step || (events[middle].step == step && events[middle].neuron < id))
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static bool is_due(const nce_snn_event *events, size_t n, size_t i, uint64_t step, uint32_t end_id)
{
    return i < n && events[i].step == step && events[i].neuron < end_id;
}

void nce_snn_apply_poisson(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end)
{
    for (size_t i = 0; i < snn->n_poissons; i++)
        if (&snn->populations[snn->poissons[i].population] == p)
            apply_poisson(snn, &snn->poissons[i], p, step, first, end);
}

void nce_snn_apply_events(nce_snn *snn, nce_snn_population *p, uint64_t step, unsigned parity, uint32_t first,
                          uint32_t end)
{
    const nce_snn_event *due = snn->due[parity];
    const size_t n = snn->n_due[parity];
    if (n == 0) return;
    for (size_t i = find(due, n, step, p->first + first * NCE_SNN_LANES);
         is_due(due, n, i, step, p->first + end * NCE_SNN_LANES); i++)
        snn->engine->jump(snn, p, due[i].neuron - p->first, step, due[i].amplitude);
}

size_t nce_snn_update_source(nce_snn *snn, nce_snn_population *p, uint64_t step, unsigned parity, uint32_t first,
                             uint32_t end, uint32_t *fired)
{
    size_t count = 0;
    const uint32_t stop = end * NCE_SNN_LANES < p->n ? end * NCE_SNN_LANES : p->n;
    if (p->o.model == NCE_SNN_POISSON) {
        const uint64_t key = nce_snn_key(nce_snn_key(snn->o.seed, 0x300000000u + p->first), step);
        const double x = p->o.rate_hz * snn->o.dt / 1000;
        for (uint32_t i = first * NCE_SNN_LANES; i < stop; i++)
            if (nce_snn_uniform(nce_snn_draw(key, i)) < x) fired[count++] = p->first + i;
        return count;
    }
    /* merge the given spikes and the events due, each neuron once */
    const nce_snn_event *given = snn->given, *due = snn->due[parity];
    const size_t n_given = snn->n_given, n_due = snn->n_due[parity];
    const uint32_t end_id = p->first + end * NCE_SNN_LANES;
    size_t g = find(given, n_given, step, p->first + first * NCE_SNN_LANES),
           d = find(due, n_due, step, p->first + first * NCE_SNN_LANES);
    for (;;) {
        const bool more_given = is_due(given, n_given, g, step, end_id), more_due = is_due(due, n_due, d, step, end_id);
        if (!more_given && !more_due) return count;
        const bool take_given = more_given && (!more_due || given[g].neuron <= due[d].neuron);
        const uint32_t id = take_given ? given[g++].neuron : due[d++].neuron;
        if (count == 0 || fired[count - 1] != id) fired[count++] = id;
    }
}
