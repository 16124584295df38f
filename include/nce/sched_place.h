/* Cache-aware placement: which node should serve a request, given who holds its prefix and who is busy.
 *
 *     cost(node) = queue + w * prefill of what is not cached + transfer + beta * joules + gamma * price,
 *
 * after Mooncake (Qin et al., FAST 2025, Algorithm 1) with a weight: w > 1 values the work that reuse saves later
 * requests above this request's own wait (docs/scheduler.md has the measurements).  The node of least cost is exact for
 * one request; hard limits (memory, deadline) filter first. */
#ifndef NCE_SCHED_PLACE_H
#define NCE_SCHED_PLACE_H
#include "sched_assign.h"
#include "sched_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_placer nce_placer;

/* What a node can do, measured.  Prefill of the block at place j of a prompt takes block_s * (1 + block_growth * j):
 * attention makes later blocks dearer. */
typedef struct nce_node_profile {
    size_t struct_size;
    double block_s;           /* seconds, > 0 */
    double block_growth;      /* >= 0 */
    double request_s;         /* fixed seconds a request */
    double decode_s;          /* seconds an output token */
    double fetch_rtt_s;       /* seconds to start a fetch from another node */
    double fetch_bytes_per_s; /* 0: it cannot fetch */
    double power_w;           /* drawn while prefilling */
    double price_per_s;
} nce_node_profile;
#define NCE_NODE_PROFILE_INIT { sizeof(nce_node_profile), 0, 0, 0, 0, 0, 0, 0, 0 }

typedef struct nce_placer_options {
    size_t struct_size;
    double prefill_weight; /* w; 0: 2 */
    double energy_weight;  /* beta, per joule */
    double price_weight;   /* gamma, per unit of price */
    double block_bytes;    /* of a block's keys and values; 0: nothing is ever fetched */
    uint32_t head_blocks;  /* blocks of a chain head worth copying; 0: 4 */
    uint32_t replicas;     /* holders wanted of a hot head; 0: no copies beyond what placement makes */
    double hot_uses;       /* uses, counted with a half-life of 256 placements, that make a head hot; 0: 16 */
} nce_placer_options;
#define NCE_PLACER_OPTIONS_INIT { sizeof(nce_placer_options), 0, 0, 0, 0, 0, 0, 0 }

/* Create a placer over a directory, which is borrowed and must outlive it.
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.  Threads: one call at a time per placer and its directory.  Since
 * 0.1. */
NCE_API nce_status nce_placer_create(nce_kv_directory *directory, nce_context *ctx, const nce_placer_options *options,
                                     nce_placer **out);
NCE_API void nce_placer_destroy(nce_placer *placer); /* NULL is allowed */

/* Add or change a node (0..63), or take it out (NULL).  NCE_ERR_INVALID names the bad value.  Since 0.1. */
NCE_API nce_status nce_placer_set_node(nce_placer *placer, uint32_t node, const nce_node_profile *profile);
/* A node is busy until a time (seconds of the caller's clock), and has this many blocks to spare (SIZE_MAX: any).
 * NCE_ERR_INVALID (no such node, NaN).  Since 0.1. */
NCE_API nce_status nce_placer_set_load(nce_placer *placer, uint32_t node, double busy_until_s, size_t free_blocks);

typedef struct nce_place_query {
    size_t struct_size;
    const nce_block_hash *blocks; /* [n_blocks] of the prompt */
    size_t n_blocks;
    size_t new_blocks;            /* blocks the output will need; 0 when unknown */
    double now_s;
    double deadline_s;            /* of the first token, on the same clock; 0: none */
    uint32_t previous;            /* node of the session, which wins ties, or NCE_NO_NODE */
    uint32_t reserved;
} nce_place_query;
#define NCE_PLACE_QUERY_INIT { sizeof(nce_place_query), 0, 0, 0, 0, 0, 0xffffffffu, 0 }

typedef struct nce_placement {
    size_t struct_size;
    uint32_t node;           /* NCE_NO_NODE when rejected */
    uint32_t reason;         /* nce_reject_reason */
    uint32_t matched_blocks; /* leading blocks the node holds */
    uint32_t fetch_blocks;   /* further blocks worth fetching from fetch_from; 0: recompute */
    uint32_t fetch_from;     /* NCE_NO_NODE with 0 */
    uint32_t replicate_to;   /* node that should get a copy of the hot chain head, or NCE_NO_NODE */
    double queue_s, transfer_s, prefill_s;
    double first_token_s;    /* predicted, on the caller's clock; when rejected by the deadline: the earliest
                                possible */
    double cost;
} nce_placement;
#define NCE_PLACEMENT_INIT { sizeof(nce_placement), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Choose a node.
 *
 * Fetch or recompute: blocks that another node holds are fetched only if round trip + bytes / bandwidth is less than
 * their prefill.  A prompt always recomputes at least its last token, which the engine sees to.
 * Returns NCE_OK (also for a rejection, which the result explains); NCE_ERR_INVALID; NCE_ERR_STATE (no nodes).
 * Nothing is booked: tell the placer with nce_placer_set_load, the directory with nce_kv_directory_publish.  Since
 * 0.1. */
NCE_API nce_status nce_placer_place(nce_placer *placer, const nce_place_query *query, nce_placement *out);

/* Seconds of prefill of blocks first..end-1 on such a node. */
NCE_API double nce_node_prefill_s(const nce_node_profile *profile, size_t first, size_t end);

/* Coefficient of variation, standard deviation over mean, of n loads: 0 is perfect balance.  0 when their mean is 0. */
NCE_API double nce_load_variation(const double *loads, size_t n);

#ifdef __cplusplus
}
#endif
#endif
