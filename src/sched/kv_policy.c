/* Replacement policies.  Each is a rank computed when a block is used; the lowest rank leaves first.  Depth enters
 * negated, so that of blocks used together the tail goes first.
 *
 * COST_AWARE is LRFU (Lee, Choi, Kim, Noh, Min, Cho, Kim, IEEE Trans. Computers 50, 2001): every use counts 2^(-age /
 * half_life).  All counts decay by the same factor, so the order of two blocks never changes while neither is used; the
 * rank can be kept in the log domain, log2(sum of 2^(time of use / half_life)), and needs no updates. */
#include "src/sched/kv_cache.h"
#include <math.h>

bool nce_kv_remembers(const nce_kv_cache *c)
{
    return c->o.policy == NCE_KV_COST_AWARE || c->o.policy == NCE_KV_LFU_PERFECT;
}

static double decayed_use(const nce_kv_cache *c, const nce_kv_entry *e, bool known)
{
    const double now = (double)c->clock / c->o.half_life;
    if (!known) return now;
    return fmax(now, e->uses) + log2(1 + exp2(-fabs(now - e->uses)));
}

/* SLRU: a hit moves a block into the protected segment, whose oldest falls back to probation when it overflows. */
static void protect(nce_kv_cache *c, uint32_t entry)
{
    const size_t limit = (size_t)((double)c->o.budget_blocks * c->o.protected_share);
    if (c->entries[entry].listed) nce_kv_list_remove(c, &c->protected_, entry);
    nce_kv_list_append(c, &c->protected_, entry);
    while (c->o.budget_blocks > 0 && c->protected_.n > limit) {
        const uint32_t oldest = c->protected_.oldest;
        nce_kv_list_remove(c, &c->protected_, oldest);
        c->entries[oldest].rank = (nce_kv_rank){0, c->clock, 0};
        if (c->entries[oldest].heap_at != NCE_NO_ENTRY) nce_kv_heap_update(c, oldest);
    }
}

void nce_kv_use(nce_kv_cache *c, uint32_t entry, size_t depth, bool hit)
{
    nce_kv_entry *e = &c->entries[entry];
    const int64_t deep = -(int64_t)depth, now = c->clock;
    const bool known = e->uses != 0;
    const double count = hit || (known && c->o.policy == NCE_KV_LFU_PERFECT) ? e->uses + 1 : 1;
    switch ((nce_kv_policy)c->o.policy) {
    case NCE_KV_COST_AWARE:
        e->uses = decayed_use(c, e, known);
        e->rank = (nce_kv_rank){e->uses, deep, 0};
        return;
    case NCE_KV_FIFO:
        if (!hit) e->rank = (nce_kv_rank){0, now, deep};
        return;
    case NCE_KV_LRU:
        e->rank = (nce_kv_rank){0, now, deep};
        return;
    case NCE_KV_LFU:
    case NCE_KV_LFU_PERFECT:
        e->rank = (nce_kv_rank){count, now, deep};
        break;
    case NCE_KV_LENGTH:
        e->rank = (nce_kv_rank){count, deep, now};
        break;
    case NCE_KV_GDSF:
        e->rank = (nce_kv_rank){c->inflation + count, now, deep};
        break;
    case NCE_KV_SLRU:
        e->rank = (nce_kv_rank){hit || e->listed, now, deep};
        if (hit) protect(c, entry);
        return;
    }
    e->uses = count;
}

void nce_kv_note_eviction(nce_kv_cache *c, uint32_t entry)
{
    const nce_kv_entry *e = &c->entries[entry];
    if (c->o.policy == NCE_KV_GDSF && e->rank.major > c->inflation) c->inflation = e->rank.major;
    if (e->listed) nce_kv_list_remove(c, &c->protected_, entry);
}
