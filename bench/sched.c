/* Shortest paths beside igraph: same graphs, same pairs, the two taking turns; thread CPU time, medians, and the median of
 * the ratios of the turns.  The other parts: nce sched bench. */
#include "tests/sched/oracle.h"
#include "tools/random_graph.h"
#ifdef NCE_HAVE_IGRAPH
#include <igraph/igraph.h>
#endif

enum { ROUNDS = 101 };

typedef struct timings {
    double tree[ROUNDS], pair[ROUNDS], tree_ratio[ROUNDS], pair_ratio[ROUNDS];
} timings;

typedef struct subject {
    nce_graph *graph;
    nce_router *router;
    double *costs;
#ifdef NCE_HAVE_IGRAPH
    igraph_t igraph;
    igraph_vector_t weights;
    igraph_vector_int_t path;
    igraph_matrix_t distances;
#endif
} subject;

static void make(nce_context *ctx, subject *s, rng *random, uint32_t n)
{
    s->graph = random_graph(ctx, random, n);
    EXPECT(s->graph != NULL && nce_router_create(s->graph, &s->router) == NCE_OK, "%s", nce_context_error(ctx));
    s->costs = malloc(n * sizeof *s->costs);
#ifdef NCE_HAVE_IGRAPH
    const uint32_t m = nce_graph_n_links(s->graph);
    igraph_vector_int_t edges;
    igraph_vector_int_init(&edges, 2 * (igraph_integer_t)m);
    igraph_vector_init(&s->weights, m);
    igraph_vector_int_init(&s->path, 0);
    igraph_matrix_init(&s->distances, 0, 0);
    for (uint32_t i = 0; i < m; i++) {
        uint32_t a, b;
        nce_graph_link(s->graph, i, &a, &b, &VECTOR(s->weights)[i]);
        VECTOR(edges)[2 * i] = a;
        VECTOR(edges)[2 * i + 1] = b;
    }
    igraph_create(&s->igraph, &edges, n, IGRAPH_DIRECTED);
    igraph_vector_int_destroy(&edges);
#endif
}

static void finish(subject *s)
{
#ifdef NCE_HAVE_IGRAPH
    igraph_matrix_destroy(&s->distances);
    igraph_vector_int_destroy(&s->path);
    igraph_vector_destroy(&s->weights);
    igraph_destroy(&s->igraph);
#endif
    free(s->costs);
    nce_router_destroy(s->router);
    nce_graph_destroy(s->graph);
}

static void turn(subject *s, uint32_t source, uint32_t target, timings *t, int i)
{
    double start = measure_cpu_us();
    nce_router_distances(s->router, NCE_ROUTE_DIJKSTRA, source, s->costs);
    t->tree[i] = measure_cpu_us() - start;
    start = measure_cpu_us();
    EXPECT(nce_router_find(s->router, NCE_ROUTE_DIJKSTRA, source, target) == NCE_OK, "no route");
    t->pair[i] = measure_cpu_us() - start;
#ifdef NCE_HAVE_IGRAPH
    start = measure_cpu_us();
    igraph_distances_dijkstra(&s->igraph, &s->distances, igraph_vss_1(source), igraph_vss_all(), &s->weights,
                              IGRAPH_OUT);
    t->tree_ratio[i] = (measure_cpu_us() - start) / t->tree[i];
    start = measure_cpu_us();
    igraph_get_shortest_path_dijkstra(&s->igraph, &s->path, NULL, source, target, &s->weights, IGRAPH_OUT);
    t->pair_ratio[i] = (measure_cpu_us() - start) / t->pair[i];
#endif
}

int main(void)
{
    static timings t;
    nce_context *ctx;
    rng random = {1};
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    printf("Dijkstra, us: random digraphs of degree %d, median of %d\n", RANDOM_GRAPH_DEGREE, ROUNDS);
    for (uint32_t n = 64; n <= 16384; n *= 4) {
        subject s = {0};
        make(ctx, &s, &random, n);
        turn(&s, 0, n / 2, &t, 0); /* makes room */
        for (int i = 0; i < ROUNDS; i++)
            turn(&s, rng_below(&random, n), rng_below(&random, n), &t, i);
        printf("  %6u vertices: tree %.1f, pair %.1f", n, measure_quantile(t.tree, ROUNDS, 0.5),
               measure_quantile(t.pair, ROUNDS, 0.5));
#ifdef NCE_HAVE_IGRAPH
        printf("; igraph takes %.2f and %.2f times as long", measure_quantile(t.tree_ratio, ROUNDS, 0.5),
               measure_quantile(t.pair_ratio, ROUNDS, 0.5));
#endif
        puts("");
        finish(&s);
    }
    nce_context_destroy(ctx);
    return 0;
}
