/* Request traces, and replays of them: what a cache policy or a routing policy would have done.
 *
 * A replay is deterministic: it runs on trace time, and the same trace and options give the same numbers. */
#ifndef NCE_SCHED_REPLAY_H
#define NCE_SCHED_REPLAY_H
#include "sched_place.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_trace nce_trace;

typedef enum nce_trace_format {
    NCE_TRACE_MOONCAKE = 1, /* JSON lines: timestamp (ms), input_length, output_length, hash_ids */
    NCE_TRACE_AZURE = 2     /* CSV: TIMESTAMP,ContextTokens,GeneratedTokens; no blocks */
} nce_trace_format;

typedef struct nce_trace_request {
    size_t struct_size;
    double arrival_s;             /* from the first request */
    uint32_t input_tokens, output_tokens;
    const nce_block_hash *blocks; /* [n_blocks]; owned by the trace */
    size_t n_blocks;
} nce_trace_request;
#define NCE_TRACE_REQUEST_INIT { sizeof(nce_trace_request), 0, 0, 0, 0, 0 }

/* Read a trace.
 *
 * text, size  borrowed until return.     name  for messages.
 * Returns NCE_OK; NCE_ERR_FORMAT naming the line (a missing or bad field, time running backwards); NCE_ERR_INVALID;
 *         NCE_ERR_NOMEM.  The trace is immutable.  Since 0.1. */
NCE_API nce_status nce_trace_read(nce_context *ctx, const char *name, const char *text, size_t size,
                                  nce_trace_format format, nce_trace **out);
NCE_API void nce_trace_destroy(nce_trace *trace); /* NULL is allowed */
NCE_API size_t nce_trace_n_requests(const nce_trace *trace);
/* NCE_ERR_INVALID if i is out of range or struct_size is not set. */
NCE_API nce_status nce_trace_request_at(const nce_trace *trace, size_t i, nce_trace_request *out);

/* Replay the trace's blocks through one cache.
 *
 * budget_blocks  0: no limit, which gives the most any policy can reach on this trace (its bound).
 * hit_rate       blocks found in an unbroken run from the start, over blocks asked for.
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_replay_eviction(const nce_trace *trace, const nce_kv_cache_options *options, double *hit_rate);
/* The same with knowledge of the future: drop the block that is needed last (Belady 1966).  No policy is better for
 * single blocks; for prefix runs it is the customary yardstick. */
NCE_API nce_status nce_replay_eviction_offline(const nce_trace *trace, size_t budget_blocks, double *hit_rate);

typedef enum nce_replay_policy {
    NCE_REPLAY_CACHE_AWARE = 0, /* nce_placer */
    NCE_REPLAY_LEAST_LOADED = 1,
    NCE_REPLAY_ROUND_ROBIN = 2,
    NCE_REPLAY_MAX_PREFIX = 3   /* the longest prefix wins whatever the queue: shows why not to */
} nce_replay_policy;

typedef struct nce_replay_options {
    size_t struct_size;
    uint32_t policy;         /* nce_replay_policy */
    uint32_t n_nodes;        /* 1..64; 0: 8 */
    size_t blocks_per_node;  /* LRU pool of each node; 0: 5,000 */
    double time_scale;       /* below 1 compresses arrivals: more load; 0: 1 */
    double prefill_weight;   /* of CACHE_AWARE; 0: 2 */
    nce_node_profile profile; /* block_s 0: 0.03 s a block growing by 1/64 a block, 0.02 s a request, which is about
                                 17,000 tokens/s of 512-token blocks */
    double kill_node_at_s;   /* trace time (after scaling) at which node kill_node dies; 0: never */
    uint32_t kill_node;
    uint32_t reserved;
} nce_replay_options;
#define NCE_REPLAY_OPTIONS_INIT                                                                                        \
    { sizeof(nce_replay_options), 0, 0, 0, 0, 0, { sizeof(nce_node_profile), 0, 0, 0, 0, 0, 0, 0, 0 }, 0, 0, 0 }

typedef struct nce_replay_report {
    size_t struct_size;
    double hit_rate;
    double ttft_mean_s, ttft_p50_s, ttft_p90_s, ttft_p99_s;
    double load_variation;  /* of the nodes' busy time; dead nodes are left out */
    uint64_t n_completed;   /* each request of the trace exactly once, or the replay fails with NCE_ERR_INTERNAL */
    uint64_t n_restarted;   /* were on the dead node and started again elsewhere */
} nce_replay_report;
#define NCE_REPLAY_REPORT_INIT { sizeof(nce_replay_report), 0, 0, 0, 0, 0, 0, 0, 0 }

/* Replay the trace over several nodes, each a first-in first-out prefill queue with its own cache.
 *
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM; NCE_ERR_LIMIT (all nodes died).  Since 0.1. */
NCE_API nce_status nce_replay_routing(const nce_trace *trace, const nce_replay_options *options,
                                      nce_replay_report *out);

#ifdef __cplusplus
}
#endif
#endif
