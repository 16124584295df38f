/* Speed of the scheduler: shortest paths (beside igraph when it is there, same graphs, same run), assignment, hashing and
 * placement.  Thread CPU time; medians, and p99 where a decision is timed one by one. */
#include "tests/sched/oracle.h"
#include <string.h>
#include <time.h>
#ifdef NCE_HAVE_IGRAPH
#include <igraph/igraph.h>
#endif

static nce_context *ctx;

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, ascending);
    return v[(size_t)(q * (double)(n - 1))];
}

/* ---- shortest paths ---- */

enum { DEGREE = 8, ROUNDS = 41 };

static nce_graph *random_graph(rng *random, uint32_t n)
{
    nce_graph *g;
    EXPECT(nce_graph_create(ctx, NULL, &g) == NCE_OK, "graph");
    for (uint32_t v = 0; v < n; v++)
        nce_graph_add_vertex(g, NULL, NULL, NULL);
    for (uint32_t v = 0; v < n; v++)
        for (uint32_t k = 0; k < DEGREE; k++) {
            const nce_link_metrics m = {1 + rng_below(random, 1000) / 10.0, 0, 0};
            nce_graph_add_link(g, v, k == 0 ? (v + 1) % n : rng_below(random, n), &m, NULL);
        }
    EXPECT(nce_graph_prepare(g, 4) == NCE_OK, "%s", nce_context_error(ctx));
    return g;
}

#ifdef NCE_HAVE_IGRAPH
static void igraph_times(const nce_graph *g, const uint32_t *source, const uint32_t *target, double *tree, double *pair)
{
    igraph_vector_int_t edges, path;
    igraph_vector_t w;
    igraph_t ig;
    igraph_matrix_t d;
    const uint32_t m = nce_graph_n_links(g);
    double t_tree[ROUNDS], t_pair[ROUNDS];
    igraph_vector_int_init(&edges, 2 * (igraph_integer_t)m);
    igraph_vector_init(&w, m);
    igraph_vector_int_init(&path, 0);
    igraph_matrix_init(&d, 0, 0);
    for (uint32_t i = 0; i < m; i++) {
        uint32_t a, b;
        nce_graph_link(g, i, &a, &b, &VECTOR(w)[i]);
        VECTOR(edges)[2 * i] = a;
        VECTOR(edges)[2 * i + 1] = b;
    }
    igraph_create(&ig, &edges, nce_graph_n_vertices(g), IGRAPH_DIRECTED);
    for (int i = 0; i < ROUNDS; i++) {
        double t = cpu_us();
        igraph_distances_dijkstra(&ig, &d, igraph_vss_1(source[i]), igraph_vss_all(), &w, IGRAPH_OUT);
        t_tree[i] = cpu_us() - t;
        t = cpu_us();
        igraph_get_shortest_path_dijkstra(&ig, &path, NULL, source[i], target[i], &w, IGRAPH_OUT);
        t_pair[i] = cpu_us() - t;
    }
    *tree = quantile(t_tree, ROUNDS, 0.5);
    *pair = quantile(t_pair, ROUNDS, 0.5);
    igraph_matrix_destroy(&d);
    igraph_vector_int_destroy(&path);
    igraph_vector_int_destroy(&edges);
    igraph_vector_destroy(&w);
    igraph_destroy(&ig);
}
#endif

static void bench_routes(void)
{
    rng random = {1};
    printf("routes, us: random digraphs of degree %d, median of %d\n", DEGREE, ROUNDS);
    for (uint32_t n = 64; n <= 16384; n *= 4) {
        uint32_t source[ROUNDS], target[ROUNDS];
        double times[5][ROUNDS], *costs = malloc(n * sizeof *costs);
        nce_graph *g = random_graph(&random, n);
        nce_router *r;
        EXPECT(nce_router_create(g, &r) == NCE_OK, "router");
        for (int i = 0; i < ROUNDS; i++) {
            source[i] = rng_below(&random, n);
            target[i] = rng_below(&random, n);
        }
        nce_router_distances(r, NCE_ROUTE_DIJKSTRA, 0, costs); /* make room outside the timing */
        for (int i = 0; i < ROUNDS; i++) {
            double t = cpu_us();
            nce_router_distances(r, NCE_ROUTE_DIJKSTRA, source[i], costs);
            times[0][i] = cpu_us() - t;
            for (int a = NCE_ROUTE_DIJKSTRA; a <= NCE_ROUTE_GREEDY; a++) {
                t = cpu_us();
                EXPECT(nce_router_find(r, (nce_route_algorithm)a, source[i], target[i]) == NCE_OK, "no route");
                times[a][i] = cpu_us() - t;
            }
        }
        const double tree = quantile(times[0], ROUNDS, 0.5), pair = quantile(times[1], ROUNDS, 0.5);
        printf("  %6u vertices: tree %.1f, pair: Dijkstra %.1f, A* %.1f, Bellman-Ford %.1f, greedy %.1f", n, tree, pair,
               quantile(times[2], ROUNDS, 0.5), quantile(times[3], ROUNDS, 0.5), quantile(times[4], ROUNDS, 0.5));
#ifdef NCE_HAVE_IGRAPH
        double ig_tree, ig_pair;
        igraph_times(g, source, target, &ig_tree, &ig_pair);
        printf("; igraph %.1f (%.2f x), %.1f (%.2f x)", ig_tree, ig_tree / tree, ig_pair, ig_pair / pair);
#endif
        puts("");
        nce_router_destroy(r);
        nce_graph_destroy(g);
        free(costs);
    }
}

/* ---- assignment ---- */

static void bench_assign(void)
{
    static const struct {
        uint32_t n, m;
    } sizes[] = {{16, 4}, {64, 8}, {256, 16}, {1024, 32}};
    rng random = {2};
    nce_assigner *a;
    EXPECT(nce_assigner_create(ctx, &a) == NCE_OK, "assigner");
    puts("assignment, us: random costs, median of 51 batches (exact; greedy with the gap it reports)");
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const uint32_t n = sizes[k].n, m = sizes[k].m;
        double exact[51], greedy[51], gap = 0, *cost = malloc((size_t)n * m * sizeof *cost);
        uint32_t capacity[64];
        for (uint32_t j = 0; j < m; j++)
            capacity[j] = (n + m - 1) / m + n / m / 4;
        for (int i = 0; i < 51; i++) {
            nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
            nce_assignment x = NCE_ASSIGNMENT_INIT;
            for (size_t c = 0; c < (size_t)n * m; c++)
                cost[c] = rng_below(&random, 10000) * 1e-3;
            p.n_requests = n;
            p.n_nodes = m;
            p.cost = cost;
            p.capacity = capacity;
            p.method = NCE_ASSIGN_EXACT;
            double t = cpu_us();
            EXPECT(nce_assigner_solve(a, &p, &x) == NCE_OK, "solve");
            exact[i] = cpu_us() - t;
            p.method = NCE_ASSIGN_GREEDY;
            t = cpu_us();
            EXPECT(nce_assigner_solve(a, &p, &x) == NCE_OK, "solve");
            greedy[i] = cpu_us() - t;
            gap += (x.cost / x.bound - 1) / 51;
        }
        printf("  %4u x %2u: exact %.1f, greedy %.1f (gap %.1f %%)\n", n, m, quantile(exact, 51, 0.5),
               quantile(greedy, 51, 0.5), 100 * gap);
        free(cost);
    }
    nce_assigner_destroy(a);
}

/* ---- placement ---- */

enum { NODES = 64, DECISIONS = 2000, BLOCKS_KNOWN = 1 << 20, MAX_TOKENS = 32768 };

/* A directory of a million blocks, 64 nodes of uneven load, prompts of which nodes hold prefixes of all lengths. */
static void bench_place(uint32_t block_tokens)
{
    static int32_t tokens[MAX_TOKENS];
    static nce_block_hash names[MAX_TOKENS / 16];
    static double decide[DECISIONS], hash[DECISIONS], both[DECISIONS];
    rng random = {3};
    nce_kv_directory *d;
    nce_placer *p;
    nce_block_hasher *h;
    nce_block_hash root;
    nce_block_hasher_options ho = NCE_BLOCK_HASHER_OPTIONS_INIT;
    nce_node_profile profile = NCE_NODE_PROFILE_INIT;
    ho.block_tokens = block_tokens;
    profile.block_s = 0.03;
    EXPECT(nce_kv_directory_create(ctx, NULL, &d) == NCE_OK && nce_placer_create(d, ctx, NULL, &p) == NCE_OK &&
               nce_block_hasher_create(ctx, &ho, &h) == NCE_OK && nce_block_hasher_root(h, NULL, 0, &root) == NCE_OK,
           "%s", nce_context_error(ctx));
    for (uint32_t i = 0; i < BLOCKS_KNOWN; i++) {
        const nce_block_hash b = {rng_next(&random), rng_next(&random)};
        nce_kv_directory_publish(d, rng_below(&random, NODES), &b, 1);
    }
    for (uint32_t k = 0; k < NODES; k++) {
        nce_placer_set_node(p, k, &profile);
        nce_placer_set_load(p, k, rng_unit(&random) * 10, SIZE_MAX);
    }
    for (size_t n_tokens = 2048; n_tokens <= MAX_TOKENS; n_tokens *= 4) {
        for (int i = 0; i < DECISIONS; i++) {
            size_t n;
            nce_place_query q = NCE_PLACE_QUERY_INIT;
            nce_placement x = NCE_PLACEMENT_INIT;
            for (size_t k = 0; k < n_tokens; k++)
                tokens[k] = (int32_t)rng_below(&random, 32000);
            double t = cpu_us();
            nce_block_hasher_run(h, &root, tokens, n_tokens, names, &n);
            hash[i] = cpu_us() - t;
            for (uint32_t k = 0; k < NODES; k++)
                nce_kv_directory_publish(d, k, names, n * k / NODES);
            q.blocks = names;
            q.n_blocks = n;
            t = cpu_us();
            EXPECT(nce_placer_place(p, &q, &x) == NCE_OK && x.node != NCE_NO_NODE, "%s", nce_context_error(ctx));
            decide[i] = cpu_us() - t;
            both[i] = hash[i] + decide[i];
            for (uint32_t k = 0; k < NODES; k++)
                nce_kv_directory_drop(d, k, names, n);
        }
        printf("  %5zu tokens in blocks of %u: hashing p50 %.1f, decision p50 %.1f p99 %.1f, together p99 %.1f\n",
               n_tokens, block_tokens, quantile(hash, DECISIONS, 0.5), quantile(decide, DECISIONS, 0.5),
               quantile(decide, DECISIONS, 0.99), quantile(both, DECISIONS, 0.99));
    }
    nce_block_hasher_destroy(h);
    nce_placer_destroy(p);
    nce_kv_directory_destroy(d);
}

static void bench_histogram(void)
{
    enum { N = 2000000 };
    nce_histogram *h;
    EXPECT(nce_histogram_create(ctx, NULL, 0, &h) == NCE_OK, "histogram");
    rng random = {4};
    double values[256];
    for (int i = 0; i < 256; i++)
        values[i] = rng_unit(&random);
    const double t = cpu_us();
    for (int i = 0; i < N; i++)
        nce_histogram_observe(h, values[i & 255]);
    printf("histogram: %.1f ns an observation\n", (cpu_us() - t) * 1e3 / N);
    nce_histogram_destroy(h);
}

int main(void)
{
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    bench_routes();
    bench_assign();
    printf("placement, us: %d nodes, directory of 2^20 blocks, %d decisions\n", NODES, DECISIONS);
    bench_place(64);
    bench_place(16);
    bench_histogram();
    nce_context_destroy(ctx);
    return 0;
}
