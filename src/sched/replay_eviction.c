/* Hit rates of a trace's blocks in one cache: any policy of the cache, and the offline yardstick. */
#include "src/sched/trace.h"
#include <string.h>

nce_status nce_replay_eviction(const nce_trace *t, const nce_kv_cache_options *options, double *hit_rate)
{
    if (t == NULL) return NCE_ERR_INVALID;
    if (hit_rate == NULL) return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_replay_eviction: hit_rate is NULL");
    nce_kv_cache *cache;
    nce_kv_cache_stats stats = NCE_KV_CACHE_STATS_INIT;
    nce_status status = nce_kv_cache_create(t->ctx, options, &cache);
    for (size_t i = 0; i < t->n_requests && status == NCE_OK; i++)
        status = nce_kv_cache_access(cache, t->blocks + t->requests[i].first_block, t->requests[i].n_blocks, NULL);
    if (status == NCE_OK) status = nce_kv_cache_get_stats(cache, &stats);
    nce_kv_cache_destroy(cache);
    if (status == NCE_OK) *hit_rate = stats.n_queried > 0 ? (double)stats.n_hit / (double)stats.n_queried : 0;
    return status;
}

/* ---- the offline yardstick ---- */

/* A use is an index into the trace's blocks. */
typedef struct offline {
    const nce_trace *t;
    uint32_t *dense;  /* [n_blocks] block of each use, numbered densely */
    uint32_t *depth;  /* [n_blocks] place of each use in its request */
    size_t *next_use; /* [n_blocks] request of the block's next use after this one */
    size_t *resident; /* [n dense] use that made the block resident, + 1; 0: not resident */
    size_t *heap;     /* uses, the one needed last on top; may hold outdated ones */
    size_t n_heap, n_resident, n_dense;
} offline;

/* Number the blocks and find every use's successor, walking backwards; the table maps names to dense numbers. */
static nce_status number_blocks(offline *x)
{
    const nce_trace *t = x->t;
    size_t size = 64;
    while (size < 2 * t->n_blocks)
        size *= 2;
    uint32_t *table = nce_alloc_array(t->ctx, size, sizeof *table);
    size_t *last = nce_alloc_array(t->ctx, t->n_blocks, sizeof *last);
    uint64_t *name = nce_alloc_array(t->ctx, t->n_blocks, sizeof *name);
    if (table == NULL || last == NULL || name == NULL) {
        nce_free(t->ctx, table);
        nce_free(t->ctx, last);
        nce_free(t->ctx, name);
        return nce_fail_nomem(t->ctx, size * sizeof *table);
    }
    for (size_t r = t->n_requests; r-- > 0;)
        for (size_t k = t->requests[r].n_blocks; k-- > 0;) {
            const size_t at = t->requests[r].first_block + k;
            size_t i = (size_t)(t->blocks[at].lo * 0x9e3779b97f4a7c15u >> 32) & (size - 1);
            while (table[i] != 0 && name[table[i] - 1] != t->blocks[at].lo)
                i = (i + 1) & (size - 1);
            const bool known = table[i] != 0;
            if (!known) {
                name[x->n_dense] = t->blocks[at].lo;
                table[i] = (uint32_t)++x->n_dense;
            }
            x->dense[at] = table[i] - 1;
            x->depth[at] = (uint32_t)k;
            x->next_use[at] = known ? last[x->dense[at]] : SIZE_MAX;
            last[x->dense[at]] = r;
        }
    nce_free(t->ctx, table);
    nce_free(t->ctx, last);
    nce_free(t->ctx, name);
    return NCE_OK;
}

/* Is the block of use a needed later than that of use b; of those needed at the same time the deeper one is the later.
 */
static bool later(const offline *x, size_t a, size_t b)
{
    if (x->next_use[a] != x->next_use[b]) return x->next_use[a] > x->next_use[b];
    if (x->depth[a] != x->depth[b]) return x->depth[a] > x->depth[b];
    return x->t->blocks[a].lo < x->t->blocks[b].lo;
}

static void push(offline *x, size_t use_at)
{
    size_t at = x->n_heap++;
    for (; at > 0 && later(x, use_at, x->heap[(at - 1) / 2]); at = (at - 1) / 2)
        x->heap[at] = x->heap[(at - 1) / 2];
    x->heap[at] = use_at;
}

static size_t pop(offline *x)
{
    const size_t top = x->heap[0], moved = x->heap[--x->n_heap];
    size_t at = 0;
    for (size_t c = 1; c < x->n_heap; c = 2 * at + 1) {
        if (c + 1 < x->n_heap && later(x, x->heap[c + 1], x->heap[c])) c++;
        if (!later(x, x->heap[c], moved)) break;
        x->heap[at] = x->heap[c];
        at = c;
    }
    if (x->n_heap > 0) x->heap[at] = moved;
    return top;
}

static double run(offline *x, size_t budget)
{
    const nce_trace *t = x->t;
    uint64_t hits = 0;
    for (size_t r = 0; r < t->n_requests; r++) {
        const size_t first = t->requests[r].first_block, end = first + t->requests[r].n_blocks;
        size_t at = first;
        while (at < end && x->resident[x->dense[at]] != 0)
            at++;
        hits += at - first;
        for (at = first; at < end; at++) {
            x->n_resident += x->resident[x->dense[at]] == 0;
            x->resident[x->dense[at]] = at + 1;
            push(x, at);
        }
        while (budget > 0 && x->n_resident > budget) {
            const size_t out = pop(x);
            if (x->resident[x->dense[out]] != out + 1) continue; /* used again since */
            x->resident[x->dense[out]] = 0;
            x->n_resident--;
        }
    }
    return t->n_blocks > 0 ? (double)hits / (double)t->n_blocks : 0;
}

nce_status nce_replay_eviction_offline(const nce_trace *t, size_t budget_blocks, double *hit_rate)
{
    if (t == NULL) return NCE_ERR_INVALID;
    if (hit_rate == NULL) return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_replay_eviction_offline: hit_rate is NULL");
    offline x = {.t = t};
    nce_status status = NCE_OK;
    x.dense = nce_alloc_array(t->ctx, t->n_blocks, sizeof *x.dense);
    x.depth = nce_alloc_array(t->ctx, t->n_blocks, sizeof *x.depth);
    x.next_use = nce_alloc_array(t->ctx, t->n_blocks, sizeof *x.next_use);
    x.resident = nce_alloc_array(t->ctx, t->n_blocks, sizeof *x.resident);
    x.heap = nce_alloc_array(t->ctx, t->n_blocks, sizeof *x.heap);
    if (x.dense == NULL || x.depth == NULL || x.next_use == NULL || x.resident == NULL || x.heap == NULL)
        status = nce_fail_nomem(t->ctx, t->n_blocks * sizeof *x.heap);
    if (status == NCE_OK) status = number_blocks(&x);
    if (status == NCE_OK) *hit_rate = run(&x, budget_blocks);
    nce_free(t->ctx, x.dense);
    nce_free(t->ctx, x.depth);
    nce_free(t->ctx, x.next_use);
    nce_free(t->ctx, x.resident);
    nce_free(t->ctx, x.heap);
    return status;
}
