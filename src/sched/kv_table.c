/* Entries of a cache: allocation, lookup by name, and the two lists. */
#include "src/sched/kv_cache.h"

/* Names made by the hasher are uniform, but those of a trace are counted up: the multiplication spreads both. */
static size_t home_of(const nce_kv_cache *c, const nce_block_hash *b)
{
    return (size_t)(b->lo * 0x9e3779b97f4a7c15u >> 32) & (c->table_size - 1);
}

static size_t place_of(const nce_kv_cache *c, const nce_block_hash *b)
{
    size_t i = home_of(c, b);
    for (; c->table[i] != 0; i = (i + 1) & (c->table_size - 1)) {
        const nce_block_hash *name = &c->entries[c->table[i] - 1].name;
        if (name->lo == b->lo && name->hi == b->hi) break;
    }
    return i;
}

uint32_t nce_kv_find(const nce_kv_cache *c, const nce_block_hash *b)
{
    return c->table_size == 0 ? NCE_NO_ENTRY : c->table[place_of(c, b)] - 1; /* 0 - 1 is NCE_NO_ENTRY */
}

static nce_status grow_table(nce_kv_cache *c)
{
    if (4 * (c->n_table + 1) <= 3 * c->table_size) return NCE_OK;
    const size_t size = c->table_size == 0 ? 1024 : 2 * c->table_size;
    uint32_t *fresh = nce_alloc_array(c->ctx, size, sizeof *fresh);
    if (fresh == NULL) return nce_fail_nomem(c->ctx, size * sizeof *fresh);
    nce_free(c->ctx, c->table);
    c->table = fresh;
    c->table_size = size;
    for (uint32_t i = 0; i < c->n_entries; i++)
        if (c->entries[i].used) c->table[place_of(c, &c->entries[i].name)] = i + 1;
    return NCE_OK;
}

nce_status nce_kv_insert(nce_kv_cache *c, const nce_block_hash *b, uint32_t *out)
{
    nce_status status = grow_table(c);
    /* The heap never needs more than all entries; making room here keeps eviction and release free of failure. */
    if (status == NCE_OK)
        status = nce_grow(c->ctx, (void **)&c->heap, &c->heap_capacity, c->n_entries + 1, sizeof *c->heap);
    if (status == NCE_OK && c->free_entry == NCE_NO_ENTRY)
        status = nce_grow(c->ctx, (void **)&c->entries, &c->entry_capacity, c->n_entries + 1, sizeof *c->entries);
    if (status != NCE_OK) return status;
    uint32_t e = c->free_entry;
    if (e != NCE_NO_ENTRY)
        c->free_entry = c->entries[e].newer;
    else
        e = (uint32_t)c->n_entries++;
    c->entries[e] =
        (nce_kv_entry){.name = *b, .heap_at = NCE_NO_ENTRY, .older = NCE_NO_ENTRY, .newer = NCE_NO_ENTRY, .used = true};
    c->table[place_of(c, b)] = e + 1;
    c->n_table++;
    *out = e;
    return NCE_OK;
}

void nce_kv_remove(nce_kv_cache *c, uint32_t entry)
{
    const size_t mask = c->table_size - 1;
    size_t hole = place_of(c, &c->entries[entry].name);
    for (size_t i = (hole + 1) & mask; c->table[i] != 0; i = (i + 1) & mask) {
        const size_t home = home_of(c, &c->entries[c->table[i] - 1].name);
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        c->table[hole] = c->table[i];
        hole = i;
    }
    c->table[hole] = 0;
    c->n_table--;
    c->entries[entry] = (nce_kv_entry){.newer = c->free_entry};
    c->free_entry = entry;
}

void nce_kv_list_append(nce_kv_cache *c, nce_kv_list *l, uint32_t entry)
{
    nce_kv_entry *e = &c->entries[entry];
    e->older = l->newest;
    e->newer = NCE_NO_ENTRY;
    e->listed = true;
    if (l->newest != NCE_NO_ENTRY)
        c->entries[l->newest].newer = entry;
    else
        l->oldest = entry;
    l->newest = entry;
    l->n++;
}

void nce_kv_list_remove(nce_kv_cache *c, nce_kv_list *l, uint32_t entry)
{
    nce_kv_entry *e = &c->entries[entry];
    if (e->older != NCE_NO_ENTRY)
        c->entries[e->older].newer = e->newer;
    else
        l->oldest = e->newer;
    if (e->newer != NCE_NO_ENTRY)
        c->entries[e->newer].older = e->older;
    else
        l->newest = e->older;
    e->older = e->newer = NCE_NO_ENTRY;
    e->listed = false;
    l->n--;
}
