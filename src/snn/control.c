/* The control surface: options, submitted events, and the background run.
 *
 * The background thread takes the network's lock for one processing interval at a time and lets waiting entries in
 * between two of them, so queries from other threads are answered within an interval. */
#include "src/snn/network.h"
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <time.h>

_Static_assert(sizeof(nce_snn_control_options) == 40, "ABI: grows only at the end");

nce_status nce_snn_configure(nce_snn *snn, const nce_snn_control_options *options)
{
    nce_snn_control_options o = NCE_SNN_CONTROL_OPTIONS_INIT;
    nce_status status = nce_snn_enter(snn, -1, true);
    if (status != NCE_OK) return status;
    status = nce_read_options(snn->ctx, &o, sizeof o, options, "nce_snn_control_options");
    if (o.events_per_cycle == 0) o.events_per_cycle = 4096;
    if (o.interval_us == 0) o.interval_us = 1000;
    if (o.scale_mv == 0) o.scale_mv = 1;
    if (status == NCE_OK &&
        (o.encoding > NCE_SNN_ENCODE_DELTA || (o.flags & ~(uint32_t)(NCE_SNN_FREE_RUN | NCE_SNN_WOULD_BLOCK))))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "control: encoding %u, flags %u", o.encoding, o.flags);
    if (status == NCE_OK && !(o.target_sparsity >= 0 && o.target_sparsity < 1))
        status =
            nce_fail(snn->ctx, NCE_ERR_INVALID, "control: target_sparsity %g is outside [0, 1)", o.target_sparsity);
    if (status == NCE_OK && !(o.scale_mv > 0 && o.scale_mv < 1e9))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "control: scale_mv %g is outside 0..1e9", o.scale_mv);
    if (status == NCE_OK && o.interval_us / 1000.0 < snn->o.dt * 0.999)
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "control: interval of %u us is shorter than a step of %g ms",
                          o.interval_us, snn->o.dt);
    if (status == NCE_OK) {
        snn->control = o;
        atomic_store(&snn->would_block, (o.flags & NCE_SNN_WOULD_BLOCK) != 0);
    }
    nce_snn_unlock(snn);
    return status;
}

/* No lock: population tables do not change once built, and the queue is made for this. */
nce_status nce_snn_submit(nce_snn *snn, uint32_t population, uint32_t neuron, uint64_t time_us, float amplitude_mv)
{
    if (snn == NULL) return NCE_ERR_INVALID;
    if (!__atomic_load_n(&snn->built, __ATOMIC_ACQUIRE))
        return nce_fail(snn->ctx, NCE_ERR_STATE, "network: call nce_snn_build first");
    if (population >= snn->n_populations || neuron >= snn->populations[population].n ||
        !(fabsf(amplitude_mv) <= 1e9f) || snn->populations[population].o.model == NCE_SNN_POISSON)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "event: population %u, neuron %u, %g mV", population, neuron,
                        (double)amplitude_mv);
    const uint64_t step = (uint64_t)floor((double)time_us / 1000 / snn->o.dt + 1e-9);
    const nce_snn_event e = {step, snn->populations[population].first + neuron, amplitude_mv};
    if (nce_snn_queue_push(&snn->queue, &e)) return NCE_OK;
    if (!atomic_load_explicit(&snn->would_block, memory_order_relaxed)) atomic_fetch_add(&snn->dropped, 1);
    return nce_fail(snn->ctx, NCE_ERR_BUSY, "event queue: all %u places are taken", snn->o.queue_capacity);
}

static void add_us(struct timespec *t, uint64_t us)
{
    const uint64_t ns = (uint64_t)t->tv_nsec + us % 1000000 * 1000;
    t->tv_sec += (time_t)(us / 1000000 + ns / 1000000000);
    t->tv_nsec = (long)(ns % 1000000000);
}

static void *background(void *user)
{
    nce_snn *snn = user;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!atomic_load(&snn->stop)) {
        while (atomic_load(&snn->waiting) > 0 && !atomic_load(&snn->stop))
            sched_yield();
        pthread_mutex_lock(&snn->mutex);
        const uint64_t us = snn->control.interval_us, n = (uint64_t)floor((double)us / 1000 / snn->o.dt + 0.5);
        const bool wait = !(snn->control.flags & NCE_SNN_FREE_RUN);
        snn->events_limit = snn->control.events_per_cycle;
        const nce_status status = nce_snn_advance(snn, n > 0 ? n : 1);
        if (status != NCE_OK) snn->thread_status = status;
        pthread_mutex_unlock(&snn->mutex);
        if (status != NCE_OK) return NULL;
        add_us(&next, us);
        while (wait && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR &&
               !atomic_load(&snn->stop)) {
        }
    }
    return NULL;
}

nce_status nce_snn_start(nce_snn *snn)
{
    nce_status status = nce_snn_enter(snn, 1, true);
    if (status != NCE_OK) return status;
    atomic_store(&snn->stop, false);
    snn->thread_status = NCE_OK;
    snn->progress = NULL;
    snn->thread_on = true;
    if (pthread_create(&snn->thread, NULL, background, snn) != 0) {
        snn->thread_on = false;
        status = nce_fail(snn->ctx, NCE_ERR_LIMIT, "background run: the system has no thread left");
    }
    nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_stop(nce_snn *snn)
{
    nce_status status = nce_snn_enter(snn, 1, false);
    if (status != NCE_OK) return status;
    const bool on = snn->thread_on && !atomic_exchange(&snn->stop, true);
    const pthread_t thread = snn->thread;
    nce_snn_unlock(snn);
    if (!on) return nce_fail(snn->ctx, NCE_ERR_STATE, "background run: it is not on");
    pthread_join(thread, NULL);
    nce_snn_lock(snn);
    snn->thread_on = false;
    status = snn->thread_status;
    nce_snn_unlock(snn);
    if (status == NCE_OK) return NCE_OK;
    return nce_fail(snn->ctx, status, "background run ended at step %llu: %s", (unsigned long long)snn->step,
                    nce_status_name(status));
}
