/* The heap of evictable blocks, lowest rank on top.  Indexed, so that a use moves a block in place. */
#include "src/sched/kv_cache.h"

static bool before(const nce_kv_cache *c, uint32_t a, uint32_t b)
{
    const nce_kv_entry *x = &c->entries[a], *y = &c->entries[b];
    if (x->rank.major != y->rank.major) return x->rank.major < y->rank.major;
    if (x->rank.minor != y->rank.minor) return x->rank.minor < y->rank.minor;
    if (x->rank.last != y->rank.last) return x->rank.last < y->rank.last;
    if (x->name.lo != y->name.lo) return x->name.lo < y->name.lo;
    return x->name.hi < y->name.hi;
}

static void put(nce_kv_cache *c, size_t at, uint32_t entry)
{
    c->heap[at] = entry;
    c->entries[entry].heap_at = (uint32_t)at;
}

static size_t up(nce_kv_cache *c, size_t at, uint32_t entry)
{
    while (at > 0 && before(c, entry, c->heap[(at - 1) / 4])) {
        put(c, at, c->heap[(at - 1) / 4]);
        at = (at - 1) / 4;
    }
    return at;
}

static size_t down(nce_kv_cache *c, size_t at, uint32_t entry)
{
    for (;;) {
        size_t best = 4 * at + 1;
        if (best >= c->n_heap) return at;
        for (size_t k = best + 1; k < 4 * at + 5 && k < c->n_heap; k++)
            if (before(c, c->heap[k], c->heap[best])) best = k;
        if (!before(c, c->heap[best], entry)) return at;
        put(c, at, c->heap[best]);
        at = best;
    }
}

void nce_kv_heap_update(nce_kv_cache *c, uint32_t entry)
{
    size_t at = c->entries[entry].heap_at;
    if (at == NCE_NO_ENTRY) at = c->n_heap++;
    at = up(c, at, entry);
    put(c, down(c, at, entry), entry);
}

void nce_kv_heap_remove(nce_kv_cache *c, uint32_t entry)
{
    const size_t at = c->entries[entry].heap_at;
    if (at == NCE_NO_ENTRY) return;
    c->entries[entry].heap_at = NCE_NO_ENTRY;
    const uint32_t moved = c->heap[--c->n_heap];
    if (moved == entry) return;
    c->entries[moved].heap_at = (uint32_t)at;
    nce_kv_heap_update(c, moved);
}
