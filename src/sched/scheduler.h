/* Inside of a scheduler: jobs in a table, nodes with a queue each, one lock.
 *
 * All state is guarded by mutex.  Callbacks run without it: what they are to be told is collected in `notes` while the
 * lock is held and delivered after (nce_scheduler_flush). */
#ifndef NCE_SRC_SCHED_SCHEDULER_H
#define NCE_SRC_SCHED_SCHEDULER_H
#include "nce/sched_runtime.h"
#include "src/core/runtime/context.h"
#include "src/sched/histogram.h"

#define NCE_NO_JOB UINT32_MAX
enum { NCE_OUTCOMES = 256, NCE_HEAD_BLOCKS = 4, NCE_SUCCESSORS = 1024 };

typedef struct nce_job {
    uint64_t id;        /* (generation << 32) | index; 0: the slot is free */
    nce_job_info info;
    nce_block_hash *blocks;
    size_t n_blocks, n_acquired; /* acquired: held in the node's cache */
    uint32_t input_tokens, output_tokens, priority, previous_node;
    uint32_t matched_blocks, fetch_blocks, fetch_from;
    uint32_t heap_at;   /* in its node's queue */
    uint32_t older, newer; /* neighbours in its node's running list, or among the ended */
    double deadline_s;  /* on the scheduler's clock; infinity: none */
    double key;         /* order within a priority */
    double work_s;      /* predicted service on its node */
    double prefill_s;   /* of it */
    double known_s;     /* what prediction did not have to guess */
} nce_job;

typedef struct nce_node {
    nce_scheduler *owner;
    nce_node_profile profile;
    nce_kv_cache *cache;
    uint32_t index, slots, n_running, running; /* running: newest of the list */
    uint32_t *queue; /* heap of jobs */
    size_t n_queue, queue_capacity;
    double queued_work_s, running_end_s; /* sums over the queue, and over the running of their predicted ends */
    double busy_slot_s, busy_since_s;    /* slot seconds used until busy_since_s */
    bool up;
} nce_node;

typedef enum nce_note_kind { NCE_NOTE_DISPATCH, NCE_NOTE_ENDED, NCE_NOTE_PREFETCH } nce_note_kind;
/* What has usually followed a chain head: the majority element of its successors (Boyer and Moore). */
typedef struct nce_successor {
    nce_block_hash head;
    nce_block_hash next[NCE_HEAD_BLOCKS];
    uint32_t n_next, count;
} nce_successor;

typedef struct nce_note {
    nce_note_kind kind;
    uint32_t node;
    nce_dispatch dispatch;
    nce_job_info ended;
    nce_block_hash prefix[NCE_HEAD_BLOCKS]; /* of PREFETCH */
    size_t n_prefix;
} nce_note;

struct nce_scheduler {
    nce_context *ctx;
    nce_scheduler_options o;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    bool thread_runs, stopping;
    double epoch_s, sim_now_s;
    nce_kv_directory *directory;
    nce_placer *placer;
    nce_kv_cache *shadow; /* unlimited cache, for the bound; NULL when it grew too large */
    nce_node nodes[NCE_MAX_NODES];
    uint32_t n_nodes;
    nce_job *jobs;
    size_t n_jobs, job_capacity;
    uint32_t free_job, generation;
    uint32_t ended_oldest, ended_newest;
    size_t n_ended;
    uint32_t *homeless; /* queued jobs without a node, in order of arrival */
    size_t n_homeless, homeless_capacity;
    nce_note *notes;
    size_t n_notes, note_capacity;
    nce_histogram *ttft, *latency, *queueing, *decision;
    nce_scheduler_stats stats;
    uint64_t blocks_queried, blocks_hit;
    double recent_tokens; /* running mean of output lengths */
    double predicted[NCE_OUTCOMES], real[NCE_OUTCOMES]; /* prediction log */
    uint64_t n_outcomes;
    nce_successor successors[NCE_SUCCESSORS];
    nce_block_hash last_head;
};

/* ---- scheduler.c ---- */
double nce_scheduler_clock(const nce_scheduler *s); /* with the lock held or not */
nce_job *nce_scheduler_job(nce_scheduler *s, uint64_t id); /* NULL: unknown */
/* Deliver the notes; called without the lock. */
void nce_scheduler_flush(nce_scheduler *s);
/* All below: with the lock held. */
nce_status nce_scheduler_note_job(nce_scheduler *s, nce_note_kind kind, const nce_job *j);
nce_note *nce_scheduler_note(nce_scheduler *s, nce_note_kind kind); /* NULL: no memory */
/* Take all jobs off a node that is down. */
nce_status nce_scheduler_evacuate(nce_scheduler *s, nce_node *n);

/* ---- scheduler_queue.c: one node's queue ---- */
nce_status nce_node_enqueue(nce_scheduler *s, nce_node *n, uint32_t job);
void nce_node_dequeue(nce_scheduler *s, nce_node *n, uint32_t job);

/* ---- scheduler_place.c ---- */
/* Put a queued job on a node.  NCE_ERR_LIMIT (rejected, reported), NCE_ERR_STATE (no node). */
nce_status nce_scheduler_place(nce_scheduler *s, uint32_t job);
/* Tell the placer how busy a node is. */
void nce_scheduler_load(nce_scheduler *s, const nce_node *n);
void nce_scheduler_release_blocks(nce_scheduler *s, nce_job *j);

/* ---- scheduler_prefetch.c ---- */
/* A request with this chain came: learn, and advise what is likely to come next. */
void nce_scheduler_foresee(nce_scheduler *s, const nce_job *j);

/* ---- scheduler_run.c ---- */
/* Hand out what fits into free slots.  False: memory was short, try again soon. */
bool nce_scheduler_hand_out(nce_scheduler *s);
/* End a job in any state. */
void nce_scheduler_end(nce_scheduler *s, uint32_t job, nce_job_state state);

#endif
