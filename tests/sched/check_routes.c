/* Routes against igraph: every Topology Zoo file (all pairs), rome99 (1,000 pairs) and 1,000 random graphs, for all
 * algorithms, with every certificate verified.  argv[1]: seed. */
#include "tests/sched/oracle.h"
#ifndef NCE_HAVE_IGRAPH
int main(void)
{
    puts("SKIP: built without igraph (libigraph-dev)");
    return 77;
}
#else
#include <dirent.h>
#include <igraph/igraph.h>
#include <math.h>
#include <string.h>

static nce_context *ctx;

static igraph_t to_igraph(const nce_graph *g, igraph_vector_t *weights)
{
    igraph_vector_int_t edges;
    igraph_t out;
    const uint32_t n_links = nce_graph_n_links(g);
    igraph_vector_int_init(&edges, 2 * (igraph_integer_t)n_links);
    igraph_vector_init(weights, n_links);
    for (uint32_t i = 0; i < n_links; i++) {
        uint32_t from, to;
        nce_graph_link(g, i, &from, &to, &VECTOR(*weights)[i]);
        VECTOR(edges)[2 * i] = from;
        VECTOR(edges)[2 * i + 1] = to;
    }
    igraph_create(&out, &edges, (igraph_integer_t)nce_graph_n_vertices(g), IGRAPH_DIRECTED);
    igraph_vector_int_destroy(&edges);
    return out;
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b));
}

/* One pair, one algorithm, against the oracle's distance. */
static void check_pair(nce_graph *g, nce_router *r, nce_route_algorithm algorithm, uint32_t s, uint32_t t, double want,
                       const char *name)
{
    nce_certificate c = NCE_CERTIFICATE_INIT;
    nce_route route = NCE_ROUTE_INIT;
    const nce_status status = nce_router_find(r, algorithm, s, t);
    if (want == INFINITY) {
        EXPECT(status == NCE_ERR_NOTFOUND, "%s: %u -> %u is not connected", name, s, t);
        if (algorithm == NCE_ROUTE_GREEDY) return;
        EXPECT(nce_router_certificate(r, &c) == NCE_OK, "%s", nce_context_error(ctx));
        EXPECT(nce_route_check(g, NULL, &c, NULL) == NCE_OK, "%s: %s", name, nce_context_error(ctx));
        return;
    }
    EXPECT(status == NCE_OK, "%s: algorithm %d, %u -> %u: %s", name, algorithm, s, t, nce_context_error(ctx));
    EXPECT(nce_router_route(r, 0, &route) == NCE_OK, "no route");
    if (algorithm == NCE_ROUTE_GREEDY) {
        EXPECT(route.cost >= want * (1 - 1e-12) && route.bound <= want * (1 + 1e-12),
               "%s: greedy %g, bound %g, best %g", name, route.cost, route.bound, want);
        return;
    }
    EXPECT(near(route.cost, want), "%s: algorithm %d, %u -> %u costs %.17g, igraph %.17g", name, algorithm, s, t,
           route.cost, want);
    EXPECT(nce_router_certificate(r, &c) == NCE_OK, "%s", nce_context_error(ctx));
    double gap = 1;
    EXPECT(nce_route_check(g, &route, &c, &gap) == NCE_OK, "%s: %s", name, nce_context_error(ctx));
    EXPECT(gap <= 1e-9 * fmax(1, fabs(want)), "%s: gap %g", name, gap);
}

static void check_k(nce_graph *g, nce_router *r, const igraph_t *ig, const igraph_vector_t *w, uint32_t s, uint32_t t,
                    const char *name, bool verify)
{
    enum { K = 6 };
    igraph_vector_int_list_t paths;
    igraph_vector_int_list_init(&paths, 0);
    igraph_get_k_shortest_paths(ig, w, NULL, &paths, K, s, t, IGRAPH_OUT);
    const nce_status status = nce_router_find_k(r, s, t, K);
    const size_t n = nce_router_n_routes(r), want = (size_t)igraph_vector_int_list_size(&paths);
    EXPECT((status == NCE_OK) == (want > 0) && n == want, "%s: %zu routes %u -> %u, igraph %zu", name, n, s, t, want);
    nce_route routes[K];
    for (size_t i = 0; i < n; i++) {
        routes[i] = (nce_route)NCE_ROUTE_INIT;
        nce_router_route(r, i, &routes[i]);
        const igraph_vector_int_t *p = igraph_vector_int_list_get_ptr(&paths, (igraph_integer_t)i);
        double cost = 0;
        for (igraph_integer_t k = 0; k < igraph_vector_int_size(p); k++)
            cost += VECTOR(*w)[VECTOR(*p)[k]];
        EXPECT(fabs(routes[i].cost - cost) <= 1e-9 * cost, "%s: route %zu of %zu costs %.17g, igraph %.17g", name, i, n,
               routes[i].cost, cost);
    }
    if (verify && n > 0)
        EXPECT(nce_routes_check_k(g, routes, n, n < K) == NCE_OK, "%s: %s", name, nce_context_error(ctx));
    igraph_vector_int_list_destroy(&paths);
}

/* All algorithms from the given sources to the given targets (NULL: all vertices). */
static void check_graph(nce_graph *g, const char *name, rng *random, uint32_t n_sources, uint32_t n_targets)
{
    const uint32_t n = nce_graph_n_vertices(g);
    nce_router *r;
    igraph_vector_t w;
    igraph_matrix_t d;
    EXPECT(nce_router_create(g, &r) == NCE_OK, "%s", nce_context_error(ctx));
    igraph_t ig = to_igraph(g, &w);
    igraph_matrix_init(&d, 0, 0);
    double *costs = malloc(n * sizeof *costs);
    for (uint32_t i = 0; i < n_sources; i++) {
        const uint32_t s = n_sources == n ? i : rng_below(random, n);
        igraph_distances_dijkstra(&ig, &d, igraph_vss_1(s), igraph_vss_all(), &w, IGRAPH_OUT);
        for (int algorithm = NCE_ROUTE_DIJKSTRA; algorithm <= NCE_ROUTE_BELLMAN_FORD; algorithm += 2) {
            EXPECT(nce_router_distances(r, algorithm, s, costs) == NCE_OK, "%s", nce_context_error(ctx));
            for (uint32_t v = 0; v < n; v++)
                EXPECT(near(costs[v], MATRIX(d, 0, v)), "%s: %u -> %u: %.17g, igraph %.17g", name, s, v, costs[v],
                       MATRIX(d, 0, v));
        }
        for (uint32_t k = 0; k < n_targets; k++) {
            const uint32_t t = n_targets == n ? k : rng_below(random, n);
            for (int algorithm = NCE_ROUTE_AUTO; algorithm <= NCE_ROUTE_GREEDY; algorithm++)
                check_pair(g, r, algorithm, s, t, MATRIX(d, 0, t), name);
        }
    }
    for (int i = 0; i < 3 && n <= 100; i++) {
        const uint32_t s = rng_below(random, n), t = rng_below(random, n);
        if (s != t) check_k(g, r, &ig, &w, s, t, name, n <= 50);
    }
    free(costs);
    igraph_matrix_destroy(&d);
    igraph_vector_destroy(&w);
    igraph_destroy(&ig);
    nce_router_destroy(r);
}

static nce_graph *load(const char *path, nce_graph_format format)
{
    size_t size = 0;
    nce_graph *g;
    char *text = read_file(path, &size);
    EXPECT(text != NULL, "%s cannot be read", path);
    EXPECT(nce_graph_create(ctx, NULL, &g) == NCE_OK, "%s", nce_context_error(ctx));
    EXPECT(nce_graph_read(g, path, text, size, format) == NCE_OK, "%s", nce_context_error(ctx));
    EXPECT(nce_graph_prepare(g, 4) == NCE_OK, "%s", nce_context_error(ctx));
    free(text);
    return g;
}

/* The parser against igraph's own reader of the format. */
static void check_gml_counts(const char *path, const nce_graph *g)
{
    igraph_t ig;
    igraph_set_error_handler(igraph_error_handler_ignore);
    FILE *f = fopen(path, "r");
    const igraph_error_t error = igraph_read_graph_gml(&ig, f);
    fclose(f);
    igraph_set_error_handler(igraph_error_handler_abort);
    if (error != IGRAPH_SUCCESS) { /* a few files break igraph's reader; ours has read them */
        printf("%s: igraph cannot read it: %s\n", path, igraph_strerror(error));
        return;
    }
    igraph_integer_t loops = 0;
    for (igraph_integer_t e = 0; e < igraph_ecount(&ig); e++)
        loops += IGRAPH_FROM(&ig, e) == IGRAPH_TO(&ig, e);
    EXPECT(igraph_vcount(&ig) == (igraph_integer_t)nce_graph_n_vertices(g), "%s: vertices", path);
    EXPECT(2 * (igraph_ecount(&ig) - loops) == (igraph_integer_t)nce_graph_n_links(g), "%s: links", path);
    igraph_destroy(&ig);
}

static int check_files(const char *data, rng *random)
{
    char folder[1024], path[2048];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/graphs/topologyzoo", data);
    DIR *d = opendir(folder);
    if (d == NULL) return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strstr(e->d_name, ".gml") == NULL) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        nce_graph *g = load(path, NCE_GRAPH_GML);
        check_gml_counts(path, g);
        const uint32_t size = nce_graph_n_vertices(g);
        check_graph(g, e->d_name, random, size > 150 ? 20 : size, size);
        nce_graph_destroy(g);
        n++;
    }
    closedir(d);
    snprintf(path, sizeof path, "%s/graphs/rome99.gr", data);
    nce_graph *g = load(path, NCE_GRAPH_DIMACS);
    check_graph(g, "rome99", random, 100, 10);
    nce_graph_destroy(g);
    return n + 1;
}

static nce_graph *random_graph(rng *random, bool whole)
{
    nce_graph *g;
    const uint32_t n = 2 + rng_below(random, 60), m = rng_below(random, 5 * n);
    const nce_graph_options o = {sizeof o, 1, rng_below(random, 2), rng_below(random, 2)};
    EXPECT(nce_graph_create(ctx, &o, &g) == NCE_OK, "%s", nce_context_error(ctx));
    for (uint32_t v = 0; v < n; v++) {
        const nce_link_metrics m_v = {rng_below(random, 3), 0, rng_below(random, 2)};
        nce_graph_add_vertex(g, NULL, &m_v, NULL);
    }
    for (uint32_t i = 0; i < m; i++) {
        nce_link_metrics m_l = {rng_below(random, 20), rng_below(random, 5), rng_below(random, 5)};
        if (!whole) m_l.latency_s = rng_unit(random);
        nce_graph_add_link(g, rng_below(random, n), rng_below(random, n), &m_l, NULL);
    }
    EXPECT(nce_graph_prepare(g, rng_below(random, 6)) == NCE_OK, "%s", nce_context_error(ctx));
    return g;
}

/* Random live updates; A* must stay exact with its old landmarks. */
static void disturb(nce_graph *g, rng *random)
{
    for (int i = 0; i < 10 && nce_graph_n_links(g) > 0; i++) {
        const nce_link_metrics m = {rng_unit(random) * 20, 1, 1};
        nce_graph_set_link(g, rng_below(random, nce_graph_n_links(g)), &m);
        if (i % 3 == 0) nce_graph_set_vertex(g, rng_below(random, nce_graph_n_vertices(g)), &m);
        if (i % 4 == 0) nce_graph_set_link_up(g, rng_below(random, nce_graph_n_links(g)), rng_below(random, 2));
    }
}

/* Negative costs without a negative cycle (prices shifted by random potentials), then with one. */
static void check_negative(rng *random)
{
    enum { N = 24, M = 90 };
    nce_graph *g;
    nce_router *r;
    double shift[N], costs[N];
    const nce_graph_options o = {sizeof o, 1, 0, 1};
    nce_graph_create(ctx, &o, &g);
    for (int v = 0; v < N; v++) {
        nce_graph_add_vertex(g, NULL, NULL, NULL);
        shift[v] = rng_below(random, 40);
    }
    for (int i = 0; i < M; i++) {
        const uint32_t a = rng_below(random, N), b = rng_below(random, N);
        const nce_link_metrics m = {rng_below(random, 20), 0, shift[a] - shift[b]};
        nce_graph_add_link(g, a, b, &m, NULL);
    }
    const bool cycle = rng_below(random, 2);
    if (cycle) {
        const nce_link_metrics to = {1, 0, 0}, back = {0, 0, -2};
        nce_graph_add_link(g, 3, 4, &to, NULL);
        nce_graph_add_link(g, 4, 3, &back, NULL);
    }
    EXPECT(nce_graph_prepare(g, 0) == NCE_OK, "%s", nce_context_error(ctx));
    nce_router_create(g, &r);
    igraph_vector_t w;
    igraph_matrix_t d;
    igraph_t ig = to_igraph(g, &w);
    igraph_matrix_init(&d, 0, 0);
    igraph_set_error_handler(igraph_error_handler_ignore);
    for (uint32_t s = 0; s < N; s++) {
        const igraph_error_t e =
            igraph_distances_bellman_ford(&ig, &d, igraph_vss_1(s), igraph_vss_all(), &w, IGRAPH_OUT);
        const nce_status status = nce_router_distances(r, NCE_ROUTE_AUTO, s, costs);
        size_t n_cycle;
        const uint32_t *links = nce_router_cycle(r, &n_cycle);
        EXPECT((e == IGRAPH_ENEGLOOP) == (status == NCE_ERR_INVALID), "igraph %d, ours %d", e, status);
        EXPECT((status == NCE_OK) == (links == NULL), "cycle");
        double total = 0;
        for (size_t i = 0; i < n_cycle; i++) {
            uint32_t from, to, from_next;
            double cost;
            nce_graph_link(g, links[i], &from, &to, &cost);
            nce_graph_link(g, links[(i + 1) % n_cycle], &from_next, NULL, NULL);
            EXPECT(to == from_next, "the cycle is broken");
            total += cost;
        }
        EXPECT(links == NULL || total < 0, "the cycle costs %g", total);
        for (uint32_t t = 0; t < N && status == NCE_OK; t++) {
            EXPECT(costs[t] == MATRIX(d, 0, t), "%u -> %u: %g, igraph %g", s, t, costs[t], MATRIX(d, 0, t));
            check_pair(g, r, NCE_ROUTE_BELLMAN_FORD, s, t, MATRIX(d, 0, t), "negative");
        }
        EXPECT(status != NCE_OK || nce_router_find(r, NCE_ROUTE_DIJKSTRA, s, 0) != NCE_OK || nce_graph_n_links(g) == 0,
               "Dijkstra accepts negative costs");
    }
    igraph_set_error_handler(igraph_error_handler_abort);
    igraph_matrix_destroy(&d);
    igraph_vector_destroy(&w);
    igraph_destroy(&ig);
    nce_router_destroy(r);
    nce_graph_destroy(g);
}

int main(int argc, char **argv)
{
    rng random = {argc > 1 ? strtoull(argv[1], NULL, 10) : 1};
    const char *data = getenv("NCE_TEST_DATA");
    igraph_set_warning_handler(igraph_warning_handler_ignore); /* it warns of every vertex it cannot reach */
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    for (int i = 0; i < 1000; i++) {
        nce_graph *g = random_graph(&random, i % 2 == 0);
        const uint32_t n = nce_graph_n_vertices(g);
        check_graph(g, "random", &random, 4, n);
        disturb(g, &random);
        check_graph(g, "disturbed", &random, 2, n);
        nce_graph_destroy(g);
    }
    for (int i = 0; i < 100; i++)
        check_negative(&random);
    const int files = data != NULL ? check_files(data, &random) : 0;
    nce_context_destroy(ctx);
    printf("1,000 random graphs, 100 with negative costs, %d files: as igraph\n", files);
    if (files == 0) puts("SKIP: no graph files (NCE_TEST_DATA)");
    return files == 0 ? 77 : 0;
}
#endif
