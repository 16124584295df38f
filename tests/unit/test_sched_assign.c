/* Assignment: deadlines, memory, ties, certificates, bad input, failing allocation. */
#include "nce/sched.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static nce_context *ctx;
static nce_assigner *assigner;

static void start(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_assigner_create(ctx, &assigner), NCE_OK);
}

static void stop(void)
{
    nce_assigner_destroy(assigner);
    nce_context_destroy(ctx);
}

TestSuite(sched_assign, .init = start, .fini = stop);

Test(sched_assign, a_hopeless_deadline_is_rejected_with_its_finish)
{
    const double cost[] = {1, 2, 1, 2}, finish[] = {3.5, 2.5, 1, 2}, deadline[] = {2, 5};
    const uint32_t capacity[] = {2, 2};
    nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
    nce_assignment x = NCE_ASSIGNMENT_INIT;
    p.n_requests = p.n_nodes = 2;
    p.cost = cost;
    p.capacity = capacity;
    p.finish_s = finish;
    p.deadline_s = deadline;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    cr_assert_eq(x.node[0], NCE_NO_NODE);
    cr_assert_eq(x.reason[0], NCE_REJECT_DEADLINE);
    cr_assert_eq(x.best_finish_s[0], 2.5);
    cr_assert_eq(x.node[1], 0);
    cr_assert_eq(x.claim, NCE_ASSIGN_OPTIMAL);
    cr_assert_eq(nce_assign_check(ctx, &p, &x), NCE_OK, "%s", nce_context_error(ctx));
}

Test(sched_assign, ties_keep_the_session_where_it_was)
{
    enum { R = 12, N = 4 };
    double cost[R * N];
    uint32_t capacity[N], previous[R];
    nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
    nce_assignment x = NCE_ASSIGNMENT_INIT;
    for (int i = 0; i < R * N; i++)
        cost[i] = 0.25;
    for (uint32_t r = 0; r < R; r++)
        previous[r] = r % N;
    for (int j = 0; j < N; j++)
        capacity[j] = R;
    p.n_requests = R;
    p.n_nodes = N;
    p.cost = cost;
    p.capacity = capacity;
    p.previous = previous;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    for (uint32_t r = 0; r < R; r++)
        cr_assert_eq(x.node[r], previous[r]);
    cost[1] = 0.2; /* a real saving beats stickiness */
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    cr_assert_eq(x.node[0], 1);
    cr_assert_float_eq(x.cost, 0.25 * (R - 1) + 0.2, 1e-9);
    cr_assert_eq(nce_assign_check(ctx, &p, &x), NCE_OK, "%s", nce_context_error(ctx));
}

/* Least cost of serving most requests, by trying everything. */
static double enumerate(const nce_assign_problem *p, uint32_t r, uint32_t *load, double *used, uint32_t served,
                        uint32_t *most)
{
    if (r == p->n_requests) {
        if (served > *most) *most = served;
        return served == *most ? 0 : INFINITY;
    }
    double best = enumerate(p, r + 1, load, used, served, most);
    uint32_t best_most = *most;
    for (uint32_t j = 0; j < p->n_nodes; j++) {
        if (load[j] >= p->capacity[j] || used[j] + p->memory[r] > p->memory_free[j]) continue;
        load[j]++;
        used[j] += p->memory[r];
        const uint32_t before = *most;
        const double cost = p->cost[r * p->n_nodes + j] + enumerate(p, r + 1, load, used, served + 1, most);
        if (*most > before || *most > best_most) {
            best = cost; /* more are served than in anything seen before */
            best_most = *most;
        } else {
            best = fmin(best, cost);
        }
        load[j]--;
        used[j] -= p->memory[r];
    }
    return best;
}

Test(sched_assign, memory_limits_hold_and_bounds_are_true)
{
    enum { R = 6, N = 3 };
    uint64_t s = 7;
    int optimal = 0;
    for (int round = 0; round < 300; round++) {
        double cost[R * N], memory[R], room[N];
        uint32_t capacity[N], load[N] = {0}, most = 0;
        double used[N] = {0};
        for (int i = 0; i < R * N; i++)
            cost[i] = 1 + (double)((s = s * 6364136223846793005u + 1442695040888963407u) >> 59);
        for (int r = 0; r < R; r++)
            memory[r] = (double)((s = s * 6364136223846793005u + 1442695040888963407u) >> 60);
        for (int j = 0; j < N; j++) {
            capacity[j] = 2 + (uint32_t)((s = s * 6364136223846793005u + 1442695040888963407u) >> 62);
            room[j] = 10 + (double)((s = s * 6364136223846793005u + 1442695040888963407u) >> 60);
        }
        nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
        nce_assignment x = NCE_ASSIGNMENT_INIT;
        p.n_requests = R;
        p.n_nodes = N;
        p.cost = cost;
        p.capacity = capacity;
        p.memory = memory;
        p.memory_free = room;
        const double best = enumerate(&p, 0, load, used, 0, &most);
        cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
        double total[N] = {0};
        for (int r = 0; r < R; r++)
            if (x.node[r] != NCE_NO_NODE) total[x.node[r]] += memory[r];
        for (int j = 0; j < N; j++)
            cr_assert_leq(total[j], room[j]);
        cr_assert_leq(x.n_assigned, most);
        if (x.n_assigned == most) cr_assert_geq(x.cost, best - 1e-9);
        if (x.n_assigned == R) cr_assert_leq(x.bound, best + 1e-9);
        if (x.claim != NCE_ASSIGN_OPTIMAL) continue;
        optimal++;
        cr_assert(x.n_assigned == most && fabs(x.cost - best) < 1e-9, "round %d: %g, best %g", round, x.cost, best);
        cr_assert_eq(nce_assign_check(ctx, &p, &x), NCE_OK, "%s", nce_context_error(ctx));
    }
    cr_assert(optimal > 20 && optimal < 300, "the rounds were all of one kind: %d", optimal);
}

Test(sched_assign, a_false_certificate_is_refused)
{
    const double cost[] = {1, 3, 2, 5, 4, 4};
    const uint32_t capacity[] = {1, 2};
    nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
    nce_assignment x = NCE_ASSIGNMENT_INIT;
    p.n_requests = 3;
    p.n_nodes = 2;
    p.cost = cost;
    p.capacity = capacity;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    cr_assert_float_eq(x.cost, 9, 1e-9);
    cr_assert_eq(nce_assign_check(ctx, &p, &x), NCE_OK, "%s", nce_context_error(ctx));
    uint32_t other[] = {0, 1, 1}; /* costs 10 */
    x.node = other;
    cr_assert_eq(nce_assign_check(ctx, &p, &x), NCE_ERR_INVALID);
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    x.penalty = 1;
    cr_assert_eq(nce_assign_check(ctx, &p, &x), NCE_ERR_INVALID);
}

Test(sched_assign, bad_problems_are_named)
{
    double cost[] = {1, NAN};
    const uint32_t capacity[] = {1, 1};
    nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
    nce_assignment x = NCE_ASSIGNMENT_INIT;
    p.n_requests = 1;
    p.n_nodes = 2;
    p.cost = cost;
    p.capacity = capacity;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_ERR_INVALID);
    cr_assert(strstr(nce_context_error(ctx), "cost nan of request 0 on node 1") != NULL, "%s", nce_context_error(ctx));
    cost[1] = 1e12;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_ERR_INVALID);
    cost[1] = INFINITY;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    p.n_nodes = 65;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_ERR_INVALID);
    p.n_nodes = 2;
    p.deadline_s = cost;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_ERR_INVALID);
    p.deadline_s = NULL;
    p.n_requests = 0;
    cr_assert_eq(nce_assigner_solve(assigner, &p, &x), NCE_OK);
    cr_assert_eq(x.n_assigned, 0);
}

Test(sched_assign, failing_allocation, .init = NULL, .fini = NULL)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        const double cost[] = {1, 2};
        const uint32_t capacity[] = {1, 1};
        nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
        nce_assignment x = NCE_ASSIGNMENT_INIT;
        nce_context *c;
        nce_assigner *a = NULL;
        p.n_requests = 1;
        p.n_nodes = 2;
        p.cost = cost;
        p.capacity = capacity;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) != NCE_OK) continue;
        if (nce_assigner_create(c, &a) == NCE_OK) nce_assigner_solve(a, &p, &x);
        nce_assigner_destroy(a);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
    }
}
