/* Splitting a model's layers over nodes: contiguous runs of layers, one per node, in pipeline order. */
#ifndef NCE_SCHED_LAYERS_H
#define NCE_SCHED_LAYERS_H
#include "sched_assign.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum nce_layers_goal {
    NCE_LAYERS_LATENCY = 0,     /* least time for one token through all stages: the sum of stages */
    NCE_LAYERS_THROUGHPUT = 1,  /* most tokens a second when the pipeline is full: the slowest stage */
    NCE_LAYERS_PROPORTIONAL = 2 /* layers = total * node memory / cluster memory, largest remainders rounded up; looks
                                   at nothing else, refuses what does not fit */
} nce_layers_goal;

/* Arrays are borrowed until return. */
typedef struct nce_layers_problem {
    size_t struct_size;
    uint32_t n_layers;           /* 1..1024 */
    uint32_t n_nodes;            /* 1..64 */
    const double *layer_bytes;   /* [n_layers] weights and cache of each layer */
    const double *layer_work;    /* [n_layers] work of each layer; NULL: 1 each */
    const double *node_bytes;    /* [n_nodes] memory to fill */
    const double *node_s;        /* [n_nodes] seconds per unit of work; not used by PROPORTIONAL */
    const double *node_hop_s;    /* [n_nodes] seconds for activations to reach the node; NULL: 0 */
    uint32_t goal;               /* nce_layers_goal */
    uint32_t keep_order;         /* not 0: stages in the order of nodes, as a ring of cables may demand; above 12 nodes
                                    always */
} nce_layers_problem;
#define NCE_LAYERS_PROBLEM_INIT { sizeof(nce_layers_problem), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Split the layers.  Nodes that would only slow things down get none.
 *
 * first, count  [n_nodes] written on NCE_OK: the node runs layers first .. first + count - 1; count 0: dropped.
 * value         seconds of the goal (PROPORTIONAL: of LATENCY, 0 without node_s); may be NULL.
 * LATENCY and THROUGHPUT are optimal among contiguous splits: dynamic programme over layers and sets of nodes (at most
 * 12, any order) or over layers and nodes (given order).
 * Returns NCE_OK; NCE_ERR_INVALID naming what is not a number or out of range; NCE_ERR_LIMIT (it does not fit, with the
 *         bytes needed and there); NCE_ERR_NOMEM.  Any thread.  Since 0.1. */
NCE_API nce_status nce_layers_place(nce_context *ctx, const nce_layers_problem *problem, uint32_t *first,
                                    uint32_t *count, double *value);

#ifdef __cplusplus
}
#endif
#endif
