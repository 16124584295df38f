/* Replays of the Mooncake conversation trace against the table of an independent simulation (a Python program with its
 * own data structures), to three digits; and the goals of routing.  Skips without the trace. */
#include "tests/sched/oracle.h"
#include <math.h>
#include <string.h>

static nce_context *ctx;

enum { N_CAPACITIES = 6, OFFLINE = 99 };
static const size_t capacities[N_CAPACITIES] = {1000, 3000, 10000, 30000, 50000, 100000};
static const struct {
    const char *name;
    uint32_t policy, half_life;
    double hit[N_CAPACITIES];
} table[] = {
    {"FIFO", NCE_KV_FIFO, 0, {.044, .063, .181, .294, .334, .356}},
    {"LRU", NCE_KV_LRU, 0, {.045, .065, .212, .326, .355, .364}},
    {"LFU", NCE_KV_LFU, 0, {.048, .075, .132, .276, .344, .363}},
    {"LFU perfect", NCE_KV_LFU_PERFECT, 0, {.082, .118, .188, .280, .343, .363}},
    {"length", NCE_KV_LENGTH, 0, {.050, .067, .112, .203, .260, .334}},
    {"GDSF", NCE_KV_GDSF, 0, {.045, .071, .218, .328, .355, .363}},
    {"LRFU 2000", NCE_KV_COST_AWARE, 2000, {.086, .136, .217, .327, .356, .364}},
    {"LRFU 500", NCE_KV_COST_AWARE, 500, {.079, .124, .226, .328, .355, .364}},
    {"SLRU", NCE_KV_SLRU, 0, {.048, .077, .198, .313, .347, .363}},
    {"offline", OFFLINE, 0, {.191, .294, .366, .366, .366, .366}},
};

static void check_eviction(const nce_trace *t)
{
    for (size_t p = 0; p < sizeof table / sizeof *table; p++) {
        printf("%-12s", table[p].name);
        for (int i = 0; i < N_CAPACITIES; i++) {
            nce_kv_cache_options o = NCE_KV_CACHE_OPTIONS_INIT;
            double hit = NAN;
            o.policy = table[p].policy;
            o.half_life = table[p].half_life;
            o.budget_blocks = capacities[i];
            const nce_status status = table[p].policy == OFFLINE ? nce_replay_eviction_offline(t, capacities[i], &hit)
                                                                 : nce_replay_eviction(t, &o, &hit);
            EXPECT(status == NCE_OK, "%s", nce_context_error(ctx));
            printf(" %.3f", hit);
            EXPECT(lround(hit * 1000) == lround(table[p].hit[i] * 1000), "%s, %zu blocks: %.4f, golden %.3f",
                   table[p].name, capacities[i], hit, table[p].hit[i]);
        }
        puts("");
    }
}

static nce_replay_report replay(const nce_trace *t, uint32_t policy, double scale, double kill_at)
{
    nce_replay_options o = NCE_REPLAY_OPTIONS_INIT;
    nce_replay_report r = NCE_REPLAY_REPORT_INIT;
    o.policy = policy;
    o.time_scale = scale;
    o.kill_node_at_s = kill_at;
    o.kill_node = 3;
    EXPECT(nce_replay_routing(t, &o, &r) == NCE_OK, "%s", nce_context_error(ctx));
    printf("policy %u: hit %.3f, TTFT mean %.2f p50 %.2f p90 %.2f p99 %.2f s, variation %.3f, restarted %llu\n", policy,
           r.hit_rate, r.ttft_mean_s, r.ttft_p50_s, r.ttft_p90_s, r.ttft_p99_s, r.load_variation,
           (unsigned long long)r.n_restarted);
    return r;
}

static void check_routing(const nce_trace *t)
{
    const nce_replay_report least = replay(t, NCE_REPLAY_LEAST_LOADED, 0.55, 0),
                            turn = replay(t, NCE_REPLAY_ROUND_ROBIN, 0.55, 0);
    const nce_replay_report ours = replay(t, NCE_REPLAY_CACHE_AWARE, 0.55, 0),
                            longest = replay(t, NCE_REPLAY_MAX_PREFIX, 0.55, 0);
    EXPECT(ours.hit_rate >= 0.30, "hit rate %.4f", ours.hit_rate);
    EXPECT(ours.ttft_mean_s <= 0.65 * least.ttft_mean_s, "mean TTFT %.3f, least loaded %.3f", ours.ttft_mean_s,
           least.ttft_mean_s);
    EXPECT(ours.load_variation <= 0.06, "load variation %.4f", ours.load_variation);
    /* The independent simulation's numbers. */
    EXPECT(fabs(ours.hit_rate - .306) < .0006 && fabs(ours.ttft_mean_s - 1.01) < .006, "cache-aware");
    EXPECT(fabs(least.hit_rate - .103) < .0006 && fabs(least.ttft_mean_s - 1.59) < .006, "least loaded");
    EXPECT(fabs(turn.hit_rate - .107) < .0006 && fabs(turn.ttft_mean_s - 7.11) < .006, "round robin");
    EXPECT(longest.load_variation > 2, "max prefix no longer collapses?");
    uint64_t restarted = 0;
    for (double kill_at = 300; kill_at < 1400; kill_at += 100) {
        const nce_replay_report r = replay(t, NCE_REPLAY_CACHE_AWARE, 0.4, kill_at);
        EXPECT(r.n_completed == nce_trace_n_requests(t), "a node died: %llu completed",
               (unsigned long long)r.n_completed);
        restarted += r.n_restarted;
    }
    EXPECT(restarted > 10, "the dead node had hardly anything to do: %llu", (unsigned long long)restarted);
}

int main(void)
{
    const char *data = getenv("NCE_TEST_DATA");
    char path[2048];
    size_t size = 0;
    nce_trace *t;
    snprintf(path, sizeof path, "%s/traces/mooncake-conversation.jsonl", data != NULL ? data : ".");
    char *text = read_file(path, &size);
    if (text == NULL) {
        printf("SKIP: no %s (NCE_TEST_DATA)\n", path);
        return 77;
    }
    EXPECT(nce_context_create(NULL, &ctx) == NCE_OK, "context");
    EXPECT(nce_trace_read(ctx, path, text, size, NCE_TRACE_MOONCAKE, &t) == NCE_OK, "%s", nce_context_error(ctx));
    free(text);
    EXPECT(nce_trace_n_requests(t) == 12031, "%zu requests", nce_trace_n_requests(t));
    check_eviction(t);
    check_routing(t);
    nce_trace_destroy(t);
    nce_context_destroy(ctx);
    return 0;
}
