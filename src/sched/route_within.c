/* Routes under a limit, and the Pareto front: the Lagrangian relaxation, then the label search.
 *
 * Relaxing "resource <= limit" with a price lambda turns the problem into a plain shortest path; the best lambda
 * (LARAC: Juettner, Szviatovszki, Mecs, Rajko, INFOCOM 2001) gives the tightest bound of this kind and, on the way, a
 * feasible route.  The label search then looks only at labels between the two. */
#include "src/sched/labels.h"
#include <math.h>
#include <string.h>

enum { DEFAULT_LABELS = 1000000, MAX_ROUNDS = 64 };

typedef struct relaxed {
    uint32_t source, target;
    double *resource; /* [n_links] */
    double *weight;   /* [n_links] cost + lambda * resource */
    double limit;
    uint32_t *best; /* links of the cheapest feasible route so far */
    size_t n_best;
    double best_cost;
} relaxed;

/* Shortest path for a lambda (infinite: by resource alone); its cost and resource.  False: none. */
static bool solve(nce_router *r, relaxed *x, double lambda, double *cost, double *resource)
{
    const nce_graph *g = r->graph;
    for (size_t i = 0; i < g->n_links; i++) {
        const double c = nce_graph_cost(g, &g->links[i]);
        x->weight[i] = c == INFINITY ? INFINITY : lambda == INFINITY ? x->resource[i] : c + lambda * x->resource[i];
    }
    nce_search_dijkstra(&r->forward, g, &g->out, x->weight, x->source, x->target);
    if (r->forward.label[x->target].dist == INFINITY) return false;
    *cost = *resource = 0;
    size_t n = 0;
    for (uint32_t v = x->target; v != x->source; v = g->links[r->forward.label[v].via].from) {
        const uint32_t link = r->forward.label[v].via;
        *cost += nce_graph_cost(g, &g->links[link]);
        *resource += x->resource[link];
        n++;
    }
    if (*resource > x->limit * NCE_LIMIT_SLACK || *cost >= x->best_cost) return true;
    x->best_cost = *cost;
    x->n_best = n;
    for (uint32_t v = x->target; v != x->source; v = g->links[r->forward.label[v].via].from)
        x->best[--n] = r->forward.label[v].via;
    return true;
}

/* The labels prove a bound for this lambda: keep it. */
static void keep_proof(nce_router *r, const relaxed *x, double lambda, nce_route_resource resource)
{
    const double end = r->forward.label[x->target].dist;
    for (size_t v = 0; v < r->graph->n_vertices; v++)
        r->potential[v] =
            r->forward.label[v].dist == INFINITY && end == INFINITY ? INFINITY : fmin(r->forward.label[v].dist, end);
    r->certificate.lambda = lambda;
    r->certificate.limit = lambda > 0 ? x->limit : 0;
    r->certificate.resource = resource;
    r->proof = NCE_PROOF_READY;
}

/* Best bound; x->best is a feasible route.  NCE_ERR_NOTFOUND reported. */
static nce_status relax(nce_router *r, relaxed *x, nce_route_resource resource, double *bound)
{
    double cost_a, used_a, cost_b, used_b, cost, used;
    const bool reachable = solve(r, x, 0, &cost_a, &used_a);
    keep_proof(r, x, 0, resource);
    if (!reachable) return nce_router_no_route(r, x->source, x->target);
    *bound = r->forward.label[x->target].dist;
    if (x->best_cost < INFINITY) return NCE_OK; /* the cheapest of all keeps the limit */
    solve(r, x, INFINITY, &cost_b, &used_b);
    if (x->best_cost == INFINITY) {
        r->proof = NCE_PROOF_NONE;
        return nce_fail(r->ctx, NCE_ERR_NOTFOUND,
                        "router: no route within the limit: at least %.9g is needed, %.9g allowed", used_b, x->limit);
    }
    for (int round = 0; round < MAX_ROUNDS && used_b < used_a && cost_b > cost_a; round++) {
        const double lambda = (cost_b - cost_a) / (used_a - used_b);
        solve(r, x, lambda, &cost, &used);
        const double dual = r->forward.label[x->target].dist - lambda * x->limit;
        if (dual > *bound) {
            *bound = dual;
            keep_proof(r, x, lambda, resource);
        }
        if (cost + lambda * used >= (cost_a + lambda * used_a) * (1 - 1e-12)) break;
        if (used <= x->limit * NCE_LIMIT_SLACK) {
            cost_b = cost;
            used_b = used;
        } else {
            cost_a = cost;
            used_a = used;
        }
    }
    return NCE_OK;
}

/* Least cost and least resource from every vertex to the target, kept in the two searches' estimates. */
static void least_amounts(nce_router *r, uint32_t target, const double *resource)
{
    nce_graph *g = r->graph;
    nce_search_dijkstra(&r->backward, g, &g->in, resource, target, NCE_NO_VERTEX);
    for (size_t v = 0; v < g->n_vertices; v++)
        r->backward.estimate[v] = r->backward.label[v].dist;
    nce_search_dijkstra(&r->backward, g, &g->in, NULL, target, NCE_NO_VERTEX);
    for (size_t v = 0; v < g->n_vertices; v++)
        r->forward.estimate[v] = r->backward.label[v].dist;
}

/* Exact search below the feasible route of the relaxation, or that route with its bound. */
static nce_status exact_or_bounded(nce_router *r, relaxed *x, double bound, size_t max_labels)
{
    nce_status status = NCE_OK;
    if (bound < x->best_cost * (1 - 1e-12)) {
        least_amounts(r, x->target, x->resource);
        const nce_biobjective b = {
            x->source,    x->target,  x->resource, r->forward.estimate, r->backward.estimate, x->limit,
            x->best_cost, max_labels, true};
        status = nce_biobjective_search(r, &b);
    }
    const bool out_of_labels = status == NCE_ERR_LIMIT;
    if (status != NCE_OK && !out_of_labels) return status;
    if (r->n_found == 0) status = nce_router_add(r, x->source, x->best, x->n_best);
    if (status != NCE_OK && !out_of_labels) return status;
    if (out_of_labels && r->n_found == 0) return NCE_ERR_NOMEM;
    if (out_of_labels) {
        r->found[0].claim = NCE_ROUTE_BOUNDED;
        r->found[0].bound = fmin(bound, r->found[0].cost);
    }
    return NCE_OK;
}

static nce_status begin(nce_router *r, uint32_t source, uint32_t target, const char *what)
{
    nce_status status = nce_router_begin(r, source, target);
    if (status == NCE_OK) status = nce_router_refuse_negative(r, what);
    if (status == NCE_OK) status = nce_search_reserve(&r->backward, r->graph);
    if (status == NCE_OK) status = nce_router_reserve_potential(r);
    return status;
}

nce_status nce_router_find_within(nce_router *r, uint32_t source, uint32_t target, nce_route_resource resource,
                                  double limit, size_t max_labels)
{
    nce_status status = begin(r, source, target, "a limit");
    if (status != NCE_OK) return status;
    if (!(limit >= 0)) return nce_fail(r->ctx, NCE_ERR_INVALID, "nce_router_find_within: limit is %g", limit);
    relaxed x = {.source = source, .target = target, .limit = fmin(limit, 1e60), .best_cost = INFINITY};
    double bound = 0;
    status = nce_resource_weights(r, resource, &x.resource);
    if (status != NCE_OK) return status;
    x.weight = nce_alloc_array(r->ctx, r->graph->n_links, sizeof *x.weight);
    x.best = nce_alloc_array(r->ctx, r->graph->n_vertices, sizeof *x.best);
    if (x.weight == NULL || x.best == NULL)
        status = nce_fail_nomem(r->ctx, r->graph->n_links * sizeof *x.weight);
    else
        status = relax(r, &x, resource, &bound);
    if (status == NCE_OK) status = exact_or_bounded(r, &x, bound, max_labels != 0 ? max_labels : DEFAULT_LABELS);
    nce_free(r->ctx, x.resource);
    nce_free(r->ctx, x.weight);
    nce_free(r->ctx, x.best);
    if (status != NCE_OK) r->n_found = 0;
    return status;
}

nce_status nce_router_find_pareto(nce_router *r, uint32_t source, uint32_t target, nce_route_resource resource,
                                  size_t max_labels)
{
    double *amounts = NULL;
    nce_status status = begin(r, source, target, "a Pareto front");
    if (status == NCE_OK) status = nce_resource_weights(r, resource, &amounts);
    if (status != NCE_OK) return status;
    least_amounts(r, target, amounts);
    const nce_biobjective b = {source,
                               target,
                               amounts,
                               r->forward.estimate,
                               r->backward.estimate,
                               INFINITY,
                               INFINITY,
                               max_labels != 0 ? max_labels : DEFAULT_LABELS,
                               false};
    if (r->forward.estimate[source] == INFINITY) {
        status = nce_router_no_route(r, source, target);
    } else {
        status = nce_biobjective_search(r, &b);
        if (status == NCE_ERR_LIMIT)
            nce_fail(r->ctx, status, "router: the Pareto front needs more than %zu labels, %zu routes found",
                     b.max_labels, r->n_found);
    }
    nce_free(r->ctx, amounts);
    if (status != NCE_OK && status != NCE_ERR_LIMIT) r->n_found = 0;
    return status;
}
