/* Bellman-Ford in first-in first-out passes, for graphs with rebates.
 *
 * After as many passes as there are vertices somebody still improving has a chain of predecessors that never ends, that
 * is a cycle, and a cycle of predecessors is negative.  Cycles are looked for earlier too, after passes 2, 4, 8, ...: a
 * bug in a cost model should not cost O(n m).  An improvement must exceed the rounding of sums, or a cycle that sums to
 * zero only in exact arithmetic would be called negative. */
#include "src/sched/search.h"
#include <math.h>

/* A vertex on a cycle of predecessors, or NCE_NO_VERTEX.  */
static uint32_t cycle_of_predecessors(nce_search *s, const nce_graph *g)
{
    uint32_t found = NCE_NO_VERTEX;
    uint32_t *round = s->queue + g->n_vertices; /* second half of the queue, see below */
    for (size_t v = 0; v < g->n_vertices; v++)
        round[v] = 0;
    for (uint32_t v = 0; v < g->n_vertices && found == NCE_NO_VERTEX; v++) {
        uint32_t u = v;
        while (round[u] == 0 && s->label[u].via != NCE_NO_LINK) {
            round[u] = v + 1;
            u = g->links[s->label[u].via].from;
        }
        if (round[u] == v + 1) found = u;
        if (round[u] == 0) round[u] = v + 1;
    }
    return found;
}

static double largest_cost(const nce_graph *g)
{
    double largest = 0;
    for (size_t i = 0; i < g->n_links; i++)
        if (isfinite(g->out.arc[i].weight)) largest = fmax(largest, fabs(g->out.arc[i].weight));
    return largest;
}

bool nce_search_bellman_ford(nce_search *s, const nce_graph *g, uint32_t source, uint32_t *on_cycle)
{
    nce_label *const label = s->label;
    const size_t n = g->n_vertices;
    const double rounding = g->n_negative > 0 ? 1e-13 * largest_cost(g) : 0;
    for (size_t v = 0; v < n; v++)
        label[v] = (nce_label){INFINITY, NCE_NO_LINK, 0};
    label[source].dist = 0;
    size_t head = 0, tail = 0, queued = 0, pass_left, pass = 0;
    s->queue[0] = source;
    tail = n == 1 ? 0 : 1;
    queued = pass_left = 1;
    while (queued > 0) {
        const uint32_t v = s->queue[head];
        head = head + 1 == n ? 0 : head + 1;
        queued--;
        label[v].queued = 0;
        for (uint32_t i = g->out.start[v]; i < g->out.start[v + 1]; i++) {
            const nce_arc *a = &g->out.arc[i];
            const double d = label[v].dist + a->weight;
            if (!(d < label[a->vertex].dist - rounding)) continue;
            label[a->vertex].dist = d;
            label[a->vertex].via = a->link;
            if (label[a->vertex].queued) continue;
            label[a->vertex].queued = 1;
            s->queue[tail] = a->vertex;
            tail = tail + 1 == n ? 0 : tail + 1;
            queued++;
        }
        if (--pass_left > 0) continue;
        pass++;
        pass_left = queued;
        if (g->n_negative > 0 && queued > 0 && ((pass & (pass - 1)) == 0 || pass > n)) {
            *on_cycle = cycle_of_predecessors(s, g);
            if (*on_cycle != NCE_NO_VERTEX) return false;
        }
    }
    return true;
}
