/* See queue.h.  The queue is the bounded array queue with a turn counter per cell (Vyukov 2010). */
#include "src/snn/queue.h"
#include <string.h>

static const uint32_t NONE = UINT32_MAX;

nce_status nce_snn_queue_init(nce_context *ctx, nce_snn_queue *q, uint32_t capacity)
{
    memset(q, 0, sizeof *q);
    q->cells = nce_alloc_array(ctx, capacity, sizeof *q->cells);
    if (q->cells == NULL) return nce_fail_nomem(ctx, capacity * sizeof *q->cells);
    q->mask = capacity - 1;
    for (uint64_t i = 0; i < capacity; i++)
        atomic_init(&q->cells[i].turn, i);
    return NCE_OK;
}

void nce_snn_queue_finish(nce_context *ctx, nce_snn_queue *q)
{
    nce_free(ctx, q->cells);
    q->cells = NULL;
}

bool nce_snn_queue_push(nce_snn_queue *q, const nce_snn_event *event)
{
    if (atomic_fetch_add_explicit(&q->pending, 1, memory_order_relaxed) > q->mask) {
        atomic_fetch_sub_explicit(&q->pending, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&q->dropped, 1, memory_order_relaxed);
        return false;
    }
    uint64_t at = atomic_load_explicit(&q->tail, memory_order_relaxed);
    for (;;) {
        nce_snn_cell *cell = &q->cells[at & q->mask];
        const uint64_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == at) {
            if (atomic_compare_exchange_weak_explicit(&q->tail, &at, at + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                cell->event = *event;
                atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
                atomic_fetch_add_explicit(&q->submitted, 1, memory_order_relaxed);
                return true;
            }
        } else {
            /* The pending count keeps producers from lapping the consumer, so another producer took this place. */
            at = atomic_load_explicit(&q->tail, memory_order_relaxed);
        }
    }
}

bool nce_snn_queue_pop(nce_snn_queue *q, nce_snn_event *event)
{
    const uint64_t at = atomic_load_explicit(&q->head, memory_order_relaxed);
    nce_snn_cell *cell = &q->cells[at & q->mask];
    if (atomic_load_explicit(&cell->turn, memory_order_acquire) != at + 1) return false;
    *event = cell->event;
    atomic_store_explicit(&cell->turn, at + q->mask + 1, memory_order_release);
    atomic_store_explicit(&q->head, at + 1, memory_order_relaxed);
    return true;
}

void nce_snn_queue_release(nce_snn_queue *q, uint64_t n)
{
    atomic_fetch_sub_explicit(&q->pending, n, memory_order_release);
}

nce_status nce_snn_calendar_init(nce_context *ctx, nce_snn_calendar *c, uint32_t capacity)
{
    memset(c, 0, sizeof *c);
    c->n_buckets = capacity < 64 ? 64 : capacity;
    c->nodes = nce_alloc_array(ctx, capacity, sizeof *c->nodes);
    c->bucket = nce_alloc_array(ctx, c->n_buckets, sizeof *c->bucket);
    if (c->nodes == NULL || c->bucket == NULL) return nce_fail_nomem(ctx, capacity * sizeof *c->nodes);
    nce_snn_calendar_clear(c, capacity);
    return NCE_OK;
}

void nce_snn_calendar_finish(nce_context *ctx, nce_snn_calendar *c)
{
    nce_free(ctx, c->nodes);
    nce_free(ctx, c->bucket);
    memset(c, 0, sizeof *c);
}

void nce_snn_calendar_clear(nce_snn_calendar *c, uint32_t capacity)
{
    for (uint32_t i = 0; i < capacity; i++)
        c->nodes[i].next = i + 1 < capacity ? i + 1 : NONE;
    for (uint32_t i = 0; i < c->n_buckets; i++)
        c->bucket[i] = NONE;
    c->free = 0;
    c->count = 0;
}

static bool before(const nce_snn_event *a, const nce_snn_event *b)
{
    if (a->step != b->step) return a->step < b->step;
    return a->neuron != b->neuron ? a->neuron < b->neuron : a->amplitude < b->amplitude;
}

static void sift(nce_snn_event *e, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(&e[child], &e[child + 1])) child++;
        if (!before(&e[at], &e[child])) return;
        const nce_snn_event t = e[at];
        e[at] = e[child];
        e[child] = t;
    }
}

void nce_snn_sort_events(nce_snn_event *events, size_t n)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            const nce_snn_event t = events[i];
            size_t j = i;
            for (; j > 0 && before(&t, &events[j - 1]); j--)
                events[j] = events[j - 1];
            events[j] = t;
        }
        return;
    }
    for (size_t i = n / 2; i-- > 0;)
        sift(events, i, n);
    for (size_t i = n; i-- > 1;) {
        const nce_snn_event t = events[0];
        events[0] = events[i];
        events[i] = t;
        sift(events, 0, i);
    }
}
