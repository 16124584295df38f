/* Shortest-path engine: labels of one search and the loops that fill them.  A search belongs to one router; it reads
 * the graph's rows and never changes the graph. */
#ifndef NCE_SRC_SCHED_SEARCH_H
#define NCE_SRC_SCHED_SEARCH_H
#include "src/sched/graph.h"
#include "src/sched/heap4.h"

typedef struct nce_label {
    double dist;     /* infinity: not reached */
    uint32_t via;    /* link it was reached by, NCE_NO_LINK at the source */
    uint32_t queued; /* of Bellman-Ford: 1 while in the queue */
} nce_label;

typedef struct nce_search {
    nce_context *ctx;
    size_t capacity; /* vertices there is room for */
    nce_label *label;
    double *estimate; /* of A*: below 0 means not known yet */
    uint32_t *queue;  /* of Bellman-Ford: [n] the queue, [n] scratch of the search for cycles */
    nce_heap heap;
} nce_search;

/* What an A* search may not use; NULL members: nothing. */
typedef struct nce_blocked {
    const bool *vertex;
    const bool *link;
} nce_blocked;

void nce_search_finish(nce_search *s);
/* Room for the graph's vertices; NCE_ERR_NOMEM is reported. */
nce_status nce_search_reserve(nce_search *s, const nce_graph *g);

/* Dijkstra from source, until target is settled (NCE_NO_VERTEX: all).  Rows are the graph's out rows, or its in rows
 * for distances to source.  weight: by link, instead of the rows' costs; NULL: the rows'. */
void nce_search_dijkstra(nce_search *s, const nce_graph *g, const nce_rows *rows, const double *weight, uint32_t source,
                         uint32_t target);
/* A* with estimates from the landmarks, computed when first needed. */
void nce_search_astar(nce_search *s, const nce_graph *g, uint32_t source, uint32_t target);
/* A* with estimates given for all vertices in s->estimate, avoiding what is blocked. */
void nce_search_astar_given(nce_search *s, const nce_graph *g, uint32_t source, uint32_t target, nce_blocked blocked);
/* First-in first-out Bellman-Ford.  False: a negative cycle can be reached; *on_cycle is a vertex of one, to be
 * followed by via. */
bool nce_search_bellman_ford(nce_search *s, const nce_graph *g, uint32_t source, uint32_t *on_cycle);

#endif
