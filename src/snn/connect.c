/* Connections given as lists or matrices.  They wait, ordered by source, until nce_snn_build merges all of them. */
#include "src/snn/network.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_snn_connection) == 24 + 8 * 9, "ABI: grows only at the end");

nce_status nce_snn_delay_steps(nce_snn *snn, double delay, uint32_t *steps)
{
    const double n = floor(delay / snn->o.dt + 0.5);
    if (!(delay >= 0) || n > 65535)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "delay %g ms is outside 0..%g", delay, 65535 * snn->o.dt);
    *steps = n < 1 ? 1 : (uint32_t)n;
    return NCE_OK;
}

static nce_status check_stdp(nce_snn *snn, const nce_snn_stdp *s)
{
    if (!s->enabled) return NCE_OK;
    if (s->tau_plus > 0 && s->tau_minus > 0 && s->w_min <= s->w_max && s->w_max > 0 && s->w_min >= 0 && s->mu <= 1 &&
        isfinite(s->a_plus) && isfinite(s->a_minus) && isfinite(s->tau_plus) && isfinite(s->tau_minus) &&
        isfinite(s->w_max))
        return NCE_OK;
    return nce_fail(
        snn->ctx, NCE_ERR_INVALID,
        "stdp: needs tau_plus, tau_minus > 0, 0 <= w_min <= w_max, w_max > 0, mu 0 or 1, finite a_plus, a_minus");
}

/* Read and check a connection; the new projection is not yet part of the network. */
nce_status nce_snn_projection_begin(nce_snn *snn, const nce_snn_connection *options, nce_snn_projection *q)
{
    q->c = (nce_snn_connection)NCE_SNN_CONNECTION_INIT;
    if (options == NULL) return nce_fail(snn->ctx, NCE_ERR_INVALID, "connection: NULL");
    nce_status status = nce_read_options(snn->ctx, &q->c, sizeof q->c, options, "nce_snn_connection");
    if (status == NCE_OK) status = nce_snn_check_population(snn, q->c.pre);
    if (status == NCE_OK) status = nce_snn_check_population(snn, q->c.post);
    if (status == NCE_OK) status = check_stdp(snn, &q->c.stdp);
    if (status == NCE_OK) status = nce_snn_delay_steps(snn, q->c.delay, &q->delay);
    if (status != NCE_OK) return status;
    const nce_snn_population *post = &snn->populations[q->c.post];
    if (!post->has_ring)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "connection to population %s: a source takes no synapses",
                        post->name);
    if (q->c.receptor > 1 || (q->c.receptor == 1 && (post->o.synapse < NCE_SNN_CURRENT || post->o.model > NCE_SNN_IF)))
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "connection to population %s: it has no receptor %u", post->name,
                        q->c.receptor);
    if (!(fabs(q->c.weight) <= 1e12)) return nce_fail(snn->ctx, NCE_ERR_INVALID, "connection: weight %g", q->c.weight);
    q->key = snn->n_projections;
    q->min_delay = q->max_delay = q->delay;
    return NCE_OK;
}

/* Hand the finished projection to the network, or free it. */
nce_status nce_snn_projection_take(nce_snn *snn, nce_snn_projection *q)
{
    nce_status status = NCE_OK;
    if (q->c.stdp.enabled) {
        if (snn->n_classes == 254) status = nce_fail(snn->ctx, NCE_ERR_LIMIT, "more than 254 plastic connections");
        if (status == NCE_OK)
            status = nce_grow(snn->ctx, (void **)&snn->classes, &snn->classes_capacity, snn->n_classes + 2,
                              sizeof *snn->classes);
        q->stdp_class = (uint32_t)snn->n_classes + 1;
    }
    if (status == NCE_OK)
        status = nce_grow(snn->ctx, (void **)&snn->projections, &snn->projections_capacity, snn->n_projections + 1,
                          sizeof *q);
    if (status != NCE_OK) return status;
    if (q->stdp_class != 0) snn->classes[++snn->n_classes] = q->c.stdp;
    snn->projections[snn->n_projections++] = *q;
    return NCE_OK;
}

void nce_snn_projection_drop(nce_snn *snn, nce_snn_projection *q)
{
    nce_context *ctx = snn->ctx;
    nce_free(ctx, q->row);
    nce_free(ctx, q->post);
    nce_free(ctx, q->weight);
    nce_free(ctx, q->delays);
    nce_free(ctx, q->counts);
}

static nce_status allocate_list(nce_snn *snn, nce_snn_projection *q, size_t n, bool weights, bool delays)
{
    const uint32_t n_pre = snn->populations[q->c.pre].n;
    q->row = nce_alloc_array(snn->ctx, (size_t)n_pre + 2, sizeof *q->row);
    q->post = nce_alloc_array(snn->ctx, n, sizeof *q->post);
    if (weights) q->weight = nce_alloc_array(snn->ctx, n, sizeof *q->weight);
    if (delays) q->delays = nce_alloc_array(snn->ctx, n, sizeof *q->delays);
    const bool ok = q->row && q->post && (!weights || q->weight) && (!delays || q->delays);
    return ok ? NCE_OK : nce_fail_nomem(snn->ctx, n * sizeof *q->weight);
}

/* Counting sort by source; synapses of a source keep their order. */
static nce_status fill_list(nce_snn *snn, nce_snn_projection *q, size_t n, const uint32_t *pre, const uint32_t *post,
                            const double *weight, const double *delay)
{
    const uint32_t n_pre = snn->populations[q->c.pre].n, n_post = snn->populations[q->c.post].n;
    for (size_t i = 0; i < n; i++) {
        if (pre[i] >= n_pre || post[i] >= n_post)
            return nce_fail(snn->ctx, NCE_ERR_INVALID, "synapse %zu: %u to %u, populations have %u and %u neurons", i,
                            pre[i], post[i], n_pre, n_post);
        if (weight != NULL && !(fabs(weight[i]) <= 1e12))
            return nce_fail(snn->ctx, NCE_ERR_INVALID, "synapse %zu: weight %g", i, weight[i]);
        q->row[pre[i] + 2]++;
    }
    for (uint32_t s = 0; s < n_pre; s++)
        q->row[s + 2] += q->row[s + 1];
    uint32_t lo = UINT32_MAX, hi = 0, steps;
    for (size_t i = 0; i < n; i++) {
        const uint64_t at = q->row[pre[i] + 1]++;
        q->post[at] = post[i];
        if (weight != NULL) q->weight[at] = weight[i];
        if (delay == NULL) continue;
        const nce_status status = nce_snn_delay_steps(snn, delay[i], &steps);
        if (status != NCE_OK) return status;
        q->delays[at] = (uint16_t)steps;
        lo = steps < lo ? steps : lo;
        hi = steps > hi ? steps : hi;
    }
    if (delay != NULL && n > 0) {
        q->min_delay = lo;
        q->max_delay = hi;
    }
    return NCE_OK;
}

static nce_status connect_list(nce_snn *snn, const nce_snn_connection *c, size_t n, const uint32_t *pre,
                               const uint32_t *post, const double *weight, const double *delay)
{
    nce_snn_projection q = {0};
    nce_status status = nce_snn_projection_begin(snn, c, &q);
    if (status == NCE_OK && n > 0 && (pre == NULL || post == NULL))
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_connect: NULL list");
    if (status == NCE_OK) status = allocate_list(snn, &q, n, weight != NULL, delay != NULL);
    if (status == NCE_OK) status = fill_list(snn, &q, n, pre, post, weight, delay);
    if (status == NCE_OK) status = nce_snn_projection_take(snn, &q);
    if (status != NCE_OK) nce_snn_projection_drop(snn, &q);
    return status;
}

nce_status nce_snn_connect(nce_snn *snn, const nce_snn_connection *c, size_t n, const uint32_t *pre,
                           const uint32_t *post, const double *weight, const double *delay)
{
    nce_status status = nce_snn_enter(snn, 0, true);
    if (status != NCE_OK) return status;
    status = connect_list(snn, c, n, pre, post, weight, delay);
    nce_snn_unlock(snn);
    return status;
}

static nce_status connect_dense(nce_snn *snn, const nce_snn_connection *c, const float *weights)
{
    nce_snn_projection q = {0};
    nce_status status = nce_snn_projection_begin(snn, c, &q);
    if (status == NCE_OK && weights == NULL)
        status = nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_connect_dense: NULL matrix");
    if (status != NCE_OK) return status;
    const size_t n_pre = snn->populations[q.c.pre].n, n_post = snn->populations[q.c.post].n;
    size_t n = 0;
    for (size_t i = 0; i < n_pre * n_post && status == NCE_OK; i++) {
        if (!(fabsf(weights[i]) <= 1e12f))
            status = nce_fail(snn->ctx, NCE_ERR_INVALID, "matrix: weight [%zu][%zu] is %g", i / n_pre, i % n_pre,
                              (double)weights[i]);
        n += weights[i] != 0;
    }
    if (status == NCE_OK) status = allocate_list(snn, &q, n, true, false);
    uint64_t at = 0;
    for (size_t s = 0; s < n_pre && status == NCE_OK; s++) {
        for (size_t t = 0; t < n_post; t++) {
            const float w = weights[t * n_pre + s];
            if (w == 0) continue;
            q.post[at] = (uint32_t)t;
            q.weight[at++] = w;
        }
        q.row[s + 1] = at;
    }
    if (status == NCE_OK) status = nce_snn_projection_take(snn, &q);
    if (status != NCE_OK) nce_snn_projection_drop(snn, &q);
    return status;
}

nce_status nce_snn_connect_dense(nce_snn *snn, const nce_snn_connection *c, const float *weights)
{
    nce_status status = nce_snn_enter(snn, 0, true);
    if (status != NCE_OK) return status;
    status = connect_dense(snn, c, weights);
    nce_snn_unlock(snn);
    return status;
}
