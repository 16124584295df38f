/* Shapes: carried from the inputs along the edges until nothing changes; then every parameter's size is checked, so that
 * the later stages may index freely. */
#include "src/snn/nir/graph.h"
#include <string.h>

const nce_nir_param *nce_nir_find(const nce_nir_node *node, const char *name)
{
    for (size_t i = 0; i < node->n_params; i++)
        if (strcmp(node->param[i].name, name) == 0) return &node->param[i];
    return NULL;
}

bool nce_nir_is_neuron(nce_nir_type type)
{
    return type >= NCE_NIR_LIF && type <= NCE_NIR_THRESHOLD;
}

size_t nce_nir_size(const nce_nir_node *node)
{
    size_t n = 1;
    for (size_t k = 0; k < node->n_dims; k++)
        n *= node->shape[k];
    return node->n_dims > 0 ? n : 0;
}

void nce_nir_finish(nce_nir_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_params; k++)
            nce_free(g->ctx, g->nodes[i].param[k].data);
    nce_free(g->ctx, g->nodes);
    nce_free(g->ctx, g->edges);
}

static nce_status bad(const nce_nir_graph *g, const nce_nir_node *node, const char *what)
{
    return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: node '%s': %s", g->path, node->name, what);
}

static void copy_shape(size_t *to, size_t *to_dims, const size_t *from, size_t dims)
{
    memcpy(to, from, dims * sizeof *to);
    *to_dims = dims;
}

/* Value k of a pair (or of one number for both), as a size; false if it is none. */
static bool pair_value(const nce_nir_node *node, const char *name, size_t k, size_t otherwise, size_t *value)
{
    const nce_nir_param *p = nce_nir_find(node, name);
    *value = otherwise;
    if (p == NULL) return true;
    if (p->text || p->n == 0 || p->n > 2) return p->text;
    const double x = p->data[p->n == 2 ? k : 0];
    *value = (size_t)x;
    return x >= 0 && x <= 1e6 && x == (double)*value;
}

bool nce_nir_window_of(const nce_nir_node *node, size_t k, nce_nir_window *w)
{
    const nce_nir_param *weight = nce_nir_find(node, "weight"), *padding = nce_nir_find(node, "padding");
    const bool pool = node->type == NCE_NIR_SUMPOOL || node->type == NCE_NIR_AVGPOOL;
    if (!pair_value(node, "stride", k, 1, &w->stride) || !pair_value(node, "padding", k, 0, &w->padding) ||
        w->stride == 0)
        return false;
    w->dilation = 1;
    if (!pool && (!pair_value(node, "dilation", k, 1, &w->dilation) || w->dilation == 0)) return false;
    if (pool && !pair_value(node, "kernel_size", k, 0, &w->kernel)) return false;
    if (!pool) w->kernel = weight->dim[2 + k];
    const size_t span = (w->kernel - 1) * w->dilation + 1, in = node->in_shape[1 + k];
    if (padding != NULL && padding->same) w->padding = (span - 1) / 2;
    if (w->kernel == 0 || in + 2 * w->padding < span) return false;
    w->in = in;
    w->out = (in + 2 * w->padding - span) / w->stride + 1;
    if (padding != NULL && padding->same && w->stride == 1) w->out = in;
    return true;
}

static nce_status window_shape(const nce_nir_graph *g, nce_nir_node *node)
{
    const size_t rank = node->type == NCE_NIR_CONV1D ? 1 : 2;
    const bool pool = node->type == NCE_NIR_SUMPOOL || node->type == NCE_NIR_AVGPOOL;
    const nce_nir_param *weight = nce_nir_find(node, "weight");
    size_t groups = 1;
    if (node->in_dims != rank + 1) return bad(g, node, "its input has the wrong number of dimensions");
    if (!pool) {
        if (weight == NULL || weight->n_dims != rank + 2 || weight->n == 0 ||
            !pair_value(node, "groups", 0, 1, &groups) || groups == 0 || weight->dim[1] * groups != node->in_shape[0] ||
            weight->dim[0] % groups != 0)
            return bad(g, node, "weight or groups do not fit its input");
    }
    node->n_dims = 0;
    node->shape[0] = pool ? node->in_shape[0] : weight->dim[0];
    for (size_t k = 0; k < rank; k++) {
        nce_nir_window w;
        if (!nce_nir_window_of(node, k, &w))
            return bad(g, node, "stride, padding, dilation or kernel do not fit its input");
        node->shape[1 + k] = w.out;
    }
    node->n_dims = rank + 1;
    const nce_nir_param *bias = nce_nir_find(node, "bias");
    if (bias != NULL && bias->n != node->shape[0]) return bad(g, node, "bias does not fit");
    return NCE_OK;
}

static nce_status output_shape(const nce_nir_graph *g, nce_nir_node *node)
{
    const nce_nir_param *p;
    size_t in = 1;
    for (size_t k = 0; k < node->in_dims; k++)
        in *= node->in_shape[k];
    switch (node->type) {
    case NCE_NIR_LINEAR:
        p = nce_nir_find(node, "weight");
        if (p == NULL || p->n_dims != 2 || p->dim[1] != in) return bad(g, node, "weight does not fit its input");
        copy_shape(node->shape, &node->n_dims, p->dim, 1);
        p = nce_nir_find(node, "bias");
        return p == NULL || p->n == node->shape[0] ? NCE_OK : bad(g, node, "bias does not fit");
    case NCE_NIR_SCALE:
    case NCE_NIR_DELAY:
        p = nce_nir_find(node, node->type == NCE_NIR_SCALE ? "scale" : "delay");
        if (p == NULL || (p->n != 1 && p->n != in)) return bad(g, node, "scale or delay does not fit its input");
        copy_shape(node->shape, &node->n_dims, node->in_shape, node->in_dims);
        return NCE_OK;
    case NCE_NIR_CONV1D:
    case NCE_NIR_CONV2D:
    case NCE_NIR_SUMPOOL:
    case NCE_NIR_AVGPOOL:
        return window_shape(g, node);
    default:
        copy_shape(node->shape, &node->n_dims, node->in_shape, node->in_dims);
        return NCE_OK;
    }
}

/* Shapes that nodes know by themselves: inputs say theirs, neurons have it in their parameters. */
static nce_status own_shape(const nce_nir_graph *g, nce_nir_node *node)
{
    const nce_nir_param *p;
    if (node->type == NCE_NIR_INPUT) {
        p = nce_nir_find(node, "shape");
        if (p == NULL || p->n == 0 || p->n > NCE_NIR_MAX_DIMS)
            return bad(g, node, "it has no shape of 1 to 4 dimensions");
        for (size_t k = 0; k < p->n; k++) {
            if (!(p->data[k] >= 1 && p->data[k] <= 1 << 24)) return bad(g, node, "shape with a side outside 1..2^24");
            node->shape[k] = (size_t)p->data[k];
        }
        node->n_dims = p->n;
    } else if (nce_nir_is_neuron(node->type)) {
        p = nce_nir_find(node, node->type == NCE_NIR_THRESHOLD                                 ? "threshold"
                               : node->type == NCE_NIR_CUBALIF || node->type == NCE_NIR_CUBALI ? "tau_mem"
                               : node->type == NCE_NIR_IF || node->type == NCE_NIR_I           ? "r"
                                                                                               : "tau");
        if (p == NULL) return bad(g, node, "it lacks tau, tau_mem, r or threshold");
        if (p->n_dims > 0 && p->n > 1) copy_shape(node->shape, &node->n_dims, p->dim, p->n_dims);
    }
    return nce_nir_size(node) <= (size_t)1 << 27 ? NCE_OK : bad(g, node, "more than 2^27 elements");
}

static nce_status check_neuron(const nce_nir_graph *g, const nce_nir_node *node)
{
    const size_t n = nce_nir_size(node);
    for (size_t k = 0; k < node->n_params; k++)
        if (!node->param[k].text && node->param[k].n != n && node->param[k].n != 1 &&
            strcmp(node->param[k].name, "input_type") != 0)
            return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: node '%s': %s has %zu values for %zu neurons", g->path,
                            node->name, node->param[k].name, node->param[k].n, n);
    return NCE_OK;
}

static nce_status carry(const nce_nir_graph *g, const nce_nir_node *from, nce_nir_node *to, bool *changed)
{
    if (from->n_dims == 0 || to->in_dims != 0) return NCE_OK;
    copy_shape(to->in_shape, &to->in_dims, from->shape, from->n_dims);
    *changed = true;
    if (to->n_dims != 0) return NCE_OK;
    if (nce_nir_is_neuron(to->type)) {
        copy_shape(to->shape, &to->n_dims, from->shape, from->n_dims);
        return NCE_OK;
    }
    const nce_status status = output_shape(g, to);
    if (status == NCE_OK && nce_nir_size(to) > (size_t)1 << 27) return bad(g, to, "more than 2^27 elements");
    return status;
}

nce_status nce_nir_infer_shapes(nce_nir_graph *g)
{
    nce_status status = NCE_OK;
    for (size_t i = 0; i < g->n_nodes && status == NCE_OK; i++)
        status = own_shape(g, &g->nodes[i]);
    for (bool changed = true; changed && status == NCE_OK;) {
        changed = false;
        for (size_t e = 0; e < g->n_edges && status == NCE_OK; e++)
            status = carry(g, &g->nodes[g->edges[e].from], &g->nodes[g->edges[e].to], &changed);
    }
    for (size_t e = 0; e < g->n_edges && status == NCE_OK; e++) {
        const nce_nir_node *from = &g->nodes[g->edges[e].from], *to = &g->nodes[g->edges[e].to];
        size_t in = 1;
        for (size_t k = 0; k < to->in_dims; k++)
            in *= to->in_shape[k];
        if (from->n_dims == 0)
            status = bad(g, from, "it is not reached from any Input");
        else if (nce_nir_size(from) != in || (nce_nir_is_neuron(to->type) && nce_nir_size(to) != in))
            status =
                nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: edge '%s' -> '%s': %zu outputs for %zu inputs", g->path,
                         from->name, to->name, nce_nir_size(from), nce_nir_is_neuron(to->type) ? nce_nir_size(to) : in);
    }
    for (size_t i = 0; i < g->n_nodes && status == NCE_OK; i++)
        if (nce_nir_is_neuron(g->nodes[i].type)) status = check_neuron(g, &g->nodes[i]);
    return status;
}
