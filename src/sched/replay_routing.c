/* Replay of a trace over several nodes: each has one first-in first-out prefill queue and an LRU pool of blocks, which
 * the shared directory mirrors.  Time is trace time; a node's death returns what it had not finished, in order of
 * arrival, to be placed again.  Every completion is counted against its request, so a lost or doubled one shows. */
#include "src/sched/trace.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(nce_replay_options) == 128, "ABI: grows only at the end");
_Static_assert(sizeof(nce_replay_report) == 72, "ABI: grows only at the end");

typedef struct sim sim;

typedef struct sim_node {
    sim *owner;
    uint32_t index;
    nce_kv_cache *cache;
    double free_at_s, busy_s;
    uint32_t first, last; /* unfinished requests in order; UINT32_MAX: none */
    bool alive;
} sim_node;

typedef struct sim_request {
    double finish_s, ttft_s;
    uint32_t next; /* in its node's queue */
    uint32_t n_completed;
} sim_request;

struct sim {
    const nce_trace *t;
    nce_replay_options o;
    nce_kv_directory *directory;
    nce_placer *placer;
    sim_node nodes[NCE_MAX_NODES];
    sim_request *requests;
    double *scratch;
    uint64_t n_queried, n_hit, n_restarted;
    uint32_t turn; /* of round robin */
};

static void on_evicted(void *user, const nce_block_hash *block)
{
    const sim_node *n = user;
    nce_kv_directory_drop(n->owner->directory, n->index, block, 1);
}

/* The node for a request by the policy; NCE_NO_NODE if none is alive. */
static nce_status choose(sim *s, const nce_trace_row *row, double now, uint32_t *out)
{
    const nce_block_hash *blocks = s->t->blocks + row->first_block;
    if (s->o.policy == NCE_REPLAY_CACHE_AWARE) {
        nce_place_query q = NCE_PLACE_QUERY_INIT;
        nce_placement x = NCE_PLACEMENT_INIT;
        q.blocks = blocks;
        q.n_blocks = row->n_blocks;
        q.now_s = now;
        const nce_status status = nce_placer_place(s->placer, &q, &x);
        *out = x.node;
        return status;
    }
    uint32_t matched[64] = {0}, best = NCE_NO_NODE;
    if (s->o.policy == NCE_REPLAY_MAX_PREFIX) nce_kv_directory_match(s->directory, blocks, row->n_blocks, matched);
    for (uint32_t i = 0; i < s->o.n_nodes; i++) {
        const uint32_t k = s->o.policy == NCE_REPLAY_ROUND_ROBIN ? (s->turn + i) % s->o.n_nodes : i;
        if (!s->nodes[k].alive) continue;
        const bool first = best == NCE_NO_NODE;
        const double queue = fmax(0, s->nodes[k].free_at_s - now);
        const double best_queue = first ? 0 : fmax(0, s->nodes[best].free_at_s - now);
        const bool longer = !first && matched[k] > matched[best], as_long = !first && matched[k] == matched[best];
        if (first || longer || (as_long && queue < best_queue && s->o.policy != NCE_REPLAY_ROUND_ROBIN)) best = k;
    }
    if (s->o.policy == NCE_REPLAY_ROUND_ROBIN) s->turn = best + 1;
    *out = best;
    return best != NCE_NO_NODE ? NCE_OK : nce_fail(s->t->ctx, NCE_ERR_LIMIT, "replay: no node is alive");
}

static nce_status submit(sim *s, uint32_t request, double now)
{
    const nce_trace_row *row = &s->t->requests[request];
    const nce_block_hash *blocks = s->t->blocks + row->first_block;
    uint32_t k = NCE_NO_NODE;
    size_t hit = 0;
    nce_status status = choose(s, row, now, &k);
    if (status != NCE_OK) return status;
    sim_node *n = &s->nodes[k];
    status = nce_kv_cache_access(n->cache, blocks, row->n_blocks, &hit);
    /* The pool may be smaller than one request: publish what stayed. */
    if (status == NCE_OK)
        status = nce_kv_directory_publish(s->directory, k, blocks, nce_kv_cache_match(n->cache, blocks, row->n_blocks));
    if (status != NCE_OK) return status;
    const double work = nce_node_prefill_s(&s->o.profile, hit, row->n_blocks) + s->o.profile.request_s;
    s->n_queried += row->n_blocks;
    s->n_hit += hit;
    n->free_at_s = fmax(now, n->free_at_s) + work;
    n->busy_s += work;
    s->requests[request].finish_s = n->free_at_s;
    s->requests[request].next = UINT32_MAX;
    if (n->first == UINT32_MAX)
        n->first = request;
    else
        s->requests[n->last].next = request;
    n->last = request;
    return nce_placer_set_load(s->placer, k, n->free_at_s, SIZE_MAX);
}

/* Complete what the nodes have finished by now. */
static void advance(sim *s, double now)
{
    for (uint32_t k = 0; k < s->o.n_nodes; k++) {
        sim_node *n = &s->nodes[k];
        while (n->alive && n->first != UINT32_MAX && s->requests[n->first].finish_s <= now) {
            sim_request *r = &s->requests[n->first];
            r->n_completed++;
            r->ttft_s = r->finish_s - s->t->requests[n->first].arrival_s * s->o.time_scale;
            n->first = r->next;
        }
    }
}

static nce_status kill_node(sim *s, uint32_t k, double now)
{
    sim_node *n = &s->nodes[k];
    n->alive = false;
    nce_status status = nce_kv_directory_drop_node(s->directory, k);
    if (status == NCE_OK) status = nce_placer_set_node(s->placer, k, NULL);
    uint32_t request = n->first;
    n->first = UINT32_MAX;
    while (request != UINT32_MAX && status == NCE_OK) {
        const uint32_t next = s->requests[request].next; /* submit reuses the link */
        status = submit(s, request, now);
        s->n_restarted++;
        request = next;
    }
    return status;
}

static nce_status run(sim *s)
{
    nce_status status = NCE_OK;
    bool killed = s->o.kill_node_at_s <= 0;
    for (uint32_t i = 0; i < s->t->n_requests && status == NCE_OK; i++) {
        const double now = s->t->requests[i].arrival_s * s->o.time_scale;
        if (!killed && now >= s->o.kill_node_at_s) {
            killed = true;
            advance(s, s->o.kill_node_at_s);
            status = kill_node(s, s->o.kill_node, s->o.kill_node_at_s);
        }
        advance(s, now);
        if (status == NCE_OK) status = submit(s, i, now);
    }
    advance(s, INFINITY);
    return status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static nce_status report(sim *s, nce_replay_report *out)
{
    const size_t n = s->t->n_requests;
    nce_replay_report full = {.struct_size = out->struct_size, .n_completed = n, .n_restarted = s->n_restarted};
    double busy[NCE_MAX_NODES];
    size_t n_alive = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->requests[i].n_completed != 1)
            return nce_fail(s->t->ctx, NCE_ERR_INTERNAL, "replay: request %zu completed %u times", i,
                            s->requests[i].n_completed);
        full.ttft_mean_s += s->requests[i].ttft_s / (double)n;
        s->scratch[i] = s->requests[i].ttft_s;
    }
    qsort(s->scratch, n, sizeof *s->scratch, ascending);
    full.ttft_p50_s = s->scratch[n / 2];
    full.ttft_p90_s = s->scratch[n * 9 / 10];
    full.ttft_p99_s = s->scratch[n * 99 / 100];
    full.hit_rate = s->n_queried > 0 ? (double)s->n_hit / (double)s->n_queried : 0;
    for (uint32_t k = 0; k < s->o.n_nodes; k++)
        if (s->nodes[k].alive) busy[n_alive++] = s->nodes[k].busy_s;
    full.load_variation = nce_load_variation(busy, n_alive);
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

static nce_status start(sim *s)
{
    nce_context *ctx = s->t->ctx;
    nce_placer_options po = NCE_PLACER_OPTIONS_INIT;
    po.prefill_weight = s->o.prefill_weight;
    s->requests = nce_alloc_array(ctx, s->t->n_requests, sizeof *s->requests);
    s->scratch = nce_alloc_array(ctx, s->t->n_requests, sizeof *s->scratch);
    if (s->requests == NULL || s->scratch == NULL) return nce_fail_nomem(ctx, s->t->n_requests * sizeof *s->requests);
    nce_status status = nce_kv_directory_create(ctx, NULL, &s->directory);
    if (status == NCE_OK) status = nce_placer_create(s->directory, ctx, &po, &s->placer);
    for (uint32_t k = 0; k < s->o.n_nodes && status == NCE_OK; k++) {
        nce_kv_cache_options co = NCE_KV_CACHE_OPTIONS_INIT;
        s->nodes[k] = (sim_node){.owner = s, .index = k, .first = UINT32_MAX, .alive = true};
        co.budget_blocks = s->o.blocks_per_node;
        co.policy = NCE_KV_LRU;
        co.evicted = on_evicted;
        co.user = &s->nodes[k];
        status = nce_kv_cache_create(ctx, &co, &s->nodes[k].cache);
        if (status == NCE_OK) status = nce_placer_set_node(s->placer, k, &s->o.profile);
    }
    return status;
}

static nce_status read_options(const nce_trace *t, const nce_replay_options *given, nce_replay_options *o)
{
    *o = (nce_replay_options)NCE_REPLAY_OPTIONS_INIT;
    const nce_status status = nce_read_options(t->ctx, o, sizeof *o, given, "nce_replay_options");
    if (status != NCE_OK) return status;
    if (o->n_nodes == 0) o->n_nodes = 8;
    if (o->blocks_per_node == 0) o->blocks_per_node = 5000;
    if (o->time_scale == 0) o->time_scale = 1;
    if (o->profile.block_s == 0) {
        o->profile.block_s = 0.03;
        o->profile.block_growth = 1.0 / 64;
        o->profile.request_s = 0.02;
    }
    o->profile.struct_size = sizeof o->profile;
    if (o->policy > NCE_REPLAY_MAX_PREFIX || o->n_nodes > NCE_MAX_NODES ||
        !(o->time_scale > 0 && o->time_scale <= 1e6) || o->kill_node >= o->n_nodes || !(o->kill_node_at_s >= 0) ||
        o->reserved != 0)
        return nce_fail(t->ctx, NCE_ERR_INVALID,
                        "replay: policy %u, %u nodes, time_scale %g or kill_node %u out of range", o->policy,
                        o->n_nodes, o->time_scale, o->kill_node);
    return NCE_OK;
}

nce_status nce_replay_routing(const nce_trace *t, const nce_replay_options *options, nce_replay_report *out)
{
    if (t == NULL) return NCE_ERR_INVALID;
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_replay_routing: no report, or its struct_size is not set");
    sim *s = nce_alloc_zero(t->ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(t->ctx, sizeof *s);
    s->t = t;
    nce_status status = read_options(t, options, &s->o);
    if (status == NCE_OK) status = start(s);
    if (status == NCE_OK) status = run(s);
    if (status == NCE_OK) status = report(s, out);
    for (uint32_t k = 0; k < NCE_MAX_NODES; k++)
        nce_kv_cache_destroy(s->nodes[k].cache);
    nce_placer_destroy(s->placer);
    nce_kv_directory_destroy(s->directory);
    nce_free(t->ctx, s->requests);
    nce_free(t->ctx, s->scratch);
    nce_free(t->ctx, s);
    return status;
}
