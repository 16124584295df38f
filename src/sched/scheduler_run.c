/* Handing out, ending, reports, and the simulated clock. */
#include "src/sched/scheduler.h"
#include <math.h>
#include <string.h>

/* Slot seconds used up to now; called before n_running changes. */
static void account(nce_node *n, double now)
{
    n->busy_slot_s += n->n_running * (now - n->busy_since_s);
    n->busy_since_s = now;
}

/* Start the job at the head of a node's queue, or end it if its deadline has passed.  False: no memory for the note. */
static bool start_next(nce_scheduler *s, nce_node *n, double now)
{
    const uint32_t job = n->queue[0];
    nce_job *j = &s->jobs[job];
    if (now > j->deadline_s && j->info.attempt == 1) {
        nce_scheduler_end(s, job, NCE_JOB_EXPIRED);
        return true;
    }
    if (nce_scheduler_note_job(s, NCE_NOTE_DISPATCH, j) != NCE_OK) return false;
    nce_node_dequeue(s, n, job);
    account(n, now);
    j->info.state = NCE_JOB_RUNNING;
    j->info.start_s = now;
    j->older = n->running;
    j->newer = NCE_NO_JOB;
    if (n->running != NCE_NO_JOB) s->jobs[n->running].newer = job;
    n->running = job;
    n->n_running++;
    n->running_end_s += now + j->work_s;
    s->stats.n_queued--;
    s->stats.n_running++;
    if (j->info.attempt == 1) nce_histogram_observe(s->queueing, now - j->info.arrival_s);
    return true;
}

/* Jobs without a node, oldest first; those that still find none stay. */
static void place_homeless(nce_scheduler *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_homeless; i++)
        if (nce_scheduler_place(s, s->homeless[i]) != NCE_OK) s->homeless[kept++] = s->homeless[i];
    s->n_homeless = kept;
}

bool nce_scheduler_hand_out(nce_scheduler *s)
{
    const double now = nce_scheduler_clock(s);
    for (uint32_t k = 0; k < s->n_nodes; k++)
        if (!s->nodes[k].up) nce_scheduler_evacuate(s, &s->nodes[k]);
    if (s->n_homeless > 0) place_homeless(s);
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        nce_node *n = &s->nodes[k];
        while (n->up && n->n_queue > 0 && n->n_running < n->slots)
            if (!start_next(s, n, now)) return false;
    }
    return true;
}

/* Take a job out of whatever it is in. */
static void detach(nce_scheduler *s, uint32_t job, double now)
{
    nce_job *j = &s->jobs[job];
    nce_node *n = j->info.node != NCE_NO_NODE ? &s->nodes[j->info.node] : NULL;
    if (j->info.state == NCE_JOB_RUNNING) {
        account(n, now);
        if (j->older != NCE_NO_JOB) s->jobs[j->older].newer = j->newer;
        if (j->newer != NCE_NO_JOB)
            s->jobs[j->newer].older = j->older;
        else
            n->running = j->older;
        n->n_running--;
        n->running_end_s = n->n_running > 0 ? n->running_end_s - (j->info.start_s + j->work_s) : 0;
        s->stats.n_running--;
        return;
    }
    s->stats.n_queued--;
    if (n != NULL) {
        nce_node_dequeue(s, n, job);
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < s->n_homeless; i++)
        if (s->homeless[i] != job) s->homeless[kept++] = s->homeless[i];
    s->n_homeless = kept;
}

/* Ended jobs form a list by age; beyond keep_finished the oldest are forgotten. */
static void retire(nce_scheduler *s, uint32_t job)
{
    nce_job *j = &s->jobs[job];
    nce_free(s->ctx, j->blocks);
    j->blocks = NULL;
    j->n_blocks = 0;
    j->newer = NCE_NO_JOB;
    if (s->ended_newest != NCE_NO_JOB)
        s->jobs[s->ended_newest].newer = job;
    else
        s->ended_oldest = job;
    s->ended_newest = job;
    if (++s->n_ended <= s->o.keep_finished) return;
    const uint32_t oldest = s->ended_oldest;
    s->ended_oldest = s->jobs[oldest].newer;
    if (s->ended_oldest == NCE_NO_JOB) s->ended_newest = NCE_NO_JOB;
    s->jobs[oldest] = (nce_job){.newer = s->free_job};
    s->free_job = oldest;
    s->n_ended--;
}

static void record_done(nce_scheduler *s, const nce_job *j)
{
    const nce_job_info *i = &j->info;
    const double first = isnan(i->first_token_s) ? i->end_s : i->first_token_s;
    s->stats.n_done++;
    s->stats.input_tokens += j->input_tokens;
    s->stats.output_tokens += i->output_tokens;
    nce_histogram_observe(s->ttft, first - i->arrival_s);
    nce_histogram_observe(s->latency, i->end_s - i->arrival_s);
    s->recent_tokens += (i->output_tokens - s->recent_tokens) / (s->stats.n_done < 64 ? (double)s->stats.n_done : 64);
    s->predicted[s->n_outcomes % NCE_OUTCOMES] = i->predicted_s;
    s->real[s->n_outcomes % NCE_OUTCOMES] = i->end_s - i->start_s;
    s->n_outcomes++;
}

void nce_scheduler_end(nce_scheduler *s, uint32_t job, nce_job_state state)
{
    const double now = nce_scheduler_clock(s);
    nce_job *j = &s->jobs[job];
    detach(s, job, now);
    j->info.end_s = now;
    j->info.state = state;
    if (j->info.node != NCE_NO_NODE) nce_scheduler_release_blocks(s, j);
    if (state == NCE_JOB_DONE) record_done(s, j);
    if (state == NCE_JOB_CANCELLED) s->stats.n_cancelled++;
    if (state == NCE_JOB_EXPIRED) s->stats.n_expired++;
    nce_log(s->ctx, NCE_LOG_DEBUG, "job %llu ended: predicted %.6f s, took %.6f s", (unsigned long long)j->id,
            j->info.predicted_s, j->info.end_s - j->info.start_s);
    nce_scheduler_note_job(s, NCE_NOTE_ENDED, j); /* without memory nobody is called; poll still tells */
    retire(s, job);
}

static nce_status unknown(const nce_scheduler *s, uint64_t job)
{
    return nce_fail(s->ctx, NCE_ERR_NOTFOUND, "scheduler: no job %llu (or it ended long ago)", (unsigned long long)job);
}

nce_status nce_scheduler_cancel(nce_scheduler *s, uint64_t job)
{
    if (s == NULL) return NCE_ERR_INVALID;
    nce_status status = NCE_OK;
    pthread_mutex_lock(&s->mutex);
    const nce_job *j = nce_scheduler_job(s, job);
    if (j == NULL)
        status = unknown(s, job);
    else if (j->info.state > NCE_JOB_RUNNING)
        status = nce_fail(s->ctx, NCE_ERR_STATE, "scheduler: job %llu has ended", (unsigned long long)job);
    else
        nce_scheduler_end(s, (uint32_t)(j - s->jobs), NCE_JOB_CANCELLED);
    if (s->o.simulated) nce_scheduler_hand_out(s);
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    if (s->o.simulated) nce_scheduler_flush(s);
    return status;
}

nce_status nce_scheduler_poll(nce_scheduler *s, uint64_t job, nce_job_info *out)
{
    if (s == NULL) return NCE_ERR_INVALID;
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "nce_scheduler_poll: no struct_size");
    pthread_mutex_lock(&s->mutex);
    const nce_job *j = nce_scheduler_job(s, job);
    nce_job_info full;
    if (j != NULL) full = j->info;
    pthread_mutex_unlock(&s->mutex);
    if (j == NULL) return unknown(s, job);
    full.struct_size = out->struct_size;
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

/* The running job of a report, or NULL with the status set: reports of a node that was taken down come too late. */
static nce_job *reported(nce_scheduler *s, uint64_t job, uint32_t attempt, nce_status *status)
{
    nce_job *j = nce_scheduler_job(s, job);
    *status = NCE_OK;
    if (j == NULL)
        *status = unknown(s, job);
    else if (j->info.state != NCE_JOB_RUNNING || j->info.attempt != attempt)
        *status = nce_fail(s->ctx, NCE_ERR_STATE, "scheduler: job %llu is not running as attempt %u",
                           (unsigned long long)job, attempt);
    return *status == NCE_OK ? j : NULL;
}

nce_status nce_scheduler_first_token(nce_scheduler *s, uint64_t job, uint32_t attempt)
{
    nce_status status;
    if (s == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&s->mutex);
    nce_job *j = reported(s, job, attempt, &status);
    if (j != NULL && isnan(j->info.first_token_s)) j->info.first_token_s = nce_scheduler_clock(s);
    pthread_mutex_unlock(&s->mutex);
    return status;
}

nce_status nce_scheduler_complete(nce_scheduler *s, uint64_t job, uint32_t attempt, uint32_t output_tokens)
{
    nce_status status;
    if (s == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&s->mutex);
    nce_job *j = reported(s, job, attempt, &status);
    if (j != NULL) {
        j->info.output_tokens = output_tokens;
        nce_scheduler_end(s, (uint32_t)(j - s->jobs), NCE_JOB_DONE);
    }
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    return status;
}

/* ---- the simulated clock ---- */

/* When something happens next, and to which job; infinity if nothing runs. */
static double next_event(const nce_scheduler *s, uint32_t *job)
{
    double next = INFINITY;
    for (uint32_t k = 0; k < s->n_nodes; k++)
        for (uint32_t r = s->nodes[k].running; s->nodes[k].up && r != NCE_NO_JOB; r = s->jobs[r].older) {
            const nce_job *j = &s->jobs[r];
            double at = j->info.start_s + j->prefill_s;
            if (!isnan(j->info.first_token_s)) at += j->output_tokens * s->nodes[k].profile.decode_s;
            if (at >= next) continue;
            next = at;
            *job = r;
        }
    return next;
}

nce_status nce_scheduler_advance(nce_scheduler *s, double to_s)
{
    if (s == NULL) return NCE_ERR_INVALID;
    if (!s->o.simulated) return nce_fail(s->ctx, NCE_ERR_STATE, "scheduler: its clock is real");
    pthread_mutex_lock(&s->mutex);
    if (!(to_s >= s->sim_now_s)) {
        const double now = s->sim_now_s;
        pthread_mutex_unlock(&s->mutex);
        return nce_fail(s->ctx, NCE_ERR_INVALID, "scheduler: time %g is before now, %g", to_s, now);
    }
    uint32_t job = NCE_NO_JOB;
    nce_scheduler_hand_out(s); /* what once failed for want of memory gets its next chance */
    for (double at = next_event(s, &job); at <= to_s && at < INFINITY; at = next_event(s, &job)) {
        nce_job *j = &s->jobs[job];
        s->sim_now_s = fmax(s->sim_now_s, at);
        if (isnan(j->info.first_token_s)) {
            j->info.first_token_s = s->sim_now_s;
            continue;
        }
        j->info.output_tokens = j->output_tokens;
        nce_scheduler_end(s, job, NCE_JOB_DONE);
        nce_scheduler_hand_out(s);
        pthread_mutex_unlock(&s->mutex);
        nce_scheduler_flush(s);
        pthread_mutex_lock(&s->mutex);
    }
    if (to_s < INFINITY) s->sim_now_s = fmax(s->sim_now_s, to_s);
    pthread_mutex_unlock(&s->mutex);
    nce_scheduler_flush(s);
    return NCE_OK;
}
