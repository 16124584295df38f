/* Calendar of events that wait for their step: a ring of steps, held by the running thread.
 *
 * What is due within a round lies in its step's cache line, up to eight events as sortable keys:
 * an insertion writes one line, and taking a step reads one that the hardware has fetched already.  Events beyond the
 * eighth, of later rounds, or of a step that was taken before, wait in a list beside it.  Never allocates after it is
 * made. */
#ifndef NCE_SRC_SNN_CALENDAR_H
#define NCE_SRC_SNN_CALENDAR_H
#include "src/snn/queue.h"
#include <string.h>

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
void nce_snn_calendar_clear(nce_snn_calendar *c);                             /* and back to step 0 */
void nce_snn_calendar_spill(nce_snn_calendar *c, const nce_snn_event *event); /* what a line does not take */
/* Take all events of a step in the order of their keys.  No step may be left out while events wait.  out has room
 * for all and LINE more. */
size_t nce_snn_calendar_take(nce_snn_calendar *c, uint64_t step, nce_snn_event *out);

/* Orders events of a step: by neuron, then by the bits of the amplitude (which put negative ones last). */
static inline uint64_t nce_snn_calendar_key(const nce_snn_event *e)
{
    uint32_t bits;
    memcpy(&bits, &e->amplitude, sizeof bits);
    return (uint64_t)e->neuron << 32 | bits;
}

static inline bool nce_snn_calendar_insert(nce_snn_calendar *c, const nce_snn_event *event) /* false: full */
{
    const size_t b = event->step & (c->n_buckets - 1), n = c->in_line[b];
    if (c->count == c->capacity) return false;
    c->count++;
    if (event->step - c->now < c->n_buckets && n < NCE_SNN_CALENDAR_LINE) { /* a step before now is huge here */
        c->line[b * NCE_SNN_CALENDAR_LINE + n] = nce_snn_calendar_key(event);
        c->in_line[b] = (uint8_t)(n + 1);
    } else {
        nce_snn_calendar_spill(c, event);
    }
    return true;
}

/* Order by step, then by key. */
void nce_snn_sort_events(nce_snn_event *events, size_t n);

#endif
