/* The run-time scheduler: requests in, dispatches out, statistics beside.
 *
 * A request is placed on a node the moment it is submitted (nce/sched_place.h), waits in that node's queue, is handed
 * out through the dispatch callback when the node has a free slot, and ends when the embedder reports it complete.  The
 * embedder runs the model; the scheduler only decides.  When a node is taken down its requests are placed again: each
 * hand-out carries an attempt number, and reports of an earlier attempt are refused, so nothing is lost and nothing
 * counts twice.
 *
 * Two clocks: real (CLOCK_MONOTONIC, a background thread hands out) and simulated (the caller moves time and the
 * scheduler plays the nodes too, by their profiles), which makes replays of a day take seconds and repeat exactly. */
#ifndef NCE_SCHED_RUNTIME_H
#define NCE_SCHED_RUNTIME_H
#include "sched_metrics.h"
#include "sched_place.h"
#include "sched_predict.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_scheduler nce_scheduler;

/* Order of a node's queue; a higher priority always goes before. */
typedef enum nce_queue_policy {
    NCE_QUEUE_FIFO = 0,
    NCE_QUEUE_EDF = 1,     /* earliest deadline first; those without one last */
    NCE_QUEUE_SHORTEST = 2 /* shortest predicted service first, less aging per second waited */
} nce_queue_policy;

typedef enum nce_job_state {
    NCE_JOB_QUEUED = 1,
    NCE_JOB_RUNNING = 2,
    NCE_JOB_DONE = 3,
    NCE_JOB_CANCELLED = 4,
    NCE_JOB_EXPIRED = 5 /* its deadline passed before it could start */
} nce_job_state;

/* A request handed out. */
typedef struct nce_dispatch {
    size_t struct_size;
    uint64_t job;
    void *job_user;
    uint32_t node, attempt;
    uint32_t matched_blocks; /* leading blocks the node is believed to hold */
    uint32_t fetch_blocks;   /* worth fetching from fetch_from first */
    uint32_t fetch_from;
    uint32_t reserved;
} nce_dispatch;

typedef struct nce_job_info {
    size_t struct_size;
    uint64_t job;
    void *job_user;
    uint32_t state; /* nce_job_state */
    uint32_t node;  /* NCE_NO_NODE before it has one */
    uint32_t attempt;
    uint32_t output_tokens;
    double arrival_s, start_s, first_token_s, end_s; /* on the scheduler's clock; NaN: not yet */
    double predicted_s;                              /* service time predicted when it was placed */
} nce_job_info;
#define NCE_JOB_INFO_INIT { sizeof(nce_job_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

typedef struct nce_scheduler_options {
    size_t struct_size;
    uint32_t queue;                /* nce_queue_policy */
    uint32_t simulated;            /* not 0: simulated clock */
    size_t max_waiting;            /* requests waiting on all nodes; 0: 1024.  Beyond: NCE_ERR_BUSY */
    size_t keep_finished;          /* ended jobs that can still be polled; 0: 1024 */
    double aging;                  /* of SHORTEST: seconds of service forgiven per second waited, so that
                                      nobody starves; 0: 0.005 */
    nce_placer_options placer;
    const nce_predictor *predictor; /* borrowed; NULL: the heuristic */
    /* Called on the scheduler's thread (simulated: in the call that moves time) without locks held; may call the
     * scheduler.  dispatch may be NULL only on the simulated clock. */
    void (*dispatch)(void *user, const nce_dispatch *dispatch);
    /* Done, cancelled or expired; may be NULL.  Not called when memory has run out: nce_scheduler_poll still tells. */
    void (*ended)(void *user, const nce_job_info *job);
    /* The chain head that has usually followed the one just submitted, when no node holds it: bring it to this node if
       there is nothing better to do.  Advice only.  May be NULL. */
    void (*prefetch)(void *user, uint32_t node, const nce_block_hash *blocks, size_t n);
    /* Energy used so far in joules; false when there is no meter now.  NULL: none, and nothing about energy is said. */
    bool (*energy)(void *user, double *joules);
    void *user;
    size_t bound_blocks;           /* names kept to compute the best hit rate any cache could have; 0: 1,048,576 */
} nce_scheduler_options;
#define NCE_SCHEDULER_OPTIONS_INIT                                                                                     \
    { sizeof(nce_scheduler_options), 0, 0, 0, 0, 0, NCE_PLACER_OPTIONS_INIT, 0, 0, 0, 0, 0, 0, 0 }

/* Create a scheduler without nodes.  Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM.
 * Threads: all calls on a scheduler may come from any thread, also concurrently, except destroy.  Since 0.1. */
NCE_API nce_status nce_scheduler_create(nce_context *ctx, const nce_scheduler_options *options, nce_scheduler **out);
/* Stops first.  NULL is allowed. */
NCE_API void nce_scheduler_destroy(nce_scheduler *scheduler);

/* Add a node.
 *
 * slots   requests it runs at the same time, 1..1024.    budget_blocks  of its cache; 0: no limit.
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_LIMIT (64 nodes); NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_scheduler_add_node(nce_scheduler *scheduler, const nce_node_profile *profile, uint32_t slots,
                                          size_t budget_blocks, uint32_t *out);
/* Take a node down, or up again with an empty cache.  Its queued and running requests are placed on the others in order
 * of arrival; when none is left they wait for one (queued without a node).
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_NOMEM (they wait as well).  Since 0.1. */
NCE_API nce_status nce_scheduler_set_node_up(nce_scheduler *scheduler, uint32_t node, bool up);
/* The node's cache has dropped these blocks by itself.  Since 0.1. */
NCE_API nce_status nce_scheduler_drop_blocks(nce_scheduler *scheduler, uint32_t node, const nce_block_hash *blocks,
                                             size_t n);

/* Start or stop the background thread.  start: NCE_ERR_STATE on the simulated clock or when running; NCE_ERR_NOMEM.
 * stop waits for a callback in progress and may be called from any thread but the scheduler's; requests stay queued and
 * go on after the next start.  Since 0.1. */
NCE_API nce_status nce_scheduler_start(nce_scheduler *scheduler);
NCE_API nce_status nce_scheduler_stop(nce_scheduler *scheduler);

typedef struct nce_sched_request {
    size_t struct_size;
    const nce_block_hash *blocks; /* [n_blocks], copied */
    size_t n_blocks;
    uint32_t input_tokens;
    uint32_t output_tokens;       /* simulated clock: how many there will be.  Real: the most allowed, 0 unknown */
    uint32_t priority;            /* 0..7, 7 first */
    uint32_t previous_node;       /* node of the session or NCE_NO_NODE */
    double deadline_s;            /* seconds from now for the first token; 0: none */
    void *user;                   /* handed back */
} nce_sched_request;
#define NCE_SCHED_REQUEST_INIT { sizeof(nce_sched_request), 0, 0, 0, 0, 0, 0xffffffffu, 0, 0 }

/* Submit a request: it is placed at once.
 *
 * job   its number; unchanged on failure.
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_LIMIT (rejected: the message says why, and for a deadline when the first
 *         token was predicted); NCE_ERR_BUSY (max_waiting: try later, the back-pressure); NCE_ERR_STATE (no node);
 *         NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_scheduler_submit(nce_scheduler *scheduler, const nce_sched_request *request, uint64_t *job);
/* Cancel a queued or running job; the embedder stops the work of a running one itself.  NCE_ERR_NOTFOUND; NCE_ERR_STATE
 * (it has ended).  Since 0.1. */
NCE_API nce_status nce_scheduler_cancel(nce_scheduler *scheduler, uint64_t job);
/* NCE_ERR_NOTFOUND if there is no such job or it ended too long ago.  Since 0.1. */
NCE_API nce_status nce_scheduler_poll(nce_scheduler *scheduler, uint64_t job, nce_job_info *out);

/* Reports of the embedder, real clock.  NCE_ERR_NOTFOUND; NCE_ERR_STATE (not running, or an earlier attempt: ignored).
 * Since 0.1. */
NCE_API nce_status nce_scheduler_first_token(nce_scheduler *scheduler, uint64_t job, uint32_t attempt);
NCE_API nce_status nce_scheduler_complete(nce_scheduler *scheduler, uint64_t job, uint32_t attempt,
                                          uint32_t output_tokens);

/* Move the simulated clock forward and play what happens until then; infinity: until nothing is left to do.
 * NCE_ERR_STATE on the real clock; NCE_ERR_INVALID (backwards, NaN).  Since 0.1. */
NCE_API nce_status nce_scheduler_advance(nce_scheduler *scheduler, double to_s);
/* Seconds on the scheduler's clock since it was created. */
NCE_API double nce_scheduler_now(const nce_scheduler *scheduler);

typedef struct nce_scheduler_stats {
    size_t struct_size;
    uint64_t n_submitted, n_done, n_cancelled, n_expired, n_restarted;
    uint64_t n_rejected_deadline, n_rejected_memory, n_rejected_busy;
    uint64_t n_queued, n_running;
    uint64_t input_tokens, output_tokens; /* of jobs done */
    double output_tokens_per_s;           /* over the time since creation */
    double ttft_p50_s, ttft_p95_s, ttft_p99_s, latency_mean_s; /* NaN while nothing is known */
    double hit_rate, hit_rate_bound;      /* of blocks; the bound is what an unlimited cache would reach; NaN:
                                             unknown */
    double utilisation;                   /* mean share of slots busy */
    double load_variation;                /* of the nodes' busy time */
    double joules_per_token;              /* NaN without a meter */
    double prediction_tau;                /* Kendall's tau of predicted and real service, last 256 jobs; NaN: too few */
} nce_scheduler_stats;
#define NCE_SCHEDULER_STATS_INIT                                                                                       \
    { sizeof(nce_scheduler_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
NCE_API nce_status nce_scheduler_get_stats(nce_scheduler *scheduler, nce_scheduler_stats *out);

/* Statistics as Prometheus text (version 0.0.4), or OpenMetrics 1.0 when asked.
 *
 * buffer  receives text and a final zero byte when it fits in size.
 * needed  bytes with the zero byte; may be NULL.
 * Returns NCE_OK; NCE_ERR_LIMIT (too small: needed says how much; nothing useful in buffer); NCE_ERR_INVALID.
 * Since 0.1. */
NCE_API nce_status nce_scheduler_metrics(nce_scheduler *scheduler, bool open_metrics, char *buffer, size_t size,
                                         size_t *needed);

#ifdef __cplusplus
}
#endif
#endif
