/* nce snn: run a spiking network from a file, describe it, or measure the engine on networks of the literature. */
#include "tools/measure.h"
#include "tools/nce/command.h"
#include "tools/nce/snn_networks.h"
#include "nce/nce.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One of two words; false after a message. */
static bool choose(const char *option, const char *given, const char *off, const char *on, bool *chosen)
{
    *chosen = strcmp(given, on) == 0;
    if (*chosen || strcmp(given, off) == 0) return true;
    nce_cmd_usage("%s: '%s' is neither %s nor %s", option, given, off, on);
    return false;
}

/* ---- bench ---- */

typedef struct {
    const char *net, *precision;
    uint32_t threads, repeat;
    float seconds, scale, warm_up;
    uint64_t seed;
} bench_args;

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
    double start = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
    nce_status status = nce_snn_build(snn, NULL, NULL);
    printf("%s %s: build %.2f s, %" PRIu64 " synapses\n", a->net, a->precision,
           measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - start, nce_snn_n_synapses(snn));
    if (status == NCE_OK) status = nce_snn_run(snn, (uint64_t)(a->warm_up * 1000 / nce_snn_dt(snn)), NULL, NULL);
    if (status == NCE_OK) status = nce_snn_spikes_clear(snn);
    if (status == NCE_OK) status = nce_snn_statistics_read(snn, &before);
    for (uint32_t k = 0; k < a->repeat && status == NCE_OK; k++) {
        start = measure_seconds(CLOCK_PROCESS_CPUTIME_ID);
        status = nce_snn_run(snn, steps, NULL, NULL);
        times[k] = measure_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    }
    if (status == NCE_OK) status = nce_snn_statistics_read(snn, &after);
    if (status != NCE_OK) return status;
    const double median = measure_quantile(times, a->repeat, 0.5), share = 1.0 / a->repeat;
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
    bool f64;
    if (!choose("--precision", a.precision, "f32", "f64", &f64)) return NCE_EXIT_USAGE;
    nce_context *ctx;
    nce_snn *snn = NULL;
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    o.dt = net->dt;
    o.seed = a.seed;
    o.precision = f64 ? NCE_SNN_F64 : NCE_SNN_F32;
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

/* ---- run and info ---- */

typedef struct {
    const char *path, *input, *spikes, *save, *reset, *precision;
    float ms, dt;
    uint32_t threads;
    bool euler, subtract, f64;
} run_args;

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A NIR graph (".nir"; still to be built) or a saved network. */
static nce_status load(nce_context *ctx, const run_args *a, nce_snn **snn)
{
    nce_snn_nir_options nir = NCE_SNN_NIR_OPTIONS_INIT;
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    o.n_threads = nir.n_threads = a->threads;
    if (!ends_with(a->path, ".nir")) return nce_snn_load(ctx, a->path, &o, snn);
    nir.dt = (double)a->dt;
    nir.reset = a->subtract ? NCE_SNN_RESET_SUBTRACT : NCE_SNN_RESET_TO;
    nir.method = a->euler ? NCE_SNN_EULER : NCE_SNN_EXACT;
    nir.precision = a->f64 ? NCE_SNN_F64 : NCE_SNN_F32;
    return nce_snn_load_nir(ctx, a->path, &nir, snn);
}

/* Spikes of the first population, which is the first input of a NIR graph as a rule: "NAME=FILE" names another. */
static nce_status give_input(nce_snn *snn, const char *input)
{
    char name[64];
    uint32_t p = 0;
    const char *equals = strchr(input, '=');
    nce_status status = NCE_OK;
    snprintf(name, sizeof name, "%.*s", equals != NULL ? (int)(equals - input < 63 ? equals - input : 63) : 5,
             equals != NULL ? input : "input");
    status = nce_snn_population_find(snn, name, &p);
    return status == NCE_OK ? nce_snn_source_load(snn, p, equals != NULL ? equals + 1 : input) : status;
}

static int write_spikes(nce_snn *snn, const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (f == NULL) return nce_cmd_failed("%s: cannot be written", path);
    for (uint32_t p = 0; p < nce_snn_n_populations(snn); p++) {
        size_t n = 0;
        if (nce_snn_spikes_read(snn, p, 0, 0, NULL, NULL, &n) != NCE_OK) continue;
        for (size_t i = 0, left; i < n; i++) {
            uint32_t neuron;
            double time;
            nce_snn_spikes_read(snn, p, i, 1, &neuron, &time, &left);
            fprintf(f, "%s %" PRIu32 " %.4f\n", nce_snn_population_name(snn, p), neuron, time);
        }
    }
    const bool bad = ferror(f) != 0;
    if ((f != stdout && fclose(f) != 0) || bad) return nce_cmd_failed("%s: cannot be written", path);
    return NCE_EXIT_OK;
}

static void describe(nce_snn *snn)
{
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    nce_snn_energy e = NCE_SNN_ENERGY_INIT;
    uint64_t neurons = 0;
    for (uint32_t p = 0; p < nce_snn_n_populations(snn); p++) {
        printf("population %-3" PRIu32 " %-24s %10" PRIu32 " neurons\n", p, nce_snn_population_name(snn, p),
               nce_snn_population_size(snn, p));
        neurons += nce_snn_population_size(snn, p);
    }
    printf("%" PRIu64 " neurons, %" PRIu64 " synapses, dt %g ms, step %" PRIu64 "\n", neurons, nce_snn_n_synapses(snn),
           nce_snn_dt(snn), nce_snn_step(snn));
    if (nce_snn_statistics_read(snn, &s) != NCE_OK || nce_snn_energy_estimate(snn, &e) != NCE_OK) return;
    printf("state %.2f MB\n", (double)s.state_bytes / 1e6);
    if (s.steps == 0) return;
    printf("spikes %" PRIu64 ", mean rate %.3f Hz, synaptic events %" PRIu64 ", updates %" PRIu64
           " (%.1f %% skipped)\n",
           s.spikes, s.mean_rate_hz, s.synaptic_events, s.neuron_updates,
           100.0 * (double)s.updates_skipped / (double)(s.updates_skipped + s.neuron_updates + 1));
    printf("slot sparsity %.4f, silent neurons %.4f, skippable channels %.4f\n", s.slot_sparsity, s.silent_share,
           s.skippable_share);
    printf("energy %.4g nJ against %.4g nJ dense (%.2g pJ a synaptic event, %.2g an update, %.2g a multiply-add)\n",
           e.energy_pj / 1000, e.dense_energy_pj / 1000, e.pj_per_synop, e.pj_per_update, e.pj_per_mac);
}

static int run(int argc, char **argv, bool only_info)
{
    run_args a = {.reset = "zero", .precision = "f32", .ms = 1000, .threads = 0};
    const nce_arg table[] = {
        {"--ms", NCE_ARG_F32, &a.ms, 0.000001, 1e9, "T  model time to run"},
        {"--input", NCE_ARG_TEXT, &a.input, 0, 0, "[NAME=]FILE  spikes of an input: 'neuron time_ms' a line"},
        {"--spikes", NCE_ARG_TEXT, &a.spikes, 0, 0, "FILE  write recorded spikes ('-': standard output)"},
        {"--save", NCE_ARG_TEXT, &a.save, 0, 0, "FILE  save the network with its state afterwards"},
        {"--threads", NCE_ARG_U32, &a.threads, 0, 64, "N  threads; 0: by size"},
        {"--dt", NCE_ARG_F32, &a.dt, 0, 1e6, "MS  step of a NIR graph; 0: 0.1"},
        {"--reset", NCE_ARG_TEXT, &a.reset, 0, 0, "HOW  of a NIR graph: zero or subtract"},
        {"--euler", NCE_ARG_FLAG, &a.euler, 0, 0, "forward Euler for a NIR graph (default: exact)"},
        {"--precision", NCE_ARG_TEXT, &a.precision, 0, 0, "P  of a NIR graph: f32 or f64"},
    };
    const int code = nce_args_parse(only_info ? "snn info FILE" : "snn run FILE [options]", table,
                                    sizeof table / sizeof *table, argc, argv, &a.path, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (a.path == NULL) return nce_cmd_usage("snn %s needs a network file or a .nir graph", argv[0]);
    if (!choose("--reset", a.reset, "zero", "subtract", &a.subtract) ||
        !choose("--precision", a.precision, "f32", "f64", &a.f64))
        return NCE_EXIT_USAGE;
    nce_context *ctx;
    nce_snn *snn = NULL;
    int result = NCE_EXIT_OK;
    nce_bar bar = {.label = "running"};
    nce_status status = nce_context_create(NULL, &ctx);
    if (status != NCE_OK) return nce_cmd_failed("no context: %s", nce_status_name(status));
    status = load(ctx, &a, &snn);
    if (status == NCE_OK && ends_with(a.path, ".nir")) status = nce_snn_build(snn, NULL, NULL);
    if (status == NCE_OK && !only_info) {
        if (a.input != NULL) status = give_input(snn, a.input);
        if (status == NCE_OK)
            status = nce_snn_run(snn, (uint64_t)((double)a.ms / nce_snn_dt(snn) + 0.5), nce_bar_progress, &bar);
        nce_bar_finish(&bar);
        if (status == NCE_OK && a.save != NULL) status = nce_snn_save(snn, a.save);
        if (status == NCE_OK && a.spikes != NULL) result = write_spikes(snn, a.spikes);
    }
    if (status == NCE_OK && (a.spikes == NULL || strcmp(a.spikes, "-") != 0)) describe(snn);
    if (status != NCE_OK) result = nce_cmd_failed("%s", nce_context_error(ctx));
    nce_snn_destroy(snn);
    nce_context_destroy(ctx);
    return result;
}

int nce_cmd_snn(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "bench") == 0) return bench(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "run") == 0) return run(argc - 1, argv + 1, false);
    if (argc >= 2 && strcmp(argv[1], "info") == 0) return run(argc - 1, argv + 1, true);
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: nce snn run FILE [options]     run a saved network or a NIR graph\n"
               "       nce snn info FILE              describe one\n"
               "       nce snn bench [options]        measure CUBA, COBA or the Potjans-Diesmann microcircuit\n");
        return NCE_EXIT_OK;
    }
    return nce_cmd_usage("snn needs one of: run, info, bench; see nce snn --help");
}
