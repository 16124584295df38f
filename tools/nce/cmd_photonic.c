/* nce photonic: look at a photonic device, tune it, measure it, heat it.
 *
 * info        identity, rails, temperatures, lanes
 * bench       speed, energy and error statistics of exact dot products, checked against plain sums
 * thermal     a load over time in virtual time: temperature, tier, throttle, fan as a table
 * calibrate   what the tuning of the lanes found */
#include "tools/measure.h"
#include "tools/nce/common.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct nce_photonic_args {
    nce_common common;
    const char *device;
    uint32_t rows, blocks, length, repeats, seconds, every_ms;
    float load;
    bool as_json, as_csv, fan_dead;
} nce_photonic_args;

typedef struct nce_photonic_run {
    nce_engine engine;
    nce_photonic *device;
} nce_photonic_run;

static int open_device(const nce_photonic_args *a, nce_photonic_run *run)
{
    nce_photonic_options options = NCE_PHOTONIC_OPTIONS_INIT;
    char name[64];
    const char *text = a->device != NULL ? a->device : "sim";
    run->device = NULL;
    if (strncmp(text, "photonic:", 9) == 0) text += 9;
    const int code = nce_engine_context(&a->common, &run->engine);
    if (code != NCE_EXIT_OK) return code;
    nce_status status = nce_photonic_options_parse(run->engine.ctx, text, &options, name, sizeof name);
    if (status == NCE_OK) status = nce_photonic_create(run->engine.ctx, &options, &run->device);
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(&run->engine, status);
}

static void close_device(nce_photonic_run *run)
{
    nce_photonic_destroy(run->device);
    nce_engine_close(&run->engine);
}

static int failed(nce_photonic_run *run, nce_status status)
{
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(&run->engine, status);
}

/* ---- info and calibrate ---- */

static void print_lanes(nce_photonic *device)
{
    puts("lane  modulus  in use  amplitude  phase error  margin      ring trim  phase trim");
    for (uint32_t i = 0; i < NCE_PHOTONIC_LANES; i++) {
        nce_photonic_lane lane = NCE_PHOTONIC_LANE_INIT;
        if (nce_photonic_lane_get(device, i, &lane) != NCE_OK) return;
        printf("%4u  %7u  %6s  %9.5f  %6.2f mrad  %5.1f sigma  %+6.2f pm  %+7.4f rad\n", i, lane.modulus,
               lane.in_use ? "yes" : "no", lane.amplitude, 1e3 * lane.phase_error, lane.margin_sigma, lane.ring_trim_pm,
               lane.phase_trim);
    }
}

static void print_state(const nce_photonic_sample *s)
{
    static const char *const power[] = {"off", "rising", "on", "falling", "resting after a fault", "latched off"};
    printf("power      %s, lasers %s\n", power[s->power_state <= NCE_PHOTONIC_POWER_LATCHED ? s->power_state : 0],
           s->lasers ? "on" : "off");
    fputs("rails      ", stdout);
    for (int i = 0; i < NCE_PHOTONIC_RAILS; i++)
        printf("%s%.3f V", i ? ", " : "", s->in_input[i] / 1000.0);
    printf("\njunction   %.3f C (warning %.0f, critical %.0f, emergency %.0f, hysteresis %.1f K)\n",
           s->temp1_input / 1000.0, s->temp1_max / 1000.0, s->temp1_crit / 1000.0, s->temp1_emergency / 1000.0,
           (s->temp1_max - s->temp1_max_hyst) / 1000.0);
    printf("heat sink  %.3f C, ambient %.3f C\n", s->temp2_input / 1000.0, s->temp3_input / 1000.0);
    printf("cooling    fan %u rpm, cooler %u mA, throttle %.1f %%\n", s->fan1_input, s->curr1_input,
           s->throttle_ppm / 1e4);
}

static int run_info(const nce_photonic_args *a)
{
    nce_photonic_run run;
    nce_photonic_sample s = NCE_PHOTONIC_SAMPLE_INIT;
    int code = open_device(a, &run);
    if (code == NCE_EXIT_OK) code = failed(&run, nce_photonic_sample_get(run.device, &s));
    if (code == NCE_EXIT_OK) {
        printf("device     %s\n", a->device != NULL ? a->device : "sim");
        puts("exact      int8 dot products to length 256, moduli 19 23 25 27 29 | 31 32");
        print_state(&s);
        print_lanes(run.device);
        puts("power log");
        char line[96];
        for (uint32_t i = 0; nce_photonic_power_log(run.device, i, line, sizeof line); i++)
            printf("  %s\n", line);
    }
    close_device(&run);
    return code;
}

static int run_calibrate(const nce_photonic_args *a)
{
    nce_photonic_run run;
    int code = open_device(a, &run);
    if (code == NCE_EXIT_OK) code = failed(&run, nce_photonic_calibrate(run.device));
    if (code == NCE_EXIT_OK) print_lanes(run.device);
    close_device(&run);
    return code;
}

/* ---- bench ---- */

static void fill(int8_t *p, size_t n, uint32_t state)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (int8_t)(state >> 24);
    }
}

static size_t count_wrong(const nce_photonic_args *a, const int8_t *w, const int8_t *x, const int32_t *out)
{
    const size_t columns = (size_t)a->blocks * a->length;
    size_t wrong = 0;
    for (size_t r = 0; r < a->rows; r++)
        for (size_t b = 0; b < a->blocks; b++) {
            int32_t sum = 0;
            for (size_t i = b * a->length; i < (b + 1) * a->length; i++)
                sum += w[r * columns + i] * x[i];
            wrong += sum != out[r * a->blocks + b];
        }
    return wrong;
}

/* Work done between two readings of the statistics. */
static void subtract(nce_photonic_stats *s, const nce_photonic_stats *before)
{
    s->dots -= before->dots;
    s->busy_ns -= before->busy_ns;
    for (int i = 0; i < NCE_PHOTONIC_PARTS; i++)
        s->energy_pj[i] -= before->energy_pj[i];
}

static void print_bench(const nce_photonic_args *a, const nce_photonic_stats *s, double seconds, size_t wrong)
{
    const double dots = (double)s->dots, host = seconds * 1e9 / dots;
    double energy = 0.0;
    for (int i = 0; i < NCE_PHOTONIC_PARTS; i++)
        energy += (double)s->energy_pj[i];
    if (a->as_json) {
        printf("{\"dots\": %" PRIu64
               ", \"length\": %u, \"wrong\": %zu, \"host_ns_per_dot\": %.2f, \"device_ns_per_dot\": %.5f, "
               "\"device_dots\": %" PRIu64 ", \"rejected\": %" PRIu64 ", \"retries\": %" PRIu64
               ", \"corrected\": %" PRIu64 ", \"fallbacks\": %" PRIu64 ", \"checksum_failures\": %" PRIu64
               ", \"wrong_residues\": %" PRIu64 ", \"lanes\": %u, \"energy_pj\": {",
               s->dots, a->length, wrong, host, (double)s->busy_ns / dots, s->device_dots, s->rejected, s->retries,
               s->corrected, s->fallbacks, s->checksum_failures, s->wrong_residues, s->lanes);
        for (int i = 0; i < NCE_PHOTONIC_PARTS; i++)
            printf("%s\"%s\": %" PRIu64, i ? ", " : "", nce_photonic_part_name((nce_photonic_part)i), s->energy_pj[i]);
        puts("}}");
        return;
    }
    printf("%.0f dot products of length %u: %zu wrong\n", dots, a->length, wrong);
    printf("host       %.1f ns each (CPU time, simulator and driver), %.3f G multiply-adds/s\n", host,
           a->length / host);
    printf("device     %.4f ns each by its own clock (simulated)\n", (double)s->busy_ns / dots);
    printf("energy     %.1f pJ each (model):", energy / dots);
    for (int i = 0; i < NCE_PHOTONIC_PARTS; i++)
        printf(" %s %.1f", nce_photonic_part_name((nce_photonic_part)i), (double)s->energy_pj[i] / dots);
    printf("\nlanes %02x, device %" PRIu64 ", rejected %" PRIu64 ", retries %" PRIu64 ", corrected %" PRIu64
           ", fallbacks %" PRIu64 ", checksum failures %" PRIu64 ", wrong residues %" PRIu64 "\n",
           s->lanes, s->device_dots, s->rejected, s->retries, s->corrected, s->fallbacks, s->checksum_failures,
           s->wrong_residues);
}

static int measure(const nce_photonic_args *a, nce_photonic_run *run, const int8_t *w, const int8_t *x, int32_t *out)
{
    nce_photonic_stats before = NCE_PHOTONIC_STATS_INIT, s = NCE_PHOTONIC_STATS_INIT;
    size_t wrong = 0;
    double seconds = 0.0;
    nce_status status = nce_photonic_stats_get(run->device, &before);
    for (uint32_t k = 0; k < a->repeats; k++) {
        const double begin = measure_seconds(CLOCK_THREAD_CPUTIME_ID);
        status = nce_photonic_block_dots(run->device, a->rows, a->blocks, a->length, w, (size_t)a->blocks * a->length,
                                         x, out);
        seconds += measure_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
        if (status != NCE_OK) return nce_engine_failed(&run->engine, status);
        wrong += count_wrong(a, w, x, out);
    }
    status = nce_photonic_stats_get(run->device, &s);
    if (status != NCE_OK) return nce_engine_failed(&run->engine, status);
    subtract(&s, &before);
    print_bench(a, &s, seconds, wrong);
    return wrong == 0 ? NCE_EXIT_OK : nce_cmd_failed("%zu dot products are wrong", wrong);
}

static int run_bench(const nce_photonic_args *a)
{
    nce_photonic_run run;
    const size_t columns = (size_t)a->blocks * a->length;
    int code = open_device(a, &run);
    int8_t *w = malloc(a->rows * columns), *x = malloc(columns);
    int32_t *out = malloc((size_t)a->rows * a->blocks * sizeof *out);
    if (code == NCE_EXIT_OK && (w == NULL || x == NULL || out == NULL)) code = nce_cmd_failed("out of memory");
    if (code == NCE_EXIT_OK) {
        fill(w, a->rows * columns, 1);
        fill(x, columns, 2);
        code = measure(a, &run, w, x, out);
    }
    free(w);
    free(x);
    free(out);
    close_device(&run);
    return code;
}

/* ---- thermal ---- */

static void print_row(const nce_photonic_args *a, double time, const nce_photonic_sample *s)
{
    static const char *const tiers[] = {"normal", "warning", "critical", "emergency"};
    const char *format = a->as_csv ? "%.3f,%.3f,%.3f,%s,%.2f,%u,%u,%s,0x%02x\n"
                                   : "%9.3f  %8.3f  %8.3f  %-9s  %7.2f  %5u  %5u  %-3s  0x%02x\n";
    printf(format, time, s->temp1_input / 1000.0, s->temp2_input / 1000.0, tiers[s->tier & 3], s->throttle_ppm / 1e4,
           s->fan1_input, s->curr1_input, s->lasers ? "on" : "off", s->throttle_reasons);
}

static int run_thermal(const nce_photonic_args *a)
{
    nce_photonic_run run;
    int code = open_device(a, &run);
    if (code == NCE_EXIT_OK && a->fan_dead)
        code = failed(&run, nce_photonic_break(run.device, NCE_PHOTONIC_FAN_DEAD, 0));
    if (code == NCE_EXIT_OK)
        puts(a->as_csv ? "seconds,junction_c,sink_c,tier,throttle_percent,fan_rpm,cooler_ma,lasers,reasons"
                       : "  seconds  junction      sink  tier       throttle    fan  cooler lasers reasons");
    for (uint64_t ms = 0; code == NCE_EXIT_OK && ms <= a->seconds * 1000ull; ms += a->every_ms) {
        nce_photonic_sample s = NCE_PHOTONIC_SAMPLE_INIT;
        code = failed(&run, nce_photonic_sample_get(run.device, &s));
        if (code == NCE_EXIT_OK) print_row(a, (double)ms / 1000.0, &s);
        if (code == NCE_EXIT_OK)
            code = failed(&run, nce_photonic_pass_time(run.device, a->every_ms, (double)a->load, false));
    }
    close_device(&run);
    return code;
}

int nce_cmd_photonic(int argc, char **argv)
{
    nce_photonic_args a = {
        .rows = 256, .blocks = 64, .length = 32, .repeats = 5, .seconds = 60, .every_ms = 1000, .load = 60.0f};
    const nce_arg table[] = {
        {"--device", NCE_ARG_TEXT, &a.device, 0, 0, "NAME  sim[,key=value...] or vfio:PCI-ADDRESS (default: sim)"},
        {"--rows", NCE_ARG_U32, &a.rows, 1, 65536, "N  bench: rows of the matrix"},
        {"--blocks", NCE_ARG_U32, &a.blocks, 1, 4096, "N  bench: blocks of a row"},
        {"--length", NCE_ARG_U32, &a.length, 1, NCE_PHOTONIC_MAX_LENGTH, "N  bench: elements of a block"},
        {"-r", NCE_ARG_U32, &a.repeats, 1, 100000, "N  bench: repeats"},
        {"--json", NCE_ARG_FLAG, &a.as_json, 0, 0, "bench: one JSON object"},
        {"--load", NCE_ARG_F32, &a.load, 0, 1000, "W  thermal: heat of the die at full speed"},
        {"--seconds", NCE_ARG_U32, &a.seconds, 1, 1000000, "N  thermal: virtual time"},
        {"--every", NCE_ARG_U32, &a.every_ms, 1, 3600000, "MS  thermal: between rows"},
        {"--fan-dead", NCE_ARG_FLAG, &a.fan_dead, 0, 0, "thermal: the fan stands still"},
        {"--csv", NCE_ARG_FLAG, &a.as_csv, 0, 0, "thermal: comma-separated values"},
        {"--verbose", NCE_ARG_FLAG, &a.common.verbose, 0, 0, "log to stderr"},
    };
    static const struct {
        const char *name;
        int (*run)(const nce_photonic_args *a);
    } actions[] = {{"info", run_info}, {"bench", run_bench}, {"thermal", run_thermal}, {"calibrate", run_calibrate}};
    const char *action = NULL;
    const int code = nce_args_parse("photonic info|bench|thermal|calibrate [--device sim,seed=1,noise=0.0164,...]",
                                    table, sizeof table / sizeof *table, argc, argv, &action, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    for (size_t i = 0; action != NULL && i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, action) == 0) return actions[i].run(&a);
    return nce_cmd_usage("photonic: say info, bench, thermal or calibrate");
}
