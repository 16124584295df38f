/* The scheduler object: creation, jobs by number, nodes, the thread, and delivery of callbacks. */
#include "src/sched/scheduler.h"
#include <math.h>
#include <string.h>
#include <time.h>

_Static_assert(sizeof(nce_scheduler_options) == 152, "ABI: grows only at the end");
_Static_assert(sizeof(nce_dispatch) == 48, "ABI: grows only at the end");
_Static_assert(sizeof(nce_job_info) == 80, "ABI: grows only at the end");
enum { DEFAULT_WAITING = 1024, DEFAULT_KEPT = 1024, DEFAULT_BOUND = 1 << 20 };

static double monotonic_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double nce_scheduler_clock(const nce_scheduler *s)
{
    return s->o.simulated ? s->sim_now_s : monotonic_s() - s->epoch_s;
}

double nce_scheduler_now(const nce_scheduler *scheduler)
{
    nce_scheduler *s = (nce_scheduler *)scheduler; /* the mutex only */
    if (s == NULL) return NAN;
    pthread_mutex_lock(&s->mutex);
    const double now = nce_scheduler_clock(s);
    pthread_mutex_unlock(&s->mutex);
    return now;
}

static nce_status create_parts(nce_scheduler *s)
{
    static const double latency[] = {.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 160, 640, 2560};
    static const double decision[] = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 1e-1};
    nce_kv_cache_options shadow = NCE_KV_CACHE_OPTIONS_INIT;
    shadow.policy = NCE_KV_FIFO; /* the cheapest: nothing is ever evicted */
    nce_status status = nce_kv_directory_create(s->ctx, NULL, &s->directory);
    if (status == NCE_OK) status = nce_placer_create(s->directory, s->ctx, &s->o.placer, &s->placer);
    if (status == NCE_OK) status = nce_kv_cache_create(s->ctx, &shadow, &s->shadow);
    if (status == NCE_OK) status = nce_histogram_create(s->ctx, NULL, 0, &s->ttft);
    if (status == NCE_OK) status = nce_histogram_create(s->ctx, NULL, 0, &s->queueing);
    if (status == NCE_OK) status = nce_histogram_create(s->ctx, latency, sizeof latency / sizeof *latency, &s->latency);
    if (status == NCE_OK)
        status = nce_histogram_create(s->ctx, decision, sizeof decision / sizeof *decision, &s->decision);
    return status;
}

static nce_status read_options(nce_context *ctx, const nce_scheduler_options *given, nce_scheduler_options *o)
{
    *o = (nce_scheduler_options)NCE_SCHEDULER_OPTIONS_INIT;
    const nce_status status = nce_read_options(ctx, o, sizeof *o, given, "nce_scheduler_options");
    if (status != NCE_OK) return status;
    if (o->queue > NCE_QUEUE_SHORTEST || !(o->aging >= 0 && o->aging <= 1e6) || (!o->simulated && o->dispatch == NULL))
        return nce_fail(ctx, NCE_ERR_INVALID, "scheduler: no queue policy %u, aging %g, or no dispatch callback",
                        o->queue, o->aging);
    if (o->max_waiting == 0) o->max_waiting = DEFAULT_WAITING;
    if (o->keep_finished == 0) o->keep_finished = DEFAULT_KEPT;
    if (o->bound_blocks == 0) o->bound_blocks = DEFAULT_BOUND;
    if (o->aging == 0) o->aging = 0.005;
    if (o->placer.struct_size == 0) o->placer.struct_size = sizeof o->placer;
    return NCE_OK;
}

nce_status nce_scheduler_create(nce_context *ctx, const nce_scheduler_options *options, nce_scheduler **out)
{
    nce_scheduler_options o;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_scheduler_create: out is NULL");
    nce_status status = read_options(ctx, options, &o);
    if (status != NCE_OK) return status;
    nce_scheduler *s = nce_alloc_zero(ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(ctx, sizeof *s);
    s->ctx = ctx;
    s->o = o;
    s->free_job = s->ended_oldest = s->ended_newest = NCE_NO_JOB;
    s->epoch_s = monotonic_s();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    status = create_parts(s);
    if (status == NCE_OK)
        *out = s;
    else
        nce_scheduler_destroy(s);
    return status;
}

void nce_scheduler_destroy(nce_scheduler *s)
{
    if (s == NULL) return;
    nce_scheduler_stop(s);
    for (size_t i = 0; i < s->n_jobs; i++)
        nce_free(s->ctx, s->jobs[i].blocks);
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        nce_kv_cache_destroy(s->nodes[k].cache);
        nce_free(s->ctx, s->nodes[k].queue);
    }
    nce_kv_cache_destroy(s->shadow);
    nce_placer_destroy(s->placer);
    nce_kv_directory_destroy(s->directory);
    nce_histogram_destroy(s->ttft);
    nce_histogram_destroy(s->latency);
    nce_histogram_destroy(s->queueing);
    nce_histogram_destroy(s->decision);
    nce_free(s->ctx, s->jobs);
    nce_free(s->ctx, s->homeless);
    nce_free(s->ctx, s->notes);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->wake);
    nce_free(s->ctx, s);
}

nce_job *nce_scheduler_job(nce_scheduler *s, uint64_t id)
{
    const size_t index = id & UINT32_MAX;
    return id != 0 && index < s->n_jobs && s->jobs[index].id == id ? &s->jobs[index] : NULL;
}

/* ---- callbacks ---- */

nce_note *nce_scheduler_note(nce_scheduler *s, nce_note_kind kind)
{
    if (nce_grow(s->ctx, (void **)&s->notes, &s->note_capacity, s->n_notes + 1, sizeof *s->notes) != NCE_OK)
        return NULL;
    nce_note *note = &s->notes[s->n_notes++];
    *note = (nce_note){.kind = kind};
    return note;
}

nce_status nce_scheduler_note_job(nce_scheduler *s, nce_note_kind kind, const nce_job *j)
{
    if (kind == NCE_NOTE_ENDED ? s->o.ended == NULL : s->o.dispatch == NULL) return NCE_OK;
    nce_note *note = nce_scheduler_note(s, kind);
    if (note == NULL) return NCE_ERR_NOMEM;
    note->ended = j->info;
    note->dispatch = (nce_dispatch){sizeof note->dispatch, j->id,           j->info.job_user,
                                    j->info.node,          j->info.attempt, j->matched_blocks,
                                    j->fetch_blocks,       j->fetch_from,   0};
    return NCE_OK;
}

void nce_scheduler_flush(nce_scheduler *s)
{
    for (;;) {
        pthread_mutex_lock(&s->mutex);
        nce_note *notes = s->notes;
        const size_t n = s->n_notes;
        /* Taken whole, so that callbacks may call the scheduler and earn further notes. */
        s->notes = NULL;
        s->n_notes = s->note_capacity = 0;
        pthread_mutex_unlock(&s->mutex);
        for (size_t i = 0; i < n; i++) {
            if (notes[i].kind == NCE_NOTE_DISPATCH) s->o.dispatch(s->o.user, &notes[i].dispatch);
            if (notes[i].kind == NCE_NOTE_ENDED) s->o.ended(s->o.user, &notes[i].ended);
            if (notes[i].kind == NCE_NOTE_PREFETCH)
                s->o.prefetch(s->o.user, notes[i].node, notes[i].prefix, notes[i].n_prefix);
        }
        nce_free(s->ctx, notes);
        if (n == 0) return;
    }
}

/* ---- nodes ---- */

static void on_evicted(void *user, const nce_block_hash *block)
{
    const nce_node *n = user;
    nce_kv_directory_drop(n->owner->directory, n->index, block, 1);
}

static nce_status make_cache(nce_scheduler *s, nce_node *n, size_t budget_blocks)
{
    nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
    o.budget_blocks = budget_blocks;
    o.evicted = on_evicted;
    o.user = n;
    return nce_kv_cache_create(s->ctx, &o, &n->cache);
}

nce_status nce_scheduler_add_node(nce_scheduler *s, const nce_node_profile *profile, uint32_t slots,
                                  size_t budget_blocks, uint32_t *out)
{
    if (s == NULL) return NCE_ERR_INVALID;
    if (profile == NULL || slots == 0 || slots > 1024)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "scheduler: a node with %u slots (1..1024), or no profile", slots);
    pthread_mutex_lock(&s->mutex);
    nce_status status = NCE_OK;
    nce_node *n = &s->nodes[s->n_nodes];
    if (s->n_nodes == NCE_MAX_NODES) {
        status = nce_fail(s->ctx, NCE_ERR_LIMIT, "scheduler: more than %d nodes", NCE_MAX_NODES);
        goto done;
    }
    *n = (nce_node){.owner = s,
                    .index = s->n_nodes,
                    .slots = slots,
                    .running = NCE_NO_JOB,
                    .up = true,
                    .busy_since_s = nce_scheduler_clock(s)};
    status = nce_placer_set_node(s->placer, n->index, profile);
    if (status == NCE_OK) status = make_cache(s, n, budget_blocks);
    if (status != NCE_OK) {
        nce_placer_set_node(s->placer, n->index, NULL);
        goto done;
    }
    memcpy(&n->profile, profile, profile->struct_size < sizeof n->profile ? profile->struct_size : sizeof n->profile);
    n->profile.struct_size = sizeof n->profile;
    if (out != NULL) *out = n->index;
    s->n_nodes++;
    nce_scheduler_hand_out(s);
done:
    pthread_mutex_unlock(&s->mutex);
    if (s->o.simulated) nce_scheduler_flush(s);
    return status;
}

/* Everything on a node that died goes back to where it came from, oldest first. */
nce_status nce_scheduler_evacuate(nce_scheduler *s, nce_node *n)
{
    nce_status status = NCE_OK;
    const size_t before = s->n_homeless;
    while (n->n_queue > 0 || n->running != NCE_NO_JOB) {
        const uint32_t job = n->n_queue > 0 ? n->queue[0] : n->running;
        nce_job *j = &s->jobs[job];
        status = nce_grow(s->ctx, (void **)&s->homeless, &s->homeless_capacity, s->n_homeless + 1, sizeof *s->homeless);
        if (status != NCE_OK) return status; /* the rest stays listed on the node, which is down: nothing is lost */
        if (n->n_queue > 0) {
            nce_node_dequeue(s, n, job);
        } else {
            n->running = j->older;
            if (j->older != NCE_NO_JOB) s->jobs[j->older].newer = NCE_NO_JOB;
            n->n_running--;
            n->running_end_s -= j->info.start_s + j->work_s;
            s->stats.n_running--;
            s->stats.n_queued++;
        }
        s->stats.n_restarted++;
        nce_scheduler_release_blocks(s, j);
        j->info.state = NCE_JOB_QUEUED;
        j->info.node = NCE_NO_NODE;
        j->info.start_s = j->info.first_token_s = NAN;
        size_t at = s->n_homeless++;
        for (; at > before && s->jobs[s->homeless[at - 1]].info.arrival_s > j->info.arrival_s; at--)
            s->homeless[at] = s->homeless[at - 1];
        s->homeless[at] = job;
    }
    return NCE_OK;
}

nce_status nce_scheduler_set_node_up(nce_scheduler *s, uint32_t node, bool up)
{
    if (s == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&s->mutex);
    nce_status status = NCE_OK;
    nce_node *n = &s->nodes[node < s->n_nodes ? node : 0];
    if (node >= s->n_nodes)
        status = nce_fail(s->ctx, NCE_ERR_INVALID, "scheduler: no node %u, there are %u", node, s->n_nodes);
    else if (up && !n->up) {
        status = nce_placer_set_node(s->placer, node, &n->profile);
        n->up = status == NCE_OK;
        n->busy_since_s = nce_scheduler_clock(s);
    } else if (!up && n->up) {
        nce_kv_cache_stats c = NCE_KV_CACHE_STATS_INIT;
        nce_kv_cache_get_stats(n->cache, &c);
        n->busy_slot_s += n->n_running * (nce_scheduler_clock(s) - n->busy_since_s);
        n->up = false;
        nce_placer_set_node(s->placer, node, NULL);
        status = nce_scheduler_evacuate(s, n);
        nce_kv_directory_drop_node(s->directory, node);
        nce_kv_cache *old = n->cache;
        if (status == NCE_OK) status = make_cache(s, n, c.budget);
        if (status == NCE_OK)
            nce_kv_cache_destroy(old);
        else
            n->cache = old;
    }
    if (node < s->n_nodes) nce_scheduler_hand_out(s);
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    if (s->o.simulated) nce_scheduler_flush(s);
    return status;
}

nce_status nce_scheduler_drop_blocks(nce_scheduler *s, uint32_t node, const nce_block_hash *blocks, size_t n)
{
    if (s == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&s->mutex);
    const nce_status status = nce_kv_directory_drop(s->directory, node, blocks, n);
    pthread_mutex_unlock(&s->mutex);
    return status;
}

/* ---- the thread ---- */

static void wait_a_little(nce_scheduler *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 10000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&s->wake, &s->mutex, &until);
}

/* Hands out, delivers, sleeps until something changes.  Deadlines need no timer: an expired job is noticed when its turn
 * comes, and until then nobody waits for it. */
static void *thread_main(void *argument)
{
    nce_scheduler *s = argument;
    pthread_mutex_lock(&s->mutex);
    while (!s->stopping) {
        const bool complete = nce_scheduler_hand_out(s);
        if (s->n_notes == 0) {
            if (complete)
                pthread_cond_wait(&s->wake, &s->mutex);
            else
                wait_a_little(s);
            continue;
        }
        pthread_mutex_unlock(&s->mutex);
        nce_scheduler_flush(s);
        pthread_mutex_lock(&s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

nce_status nce_scheduler_start(nce_scheduler *s)
{
    if (s == NULL) return NCE_ERR_INVALID;
    nce_status status = NCE_OK;
    pthread_mutex_lock(&s->mutex);
    if (s->o.simulated || s->thread_runs)
        status = nce_fail(s->ctx, NCE_ERR_STATE, "scheduler: %s",
                          s->thread_runs ? "runs already" : "its clock is simulated");
    else if (pthread_create(&s->thread, NULL, thread_main, s) != 0)
        status = nce_fail(s->ctx, NCE_ERR_NOMEM, "scheduler: no thread could be started");
    else
        s->thread_runs = true;
    pthread_mutex_unlock(&s->mutex);
    return status;
}

nce_status nce_scheduler_stop(nce_scheduler *s)
{
    if (s == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&s->mutex);
    const bool runs = s->thread_runs && !s->stopping;
    if (runs) s->stopping = true;
    const pthread_t thread = s->thread;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    if (!runs) return NCE_OK;
    pthread_join(thread, NULL);
    pthread_mutex_lock(&s->mutex);
    s->thread_runs = s->stopping = false;
    pthread_mutex_unlock(&s->mutex);
    return NCE_OK;
}
