/* Index of the plastic synapses of a part by target, and their traces. */
#include "src/snn/network.h"

static uint32_t target_of(const nce_snn *snn, const nce_snn_part *part, uint64_t e)
{
    const uint32_t line = snn->n_receptors * snn->n_slots * NCE_SNN_LANES;
    return snn->ring_first[part->base[e] / line] + part->base[e] % NCE_SNN_LANES - part->first_block * NCE_SNN_LANES;
}

nce_status nce_snn_index_plastic(nce_snn *snn, nce_snn_part *part)
{
    nce_snn_plastic *s = part->plastic;
    const size_t own = (size_t)(part->end_block - part->first_block) * NCE_SNN_LANES;
    const size_t traces = (snn->n_classes + 1) * (size_t)snn->n_ids;
    size_t n = 0;
    for (uint64_t e = 0; e < part->n_synapses; e++)
        n += s->cls[e] != 0;
    s->in_row = nce_alloc_array(snn->ctx, own + 2, sizeof *s->in_row);
    s->in_edge = nce_alloc_array(snn->ctx, n, sizeof *s->in_edge);
    s->in_source = nce_alloc_array(snn->ctx, n, sizeof *s->in_source);
    s->pre = nce_alloc_array(snn->ctx, traces, sizeof *s->pre);
    s->post = nce_alloc_array(snn->ctx, traces, sizeof *s->post);
    s->pre_step = nce_alloc_array(snn->ctx, traces, sizeof *s->pre_step);
    s->post_step = nce_alloc_array(snn->ctx, traces, sizeof *s->post_step);
    if (!s->in_row || !s->in_edge || !s->in_source || !s->pre || !s->post || !s->pre_step || !s->post_step)
        return nce_fail_nomem(snn->ctx, traces * sizeof *s->pre);
    for (uint64_t e = 0; e < part->n_synapses; e++)
        if (s->cls[e] != 0) s->in_row[target_of(snn, part, e) + 2]++;
    for (size_t i = 0; i < own; i++)
        s->in_row[i + 2] += s->in_row[i + 1];
    for (uint32_t id = 0; id < snn->n_ids; id++)
        for (uint64_t e = part->row[id]; e < part->row[id + 1]; e++) {
            if (s->cls[e] == 0) continue;
            const uint64_t at = s->in_row[target_of(snn, part, e) + 1]++;
            s->in_edge[at] = e;
            s->in_source[at] = id;
        }
    return NCE_OK;
}
