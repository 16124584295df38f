/* LightRail in fifty lines: a small cluster as a graph, the cheapest route with its proof, and a batch of requests
 * assigned to nodes.  Build: cc sched_route.c $(pkg-config --cflags --libs nce) */
#include <nce/nce.h>
#include <stdio.h>

static int failed(nce_context *ctx)
{
    fprintf(stderr, "sched_route: %s\n", nce_context_error(ctx));
    return 1;
}

/* Two ways from the gateway to the accelerator; the fast one burns more power. */
static int route(nce_context *ctx)
{
    nce_graph_options o = NCE_GRAPH_OPTIONS_INIT;
    nce_route r = NCE_ROUTE_INIT;
    nce_certificate c = NCE_CERTIFICATE_INIT;
    nce_graph *g = NULL;
    nce_router *router = NULL;
    uint32_t gateway, rack, edge, accelerator;
    double latency, gap;
    o.alpha = 1;     /* per second */
    o.beta = 0.0001; /* per watt */
    if (nce_quantity_parse(ctx, "0.8 ms", NCE_DIMENSION_TIME, &latency) != NCE_OK) return failed(ctx);
    const nce_link_metrics fast = {latency, 40, 0}, slow = {2.5 * latency, 5, 0};
    nce_status status = nce_graph_create(ctx, &o, &g);
    if (status == NCE_OK) status = nce_graph_add_vertex(g, "gateway", NULL, &gateway);
    if (status == NCE_OK) status = nce_graph_add_vertex(g, "rack", NULL, &rack);
    if (status == NCE_OK) status = nce_graph_add_vertex(g, "edge", NULL, &edge);
    if (status == NCE_OK) status = nce_graph_add_vertex(g, "accelerator", NULL, &accelerator);
    if (status == NCE_OK) status = nce_graph_add_link(g, gateway, rack, &fast, NULL);
    if (status == NCE_OK) status = nce_graph_add_link(g, rack, accelerator, &fast, NULL);
    if (status == NCE_OK) status = nce_graph_add_link(g, gateway, edge, &slow, NULL);
    if (status == NCE_OK) status = nce_graph_add_link(g, edge, accelerator, &slow, NULL);
    if (status == NCE_OK) status = nce_graph_prepare(g, 2);
    if (status == NCE_OK) status = nce_router_create(g, &router);
    if (status == NCE_OK) status = nce_router_find(router, NCE_ROUTE_ASTAR, gateway, accelerator);
    if (status == NCE_OK) status = nce_router_route(router, 0, &r);
    if (status == NCE_OK) status = nce_router_certificate(router, &c);
    if (status == NCE_OK) status = nce_route_check(g, &r, &c, &gap);
    if (status == NCE_OK)
        printf("via %s: cost %.4f, %.4f s, %.0f W; proven optimal, gap %.0e\n", nce_graph_vertex_name(g, r.vertices[1]),
               r.cost, r.sum.latency_s, r.sum.power_w, gap);
    nce_router_destroy(router);
    nce_graph_destroy(g);
    return status == NCE_OK ? 0 : failed(ctx);
}

/* Three requests, two nodes with two slots and one; predicted seconds of each request on each node. */
static int assign(nce_context *ctx)
{
    const double cost[] = {0.9, 0.4, 1.2, 0.5, 0.6, 0.7};
    const uint32_t capacity[] = {2, 1};
    nce_assign_problem p = NCE_ASSIGN_PROBLEM_INIT;
    nce_assignment x = NCE_ASSIGNMENT_INIT;
    nce_assigner *a = NULL;
    p.n_requests = 3;
    p.n_nodes = 2;
    p.cost = cost;
    p.capacity = capacity;
    nce_status status = nce_assigner_create(ctx, &a);
    if (status == NCE_OK) status = nce_assigner_solve(a, &p, &x);
    if (status == NCE_OK) status = nce_assign_check(ctx, &p, &x);
    for (uint32_t r = 0; status == NCE_OK && r < p.n_requests; r++)
        printf("request %u -> node %u\n", (unsigned)r, (unsigned)x.node[r]);
    if (status == NCE_OK) printf("total %.2f s, certificate verified\n", x.cost);
    nce_assigner_destroy(a);
    return status == NCE_OK ? 0 : failed(ctx);
}

int main(void)
{
    nce_context *ctx;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 1;
    const int code = route(ctx) | assign(ctx);
    nce_context_destroy(ctx);
    return code;
}
