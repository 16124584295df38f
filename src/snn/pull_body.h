/* Pulled deliveries, part of engine_body.h; see pull.c.  A target gets its arrivals in the order of age, then id, then row:
 * the same for any number of parts. */

static void NAME(pull)(nce_snn *snn, nce_snn_part *part, uint64_t step)
{
    enum { CHUNK = 64, AHEAD = 2 };
    typedef struct {
        uint64_t begin, end;
    } range;
    range r[CHUNK];
    REAL *ring = snn->ring;
    const REAL *weight = part->weight;
    const uint32_t *base = part->base, mask = snn->n_past - 1;
    const size_t stride = snn->n_groups + 1;
    const bool marks = snn->marks;
    uint32_t d = snn->max_delay, q = 0;
    size_t j = 0;
    while (d >= snn->min_delay) {
        uint32_t n = 0;
        while (n < CHUNK && d >= snn->min_delay) { /* the next groups, oldest spikes first */
            const nce_snn_part *from = &snn->parts[q];
            const size_t slot = (step - d) & mask;
            if (step < d || j >= from->past_n[slot]) {
                j = 0;
                if (++q == snn->n_parts || step < d) {
                    q = 0;
                    d--;
                }
                continue;
            }
            const uint32_t id = from->past[slot * from->room + j++];
            const uint32_t *group = part->group + id * stride + (d - snn->min_delay);
            if (group[0] != group[1]) r[n++] = (range){part->row[id] + group[0], part->row[id] + group[1]};
        }
        for (uint32_t k = 0; k < n; k++) {
            for (uint64_t e = k + AHEAD < n ? r[k + AHEAD].begin : 1; k + AHEAD < n && e < r[k + AHEAD].end;
                 e += 64 / sizeof(REAL)) {
                __builtin_prefetch(&base[e]);
                __builtin_prefetch(&weight[e]);
            }
            for (uint64_t e = r[k].begin; e < r[k].end; e++)
                ring[base[e]] += weight[e];
            for (uint64_t e = r[k].begin; marks && e < r[k].end; e++)
                snn->touched[base[e] / NCE_SNN_LANES] = 1;
            part->synaptic_events += r[k].end - r[k].begin;
        }
    }
}
