/* Greedy routing: always step to the neighbour with the least link cost plus landmark estimate, never visit a vertex
 * twice, step back out of dead ends.  Linear in the links looked at; finds a route whenever there is one; makes no
 * claim but the bound, the landmark estimate of the source.  With a landmark at the target it is exact. */
#include "src/sched/router.h"
#include <math.h>

/* The best unvisited neighbour's link; visited vertices have an estimate below 0. */
static const nce_arc *best_step(const nce_graph *g, double *visited, uint32_t at, uint32_t target)
{
    const nce_arc *best = NULL;
    double least = INFINITY;
    for (uint32_t i = g->out.start[at]; i < g->out.start[at + 1]; i++) {
        const nce_arc *a = &g->out.arc[i];
        if (visited[a->vertex] < 0 || a->weight == INFINITY) continue;
        const double cost = a->weight + nce_landmarks_bound(&g->landmarks, a->vertex, target);
        if (cost < least) {
            least = cost;
            best = a;
        }
    }
    return best;
}

nce_status nce_router_greedy(nce_router *r, uint32_t source, uint32_t target)
{
    const nce_graph *g = r->graph;
    double *visited = r->forward.estimate;
    uint32_t *walk = r->forward.queue; /* links from the source to here */
    for (size_t v = 0; v < g->n_vertices; v++)
        visited[v] = 0;
    size_t n = 0;
    uint32_t at = source;
    visited[at] = -1;
    while (at != target) {
        const nce_arc *step = best_step(g, visited, at, target);
        if (step == NULL) {
            if (n == 0) return nce_router_no_route(r, source, target);
            at = g->links[walk[--n]].from;
            continue;
        }
        walk[n++] = step->link;
        at = step->vertex;
        visited[at] = -1;
    }
    const nce_status status = nce_router_add(r, source, walk, n);
    if (status != NCE_OK) return status;
    nce_found *f = &r->found[0];
    f->bound = fmin(f->cost, nce_landmarks_bound(&g->landmarks, source, target));
    if (f->bound < f->cost) f->claim = NCE_ROUTE_BOUNDED;
    return NCE_OK;
}
