/* BOA* (Hernandez, Yeoh, Baier, Zhang, Suazo, Koenig: "Simple and efficient bi-objective search algorithms via fast
 * dominance checks", Artificial Intelligence 314, 2023).
 *
 * Labels leave the heap in lexicographic order of (cost, resource) estimates, both exact distances to the target in one
 * criterion.  So a label at a vertex is worth keeping only if it uses less of the resource than every earlier one
 * there: dominance is one comparison. */
#include "src/sched/labels.h"
#include <math.h>

typedef struct state {
    double cost, resource;         /* so far */
    double f_cost, f_resource;     /* with the least amounts to the target */
    uint32_t vertex, link, parent; /* parent: index of a state; the root is its own */
    uint32_t unused;
} state;

typedef struct boa {
    nce_router *r;
    const nce_biobjective *b;
    state *states;
    uint32_t *heap, *trail; /* heap of states; trail: links of a route being traced */
    double *least;          /* [n_vertices] least resource of the labels settled there */
    size_t n, capacity, n_heap, heap_capacity, trail_capacity;
} boa;

static bool before(const state *a, const state *b)
{
    return a->f_cost < b->f_cost || (a->f_cost == b->f_cost && a->f_resource < b->f_resource);
}

static nce_status push(boa *x, state s)
{
    nce_context *ctx = x->r->ctx;
    if (x->n >= x->b->max_labels || x->n >= UINT32_MAX) return NCE_ERR_LIMIT;
    nce_status status = nce_grow(ctx, (void **)&x->states, &x->capacity, x->n + 1, sizeof s);
    if (status == NCE_OK) status = nce_grow(ctx, (void **)&x->heap, &x->heap_capacity, x->n_heap + 1, sizeof *x->heap);
    if (status != NCE_OK) return status;
    x->states[x->n] = s;
    size_t at = x->n_heap++;
    while (at > 0 && before(&s, &x->states[x->heap[(at - 1) / 4]])) {
        x->heap[at] = x->heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    x->heap[at] = (uint32_t)x->n++;
    return NCE_OK;
}

static uint32_t pop(boa *x)
{
    const uint32_t top = x->heap[0], moved = x->heap[--x->n_heap];
    size_t at = 0;
    for (;;) {
        size_t best = 4 * at + 1;
        if (best >= x->n_heap) break;
        for (size_t c = best + 1; c < 4 * at + 5 && c < x->n_heap; c++)
            if (before(&x->states[x->heap[c]], &x->states[x->heap[best]])) best = c;
        if (!before(&x->states[x->heap[best]], &x->states[moved])) break;
        x->heap[at] = x->heap[best];
        at = best;
    }
    if (x->n_heap > 0) x->heap[at] = moved;
    return top;
}

static bool dominated(const boa *x, const state *s)
{
    return s->resource >= x->least[s->vertex] || s->f_resource >= x->least[x->b->target];
}

static nce_status expand(boa *x, uint32_t index)
{
    const nce_graph *g = x->r->graph;
    const nce_biobjective *b = x->b;
    const uint32_t v = x->states[index].vertex;
    for (uint32_t i = g->out.start[v]; i < g->out.start[v + 1]; i++) {
        const nce_arc *a = &g->out.arc[i];
        const uint32_t u = a->vertex;
        state s = {x->states[index].cost + a->weight,
                   x->states[index].resource + b->resource[a->link],
                   0,
                   0,
                   u,
                   a->link,
                   index,
                   0};
        s.f_cost = s.cost + b->cost_to[u];
        s.f_resource = s.resource + b->resource_to[u];
        if (!(s.f_cost <= b->cost_limit * NCE_LIMIT_SLACK) || !(s.f_resource <= b->limit * NCE_LIMIT_SLACK)) continue;
        if (s.f_cost == INFINITY || dominated(x, &s)) continue;
        const nce_status status = push(x, s);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

/* Add the route of a state at the target.  By rounding the one before may turn out no cheaper: then it is dominated. */
static nce_status record(boa *x, uint32_t index)
{
    nce_router *r = x->r;
    size_t n = 0;
    for (uint32_t i = index; x->states[i].parent != i; i = x->states[i].parent)
        n++;
    nce_status status = nce_grow(r->ctx, (void **)&x->trail, &x->trail_capacity, n, sizeof *x->trail);
    if (status != NCE_OK) return status;
    size_t at = n;
    for (uint32_t i = index; x->states[i].parent != i; i = x->states[i].parent)
        x->trail[--at] = x->states[i].link;
    status = nce_router_add(r, x->b->source, x->trail, n);
    if (status != NCE_OK || r->n_found < 2) return status;
    if (r->found[r->n_found - 2].cost >= r->found[r->n_found - 1].cost) {
        r->found[r->n_found - 2] = r->found[r->n_found - 1];
        r->n_found--;
    }
    return NCE_OK;
}

static nce_status run(boa *x)
{
    const nce_biobjective *b = x->b;
    for (size_t v = 0; v < x->r->graph->n_vertices; v++)
        x->least[v] = INFINITY;
    nce_status status =
        push(x, (state){0, 0, b->cost_to[b->source], b->resource_to[b->source], b->source, NCE_NO_LINK, 0, 0});
    while (status == NCE_OK && x->n_heap > 0) {
        const uint32_t index = pop(x);
        if (dominated(x, &x->states[index])) continue;
        x->least[x->states[index].vertex] = x->states[index].resource;
        if (x->states[index].vertex != b->target) {
            status = expand(x, index);
            continue;
        }
        status = record(x, index);
        if (b->first_only) break;
    }
    return status;
}

nce_status nce_biobjective_search(nce_router *r, const nce_biobjective *b)
{
    boa x = {.r = r, .b = b};
    nce_status status;
    x.least = nce_alloc_array(r->ctx, r->graph->n_vertices, sizeof *x.least);
    status = x.least != NULL ? run(&x) : nce_fail_nomem(r->ctx, r->graph->n_vertices * sizeof *x.least);
    nce_free(r->ctx, x.states);
    nce_free(r->ctx, x.heap);
    nce_free(r->ctx, x.trail);
    nce_free(r->ctx, x.least);
    return status;
}

nce_status nce_resource_weights(nce_router *r, nce_route_resource resource, double **out)
{
    const nce_graph *g = r->graph;
    *out = NULL;
    if ((unsigned)resource > NCE_RESOURCE_HOPS)
        return nce_fail(r->ctx, NCE_ERR_INVALID, "router: no resource %d", (int)resource);
    if (resource == NCE_RESOURCE_PRICE && g->n_negative_price > 0)
        return nce_fail(r->ctx, NCE_ERR_UNSUPPORTED, "router: the price cannot be limited, %zu prices are negative",
                        g->n_negative_price);
    double *w = nce_alloc_array(r->ctx, g->n_links, sizeof *w);
    if (w == NULL) return nce_fail_nomem(r->ctx, g->n_links * sizeof *w);
    for (size_t i = 0; i < g->n_links; i++)
        w[i] = nce_graph_cost(g, &g->links[i]) < INFINITY ? nce_graph_resource(g, &g->links[i], resource) : INFINITY;
    *out = w;
    return NCE_OK;
}
