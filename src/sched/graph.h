/* Inside of a routing graph: links in compressed rows in both directions, with the combined cost stored in the row so
 * that a search reads one stream.  The rows are rebuilt by prepare and patched in place by live updates. */
#ifndef NCE_SRC_SCHED_GRAPH_H
#define NCE_SRC_SCHED_GRAPH_H
#include "nce/sched_graph.h"
#include "src/core/runtime/context.h"

enum { NCE_MAX_LANDMARKS = 16 };
#define NCE_NO_VERTEX UINT32_MAX
#define NCE_NO_LINK UINT32_MAX
#define NCE_MAX_METRIC 1e30 /* with it no sum over a route can overflow */

typedef struct nce_arc {
    double weight;   /* cost now; infinity when down */
    uint32_t vertex; /* the other end */
    uint32_t link;
} nce_arc;

typedef struct nce_rows {
    uint32_t *start; /* [n_vertices + 1] */
    nce_arc *arc;    /* [n_links] */
} nce_rows;

typedef struct nce_vertex {
    nce_link_metrics metrics;
    char *name; /* NULL: nameless */
    bool up;
} nce_vertex;

typedef struct nce_link {
    nce_link_metrics metrics;
    uint32_t from, to;
    uint32_t out_at, in_at; /* its places in the rows, valid when prepared */
    bool up;
    bool negative; /* counted in n_negative */
} nce_link;

/* Distances from and to a few vertices, for the triangle inequality. */
typedef struct nce_landmarks {
    uint32_t n;
    double *from, *to; /* [n_vertices][n], of the costs in base */
    double *base;      /* [n_links] */
    double scale;      /* 0..1: every link now costs at least scale * base */
} nce_landmarks;

struct nce_graph {
    nce_context *ctx;
    double alpha, beta, gamma;
    nce_vertex *vertices;
    nce_link *links;
    size_t n_vertices, n_links, vertex_capacity, link_capacity;
    uint32_t *names; /* open addressing, vertex + 1, 0 free; names_size is a power of two */
    size_t names_size, n_names;
    size_t n_negative;       /* links whose cost is below zero */
    size_t n_negative_price; /* links or vertices whose price is below zero */
    bool prepared;
    nce_rows out, in;
    nce_landmarks landmarks;
};

/* Cost of a link with its end vertex as if both were up, and as it is now. */
double nce_graph_cost_if_up(const nce_graph *g, const nce_link *l);
double nce_graph_cost(const nce_graph *g, const nce_link *l);
/* Amount of a resource used by a link and its end vertex. */
double nce_graph_resource(const nce_graph *g, const nce_link *l, uint32_t resource);
/* "name" or "#index", for messages. */
const char *nce_graph_label(const nce_graph *g, uint32_t vertex, char text[64]);

void nce_rows_finish(nce_context *ctx, nce_rows *r);
nce_status nce_landmarks_build(nce_graph *g, uint32_t n);
void nce_landmarks_finish(nce_context *ctx, nce_landmarks *lm);
/* A link changed: keep scale true. */
void nce_landmarks_note(nce_landmarks *lm, uint32_t link, double cost);
/* Lower bound of the cost from vertex to target, consistent; 0 without landmarks, infinity if there is no way. */
double nce_landmarks_bound(const nce_landmarks *lm, uint32_t vertex, uint32_t target);

#endif
