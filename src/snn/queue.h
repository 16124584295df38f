/* Pending events: a bounded lock-free queue that any thread may fill, and the calendar into which the running thread
 * sorts them.  Together they hold no more than the capacity, so neither ever allocates after it is made. */
#ifndef NCE_SRC_SNN_QUEUE_H
#define NCE_SRC_SNN_QUEUE_H
#include "src/core/runtime/context.h"
#include <stdatomic.h>

typedef struct nce_snn_event {
    uint64_t step;
    uint32_t neuron; /* global id */
    float amplitude;
} nce_snn_event;

/* Many producers, one consumer.  A cell's turn says whose it is: position p: free for the p-th push; p + 1: filled by
 * it. */
typedef struct nce_snn_cell {
    _Atomic uint64_t turn;
    nce_snn_event event;
} nce_snn_cell;
typedef struct nce_snn_queue {
    nce_snn_cell *cells;
    uint64_t mask;
    _Alignas(64) _Atomic uint64_t tail;    /* next push */
    _Alignas(64) _Atomic uint64_t head;    /* next pop; only the consumer moves it */
    _Alignas(64) _Atomic uint64_t pending; /* queued or in the calendar */
    _Atomic uint64_t submitted, dropped;
} nce_snn_queue;

nce_status nce_snn_queue_init(nce_context *ctx, nce_snn_queue *q, uint32_t capacity); /* a power of two */
void nce_snn_queue_finish(nce_context *ctx, nce_snn_queue *q);
bool nce_snn_queue_push(nce_snn_queue *q, const nce_snn_event *event); /* false: full, counted as dropped */
bool nce_snn_queue_pop(nce_snn_queue *q, nce_snn_event *event);
void nce_snn_queue_release(nce_snn_queue *q, uint64_t n); /* n popped events have been applied */

/* Calendar ring: a bucket per step, modulo the number of buckets; an event of a later round waits in its bucket. */
typedef struct nce_snn_node {
    nce_snn_event event;
    uint32_t next;
} nce_snn_node;
typedef struct nce_snn_calendar {
    nce_snn_node *nodes;
    uint32_t *bucket; /* [n_buckets] first node or NONE */
    uint32_t free, n_buckets, count;
} nce_snn_calendar;

nce_status nce_snn_calendar_init(nce_context *ctx, nce_snn_calendar *c, uint32_t capacity);
void nce_snn_calendar_finish(nce_context *ctx, nce_snn_calendar *c);
void nce_snn_calendar_clear(nce_snn_calendar *c, uint32_t capacity);

static inline bool nce_snn_calendar_insert(nce_snn_calendar *c, const nce_snn_event *event) /* false: full */
{
    const uint32_t i = c->free;
    if (i == UINT32_MAX) return false;
    uint32_t *bucket = &c->bucket[event->step & (c->n_buckets - 1)];
    c->free = c->nodes[i].next;
    c->nodes[i] = (nce_snn_node){*event, *bucket};
    *bucket = i;
    c->count++;
    return true;
}

/* Take all events of a step, in no particular order; out has room for all. */
static inline size_t nce_snn_calendar_take(nce_snn_calendar *c, uint64_t step, nce_snn_event *out)
{
    size_t n = 0;
    uint32_t *link = &c->bucket[step & (c->n_buckets - 1)];
    while (*link != UINT32_MAX) {
        const uint32_t i = *link;
        nce_snn_node *node = &c->nodes[i];
        if (node->event.step != step) {
            link = &node->next;
            continue;
        }
        out[n++] = node->event;
        *link = node->next;
        node->next = c->free;
        c->free = i;
        c->count--;
    }
    return n;
}

/* Order by step, neuron, amplitude. */
void nce_snn_sort_events(nce_snn_event *events, size_t n);

#endif
