/* The graph that routing is measured on: a random digraph, connected by a ring. */
#ifndef NCE_TOOLS_RANDOM_GRAPH_H
#define NCE_TOOLS_RANDOM_GRAPH_H
#include "nce/sched_graph.h"
#include "tools/measure.h"
#include <stddef.h>

enum { RANDOM_GRAPH_DEGREE = 8, RANDOM_GRAPH_LANDMARKS = 4 };

/* NULL: see nce_context_error. */
static inline nce_graph *random_graph(nce_context *ctx, rng *random, uint32_t n)
{
    nce_graph *g;
    if (nce_graph_create(ctx, NULL, &g) != NCE_OK) return NULL;
    for (uint32_t v = 0; v < n; v++)
        nce_graph_add_vertex(g, NULL, NULL, NULL);
    for (uint32_t v = 0; v < n; v++)
        for (uint32_t k = 0; k < RANDOM_GRAPH_DEGREE; k++) {
            const nce_link_metrics m = {1 + rng_below(random, 1000) / 10.0, 0, 0};
            nce_graph_add_link(g, v, k == 0 ? (v + 1) % n : rng_below(random, n), &m, NULL);
        }
    if (nce_graph_prepare(g, RANDOM_GRAPH_LANDMARKS) == NCE_OK) return g;
    nce_graph_destroy(g);
    return NULL;
}

#endif
