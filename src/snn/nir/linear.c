/* The image of a sparse vector under a linear node.  Composing nodes this way, source by source, needs no matrix products
 * and keeps convolutions as sparse as they are. */
#include "src/snn/nir/graph.h"
#include <math.h>

static nce_status emit(const nce_nir_graph *g, nce_nir_vector *out, size_t index, uint32_t delay, double weight)
{
    if (weight == 0) return NCE_OK;
    const nce_status status = nce_grow(g->ctx, (void **)&out->items, &out->capacity, out->n + 1, sizeof *out->items);
    if (status == NCE_OK) out->items[out->n++] = (nce_nir_entry){(uint32_t)index, delay, weight};
    return status;
}

/* Outputs o of an axis that input i reaches through kernel place k: o * stride = i + padding - k * dilation. */
static bool reaches(const nce_nir_window *w, size_t i, size_t k, size_t *o)
{
    if (i + w->padding < k * w->dilation) return false;
    const size_t at = i + w->padding - k * w->dilation;
    *o = at / w->stride;
    return at % w->stride == 0 && *o < w->out;
}

static nce_status slide(const nce_nir_graph *g, const nce_nir_node *node, const nce_nir_entry *e, nce_nir_vector *out)
{
    nce_nir_window y = {1, 1, 0, 1, 1, 1}, x = y;
    const bool flat = node->type == NCE_NIR_CONV1D,
               pool = node->type == NCE_NIR_SUMPOOL || node->type == NCE_NIR_AVGPOOL;
    const nce_nir_param *weight = nce_nir_find(node, "weight");
    nce_status status = NCE_OK;
    size_t oy, ox;
    if (!flat) nce_nir_window_of(node, 0, &y);
    nce_nir_window_of(node, flat ? 0 : 1, &x);
    const size_t channel = e->index / (y.in * x.in), iy = e->index / x.in % y.in, ix = e->index % x.in;
    const size_t n_out = node->shape[0], per_group = pool ? 1 : weight->dim[1];
    const size_t groups = pool ? n_out : node->in_shape[0] / per_group, outs = n_out / groups,
                 group = channel / per_group;
    for (size_t ky = 0; ky < y.kernel; ky++)
        for (size_t kx = 0; kx < x.kernel; kx++) {
            if (!reaches(&y, iy, ky, &oy) || !reaches(&x, ix, kx, &ox)) continue;
            for (size_t o = group * outs; o < (group + 1) * outs && status == NCE_OK; o++) {
                double w = node->type == NCE_NIR_AVGPOOL ? 1.0 / (double)(y.kernel * x.kernel) : 1;
                if (!pool) w = weight->data[((o * per_group + channel % per_group) * y.kernel + ky) * x.kernel + kx];
                status = emit(g, out, (o * y.out + oy) * x.out + ox, e->delay, w * e->weight);
            }
        }
    return status;
}

nce_status nce_nir_apply(const nce_nir_graph *g, const nce_nir_node *node, double dt, const nce_nir_vector *in,
                         nce_nir_vector *out)
{
    nce_status status = NCE_OK;
    out->n = 0;
    for (size_t k = 0; k < in->n && status == NCE_OK; k++) {
        const nce_nir_entry *e = &in->items[k];
        const nce_nir_param *p;
        switch (node->type) {
        case NCE_NIR_LINEAR:
            p = nce_nir_find(node, "weight");
            for (size_t o = 0; o < p->dim[0] && status == NCE_OK; o++)
                status = emit(g, out, o, e->delay, p->data[o * p->dim[1] + e->index] * e->weight);
            break;
        case NCE_NIR_SCALE:
            p = nce_nir_find(node, "scale");
            status = emit(g, out, e->index, e->delay, p->data[p->n == 1 ? 0 : e->index] * e->weight);
            break;
        case NCE_NIR_DELAY: {
            p = nce_nir_find(node, "delay");
            const double steps = floor(p->data[p->n == 1 ? 0 : e->index] * 1000 / dt + 0.5);
            if (!(steps >= 0 && steps + e->delay <= 60000))
                return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: node '%s': delay of %g steps", g->path, node->name, steps);
            status = emit(g, out, e->index, e->delay + (uint32_t)steps, e->weight);
            break;
        }
        case NCE_NIR_PASS:
            status = emit(g, out, e->index, e->delay, e->weight);
            break;
        default:
            status = slide(g, node, e, out);
            break;
        }
    }
    return status;
}

const nce_nir_param *nce_nir_bias(const nce_nir_node *node)
{
    return nce_nir_is_neuron(node->type) || node->type <= NCE_NIR_OUTPUT ? NULL : nce_nir_find(node, "bias");
}
