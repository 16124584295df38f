/* A node's book of cached blocks.
 *
 * Three populations: resident and evictable (in the heap), resident and in use or pinned (not in it), and ghosts
 * (evicted, their use count remembered for policies that profit).  The budget limits the first two together. */
#include "src/sched/kv_cache.h"
#include <string.h>

_Static_assert(sizeof(nce_kv_cache_options) == 56, "ABI: grows only at the end");
_Static_assert(sizeof(nce_kv_cache_stats) == 88, "ABI: grows only at the end");
enum { DEFAULT_HALF_LIFE = 2000, DEFAULT_GHOSTS = 262144 };

nce_status nce_kv_cache_create(nce_context *ctx, const nce_kv_cache_options *options, nce_kv_cache **out)
{
    nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_kv_cache_create: out is NULL");
    const nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_kv_cache_options");
    if (status != NCE_OK) return status;
    if (o.policy > NCE_KV_SLRU || !(o.protected_share >= 0 && o.protected_share <= 1) || o.reserved != 0)
        return nce_fail(ctx, NCE_ERR_INVALID, "cache: no policy %u, or protected_share %g outside 0..1", o.policy,
                        (double)o.protected_share);
    if (o.half_life == 0) o.half_life = DEFAULT_HALF_LIFE;
    if (o.protected_share == 0) o.protected_share = 0.5f;
    if (o.max_ghosts == 0) o.max_ghosts = DEFAULT_GHOSTS;
    nce_kv_cache *c = nce_alloc_zero(ctx, sizeof *c);
    if (c == NULL) return nce_fail_nomem(ctx, sizeof *c);
    c->ctx = ctx;
    c->o = o;
    c->free_entry = NCE_NO_ENTRY;
    c->ghosts = c->protected_ = (nce_kv_list){NCE_NO_ENTRY, NCE_NO_ENTRY, 0};
    *out = c;
    return NCE_OK;
}

void nce_kv_cache_destroy(nce_kv_cache *c)
{
    if (c == NULL) return;
    nce_free(c->ctx, c->entries);
    nce_free(c->ctx, c->table);
    nce_free(c->ctx, c->heap);
    nce_free(c->ctx, c);
}

static bool is_resident(const nce_kv_cache *c, const nce_block_hash *b)
{
    const uint32_t e = nce_kv_find(c, b);
    return e != NCE_NO_ENTRY && c->entries[e].resident;
}

size_t nce_kv_cache_match(const nce_kv_cache *c, const nce_block_hash *blocks, size_t n)
{
    size_t i = 0;
    while (c != NULL && blocks != NULL && i < n && is_resident(c, &blocks[i]))
        i++;
    return i;
}

static bool is_held(const nce_kv_entry *e)
{
    return e->references > 0 || e->pinned;
}

/* A block came into use or out of it: n_referenced and the heap follow. */
static void refresh(nce_kv_cache *c, uint32_t entry, bool was_held)
{
    const bool held = is_held(&c->entries[entry]);
    if (held && !was_held) {
        c->stats.n_referenced++;
        nce_kv_heap_remove(c, entry);
    } else if (!held && was_held) {
        c->stats.n_referenced--;
    }
    if (!held) nce_kv_heap_update(c, entry);
}

static void evict_one(nce_kv_cache *c)
{
    const uint32_t entry = c->heap[0];
    nce_kv_entry *e = &c->entries[entry];
    const nce_block_hash name = e->name;
    nce_kv_note_eviction(c, entry);
    nce_kv_heap_remove(c, entry);
    e->resident = false;
    c->stats.n_resident--;
    c->stats.n_evicted++;
    if (nce_kv_remembers(c)) {
        nce_kv_list_append(c, &c->ghosts, entry);
        if (c->ghosts.n > c->o.max_ghosts) {
            const uint32_t oldest = c->ghosts.oldest;
            nce_kv_list_remove(c, &c->ghosts, oldest);
            nce_kv_remove(c, oldest);
        }
    } else {
        nce_kv_remove(c, entry);
    }
    if (c->o.evicted != NULL) c->o.evicted(c->o.user, &name);
}

static void shrink(nce_kv_cache *c)
{
    while (c->o.budget_blocks > 0 && c->stats.n_resident > c->o.budget_blocks && c->n_heap > 0)
        evict_one(c);
}

/* Use one block, bringing it in if it is not there. */
static nce_status use(nce_kv_cache *c, const nce_block_hash *b, size_t depth, bool acquire)
{
    uint32_t entry = nce_kv_find(c, b);
    if (entry == NCE_NO_ENTRY) {
        const nce_status status = nce_kv_insert(c, b, &entry);
        if (status != NCE_OK) return status;
    }
    nce_kv_entry *e = &c->entries[entry];
    const bool hit = e->resident;
    if (!hit) {
        if (e->listed) nce_kv_list_remove(c, &c->ghosts, entry);
        e->resident = true;
        c->stats.n_resident++;
        c->stats.n_inserted++;
    }
    const bool was_held = is_held(e);
    nce_kv_use(c, entry, depth, hit);
    if (acquire) e->references++;
    refresh(c, entry, was_held);
    return NCE_OK;
}

static nce_status check(const nce_kv_cache *c, const void *blocks, size_t n)
{
    if (c == NULL) return NCE_ERR_INVALID;
    return blocks != NULL || n == 0 ? NCE_OK : nce_fail(c->ctx, NCE_ERR_INVALID, "cache: blocks is NULL");
}

static nce_status use_all(nce_kv_cache *c, const nce_block_hash *blocks, size_t n, size_t *n_hit, bool acquire)
{
    const size_t hit = nce_kv_cache_match(c, blocks, n);
    nce_status status = NCE_OK;
    size_t i = n;
    c->clock++;
    while (i > 0 && status == NCE_OK) {
        status = use(c, &blocks[i - 1], i - 1, acquire);
        i -= status == NCE_OK;
    }
    if (status != NCE_OK && acquire) nce_kv_cache_release(c, blocks + i, n - i); /* those acquired before it failed */
    shrink(c);
    if (status != NCE_OK) return status;
    c->stats.n_queried += n;
    c->stats.n_hit += hit;
    if (n_hit != NULL) *n_hit = hit;
    return NCE_OK;
}

nce_status nce_kv_cache_access(nce_kv_cache *c, const nce_block_hash *blocks, size_t n, size_t *n_hit)
{
    const nce_status status = check(c, blocks, n);
    return status == NCE_OK ? use_all(c, blocks, n, n_hit, false) : status;
}

nce_status nce_kv_cache_acquire(nce_kv_cache *c, const nce_block_hash *blocks, size_t n, size_t *n_hit)
{
    const nce_status status = check(c, blocks, n);
    if (status != NCE_OK) return status;
    size_t needed = c->stats.n_referenced;
    for (size_t i = 0; i < n; i++) {
        const uint32_t e = nce_kv_find(c, &blocks[i]);
        needed += e == NCE_NO_ENTRY || !is_held(&c->entries[e]);
    }
    if (c->o.budget_blocks > 0 && needed > c->o.budget_blocks)
        return nce_fail(c->ctx, NCE_ERR_LIMIT, "cache: %zu blocks would be in use, the budget is %zu", needed,
                        c->o.budget_blocks);
    return use_all(c, blocks, n, n_hit, true);
}

nce_status nce_kv_cache_release(nce_kv_cache *c, const nce_block_hash *blocks, size_t n)
{
    nce_status status = check(c, blocks, n);
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        const uint32_t entry = nce_kv_find(c, &blocks[i]);
        if (entry == NCE_NO_ENTRY || c->entries[entry].references == 0) {
            status = nce_fail(c->ctx, NCE_ERR_STATE, "cache: block %zu of %zu is released but not acquired", i, n);
            break;
        }
        c->entries[entry].references--;
        refresh(c, entry, true);
    }
    if (c != NULL) shrink(c);
    return status;
}

nce_status nce_kv_cache_pin(nce_kv_cache *c, const nce_block_hash *block, bool pinned)
{
    const nce_status status = check(c, block, 1);
    if (status != NCE_OK) return status;
    const uint32_t entry = nce_kv_find(c, block);
    if (entry == NCE_NO_ENTRY || !c->entries[entry].resident)
        return nce_fail(c->ctx, NCE_ERR_NOTFOUND, "cache: the block to be pinned is not there");
    nce_kv_entry *e = &c->entries[entry];
    const bool was_held = is_held(e);
    if (pinned != e->pinned) c->stats.n_pinned += pinned ? 1 : (size_t)-1;
    e->pinned = pinned;
    refresh(c, entry, was_held);
    shrink(c);
    return NCE_OK;
}

nce_status nce_kv_cache_set_budget(nce_kv_cache *c, size_t budget_blocks)
{
    if (c == NULL) return NCE_ERR_INVALID;
    c->o.budget_blocks = budget_blocks;
    shrink(c);
    if (budget_blocks == 0 || c->stats.n_resident <= budget_blocks) return NCE_OK;
    return nce_fail(c->ctx, NCE_ERR_LIMIT, "cache: %zu blocks are in use, the budget is %zu", c->stats.n_referenced,
                    budget_blocks);
}

nce_status nce_kv_cache_get_stats(const nce_kv_cache *c, nce_kv_cache_stats *out)
{
    if (c == NULL) return NCE_ERR_INVALID;
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_kv_cache_get_stats: no struct_size");
    nce_kv_cache_stats full = c->stats;
    full.struct_size = out->struct_size;
    full.budget = c->o.budget_blocks;
    full.n_idle = full.n_resident - full.n_referenced;
    full.n_ghosts = c->ghosts.n;
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}
