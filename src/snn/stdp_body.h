/* Deliveries over plastic synapses, part of engine_body.h.
 *
 * A step has three phases, each in ascending order of ids, so that the result does not depend on the parts: (1) every
 * spike depresses its synapses by the targets' traces and delivers; (2) every own neuron that fired potentiates its
 * incoming synapses by the sources' traces; (3) the traces of all that fired grow by one.  Spikes of one step are no
 * pair. */

static inline double NAME(trace)(const double *x, const uint64_t *at, size_t i, uint64_t step, double h_over_tau)
{
    return x[i] == 0 ? 0 : x[i] * nce_snn_exp(-(double)(step - at[i]) * h_over_tau);
}

static inline REAL NAME(clip)(double w, const nce_snn_stdp *s)
{
    return (REAL)(w < s->w_min ? s->w_min : w > s->w_max ? s->w_max : w);
}

static void NAME(depress)(nce_snn *snn, nce_snn_part *part, uint64_t step, uint64_t begin, uint64_t end)
{
    const nce_snn_plastic *plastic = part->plastic;
    const uint32_t line = snn->n_receptors * snn->n_slots * NCE_SNN_LANES;
    REAL *weight = part->weight;
    for (uint64_t e = begin; e < end; e++) {
        if (plastic->cls[e] == 0) continue;
        const nce_snn_stdp *s = &snn->classes[plastic->cls[e]];
        const uint32_t target = snn->ring_first[part->base[e] / line] + part->base[e] % NCE_SNN_LANES;
        const size_t i = (size_t)plastic->cls[e] * snn->n_ids + target;
        const double x = NAME(trace)(plastic->post, plastic->post_step, i, step, snn->o.dt / s->tau_minus);
        const double w = (double)weight[e];
        weight[e] = NAME(clip)(w - s->a_minus * s->w_max * (s->mu ? w / s->w_max : 1) * x, s);
    }
}

static void NAME(potentiate)(nce_snn *snn, nce_snn_part *part, uint64_t step, uint32_t id)
{
    const nce_snn_plastic *plastic = part->plastic;
    const uint32_t own = id - part->first_block * NCE_SNN_LANES;
    REAL *weight = part->weight;
    for (uint64_t k = plastic->in_row[own]; k < plastic->in_row[own + 1]; k++) {
        const uint64_t e = plastic->in_edge[k];
        const nce_snn_stdp *s = &snn->classes[plastic->cls[e]];
        const size_t i = (size_t)plastic->cls[e] * snn->n_ids + plastic->in_source[k];
        const double x = NAME(trace)(plastic->pre, plastic->pre_step, i, step, snn->o.dt / s->tau_plus);
        const double w = (double)weight[e];
        weight[e] = NAME(clip)(w + s->a_plus * s->w_max * (s->mu ? 1 - w / s->w_max : 1) * x, s);
    }
}

static void NAME(grow_traces)(nce_snn *snn, nce_snn_part *part, uint64_t step, uint32_t id)
{
    const nce_snn_plastic *t = part->plastic;
    for (size_t c = 1; c <= snn->n_classes; c++) {
        const size_t i = c * snn->n_ids + id;
        t->pre[i] = NAME(trace)(t->pre, t->pre_step, i, step, snn->o.dt / snn->classes[c].tau_plus) + 1;
        t->post[i] = NAME(trace)(t->post, t->post_step, i, step, snn->o.dt / snn->classes[c].tau_minus) + 1;
        t->pre_step[i] = t->post_step[i] = step;
    }
}

static void NAME(deliver_plastic)(nce_snn *snn, nce_snn_part *part, uint64_t step, unsigned parity, uint32_t k)
{
    const uint32_t first = part->first_block * NCE_SNN_LANES, end_id = part->end_block * NCE_SNN_LANES;
    for (int phase = 1; phase <= 3; phase++)
        for (uint32_t q = 0; q < snn->n_parts; q++) {
            const nce_snn_part *from = &snn->parts[q];
            for (size_t j = 0; j < from->count[parity][k]; j++) {
                const uint32_t id = from->fired[parity][k * from->room + j];
                const uint64_t begin = part->row[id], end = part->row[id + 1];
                if (phase == 1) {
                    part->synaptic_events += end - begin;
                    NAME(depress)(snn, part, step, begin, end);
                    NAME(deliver_row)(snn, part, step, begin, end, snn->marks);
                } else if (phase == 2) {
                    if (id >= first && id < end_id) NAME(potentiate)(snn, part, step, id);
                } else {
                    NAME(grow_traces)(snn, part, step, id);
                }
            }
        }
}
