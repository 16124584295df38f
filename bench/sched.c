/* Shortest paths beside igraph: same graphs, same run, thread CPU time, medians.  The other parts: nce sched bench. */
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

int main(void)
{
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    bench_routes();
    nce_context_destroy(ctx);
    return 0;
}
