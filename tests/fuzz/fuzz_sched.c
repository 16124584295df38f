/* Graph files and traces of any bytes: read, and if accepted searched and replayed.  The first byte chooses the format. */
#include "nce/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void routes(nce_graph *g)
{
    nce_router *r;
    const uint32_t n = nce_graph_n_vertices(g);
    if (n == 0 || n > 64 || nce_graph_prepare(g, 2) != NCE_OK || nce_router_create(g, &r) != NCE_OK) return;
    for (int a = NCE_ROUTE_DIJKSTRA; a <= NCE_ROUTE_GREEDY; a++) {
        nce_certificate c = NCE_CERTIFICATE_INIT;
        nce_route route = NCE_ROUTE_INIT;
        if (nce_router_find(r, (nce_route_algorithm)a, 0, n - 1) != NCE_OK) continue;
        if (nce_router_route(r, 0, &route) != NCE_OK) __builtin_trap();
        if (nce_router_certificate(r, &c) == NCE_OK && nce_route_check(g, &route, &c, NULL) != NCE_OK) __builtin_trap();
    }
    nce_router_find_k(r, 0, n - 1, 5);
    nce_router_find_within(r, 0, n - 1, NCE_RESOURCE_HOPS, 3, 1000);
    nce_router_find_pareto(r, 0, n - 1, NCE_RESOURCE_HOPS, 1000);
    nce_router_destroy(r);
}

static void replays(const nce_trace *t)
{
    nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
    nce_replay_options ro = NCE_REPLAY_OPTIONS_INIT;
    nce_replay_report report = NCE_REPLAY_REPORT_INIT;
    double hit;
    o.budget_blocks = 4;
    for (o.policy = NCE_KV_COST_AWARE; o.policy <= NCE_KV_SLRU; o.policy++)
        nce_replay_eviction(t, &o, &hit);
    nce_replay_eviction_offline(t, 3, &hit);
    ro.n_nodes = 3;
    ro.blocks_per_node = 4;
    ro.kill_node_at_s = 1;
    if (nce_replay_routing(t, &ro, &report) == NCE_ERR_INTERNAL) __builtin_trap(); /* lost or doubled */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nce_context *ctx;
    nce_graph *g;
    nce_trace *t;
    if (size == 0 || nce_context_create(NULL, &ctx) != NCE_OK) return 0;
    const char *text = (const char *)data + 1;
    if (data[0] % 4 < 2) {
        if (nce_graph_create(ctx, NULL, &g) == NCE_OK) {
            const nce_graph_format format = data[0] % 4 == 0 ? NCE_GRAPH_GML : NCE_GRAPH_DIMACS;
            if (nce_graph_read(g, "fuzz", text, size - 1, format) == NCE_OK) routes(g);
            nce_graph_destroy(g);
        }
    } else if (nce_trace_read(ctx, "fuzz", text, size - 1, data[0] % 4 == 2 ? NCE_TRACE_MOONCAKE : NCE_TRACE_AZURE,
                              &t) == NCE_OK) {
        replays(t);
        nce_trace_destroy(t);
    }
    nce_context_destroy(ctx);
    return 0;
}
