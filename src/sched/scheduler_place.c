/* Submission: prediction, placement, the queue.  The node's book of blocks and the directory are updated the moment a
 * request is placed, so that the next request with the same prefix follows it even while it still waits. */
#include "src/sched/scheduler.h"
#include <math.h>
#include <string.h>
#include <time.h>

_Static_assert(sizeof(nce_sched_request) == 56, "ABI: grows only at the end");

void nce_scheduler_load(nce_scheduler *s, const nce_node *n)
{
    const double now = nce_scheduler_clock(s);
    const double running = fmax(0, n->running_end_s - n->n_running * now);
    const bool waits = n->n_queue > 0 || n->n_running >= n->slots;
    const double wait = waits ? (n->queued_work_s + running) / n->slots : 0;
    if (n->up) nce_placer_set_load(s->placer, n->index, now + wait, SIZE_MAX);
}

void nce_scheduler_release_blocks(nce_scheduler *s, nce_job *j)
{
    if (j->n_acquired > 0) nce_kv_cache_release(s->nodes[j->info.node].cache, j->blocks, j->n_acquired);
    j->n_acquired = 0;
}

/* Keys and values of one token of an 8B model in f16.  The network was trained with it; only ratios matter. */
static const double typical_token_bytes = 131072;

/* Predicted service on the chosen node. */
static void predict(nce_scheduler *s, nce_job *j, const nce_node *n, const nce_placement *x)
{
    nce_predict_input in = NCE_PREDICT_INPUT_INIT;
    nce_prediction p = NCE_PREDICTION_INIT;
    const double decode = s->recent_tokens * n->profile.decode_s;
    in.cpu_s = x->prefill_s;
    in.io_bytes = x->fetch_blocks * s->o.placer.block_bytes;
    in.memory_bytes = (double)j->input_tokens * typical_token_bytes;
    in.average_s = x->prefill_s + decode;
    in.priority = (uint8_t)j->priority;
    j->prefill_s = x->transfer_s + x->prefill_s;
    j->known_s = j->prefill_s;
    j->work_s = j->prefill_s + decode;
    /* The network's unit is that of its training, so it only orders; the work booked on the node stays the estimate. */
    j->info.predicted_s =
        nce_predictor_predict(s->o.predictor, &in, &p) == NCE_OK && p.from_network ? p.runtime_s : j->work_s;
}

static void set_key(const nce_scheduler *s, nce_job *j)
{
    j->key = 0; /* first in, first out by arrival */
    if (s->o.queue == NCE_QUEUE_EDF) j->key = j->deadline_s;
    /* Waiting lowers everybody's key at the same rate, so adding it to the late comer keeps the order static. */
    if (s->o.queue == NCE_QUEUE_SHORTEST) j->key = j->info.predicted_s + s->o.aging * j->info.arrival_s;
}

static nce_status rejected(nce_scheduler *s, const nce_job *j, const nce_placement *x, double now)
{
    if (x->reason == NCE_REJECT_DEADLINE) {
        s->stats.n_rejected_deadline++;
        return nce_fail(s->ctx, NCE_ERR_LIMIT,
                        "scheduler: deadline of %.6g s cannot be met: first token predicted in %.6g s",
                        j->deadline_s - now, x->first_token_s - now);
    }
    s->stats.n_rejected_memory++;
    return nce_fail(s->ctx, NCE_ERR_LIMIT, "scheduler: no node has memory for %zu blocks", j->n_blocks);
}

/* Book the blocks on the node.  A cache too full of blocks in use still counts the access. */
static nce_status book_blocks(nce_scheduler *s, nce_job *j, nce_node *n)
{
    nce_status status = nce_kv_cache_acquire(n->cache, j->blocks, j->n_blocks, NULL);
    if (status == NCE_OK) j->n_acquired = j->n_blocks;
    if (status == NCE_ERR_LIMIT) status = nce_kv_cache_access(n->cache, j->blocks, j->n_blocks, NULL);
    if (status != NCE_OK) return status;
    const size_t resident = nce_kv_cache_match(n->cache, j->blocks, j->n_blocks);
    status = nce_kv_directory_publish(s->directory, n->index, j->blocks, resident);
    return status == NCE_ERR_LIMIT ? NCE_OK : status;
}

static void observe_decision(nce_scheduler *s, const struct timespec *start)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    nce_histogram_observe(s->decision,
                          (double)(end.tv_sec - start->tv_sec) + 1e-9 * (double)(end.tv_nsec - start->tv_nsec));
}

nce_status nce_scheduler_place(nce_scheduler *s, uint32_t job)
{
    nce_job *j = &s->jobs[job];
    nce_place_query q = NCE_PLACE_QUERY_INIT;
    nce_placement x = NCE_PLACEMENT_INIT;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    const double now = nce_scheduler_clock(s);
    for (uint32_t k = 0; k < s->n_nodes; k++)
        nce_scheduler_load(s, &s->nodes[k]);
    q.blocks = j->blocks;
    q.n_blocks = j->n_blocks;
    q.now_s = now;
    q.previous = j->previous_node;
    /* A request that had to be placed again is not turned away: it was accepted once. */
    if (j->info.attempt == 0 && j->deadline_s < INFINITY) q.deadline_s = j->deadline_s;
    nce_status status = nce_placer_place(s->placer, &q, &x);
    observe_decision(s, &start);
    if (status != NCE_OK) return status;
    if (x.node == NCE_NO_NODE) return rejected(s, j, &x, now);
    nce_node *n = &s->nodes[x.node];
    j->info.node = x.node;
    j->matched_blocks = x.matched_blocks;
    j->fetch_blocks = x.fetch_blocks;
    j->fetch_from = x.fetch_from;
    predict(s, j, n, &x);
    set_key(s, j);
    status = book_blocks(s, j, n);
    if (status == NCE_OK) status = nce_node_enqueue(s, n, job);
    if (status != NCE_OK) {
        nce_scheduler_release_blocks(s, j);
        j->info.node = NCE_NO_NODE;
        return status;
    }
    if (j->info.attempt == 0) {
        s->blocks_queried += j->n_blocks;
        s->blocks_hit += x.matched_blocks;
    }
    j->info.attempt++;
    return NCE_OK;
}

/* A free slot in the table; its number is new. */
static nce_status take_slot(nce_scheduler *s, uint32_t *out)
{
    if (s->free_job == NCE_NO_JOB) {
        const nce_status status = nce_grow(s->ctx, (void **)&s->jobs, &s->job_capacity, s->n_jobs + 1, sizeof *s->jobs);
        if (status != NCE_OK) return status;
        s->jobs[s->n_jobs] = (nce_job){.newer = NCE_NO_JOB};
        s->free_job = (uint32_t)s->n_jobs++;
    }
    *out = s->free_job;
    s->free_job = s->jobs[*out].newer;
    return NCE_OK;
}

static void give_slot(nce_scheduler *s, uint32_t job)
{
    nce_free(s->ctx, s->jobs[job].blocks);
    s->jobs[job] = (nce_job){.newer = s->free_job};
    s->free_job = job;
}

static nce_status fill(nce_scheduler *s, uint32_t job, const nce_sched_request *r)
{
    const double now = nce_scheduler_clock(s);
    nce_job *j = &s->jobs[job];
    *j = (nce_job){.id = (uint64_t)++s->generation << 32 | job,
                   .n_blocks = r->n_blocks,
                   .input_tokens = r->input_tokens,
                   .output_tokens = r->output_tokens,
                   .priority = r->priority,
                   .previous_node = r->previous_node,
                   .fetch_from = NCE_NO_NODE,
                   .deadline_s = r->deadline_s > 0 ? now + r->deadline_s : INFINITY};
    j->info = (nce_job_info){sizeof j->info, j->id, r->user, NCE_JOB_QUEUED, NCE_NO_NODE, 0, 0, now, NAN, NAN, NAN, 0};
    j->blocks = nce_alloc_array(s->ctx, r->n_blocks, sizeof *j->blocks);
    if (j->blocks == NULL) return nce_fail_nomem(s->ctx, r->n_blocks * sizeof *j->blocks);
    if (r->n_blocks > 0) memcpy(j->blocks, r->blocks, r->n_blocks * sizeof *j->blocks);
    return NCE_OK;
}

/* The cache without limit, for the best hit rate possible; given up when it would grow too large. */
static void count_bound(nce_scheduler *s, const nce_job *j)
{
    nce_kv_cache_stats c = NCE_KV_CACHE_STATS_INIT;
    if (s->shadow == NULL) return;
    nce_kv_cache_get_stats(s->shadow, &c);
    const bool room = c.n_resident + j->n_blocks <= s->o.bound_blocks;
    if (room && nce_kv_cache_access(s->shadow, j->blocks, j->n_blocks, NULL) == NCE_OK) return;
    nce_kv_cache_destroy(s->shadow);
    s->shadow = NULL;
}

static nce_status submit(nce_scheduler *s, const nce_sched_request *r, uint64_t *id)
{
    uint32_t job = NCE_NO_JOB;
    if (s->stats.n_queued >= s->o.max_waiting) {
        s->stats.n_rejected_busy++;
        return nce_fail(s->ctx, NCE_ERR_BUSY, "scheduler: %llu requests wait, at most %zu may",
                        (unsigned long long)s->stats.n_queued, s->o.max_waiting);
    }
    nce_status status = take_slot(s, &job);
    if (status != NCE_OK) return status;
    status = fill(s, job, r);
    if (status == NCE_OK) status = nce_scheduler_place(s, job);
    if (status != NCE_OK) {
        give_slot(s, job);
        return status;
    }
    s->stats.n_submitted++;
    s->stats.n_queued++;
    count_bound(s, &s->jobs[job]);
    if (s->o.prefetch != NULL) nce_scheduler_foresee(s, &s->jobs[job]);
    *id = s->jobs[job].id;
    return NCE_OK;
}

nce_status nce_scheduler_submit(nce_scheduler *s, const nce_sched_request *request, uint64_t *job)
{
    nce_sched_request r = NCE_SCHED_REQUEST_INIT;
    if (s == NULL) return NCE_ERR_INVALID;
    nce_status status = nce_read_options(s->ctx, &r, sizeof r, request, "nce_sched_request");
    if (status != NCE_OK) return status;
    if (request == NULL || job == NULL || (r.blocks == NULL && r.n_blocks > 0) || r.n_blocks > UINT32_MAX ||
        r.priority > 7 || !(r.deadline_s >= 0))
        return nce_fail(s->ctx, NCE_ERR_INVALID,
                        "scheduler: a request without blocks, of priority %u (0..7), or deadline %g", r.priority,
                        r.deadline_s);
    pthread_mutex_lock(&s->mutex);
    status = submit(s, &r, job);
    if (status == NCE_OK && s->o.simulated) nce_scheduler_hand_out(s);
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    if (s->o.simulated) nce_scheduler_flush(s);
    return status;
}
