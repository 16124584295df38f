/* See queue.h.  A bounded array queue with a turn counter per cell (Vyukov 2010). */
#include "src/snn/queue.h"
#include <string.h>

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
    uint64_t at = atomic_load_explicit(&q->tail, memory_order_relaxed);
    for (;;) {
        /* Less than a capacity is pending: then the cell of this place has been emptied (its turn says so for certain).  A
         * tail read long ago may lie behind what is released; the difference is then negative. */
        const uint64_t released = atomic_load_explicit(&q->released, memory_order_acquire);
        if ((int64_t)(at - released) > (int64_t)q->mask) {
            const uint64_t now = atomic_load_explicit(&q->tail, memory_order_relaxed);
            if (now == at) return false;
            at = now;
            continue;
        }
        nce_snn_cell *cell = &q->cells[at & q->mask];
        if (atomic_load_explicit(&cell->turn, memory_order_acquire) != at) { /* another producer took this place */
            at = atomic_load_explicit(&q->tail, memory_order_relaxed);
            continue;
        }
        if (!atomic_compare_exchange_weak_explicit(&q->tail, &at, at + 1, memory_order_relaxed, memory_order_relaxed))
            continue;
        cell->event = *event;
        atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
        return true;
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
    const uint64_t released = atomic_load_explicit(&q->released, memory_order_relaxed);
    if (n > 0) atomic_store_explicit(&q->released, released + n, memory_order_release);
}

void nce_snn_queue_hold(nce_snn_queue *q, uint64_t n)
{
    nce_snn_queue_release(q, (uint64_t)0 - n);
}

uint64_t nce_snn_queue_pending(const nce_snn_queue *q)
{
    return atomic_load(&q->tail) - atomic_load(&q->released);
}
