/* Submitted events: a bounded lock-free queue that any thread may fill and the running thread empties into its calendar.
 * An event keeps its place until it has been applied, so queue and calendar together hold no more than the capacity, and
 * a push costs one atomic exchange. */
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
    _Alignas(64) _Atomic uint64_t tail;     /* next push */
    _Alignas(64) _Atomic uint64_t head;     /* next pop; only the consumer moves it */
    _Alignas(64) _Atomic uint64_t released; /* popped and done with; tail - released are pending; the consumer's too */
} nce_snn_queue;

nce_status nce_snn_queue_init(nce_context *ctx, nce_snn_queue *q, uint32_t capacity); /* a power of two */
void nce_snn_queue_finish(nce_context *ctx, nce_snn_queue *q);
bool nce_snn_queue_push(nce_snn_queue *q, const nce_snn_event *event); /* false: full */
bool nce_snn_queue_pop(nce_snn_queue *q, nce_snn_event *event);
/* The consumer's: n popped events are done with; n more hold a place until they are released. */
void nce_snn_queue_release(nce_snn_queue *q, uint64_t n);
void nce_snn_queue_hold(nce_snn_queue *q, uint64_t n);
uint64_t nce_snn_queue_pending(const nce_snn_queue *q);

#endif
