/* nce sched bench: speed of routing, assignment, hashing and placement.  Thread CPU time; medians, and p99 where a decision
 * is timed one by one.  bench/sched compares the routing with igraph. */
#include "nce/nce.h"
#include "tools/measure.h"
#include "tools/nce/command.h"
#include "tools/nce/sched_bench.h"
#include "tools/random_graph.h"
#include <stdio.h>
#include <stdlib.h>

/* A measurement that cannot be made ends the program: there is nothing to clean up that matters. */
static void must(nce_context *ctx, bool good)
{
    if (good) return;
    nce_cmd_failed("%s", nce_context_error(ctx));
    exit(NCE_EXIT_FAILED);
}

/* ---- shortest paths ---- */

enum { ROUNDS = 41 };

static void bench_routes_in(nce_context *ctx, rng *random, uint32_t n)
{
    uint32_t source[ROUNDS], target[ROUNDS];
    double times[5][ROUNDS], *costs = malloc(n * sizeof *costs);
    nce_graph *g = random_graph(ctx, random, n);
    nce_router *r;
    must(ctx, g != NULL && nce_router_create(g, &r) == NCE_OK);
    for (int i = 0; i < ROUNDS; i++) {
        source[i] = rng_below(random, n);
        target[i] = rng_below(random, n);
    }
    nce_router_distances(r, NCE_ROUTE_DIJKSTRA, 0, costs); /* make room outside the timing */
    for (int i = 0; i < ROUNDS; i++) {
        double t = measure_cpu_us();
        nce_router_distances(r, NCE_ROUTE_DIJKSTRA, source[i], costs);
        times[0][i] = measure_cpu_us() - t;
        for (int a = NCE_ROUTE_DIJKSTRA; a <= NCE_ROUTE_GREEDY; a++) {
            t = measure_cpu_us();
            must(ctx, nce_router_find(r, (nce_route_algorithm)a, source[i], target[i]) == NCE_OK);
            times[a][i] = measure_cpu_us() - t;
        }
    }
    printf("  %6u vertices: tree %.1f, pair: Dijkstra %.1f, A* %.1f, Bellman-Ford %.1f, greedy %.1f\n", n,
           measure_quantile(times[0], ROUNDS, 0.5), measure_quantile(times[1], ROUNDS, 0.5),
           measure_quantile(times[2], ROUNDS, 0.5), measure_quantile(times[3], ROUNDS, 0.5),
           measure_quantile(times[4], ROUNDS, 0.5));
    nce_router_destroy(r);
    nce_graph_destroy(g);
    free(costs);
}

static void bench_routes(nce_context *ctx)
{
    rng random = {1};
    printf("routes, us: random digraphs of degree %d, median of %d\n", RANDOM_GRAPH_DEGREE, ROUNDS);
    for (uint32_t n = 64; n <= 16384; n *= 4)
        bench_routes_in(ctx, &random, n);
}

/* ---- assignment ---- */

enum { BATCHES = 51 };

static void bench_assign_of(nce_context *ctx, nce_assigner *a, rng *random, uint32_t n, uint32_t m)
{
    double exact[BATCHES], greedy[BATCHES], gap = 0, *cost = malloc((size_t)n * m * sizeof *cost);
    uint32_t capacity[64];
    for (uint32_t j = 0; j < m; j++)
        capacity[j] = (n + m - 1) / m + n / m / 4;
    for (int i = 0; i < BATCHES; i++) {
        nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
        nce_assignment x = NCE_ASSIGNMENT_INIT;
        for (size_t c = 0; c < (size_t)n * m; c++)
            cost[c] = rng_below(random, 10000) * 1e-3;
        p.n_requests = n;
        p.n_nodes = m;
        p.cost = cost;
        p.capacity = capacity;
        p.method = NCE_ASSIGN_EXACT;
        double t = measure_cpu_us();
        must(ctx, nce_assigner_solve(a, &p, &x) == NCE_OK);
        exact[i] = measure_cpu_us() - t;
        p.method = NCE_ASSIGN_GREEDY;
        t = measure_cpu_us();
        must(ctx, nce_assigner_solve(a, &p, &x) == NCE_OK);
        greedy[i] = measure_cpu_us() - t;
        gap += (x.cost / x.bound - 1) / BATCHES;
    }
    printf("  %4u x %2u: exact %.1f, greedy %.1f (gap %.1f %%)\n", n, m, measure_quantile(exact, BATCHES, 0.5),
           measure_quantile(greedy, BATCHES, 0.5), 100 * gap);
    free(cost);
}

static void bench_assign(nce_context *ctx)
{
    static const struct {
        uint32_t n, m;
    } sizes[] = {{16, 4}, {64, 8}, {256, 16}, {1024, 32}};
    rng random = {2};
    nce_assigner *a;
    must(ctx, nce_assigner_create(ctx, &a) == NCE_OK);
    printf("assignment, us: random costs, median of %d batches (exact; greedy with the gap it reports)\n", BATCHES);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        bench_assign_of(ctx, a, &random, sizes[k].n, sizes[k].m);
    nce_assigner_destroy(a);
}

/* ---- placement ---- */

enum { NODES = 64, DECISIONS = 2000, BLOCKS_KNOWN = 1 << 20, MAX_TOKENS = 32768 };

typedef struct cluster {
    nce_kv_directory *directory;
    nce_placer *placer;
    nce_block_hasher *hasher;
    nce_block_hash root, names[MAX_TOKENS / 16];
    int32_t tokens[MAX_TOKENS];
    double decide[DECISIONS], hash[DECISIONS], both[DECISIONS];
    rng random;
} cluster;

/* A directory of a million blocks and 64 nodes of uneven load. */
static cluster *make_cluster(nce_context *ctx, uint32_t block_tokens)
{
    cluster *c = calloc(1, sizeof *c);
    nce_block_hasher_options options = NCE_BLOCK_HASHER_OPTIONS_INIT;
    nce_node_profile profile = NCE_NODE_PROFILE_INIT;
    options.block_tokens = block_tokens;
    profile.block_s = 0.03;
    must(ctx, c != NULL && nce_kv_directory_create(ctx, NULL, &c->directory) == NCE_OK &&
                  nce_placer_create(c->directory, ctx, NULL, &c->placer) == NCE_OK &&
                  nce_block_hasher_create(ctx, &options, &c->hasher) == NCE_OK &&
                  nce_block_hasher_root(c->hasher, NULL, 0, &c->root) == NCE_OK);
    c->random.state = 3;
    for (uint32_t i = 0; i < BLOCKS_KNOWN; i++) {
        const nce_block_hash b = {rng_next(&c->random), rng_next(&c->random)};
        nce_kv_directory_publish(c->directory, rng_below(&c->random, NODES), &b, 1);
    }
    for (uint32_t k = 0; k < NODES; k++) {
        nce_placer_set_node(c->placer, k, &profile);
        nce_placer_set_load(c->placer, k, rng_unit(&c->random) * 10, SIZE_MAX);
    }
    return c;
}

static void destroy_cluster(cluster *c)
{
    nce_block_hasher_destroy(c->hasher);
    nce_placer_destroy(c->placer);
    nce_kv_directory_destroy(c->directory);
    free(c);
}

/* Place a prompt nobody has seen, of which the nodes hold prefixes of all lengths. */
static void place_one(nce_context *ctx, cluster *c, size_t n_tokens, double *hash_us, double *decide_us)
{
    size_t n;
    nce_place_query q = NCE_PLACE_QUERY_INIT;
    nce_placement x = NCE_PLACEMENT_INIT;
    for (size_t k = 0; k < n_tokens; k++)
        c->tokens[k] = (int32_t)rng_below(&c->random, 32000);
    double t = measure_cpu_us();
    nce_block_hasher_run(c->hasher, &c->root, c->tokens, n_tokens, c->names, &n);
    *hash_us = measure_cpu_us() - t;
    for (uint32_t k = 0; k < NODES; k++)
        nce_kv_directory_publish(c->directory, k, c->names, n * k / NODES);
    q.blocks = c->names;
    q.n_blocks = n;
    t = measure_cpu_us();
    must(ctx, nce_placer_place(c->placer, &q, &x) == NCE_OK && x.node != NCE_NO_NODE);
    *decide_us = measure_cpu_us() - t;
    for (uint32_t k = 0; k < NODES; k++)
        nce_kv_directory_drop(c->directory, k, c->names, n);
}

static void bench_place(nce_context *ctx, uint32_t block_tokens)
{
    cluster *c = make_cluster(ctx, block_tokens);
    for (size_t n_tokens = 2048; n_tokens <= MAX_TOKENS; n_tokens *= 4) {
        for (int i = 0; i < DECISIONS; i++) {
            place_one(ctx, c, n_tokens, &c->hash[i], &c->decide[i]);
            c->both[i] = c->hash[i] + c->decide[i];
        }
        printf("  %5zu tokens in blocks of %3u: hashing p50 %.1f, decision p50 %.1f p99 %.1f, together p50 %.1f p99 "
               "%.1f\n",
               n_tokens, block_tokens, measure_quantile(c->hash, DECISIONS, 0.5),
               measure_quantile(c->decide, DECISIONS, 0.5), measure_quantile(c->decide, DECISIONS, 0.99),
               measure_quantile(c->both, DECISIONS, 0.5), measure_quantile(c->both, DECISIONS, 0.99));
    }
    destroy_cluster(c);
}

static void bench_histogram(nce_context *ctx)
{
    enum { N = 2000000 };
    nce_histogram *h;
    must(ctx, nce_histogram_create(ctx, NULL, 0, &h) == NCE_OK);
    rng random = {4};
    double values[256];
    for (int i = 0; i < 256; i++)
        values[i] = rng_unit(&random);
    const double t = measure_cpu_us();
    for (int i = 0; i < N; i++)
        nce_histogram_observe(h, values[i & 255]);
    printf("histogram: %.1f ns an observation\n", (measure_cpu_us() - t) * 1e3 / N);
    nce_histogram_destroy(h);
}

int nce_sched_bench(nce_context *ctx, int argc, char **argv)
{
    const int code = nce_args_parse("sched bench", NULL, 0, argc, argv, NULL, 0);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    bench_routes(ctx);
    bench_assign(ctx);
    printf("placement, us: %d nodes, directory of 2^20 blocks, %d decisions\n", NODES, DECISIONS);
    static const uint32_t block_tokens[] = {512, 64, 16};
    for (size_t k = 0; k < sizeof block_tokens / sizeof *block_tokens; k++)
        bench_place(ctx, block_tokens[k]);
    bench_histogram(ctx);
    return NCE_EXIT_OK;
}
