/* Inside of a router: two searches, the routes found last and the proof that goes with them. */
#ifndef NCE_SRC_SCHED_ROUTER_H
#define NCE_SRC_SCHED_ROUTER_H
#include "src/sched/search.h"

/* A found route: its links lie in the pool, its vertices in a second pool one element longer per route. */
typedef struct nce_found {
    size_t links_at, vertices_at, n_links;
    double cost, bound;
    nce_link_metrics sum;
    nce_route_claim claim;
} nce_found;

typedef enum nce_proof {
    NCE_PROOF_NONE,
    NCE_PROOF_TREE,  /* potentials are the labels, capped at the target's distance */
    NCE_PROOF_ASTAR, /* the same with the estimates of A* */
    NCE_PROOF_READY  /* potential[] has been filled */
} nce_proof;

struct nce_router {
    nce_graph *graph;
    nce_context *ctx;
    nce_search forward, backward;
    nce_found *found;
    uint32_t *links, *vertices, *cycle;
    double *potential; /* [potential_capacity] */
    size_t n_found, found_capacity, n_links, links_capacity, n_vertices, vertices_capacity, n_cycle, cycle_capacity;
    size_t potential_capacity;
    nce_proof proof;
    nce_certificate certificate; /* all but the potentials */
};

/* Forget the last results and check that a search may start; reports. */
nce_status nce_router_begin(nce_router *r, uint32_t source, uint32_t target);
nce_status nce_router_reserve_potential(nce_router *r);
/* Append a route of n links in order; its cost is summed from the graph. */
nce_status nce_router_add(nce_router *r, uint32_t source, const uint32_t *links, size_t n);
/* Append the route that a forward search left in its labels, after room for it was made. */
nce_status nce_router_add_traced(nce_router *r, const nce_search *s, uint32_t source, uint32_t target);
nce_status nce_router_no_route(nce_router *r, uint32_t source, uint32_t target);
/* Searches that need costs >= 0. */
nce_status nce_router_refuse_negative(nce_router *r, const char *what);
/* Depth-first greedy walk; the route is appended. */
nce_status nce_router_greedy(nce_router *r, uint32_t source, uint32_t target);

#endif
