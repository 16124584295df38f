/* Indexed 4-ary min-heap of vertices.  The key sits beside the vertex and the children of a node start on a cache line
 * (the root is element 3 of a 64-byte aligned array), so that a sift reads one line per level.
 * Ties go to whichever came first in the heap: the order is a function of the calls alone. */
#ifndef NCE_SRC_SCHED_HEAP4_H
#define NCE_SRC_SCHED_HEAP4_H
#include <stddef.h>
#include <stdint.h>

enum { NCE_HEAP_ROOT = 3, NCE_HEAP_OUT = 0 };

typedef struct nce_heap_node {
    double key;
    uint32_t item;
    uint32_t unused;
} nce_heap_node;

/* node[] has room for all items + NCE_HEAP_ROOT; place[item] is its index in node, or NCE_HEAP_OUT. */
typedef struct nce_heap {
    nce_heap_node *node;
    uint32_t *place;
    uint32_t end; /* NCE_HEAP_ROOT when empty */
} nce_heap;

static inline void nce_heap_up(nce_heap *h, uint32_t at, nce_heap_node x)
{
    while (at > NCE_HEAP_ROOT) {
        const uint32_t parent = (at >> 2) + NCE_HEAP_ROOT - 1;
        if (h->node[parent].key <= x.key) break;
        h->node[at] = h->node[parent];
        h->place[h->node[at].item] = at;
        at = parent;
    }
    h->node[at] = x;
    h->place[x.item] = at;
}

static inline void nce_heap_down(nce_heap *h, uint32_t at, nce_heap_node x)
{
    for (;;) {
        const uint32_t first = (at - NCE_HEAP_ROOT + 1) << 2;
        if (first >= h->end) break;
        const uint32_t last = first + 4 < h->end ? first + 4 : h->end;
        uint32_t best = first;
        for (uint32_t c = first + 1; c < last; c++)
            if (h->node[c].key < h->node[best].key) best = c;
        if (h->node[best].key >= x.key) break;
        h->node[at] = h->node[best];
        h->place[h->node[at].item] = at;
        at = best;
    }
    h->node[at] = x;
    h->place[x.item] = at;
}

/* Insert an item or lower its key. */
static inline void nce_heap_push(nce_heap *h, uint32_t item, double key)
{
    uint32_t at = h->place[item];
    if (at == NCE_HEAP_OUT) at = h->end++;
    nce_heap_up(h, at, (nce_heap_node){key, item, 0});
}

static inline nce_heap_node nce_heap_pop(nce_heap *h)
{
    const nce_heap_node top = h->node[NCE_HEAP_ROOT];
    h->place[top.item] = NCE_HEAP_OUT;
    h->end--;
    if (h->end > NCE_HEAP_ROOT) nce_heap_down(h, NCE_HEAP_ROOT, h->node[h->end]);
    return top;
}

#endif
