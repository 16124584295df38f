/* The assigner: reading a batch, choosing the method, the result and its checker.
 *
 * Costs become whole numbers of quanta, so optimality is exact and independent of summation order.  They are scaled by
 * (requests + 1) and one is added for leaving the session's previous node: least cost first, then most sessions kept.
 */
#include "src/sched/assign.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_assign_problem) == 88, "ABI: grows only at the end");
_Static_assert(sizeof(nce_assignment) == 88, "ABI: grows only at the end");
enum { AUTO_EXACT_PAIRS = 4096, MAX_REQUESTS = 65535 };
static const double max_quanta = 0x1p36;

nce_status nce_assigner_create(nce_context *ctx, nce_assigner **out)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_assigner_create: out is NULL");
    nce_assigner *a = nce_alloc_zero(ctx, sizeof *a);
    if (a == NULL) return nce_fail_nomem(ctx, sizeof *a);
    a->ctx = ctx;
    *out = a;
    return NCE_OK;
}

static void release(nce_assigner *a)
{
    nce_free(a->ctx, a->cost);
    nce_free(a->ctx, a->node);
    nce_free(a->ctx, a->reason);
    nce_free(a->ctx, a->best_finish);
    nce_free(a->ctx, a->request_price);
    nce_free(a->ctx, a->next);
    nce_free(a->ctx, a->previous);
    a->cost = a->request_price = NULL;
    a->node = a->next = a->previous = NULL;
    a->reason = NULL;
    a->best_finish = NULL;
    a->capacity = 0;
}

void nce_assigner_destroy(nce_assigner *a)
{
    if (a == NULL) return;
    release(a);
    nce_free(a->ctx, a);
}

static nce_status reserve(nce_assigner *a, uint32_t n)
{
    if (n <= a->capacity) return NCE_OK;
    release(a);
    a->cost = nce_alloc_array(a->ctx, (size_t)n * NCE_ASSIGN_COLUMNS, sizeof *a->cost);
    a->node = nce_alloc_array(a->ctx, n, sizeof *a->node);
    a->reason = nce_alloc_array(a->ctx, n, sizeof *a->reason);
    a->best_finish = nce_alloc_array(a->ctx, n, sizeof *a->best_finish);
    a->request_price = nce_alloc_array(a->ctx, n, sizeof *a->request_price);
    a->next = nce_alloc_array(a->ctx, n, sizeof *a->next);
    a->previous = nce_alloc_array(a->ctx, n, sizeof *a->previous);
    if (!a->cost || !a->node || !a->reason || !a->best_finish || !a->request_price || !a->next || !a->previous) {
        release(a);
        return nce_fail_nomem(a->ctx, (size_t)n * NCE_ASSIGN_COLUMNS * sizeof *a->cost);
    }
    a->capacity = n;
    return NCE_OK;
}

nce_status nce_assign_read(nce_context *ctx, const nce_assign_problem *given, nce_assign_problem *p)
{
    *p = (nce_assign_problem)NCE_ASSIGN_PROBLEM_INIT;
    if (given == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "assign: the problem is NULL");
    const nce_status status = nce_read_options(ctx, p, sizeof *p, given, "nce_assign_problem");
    if (status != NCE_OK) return status;
    if (p->n_requests > MAX_REQUESTS || p->n_nodes == 0 || p->n_nodes > NCE_MAX_NODES)
        return nce_fail(ctx, NCE_ERR_INVALID, "assign: %u requests (at most %d), %u nodes (1..%d)", p->n_requests,
                        MAX_REQUESTS, p->n_nodes, NCE_MAX_NODES);
    if ((p->cost == NULL && p->n_requests > 0) || p->capacity == NULL ||
        (p->deadline_s != NULL && p->finish_s == NULL) || (p->memory == NULL) != (p->memory_free == NULL) ||
        p->method > NCE_ASSIGN_GREEDY || p->reserved != 0)
        return nce_fail(ctx, NCE_ERR_INVALID, "assign: a needed array is missing, or the method is unknown");
    if (p->quantum == 0) p->quantum = 1e-6;
    if (!(p->quantum >= 1e-30 && p->quantum <= 1e30))
        return nce_fail(ctx, NCE_ERR_INVALID, "assign: quantum %g, allowed 1e-30..1e30", p->quantum);
    for (uint32_t j = 0; p->memory_free != NULL && j < p->n_nodes; j++)
        if (isnan(p->memory_free[j])) return nce_fail(ctx, NCE_ERR_INVALID, "assign: memory_free of node %u is NaN", j);
    for (uint32_t r = 0; r < p->n_requests; r++) {
        if (p->memory != NULL && !(p->memory[r] >= 0))
            return nce_fail(ctx, NCE_ERR_INVALID, "assign: request %u needs %g bytes", r, p->memory[r]);
        if (p->deadline_s != NULL && isnan(p->deadline_s[r]))
            return nce_fail(ctx, NCE_ERR_INVALID, "assign: the deadline of request %u is NaN", r);
        for (uint32_t j = 0; p->finish_s != NULL && j < p->n_nodes; j++)
            if (isnan(p->finish_s[(size_t)r * p->n_nodes + j]))
                return nce_fail(ctx, NCE_ERR_INVALID, "assign: the finish of request %u on node %u is NaN", r, j);
    }
    return NCE_OK;
}

nce_reject_reason nce_assign_refusal(const nce_assign_problem *p, uint32_t request, uint32_t node)
{
    const size_t at = (size_t)request * p->n_nodes + node;
    if (p->cost[at] == INFINITY) return NCE_REJECT_FORBIDDEN;
    if (p->memory != NULL && p->memory[request] > p->memory_free[node]) return NCE_REJECT_MEMORY;
    if (p->deadline_s != NULL && p->finish_s[at] > p->deadline_s[request]) return NCE_REJECT_DEADLINE;
    return NCE_REJECT_NONE;
}

bool nce_assign_quanta(const nce_assign_problem *p, uint32_t request, uint32_t node, int64_t tie_scale, int64_t *out)
{
    const double quanta = p->cost[(size_t)request * p->n_nodes + node] / p->quantum;
    if (!(fabs(quanta) <= max_quanta)) return false;
    *out = llround(quanta) * tie_scale;
    if (p->previous != NULL && p->previous[request] != NCE_NO_NODE) *out += p->previous[request] != node;
    return true;
}

/* Costs of one request and, if no node will have it, the reason that came closest to being none. */
static nce_status read_request(nce_assigner *a, const nce_assign_problem *p, uint32_t r)
{
    nce_reject_reason closest = NCE_REJECT_FORBIDDEN;
    bool possible = false;
    a->best_finish[r] = NAN;
    for (uint32_t j = 0; j < p->n_nodes; j++) {
        int64_t *cost = &a->cost[(size_t)r * a->m + j];
        const size_t at = (size_t)r * p->n_nodes + j;
        const nce_reject_reason refusal = nce_assign_refusal(p, r, j);
        *cost = NCE_FORBIDDEN;
        if (refusal != NCE_REJECT_FORBIDDEN && !nce_assign_quanta(p, r, j, a->tie_scale, cost))
            return nce_fail(a->ctx, NCE_ERR_INVALID, "assign: cost %g of request %u on node %u is not within 2^36 * %g",
                            p->cost[at], r, j, p->quantum);
        if (refusal != NCE_REJECT_NONE) *cost = NCE_FORBIDDEN;
        if (refusal > closest) closest = refusal;
        possible |= refusal == NCE_REJECT_NONE;
        const bool counts = refusal == NCE_REJECT_NONE || refusal == NCE_REJECT_DEADLINE;
        if (p->finish_s != NULL && counts && !(p->finish_s[at] >= a->best_finish[r]))
            a->best_finish[r] = p->finish_s[at];
    }
    a->reason[r] = possible ? NCE_REJECT_NONE : closest;
    a->node[r] = NCE_NO_NODE;
    return NCE_OK;
}

static int64_t cost_range(const nce_assigner *a)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint32_t r = 0; r < a->n; r++)
        for (uint32_t j = 0; j + 1 < a->m; j++) {
            const int64_t c = a->cost[(size_t)r * a->m + j];
            if (c == NCE_FORBIDDEN) continue;
            if (c < least) least = c;
            if (c > most) most = c;
        }
    return most >= least ? most - least : 0;
}

static nce_status read_costs(nce_assigner *a, const nce_assign_problem *p)
{
    a->n = p->n_requests;
    a->m = p->n_nodes + 1;
    a->tie_scale = p->previous != NULL ? (int64_t)p->n_requests + 1 : 1;
    for (uint32_t r = 0; r < a->n; r++) {
        const nce_status status = read_request(a, p, r);
        if (status != NCE_OK) return status;
    }
    /* Rejecting one more request must cost more than any chain of moves through all nodes can save, and than any cost.
     */
    a->penalty = (cost_range(a) + 1) * (int64_t)(a->m + 1) + (int64_t)max_quanta * a->tie_scale;
    for (uint32_t r = 0; r < a->n; r++)
        a->cost[(size_t)r * a->m + a->m - 1] = a->penalty;
    for (uint32_t j = 0; j < a->m; j++)
        a->limit[j] = j + 1 < a->m ? p->capacity[j] : UINT32_MAX;
    return NCE_OK;
}

/* Sum of quanta, without the share of ties. */
static double total(const nce_assigner *a, const nce_assign_problem *p, uint32_t *n_assigned)
{
    int64_t sum = 0;
    *n_assigned = 0;
    for (uint32_t r = 0; r < a->n; r++) {
        if (a->node[r] == NCE_NO_NODE) continue;
        const int64_t c = a->cost[(size_t)r * a->m + a->node[r]];
        const bool moved = p->previous != NULL && p->previous[r] != NCE_NO_NODE && p->previous[r] != a->node[r];
        sum += (c - moved) / a->tie_scale;
        ++*n_assigned;
    }
    return (double)sum * p->quantum;
}

nce_status nce_assigner_solve(nce_assigner *a, const nce_assign_problem *problem, nce_assignment *out)
{
    nce_assign_problem p;
    if (a == NULL) return NCE_ERR_INVALID;
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(a->ctx, NCE_ERR_INVALID, "nce_assigner_solve: no result, or its struct_size is not set");
    nce_status status = nce_assign_read(a->ctx, problem, &p);
    if (status == NCE_OK) status = reserve(a, p.n_requests);
    if (status == NCE_OK) status = read_costs(a, &p);
    if (status != NCE_OK) return status;
    const bool exact = p.method == NCE_ASSIGN_EXACT ||
                       (p.method == NCE_ASSIGN_AUTO && (uint64_t)p.n_requests * p.n_nodes <= AUTO_EXACT_PAIRS);
    bool optimal = exact;
    if (exact) {
        nce_assign_flow(a);
        optimal = p.memory == NULL || !nce_assign_repair(a, &p);
    } else {
        nce_assign_greedily(a, &p);
    }
    nce_assignment full = {.struct_size = out->struct_size,
                           .node = a->node,
                           .reason = a->reason,
                           .best_finish_s = a->best_finish,
                           .request_price = optimal ? a->request_price : NULL,
                           .node_price = optimal ? a->price : NULL,
                           .tie_scale = a->tie_scale,
                           .penalty = a->penalty,
                           .claim = optimal ? NCE_ASSIGN_OPTIMAL : NCE_ASSIGN_BOUNDED};
    full.cost = full.bound = total(a, &p, &full.n_assigned);
    if (!optimal) {
        const double bound = floor((double)nce_assign_bound(a) / (double)a->tie_scale) * p.quantum;
        full.bound = fmin(full.cost, bound);
    }
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

/* ---- the checker ---- */

static nce_status check_request(nce_context *ctx, const nce_assign_problem *p, const nce_assignment *x, uint32_t r,
                                uint32_t *load, bool *served)
{
    bool possible = false;
    *served = false;
    for (uint32_t j = 0; j < p->n_nodes; j++) {
        int64_t c;
        if (nce_assign_refusal(p, r, j) != NCE_REJECT_NONE) {
            if (x->node[r] == j)
                return nce_fail(ctx, NCE_ERR_INVALID, "check: request %u may not run on node %u", r, j);
            continue;
        }
        if (!nce_assign_quanta(p, r, j, x->tie_scale, &c))
            return nce_fail(ctx, NCE_ERR_INVALID, "check: cost %u %u", r, j);
        possible = true;
        if (x->request_price[r] > c + x->node_price[j])
            return nce_fail(ctx, NCE_ERR_INVALID, "check: the price of request %u exceeds cost and price of node %u", r,
                            j);
        if (x->node[r] != j) continue;
        *served = true;
        load[j]++;
        if (x->request_price[r] != c + x->node_price[j])
            return nce_fail(ctx, NCE_ERR_INVALID, "check: request %u is not tight on its node %u", r, j);
    }
    if (!possible) return x->node[r] == NCE_NO_NODE ? NCE_OK : nce_fail(ctx, NCE_ERR_INVALID, "check: request %u", r);
    if (x->request_price[r] > x->penalty || (!*served && x->request_price[r] != x->penalty))
        return nce_fail(ctx, NCE_ERR_INVALID, "check: the price of request %u and the penalty disagree", r);
    return NCE_OK;
}

/* The penalty must outweigh anything that serving one request less could save, or "most requests" is not proven. */
static nce_status check_penalty(nce_context *ctx, const nce_assign_problem *p, const nce_assignment *x)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint32_t r = 0; r < p->n_requests; r++)
        for (uint32_t j = 0; j < p->n_nodes; j++) {
            int64_t c;
            if (nce_assign_refusal(p, r, j) != NCE_REJECT_NONE || !nce_assign_quanta(p, r, j, x->tie_scale, &c))
                continue;
            least = c < least ? c : least;
            most = c > most ? c : most;
        }
    const bool enough = most < least || x->penalty > (most - least) * p->n_nodes + most;
    return enough ? NCE_OK
                  : nce_fail(ctx, NCE_ERR_INVALID, "check: the penalty %lld is too small", (long long)x->penalty);
}

nce_status nce_assign_check(nce_context *ctx, const nce_assign_problem *problem, const nce_assignment *x)
{
    nce_assign_problem p;
    uint32_t load[NCE_MAX_NODES] = {0}, n_served = 0;
    double used[NCE_MAX_NODES] = {0};
    nce_status status = nce_assign_read(ctx, problem, &p);
    if (status != NCE_OK) return status;
    if (x == NULL || x->struct_size < sizeof *x || x->claim != NCE_ASSIGN_OPTIMAL || x->request_price == NULL)
        return nce_fail(ctx, NCE_ERR_INVALID, "check: not an optimal result");
    if (x->tie_scale != (p.previous != NULL ? (int64_t)p.n_requests + 1 : 1))
        return nce_fail(ctx, NCE_ERR_INVALID, "check: tie_scale");
    status = check_penalty(ctx, &p, x);
    if (status != NCE_OK) return status;
    for (uint32_t r = 0; r < p.n_requests; r++) {
        bool served;
        status = check_request(ctx, &p, x, r, load, &served);
        if (status != NCE_OK) return status;
        n_served += served;
        if (served && p.memory != NULL) used[x->node[r]] += p.memory[r];
    }
    for (uint32_t j = 0; j < p.n_nodes; j++) {
        if (load[j] > p.capacity[j] || (p.memory != NULL && used[j] > p.memory_free[j]))
            return nce_fail(ctx, NCE_ERR_INVALID, "check: node %u is over its limits", j);
        if (x->node_price[j] < 0 || (x->node_price[j] > 0 && load[j] < p.capacity[j]))
            return nce_fail(ctx, NCE_ERR_INVALID, "check: node %u has a price but free slots", j);
    }
    if (n_served != x->n_assigned) return nce_fail(ctx, NCE_ERR_INVALID, "check: %u requests are served", n_served);
    return NCE_OK;
}
