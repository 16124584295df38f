/* Dijkstra and A*.  Both leave, in the labels, everything their certificate needs: settled vertices carry their
 * distance, open ones an upper bound not below the target's. */
#include "src/sched/search.h"
#include <math.h>

void nce_search_finish(nce_search *s)
{
    nce_free(s->ctx, s->label);
    nce_free(s->ctx, s->estimate);
    nce_free(s->ctx, s->queue);
    nce_free(s->ctx, s->heap.node);
    nce_free(s->ctx, s->heap.place);
    *s = (nce_search){.ctx = s->ctx};
}

nce_status nce_search_reserve(nce_search *s, const nce_graph *g)
{
    const size_t n = g->n_vertices;
    if (n <= s->capacity) return NCE_OK;
    nce_search_finish(s);
    s->label = nce_alloc_array(s->ctx, n, sizeof *s->label);
    s->estimate = nce_alloc_array(s->ctx, n, sizeof *s->estimate);
    s->queue = nce_alloc_array(s->ctx, 2 * n, sizeof *s->queue);
    s->heap.node = nce_alloc_array(s->ctx, n + NCE_HEAP_ROOT, sizeof *s->heap.node);
    s->heap.place = nce_alloc_array(s->ctx, n, sizeof *s->heap.place);
    if (!s->label || !s->estimate || !s->queue || !s->heap.node || !s->heap.place) {
        nce_search_finish(s);
        return nce_fail_nomem(s->ctx, n * sizeof *s->label);
    }
    s->heap.end = NCE_HEAP_ROOT;
    s->capacity = n;
    return NCE_OK;
}

static void start(nce_search *s, const nce_graph *g, uint32_t source)
{
    for (size_t v = 0; v < g->n_vertices; v++)
        s->label[v] = (nce_label){INFINITY, NCE_NO_LINK, 0};
    s->label[source].dist = 0;
    s->heap.end = NCE_HEAP_ROOT;
}

/* Leave the heap as the next search expects it: every place OUT. */
static void drain(nce_search *s)
{
    for (uint32_t i = NCE_HEAP_ROOT; i < s->heap.end; i++)
        s->heap.place[s->heap.node[i].item] = NCE_HEAP_OUT;
    s->heap.end = NCE_HEAP_ROOT;
}

static inline void dijkstra(nce_search *s, const nce_graph *g, const nce_rows *rows, const double *weight,
                            uint32_t source, uint32_t target)
{
    nce_label *const label = s->label;
    start(s, g, source);
    nce_heap_push(&s->heap, source, 0);
    while (s->heap.end > NCE_HEAP_ROOT) {
        const nce_heap_node top = nce_heap_pop(&s->heap);
        if (top.item == target) break;
        const nce_arc *arc = rows->arc + rows->start[top.item], *const end = rows->arc + rows->start[top.item + 1];
        for (; arc < end; arc++) {
            const double d = top.key + (weight != NULL ? weight[arc->link] : arc->weight);
            if (d < label[arc->vertex].dist) {
                label[arc->vertex].dist = d;
                label[arc->vertex].via = arc->link;
                nce_heap_push(&s->heap, arc->vertex, d);
            }
        }
    }
    drain(s);
}

void nce_search_dijkstra(nce_search *s, const nce_graph *g, const nce_rows *rows, const double *weight, uint32_t source,
                         uint32_t target)
{
    if (weight != NULL)
        dijkstra(s, g, rows, weight, source, target);
    else
        dijkstra(s, g, rows, NULL, source, target);
}

/* The heap is ordered by distance + estimate.  A vertex whose distance still improves after it was settled (possible
 * only by rounding in the estimates) is simply opened again, so the answer never depends on exact consistency. */
static inline void astar(nce_search *s, const nce_graph *g, uint32_t source, uint32_t target, const nce_landmarks *lm,
                         nce_blocked blocked)
{
    nce_label *const label = s->label;
    start(s, g, source);
    nce_heap_push(&s->heap, source, 0);
    while (s->heap.end > NCE_HEAP_ROOT) {
        const uint32_t v = nce_heap_pop(&s->heap).item;
        if (v == target) break;
        const double at = label[v].dist;
        const nce_arc *arc = g->out.arc + g->out.start[v], *const end = g->out.arc + g->out.start[v + 1];
        for (; arc < end; arc++) {
            const double d = at + arc->weight;
            const uint32_t u = arc->vertex;
            if (!(d < label[u].dist)) continue;
            if (blocked.link != NULL && (blocked.link[arc->link] || blocked.vertex[u])) continue;
            if (lm != NULL && s->estimate[u] < 0) s->estimate[u] = nce_landmarks_bound(lm, u, target);
            label[u].dist = d;
            label[u].via = arc->link;
            if (s->estimate[u] < INFINITY) nce_heap_push(&s->heap, u, d + s->estimate[u]);
        }
    }
    drain(s);
}

void nce_search_astar(nce_search *s, const nce_graph *g, uint32_t source, uint32_t target)
{
    for (size_t v = 0; v < g->n_vertices; v++)
        s->estimate[v] = -1;
    astar(s, g, source, target, &g->landmarks, (nce_blocked){NULL, NULL});
}

void nce_search_astar_given(nce_search *s, const nce_graph *g, uint32_t source, uint32_t target, nce_blocked blocked)
{
    astar(s, g, source, target, NULL, blocked);
}
