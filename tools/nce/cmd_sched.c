/* nce sched: routes through a device graph, batch assignment, replays of request traces. */
#include "tools/nce/common.h"
#include "tools/nce/sched_bench.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* ---- route ---- */

static int vertex_of(nce_context *ctx, nce_graph *g, const char *name, uint32_t *out)
{
    if (name == NULL) return nce_cmd_usage("sched route needs --from and --to");
    return nce_graph_find_vertex(g, name, out) == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
}

static void print_route(const nce_graph *g, const nce_route *r)
{
    printf("cost %.9g  latency %.9g s  power %.9g W  price %.9g  links %zu  ", r->cost, r->sum.latency_s,
           r->sum.power_w, r->sum.price, r->n_links);
    if (r->claim == NCE_ROUTE_OPTIMAL)
        puts("optimal");
    else
        printf("at least %.9g is needed\n", r->bound);
    for (size_t i = 0; i <= r->n_links; i++) {
        const char *name = nce_graph_vertex_name(g, r->vertices[i]);
        printf("%s%s", i > 0 ? " -> " : "  ", name);
    }
    puts("");
}

static int index_of(const char *what, const char *text, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0) return i;
    nce_cmd_usage("%s: '%s' is not known", what, text);
    return -1;
}

typedef struct route_arguments {
    const char *from, *to, *algorithm, *limit, *resource;
    uint32_t k;
    bool pareto;
} route_arguments;

/* Run the search asked for. */
static nce_status search(nce_context *ctx, nce_router *r, const route_arguments *a, uint32_t from, uint32_t to,
                         int algorithm, int resource)
{
    static const nce_dimension dimensions[] = {NCE_DIMENSION_TIME, NCE_DIMENSION_POWER, NCE_DIMENSION_PRICE,
                                               NCE_DIMENSION_PRICE};
    double limit;
    if (a->pareto) return nce_router_find_pareto(r, from, to, (nce_route_resource)resource, 0);
    if (a->k > 1) return nce_router_find_k(r, from, to, a->k);
    if (a->limit == NULL) return nce_router_find(r, (nce_route_algorithm)algorithm, from, to);
    const nce_status status = nce_quantity_parse(ctx, a->limit, dimensions[resource], &limit);
    return status == NCE_OK ? nce_router_find_within(r, from, to, (nce_route_resource)resource, limit, 0) : status;
}

static int show_routes(nce_context *ctx, const nce_graph *g, nce_router *r)
{
    nce_certificate c = NCE_CERTIFICATE_INIT;
    nce_route route = NCE_ROUTE_INIT;
    for (size_t i = 0; i < nce_router_n_routes(r); i++) {
        nce_router_route(r, i, &route);
        print_route(g, &route);
    }
    double gap;
    if (nce_router_certificate(r, &c) != NCE_OK) return NCE_EXIT_OK; /* k best, Pareto, greedy */
    if (nce_route_check(g, &route, &c, &gap) != NCE_OK) return nce_cmd_failed("%s", nce_context_error(ctx));
    printf("certificate verified: gap %.3g\n", gap);
    return NCE_EXIT_OK;
}

static int route_in(nce_context *ctx, nce_graph *g, const char *path, const route_arguments *a)
{
    static const char *const algorithms[] = {"auto", "dijkstra", "astar", "bellman-ford", "greedy"};
    static const char *const resources[] = {"latency", "power", "price", "hops"};
    const int algorithm = index_of("--algorithm", a->algorithm, algorithms, 5);
    const int resource = index_of("--resource", a->resource, resources, 4);
    uint32_t from = 0, to = 0;
    size_t size = 0;
    if (algorithm < 0 || resource < 0) return NCE_EXIT_USAGE;
    char *text = nce_read_file(path, &size);
    if (text == NULL) return NCE_EXIT_FAILED;
    const nce_graph_format format = ends_with(path, ".gr") ? NCE_GRAPH_DIMACS : NCE_GRAPH_GML;
    nce_status status = nce_graph_read(g, path, text, size, format);
    free(text);
    if (status == NCE_OK) status = nce_graph_prepare(g, 4);
    if (status != NCE_OK) return nce_cmd_failed("%s", nce_context_error(ctx));
    int code = vertex_of(ctx, g, a->from, &from);
    if (code == NCE_EXIT_OK) code = vertex_of(ctx, g, a->to, &to);
    if (code != NCE_EXIT_OK) return code;
    nce_router *r;
    status = nce_router_create(g, &r);
    if (status == NCE_OK) status = search(ctx, r, a, from, to, algorithm, resource);
    code = status == NCE_OK ? show_routes(ctx, g, r) : nce_cmd_failed("%s", nce_context_error(ctx));
    nce_router_destroy(r);
    return code;
}

static int route_command(nce_context *ctx, int argc, char **argv)
{
    route_arguments a = {.algorithm = "auto", .resource = "latency", .k = 1};
    const char *path = NULL;
    nce_graph *g;
    const nce_arg table[] = {
        {"--from", NCE_ARG_TEXT, &a.from, 0, 0, "NAME  vertex to start from"},
        {"--to", NCE_ARG_TEXT, &a.to, 0, 0, "NAME  vertex to reach"},
        {"--algorithm", NCE_ARG_TEXT, &a.algorithm, 0, 0, "NAME  auto, dijkstra, astar, bellman-ford or greedy"},
        {"--k", NCE_ARG_U32, &a.k, 1, 1024, "N  list the N cheapest routes"},
        {"--resource", NCE_ARG_TEXT, &a.resource, 0, 0, "NAME  latency, power, price or hops, for the next two"},
        {"--limit", NCE_ARG_TEXT, &a.limit, 0, 0, "QUANTITY  most that may be used, with its unit: '20 ms'"},
        {"--pareto", NCE_ARG_FLAG, &a.pareto, 0, 0, "list all trade-offs of cost against the resource"},
    };
    const int code = nce_args_parse("sched route GRAPH.gml|GRAPH.gr --from NAME --to NAME [OPTIONS]", table,
                                    sizeof table / sizeof *table, argc, argv, &path, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (path == NULL) return nce_cmd_usage("sched route needs a graph file");
    if (nce_graph_create(ctx, NULL, &g) != NCE_OK) return nce_cmd_failed("%s", nce_context_error(ctx));
    const int result = route_in(ctx, g, path, &a);
    nce_graph_destroy(g);
    return result;
}

/* ---- assign ---- */

/* Numbers of a line separated by commas or blanks; "inf" is infinity.  Returns how many, or SIZE_MAX if bad. */
static size_t read_row(char **at, double *out, size_t max)
{
    size_t n = 0;
    char *p = *at;
    while (*p != '\0' && *p != '\n') {
        if (*p == ',' || isspace((unsigned char)*p)) {
            p++;
            continue;
        }
        char *end;
        const double x = strtod(p, &end);
        if (end == p || n == max) return SIZE_MAX;
        out[n++] = x;
        p = end;
    }
    *at = *p == '\n' ? p + 1 : p;
    return n;
}

typedef struct assign_text {
    uint32_t capacity[NCE_MAX_NODES], n_requests, n_nodes;
    double *cost; /* [n_requests][n_nodes] */
} assign_text;

/* Line 1: capacities; then a line of costs for each request. */
static int read_problem(const char *path, char *text, assign_text *t)
{
    double first[NCE_MAX_NODES];
    char *at = text;
    const size_t m = read_row(&at, first, NCE_MAX_NODES);
    if (m == 0 || m == SIZE_MAX) return nce_cmd_failed("%s: line 1: up to 64 capacities are expected", path);
    t->n_nodes = (uint32_t)m;
    for (size_t j = 0; j < m; j++)
        t->capacity[j] = first[j] >= 0 && first[j] < 1e9 ? (uint32_t)first[j] : 0;
    while (*at != '\0') {
        double *grown = realloc(t->cost, (t->n_requests + 1) * m * sizeof *t->cost);
        if (grown == NULL) return nce_cmd_failed("%s: no memory for %u requests", path, t->n_requests + 1);
        t->cost = grown;
        const size_t got = read_row(&at, t->cost + t->n_requests * m, m);
        if (got == 0) continue;
        if (got != m || t->n_requests == 65535)
            return nce_cmd_failed("%s: line %u: %zu costs are expected, in at most 65535 lines", path,
                                  t->n_requests + 2, m);
        t->n_requests++;
    }
    return NCE_EXIT_OK;
}

static int solve_problem(nce_context *ctx, const char *path, const assign_text *t, uint32_t method)
{
    nce_assigner *a = NULL;
    nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
    nce_assignment x = NCE_ASSIGNMENT_INIT;
    p.n_requests = t->n_requests;
    p.n_nodes = t->n_nodes;
    p.cost = t->cost;
    p.capacity = t->capacity;
    p.method = method;
    int code = NCE_EXIT_OK;
    if (nce_assigner_create(ctx, &a) != NCE_OK || nce_assigner_solve(a, &p, &x) != NCE_OK)
        code = nce_cmd_failed("%s: %s", path, nce_context_error(ctx));
    for (uint32_t r = 0; code == NCE_EXIT_OK && r < p.n_requests; r++)
        printf(x.node[r] == NCE_NO_NODE ? "request %u: rejected\n" : "request %u: node %u\n", r, x.node[r]);
    if (code == NCE_EXIT_OK) {
        const bool optimal = x.claim == NCE_ASSIGN_OPTIMAL;
        printf("assigned %u of %u, cost %.9g, %s (at least %.9g)%s\n", x.n_assigned, p.n_requests, x.cost,
               optimal ? "optimal" : "greedy", x.bound,
               optimal && nce_assign_check(ctx, &p, &x) == NCE_OK ? ", certificate verified" : "");
    }
    nce_assigner_destroy(a);
    return code;
}

static int solve_text(nce_context *ctx, const char *path, char *text, uint32_t method)
{
    assign_text t = {.cost = NULL};
    int code = read_problem(path, text, &t);
    if (code == NCE_EXIT_OK) code = solve_problem(ctx, path, &t, method);
    free(t.cost);
    return code;
}

static int assign_command(nce_context *ctx, int argc, char **argv)
{
    const char *path = NULL, *method = "auto";
    static const char *const methods[] = {"auto", "exact", "greedy"};
    const nce_arg table[] = {{"--method", NCE_ARG_TEXT, &method, 0, 0, "NAME  auto, exact or greedy"}};
    const int code =
        nce_args_parse("sched assign COSTS.csv [--method NAME]   (line 1: capacities of the nodes; then a line a "
                       "request: its cost on each, inf where not allowed)",
                       table, 1, argc, argv, &path, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (path == NULL) return nce_cmd_usage("sched assign needs a file of costs");
    const int index = index_of("--method", method, methods, 3);
    size_t size;
    if (index < 0) return NCE_EXIT_USAGE;
    char *text = nce_read_file(path, &size);
    if (text == NULL) return NCE_EXIT_FAILED;
    const int result = solve_text(ctx, path, text, (uint32_t)index);
    free(text);
    return result;
}

/* ---- replay ---- */

static int replay_eviction(nce_context *ctx, const nce_trace *t)
{
    static const size_t capacities[] = {1000, 3000, 10000, 30000, 100000, 0};
    static const struct {
        const char *name;
        uint32_t policy;
    } rows[] = {{"fifo", NCE_KV_FIFO}, {"lru", NCE_KV_LRU}, {"lfu", NCE_KV_LFU}, {"cost-aware", NCE_KV_COST_AWARE}};
    printf("%-12s", "blocks");
    for (size_t i = 0; i < 6; i++)
        capacities[i] != 0 ? (void)printf("%9zu", capacities[i]) : (void)printf("%9s", "no limit");
    puts("");
    for (size_t k = 0; k <= 4; k++) {
        printf("%-12s", k < 4 ? rows[k].name : "offline");
        for (size_t i = 0; i < 6; i++) {
            nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
            double hit;
            o.budget_blocks = capacities[i];
            if (k < 4) o.policy = rows[k].policy;
            const nce_status status =
                k < 4 ? nce_replay_eviction(t, &o, &hit) : nce_replay_eviction_offline(t, capacities[i], &hit);
            if (status != NCE_OK) return nce_cmd_failed("%s", nce_context_error(ctx));
            printf("%9.3f", hit);
        }
        puts("");
    }
    return NCE_EXIT_OK;
}

static int replay_routing(nce_context *ctx, const nce_trace *t, nce_replay_options *o)
{
    static const char *const names[] = {"cache-aware", "least-loaded", "round-robin", "max-prefix"};
    printf("%-13s %6s %9s %9s %9s %9s %9s %9s\n", "policy", "hit", "TTFT mean", "p50", "p90", "p99", "variation",
           "restarted");
    for (uint32_t policy = 0; policy < 4; policy++) {
        nce_replay_report r = NCE_REPLAY_REPORT_INIT;
        o->policy = policy;
        if (nce_replay_routing(t, o, &r) != NCE_OK) return nce_cmd_failed("%s", nce_context_error(ctx));
        printf("%-13s %6.3f %9.3f %9.3f %9.3f %9.3f %9.3f %9llu\n", names[policy], r.hit_rate, r.ttft_mean_s,
               r.ttft_p50_s, r.ttft_p90_s, r.ttft_p99_s, r.load_variation, (unsigned long long)r.n_restarted);
    }
    return NCE_EXIT_OK;
}

static int replay_command(nce_context *ctx, int argc, char **argv)
{
    nce_replay_options o = NCE_REPLAY_OPTIONS_INIT;
    const char *path = NULL;
    uint32_t nodes = 8, blocks = 5000;
    float scale = 1, weight = 2, kill_at = 0;
    bool eviction = false;
    const nce_arg table[] = {
        {"--nodes", NCE_ARG_U32, &nodes, 1, 64, "N  nodes (8)"},
        {"--blocks", NCE_ARG_U32, &blocks, 1, 100000000, "N  blocks of each node's cache (5000)"},
        {"--time-scale", NCE_ARG_F32, &scale, 1e-3, 1e3, "X  below 1 compresses arrivals (1)"},
        {"--weight", NCE_ARG_F32, &weight, 1e-3, 1e3, "W  of prefill against waiting (2)"},
        {"--kill-at", NCE_ARG_F32, &kill_at, 0, 1e9, "S  let node 0 die at this time"},
        {"--eviction", NCE_ARG_FLAG, &eviction, 0, 0, "hit rates of eviction policies in one cache instead"},
    };
    const int code = nce_args_parse("sched replay TRACE.jsonl|TRACE.csv [OPTIONS]", table, sizeof table / sizeof *table,
                                    argc, argv, &path, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (path == NULL) return nce_cmd_usage("sched replay needs a trace");
    o.n_nodes = nodes;
    o.blocks_per_node = blocks;
    o.time_scale = (double)scale;
    o.prefill_weight = (double)weight;
    o.kill_node_at_s = (double)kill_at;
    size_t size = 0;
    nce_trace *t;
    char *text = nce_read_file(path, &size);
    if (text == NULL) return NCE_EXIT_FAILED;
    const nce_status status =
        nce_trace_read(ctx, path, text, size, ends_with(path, ".csv") ? NCE_TRACE_AZURE : NCE_TRACE_MOONCAKE, &t);
    free(text);
    if (status != NCE_OK) return nce_cmd_failed("%s", nce_context_error(ctx));
    printf("%zu requests\n", nce_trace_n_requests(t));
    const int result = eviction ? replay_eviction(ctx, t) : replay_routing(ctx, t, &o);
    nce_trace_destroy(t);
    return result;
}

int nce_cmd_sched(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(nce_context *ctx, int argc, char **argv);
        const char *help;
    } actions[] = {{"route", route_command, "cheapest routes through a graph of devices, with proof"},
                   {"assign", assign_command, "assign a batch of requests to nodes"},
                   {"replay", replay_command, "what routing and cache policies would have done with a trace"},
                   {"bench", nce_sched_bench, "speed of routing, assignment and placement"}};
    const size_t n = sizeof actions / sizeof *actions;
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        FILE *to = argc < 2 ? stderr : stdout;
        fputs("usage: nce sched ACTION [ARGUMENTS]   (nce sched ACTION --help says more)\n\n", to);
        for (size_t i = 0; i < n; i++)
            fprintf(to, "  %-8s %s\n", actions[i].name, actions[i].help);
        return argc < 2 ? NCE_EXIT_USAGE : NCE_EXIT_OK;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(argv[1], actions[i].name) != 0) continue;
        nce_context *ctx;
        if (nce_context_create(NULL, &ctx) != NCE_OK) return nce_cmd_failed("no context");
        const int code = actions[i].run(ctx, argc - 1, argv + 1);
        nce_context_destroy(ctx);
        return code;
    }
    return nce_cmd_usage("no action '%s'; nce sched --help lists them", argv[1]);
}
