/* Minimum-cost flow for an assignment: successive shortest paths with potentials.
 *
 * Requests enter one by one.  The residual graph is kept over the columns (nodes and the bin of rejected requests)
 * only: an edge i -> j is the cheapest change of cost when some member of i moves to j.  price[j] is the least cost of
 * freeing a slot in j: 0 where one is free, else the shortest way to such a column.  A request goes where cost + price
 * is least; the members along that way each move on.  Prices are the dual variables: with them all reduced costs stay
 * >= 0, so Dijkstra over at most 65 columns recomputes them, and at the end they are the certificate. (Ahuja, Magnanti,
 * Orlin, Network Flows, section 9.7.) */
#include "src/sched/assign.h"

#define NOBODY UINT32_MAX

static void leave(nce_assigner *a, uint32_t r, uint32_t i)
{
    if (a->previous[r] != NOBODY)
        a->next[a->previous[r]] = a->next[r];
    else
        a->head[i] = a->next[r];
    if (a->next[r] != NOBODY) a->previous[a->next[r]] = a->previous[r];
    a->load[i]--;
}

/* Member r of column i offers its moves. */
static void offer_moves(nce_assigner *a, uint32_t r, uint32_t i)
{
    const int64_t *cost = &a->cost[(size_t)r * a->m];
    for (uint32_t j = 0; j < a->m; j++) {
        if (cost[j] == NCE_FORBIDDEN || cost[j] - cost[i] >= a->move[i][j]) continue;
        a->move[i][j] = cost[j] - cost[i];
        a->mover[i][j] = r;
    }
}

static void enter(nce_assigner *a, uint32_t r, uint32_t i)
{
    a->next[r] = a->head[i];
    a->previous[r] = NOBODY;
    if (a->head[i] != NOBODY) a->previous[a->head[i]] = r;
    a->head[i] = r;
    a->node[r] = i;
    a->load[i]++;
    offer_moves(a, r, i);
}

static void recompute_moves(nce_assigner *a, uint32_t i)
{
    for (uint32_t j = 0; j < a->m; j++)
        a->move[i][j] = NCE_FORBIDDEN;
    for (uint32_t r = a->head[i]; r != NOBODY; r = a->next[r])
        offer_moves(a, r, i);
}

/* Dijkstra over the columns, backwards from those with a free slot; distances in reduced costs, which the old prices
 * keep >= 0. */
static void reprice(nce_assigner *a)
{
    int64_t distance[NCE_ASSIGN_COLUMNS];
    bool done[NCE_ASSIGN_COLUMNS] = {false};
    for (uint32_t j = 0; j < a->m; j++) {
        distance[j] = a->load[j] < a->limit[j] ? 0 : NCE_FORBIDDEN;
        a->towards[j] = j;
    }
    for (uint32_t round = 0; round < a->m; round++) {
        uint32_t j = NOBODY;
        for (uint32_t k = 0; k < a->m; k++)
            if (!done[k] && (j == NOBODY || distance[k] < distance[j])) j = k;
        if (distance[j] == NCE_FORBIDDEN) break;
        done[j] = true;
        for (uint32_t i = 0; i < a->m; i++) {
            if (done[i] || a->move[i][j] == NCE_FORBIDDEN) continue;
            const int64_t d = distance[j] + a->move[i][j] + a->price[j] - a->price[i];
            if (d >= distance[i]) continue;
            distance[i] = d;
            a->towards[i] = j;
        }
    }
    /* A column of capacity 0 has no members to move and can never be freed. */
    for (uint32_t j = 0; j < a->m; j++)
        a->price[j] = distance[j] == NCE_FORBIDDEN ? a->price[j] : a->price[j] + distance[j];
}

/* Column of least cost + price; the bin always is one. */
static uint32_t best_column(const nce_assigner *a, uint32_t r)
{
    const int64_t *cost = &a->cost[(size_t)r * a->m];
    uint32_t best = a->m - 1;
    for (uint32_t j = 0; j + 1 < a->m; j++)
        if (cost[j] != NCE_FORBIDDEN && cost[j] + a->price[j] < cost[best] + a->price[best]) best = j;
    return best;
}

static void insert(nce_assigner *a, uint32_t r)
{
    uint32_t column = best_column(a, r), incoming = r;
    const bool free_slot = a->load[column] + 1 < a->limit[column];
    while (a->load[column] == a->limit[column]) {
        const uint32_t next = a->towards[column], out = a->mover[column][next];
        leave(a, out, column);
        recompute_moves(a, column);
        enter(a, incoming, column);
        incoming = out;
        column = next;
    }
    enter(a, incoming, column);
    /* While the column still has room its price stays 0, and nobody else's way can have become shorter. */
    if (!free_slot) reprice(a);
}

void nce_assign_flow(nce_assigner *a)
{
    for (uint32_t j = 0; j < a->m; j++) {
        a->head[j] = NOBODY;
        a->load[j] = 0;
        a->towards[j] = j;
        /* Nothing fits into a column without capacity: a price above the penalty keeps everybody out. */
        a->price[j] = a->limit[j] == 0 ? 2 * a->penalty : 0;
        for (uint32_t i = 0; i < a->m; i++)
            a->move[j][i] = NCE_FORBIDDEN;
    }
    for (uint32_t r = 0; r < a->n; r++)
        if (a->reason[r] == NCE_REJECT_NONE) insert(a, r);
    for (uint32_t r = 0; r < a->n; r++) {
        a->request_price[r] = 0;
        if (a->reason[r] != NCE_REJECT_NONE) continue;
        const uint32_t best = best_column(a, r);
        a->request_price[r] = a->cost[(size_t)r * a->m + best] + a->price[best];
        if (a->node[r] + 1 < a->m) continue;
        a->node[r] = NCE_NO_NODE;
        a->reason[r] = NCE_REJECT_CAPACITY;
    }
}
