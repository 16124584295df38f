/* Creation and destruction of networks, and the door every entry goes through. */
#include "src/snn/network.h"
#include <sched.h>
#include <string.h>

_Static_assert(sizeof(nce_snn_options) == 40, "ABI: grows only at the end");

void nce_snn_lock(nce_snn *snn)
{
    atomic_fetch_add(&snn->waiting, 1);
    pthread_mutex_lock(&snn->mutex);
    atomic_fetch_sub(&snn->waiting, 1);
}

void nce_snn_unlock(nce_snn *snn)
{
    pthread_mutex_unlock(&snn->mutex);
}

nce_status nce_snn_enter(nce_snn *snn, int built, bool exclusive)
{
    nce_status status = NCE_OK;
    if (snn == NULL) return NCE_ERR_INVALID;
    nce_snn_lock(snn);
    if (snn->broken)
        status = nce_fail(snn->ctx, NCE_ERR_STATE, "network: nce_snn_build failed; only destroy is allowed");
    else if (built == 1 && !snn->built)
        status = nce_fail(snn->ctx, NCE_ERR_STATE, "network: call nce_snn_build first");
    else if (built == 0 && snn->built)
        status = nce_fail(snn->ctx, NCE_ERR_STATE, "network: already built");
    else if (exclusive && snn->thread_on)
        status = nce_fail(snn->ctx, NCE_ERR_STATE, "network: the background run is on; call nce_snn_stop first");
    if (status != NCE_OK) nce_snn_unlock(snn);
    return status;
}

nce_status nce_snn_check_population(nce_snn *snn, uint32_t population)
{
    if (population < snn->n_populations) return NCE_OK;
    return nce_fail(snn->ctx, NCE_ERR_INVALID, "population %u: the network has %zu", population, snn->n_populations);
}

nce_status nce_snn_create(nce_context *ctx, const nce_snn_options *options, nce_snn **out)
{
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    const nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_snn_options");
    if (status != NCE_OK) return status;
    if (o.dt == 0) o.dt = 0.1;
    if (o.queue_capacity == 0) o.queue_capacity = 4096;
    if (!(o.dt >= 1e-6 && o.dt <= 1e6)) return nce_fail(ctx, NCE_ERR_INVALID, "dt %g ms is outside 1e-6..1e6", o.dt);
    if (o.precision > NCE_SNN_F64) return nce_fail(ctx, NCE_ERR_INVALID, "precision %u is unknown", o.precision);
    if (o.n_threads > NCE_SNN_MAX_PARTS)
        return nce_fail(ctx, NCE_ERR_INVALID, "n_threads %u is above %d", o.n_threads, NCE_SNN_MAX_PARTS);
    if (o.queue_capacity < 2 || o.queue_capacity > 1u << 20 || (o.queue_capacity & (o.queue_capacity - 1)) ||
        o.reserved)
        return nce_fail(ctx, NCE_ERR_INVALID, "queue_capacity %u is no power of two from 2 to 2^20", o.queue_capacity);
    nce_snn *snn = nce_alloc_zero(ctx, sizeof *snn);
    if (snn == NULL) return nce_fail_nomem(ctx, sizeof *snn);
    snn->ctx = ctx;
    snn->o = o;
    snn->engine = o.precision == NCE_SNN_F64 ? &nce_snn_engine_f64 : &nce_snn_engine_f32;
    nce_snn_ops_init(&snn->ops, ctx->cpu);
    pthread_mutex_init(&snn->mutex, NULL);
    pthread_mutex_init(&snn->gate_mutex, NULL);
    pthread_cond_init(&snn->gate, NULL);
    snn->control = (nce_snn_control_options)NCE_SNN_CONTROL_OPTIONS_INIT;
    snn->control.events_per_cycle = 4096;
    snn->control.interval_us = 1000;
    snn->control.scale_mv = 1;
    snn->events_limit = UINT64_MAX;
    const nce_status queue = nce_snn_queue_init(ctx, &snn->queue, o.queue_capacity);
    if (queue != NCE_OK) {
        nce_snn_destroy(snn);
        return queue;
    }
    *out = snn;
    return NCE_OK;
}

static void free_population(nce_context *ctx, nce_snn_population *p)
{
    for (int k = 0; k < NCE_SNN_PARAM_COUNT_; k++)
        nce_free(ctx, p->each[k]);
    nce_free(ctx, p->coefs);
    nce_free(ctx, p->i_e);
    nce_free(ctx, p->n_ref);
    nce_free(ctx, p->decay);
    nce_free(ctx, p->rec_neuron);
    nce_free(ctx, p->rec_time);
}

static void free_projection(nce_context *ctx, nce_snn_projection *q)
{
    nce_free(ctx, q->row);
    nce_free(ctx, q->post);
    nce_free(ctx, q->weight);
    nce_free(ctx, q->delays);
    nce_free(ctx, q->counts);
}

static void free_part(nce_context *ctx, nce_snn_part *part)
{
    nce_free(ctx, part->row);
    nce_free(ctx, part->base);
    nce_free(ctx, part->weight);
    nce_free(ctx, part->delay8);
    nce_free(ctx, part->delay16);
    for (int k = 0; k < 2; k++) {
        nce_free(ctx, part->fired[k]);
        nce_free(ctx, part->offset[k]);
    }
    nce_free(ctx, part->due_blocks);
    nce_free(ctx, part->group);
    nce_free(ctx, part->past);
    nce_free(ctx, part->past_n);
    nce_snn_plastic *s = part->plastic;
    if (s == NULL) return;
    void *const arrays[] = {s->cls, s->in_row, s->in_edge, s->in_source, s->pre, s->post, s->pre_step, s->post_step, s};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        nce_free(ctx, arrays[k]);
}

void nce_snn_destroy(nce_snn *snn)
{
    if (snn == NULL) return;
    nce_context *ctx = snn->ctx;
    if (snn->thread_on) nce_snn_stop(snn);
    for (size_t i = 0; i < snn->n_populations; i++)
        free_population(ctx, &snn->populations[i]);
    for (size_t i = 0; i < snn->n_projections; i++)
        free_projection(ctx, &snn->projections[i]);
    for (size_t i = 0; i < snn->n_poissons; i++)
        nce_free(ctx, snn->poissons[i].above);
    for (size_t i = 0; i < snn->n_probes; i++)
        nce_free(ctx, snn->probes[i].values);
    for (uint32_t i = 0; i < snn->n_parts; i++)
        free_part(ctx, &snn->parts[i]);
    void *const arrays[] = {snn->populations, snn->projections, snn->poissons,  snn->probes, snn->given,  snn->classes,
                            snn->ring_first,  snn->v,           snn->s0,        snn->s1,     snn->ref,    snn->ring,
                            snn->ref_ms,      snn->touched,     snn->active,    snn->seen,   snn->due[0], snn->due[1],
                            snn->delta_last,  snn->spike_count, snn->last_spike};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        nce_free(ctx, arrays[k]);
    nce_snn_calendar_finish(ctx, &snn->calendar);
    nce_snn_queue_finish(ctx, &snn->queue);
    pthread_mutex_destroy(&snn->mutex);
    pthread_mutex_destroy(&snn->gate_mutex);
    pthread_cond_destroy(&snn->gate);
    nce_free(ctx, snn);
}

uint64_t nce_snn_step(nce_snn *snn)
{
    if (nce_snn_enter(snn, -1, false) != NCE_OK) return 0;
    const uint64_t step = snn->step;
    nce_snn_unlock(snn);
    return step;
}

double nce_snn_dt(nce_snn *snn)
{
    return snn != NULL ? snn->o.dt : 0;
}

uint32_t nce_snn_n_populations(nce_snn *snn)
{
    if (nce_snn_enter(snn, -1, false) != NCE_OK) return 0;
    const uint32_t n = (uint32_t)snn->n_populations;
    nce_snn_unlock(snn);
    return n;
}

uint64_t nce_snn_n_synapses(nce_snn *snn)
{
    if (nce_snn_enter(snn, 1, false) != NCE_OK) return 0;
    const uint64_t n = snn->n_synapses;
    nce_snn_unlock(snn);
    return n;
}
