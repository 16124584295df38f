/* The checker: verifies routes, certificates and k-best lists against the graph.  It shares no code with the searches,
 * only the cost of a link. */
#include "src/sched/graph.h"
#include <math.h>
#include <string.h>

/* Sums of a route, and that it is one. */
static nce_status check_walk(const nce_graph *g, const nce_route *route, uint32_t source, uint32_t target,
                             nce_link_metrics *sum, double *cost)
{
    uint32_t at = source;
    *cost = 0;
    *sum = (nce_link_metrics){0, 0, 0};
    for (size_t i = 0; i < route->n_links; i++) {
        const uint32_t id = route->links[i];
        if (id >= g->n_links || g->links[id].from != at)
            return nce_fail(g->ctx, NCE_ERR_INVALID, "check: link %zu of the route does not start at vertex %u", i, at);
        const nce_link *l = &g->links[id];
        if (!l->up || !g->vertices[l->to].up)
            return nce_fail(g->ctx, NCE_ERR_INVALID, "check: link %u of the route or its end is down", id);
        *cost += nce_graph_cost_if_up(g, l);
        sum->latency_s += nce_graph_resource(g, l, NCE_RESOURCE_LATENCY);
        sum->power_w += nce_graph_resource(g, l, NCE_RESOURCE_POWER);
        sum->price += nce_graph_resource(g, l, NCE_RESOURCE_PRICE);
        at = l->to;
        if (route->vertices[i + 1] != at)
            return nce_fail(g->ctx, NCE_ERR_INVALID, "check: vertex %zu of the route is not the end of its link",
                            i + 1);
    }
    if (at != target || route->vertices[0] != source)
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: the route ends at vertex %u, not %u", at, target);
    return NCE_OK;
}

static double resource_total(const nce_route *route, uint32_t resource)
{
    const double all[] = {route->sum.latency_s, route->sum.power_w, route->sum.price, (double)route->n_links};
    return all[resource];
}

/* Every link in use satisfies the inequality of the certificate. */
static nce_status check_potentials(const nce_graph *g, const nce_certificate *c, double tolerance)
{
    for (size_t i = 0; i < g->n_links; i++) {
        const nce_link *l = &g->links[i];
        const double weight = nce_graph_cost(g, l);
        if (weight == INFINITY || !g->vertices[l->from].up) continue;
        const double extra = c->lambda > 0 ? c->lambda * nce_graph_resource(g, l, c->resource) : 0;
        if (!(c->potential[l->to] <= c->potential[l->from] + weight + extra + tolerance))
            return nce_fail(g->ctx, NCE_ERR_INVALID,
                            "check: link %zu (%u -> %u) breaks the certificate: %.17g > %.17g + %g", i, l->from, l->to,
                            c->potential[l->to], c->potential[l->from], weight + extra);
    }
    return NCE_OK;
}

static double largest_potential(const nce_graph *g, const nce_certificate *c)
{
    double largest = 0;
    for (size_t v = 0; v < g->n_vertices; v++)
        if (isfinite(c->potential[v])) largest = fmax(largest, fabs(c->potential[v]));
    return largest;
}

nce_status nce_route_check(const nce_graph *g, const nce_route *route, const nce_certificate *c, double *gap)
{
    if (g == NULL || c == NULL || c->struct_size < sizeof *c) return NCE_ERR_INVALID;
    if (c->source >= g->n_vertices || c->target >= g->n_vertices || c->resource > NCE_RESOURCE_HOPS ||
        !(c->lambda >= 0))
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: the certificate is not of this graph");
    double tolerance = 1e-9 * largest_potential(g, c);
    nce_status status = check_potentials(g, c, tolerance);
    if (status != NCE_OK) return status;
    const double from = c->potential[c->source], to = c->potential[c->target];
    if (route == NULL) {
        if (isfinite(from) && to == INFINITY) return NCE_OK;
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: the potentials %g and %g do not prove that there is no route",
                        from, to);
    }
    nce_link_metrics sum;
    double cost;
    if (route->struct_size < sizeof *route) return nce_fail(g->ctx, NCE_ERR_INVALID, "check: struct_size of the route");
    status = check_walk(g, route, c->source, c->target, &sum, &cost);
    if (status != NCE_OK) return status;
    const double bound = to - from - c->lambda * c->limit;
    tolerance = fmax(tolerance, 1e-9 * fmax(fabs(cost), c->lambda * c->limit));
    if (!(fabs(cost - route->cost) <= tolerance))
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: the route costs %.17g, not %.17g", cost, route->cost);
    if (c->lambda > 0 && resource_total(route, c->resource) > c->limit * (1 + 1e-9))
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: the route exceeds its limit %g", c->limit);
    if (!(bound <= cost + tolerance))
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: the bound %.17g exceeds the cost %.17g", bound, cost);
    if (c->lambda == 0 && c->limit == 0 && route->claim == NCE_ROUTE_OPTIMAL && !(cost - bound <= tolerance))
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: cost %.17g is called optimal, proven is %.17g", cost, bound);
    if (gap != NULL) *gap = cost - bound;
    return NCE_OK;
}

/* ---- k best ---- */

/* Distance from source to target by plain Bellman-Ford over the link list, avoiding barred vertices and links. */
static double plain_distance(const nce_graph *g, double *dist, const bool *bar_vertex, const bool *bar_link,
                             uint32_t source, uint32_t target)
{
    for (size_t v = 0; v < g->n_vertices; v++)
        dist[v] = INFINITY;
    dist[source] = 0;
    bool changed = true;
    for (size_t pass = 0; changed && pass < g->n_vertices; pass++) {
        changed = false;
        for (size_t i = 0; i < g->n_links; i++) {
            const nce_link *l = &g->links[i];
            if (bar_link[i] || bar_vertex[l->to] || bar_vertex[l->from]) continue;
            const double d = dist[l->from] + nce_graph_cost(g, l);
            if (!(d < dist[l->to])) continue;
            dist[l->to] = d;
            changed = true;
        }
    }
    return dist[target];
}

static bool same_prefix(const nce_route *a, const nce_route *b, size_t n)
{
    return a->n_links >= n && b->n_links >= n && memcmp(a->links, b->links, n * sizeof *a->links) == 0;
}

static nce_status check_simple(const nce_graph *g, const nce_route *routes, size_t i)
{
    const nce_route *r = &routes[i];
    nce_link_metrics sum;
    double cost;
    const nce_status status =
        check_walk(g, r, routes[0].vertices[0], routes[0].vertices[routes[0].n_links], &sum, &cost);
    if (status != NCE_OK) return status;
    for (size_t a = 0; a <= r->n_links; a++)
        for (size_t b = 0; b < a; b++)
            if (r->vertices[a] == r->vertices[b])
                return nce_fail(g->ctx, NCE_ERR_INVALID, "check: route %zu visits vertex %u twice", i, r->vertices[a]);
    for (size_t j = 0; j < i; j++)
        if (routes[j].n_links == r->n_links && same_prefix(&routes[j], r, r->n_links))
            return nce_fail(g->ctx, NCE_ERR_INVALID, "check: routes %zu and %zu are the same", j, i);
    if (i > 0 && r->cost < routes[i - 1].cost * (1 - 1e-9))
        return nce_fail(g->ctx, NCE_ERR_INVALID, "check: route %zu is cheaper than route %zu", i, i - 1);
    return NCE_OK;
}

/* The routes that share the first n links of routes[i] and then leave all listed ones: the cheapest of them. */
static double cheapest_deviation(const nce_graph *g, const nce_route *routes, size_t n_routes, size_t i, size_t n,
                                 double *dist, bool *bar_vertex, bool *bar_link)
{
    memset(bar_vertex, 0, g->n_vertices);
    memset(bar_link, 0, g->n_links);
    double cost = 0;
    for (size_t k = 0; k < n; k++) {
        bar_vertex[routes[i].vertices[k]] = true;
        cost += nce_graph_cost(g, &g->links[routes[i].links[k]]);
    }
    for (size_t j = 0; j < n_routes; j++)
        if (same_prefix(&routes[j], &routes[i], n) && routes[j].n_links > n) bar_link[routes[j].links[n]] = true;
    return cost +
           plain_distance(g, dist, bar_vertex, bar_link, routes[i].vertices[n], routes[i].vertices[routes[i].n_links]);
}

nce_status nce_routes_check_k(const nce_graph *g, const nce_route *routes, size_t n_routes, bool complete)
{
    if (g == NULL || routes == NULL || n_routes == 0) return NCE_ERR_INVALID;
    nce_status status = NCE_OK;
    double *dist = nce_alloc_array(g->ctx, g->n_vertices, sizeof *dist);
    bool *bar = nce_alloc_array(g->ctx, g->n_vertices + g->n_links, sizeof *bar);
    if (dist == NULL || bar == NULL) status = nce_fail_nomem(g->ctx, g->n_vertices * sizeof *dist);
    for (size_t i = 0; i < n_routes && status == NCE_OK; i++)
        status = check_simple(g, routes, i);
    const double last = n_routes > 0 ? routes[n_routes - 1].cost : 0;
    for (size_t i = 0; i < n_routes && status == NCE_OK; i++)
        for (size_t n = 0; n < routes[i].n_links && status == NCE_OK; n++) {
            const double other = cheapest_deviation(g, routes, n_routes, i, n, dist, bar, bar + g->n_vertices);
            if (other < last * (1 - 1e-9) || (complete && other < INFINITY))
                status = nce_fail(g->ctx, NCE_ERR_INVALID,
                                  "check: a route of cost %.17g was missed (last listed %.17g)", other, last);
        }
    nce_free(g->ctx, dist);
    nce_free(g->ctx, bar);
    return status;
}
