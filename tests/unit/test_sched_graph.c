/* Routing graphs: limits and Pareto fronts against enumeration, live updates, bad input, failing allocation. */
#include "nce/sched.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static uint64_t stream;

static uint32_t below(uint32_t n)
{
    stream = stream * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((stream >> 33) % n);
}

static nce_graph *random_graph(nce_context *ctx, uint32_t n, uint32_t m, uint64_t seed)
{
    nce_graph *g;
    stream = seed;
    cr_assert_eq(nce_graph_create(ctx, NULL, &g), NCE_OK);
    for (uint32_t v = 0; v < n; v++)
        nce_graph_add_vertex(g, NULL, NULL, NULL);
    for (uint32_t i = 0; i < m; i++) {
        const nce_link_metrics l = {1 + below(20), 1 + below(20), below(3)};
        nce_graph_add_link(g, below(n), below(n), &l, NULL);
    }
    cr_assert_eq(nce_graph_prepare(g, 2), NCE_OK);
    return g;
}

/* Every simple route, by plain recursion: cost (latency) and power. */
typedef struct walk {
    const nce_graph *g;
    uint32_t target;
    bool seen[16];
    double cost[4096], power[4096];
    size_t n;
} walk;

static double power_of(uint64_t seed, uint32_t n, uint32_t m, uint32_t link)
{
    stream = seed; /* the same draws as random_graph, counting only links that were accepted */
    uint32_t accepted = 0;
    for (uint32_t i = 0; i < m; i++) {
        below(20);
        const double power = 1 + below(20);
        below(3);
        const uint32_t a = below(n), b = below(n);
        if (a != b && accepted++ == link) return power;
    }
    return NAN;
}

static void enumerate(walk *w, uint32_t at, double cost, double power, const double *powers)
{
    if (at == w->target) {
        if (w->n < 4096) {
            w->cost[w->n] = cost;
            w->power[w->n++] = power;
        }
        return;
    }
    w->seen[at] = true;
    for (uint32_t i = 0; i < nce_graph_n_links(w->g); i++) {
        uint32_t from, to;
        double c;
        nce_graph_link(w->g, i, &from, &to, &c);
        if (from == at && !w->seen[to]) enumerate(w, to, cost + c, power + powers[i], powers);
    }
    w->seen[at] = false;
}

enum { N = 8, M = 26 };

static void limits_and_fronts(nce_context *ctx, uint64_t seed)
{
    nce_graph *g = random_graph(ctx, N, M, seed);
    nce_router *r;
    static walk w;
    double powers[M];
    memset(&w, 0, sizeof w);
    w.g = g;
    w.target = N - 1;
    for (uint32_t i = 0; i < nce_graph_n_links(g); i++)
        powers[i] = power_of(seed, N, M, i);
    enumerate(&w, 0, 0, 0, powers);
    cr_assert_lt(w.n, 4096);
    cr_assert_eq(nce_router_create(g, &r), NCE_OK);
    for (double limit = 1; limit < 80; limit += 7) {
        double best = INFINITY;
        for (size_t i = 0; i < w.n; i++)
            if (w.power[i] <= limit) best = fmin(best, w.cost[i]);
        const nce_status status = nce_router_find_within(r, 0, N - 1, NCE_RESOURCE_POWER, limit, 0);
        cr_assert_eq(status, best < INFINITY ? NCE_OK : NCE_ERR_NOTFOUND, "%s", nce_context_error(ctx));
        if (status != NCE_OK) continue;
        nce_route route = NCE_ROUTE_INIT;
        nce_certificate c = NCE_CERTIFICATE_INIT;
        nce_router_route(r, 0, &route);
        cr_assert_eq(route.cost, best);
        cr_assert_eq(route.claim, NCE_ROUTE_OPTIMAL);
        cr_assert_leq(route.sum.power_w, limit);
        cr_assert_eq(nce_router_certificate(r, &c), NCE_OK);
        cr_assert_eq(nce_route_check(g, &route, &c, NULL), NCE_OK, "%s", nce_context_error(ctx));
        cr_assert_eq(nce_router_find_within(r, 0, N - 1, NCE_RESOURCE_POWER, limit, 2), NCE_OK);
        nce_router_route(r, 0, &route); /* starved of labels: still feasible, and the bound holds */
        cr_assert(route.sum.power_w <= limit && route.bound <= best + 1e-9 && route.cost >= best);
    }
    size_t n_front = 0;
    const nce_status status = nce_router_find_pareto(r, 0, N - 1, NCE_RESOURCE_POWER, 0);
    for (size_t i = 0; i < w.n; i++) { /* a point of the front is dominated by none; count it once */
        bool keep = true;
        for (size_t j = 0; j < w.n; j++) {
            const bool better = w.cost[j] <= w.cost[i] && w.power[j] <= w.power[i];
            const bool same = w.cost[j] == w.cost[i] && w.power[j] == w.power[i];
            if (better && (!same || j < i)) keep = false;
        }
        n_front += keep;
    }
    cr_assert_eq(nce_router_n_routes(r), n_front);
    cr_assert_eq(status, n_front > 0 ? NCE_OK : NCE_ERR_NOTFOUND);
    nce_router_destroy(r);
    nce_graph_destroy(g);
}

Test(sched_graph, limits_and_fronts_equal_enumeration)
{
    nce_context *ctx;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    for (uint64_t seed = 1; seed <= 200; seed++)
        limits_and_fronts(ctx, seed);
    nce_context_destroy(ctx);
}

Test(sched_graph, a_false_certificate_is_refused)
{
    nce_context *ctx;
    nce_router *r;
    nce_context_create(NULL, &ctx);
    nce_graph *g = random_graph(ctx, 12, 60, 5);
    nce_router_create(g, &r);
    cr_assert_eq(nce_router_find(r, NCE_ROUTE_DIJKSTRA, 0, 11), NCE_OK, "%s", nce_context_error(ctx));
    nce_route route = NCE_ROUTE_INIT;
    nce_certificate c = NCE_CERTIFICATE_INIT;
    nce_router_route(r, 0, &route);
    nce_router_certificate(r, &c);
    cr_assert_eq(nce_route_check(g, &route, &c, NULL), NCE_OK);
    double raised[12];
    memcpy(raised, c.potential, sizeof raised);
    raised[11] += 1; /* claims that no route is as cheap as the one found */
    c.potential = raised;
    cr_assert_eq(nce_route_check(g, &route, &c, NULL), NCE_ERR_INVALID);
    nce_router_certificate(r, &c);
    nce_route cheaper = route;
    cheaper.cost -= 1;
    cr_assert_eq(nce_route_check(g, &cheaper, &c, NULL), NCE_ERR_INVALID);
    nce_graph_set_link(g, route.links[0], &(nce_link_metrics){0, 0, 0}); /* the proof is stale now */
    cr_assert_eq(nce_route_check(g, &route, &c, NULL), NCE_ERR_INVALID);
    nce_router_destroy(r);
    nce_graph_destroy(g);
    nce_context_destroy(ctx);
}

Test(sched_graph, live_updates_and_failures)
{
    nce_context *ctx;
    nce_graph *g;
    nce_router *r;
    uint32_t a, b, c, ab, ac, cb;
    nce_context_create(NULL, &ctx);
    cr_assert_eq(nce_graph_create(ctx, NULL, &g), NCE_OK);
    nce_graph_add_vertex(g, "a", NULL, &a);
    nce_graph_add_vertex(g, "b", NULL, &b);
    nce_graph_add_vertex(g, "c", NULL, &c);
    cr_assert_eq(nce_graph_add_vertex(g, "a", NULL, NULL), NCE_ERR_INVALID);
    nce_graph_add_link(g, a, b, &(nce_link_metrics){5, 0, 0}, &ab);
    nce_graph_add_link(g, a, c, &(nce_link_metrics){2, 0, 0}, &ac);
    nce_graph_add_link(g, c, b, &(nce_link_metrics){2, 0, 0}, &cb);
    nce_router_create(g, &r);
    cr_assert_eq(nce_router_find(r, NCE_ROUTE_AUTO, a, b), NCE_ERR_STATE);
    cr_assert_eq(nce_graph_prepare(g, 1), NCE_OK);
    nce_route route = NCE_ROUTE_INIT;
    for (int step = 0; step < 5; step++) {
        static const double want[] = {4, 5, 3, 5, 9};
        if (step == 1) nce_graph_set_vertex_up(g, c, false);
        if (step == 2) nce_graph_set_vertex_up(g, c, true), nce_graph_set_link(g, cb, &(nce_link_metrics){1, 0, 0});
        if (step == 3) nce_graph_set_vertex(g, c, &(nce_link_metrics){9, 0, 0});
        if (step == 4) nce_graph_set_vertex(g, c, &(nce_link_metrics){6, 0, 0}), nce_graph_set_link_up(g, ab, false);
        for (int algorithm = NCE_ROUTE_DIJKSTRA; algorithm <= NCE_ROUTE_BELLMAN_FORD; algorithm++) {
            cr_assert_eq(nce_router_find(r, algorithm, a, b), NCE_OK);
            nce_router_route(r, 0, &route);
            cr_assert_eq(route.cost, want[step], "step %d, algorithm %d: %g", step, algorithm, route.cost);
        }
    }
    cr_assert_eq(nce_router_find(r, NCE_ROUTE_AUTO, b, a), NCE_ERR_NOTFOUND);
    cr_assert_str_eq(nce_context_error(ctx), "router: no route from 'b' to 'a'");
    nce_graph_set_vertex_up(g, b, false);
    cr_assert_eq(nce_router_find(r, NCE_ROUTE_AUTO, a, b), NCE_ERR_NOTFOUND);
    cr_assert_eq(nce_graph_set_link(g, ab, &(nce_link_metrics){NAN, 0, 0}), NCE_ERR_INVALID);
    cr_assert_eq(nce_graph_set_link(g, ab, &(nce_link_metrics){1e300, 0, 0}), NCE_ERR_INVALID);
    cr_assert_eq(nce_graph_set_link(g, ab, &(nce_link_metrics){-1, 0, 0}), NCE_ERR_INVALID);
    cr_assert(strstr(nce_context_error(ctx), "latency_s is -1") != NULL);
    cr_assert_eq(nce_graph_set_objective(g, NAN, 0, 0), NCE_ERR_INVALID);
    cr_assert_eq(nce_graph_add_link(g, a, a, &(nce_link_metrics){1, 0, 0}, NULL), NCE_ERR_INVALID);
    nce_router_destroy(r);
    nce_graph_destroy(g);
    nce_context_destroy(ctx);
}

Test(sched_graph, quantities)
{
    nce_context *ctx;
    double x = 0;
    nce_context_create(NULL, &ctx);
    cr_assert_eq(nce_quantity_parse(ctx, "1.5 ms", NCE_DIMENSION_TIME, &x), NCE_OK);
    cr_assert_float_eq(x, 1.5e-3, 1e-18);
    cr_assert_eq(nce_quantity_parse(ctx, "16 GiB", NCE_DIMENSION_MEMORY, &x), NCE_OK);
    cr_assert_eq(x, 16.0 * (1 << 30));
    cr_assert_eq(nce_quantity_parse(ctx, "-2e3mW", NCE_DIMENSION_POWER, &x), NCE_OK);
    cr_assert_float_eq(x, -2, 1e-15);
    cr_assert_eq(nce_quantity_parse(ctx, "3 W", NCE_DIMENSION_TIME, &x), NCE_ERR_INVALID);
    cr_assert_str_eq(nce_context_error(ctx), "quantity '3 W': a power where a time is wanted");
    cr_assert_eq(nce_quantity_parse(ctx, "3", NCE_DIMENSION_TIME, &x), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantity_parse(ctx, "nan s", NCE_DIMENSION_TIME, &x), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantity_parse(ctx, "1e999 s", NCE_DIMENSION_TIME, &x), NCE_ERR_INVALID);
    nce_context_destroy(ctx);
}

Test(sched_graph, bad_files_are_named)
{
    static const struct {
        nce_graph_format format;
        const char *text, *message;
    } cases[] = {
        {NCE_GRAPH_GML, "graph [ node [ id 1 ] edge [ source 1 target 2 ] ]", "names a node that does not exist"},
        {NCE_GRAPH_GML, "graph [ node [ label \"x\" ] ]", "a node without a whole id"},
        {NCE_GRAPH_GML, "graph [\n node [ id 1 ]\n", "line 3: the file ends inside a list"},
        {NCE_GRAPH_GML, "graph [ node [ id 1 ] node [ id 1 ] ]", "exist already"},
        {NCE_GRAPH_GML, "", "no graph"},
        {NCE_GRAPH_DIMACS, "p sp 2 1\na 1 3 5\n", "line 2: no such end vertex"},
        {NCE_GRAPH_DIMACS, "p sp 4000000000 1\na 1 2 5\n", "more vertices promised"},
        {NCE_GRAPH_DIMACS, "p sp 2 1\na 1 2 -5\n", "the weight is negative"},
        {NCE_GRAPH_DIMACS, "a 1 2 3\n", "line 1: neither"},
        {NCE_GRAPH_DIMACS, "p sp 2 1\na 1 2 nan\n", "no weight"},
    };
    nce_context *ctx;
    nce_context_create(NULL, &ctx);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nce_graph *g;
        nce_graph_create(ctx, NULL, &g);
        cr_assert_eq(nce_graph_read(g, "file", cases[i].text, strlen(cases[i].text), cases[i].format), NCE_ERR_FORMAT,
                     "case %zu", i);
        cr_assert(strstr(nce_context_error(ctx), cases[i].message) != NULL, "case %zu: %s", i, nce_context_error(ctx));
        nce_graph_destroy(g);
    }
    nce_context_destroy(ctx);
}

static void scenario(nce_context *ctx)
{
    static const char text[] =
        "graph [ node [ id 1 label \"x\" ] node [ id 2 ] node [ id 3 ] edge [ source 1 target 2 ] "
        "edge [ source 2 target 3 ] edge [ source 1 target 3 ] ]";
    nce_graph *g = NULL;
    nce_router *r = NULL;
    nce_route routes[2] = {NCE_ROUTE_INIT, NCE_ROUTE_INIT};
    nce_certificate c = NCE_CERTIFICATE_INIT;
    if (nce_graph_create(ctx, NULL, &g) != NCE_OK) return;
    bool good = nce_graph_read(g, "text", text, sizeof text - 1, NCE_GRAPH_GML) == NCE_OK;
    good = good && nce_graph_prepare(g, 2) == NCE_OK && nce_router_create(g, &r) == NCE_OK;
    good = good && nce_router_find(r, NCE_ROUTE_ASTAR, 0, 2) == NCE_OK && nce_router_certificate(r, &c) == NCE_OK;
    good = good && nce_router_find_within(r, 0, 2, NCE_RESOURCE_HOPS, 2, 0) == NCE_OK;
    good = good && nce_router_find_pareto(r, 0, 2, NCE_RESOURCE_HOPS, 0) == NCE_OK;
    good = good && nce_router_find_k(r, 0, 2, 2) == NCE_OK && nce_router_n_routes(r) == 2;
    for (size_t i = 0; i < nce_router_n_routes(r) && i < 2; i++)
        nce_router_route(r, i, &routes[i]);
    if (good) nce_routes_check_k(g, routes, 2, true);
    nce_router_destroy(r);
    nce_graph_destroy(g);
}

Test(sched_graph, failing_allocation)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &ctx) != NCE_OK) continue;
        scenario(ctx);
        nce_context_destroy(ctx);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
        cr_assert_lt(n, 1000);
    }
}
