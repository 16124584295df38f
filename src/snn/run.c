/* Running: intervals, workers, barriers.
 *
 * A worker does the parts w, w + W, ...; with fewer threads than parts (the system refused some) nothing changes but
 * the speed.  Per interval: update, barrier, deliver.  What one worker decides for all (failure, cancellation) travels
 * in run_status of an interval's parity: written before that interval's barrier, read after it, so all leave together.
 */
#include "src/snn/network.h"
#include <string.h>
#include <time.h>

typedef struct worker {
    nce_snn *snn;
    uint32_t index;
    pthread_t thread;
} worker;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What a population of a part does in a span: arrivals that come from no synapse, then the update. */
static void update_span(nce_snn *snn, nce_snn_part *part, nce_snn_population *p, const nce_snn_span *span,
                        uint32_t first, uint32_t end, const nce_snn_lists *to)
{
    const uint64_t from = span->behind ? span->step - 1 : span->step;
    for (uint64_t s = from; s < span->step + span->n_steps - (span->stay_behind ? 1 : 0); s++)
        nce_snn_apply_poisson(snn, p, s, first, end);
    snn->engine->update(snn, part, p, span, first, end, to);
}

/* Step after step: a population that may get events, or begins in this span. */
static void update_steps(nce_snn *snn, nce_snn_part *part, nce_snn_population *p, const nce_snn_span *span,
                         unsigned parity, uint32_t first, uint32_t end, const nce_snn_lists *to)
{
    for (uint32_t k = 0; k < span->n_steps; k++) {
        const size_t at = k * to->room;
        const nce_snn_span one = {span->step + k, 1, k == 0 ? span->behind : span->stay_behind, span->stay_behind};
        const nce_snn_lists lists = {to->fired + at, to->offset != NULL ? to->offset + at : NULL, to->room,
                                     to->count + k};
        if (one.step < p->o.onset) continue;
        if (!p->has_ring) {
            *lists.count += nce_snn_update_source(snn, p, one.step, parity, first, end, lists.fired + *lists.count);
            continue;
        }
        nce_snn_apply_events(snn, p, one.step, parity, first, end);
        update_span(snn, part, p, &one, first, end, &lists);
    }
}

/* Whether a population may take the steps of a span at once: nothing happens to it between two of them.  Without synapses
 * there are fewer slots than steps, and Poisson arrivals must not meet in one. */
static bool whole_span(const nce_snn *snn, const nce_snn_population *p, const nce_snn_span *span, unsigned parity)
{
    return snn->n_due[parity] == 0 && span->step >= p->o.onset && span->n_steps <= snn->n_slots;
}

/* A span of all populations of a part; what fires is appended to the lists. */
static void update_populations(nce_snn *snn, nce_snn_part *part, const nce_snn_span *span, unsigned parity,
                               const nce_snn_lists *to)
{
    for (size_t i = 0; i < snn->n_populations; i++) {
        nce_snn_population *p = &snn->populations[i];
        const uint32_t from = p->first_block > part->first_block ? p->first_block : part->first_block;
        const uint32_t until =
            p->first_block + p->n_blocks < part->end_block ? p->first_block + p->n_blocks : part->end_block;
        if (from >= until) continue;
        const uint32_t first = from - p->first_block, end = until - p->first_block;
        if (p->has_ring && (span->n_steps == 0 || whole_span(snn, p, span, parity)))
            update_span(snn, part, p, span, first, end, to);
        else
            update_steps(snn, part, p, span, parity, first, end, to);
    }
}

/* Who fired in a step, for the steps in which it arrives. */
static void remember(const nce_snn *snn, nce_snn_part *part, uint64_t step, const nce_snn_lists *lists)
{
    const size_t slot = step & (snn->n_past - 1);
    memcpy(part->past + slot * part->room, lists->fired, *lists->count * sizeof *part->past);
    part->past_n[slot] = *lists->count;
}

/* Pulled deliveries and probes belong between two steps. */
static void update_part(nce_snn *snn, nce_snn_part *part, const nce_snn_span *interval, unsigned parity)
{
    const nce_snn_lists lists = {part->fired[parity], part->offset[parity], part->room, part->count[parity]};
    memset(lists.count, 0, interval->n_steps * sizeof *lists.count);
    if (!snn->pull && snn->n_probes == 0) {
        update_populations(snn, part, interval, parity, &lists);
        return;
    }
    for (uint32_t k = 0; k < interval->n_steps; k++) {
        const nce_snn_span one = {interval->step + k, 1, false, false};
        const nce_snn_lists to = {lists.fired + k * lists.room,
                                  lists.offset != NULL ? lists.offset + k * lists.room : NULL, lists.room,
                                  lists.count + k};
        if (snn->pull) snn->engine->pull(snn, part, one.step);
        update_populations(snn, part, &one, parity, &to);
        if (snn->pull) remember(snn, part, one.step, &to);
        const nce_status status = nce_snn_record_probes(snn, part, one.step);
        if (status != NCE_OK) atomic_store(&snn->run_status[parity], status);
    }
}

/* A run that ends before its time takes what was left behind. */
static void catch_up(nce_snn *snn, nce_snn_part *part, uint64_t step)
{
    const nce_snn_span span = {.step = step, .behind = true};
    const nce_snn_lists none = {0};
    update_populations(snn, part, &span, 0, &none);
}

static void wait_for_all(nce_snn *snn)
{
    if (snn->n_workers > 1) pthread_barrier_wait(&snn->barrier);
}

/* Worker 0, after the interval's barrier: bookkeeping whose failures the next interval reports. */
static nce_status bookkeeping(nce_snn *snn, uint64_t step, uint64_t end, unsigned parity)
{
    nce_status status = nce_snn_record_interval(snn, step, (uint32_t)(end - step), parity);
    if (snn->progress != NULL && seconds() > snn->progress_at) {
        snn->progress_at = seconds() + 0.1;
        if (!snn->progress(snn->progress_user, end - snn->run_begin, snn->run_end - snn->run_begin))
            status = nce_fail(snn->ctx, NCE_ERR_CANCELLED, "run cancelled at step %llu", (unsigned long long)end);
    }
    return status;
}

static void collect(nce_snn *snn, uint64_t step, unsigned parity)
{
    const nce_snn_span interval = nce_snn_interval(snn, step);
    nce_snn_collect_events(snn, step, step + interval.n_steps, parity);
}

static void run_worker(nce_snn *snn, uint32_t index)
{
    const nce_fp_env fp = nce_fp_enter();
    unsigned parity = 0;
    nce_status status = NCE_OK;
    uint64_t step = snn->step, end;
    bool behind = false;
    for (; step < snn->run_end && status == NCE_OK; step = end, parity ^= 1) {
        const nce_snn_span interval = nce_snn_interval(snn, step);
        end = step + interval.n_steps;
        behind = interval.stay_behind;
        if (index == 0 && end < snn->run_end) collect(snn, end, parity ^ 1);
        for (uint32_t t = index; t < snn->n_parts; t += snn->n_workers)
            update_part(snn, &snn->parts[t], &interval, parity);
        wait_for_all(snn);
        status = (nce_status)atomic_load(&snn->run_status[parity]);
        for (uint32_t t = index; !snn->pull && t < snn->n_parts; t += snn->n_workers)
            snn->engine->deliver(snn, &snn->parts[t], step, interval.n_steps, parity);
        if (index == 0) {
            const nce_status kept = bookkeeping(snn, step, end, parity);
            if (kept != NCE_OK) atomic_store(&snn->run_status[parity ^ 1], kept);
        }
        if (end % NCE_SNN_WINDOW == 0) {
            wait_for_all(snn);
            if (index == 0) nce_snn_window_end(snn, end);
            wait_for_all(snn);
        }
    }
    for (uint32_t t = index; behind && t < snn->n_parts; t += snn->n_workers)
        catch_up(snn, &snn->parts[t], step);
    if (index == 0) {
        snn->step = step;
        if (step < snn->run_end) nce_snn_return_events(snn, parity);
    }
    nce_fp_leave(fp);
}

static void *worker_main(void *user)
{
    worker *w = user;
    pthread_mutex_lock(&w->snn->gate_mutex);
    while (w->snn->n_workers == 0)
        pthread_cond_wait(&w->snn->gate, &w->snn->gate_mutex);
    pthread_mutex_unlock(&w->snn->gate_mutex);
    run_worker(w->snn, w->index);
    return NULL;
}

/* Start as many workers as parts, or as the system gives; worker 0 is the caller. */
static void run_all(nce_snn *snn)
{
    worker workers[NCE_SNN_MAX_PARTS];
    uint32_t n = 1;
    snn->n_workers = 0;
    for (; n < snn->n_parts; n++) {
        workers[n] = (worker){.snn = snn, .index = n};
        if (pthread_create(&workers[n].thread, NULL, worker_main, &workers[n]) != 0) break;
    }
    if (n > 1) pthread_barrier_init(&snn->barrier, NULL, n);
    pthread_mutex_lock(&snn->gate_mutex);
    snn->n_workers = n;
    pthread_cond_broadcast(&snn->gate);
    pthread_mutex_unlock(&snn->gate_mutex);
    run_worker(snn, 0);
    for (uint32_t i = 1; i < n; i++)
        pthread_join(workers[i].thread, NULL);
    if (n > 1) pthread_barrier_destroy(&snn->barrier);
}

nce_status nce_snn_advance(nce_snn *snn, uint64_t n_steps)
{
    if (n_steps == 0) return NCE_OK;
    if (__builtin_add_overflow(snn->step, n_steps, &snn->run_end))
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "run of %llu steps", (unsigned long long)n_steps);
    atomic_store(&snn->run_status[0], NCE_OK);
    atomic_store(&snn->run_status[1], NCE_OK);
    snn->run_begin = snn->step;
    nce_snn_sort_given(snn);
    nce_snn_choose_defer(snn);
    collect(snn, snn->step, 0);
    run_all(snn);
    const int first = atomic_load(&snn->run_status[0]);
    const nce_status status = (nce_status)(first != NCE_OK ? first : atomic_load(&snn->run_status[1]));
    if (status == NCE_ERR_CANCELLED && snn->step == snn->run_end) return NCE_OK; /* asked for at the very end */
    return status;
}

nce_status nce_snn_run(nce_snn *snn, uint64_t n_steps, nce_progress_fn *progress, void *user)
{
    nce_status status = nce_snn_enter(snn, 1, true);
    if (status != NCE_OK) return status;
    snn->progress = progress;
    snn->progress_user = user;
    snn->progress_at = seconds() + 0.1;
    snn->events_limit = UINT64_MAX;
    status = nce_snn_advance(snn, n_steps);
    snn->progress = NULL;
    nce_snn_unlock(snn);
    return status;
}
