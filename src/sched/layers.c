/* Layer placement.  best[set][l] is the least value (sum or maximum of stages) that runs the first l layers on exactly
 * the nodes of a set; the next node takes the next run of layers.  In a given order the set becomes "the first k
 * nodes", which makes the same recurrence linear in the nodes. */
#include "nce/sched_layers.h"
#include "src/core/runtime/context.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_layers_problem) == 64, "ABI: grows only at the end");
enum { MAX_LAYERS = 1024, MAX_FREE_ORDER = 12 };

typedef struct choice {
    double value;    /* infinity: impossible */
    uint16_t before; /* layers run by the others */
    uint8_t node;
} choice;

typedef struct plan {
    nce_layers_problem p;
    double bytes[MAX_LAYERS + 1], work[MAX_LAYERS + 1]; /* of the first l layers */
    choice *best;                                       /* [sets or 1 + nodes][n_layers + 1] */
} plan;

static choice *at(const plan *x, size_t set, uint32_t layers)
{
    return &x->best[set * (x->p.n_layers + 1) + layers];
}

static nce_status check(nce_context *ctx, const nce_layers_problem *p)
{
    if (p->n_layers == 0 || p->n_layers > MAX_LAYERS || p->n_nodes == 0 || p->n_nodes > NCE_MAX_NODES ||
        p->goal > NCE_LAYERS_PROPORTIONAL)
        return nce_fail(ctx, NCE_ERR_INVALID, "layers: %u layers (1..%d), %u nodes (1..%d), goal %u", p->n_layers,
                        MAX_LAYERS, p->n_nodes, NCE_MAX_NODES, p->goal);
    if (p->layer_bytes == NULL || p->node_bytes == NULL || (p->node_s == NULL && p->goal != NCE_LAYERS_PROPORTIONAL))
        return nce_fail(ctx, NCE_ERR_INVALID, "layers: layer_bytes, node_bytes or node_s is missing");
    const struct {
        const char *name;
        const double *values;
        uint32_t n;
    } all[] = {{"layer_bytes", p->layer_bytes, p->n_layers},
               {"layer_work", p->layer_work, p->n_layers},
               {"node_bytes", p->node_bytes, p->n_nodes},
               {"node_s", p->node_s, p->n_nodes},
               {"node_hop_s", p->node_hop_s, p->n_nodes}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (uint32_t i = 0; all[k].values != NULL && i < all[k].n; i++)
            if (!(all[k].values[i] >= 0 && all[k].values[i] <= 1e30))
                return nce_fail(ctx, NCE_ERR_INVALID, "layers: %s[%u] is %g, allowed 0..1e30", all[k].name, i,
                                all[k].values[i]);
    return NCE_OK;
}

/* Does a run of layers fit a node; memory is compared with the rounding of the prefix sums allowed for. */
static bool fits(const plan *x, uint32_t node, uint32_t first, uint32_t end)
{
    return x->bytes[end] - x->bytes[first] <= x->p.node_bytes[node] + 1e-12 * x->bytes[x->p.n_layers];
}

static double stage_s(const plan *x, uint32_t node, uint32_t first, uint32_t end)
{
    const double hop = x->p.node_hop_s != NULL ? x->p.node_hop_s[node] : 0;
    return hop + (x->work[end] - x->work[first]) * x->p.node_s[node];
}

/* Let a node run the next layers after every state of `from`, improving the states of `to`. */
static void extend(const plan *x, size_t from, size_t to, uint32_t node)
{
    const uint32_t n = x->p.n_layers;
    for (uint32_t l = 0; l < n; l++) {
        const double before = at(x, from, l)->value;
        if (before == INFINITY) continue;
        for (uint32_t end = l + 1; end <= n && fits(x, node, l, end); end++) {
            const double stage = stage_s(x, node, l, end);
            const double value = x->p.goal == NCE_LAYERS_LATENCY ? before + stage : fmax(before, stage);
            choice *c = at(x, to, end);
            if (value < c->value) *c = (choice){value, (uint16_t)l, (uint8_t)node};
        }
    }
}

static void clear(const plan *x, size_t sets)
{
    for (size_t i = 0; i < sets * (x->p.n_layers + 1); i++)
        x->best[i] = (choice){INFINITY, 0, 0};
    at(x, 0, 0)->value = 0;
}

/* Any order: sets in ascending order, so that every subset comes before. */
static double solve_sets(plan *x, uint32_t *first, uint32_t *count)
{
    const size_t sets = (size_t)1 << x->p.n_nodes;
    size_t best = 0;
    clear(x, sets);
    for (size_t set = 0; set < sets; set++) {
        for (uint32_t node = 0; node < x->p.n_nodes; node++)
            if (!(set >> node & 1)) extend(x, set, set | (size_t)1 << node, node);
        if (at(x, set, x->p.n_layers)->value < at(x, best, x->p.n_layers)->value) best = set;
    }
    const double value = at(x, best, x->p.n_layers)->value;
    for (uint32_t l = x->p.n_layers; l > 0 && value < INFINITY;) {
        const choice c = *at(x, best, l);
        first[c.node] = c.before;
        count[c.node] = l - c.before;
        best &= ~((size_t)1 << c.node);
        l = c.before;
    }
    return value;
}

/* Given order: row k holds the first k nodes, used or dropped. */
static double solve_ordered(plan *x, uint32_t *first, uint32_t *count)
{
    const uint32_t n = x->p.n_layers;
    clear(x, x->p.n_nodes + 1);
    for (uint32_t node = 0; node < x->p.n_nodes; node++) {
        for (uint32_t l = 0; l <= n; l++)
            *at(x, node + 1, l) = (choice){at(x, node, l)->value, (uint16_t)l, (uint8_t)node}; /* dropped */
        extend(x, node, node + 1, node);
    }
    const double value = at(x, x->p.n_nodes, n)->value;
    uint32_t l = n;
    for (uint32_t node = x->p.n_nodes; node-- > 0 && value < INFINITY;) {
        const choice c = *at(x, node + 1, l);
        first[node] = c.before;
        count[node] = l - c.before;
        l = c.before;
    }
    return value;
}

/* layers = total * node memory / cluster memory; the layers lost to rounding down go to the largest remainders. */
static double solve_proportional(plan *x, uint32_t *first, uint32_t *count)
{
    const nce_layers_problem *p = &x->p;
    double cluster = 0, value = 0;
    uint32_t given = 0, next = 0;
    for (uint32_t k = 0; k < p->n_nodes; k++)
        cluster += p->node_bytes[k];
    if (cluster == 0) return INFINITY;
    for (uint32_t k = 0; k < p->n_nodes; k++)
        given += count[k] = (uint32_t)floor(p->n_layers * (p->node_bytes[k] / cluster));
    bool raised[NCE_MAX_NODES] = {false};
    for (; given < p->n_layers; given++) {
        uint32_t best = NCE_NO_NODE;
        double most = -1;
        for (uint32_t k = 0; k < p->n_nodes; k++) {
            const double remainder = p->n_layers * (p->node_bytes[k] / cluster) - count[k];
            if (raised[k] || remainder <= most) continue;
            most = remainder;
            best = k;
        }
        count[best]++;
        raised[best] = true;
    }
    for (uint32_t k = 0; k < p->n_nodes; k++) {
        first[k] = next;
        next += count[k];
        if (!fits(x, k, first[k], next)) return INFINITY;
        if (p->node_s != NULL && count[k] > 0) value += stage_s(x, k, first[k], next);
    }
    return value;
}

static nce_status solve(nce_context *ctx, plan *x, uint32_t *first, uint32_t *count, double *value)
{
    const nce_layers_problem *p = &x->p;
    const bool ordered = p->keep_order != 0 || p->n_nodes > MAX_FREE_ORDER;
    const size_t sets = ordered ? p->n_nodes + 1 : (size_t)1 << p->n_nodes;
    double room = 0, found;
    memset(first, 0, p->n_nodes * sizeof *first);
    memset(count, 0, p->n_nodes * sizeof *count);
    for (uint32_t l = 0; l < p->n_layers; l++) {
        x->bytes[l + 1] = x->bytes[l] + p->layer_bytes[l];
        x->work[l + 1] = x->work[l] + (p->layer_work != NULL ? p->layer_work[l] : 1);
    }
    if (p->goal == NCE_LAYERS_PROPORTIONAL) {
        found = solve_proportional(x, first, count);
    } else {
        x->best = nce_alloc_array(ctx, sets * (p->n_layers + 1), sizeof *x->best);
        if (x->best == NULL) return nce_fail_nomem(ctx, sets * (p->n_layers + 1) * sizeof *x->best);
        found = ordered ? solve_ordered(x, first, count) : solve_sets(x, first, count);
        nce_free(ctx, x->best);
    }
    for (uint32_t k = 0; k < p->n_nodes; k++)
        room += p->node_bytes[k];
    if (found == INFINITY)
        return nce_fail(ctx, NCE_ERR_LIMIT,
                        "layers: %u layers of %.6g bytes do not fit %u nodes of %.6g bytes in this way", p->n_layers,
                        x->bytes[p->n_layers], p->n_nodes, room);
    if (value != NULL) *value = found;
    return NCE_OK;
}

nce_status nce_layers_place(nce_context *ctx, const nce_layers_problem *problem, uint32_t *first, uint32_t *count,
                            double *value)
{
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (problem == NULL || first == NULL || count == NULL)
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_layers_place: an argument is NULL");
    plan *x = nce_alloc_zero(ctx, sizeof *x);
    if (x == NULL) return nce_fail_nomem(ctx, sizeof *x);
    nce_status status = nce_read_options(ctx, &x->p, sizeof x->p, problem, "nce_layers_problem");
    if (status == NCE_OK) status = check(ctx, &x->p);
    if (status == NCE_OK) status = solve(ctx, x, first, count, value);
    nce_free(ctx, x);
    return status;
}
