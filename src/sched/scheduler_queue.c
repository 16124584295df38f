/* One node's queue: a binary heap by priority, then the policy's key, then arrival. */
#include "src/sched/scheduler.h"

static bool before(const nce_scheduler *s, uint32_t a, uint32_t b)
{
    const nce_job *x = &s->jobs[a], *y = &s->jobs[b];
    if (x->priority != y->priority) return x->priority > y->priority;
    if (x->key != y->key) return x->key < y->key;
    if (x->info.arrival_s != y->info.arrival_s) return x->info.arrival_s < y->info.arrival_s;
    return x->id >> 32 < y->id >> 32;
}

static void put(nce_scheduler *s, nce_node *n, size_t at, uint32_t job)
{
    n->queue[at] = job;
    s->jobs[job].heap_at = (uint32_t)at;
}

static void settle(nce_scheduler *s, nce_node *n, size_t at, uint32_t job)
{
    for (; at > 0 && before(s, job, n->queue[(at - 1) / 2]); at = (at - 1) / 2)
        put(s, n, at, n->queue[(at - 1) / 2]);
    for (size_t c = 2 * at + 1; c < n->n_queue; c = 2 * at + 1) {
        if (c + 1 < n->n_queue && before(s, n->queue[c + 1], n->queue[c])) c++;
        if (!before(s, n->queue[c], job)) break;
        put(s, n, at, n->queue[c]);
        at = c;
    }
    put(s, n, at, job);
}

nce_status nce_node_enqueue(nce_scheduler *s, nce_node *n, uint32_t job)
{
    const nce_status status =
        nce_grow(s->ctx, (void **)&n->queue, &n->queue_capacity, n->n_queue + 1, sizeof *n->queue);
    if (status != NCE_OK) return status;
    n->queued_work_s += s->jobs[job].work_s;
    n->n_queue++;
    settle(s, n, n->n_queue - 1, job);
    return NCE_OK;
}

void nce_node_dequeue(nce_scheduler *s, nce_node *n, uint32_t job)
{
    const size_t at = s->jobs[job].heap_at;
    const uint32_t moved = n->queue[--n->n_queue];
    n->queued_work_s = n->n_queue > 0 ? n->queued_work_s - s->jobs[job].work_s : 0;
    if (moved != job) settle(s, n, at, moved);
}
