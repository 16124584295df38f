// Assignments against LEMON's network simplex: 1,000 random batches, every certificate verified.  argv[1]: seed.
#include "tests/sched/oracle.h"
#include <cmath>
#include <lemon/network_simplex.h>
#include <lemon/smart_graph.h>
#include <limits>
#include <vector>

static const long long PENALTY = 1000000000000LL;

struct batch {
    uint32_t n, m;
    std::vector<double> cost;
    std::vector<uint32_t> capacity;
};

static batch random_batch(rng *random, int i)
{
    batch b;
    b.n = i % 10 == 0 ? 64 : 1 + rng_below(random, 80);
    b.m = i % 10 == 0 ? 8 : 1 + rng_below(random, 12);
    const bool tight = rng_below(random, 2);
    for (uint32_t k = 0; k < b.n * b.m; k++) {
        const bool forbidden = rng_below(random, 8) == 0;
        b.cost.push_back(forbidden ? std::numeric_limits<double>::infinity() : 1e-3 * (rng_below(random, i % 3 ? 10000 : 12)));
    }
    for (uint32_t j = 0; j < b.m; j++)
        b.capacity.push_back(rng_below(random, tight ? b.n / b.m + 1 : 2 * b.n / b.m + 2));
    return b;
}

// Least cost in milliunits, with the rejected ones at the penalty.
static long long lemon_optimum(const batch &b, int *rejected)
{
    using namespace lemon;
    SmartDigraph g;
    SmartDigraph::ArcMap<long long> cost(g), upper(g);
    SmartDigraph::NodeMap<long long> supply(g);
    std::vector<SmartDigraph::Node> requests, nodes;
    for (uint32_t i = 0; i < b.n; i++) {
        requests.push_back(g.addNode());
        supply[requests[i]] = 1;
    }
    for (uint32_t j = 0; j < b.m; j++) {
        nodes.push_back(g.addNode());
        supply[nodes[j]] = 0;
    }
    const SmartDigraph::Node sink = g.addNode();
    supply[sink] = -static_cast<long long>(b.n);
    for (uint32_t i = 0; i < b.n; i++) {
        for (uint32_t j = 0; j < b.m; j++) {
            if (std::isinf(b.cost[i * b.m + j])) continue;
            const SmartDigraph::Arc a = g.addArc(requests[i], nodes[j]);
            cost[a] = std::llround(b.cost[i * b.m + j] * 1000);
            upper[a] = 1;
        }
        const SmartDigraph::Arc a = g.addArc(requests[i], sink);
        cost[a] = PENALTY;
        upper[a] = 1;
    }
    for (uint32_t j = 0; j < b.m; j++) {
        const SmartDigraph::Arc a = g.addArc(nodes[j], sink);
        cost[a] = 0;
        upper[a] = b.capacity[j];
    }
    NetworkSimplex<SmartDigraph, long long> simplex(g);
    simplex.upperMap(upper).costMap(cost).supplyMap(supply);
    EXPECT(simplex.run() == (NetworkSimplex<SmartDigraph, long long>::OPTIMAL), "LEMON found no optimum");
    *rejected = static_cast<int>(simplex.totalCost() / PENALTY);
    return simplex.totalCost() % PENALTY;
}

int main(int argc, char **argv)
{
    rng random = {argc > 1 ? strtoull(argv[1], nullptr, 10) : 1};
    nce_context *ctx;
    nce_assigner *a;
    double greedy_cost = 0, best_cost = 0, bounds = 0;
    EXPECT(nce_context_create(nullptr, &ctx) == NCE_OK && nce_assigner_create(ctx, &a) == NCE_OK, "create");
    for (int i = 0; i < 1000; i++) {
        const batch b = random_batch(&random, i);
        int rejected;
        const long long want = lemon_optimum(b, &rejected);
        nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
        nce_assignment x = NCE_ASSIGNMENT_INIT, greedy = NCE_ASSIGNMENT_INIT;
        p.n_requests = b.n;
        p.n_nodes = b.m;
        p.cost = b.cost.data();
        p.capacity = b.capacity.data();
        p.quantum = 1e-3;
        p.method = NCE_ASSIGN_EXACT;
        EXPECT(nce_assigner_solve(a, &p, &x) == NCE_OK, "%s", nce_context_error(ctx));
        EXPECT(x.claim == NCE_ASSIGN_OPTIMAL && x.n_assigned == b.n - static_cast<uint32_t>(rejected), "batch %d: %u of %u, LEMON rejects %d",
               i, x.n_assigned, b.n, rejected);
        EXPECT(std::llround(x.cost * 1000) == want, "batch %d (%ux%u): %.3f, LEMON %lld", i, b.n, b.m, x.cost, want);
        EXPECT(nce_assign_check(ctx, &p, &x) == NCE_OK, "batch %d: %s", i, nce_context_error(ctx));
        const double best = x.cost;
        p.method = NCE_ASSIGN_GREEDY;
        EXPECT(nce_assigner_solve(a, &p, &greedy) == NCE_OK, "%s", nce_context_error(ctx));
        if (greedy.n_assigned != b.n - static_cast<uint32_t>(rejected)) continue;
        if (rejected == 0) { // the same requests are served, so the optimum must lie between
            EXPECT(greedy.bound <= best + 1e-9 && best <= greedy.cost + 1e-9, "batch %d: %g <= %g <= %g", i, greedy.bound, best, greedy.cost);
            greedy_cost += greedy.cost;
            best_cost += best;
            bounds += greedy.bound;
        }
    }
    nce_assigner_destroy(a);
    nce_context_destroy(ctx);
    printf("1,000 batches as LEMON; greedy costs %.1f %% more, its bound says at most %.1f %%\n", 100 * (greedy_cost / best_cost - 1),
           100 * (greedy_cost / bounds - 1));
    return 0;
}
