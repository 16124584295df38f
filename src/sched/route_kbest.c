/* The k cheapest simple routes: Yen's algorithm with Lawler's partition.
 *
 * Each accepted route splits the routes not yet listed by where they first leave it; the cheapest of each part is one
 * shortest-path search with the prefix and the links already taken from there blocked.  Distances to the target in the
 * unblocked graph are computed once and guide every such search (A* with them settles little more than the answer). */
#include "src/sched/router.h"
#include <math.h>
#include <string.h>

typedef struct candidate {
    size_t at, n_links; /* in pool */
    size_t deviates;    /* index of the first link not shared with the route it came from */
    double cost;
    bool taken;
} candidate;

typedef struct yen {
    nce_router *r;
    uint32_t source, target;
    bool *block_vertex, *block_link;
    candidate *list;
    uint32_t *pool;
    size_t n, capacity, n_pool, pool_capacity;
} yen;

static void yen_finish(yen *y)
{
    nce_context *ctx = y->r->ctx;
    nce_free(ctx, y->block_vertex);
    nce_free(ctx, y->block_link);
    nce_free(ctx, y->list);
    nce_free(ctx, y->pool);
}

/* Append prefix (n_prefix links of a listed route) + the tail in the labels as a candidate. */
static nce_status add_candidate(yen *y, const uint32_t *prefix, size_t n_prefix, uint32_t spur)
{
    nce_router *r = y->r;
    const nce_graph *g = r->graph;
    size_t tail = 0;
    for (uint32_t v = y->target; v != spur; v = g->links[r->forward.label[v].via].from)
        tail++;
    const size_t n = n_prefix + tail;
    nce_status status = nce_grow(r->ctx, (void **)&y->list, &y->capacity, y->n + 1, sizeof *y->list);
    if (status == NCE_OK)
        status = nce_grow(r->ctx, (void **)&y->pool, &y->pool_capacity, y->n_pool + n, sizeof *y->pool);
    if (status != NCE_OK) return status;
    uint32_t *links = y->pool + y->n_pool;
    if (n_prefix > 0) memcpy(links, prefix, n_prefix * sizeof *links);
    size_t i = n;
    for (uint32_t v = y->target; v != spur; v = g->links[r->forward.label[v].via].from)
        links[--i] = r->forward.label[v].via;
    candidate c = {y->n_pool, n, n_prefix, 0, false};
    for (i = 0; i < n; i++)
        c.cost += nce_graph_cost(g, &g->links[links[i]]);
    y->list[y->n++] = c;
    y->n_pool += n;
    return NCE_OK;
}

/* The cheapest route that follows listed route i for n links and then leaves every listed route. */
static nce_status spur_from(yen *y, size_t i, size_t n)
{
    nce_router *r = y->r;
    const nce_graph *g = r->graph;
    const nce_found *f = &r->found[i];
    const uint32_t *links = r->links + f->links_at, *vertices = r->vertices + f->vertices_at;
    memset(y->block_vertex, 0, g->n_vertices);
    memset(y->block_link, 0, g->n_links);
    for (size_t k = 0; k <= n; k++)
        y->block_vertex[vertices[k]] = true;
    for (size_t j = 0; j < r->n_found; j++) {
        const uint32_t *other = r->links + r->found[j].links_at;
        const bool shares = r->found[j].n_links > n && memcmp(other, links, n * sizeof *links) == 0;
        if (shares) y->block_link[other[n]] = true;
    }
    nce_search_astar_given(&r->forward, g, vertices[n], y->target, (nce_blocked){y->block_vertex, y->block_link});
    if (r->forward.label[y->target].dist == INFINITY) return NCE_OK;
    return add_candidate(y, links, n, vertices[n]);
}

/* The cheapest candidate, the oldest of equals; SIZE_MAX if there is none. */
static size_t cheapest(const yen *y)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < y->n; i++)
        if (!y->list[i].taken && (best == SIZE_MAX || y->list[i].cost < y->list[best].cost)) best = i;
    return best;
}

static nce_status run(yen *y, uint32_t k)
{
    nce_router *r = y->r;
    const nce_graph *g = r->graph;
    for (size_t v = 0; v < g->n_vertices; v++)
        r->forward.estimate[v] = r->backward.label[v].dist;
    size_t deviates = 0;
    while (r->n_found < k) {
        const size_t last = r->n_found - 1;
        for (size_t n = deviates; n < r->found[last].n_links; n++) {
            const nce_status status = spur_from(y, last, n);
            if (status != NCE_OK) return status;
        }
        const size_t next = cheapest(y);
        if (next == SIZE_MAX) break;
        candidate *c = &y->list[next];
        c->taken = true;
        deviates = c->deviates;
        const nce_status status = nce_router_add(r, y->source, y->pool + c->at, c->n_links);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

nce_status nce_router_find_k(nce_router *r, uint32_t source, uint32_t target, uint32_t k)
{
    nce_status status = nce_router_begin(r, source, target);
    if (status == NCE_OK) status = nce_router_refuse_negative(r, "k best");
    if (status == NCE_OK) status = nce_search_reserve(&r->backward, r->graph);
    if (status != NCE_OK) return status;
    if (k == 0 || k > 1024) return nce_fail(r->ctx, NCE_ERR_INVALID, "nce_router_find_k: k is %u, allowed 1..1024", k);
    nce_graph *g = r->graph;
    nce_search_dijkstra(&r->backward, g, &g->in, NULL, target, NCE_NO_VERTEX);
    nce_search_dijkstra(&r->forward, g, &g->out, NULL, source, target);
    if (r->forward.label[target].dist == INFINITY) return nce_router_no_route(r, source, target);
    yen y = {.r = r, .source = source, .target = target};
    y.block_vertex = nce_alloc_array(r->ctx, g->n_vertices, sizeof *y.block_vertex);
    y.block_link = nce_alloc_array(r->ctx, g->n_links, sizeof *y.block_link);
    if (y.block_vertex == NULL || y.block_link == NULL)
        status = nce_fail_nomem(r->ctx, g->n_links);
    else
        status = nce_router_add_traced(r, &r->forward, source, target);
    if (status == NCE_OK) status = run(&y, k);
    yen_finish(&y);
    if (status != NCE_OK) r->n_found = 0;
    return status;
}
