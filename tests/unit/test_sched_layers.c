/* Layer placement against enumeration, the proportional rule, and what does not fit. */
#include "nce/sched.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { L = 7, N = 4 };

static uint64_t stream = 3;

static double draw(uint32_t n)
{
    stream = stream * 6364136223846793005u + 1442695040888963407u;
    return (double)((stream >> 33) % n);
}

/* Every order and every split: the next unused node takes the next run. */
static double enumerate(const nce_layers_problem *p, uint32_t used, uint32_t from, uint32_t least_node, double so_far)
{
    if (from == L) return so_far;
    double best = INFINITY;
    for (uint32_t k = p->keep_order ? least_node : 0; k < N; k++) {
        if (used >> k & 1) continue;
        double bytes = 0, time = p->node_hop_s[k];
        for (uint32_t end = from; end < L; end++) {
            bytes += p->layer_bytes[end];
            time += p->layer_work[end] * p->node_s[k];
            if (bytes > p->node_bytes[k]) break;
            const double now = p->goal == NCE_LAYERS_LATENCY ? so_far + time : fmax(so_far, time);
            best = fmin(best, enumerate(p, used | 1u << k, end + 1, k + 1, now));
        }
    }
    return best;
}

Test(sched_layers, equals_enumeration)
{
    nce_context *ctx;
    int fitting = 0, dropped = 0;
    nce_context_create(NULL, &ctx);
    for (int round = 0; round < 400; round++) {
        double bytes[L], work[L], memory[N], speed[N], hop[N], value = -1;
        uint32_t first[N], count[N];
        nce_layers_problem p = NCE_LAYERS_PROBLEM_INIT;
        for (int i = 0; i < L; i++) {
            bytes[i] = 1 + draw(5);
            work[i] = 1 + draw(4);
        }
        for (int k = 0; k < N; k++) {
            memory[k] = draw(16);
            speed[k] = 1 + draw(9);
            hop[k] = draw(6);
        }
        p.n_layers = L;
        p.n_nodes = N;
        p.layer_bytes = bytes;
        p.layer_work = work;
        p.node_bytes = memory;
        p.node_s = speed;
        p.node_hop_s = hop;
        p.goal = (uint32_t)(round % 2);
        p.keep_order = (uint32_t)(round / 2 % 2);
        const double want = enumerate(&p, 0, 0, 0, 0);
        const nce_status status = nce_layers_place(ctx, &p, first, count, &value);
        cr_assert_eq(status, want < INFINITY ? NCE_OK : NCE_ERR_LIMIT, "round %d", round);
        if (status != NCE_OK) continue;
        cr_assert_float_eq(value, want, 1e-9, "round %d: %g, best %g", round, value, want);
        uint32_t total = 0;
        double recomputed = 0;
        for (int k = 0; k < N; k++) {
            double time = hop[k], used = 0;
            for (uint32_t l = first[k]; l < first[k] + count[k]; l++) {
                used += bytes[l];
                time += work[l] * speed[k];
            }
            cr_assert_leq(used, memory[k]);
            total += count[k];
            dropped += count[k] == 0;
            if (count[k] > 0) recomputed = p.goal == NCE_LAYERS_LATENCY ? recomputed + time : fmax(recomputed, time);
        }
        cr_assert_eq(total, L);
        cr_assert_float_eq(recomputed, value, 1e-9);
        fitting++;
    }
    cr_assert(fitting > 50 && dropped > 50, "%d %d", fitting, dropped);
    nce_context_destroy(ctx);
}

Test(sched_layers, the_proportional_rule)
{
    nce_context *ctx;
    double bytes[40];
    uint32_t first[3], count[3];
    const double memory[] = {16e9, 8e9, 8e9}, uneven[] = {10e9, 10e9, 10e9};
    nce_layers_problem p = NCE_LAYERS_PROBLEM_INIT;
    nce_context_create(NULL, &ctx);
    for (int i = 0; i < 40; i++)
        bytes[i] = 0.4e9;
    p.n_layers = 32;
    p.n_nodes = 3;
    p.layer_bytes = bytes;
    p.node_bytes = memory;
    p.goal = NCE_LAYERS_PROPORTIONAL;
    cr_assert_eq(nce_layers_place(ctx, &p, first, count, NULL), NCE_OK); /* 32 * 16/32, 32 * 8/32, 32 * 8/32 */
    cr_assert(count[0] == 16 && count[1] == 8 && count[2] == 8 && first[1] == 16 && first[2] == 24);
    p.node_bytes = uneven;
    cr_assert_eq(nce_layers_place(ctx, &p, first, count, NULL), NCE_OK); /* 10.67 each */
    cr_assert(count[0] == 11 && count[1] == 11 && count[2] == 10);
    for (int i = 0; i < 40; i++)
        bytes[i] = 2e9;
    cr_assert_eq(nce_layers_place(ctx, &p, first, count, NULL), NCE_ERR_LIMIT);
    cr_assert(strstr(nce_context_error(ctx), "32 layers of 6.4e+10 bytes do not fit 3 nodes of 3e+10 bytes") != NULL,
              "%s", nce_context_error(ctx));
    bytes[3] = NAN;
    cr_assert_eq(nce_layers_place(ctx, &p, first, count, NULL), NCE_ERR_INVALID);
    nce_context_destroy(ctx);
}

Test(sched_layers, failing_allocation)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        const double one[] = {1, 1};
        uint32_t first[2], count[2];
        nce_layers_problem p = NCE_LAYERS_PROBLEM_INIT;
        p.n_layers = p.n_nodes = 2;
        p.layer_bytes = p.node_bytes = p.node_s = one;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) != NCE_OK) continue;
        const nce_status status = nce_layers_place(c, &p, first, count, NULL);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0);
        cr_assert_eq(status, f.failed ? NCE_ERR_NOMEM : NCE_OK);
        if (!f.failed) break;
    }
}
