/* Rows ordered by delay, for networks whose rings do not fit the second-level cache.
 *
 * Pushing a spike's synapses into rings of all future steps touches a random line of a table of neurons x delays: with
 * 77,000 neurons and 64 slots 17 ns for each synapse.  Pulling keeps one slot only: in every step each spike of the last
 * steps delivers the group of its synapses whose delay ends now, into a vector that stays in the cache (2.5 ns, the update
 * of the neurons included).  The groups to come are known, so their synapses are prefetched. */
#include "src/snn/network.h"
#include <string.h>

enum { RING_BYTES = 3 << 19, MAX_INDEX = 1 << 28 };

/* Before the rings are laid out.  The choice depends on the network only, never on threads or time. */
void nce_snn_choose_delivery(nce_snn *snn)
{
    const uint64_t groups = snn->max_delay - snn->min_delay + 1;
    const uint64_t ring =
        (uint64_t)snn->n_rings * snn->n_receptors * snn->n_slots * NCE_SNN_LANES * snn->engine->real_bytes;
    snn->pull = snn->equal_delay == 0 && snn->n_classes == 0 && snn->max_delay <= 255 && ring > RING_BYTES &&
                snn->n_ids * (groups + 1) <= MAX_INDEX;
    if (!snn->pull) return;
    snn->n_slots = 1;
    snn->n_groups = (uint32_t)groups;
    for (snn->n_past = 1; snn->n_past < snn->max_delay + 2 * NCE_SNN_MAX_INTERVAL; snn->n_past *= 2) {
    }
}

/* Stable counting sort of a row by delay; offsets of the groups go to group[n_groups + 1]. */
static void sort_row(const nce_snn *snn, nce_snn_part *part, uint64_t begin, uint64_t n, uint32_t *group,
                     uint32_t *bases, uint8_t *weights)
{
    const size_t real = snn->engine->real_bytes;
    uint32_t at[256];
    memset(group, 0, (snn->n_groups + 1) * sizeof *group);
    for (uint64_t e = begin; e < begin + n; e++)
        group[part->delay8[e] - snn->min_delay + 1]++;
    for (uint32_t k = 0; k < snn->n_groups; k++)
        group[k + 1] += group[k];
    memcpy(at, group, snn->n_groups * sizeof *at);
    for (uint64_t e = begin; e < begin + n; e++) {
        const uint32_t to = at[part->delay8[e] - snn->min_delay]++;
        bases[to] = part->base[e];
        memcpy(weights + to * real, (uint8_t *)part->weight + e * real, real);
    }
    memcpy(part->base + begin, bases, n * sizeof *bases);
    memcpy((uint8_t *)part->weight + begin * real, weights, n * real);
}

nce_status nce_snn_group_rows(nce_snn *snn, nce_snn_part *part)
{
    uint64_t longest = 1;
    if (!snn->pull) return NCE_OK;
    for (uint32_t id = 0; id < snn->n_ids; id++)
        longest = part->row[id + 1] - part->row[id] > longest ? part->row[id + 1] - part->row[id] : longest;
    const size_t stride = snn->n_groups + 1;
    uint32_t *bases = nce_alloc_array(snn->ctx, longest, sizeof *bases);
    uint8_t *weights = nce_alloc_array(snn->ctx, longest, snn->engine->real_bytes);
    part->group = nce_alloc_array(snn->ctx, snn->n_ids * stride, sizeof *part->group);
    const bool ok = bases != NULL && weights != NULL && part->group != NULL;
    for (uint32_t id = 0; ok && id < snn->n_ids; id++)
        sort_row(snn, part, part->row[id], part->row[id + 1] - part->row[id], part->group + id * stride, bases,
                 weights);
    nce_free(snn->ctx, bases);
    nce_free(snn->ctx, weights);
    if (!ok) return nce_fail_nomem(snn->ctx, snn->n_ids * stride * sizeof *part->group);
    nce_free(snn->ctx, part->delay8); /* the groups say it */
    part->delay8 = NULL;
    return NCE_OK;
}

uint32_t nce_snn_delay_of(const nce_snn *snn, const nce_snn_part *part, uint32_t id, uint64_t e)
{
    if (part->delay8 != NULL) return part->delay8[e];
    if (part->delay16 != NULL) return part->delay16[e];
    if (!snn->pull) return snn->equal_delay;
    const uint32_t *group = part->group + (size_t)id * (snn->n_groups + 1);
    uint32_t k = 0;
    while (e - part->row[id] >= group[k + 1])
        k++;
    return snn->min_delay + k;
}
