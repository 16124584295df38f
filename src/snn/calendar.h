/* Calendar of events that wait for their step: a ring of steps, held by the running thread.
 *
 * What is due within a round lies in its step's cache line, up to eight events as keys that sort by neuron and amplitude:
 * an insertion writes one line, and taking a step reads one that the hardware has fetched already.  Events beyond the
 * eighth, of later rounds, or of a step that was taken before, wait in a list beside it.  Never allocates after it is
 * made. */
#ifndef NCE_SRC_SNN_CALENDAR_H
#define NCE_SRC_SNN_CALENDAR_H
#include "src/snn/queue.h"

enum { NCE_SNN_CALENDAR_LINE = 8 /* also the room to spare that take needs */ };

typedef struct nce_snn_node {
    nce_snn_event event;
    uint32_t next;
} nce_snn_node;
typedef struct nce_snn_calendar {
    uint64_t now;     /* lines hold steps now .. now + n_buckets - 1 */
    uint64_t *line;   /* [n_buckets][LINE] keys; all ones: none */
    uint8_t *in_line; /* [n_buckets] how many */
    nce_snn_node *nodes;
    uint32_t *bucket; /* [n_buckets] first node of the list, or UINT32_MAX */
    uint32_t free, n_buckets, count, capacity;
} nce_snn_calendar;

nce_status nce_snn_calendar_init(nce_context *ctx, nce_snn_calendar *c, uint32_t capacity); /* a power of two */
void nce_snn_calendar_finish(nce_context *ctx, nce_snn_calendar *c);
void nce_snn_calendar_clear(nce_snn_calendar *c); /* and back to step 0 */
bool nce_snn_calendar_insert(nce_snn_calendar *c, const nce_snn_event *event); /* false: full */
/* Take all events of a step, ordered by neuron, then amplitude.  No step may be left out while events wait.  out has room
 * for all and LINE more. */
size_t nce_snn_calendar_take(nce_snn_calendar *c, uint64_t step, nce_snn_event *out);

/* Order by step, neuron, amplitude. */
void nce_snn_sort_events(nce_snn_event *events, size_t n);

#endif
