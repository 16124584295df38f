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

/* An interval ends at the shortest delay, at the end of a window, or at the end of the run. */
static uint64_t interval_end(const nce_snn *snn, uint64_t step)
{
    const uint64_t end = step + snn->min_delay, window = (step / NCE_SNN_WINDOW + 1) * NCE_SNN_WINDOW;
    const uint64_t first = end < window ? end : window;
    return first < snn->run_end ? first : snn->run_end;
}

/* One step of the populations of a part; what fires is appended to its list. */
static void update_step(nce_snn *snn, nce_snn_part *part, uint64_t step, unsigned parity, size_t *n)
{
    for (size_t i = 0; i < snn->n_populations; i++) {
        nce_snn_population *p = &snn->populations[i];
        const uint32_t from = p->first_block > part->first_block ? p->first_block : part->first_block;
        const uint32_t to =
            p->first_block + p->n_blocks < part->end_block ? p->first_block + p->n_blocks : part->end_block;
        if (from >= to || step < p->o.onset) continue;
        const uint32_t first = from - p->first_block, end = to - p->first_block;
        uint32_t *fired = part->fired[parity] + *n;
        double *offset = part->offset[parity] != NULL ? part->offset[parity] + *n : NULL;
        if (!p->has_ring) {
            *n += nce_snn_update_source(snn, p, step, parity, first, end, fired);
            continue;
        }
        nce_snn_apply_inputs(snn, p, step, parity, first, end);
        *n += snn->engine->update(snn, part, p, step, first, end, fired, offset);
    }
}

/* Who fired in a step, for the steps in which it arrives. */
static void remember(const nce_snn *snn, nce_snn_part *part, uint64_t step, unsigned parity, size_t begin, size_t end)
{
    const size_t slot = step & (snn->n_past - 1);
    memcpy(part->past + slot * part->past_room, part->fired[parity] + begin, (end - begin) * sizeof *part->past);
    part->past_n[slot] = end - begin;
}

static void update_part(nce_snn *snn, nce_snn_part *part, uint64_t step, uint64_t end, unsigned parity)
{
    size_t n = 0;
    part->begin[parity][0] = 0;
    for (uint64_t s = step; s < end; s++) {
        if (snn->pull) snn->engine->pull(snn, part, s);
        update_step(snn, part, s, parity, &n);
        part->begin[parity][s - step + 1] = n;
        if (snn->pull) remember(snn, part, s, parity, part->begin[parity][s - step], n);
        const nce_status status = nce_snn_record_probes(snn, part, s);
        if (status != NCE_OK) atomic_store(&snn->run_status[parity], status);
    }
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

static void run_worker(nce_snn *snn, uint32_t index)
{
    const nce_fp_env fp = nce_fp_enter();
    unsigned parity = 0;
    nce_status status = NCE_OK;
    uint64_t step = snn->step, end;
    for (; step < snn->run_end && status == NCE_OK; step = end, parity ^= 1) {
        end = interval_end(snn, step);
        if (index == 0 && end < snn->run_end) nce_snn_collect_events(snn, end, interval_end(snn, end), parity ^ 1);
        for (uint32_t t = index; t < snn->n_parts; t += snn->n_workers)
            update_part(snn, &snn->parts[t], step, end, parity);
        wait_for_all(snn);
        status = (nce_status)atomic_load(&snn->run_status[parity]);
        for (uint32_t t = index; !snn->pull && t < snn->n_parts; t += snn->n_workers)
            for (uint64_t s = step; s < end; s++)
                snn->engine->deliver(snn, &snn->parts[t], s, parity, (uint32_t)(s - step));
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
    nce_snn_collect_events(snn, snn->step, interval_end(snn, snn->step), 0);
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
