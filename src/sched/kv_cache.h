/* Inside of a cache: entries found by name, and a heap of those that may be evicted. */
#ifndef NCE_SRC_SCHED_KV_CACHE_H
#define NCE_SRC_SCHED_KV_CACHE_H
#include "nce/sched_cache.h"
#include "src/core/runtime/context.h"

#define NCE_NO_ENTRY UINT32_MAX

/* What goes first: compared in this order, then by name, so that eviction is deterministic. */
typedef struct nce_kv_rank {
    double major;
    int64_t minor, last;
} nce_kv_rank;

/* Two lists run through the entries: ghosts by age, and the protected segment of SLRU.  An entry is in one at most. */
typedef struct nce_kv_entry {
    nce_block_hash name;
    nce_kv_rank rank;
    double uses;      /* count, or log2 of the decayed count for COST_AWARE */
    uint32_t heap_at; /* NCE_NO_ENTRY: not evictable now */
    uint32_t references;
    uint32_t older, newer;
    bool used, resident, pinned, protected_, listed; /* used: the entry is taken at all */
} nce_kv_entry;

typedef struct nce_kv_list {
    uint32_t oldest, newest;
    size_t n;
} nce_kv_list;

struct nce_kv_cache {
    nce_context *ctx;
    nce_kv_cache_options o;
    nce_kv_entry *entries;
    size_t n_entries, entry_capacity;
    uint32_t free_entry; /* chained through newer */
    uint32_t *table;     /* entry + 1 by name, open addressing; a power of two */
    size_t table_size, n_table;
    uint32_t *heap;
    size_t n_heap, heap_capacity;
    nce_kv_list ghosts, protected_;
    int64_t clock;    /* accesses */
    double inflation; /* of GDSF */
    nce_kv_cache_stats stats;
};

/* ---- kv_table.c: entries by name ---- */
uint32_t nce_kv_find(const nce_kv_cache *c, const nce_block_hash *b);
/* A new entry, not resident; NCE_ERR_NOMEM is reported. */
nce_status nce_kv_insert(nce_kv_cache *c, const nce_block_hash *b, uint32_t *out);
void nce_kv_remove(nce_kv_cache *c, uint32_t entry);
void nce_kv_list_append(nce_kv_cache *c, nce_kv_list *l, uint32_t entry);
void nce_kv_list_remove(nce_kv_cache *c, nce_kv_list *l, uint32_t entry);

/* ---- kv_policy.c: who goes first ---- */
/* Rank after a use: depth is the block's place in its sequence, hit whether it was there. */
void nce_kv_use(nce_kv_cache *c, uint32_t entry, size_t depth, bool hit);
void nce_kv_note_eviction(nce_kv_cache *c, uint32_t entry);
bool nce_kv_remembers(const nce_kv_cache *c); /* does the policy keep ghosts */

/* ---- kv_heap.c ---- */
void nce_kv_heap_update(nce_kv_cache *c, uint32_t entry); /* insert, or restore order after its rank changed */
void nce_kv_heap_remove(nce_kv_cache *c, uint32_t entry);

#endif
