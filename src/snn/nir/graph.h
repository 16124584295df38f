/* A NIR graph in memory: flat (subgraphs dissolved), its linear nodes ready to be multiplied out. */
#ifndef NCE_SRC_SNN_NIR_GRAPH_H
#define NCE_SRC_SNN_NIR_GRAPH_H
#include "nce/snn_nir.h"
#include "src/core/runtime/context.h"

typedef enum nce_nir_type {
    NCE_NIR_INPUT,
    NCE_NIR_OUTPUT,
    NCE_NIR_LIF,
    NCE_NIR_LI,
    NCE_NIR_IF,
    NCE_NIR_I,
    NCE_NIR_CUBALIF,
    NCE_NIR_CUBALI,
    NCE_NIR_THRESHOLD, /* neurons */
    NCE_NIR_PASS /* Flatten, and Input and Output of subgraphs */,
    NCE_NIR_LINEAR,
    NCE_NIR_SCALE,
    NCE_NIR_CONV1D,
    NCE_NIR_CONV2D,
    NCE_NIR_SUMPOOL,
    NCE_NIR_AVGPOOL,
    NCE_NIR_DELAY
} nce_nir_type;

enum { NCE_NIR_MAX_DIMS = 4, NCE_NIR_MAX_PARAMS = 8, NCE_NIR_MAX_NODES = 4096 };

typedef struct nce_nir_param {
    char name[24];
    double *data;
    size_t n, dim[NCE_NIR_MAX_DIMS], n_dims;
    bool text; /* a string, not kept: "valid" or "same" for padding is in same */
    bool same;
} nce_nir_param;

typedef struct nce_nir_node {
    char name[128];
    nce_nir_type type;
    nce_nir_param param[NCE_NIR_MAX_PARAMS];
    size_t n_params;
    size_t shape[NCE_NIR_MAX_DIMS], n_dims; /* of the output; n_dims 0: not yet known */
    size_t in_shape[NCE_NIR_MAX_DIMS], in_dims;
    uint32_t population, level;
} nce_nir_node;

typedef struct nce_nir_edge {
    uint32_t from, to;
} nce_nir_edge;

typedef struct nce_nir_graph {
    nce_context *ctx;
    const char *path; /* for messages */
    nce_nir_node *nodes;
    size_t n_nodes, nodes_capacity;
    nce_nir_edge *edges;
    size_t n_edges, edges_capacity;
    size_t n_unsupported;
    char unsupported[400]; /* the first of them: "'name' (type), ..." */
} nce_nir_graph;

nce_status nce_nir_read(nce_nir_graph *g); /* read.c: the file at path */
void nce_nir_finish(nce_nir_graph *g);
const nce_nir_param *nce_nir_find(const nce_nir_node *node, const char *name); /* NULL if absent */
size_t nce_nir_size(const nce_nir_node *node);                                 /* product of the shape */
bool nce_nir_is_neuron(nce_nir_type type);

/* The sliding window of a convolution or a pool along one axis; false if its parameters make none. */
typedef struct nce_nir_window {
    size_t kernel, stride, padding, dilation, in, out;
} nce_nir_window;
bool nce_nir_window_of(const nce_nir_node *node, size_t axis, nce_nir_window *w);

nce_status nce_nir_infer_shapes(nce_nir_graph *g); /* shape.c: also checks every parameter's size */

/* linear.c: a sparse vector with delays, and the image of one under a linear node. */
typedef struct nce_nir_entry {
    uint32_t index;
    uint32_t delay;
    double weight;
} nce_nir_entry;
typedef struct nce_nir_vector {
    nce_nir_entry *items;
    size_t n, capacity;
} nce_nir_vector;
nce_status nce_nir_apply(const nce_nir_graph *g, const nce_nir_node *node, double dt, const nce_nir_vector *in,
                         nce_nir_vector *out);
const nce_nir_param *nce_nir_bias(const nce_nir_node *node); /* per output, or per channel for convolutions; NULL */

nce_status nce_nir_to_network(nce_nir_graph *g, const nce_snn_nir_options *o, nce_snn *snn); /* network.c */

#endif
