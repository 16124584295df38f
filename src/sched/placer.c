/* Cache-aware placement.  The directory answers how much of the prompt each node holds in one walk along the chain;
 * what is left is a handful of additions per node. */
#include "nce/sched_place.h"
#include "src/core/runtime/context.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_node_profile) == 72, "ABI: grows only at the end");
_Static_assert(sizeof(nce_placer_options) == 56, "ABI: grows only at the end");
_Static_assert(sizeof(nce_place_query) == 56, "ABI: grows only at the end");
_Static_assert(sizeof(nce_placement) == 72, "ABI: grows only at the end");
enum { HEADS = 1024, DEFAULT_HEAD_BLOCKS = 4 };
static const double head_half_life = 256;

/* A chain head and its recent uses; the table is direct-mapped, a cooler head gives way. */
typedef struct head_use {
    nce_block_hash name;
    double uses;
    uint64_t at; /* placement that used it last */
} head_use;

typedef struct node_state {
    nce_node_profile profile;
    double busy_until_s;
    size_t free_blocks;
} node_state;

struct nce_placer {
    nce_context *ctx;
    nce_kv_directory *directory;
    nce_placer_options o;
    node_state nodes[NCE_MAX_NODES];
    uint64_t present; /* nodes in use */
    uint64_t clock;   /* placements */
    head_use heads[HEADS];
};

nce_status nce_placer_create(nce_kv_directory *directory, nce_context *ctx, const nce_placer_options *options,
                             nce_placer **out)
{
    nce_placer_options o = NCE_PLACER_OPTIONS_INIT;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL || directory == NULL)
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_placer_create: an argument is NULL");
    const nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_placer_options");
    if (status != NCE_OK) return status;
    const double weights[] = {o.prefill_weight, o.energy_weight, o.price_weight, o.block_bytes, o.hot_uses};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (!(weights[i] >= 0 && weights[i] <= 1e30))
            return nce_fail(ctx, NCE_ERR_INVALID, "placer: weight %zu is %g, allowed 0..1e30", i, weights[i]);
    nce_placer *p = nce_alloc_zero(ctx, sizeof *p);
    if (p == NULL) return nce_fail_nomem(ctx, sizeof *p);
    if (o.prefill_weight == 0) o.prefill_weight = 2;
    if (o.hot_uses == 0) o.hot_uses = 16;
    if (o.head_blocks == 0) o.head_blocks = DEFAULT_HEAD_BLOCKS;
    p->ctx = ctx;
    p->directory = directory;
    p->o = o;
    *out = p;
    return NCE_OK;
}

void nce_placer_destroy(nce_placer *p)
{
    if (p != NULL) nce_free(p->ctx, p);
}

nce_status nce_placer_set_node(nce_placer *p, uint32_t node, const nce_node_profile *profile)
{
    if (p == NULL) return NCE_ERR_INVALID;
    if (node >= NCE_MAX_NODES)
        return nce_fail(p->ctx, NCE_ERR_INVALID, "placer: no node %u, allowed 0..%d", node, NCE_MAX_NODES - 1);
    const uint64_t bit = UINT64_C(1) << node;
    p->present &= ~bit;
    if (profile == NULL) return NCE_OK;
    nce_node_profile o = NCE_NODE_PROFILE_INIT;
    const nce_status status = nce_read_options(p->ctx, &o, sizeof o, profile, "nce_node_profile");
    if (status != NCE_OK) return status;
    const double values[] = {o.block_s,     o.block_growth,      o.request_s, o.decode_s,
                             o.fetch_rtt_s, o.fetch_bytes_per_s, o.power_w,   o.price_per_s};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!(values[i] >= 0 && values[i] <= 1e30) || o.block_s == 0)
            return nce_fail(p->ctx, NCE_ERR_INVALID, "placer: value %zu of the profile of node %u is %g", i, node,
                            values[i]);
    p->nodes[node] = (node_state){o, 0, SIZE_MAX};
    p->present |= bit;
    return NCE_OK;
}

nce_status nce_placer_set_load(nce_placer *p, uint32_t node, double busy_until_s, size_t free_blocks)
{
    if (p == NULL) return NCE_ERR_INVALID;
    if (node >= NCE_MAX_NODES || !(p->present >> node & 1) || isnan(busy_until_s))
        return nce_fail(p->ctx, NCE_ERR_INVALID, "placer: no node %u, or busy until %g", node, busy_until_s);
    p->nodes[node].busy_until_s = busy_until_s;
    p->nodes[node].free_blocks = free_blocks;
    return NCE_OK;
}

double nce_node_prefill_s(const nce_node_profile *profile, size_t first, size_t end)
{
    if (profile == NULL || end <= first) return 0;
    const double a = (double)first, b = (double)end;
    return profile->block_s * ((b - a) + profile->block_growth * (b * (b - 1) - a * (a - 1)) / 2);
}

/* The node that holds most, and how much; matched is narrowed to nodes present. */
static uint32_t best_holder(const nce_placer *p, const uint32_t matched[64])
{
    uint32_t best = NCE_NO_NODE;
    for (uint64_t left = p->present; left != 0; left &= left - 1) {
        const uint32_t node = (uint32_t)__builtin_ctzll(left);
        if (best == NCE_NO_NODE || matched[node] > matched[best]) best = node;
    }
    return best;
}

/* What serving the request on a node would be like. */
static nce_placement consider(const nce_placer *p, const nce_place_query *q, const uint32_t matched[64],
                              uint32_t holder, uint32_t node)
{
    const node_state *s = &p->nodes[node];
    nce_placement x = {.node = node, .matched_blocks = matched[node], .fetch_from = NCE_NO_NODE};
    const uint32_t extra = matched[holder] - matched[node];
    if (extra > 0 && p->o.block_bytes > 0 && s->profile.fetch_bytes_per_s > 0) {
        const double fetch = s->profile.fetch_rtt_s + extra * p->o.block_bytes / s->profile.fetch_bytes_per_s;
        if (fetch < nce_node_prefill_s(&s->profile, matched[node], matched[holder])) {
            x.fetch_blocks = extra;
            x.fetch_from = holder;
            x.transfer_s = fetch;
        }
    }
    x.queue_s = fmax(0, s->busy_until_s - q->now_s);
    x.prefill_s = nce_node_prefill_s(&s->profile, matched[node] + x.fetch_blocks, q->n_blocks) + s->profile.request_s;
    x.first_token_s = q->now_s + x.queue_s + x.transfer_s + x.prefill_s;
    x.cost = x.queue_s + p->o.prefill_weight * x.prefill_s + x.transfer_s +
             p->o.energy_weight * s->profile.power_w * x.prefill_s +
             p->o.price_weight * s->profile.price_per_s * x.prefill_s;
    if (q->n_blocks - x.matched_blocks + q->new_blocks > s->free_blocks)
        x.reason = NCE_REJECT_MEMORY;
    else if (q->deadline_s > 0 && x.first_token_s > q->deadline_s)
        x.reason = NCE_REJECT_DEADLINE;
    return x;
}

/* Is a beside b the better choice.  Nodes that can serve it come first, then cost, then the session's node: rotating
 * ties would scatter sessions over all caches. */
static bool better(const nce_placement *a, const nce_placement *b, uint32_t previous)
{
    if ((a->reason == NCE_REJECT_NONE) != (b->reason == NCE_REJECT_NONE)) return a->reason == NCE_REJECT_NONE;
    if (a->reason != NCE_REJECT_NONE && a->reason != b->reason) return a->reason == NCE_REJECT_DEADLINE;
    if (a->reason == NCE_REJECT_DEADLINE) return a->first_token_s < b->first_token_s;
    if (a->cost != b->cost) return a->cost < b->cost;
    return a->node == previous;
}

/* Count a use of the prompt's head; true if it is hot. */
static bool count_head(nce_placer *p, const nce_place_query *q)
{
    if (p->o.replicas == 0 || q->n_blocks < p->o.head_blocks) return false;
    const nce_block_hash *name = &q->blocks[p->o.head_blocks - 1];
    head_use *h = &p->heads[name->lo % HEADS];
    const double kept = h->uses * exp2(-(double)(p->clock - h->at) / head_half_life);
    const bool same = h->name.lo == name->lo && h->name.hi == name->hi;
    if (!same && kept > 1) return false;
    *h = (head_use){*name, same ? kept + 1 : 1, p->clock};
    return h->uses >= p->o.hot_uses;
}

/* The least busy node that lacks the head, if copies are wanted beyond the chosen node's. */
static uint32_t copy_target(const nce_placer *p, const nce_place_query *q, const uint32_t matched[64], uint32_t chosen)
{
    const uint32_t missing =
        nce_kv_directory_missing(p->directory, q->blocks, p->o.head_blocks, p->o.replicas, p->present);
    const bool chosen_adds = matched[chosen] < p->o.head_blocks;
    uint32_t target = NCE_NO_NODE;
    if (missing <= chosen_adds) return target;
    for (uint64_t left = p->present; left != 0; left &= left - 1) {
        const uint32_t node = (uint32_t)__builtin_ctzll(left);
        if (node == chosen || matched[node] >= p->o.head_blocks) continue;
        if (target == NCE_NO_NODE || p->nodes[node].busy_until_s < p->nodes[target].busy_until_s) target = node;
    }
    return target;
}

nce_status nce_placer_place(nce_placer *p, const nce_place_query *query, nce_placement *out)
{
    nce_place_query q = NCE_PLACE_QUERY_INIT;
    uint32_t matched[64];
    if (p == NULL) return NCE_ERR_INVALID;
    const nce_status status = nce_read_options(p->ctx, &q, sizeof q, query, "nce_place_query");
    if (status != NCE_OK) return status;
    if (query == NULL || out == NULL || out->struct_size < sizeof out->struct_size ||
        (q.blocks == NULL && q.n_blocks > 0) || q.n_blocks > UINT32_MAX || isnan(q.now_s) || isnan(q.deadline_s) ||
        q.reserved != 0)
        return nce_fail(p->ctx, NCE_ERR_INVALID, "nce_placer_place: an argument is missing or not a number");
    if (p->present == 0) return nce_fail(p->ctx, NCE_ERR_STATE, "placer: there are no nodes");
    nce_kv_directory_match(p->directory, q.blocks, q.n_blocks, matched);
    const uint32_t holder = best_holder(p, matched);
    nce_placement best = {.node = NCE_NO_NODE};
    for (uint64_t left = p->present; left != 0; left &= left - 1) {
        const nce_placement x = consider(p, &q, matched, holder, (uint32_t)__builtin_ctzll(left));
        if (best.node == NCE_NO_NODE || better(&x, &best, q.previous)) best = x;
    }
    p->clock++;
    best.replicate_to = NCE_NO_NODE;
    if (best.reason == NCE_REJECT_NONE && count_head(p, &q)) best.replicate_to = copy_target(p, &q, matched, best.node);
    if (best.reason != NCE_REJECT_NONE) best.node = NCE_NO_NODE;
    best.struct_size = out->struct_size;
    memcpy(out, &best, out->struct_size < sizeof best ? out->struct_size : sizeof best);
    return NCE_OK;
}

double nce_load_variation(const double *loads, size_t n)
{
    double mean = 0, square = 0;
    if (loads == NULL || n == 0) return 0;
    for (size_t i = 0; i < n; i++)
        mean += loads[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (loads[i] - mean) * (loads[i] - mean) / (double)n;
    return mean != 0 ? sqrt(square) / fabs(mean) : 0;
}
