/* Random connections, generated source by source from counter-based streams.
 *
 * Nothing but the counts per source is stored: nce_snn_build asks for each row twice (to count, then to fill) and gets
 * the same one, so a network of 3e8 synapses needs no memory beyond its final form. */
#include "src/snn/network.h"
#include "src/snn/random.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_snn_random) == 56, "ABI: grows only at the end");

enum { STREAM_TARGETS = 1, STREAM_VALUES = 2, STREAM_COUNTS = 3, STREAM_INDEGREE = 4 };

/* ---- values ---- */

static double draw_weight(const nce_snn_projection *q, double z)
{
    return q->c.weight + q->r.weight_sd * z;
}

static bool same_sign(double w, double mean)
{
    return mean == 0 || (w > 0) == (mean > 0);
}

/* Weights and delays of a row: a pair of normals per synapse, redrawn for a weight of the wrong sign. */
static void row_values(const nce_snn *snn, const nce_snn_projection *q, uint64_t key, uint32_t n, double *weight,
                       uint16_t *delay)
{
    nce_snn_stream s = {nce_snn_key(key, STREAM_VALUES), 0};
    for (uint32_t i = 0; i < n; i++) {
        double z[2] = {0, 0}, w = q->c.weight, d = q->delay;
        if (q->r.weight_sd > 0 || q->r.delay_sd > 0) {
            do {
                nce_snn_normal2(&s, z);
                w = draw_weight(q, z[0]);
            } while (q->r.weight_sd > 0 && !same_sign(w, q->c.weight));
        }
        if (q->r.delay_sd > 0) {
            d = floor((q->c.delay + q->r.delay_sd * z[1]) / snn->o.dt + 0.5);
            d = d < 1 ? 1 : d > q->max_delay ? q->max_delay : d;
        }
        weight[i] = w;
        delay[i] = (uint16_t)d;
    }
}

/* ---- targets ---- */

/* LSD radix sort by bytes; scratch has room for n. */
static void sort_targets(uint32_t *a, uint32_t *scratch, uint32_t n, uint32_t below)
{
    for (unsigned shift = 0; shift < 32 && (below - 1) >> shift != 0; shift += 8) {
        uint32_t at[257] = {0};
        for (uint32_t i = 0; i < n; i++)
            at[(a[i] >> shift & 255) + 1]++;
        for (int k = 0; k < 256; k++)
            at[k + 1] += at[k];
        for (uint32_t i = 0; i < n; i++)
            scratch[at[a[i] >> shift & 255]++] = a[i];
        memcpy(a, scratch, n * sizeof *a);
    }
}

static uint32_t pairwise_row(const nce_snn_projection *q, uint64_t key, uint32_t source, uint32_t n_post,
                             uint32_t *post)
{
    const bool skip_self = q->r.no_autapses && q->c.pre == q->c.post;
    const double scale = q->r.p < 1 ? 1 / nce_snn_ln(1 - q->r.p) : 0;
    nce_snn_stream s = {nce_snn_key(key, STREAM_TARGETS), 0};
    uint32_t n = 0;
    if (q->r.p < 1e-15) return 0;
    for (double at = -1;;) { /* geometric gaps between the targets hit */
        at += 1 + (q->r.p < 1 ? floor(nce_snn_ln(1 - nce_snn_uniform(nce_snn_next(&s))) * scale) : 0);
        if (at >= n_post) return n;
        if (!(skip_self && (uint32_t)at == source)) post[n++] = (uint32_t)at;
    }
}

uint64_t nce_snn_random_row_bound(const nce_snn *snn, const nce_snn_projection *q)
{
    const uint32_t n_pre = snn->populations[q->c.pre].n;
    uint64_t most = 0;
    if (q->r.rule == NCE_SNN_PAIRWISE) return snn->populations[q->c.post].n;
    for (uint32_t s = 0; s < n_pre; s++) {
        const uint64_t n = q->counts != NULL ? q->counts[s] : q->row[s + 1] - q->row[s];
        most = n > most ? n : most;
    }
    return most;
}

/* A row of a list, or of a rule. */
uint32_t nce_snn_random_row(const nce_snn *snn, const nce_snn_projection *q, uint32_t source, uint32_t *post,
                            double *weight, uint16_t *delay, uint32_t *scratch)
{
    const uint32_t n_post = snn->populations[q->c.post].n;
    const uint64_t key = nce_snn_key(q->key, 16 + (uint64_t)source);
    uint32_t n;
    if (q->row != NULL) {
        const uint64_t begin = q->row[source];
        n = (uint32_t)(q->row[source + 1] - begin);
        memcpy(post, q->post + begin, n * sizeof *post);
        if (weight == NULL) return n;
        if (q->r.rule == 0) {
            for (uint32_t i = 0; i < n; i++) {
                weight[i] = q->weight != NULL ? q->weight[begin + i] : q->c.weight;
                delay[i] = q->delays != NULL ? q->delays[begin + i] : (uint16_t)q->delay;
            }
            return n;
        }
    } else if (q->r.rule == NCE_SNN_PAIRWISE) {
        n = pairwise_row(q, key, source, n_post, post);
    } else {
        nce_snn_stream s = {nce_snn_key(key, STREAM_TARGETS), 0};
        n = q->counts[source];
        for (uint32_t i = 0; i < n; i++)
            post[i] = nce_snn_below(nce_snn_next(&s), n_post);
        sort_targets(post, scratch, n, n_post);
    }
    if (weight != NULL) row_values(snn, q, key, n, weight, delay);
    return n;
}

/* ---- setting up ---- */

static nce_status count_sources(nce_snn *snn, nce_snn_projection *q)
{
    const uint32_t n_pre = snn->populations[q->c.pre].n;
    nce_snn_stream s = {nce_snn_key(q->key, STREAM_COUNTS), 0};
    q->counts = nce_alloc_array(snn->ctx, n_pre, sizeof *q->counts);
    if (q->counts == NULL) return nce_fail_nomem(snn->ctx, n_pre * sizeof *q->counts);
    for (uint64_t i = 0; i < q->r.n; i++)
        q->counts[nce_snn_below(nce_snn_next(&s), n_pre)]++;
    return NCE_OK;
}

static uint32_t indegree_source(const nce_snn_projection *q, nce_snn_stream *s, uint32_t n_pre, uint32_t target)
{
    const bool skip_self = q->r.no_autapses && q->c.pre == q->c.post;
    uint32_t source;
    do
        source = nce_snn_below(nce_snn_next(s), n_pre);
    while (skip_self && source == target);
    return source;
}

/* The rule is by target, rows are by source: draw twice, count and place. */
static nce_status place_indegree(nce_snn *snn, nce_snn_projection *q)
{
    const uint32_t n_pre = snn->populations[q->c.pre].n, n_post = snn->populations[q->c.post].n;
    uint64_t total;
    if (__builtin_mul_overflow(q->r.n, (uint64_t)n_post, &total) || total > UINT64_C(1) << 40)
        return nce_fail(snn->ctx, NCE_ERR_LIMIT, "in-degree %llu for %u neurons", (unsigned long long)q->r.n, n_post);
    q->row = nce_alloc_array(snn->ctx, (size_t)n_pre + 2, sizeof *q->row);
    q->post = nce_alloc_array(snn->ctx, total, sizeof *q->post);
    if (q->row == NULL || q->post == NULL) return nce_fail_nomem(snn->ctx, total * sizeof *q->post);
    for (int pass = 0; pass < 2; pass++) {
        nce_snn_stream s = {nce_snn_key(q->key, STREAM_INDEGREE), 0};
        for (uint32_t t = 0; t < n_post; t++)
            for (uint64_t k = 0; k < q->r.n; k++) {
                const uint32_t source = indegree_source(q, &s, n_pre, t);
                if (pass == 0)
                    q->row[source + 2]++;
                else
                    q->post[q->row[source + 1]++] = t;
            }
        for (uint32_t i = 0; pass == 0 && i < n_pre; i++)
            q->row[i + 2] += q->row[i + 1];
    }
    return NCE_OK;
}

static nce_status check_rule(nce_snn *snn, nce_snn_projection *q, const nce_snn_random *options)
{
    nce_snn_random *r = &q->r;
    *r = (nce_snn_random)NCE_SNN_RANDOM_INIT;
    if (options == NULL) return nce_fail(snn->ctx, NCE_ERR_INVALID, "nce_snn_connect_random: NULL");
    const nce_status status = nce_read_options(snn->ctx, r, sizeof *r, options, "nce_snn_random");
    if (status != NCE_OK) return status;
    if (r->rule < NCE_SNN_PAIRWISE || r->rule > NCE_SNN_FIXED_INDEGREE ||
        (r->rule == NCE_SNN_PAIRWISE && !(r->p >= 0 && r->p <= 1)))
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "random connection: rule %u with p %g", r->rule, r->p);
    if (!(r->weight_sd >= 0 && r->weight_sd < 1e12) || !(r->delay_sd >= 0 && r->delay_sd < 1e9))
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "random connection: weight_sd %g, delay_sd %g", r->weight_sd,
                        r->delay_sd);
    if (r->rule == NCE_SNN_FIXED_TOTAL && r->n > UINT64_C(1) << 40)
        return nce_fail(snn->ctx, NCE_ERR_LIMIT, "random connection: %llu synapses", (unsigned long long)r->n);
    if (r->rule == NCE_SNN_FIXED_INDEGREE && r->no_autapses && q->c.pre == q->c.post &&
        snn->populations[q->c.pre].n == 1 && r->n > 0)
        return nce_fail(snn->ctx, NCE_ERR_INVALID, "random connection: one neuron cannot have inputs without autapses");
    q->key = nce_snn_key(r->seed != 0 ? r->seed : snn->o.seed, r->seed != 0 ? 0 : 1 + q->key);
    if (r->delay_sd > 0) {
        const nce_status limit = nce_snn_delay_steps(snn, q->c.delay + 6 * r->delay_sd, &q->max_delay);
        q->min_delay = 1;
        return limit;
    }
    return NCE_OK;
}

nce_status nce_snn_connect_random(nce_snn *snn, const nce_snn_connection *c, const nce_snn_random *r)
{
    nce_snn_projection q = {0};
    nce_status status = nce_snn_enter(snn, 0, true);
    if (status != NCE_OK) return status;
    status = nce_snn_projection_begin(snn, c, &q);
    if (status == NCE_OK) status = check_rule(snn, &q, r);
    if (status == NCE_OK && q.r.rule == NCE_SNN_FIXED_TOTAL) status = count_sources(snn, &q);
    if (status == NCE_OK && q.r.rule == NCE_SNN_FIXED_INDEGREE) status = place_indegree(snn, &q);
    if (status == NCE_OK) status = nce_snn_projection_take(snn, &q);
    if (status != NCE_OK) nce_snn_projection_drop(snn, &q);
    nce_snn_unlock(snn);
    return status;
}
