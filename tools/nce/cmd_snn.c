/* nce snn: run a spiking network from a file, describe it, or measure the engine on networks of the literature. */
#include "tools/nce/command.h"
#include "tools/nce/snn_networks.h"
#include "nce/nce.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- bench ---- */

typedef struct {
    const char *net, *precision;
    uint32_t threads, repeat;
    float seconds, scale, warm_up;
    uint64_t seed;
} bench_args;

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_rates(nce_snn *snn, double seconds, bool published)
{
    for (uint32_t p = 0; p < nce_snn_n_populations(snn); p++) {
        size_t n = 0;
        if (nce_snn_spikes_read(snn, p, 0, 0, NULL, NULL, &n) != NCE_OK) continue;
        const double rate = (double)n / nce_snn_population_size(snn, p) / seconds;
        printf("  %-6s %8u neurons %9.3f Hz", nce_snn_population_name(snn, p), nce_snn_population_size(snn, p), rate);
        if (published)
            printf("  published %.3f, %+.1f %%", nce_snn_pd14_rates[p], 100 * (rate / nce_snn_pd14_rates[p] - 1));
        putchar('\n');
    }
}

/* Settle, then measure repeat stretches; the median of the CPU time counts, since a busy machine only adds. */
static nce_status measure(nce_snn *snn, const bench_args *a)
{
    nce_snn_statistics before = NCE_SNN_STATISTICS_INIT, after = NCE_SNN_STATISTICS_INIT;
    double times[64];
    const uint64_t steps = (uint64_t)(a->seconds * 1000 / nce_snn_dt(snn));
    double start = cpu_seconds();
    nce_status status = nce_snn_build(snn, NULL, NULL);
    printf("%s %s: build %.2f s, %" PRIu64 " synapses\n", a->net, a->precision, cpu_seconds() - start,
           nce_snn_n_synapses(snn));
    if (status == NCE_OK) status = nce_snn_run(snn, (uint64_t)(a->warm_up * 1000 / nce_snn_dt(snn)), NULL, NULL);
    if (status == NCE_OK) status = nce_snn_spikes_clear(snn);
    if (status == NCE_OK) status = nce_snn_statistics_read(snn, &before);
    for (uint32_t k = 0; k < a->repeat && status == NCE_OK; k++) {
        start = cpu_seconds();
        status = nce_snn_run(snn, steps, NULL, NULL);
        times[k] = cpu_seconds() - start;
    }
    if (status == NCE_OK) status = nce_snn_statistics_read(snn, &after);
    if (status != NCE_OK) return status;
    qsort(times, a->repeat, sizeof *times, compare);
    const double median = times[a->repeat / 2], share = 1.0 / a->repeat;
    const double events = (double)(after.synaptic_events - before.synaptic_events) * share;
    const double updates = (double)(after.neuron_updates - before.neuron_updates) * share;
    printf("  cpu %.4f s (min %.4f, max %.4f) per %.3g s of model time: real-time factor %.4f\n", median, times[0],
           times[a->repeat - 1], (double)a->seconds, median / (double)a->seconds);
    printf(
        "  mean rate %.3f Hz; %.4g synaptic events, %.4g updates: %.2f ns each if the other cost nothing, %.2f ns\n",
        (double)(after.spikes - before.spikes) * share /
            ((double)(after.neuron_updates + after.updates_skipped - before.neuron_updates - before.updates_skipped) *
             share) *
            1000 / nce_snn_dt(snn),
        events, updates, median / events * 1e9, median / updates * 1e9);
    printf("  state %.1f MB, slot sparsity %.4f, silent %.4f, skippable %.4f, updates skipped %.3f\n",
           (double)after.state_bytes / 1e6, after.slot_sparsity, after.silent_share, after.skippable_share,
           (double)after.updates_skipped / (double)(after.updates_skipped + after.neuron_updates));
    print_rates(snn, (double)a->seconds * a->repeat, strcmp(a->net, "pd14") == 0);
    return NCE_OK;
}

static int bench(int argc, char **argv)
{
    bench_args a = {.net = "cuba",
                    .precision = "f32",
                    .threads = 1,
                    .repeat = 3,
                    .seconds = 10,
                    .scale = 1,
                    .warm_up = 0.5f,
                    .seed = 42};
    const nce_arg table[] = {
        {"--net", NCE_ARG_TEXT, &a.net, 0, 0, "NAME  cuba, coba or pd14"},
        {"--precision", NCE_ARG_TEXT, &a.precision, 0, 0, "P  f32 or f64"},
        {"--threads", NCE_ARG_U32, &a.threads, 1, 64, "N  threads"},
        {"--repeat", NCE_ARG_U32, &a.repeat, 1, 64, "N  stretches measured"},
        {"--seconds", NCE_ARG_F32, &a.seconds, 0.001, 1e6, "S  model time of a stretch"},
        {"--warm-up", NCE_ARG_F32, &a.warm_up, 0, 1e6, "S  model time before"},
        {"--scale", NCE_ARG_F32, &a.scale, 0.01, 100, "X  share of the network"},
        {"--seed", NCE_ARG_U64, &a.seed, 0, 0, "N  of connections and start"},
    };
    const int code = nce_args_parse("snn bench [options]", table, sizeof table / sizeof *table, argc, argv, NULL, 0);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    const nce_snn_bench_net *net = nce_snn_bench_net_find(a.net);
    if (net == NULL) return nce_cmd_usage("--net: '%s' is none of cuba, coba, pd14", a.net);
    nce_context *ctx;
    nce_snn *snn = NULL;
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    o.dt = net->dt;
    o.seed = a.seed;
    o.precision = strcmp(a.precision, "f64") == 0 ? NCE_SNN_F64 : NCE_SNN_F32;
    o.n_threads = a.threads;
    nce_status status = nce_context_create(NULL, &ctx);
    if (status != NCE_OK) return nce_cmd_failed("no context: %s", nce_status_name(status));
    status = nce_snn_create(ctx, &o, &snn);
    if (status == NCE_OK) status = net->build(snn, (double)a.scale, a.seed);
    if (status == NCE_OK) status = measure(snn, &a);
    const int result = status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("snn bench: %s", nce_context_error(ctx));
    nce_snn_destroy(snn);
    nce_context_destroy(ctx);
    return result;
}

int nce_cmd_snn(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "bench") == 0) return bench(argc - 1, argv + 1);
    return nce_cmd_usage("snn needs one of: bench");
}
