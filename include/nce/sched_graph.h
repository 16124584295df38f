/* Routing graph: devices, nodes and links with latency, power and price, and the searches over it.
 *
 * A route is a walk along directed links.  Its cost is additive:
 *     cost = sum over links of alpha * latency + beta * power + gamma * price,
 * where each link also carries what entering its end vertex costs (the start vertex costs nothing: the request is
 * already there).  For such costs without negative links Dijkstra's answer is optimal, and every search can prove it:
 * it leaves a certificate that nce_route_check verifies without trusting the search.
 *
 * A graph may be changed at any time.  Changes of metrics and of up/down take effect at the next search, in O(1) for a
 * link and O(links entering it) for a vertex.  After vertices or links were added nce_graph_prepare must be called. */
#ifndef NCE_SCHED_GRAPH_H
#define NCE_SCHED_GRAPH_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_graph nce_graph;
typedef struct nce_router nce_router;

/* What one link (or entering one vertex) costs.  latency_s in seconds, power_w in watts, both >= 0; price in the
 * caller's currency, may be negative (a rebate).  Finite, at most 1e30 in size.  This struct never grows. */
typedef struct nce_link_metrics {
    double latency_s;
    double power_w;
    double price;
} nce_link_metrics;

/* The dimension of a quantity, for nce_quantity_parse. */
typedef enum nce_dimension {
    NCE_DIMENSION_TIME = 1,   /* s, ms, us, ns, min, h; result in seconds */
    NCE_DIMENSION_POWER = 2,  /* W, mW, uW, kW; result in watts */
    NCE_DIMENSION_PRICE = 3,  /* no unit; result as given */
    NCE_DIMENSION_MEMORY = 4, /* B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; result in bytes */
    NCE_DIMENSION_ENERGY = 5  /* J, kJ, Wh, kWh; result in joules */
} nce_dimension;

/* Read a number with its unit, "1.5 ms", and refuse one of another dimension ("3 W" where a time is wanted).
 *
 * ctx   where the message goes.     out  the value in the base unit; unchanged on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (no number, not finite, unit missing, unknown or of another dimension, NULL).
 * Any thread.  Since 0.1. */
NCE_API nce_status nce_quantity_parse(nce_context *ctx, const char *text, nce_dimension dimension, double *out);

/* Weights of the objective.  alpha per second, beta per watt, gamma per unit of price; finite, 0..1e30.
 * All three 0 (the default): alpha = 1, the others 0. */
typedef struct nce_graph_options {
    size_t struct_size;
    double alpha, beta, gamma;
} nce_graph_options;
#define NCE_GRAPH_OPTIONS_INIT { sizeof(nce_graph_options), 0, 0, 0 }

/* Create an empty graph.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (ctx or out NULL, a weight out of range); NCE_ERR_NOMEM.  Owned by the caller:
 * nce_graph_destroy, after its routers.  Since 0.1. */
NCE_API nce_status nce_graph_create(nce_context *ctx, const nce_graph_options *options, nce_graph **out);
NCE_API void nce_graph_destroy(nce_graph *graph); /* NULL is allowed */

/* Add a vertex (a device or a node).
 *
 * name     unique, copied; NULL: nameless.      metrics  what entering it costs; NULL: nothing.
 * out      its index, counted from 0; may be NULL.
 * Returns NCE_OK; NCE_ERR_INVALID (a metric out of range; the name exists); NCE_ERR_LIMIT (2^31 vertices);
 *         NCE_ERR_NOMEM.  The graph is unchanged on failure.
 * Threads: no other call on the graph or its routers at the same time.  Since 0.1. */
NCE_API nce_status nce_graph_add_vertex(nce_graph *graph, const char *name, const nce_link_metrics *metrics,
                                        uint32_t *out);

/* Add a directed link; for a cable add two.  Parallel links are allowed, links to itself are not.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (no such vertex, from == to, a metric out of range); NCE_ERR_LIMIT (2^31 links);
 *         NCE_ERR_NOMEM.  The graph is unchanged on failure.  Threads: as nce_graph_add_vertex.  Since 0.1. */
NCE_API nce_status nce_graph_add_link(nce_graph *graph, uint32_t from, uint32_t to, const nce_link_metrics *metrics,
                                      uint32_t *out);

/* Live updates.  A vertex or link that is down is never used.  They keep A* exact: see nce_graph_prepare.
 *
 * Returns NCE_OK; NCE_ERR_INVALID (no such vertex or link, a metric out of range; the graph is unchanged).
 * Threads: no other call on the graph or its routers at the same time.  Since 0.1. */
NCE_API nce_status nce_graph_set_link(nce_graph *graph, uint32_t link, const nce_link_metrics *metrics);
NCE_API nce_status nce_graph_set_vertex(nce_graph *graph, uint32_t vertex, const nce_link_metrics *metrics);
NCE_API nce_status nce_graph_set_link_up(nce_graph *graph, uint32_t link, bool up);
NCE_API nce_status nce_graph_set_vertex_up(nce_graph *graph, uint32_t vertex, bool up);
/* Change the objective; O(links). */
NCE_API nce_status nce_graph_set_objective(nce_graph *graph, double alpha, double beta, double gamma);

NCE_API uint32_t nce_graph_n_vertices(const nce_graph *graph);
NCE_API uint32_t nce_graph_n_links(const nce_graph *graph);
/* Name of a vertex; "" if it has none or there is no such vertex.  Valid as long as the graph. */
NCE_API const char *nce_graph_vertex_name(const nce_graph *graph, uint32_t vertex);
/* NCE_ERR_NOTFOUND if no vertex has the name. */
NCE_API nce_status nce_graph_find_vertex(const nce_graph *graph, const char *name, uint32_t *out);
/* Ends of a link and its present cost (infinity when it or its end is down), each output may be NULL.
 * NCE_ERR_INVALID if there is no such link. */
NCE_API nce_status nce_graph_link(const nce_graph *graph, uint32_t link, uint32_t *from, uint32_t *to, double *cost);

/* File formats of nce_graph_read. */
typedef enum nce_graph_format {
    NCE_GRAPH_GML = 1,   /* Graph Modelling Language as the Internet Topology Zoo writes it.  Latency of a link: great
                            circle over two thirds of the speed of light when both ends have coordinates, else 1 ms */
    NCE_GRAPH_DIMACS = 2 /* 9th DIMACS challenge, "p sp" and "a from to weight"; the weight becomes the latency in
                            seconds, vertices are named by their number */
} nce_graph_format;

/* Add the vertices and links of a text to a graph.
 *
 * text, size  borrowed until return; need not be terminated.     name  for messages.
 * Returns NCE_OK; NCE_ERR_FORMAT naming the line; NCE_ERR_INVALID, NCE_ERR_LIMIT, NCE_ERR_NOMEM.  After a failure the
 *         graph holds part of the file; destroy it.  Threads: as nce_graph_add_vertex.  Since 0.1. */
NCE_API nce_status nce_graph_read(nce_graph *graph, const char *name, const char *text, size_t size,
                                  nce_graph_format format);

/* Make the graph searchable after additions, and compute landmarks for A*.
 *
 * n_landmarks  0..16.  Each costs two shortest-path trees now and 16 bytes per vertex; A* then uses
 *              max over landmarks of the triangle inequality as its estimate (ALT: Goldberg and Harrelson, SODA 2005).
 *              The estimate stays admissible and consistent under every live update: raised costs keep it, and lowered
 *              costs shrink it by the largest factor by which any link got cheaper.  Call again to sharpen it.
 * Returns NCE_OK; NCE_ERR_INVALID (more than 16); NCE_ERR_UNSUPPORTED (landmarks, and a link has a negative cost);
 *         NCE_ERR_NOMEM (the graph must be prepared again).  Threads: as nce_graph_add_vertex.  Since 0.1. */
NCE_API nce_status nce_graph_prepare(nce_graph *graph, uint32_t n_landmarks);

/* ---- searching ---- */

typedef enum nce_route_algorithm {
    NCE_ROUTE_AUTO = 0,         /* Dijkstra; Bellman-Ford if some link has a negative cost */
    NCE_ROUTE_DIJKSTRA = 1,     /* 4-ary heap, stops at the target.  Optimal; costs >= 0 (Dijkstra 1959) */
    NCE_ROUTE_ASTAR = 2,        /* with the landmarks of nce_graph_prepare.  Optimal; costs >= 0 (Hart et al. 1968) */
    NCE_ROUTE_BELLMAN_FORD = 3, /* optimal with negative costs; reports a negative cycle (Bellman 1958) */
    NCE_ROUTE_GREEDY = 4        /* the nearest next vertex by link cost plus estimate, with backtracking: no claim of
                                   optimality, but a bound (the landmark estimate, 0 without) */
} nce_route_algorithm;

/* What is known of a route. */
typedef enum nce_route_claim {
    NCE_ROUTE_OPTIMAL = 1, /* no allowed route costs less */
    NCE_ROUTE_BOUNDED = 2  /* no allowed route costs less than bound */
} nce_route_claim;

/* A metric to be limited or traded against cost. */
typedef enum nce_route_resource {
    NCE_RESOURCE_LATENCY = 0, /* seconds */
    NCE_RESOURCE_POWER = 1,   /* watts */
    NCE_RESOURCE_PRICE = 2,   /* only when no link has a negative price */
    NCE_RESOURCE_HOPS = 3     /* links */
} nce_route_resource;

/* A found route.  The caller sets struct_size; fields are filled as far as they fit. */
typedef struct nce_route {
    size_t struct_size;
    const uint32_t *vertices; /* [n_links + 1] from source to target; owned by the router until its next search */
    const uint32_t *links;    /* [n_links] */
    size_t n_links;           /* 0 when source and target are the same */
    double cost;
    double bound;             /* proven lower bound of the cost of any allowed route; equals cost when optimal */
    nce_link_metrics sum;     /* of the links and the vertices entered */
    uint32_t claim;           /* nce_route_claim */
    uint32_t reserved;
} nce_route;
#define NCE_ROUTE_INIT { sizeof(nce_route), 0, 0, 0, 0, 0, { 0, 0, 0 }, 0, 0 }

/* Proof of a lower bound: potentials p with p[v] - p[u] <= cost(u,v) + lambda * resource(u,v) for every link in use.
 * Summed along any allowed route: its cost is at least p[target] - p[source] - lambda * limit.
 * Potentials may be infinite (+ for what the source cannot reach, - for what cannot reach the target). */
typedef struct nce_certificate {
    size_t struct_size;
    const double *potential; /* [n_vertices]; owned by the router until its next search */
    double lambda;           /* >= 0; 0 unless a limit was given */
    double limit;
    uint32_t source, target;
    uint32_t resource;       /* nce_route_resource of the limit */
    uint32_t reserved;
} nce_certificate;
#define NCE_CERTIFICATE_INIT { sizeof(nce_certificate), 0, 0, 0, 0, 0, 0, 0 }

/* Create a router: the working memory of searches over one graph.  Several routers may search the same graph at the
 * same time on different threads as long as nobody changes it; one router serves one thread at a time.
 *
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.  Owned by the caller: nce_router_destroy before the graph.
 * Since 0.1. */
NCE_API nce_status nce_router_create(nce_graph *graph, nce_router **out);
NCE_API void nce_router_destroy(nce_router *router); /* NULL is allowed */

/* Find the cheapest route.
 *
 * Returns NCE_OK (one route, one certificate);
 *         NCE_ERR_INVALID (no such vertex or algorithm; a negative cycle reachable from the source with Bellman-Ford:
 *         the message names it and nce_router_cycle gives it);
 *         NCE_ERR_NOTFOUND (source or target is down, or no route: the certificate shows an infinite potential);
 *         NCE_ERR_STATE (nce_graph_prepare is due); NCE_ERR_UNSUPPORTED (a link has a negative cost and the algorithm
 *         is not Bellman-Ford); NCE_ERR_NOMEM.  The router stays usable.  Since 0.1. */
NCE_API nce_status nce_router_find(nce_router *router, nce_route_algorithm algorithm, uint32_t source, uint32_t target);

/* Costs of the cheapest routes from source to every vertex, infinity where there is none.
 *
 * costs  [n_vertices], written on NCE_OK.   algorithm  AUTO, DIJKSTRA or BELLMAN_FORD.
 * Errors as nce_router_find.  The certificate of the tree is its costs.  Since 0.1. */
NCE_API nce_status nce_router_distances(nce_router *router, nce_route_algorithm algorithm, uint32_t source,
                                        double *costs);

/* Find the k cheapest routes without repeated vertices, cheapest first (Yen 1971, with Lawler's partition); fewer when
 * there are fewer.  k is 1..1024.  nce_routes_check_k verifies that nothing cheaper was missed.
 * Errors as nce_router_find (no negative costs).  Since 0.1. */
NCE_API nce_status nce_router_find_k(nce_router *router, uint32_t source, uint32_t target, uint32_t k);

/* Find the cheapest route whose total of a resource is at most limit: a deadline, a power or hop budget.
 *
 * The problem is NP-hard.  A Lagrangian bound (LARAC: Juettner et al., INFOCOM 2001) and a feasible route come first;
 * then exact label setting in lexicographic order (BOA*: Hernandez et al., 2023).  If that would need more than
 * max_labels labels (0: 1,000,000), the feasible route is returned with claim BOUNDED and its proven bound.
 * The certificate proves the Lagrangian bound; an OPTIMAL claim above it rests on the exhaustive search.
 * Errors as nce_router_find, and NCE_ERR_NOTFOUND naming the least possible total when the limit cannot be met.
 * Since 0.1. */
NCE_API nce_status nce_router_find_within(nce_router *router, uint32_t source, uint32_t target,
                                          nce_route_resource resource, double limit, size_t max_labels);

/* Find all efficient trade-offs of cost against a resource: the Pareto front, cheapest first, one route per point.
 * NCE_ERR_LIMIT when max_labels (0: 1,000,000) do not suffice: the routes found are then the cheap end of the front.
 * Other errors as nce_router_find.  Since 0.1. */
NCE_API nce_status nce_router_find_pareto(nce_router *router, uint32_t source, uint32_t target,
                                          nce_route_resource resource, size_t max_labels);

/* Results of the last search.  n_routes is 0 after a failed one (except NCE_ERR_LIMIT above). */
NCE_API size_t nce_router_n_routes(const nce_router *router);
/* NCE_ERR_INVALID if i is out of range or out has no struct_size. */
NCE_API nce_status nce_router_route(const nce_router *router, size_t i, nce_route *out);
/* NCE_ERR_STATE if the last search has none (k best, Pareto, a failed search other than "no route"). */
NCE_API nce_status nce_router_certificate(nce_router *router, nce_certificate *out);
/* The negative cycle of the last search, as its links in order; NULL and 0 if there was none. */
NCE_API const uint32_t *nce_router_cycle(const nce_router *router, size_t *n_links);

/* Verify a route and a certificate against the graph, trusting neither: the links are connected, in use and lead from
 * source to target, the sums are right, every link satisfies the inequality, and the claim follows.
 *
 * route    NULL: verify that there is no route (the potential of the target must be infinite).
 * gap      cost minus proven bound (about 0 for an optimal route); may be NULL.
 * Comparisons allow 1e-9 of the largest finite potential or cost, the rounding of sums.
 * Returns NCE_OK; NCE_ERR_INVALID with a message naming the first thing that is wrong.  O(vertices + links).
 * Threads: as a search.  Since 0.1. */
NCE_API nce_status nce_route_check(const nce_graph *graph, const nce_route *route, const nce_certificate *certificate,
                                   double *gap);

/* Verify that routes[0..n) are the n cheapest simple routes: they are simple, distinct, ascending, and every way of
 * deviating from them costs at least as much as the last (Lawler's partition, each part solved by a plain
 * Bellman-Ford).  Slow on purpose: O(n * length * vertices * links).  complete: there must be no further route.
 * Returns NCE_OK; NCE_ERR_INVALID naming what is wrong; NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_routes_check_k(const nce_graph *graph, const nce_route *routes, size_t n, bool complete);

#ifdef __cplusplus
}
#endif
#endif
