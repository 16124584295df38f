/* Blocks of the key-value cache: their names, who holds them, and which to drop.
 *
 * A block is a fixed number of tokens of one sequence.  Its name is a keyed 128-bit hash of the names before it and its
 * own tokens, so equal names mean equal prefixes, and a full block never changes.  This part deals with names only; the
 * bytes belong to the engine. */
#ifndef NCE_SCHED_CACHE_H
#define NCE_SCHED_CACHE_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Name of a block, and of everything before it.  This struct never grows. */
typedef struct nce_block_hash {
    uint64_t lo, hi;
} nce_block_hash;

/* ---- names ---- */

typedef struct nce_block_hasher nce_block_hasher;

typedef struct nce_block_hasher_options {
    size_t struct_size;
    const uint8_t *secret;       /* 16 bytes, the same on all nodes of a cluster and not known outside: names can then
                                    not be forged.  NULL: zeros, for tests and single processes */
    const void *model_digest;    /* what the cached values depend on: a digest of the weights, rope settings,
                                    adapters */
    size_t model_digest_bytes;   /* 0..256 */
    const char *kv_type;         /* type of the cached values, "f16"; NULL: "f16" */
    uint32_t block_tokens;       /* 8..1024; 0: 64 */
    uint32_t reserved;
} nce_block_hasher_options;
#define NCE_BLOCK_HASHER_OPTIONS_INIT { sizeof(nce_block_hasher_options), 0, 0, 0, 0, 0, 0 }

/* Create a hasher: SipHash-1-3 with 128-bit output (Aumasson and Bernstein, INDOCRYPT 2012) over the parent's name and
 * a like hash of the tokens.  Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.  Immutable: any number of threads.  Since
 * 0.1. */
NCE_API nce_status nce_block_hasher_create(nce_context *ctx, const nce_block_hasher_options *options,
                                           nce_block_hasher **out);
NCE_API void nce_block_hasher_destroy(nce_block_hasher *hasher); /* NULL is allowed */
NCE_API uint32_t nce_block_hasher_tokens(const nce_block_hasher *hasher); /* tokens of a block */

/* The parent of a sequence's first block.  Tenants with different salts never share blocks, so that one cannot learn by
 * timing what another has asked.
 *
 * salt  salt_bytes bytes, 0..256; NULL with 0.  Returns NCE_OK; NCE_ERR_INVALID (too long).  Since 0.1. */
NCE_API nce_status nce_block_hasher_root(const nce_block_hasher *hasher, const void *salt, size_t salt_bytes,
                                         nce_block_hash *out);

/* Names of the full blocks in n_tokens tokens that follow parent (a root, or the last name given out: hash as the
 * prompt arrives, so that the decision later finds the names ready).
 *
 * out  room for n_tokens / block_tokens names.   n_out  how many were written; the rest of the tokens is not looked at.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL).  Any thread.  Since 0.1. */
NCE_API nce_status nce_block_hasher_run(const nce_block_hasher *hasher, const nce_block_hash *parent,
                                        const int32_t *tokens, size_t n_tokens, nce_block_hash *out, size_t *n_out);

/* ---- who holds what ---- */

typedef struct nce_kv_directory nce_kv_directory;

/* State of a block on a node, after MESI as far as it applies: a published block is immutable, so nothing is ever
 * written back or invalidated by a write; what changes is where copies are.  The block being filled (M) is private to
 * its sequence and not in the directory. */
typedef enum nce_kv_state {
    NCE_KV_INVALID = 0,   /* not there */
    NCE_KV_EXCLUSIVE = 1, /* there, and nowhere else */
    NCE_KV_SHARED = 2,    /* there and on other nodes */
    NCE_KV_FETCHING = 3   /* on its way there; not counted as held */
} nce_kv_state;

typedef struct nce_kv_directory_options {
    size_t struct_size;
    size_t max_blocks; /* names kept; 0: 4,194,304.  32 bytes each, at most twice that for the table */
} nce_kv_directory_options;
#define NCE_KV_DIRECTORY_OPTIONS_INIT { sizeof(nce_kv_directory_options), 0 }

/* Create a directory of up to 64 nodes.  Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.
 * Threads: one call at a time per directory.  Since 0.1. */
NCE_API nce_status nce_kv_directory_create(nce_context *ctx, const nce_kv_directory_options *options,
                                           nce_kv_directory **out);
NCE_API void nce_kv_directory_destroy(nce_kv_directory *directory); /* NULL is allowed */

/* A node holds these blocks now (E with one holder, S with more); a fetch of them is over.
 * Returns NCE_OK; NCE_ERR_INVALID (node > 63, NULL); NCE_ERR_LIMIT (max_blocks) or NCE_ERR_NOMEM: the blocks before the
 * first that did not fit are in; the others are merely unknown, which costs a recomputation, never a wrong result.
 * Since 0.1. */
NCE_API nce_status nce_kv_directory_publish(nce_kv_directory *directory, uint32_t node, const nce_block_hash *blocks,
                                            size_t n);
/* A node has dropped these blocks; those it did not hold are ignored.  NCE_OK; NCE_ERR_INVALID.  Since 0.1. */
NCE_API nce_status nce_kv_directory_drop(nce_kv_directory *directory, uint32_t node, const nce_block_hash *blocks,
                                         size_t n);
/* A node begins to fetch a block that somebody holds.  NCE_ERR_NOTFOUND if nobody does; NCE_ERR_STATE if the node holds
 * or fetches it already.  publish or drop ends it.  Since 0.1. */
NCE_API nce_status nce_kv_directory_fetch(nce_kv_directory *directory, uint32_t node, const nce_block_hash *block);
/* A node has died: forget all it held or fetched.  O(blocks).  NCE_OK; NCE_ERR_INVALID.  Since 0.1. */
NCE_API nce_status nce_kv_directory_drop_node(nce_kv_directory *directory, uint32_t node);
/* Forget everything: the model, its adapters or its rope settings changed.  Since 0.1. */
NCE_API void nce_kv_directory_clear(nce_kv_directory *directory);

NCE_API nce_kv_state nce_kv_directory_state(const nce_kv_directory *directory, uint32_t node,
                                            const nce_block_hash *block);
/* Nodes that hold a block, as a mask. */
NCE_API uint64_t nce_kv_directory_holders(const nce_kv_directory *directory, const nce_block_hash *block);
NCE_API size_t nce_kv_directory_n_blocks(const nce_kv_directory *directory);

/* How many leading blocks each node holds: O(blocks looked at + nodes).
 *
 * matched  [64] written.  Returns the most any node holds.  Since 0.1. */
NCE_API size_t nce_kv_directory_match(const nce_kv_directory *directory, const nce_block_hash *blocks, size_t n,
                                      uint32_t matched[64]);

/* How many more nodes should hold the first n_head blocks of a chain for `factor` copies among the nodes in alive.
 * Copies are wanted of chain heads, which many sequences share, not of tails. */
NCE_API uint32_t nce_kv_directory_missing(const nce_kv_directory *directory, const nce_block_hash *blocks,
                                          size_t n_head, uint32_t factor, uint64_t alive);

/* ---- what to keep ---- */

typedef struct nce_kv_cache nce_kv_cache;

/* Within one sequence the last block always goes first, whatever the policy: a tail without its head is useless.
 * Hit rates of all of them on a production trace: docs/scheduler.md. */
typedef enum nce_kv_policy {
    NCE_KV_COST_AWARE = 0,  /* LRFU (Lee et al., 2001): a count of uses that halves every half_life accesses, remembered
                               for a while after eviction.  The default */
    NCE_KV_LRU = 1,
    NCE_KV_LFU = 2,         /* uses since it came in, then LRU */
    NCE_KV_FIFO = 3,
    NCE_KV_LFU_PERFECT = 4, /* uses remembered after eviction */
    NCE_KV_LENGTH = 5,      /* uses since it came in, then deepest first */
    NCE_KV_GDSF = 6,        /* greedy dual: uses + the inflation at the last eviction (Cherkasova 1998) */
    NCE_KV_SLRU = 7         /* segmented LRU: blocks used twice are protected */
} nce_kv_policy;

typedef struct nce_kv_cache_options {
    size_t struct_size;
    size_t budget_blocks;    /* 0: no limit */
    uint32_t policy;         /* nce_kv_policy */
    uint32_t half_life;      /* of COST_AWARE, in accesses; 0: 2000 */
    float protected_share;   /* of SLRU, 0..1; 0: 0.5 */
    uint32_t reserved;
    size_t max_ghosts;       /* evicted names whose uses are remembered; 0: 262,144 */
    /* Called once for each block dropped, during the call that drops it; must not call the cache. */
    void (*evicted)(void *user, const nce_block_hash *block);
    void *user;
} nce_kv_cache_options;
#define NCE_KV_CACHE_OPTIONS_INIT { sizeof(nce_kv_cache_options), 0, 0, 0, 0, 0, 0, 0, 0 }

typedef struct nce_kv_cache_stats {
    size_t struct_size;
    uint64_t n_queried, n_hit; /* blocks asked for, and found in an unbroken run from the start */
    uint64_t n_inserted, n_evicted;
    size_t budget;
    size_t n_resident;   /* = n_referenced + n_idle */
    size_t n_referenced; /* in use by a sequence, or pinned: cannot be evicted */
    size_t n_idle;       /* cached but free: usage is not zero just because nobody runs */
    size_t n_pinned, n_ghosts;
} nce_kv_cache_stats;
#define NCE_KV_CACHE_STATS_INIT { sizeof(nce_kv_cache_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Create the book-keeping of one node's blocks.  About 120 bytes a block.
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.  Threads: one call at a time per cache.  Since 0.1. */
NCE_API nce_status nce_kv_cache_create(nce_context *ctx, const nce_kv_cache_options *options, nce_kv_cache **out);
NCE_API void nce_kv_cache_destroy(nce_kv_cache *cache); /* NULL is allowed */

/* How many leading blocks are there.  Changes nothing. */
NCE_API size_t nce_kv_cache_match(const nce_kv_cache *cache, const nce_block_hash *blocks, size_t n);

/* A sequence with these blocks came and went: count the leading blocks found, use and insert all of them, then evict
 * down to the budget.
 *
 * n_hit  may be NULL.   Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM (some blocks may be missing; the cache is
 * sound).  Since 0.1. */
NCE_API nce_status nce_kv_cache_access(nce_kv_cache *cache, const nce_block_hash *blocks, size_t n, size_t *n_hit);

/* The same, but the sequence stays: its blocks cannot be evicted until released as often as acquired.
 * NCE_ERR_LIMIT if the budget cannot hold them beside what is in use: nothing is changed.  Since 0.1. */
NCE_API nce_status nce_kv_cache_acquire(nce_kv_cache *cache, const nce_block_hash *blocks, size_t n, size_t *n_hit);
/* NCE_ERR_STATE naming the first block that is not acquired; those before it are released.  Since 0.1. */
NCE_API nce_status nce_kv_cache_release(nce_kv_cache *cache, const nce_block_hash *blocks, size_t n);

/* Pinned blocks stay until unpinned.  NCE_ERR_NOTFOUND if the block is not there.  Since 0.1. */
NCE_API nce_status nce_kv_cache_pin(nce_kv_cache *cache, const nce_block_hash *block, bool pinned);

/* Change the budget and evict down to it; NCE_ERR_LIMIT if what is in use exceeds it (as much as possible is evicted,
 * the rest goes as it is released).  Since 0.1. */
NCE_API nce_status nce_kv_cache_set_budget(nce_kv_cache *cache, size_t budget_blocks);

/* NCE_ERR_INVALID without struct_size. */
NCE_API nce_status nce_kv_cache_get_stats(const nce_kv_cache *cache, nce_kv_cache_stats *out);

#ifdef __cplusplus
}
#endif
#endif
