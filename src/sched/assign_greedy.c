/* What is done where flow is too slow or too weak: greedy assignment, repair of memory limits, and a lower bound. */
#include "src/sched/assign.h"
#include <math.h>

typedef struct room {
    const nce_assign_problem *p;
    uint32_t load[NCE_MAX_NODES];
    double used[NCE_MAX_NODES];
} room;

static double memory_of(const room *m, uint32_t r)
{
    return m->p->memory != NULL ? m->p->memory[r] : 0;
}

/* Cheapest column with room, other than avoid; NCE_NO_NODE if there is none. */
static uint32_t cheapest(const nce_assigner *a, const room *m, uint32_t r, uint32_t avoid)
{
    const int64_t *cost = &a->cost[(size_t)r * a->m];
    uint32_t best = NCE_NO_NODE;
    for (uint32_t j = 0; j + 1 < a->m; j++) {
        if (j == avoid || cost[j] == NCE_FORBIDDEN || m->load[j] >= a->limit[j]) continue;
        if (m->p->memory != NULL && m->used[j] + m->p->memory[r] > m->p->memory_free[j]) continue;
        if (best == NCE_NO_NODE || cost[j] < cost[best]) best = j;
    }
    return best;
}

static void place(nce_assigner *a, room *m, uint32_t r, uint32_t j)
{
    a->node[r] = j;
    m->load[j]++;
    m->used[j] += memory_of(m, r);
}

void nce_assign_greedily(nce_assigner *a, const nce_assign_problem *p)
{
    room m = {.p = p};
    for (uint32_t r = 0; r < a->n; r++) {
        if (a->reason[r] != NCE_REJECT_NONE) continue;
        const uint32_t j = cheapest(a, &m, r, NCE_NO_NODE);
        if (j != NCE_NO_NODE)
            place(a, &m, r, j);
        else
            a->reason[r] = NCE_REJECT_CAPACITY;
    }
}

/* The member of an overfull node that loses least by moving; one that fits nowhere loses the penalty. */
static uint32_t least_loss(const nce_assigner *a, const room *m, uint32_t node, uint32_t *to)
{
    uint32_t best = NCE_NO_NODE;
    int64_t least = INT64_MAX;
    for (uint32_t r = 0; r < a->n; r++) {
        if (a->node[r] != node || memory_of(m, r) == 0) continue;
        const uint32_t j = cheapest(a, m, r, node);
        const int64_t *cost = &a->cost[(size_t)r * a->m];
        const int64_t loss = (j == NCE_NO_NODE ? a->penalty : cost[j]) - cost[node];
        if (loss >= least) continue;
        least = loss;
        best = r;
        *to = j;
    }
    return best;
}

bool nce_assign_repair(nce_assigner *a, const nce_assign_problem *p)
{
    room m = {.p = p};
    bool moved = false;
    for (uint32_t r = 0; r < a->n; r++)
        if (a->node[r] != NCE_NO_NODE) place(a, &m, r, a->node[r]);
    for (uint32_t node = 0; node < p->n_nodes; node++)
        while (m.used[node] > p->memory_free[node]) {
            uint32_t to = NCE_NO_NODE;
            const uint32_t r = least_loss(a, &m, node, &to);
            if (r == NCE_NO_NODE) break; /* memory_free is negative and nobody needs any */
            moved = true;
            m.load[node]--;
            m.used[node] = 0; /* summed afresh: subtraction would leave rounding behind */
            a->node[r] = NCE_NO_NODE;
            for (uint32_t k = 0; k < a->n; k++)
                if (a->node[k] == node) m.used[node] += memory_of(&m, k);
            if (to != NCE_NO_NODE)
                place(a, &m, r, to);
            else
                a->reason[r] = NCE_REJECT_MEMORY;
        }
    return moved;
}

/* Value of the Lagrangian for prices; load becomes what each column would attract. */
static int64_t dual_value(const nce_assigner *a, const int64_t *limit, const int64_t *price, int64_t *load)
{
    int64_t value = 0;
    for (uint32_t j = 0; j + 1 < a->m; j++) {
        load[j] = 0;
        value -= price[j] * limit[j];
    }
    for (uint32_t r = 0; r < a->n; r++) {
        if (a->node[r] == NCE_NO_NODE) continue;
        const int64_t *cost = &a->cost[(size_t)r * a->m];
        uint32_t best = a->node[r];
        for (uint32_t j = 0; j + 1 < a->m; j++)
            if (cost[j] != NCE_FORBIDDEN && cost[j] + price[j] < cost[best] + price[best]) best = j;
        value += cost[best] + price[best];
        load[best]++;
    }
    return value;
}

/* Subgradient ascent with Polyak steps towards the cost of the assignment at hand; any prices >= 0 give a bound, so
 * rounding them to whole numbers costs sharpness only.  Nodes with no limit in effect are capped at the batch size,
 * which keeps the products small. */
int64_t nce_assign_bound(const nce_assigner *a)
{
    enum { ROUNDS = 10 };
    int64_t limit[NCE_MAX_NODES], price[NCE_MAX_NODES] = {0}, load[NCE_MAX_NODES], best = INT64_MIN, cost = 0;
    for (uint32_t j = 0; j + 1 < a->m; j++)
        limit[j] = a->limit[j] < a->n ? a->limit[j] : a->n;
    for (uint32_t r = 0; r < a->n; r++)
        if (a->node[r] != NCE_NO_NODE) cost += a->cost[(size_t)r * a->m + a->node[r]];
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t value = dual_value(a, limit, price, load);
        double norm = 0;
        if (value > best) best = value;
        for (uint32_t j = 0; j + 1 < a->m; j++)
            norm += ((double)load[j] - (double)limit[j]) * ((double)load[j] - (double)limit[j]);
        if (best >= cost || norm == 0) break;
        const double step = (round < 5 ? 1.0 : 0.5) * (double)(cost - value) / norm;
        for (uint32_t j = 0; j + 1 < a->m; j++) {
            const double next = (double)price[j] + step * ((double)load[j] - (double)limit[j]);
            price[j] = next > 0 ? (int64_t)fmin(next, 0x1p45) : 0;
        }
    }
    return best;
}
