/* The router: single routes by the four algorithms, results and certificates. */
#include "src/sched/router.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(nce_route) == 80, "ABI: grows only at the end");
_Static_assert(sizeof(nce_certificate) == 48, "ABI: grows only at the end");

nce_status nce_router_create(nce_graph *graph, nce_router **out)
{
    if (out != NULL) *out = NULL;
    if (graph == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(graph->ctx, NCE_ERR_INVALID, "nce_router_create: out is NULL");
    nce_router *r = nce_alloc_zero(graph->ctx, sizeof *r);
    if (r == NULL) return nce_fail_nomem(graph->ctx, sizeof *r);
    r->graph = graph;
    r->ctx = r->forward.ctx = r->backward.ctx = graph->ctx;
    *out = r;
    return NCE_OK;
}

void nce_router_destroy(nce_router *r)
{
    if (r == NULL) return;
    nce_search_finish(&r->forward);
    nce_search_finish(&r->backward);
    nce_free(r->ctx, r->found);
    nce_free(r->ctx, r->links);
    nce_free(r->ctx, r->vertices);
    nce_free(r->ctx, r->cycle);
    nce_free(r->ctx, r->potential);
    nce_free(r->ctx, r);
}

nce_status nce_router_begin(nce_router *r, uint32_t source, uint32_t target)
{
    if (r == NULL) return NCE_ERR_INVALID;
    nce_graph *g = r->graph;
    char text[64];
    r->n_found = r->n_links = r->n_vertices = r->n_cycle = 0;
    r->proof = NCE_PROOF_NONE;
    r->certificate = (nce_certificate){.struct_size = sizeof r->certificate, .source = source, .target = target};
    if (!g->prepared)
        return nce_fail(r->ctx, NCE_ERR_STATE, "router: vertices or links were added: nce_graph_prepare is due");
    if (source >= g->n_vertices || target >= g->n_vertices)
        return nce_fail(r->ctx, NCE_ERR_INVALID, "router: no vertex %u, there are %zu",
                        source >= g->n_vertices ? source : target, g->n_vertices);
    const nce_status status = nce_search_reserve(&r->forward, g);
    if (status != NCE_OK) return status;
    if (!g->vertices[source].up || !g->vertices[target].up)
        return nce_fail(r->ctx, NCE_ERR_NOTFOUND, "router: vertex %s is down",
                        nce_graph_label(g, !g->vertices[source].up ? source : target, text));
    return NCE_OK;
}

nce_status nce_router_refuse_negative(nce_router *r, const char *what)
{
    if (r->graph->n_negative == 0) return NCE_OK;
    return nce_fail(r->ctx, NCE_ERR_UNSUPPORTED,
                    "router: %s needs costs >= 0, %zu links are negative: use Bellman-Ford", what,
                    r->graph->n_negative);
}

nce_status nce_router_reserve_potential(nce_router *r)
{
    const size_t n = r->graph->n_vertices;
    if (n <= r->potential_capacity) return NCE_OK;
    double *fresh = nce_alloc_array(r->ctx, n, sizeof *fresh);
    if (fresh == NULL) return nce_fail_nomem(r->ctx, n * sizeof *fresh);
    nce_free(r->ctx, r->potential);
    r->potential = fresh;
    r->potential_capacity = n;
    return NCE_OK;
}

/* Room for a route of n links; its vertices are set by seal. */
static nce_status make_room(nce_router *r, size_t n)
{
    nce_status status = nce_grow(r->ctx, (void **)&r->found, &r->found_capacity, r->n_found + 1, sizeof *r->found);
    if (status == NCE_OK)
        status = nce_grow(r->ctx, (void **)&r->links, &r->links_capacity, r->n_links + n + 1, sizeof *r->links);
    if (status == NCE_OK)
        status =
            nce_grow(r->ctx, (void **)&r->vertices, &r->vertices_capacity, r->n_vertices + n + 1, sizeof *r->vertices);
    return status;
}

/* The links of the next route are in the pool: sum them and publish it as optimal. */
static void seal(nce_router *r, uint32_t source, size_t n)
{
    const nce_graph *g = r->graph;
    nce_found f = {r->n_links, r->n_vertices, n, 0, 0, {0, 0, 0}, NCE_ROUTE_OPTIMAL};
    uint32_t *vertex = r->vertices + r->n_vertices;
    *vertex++ = source;
    for (size_t i = 0; i < n; i++) {
        const nce_link *l = &g->links[r->links[r->n_links + i]];
        f.cost += nce_graph_cost(g, l);
        f.sum.latency_s += nce_graph_resource(g, l, NCE_RESOURCE_LATENCY);
        f.sum.power_w += nce_graph_resource(g, l, NCE_RESOURCE_POWER);
        f.sum.price += nce_graph_resource(g, l, NCE_RESOURCE_PRICE);
        *vertex++ = l->to;
    }
    f.bound = f.cost;
    r->found[r->n_found++] = f;
    r->n_links += n;
    r->n_vertices += n + 1;
}

nce_status nce_router_add(nce_router *r, uint32_t source, const uint32_t *links, size_t n)
{
    const nce_status status = make_room(r, n);
    if (status != NCE_OK) return status;
    if (n > 0) memcpy(r->links + r->n_links, links, n * sizeof *links);
    seal(r, source, n);
    return NCE_OK;
}

nce_status nce_router_add_traced(nce_router *r, const nce_search *s, uint32_t source, uint32_t target)
{
    size_t n = 0;
    for (uint32_t v = target; v != source; v = r->graph->links[s->label[v].via].from)
        n++;
    const nce_status status = make_room(r, n);
    if (status != NCE_OK) return status;
    size_t i = n;
    for (uint32_t v = target; v != source; v = r->graph->links[s->label[v].via].from)
        r->links[r->n_links + --i] = s->label[v].via;
    seal(r, source, n);
    return NCE_OK;
}

nce_status nce_router_no_route(nce_router *r, uint32_t source, uint32_t target)
{
    char a[64], b[64];
    return nce_fail(r->ctx, NCE_ERR_NOTFOUND, "router: no route from %s to %s", nce_graph_label(r->graph, source, a),
                    nce_graph_label(r->graph, target, b));
}

/* Follow the predecessors round the cycle and name it. */
static nce_status report_cycle(nce_router *r, uint32_t on_cycle)
{
    const nce_graph *g = r->graph;
    uint32_t v = on_cycle;
    double cost = 0;
    do {
        const uint32_t link = r->forward.label[v].via;
        const nce_status status =
            nce_grow(r->ctx, (void **)&r->cycle, &r->cycle_capacity, r->n_cycle + 1, sizeof *r->cycle);
        if (status != NCE_OK) return status;
        r->cycle[r->n_cycle++] = link;
        cost += nce_graph_cost(g, &g->links[link]);
        v = g->links[link].from;
    } while (v != on_cycle);
    for (size_t i = 0; i < r->n_cycle / 2; i++) {
        const uint32_t other = r->cycle[r->n_cycle - 1 - i];
        r->cycle[r->n_cycle - 1 - i] = r->cycle[i];
        r->cycle[i] = other;
    }
    char text[320], label[64];
    size_t used = 0;
    for (size_t i = 0; i < r->n_cycle && i < 4; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s -> ",
                                 nce_graph_label(g, g->links[r->cycle[i]].from, label));
    return nce_fail(r->ctx, NCE_ERR_INVALID, "router: negative cycle of %zu links, cost %g: %s%s", r->n_cycle, cost,
                    text, r->n_cycle > 4 ? "..." : nce_graph_label(g, g->links[r->cycle[0]].from, label));
}

static nce_status bellman_ford(nce_router *r, uint32_t source)
{
    uint32_t on_cycle;
    if (nce_search_bellman_ford(&r->forward, r->graph, source, &on_cycle)) return NCE_OK;
    return report_cycle(r, on_cycle);
}

nce_status nce_router_find(nce_router *r, nce_route_algorithm algorithm, uint32_t source, uint32_t target)
{
    nce_status status = nce_router_begin(r, source, target);
    if (status != NCE_OK) return status;
    nce_graph *g = r->graph;
    if (algorithm == NCE_ROUTE_AUTO) algorithm = g->n_negative > 0 ? NCE_ROUTE_BELLMAN_FORD : NCE_ROUTE_DIJKSTRA;
    if (algorithm != NCE_ROUTE_BELLMAN_FORD) {
        status = nce_router_refuse_negative(r, "this algorithm");
        if (status != NCE_OK) return status;
    }
    switch (algorithm) {
    case NCE_ROUTE_DIJKSTRA:
        nce_search_dijkstra(&r->forward, g, &g->out, NULL, source, target);
        break;
    case NCE_ROUTE_ASTAR:
        nce_search_astar(&r->forward, g, source, target);
        break;
    case NCE_ROUTE_BELLMAN_FORD:
        status = bellman_ford(r, source);
        break;
    case NCE_ROUTE_GREEDY:
        return nce_router_greedy(r, source, target);
    default:
        return nce_fail(r->ctx, NCE_ERR_INVALID, "router: no algorithm %d", (int)algorithm);
    }
    if (status != NCE_OK) return status;
    r->proof = algorithm == NCE_ROUTE_ASTAR ? NCE_PROOF_ASTAR : NCE_PROOF_TREE;
    if (r->forward.label[target].dist == INFINITY) return nce_router_no_route(r, source, target);
    status = nce_router_add_traced(r, &r->forward, source, target);
    if (status != NCE_OK) r->proof = NCE_PROOF_NONE;
    return status;
}

nce_status nce_router_distances(nce_router *r, nce_route_algorithm algorithm, uint32_t source, double *costs)
{
    nce_status status = nce_router_begin(r, source, source);
    if (status != NCE_OK) return status;
    if (costs == NULL) return nce_fail(r->ctx, NCE_ERR_INVALID, "nce_router_distances: costs is NULL");
    nce_graph *g = r->graph;
    if (algorithm == NCE_ROUTE_AUTO) algorithm = g->n_negative > 0 ? NCE_ROUTE_BELLMAN_FORD : NCE_ROUTE_DIJKSTRA;
    if (algorithm == NCE_ROUTE_DIJKSTRA) {
        status = nce_router_refuse_negative(r, "Dijkstra");
        if (status == NCE_OK) nce_search_dijkstra(&r->forward, g, &g->out, NULL, source, NCE_NO_VERTEX);
    } else if (algorithm == NCE_ROUTE_BELLMAN_FORD) {
        status = bellman_ford(r, source);
    } else {
        status = nce_fail(r->ctx, NCE_ERR_INVALID, "nce_router_distances: algorithm %d gives no tree", (int)algorithm);
    }
    if (status != NCE_OK) return status;
    for (size_t v = 0; v < g->n_vertices; v++)
        costs[v] = r->forward.label[v].dist;
    return NCE_OK;
}

size_t nce_router_n_routes(const nce_router *r)
{
    return r != NULL ? r->n_found : 0;
}

nce_status nce_router_route(const nce_router *r, size_t i, nce_route *out)
{
    if (r == NULL || out == NULL) return NCE_ERR_INVALID;
    if (i >= r->n_found || out->struct_size < sizeof out->struct_size)
        return nce_fail(r->ctx, NCE_ERR_INVALID, "nce_router_route: no route %zu, there are %zu (or no struct_size)", i,
                        r->n_found);
    const nce_found *f = &r->found[i];
    nce_route full = {.struct_size = out->struct_size,
                      .vertices = r->vertices + f->vertices_at,
                      .links = r->links + f->links_at,
                      .n_links = f->n_links,
                      .cost = f->cost,
                      .bound = f->bound,
                      .sum = f->sum,
                      .claim = f->claim};
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

/* A search that stopped at the target knows of other vertices only that they are no nearer than the target less their
 * estimate.  Where the target cannot be reached, those that A* did not enter because they cannot reach it get 0: no
 * link leads from them to one that can. */
static double potential_of(const nce_router *r, uint32_t v)
{
    const nce_label *label = r->forward.label;
    const double end = label[r->certificate.target].dist;
    double estimate = 0;
    if (r->graph->n_negative > 0) return label[v].dist;
    if (r->proof == NCE_PROOF_ASTAR) estimate = nce_landmarks_bound(&r->graph->landmarks, v, r->certificate.target);
    if (end < INFINITY) return fmin(label[v].dist, end - estimate);
    return estimate < INFINITY ? label[v].dist : 0;
}

nce_status nce_router_certificate(nce_router *r, nce_certificate *out)
{
    if (r == NULL || out == NULL || out->struct_size < sizeof out->struct_size) return NCE_ERR_INVALID;
    if (r->proof == NCE_PROOF_NONE)
        return nce_fail(r->ctx, NCE_ERR_STATE, "router: the last search left no certificate");
    const nce_status status = nce_router_reserve_potential(r);
    if (status != NCE_OK) return status;
    if (r->proof != NCE_PROOF_READY)
        for (uint32_t v = 0; v < r->graph->n_vertices; v++)
            r->potential[v] = potential_of(r, v);
    r->proof = NCE_PROOF_READY;
    nce_certificate full = r->certificate;
    full.struct_size = out->struct_size;
    full.potential = r->potential;
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

const uint32_t *nce_router_cycle(const nce_router *r, size_t *n_links)
{
    if (n_links != NULL) *n_links = r != NULL ? r->n_cycle : 0;
    return r != NULL && r->n_cycle > 0 ? r->cycle : NULL;
}
