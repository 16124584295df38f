/* Label setting for two criteria: the search under deadline-constrained routes and the Pareto front. */
#ifndef NCE_SRC_SCHED_LABELS_H
#define NCE_SRC_SCHED_LABELS_H
#include "src/sched/router.h"

typedef struct nce_biobjective {
    uint32_t source, target;
    const double *resource;              /* [n_links] */
    const double *cost_to, *resource_to; /* [n_vertices] least amounts from a vertex to the target */
    double limit;                        /* of the resource; infinity: none */
    double cost_limit;                   /* dearer routes are of no interest; infinity: none */
    size_t max_labels;
    bool first_only; /* stop at the first route reached: the cheapest within the limits */
} nce_biobjective;

/* Append the efficient routes to the router, cheapest first.  NCE_ERR_LIMIT (not reported) when max_labels do not
 * suffice. */
nce_status nce_biobjective_search(nce_router *r, const nce_biobjective *b);

/* Amount of the resource for every link, in a new array; refuses a resource that can be negative. */
nce_status nce_resource_weights(nce_router *r, nce_route_resource resource, double **out);

/* Relative rounding allowed when a sum of amounts is compared with a limit. */
#define NCE_LIMIT_SLACK (1 + 1e-12)

#endif
