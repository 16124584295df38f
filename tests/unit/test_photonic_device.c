/* The photonic device through its public API: exact under noise, faults and heat; statistics; options; failing memory.
 */
#include "nce/photonic.h"
#include "src/photonic/device.h"
#include "src/photonic/random.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nce_context *context(void)
{
    nce_context *ctx;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    return ctx;
}

static nce_photonic *open_device(nce_context *ctx, const char *text)
{
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
    char name[64];
    nce_photonic *d;
    cr_assert_eq(nce_photonic_options_parse(ctx, text, &o, name, sizeof name), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_photonic_create(ctx, &o, &d), NCE_OK, "%s", nce_context_error(ctx));
    return d;
}

static void fill(int8_t *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t w[4];
        if (i % 16 == 0) nce_philox(seed, i, 0, w);
        memcpy(p + i, (char *)w + i % 16, 1);
    }
}

/* Run a product on the device and compare every integer with the plain sum. */
static void check_product(nce_photonic *d, size_t rows, size_t blocks, uint32_t length, uint64_t seed)
{
    const size_t columns = blocks * length, ld = columns + 3;
    int8_t *w = malloc(rows * ld), *x = malloc(columns);
    int32_t *out = malloc(rows * blocks * sizeof *out);
    fill(w, rows * ld, seed);
    fill(x, columns, seed + 1);
    cr_assert_eq(nce_photonic_block_dots(d, rows, blocks, length, w, ld, x, out), NCE_OK);
    for (size_t r = 0; r < rows; r++)
        for (size_t b = 0; b < blocks; b++) {
            int32_t sum = 0;
            for (size_t i = b * length; i < (b + 1) * length; i++)
                sum += w[r * ld + i] * x[i];
            cr_assert_eq(out[r * blocks + b], sum, "row %zu block %zu: %d, not %d", r, b, out[r * blocks + b], sum);
        }
    free(w);
    free(x);
    free(out);
}

static nce_photonic_stats stats_of(nce_photonic *d)
{
    nce_photonic_stats s = NCE_PHOTONIC_STATS_INIT;
    cr_assert_eq(nce_photonic_stats_get(d, &s), NCE_OK);
    return s;
}

static void check_sum_of_stats(const nce_photonic_stats *s)
{
    cr_assert_eq(s->device_dots + s->fallbacks, s->dots, "%d + %d != %d", (int)s->device_dots, (int)s->fallbacks,
                 (int)s->dots);
}

Test(photonic_device, products_of_every_shape_are_exact)
{
    static const struct {
        size_t rows, blocks;
        uint32_t length;
    } shape[] = {{1, 1, 1},     {1, 300, 32},  {64, 2, 32},   {700, 64, 32}, {5, 3, 256},
                 {257, 33, 16}, {3, 600, 256}, {1, 17000, 1}, {40, 1, 255},  {1000, 1, 7}};
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim,seed=3");
    uint64_t dots = 0;
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        check_product(d, shape[i].rows, shape[i].blocks, shape[i].length, i);
        dots += shape[i].rows * shape[i].blocks;
    }
    const nce_photonic_stats s = stats_of(d);
    cr_assert_eq(s.dots, dots);
    cr_assert_eq(s.device_dots, dots, "the default noise is far inside the margin");
    cr_assert_eq(s.lanes, 0x7f);
    cr_assert_gt(s.busy_ns, 0);
    cr_assert_gt(s.energy_pj[NCE_PHOTONIC_PART_LASER], 0);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, noise_to_and_above_the_margin_costs_retries_not_bits)
{
    static const char *const text[] = {"sim,noise=0.0164,adc=6", "sim,noise=0.0164,adc=7,seed=1",
                                       "sim,noise=0.03,adc=6", "sim,noise=0.06,adc=8", "sim,noise=0.5"};
    nce_context *ctx = context();
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        nce_photonic *d = open_device(ctx, text[i]);
        check_product(d, 200, 40, 256, i);
        const nce_photonic_stats s = stats_of(d);
        check_sum_of_stats(&s);
        if (i == 2) cr_assert(s.retries > 0 && s.fallbacks == 0 && s.wrong_residues > 0, "%s", text[i]);
        if (i == 4) cr_assert_gt(s.fallbacks, s.dots / 2, "nothing can be read at this noise");
        nce_photonic_destroy(d);
    }
    nce_context_destroy(ctx);
}

Test(photonic_device, a_flaky_lane_is_detected_and_read_again)
{
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim,fault=3:random:0.05");
    check_product(d, 300, 8, 32, 9);
    const nce_photonic_stats s = stats_of(d);
    check_sum_of_stats(&s);
    cr_assert_gt(s.rejected, 50);
    cr_assert_geq(s.retries, s.rejected - 5);
    cr_assert_eq(s.lanes, 0x7f, "a flaky lane stays in use");
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, a_dead_lane_is_given_up_or_the_cpu_takes_over)
{
    nce_context *ctx = context();
    for (uint32_t lane = 0; lane < NCE_PHOTONIC_LANES; lane++)
        for (int kind = NCE_PHOTONIC_FAULT_DARK; kind <= NCE_PHOTONIC_FAULT_RANDOM; kind++) {
            nce_photonic *d = open_device(ctx, "sim");
            cr_assert_eq(nce_photonic_fault_set(d, lane, (nce_photonic_fault_kind)kind, 1.0), NCE_OK);
            check_product(d, 100, 8, 32, lane);
            check_product(d, 100, 8, 32, lane + 100);
            const nce_photonic_stats s = stats_of(d);
            check_sum_of_stats(&s);
            cr_assert_eq(s.lanes, 0x7f & ~(1u << lane), "lane %u kind %d: mask %02x", lane, kind, s.lanes);
            cr_assert_gt(s.corrected, 1000);
            cr_assert_eq(nce_photonic_fault_set(d, lane, NCE_PHOTONIC_FAULT_NONE, 0.0), NCE_OK);
            cr_assert_eq(nce_photonic_calibrate(d), NCE_OK);
            cr_assert_eq(stats_of(d).lanes, 0x7f, "calibration tries it again");
            nce_photonic_destroy(d);
        }
    nce_photonic *d = open_device(ctx, "sim,nodegraded,fault=6:stuck");
    check_product(d, 100, 8, 32, 77);
    const nce_photonic_stats s = stats_of(d);
    check_sum_of_stats(&s);
    cr_assert_gt(s.fallbacks, 700);
    cr_assert_geq(s.retries, 3 * s.fallbacks);
    cr_assert_eq(s.lanes, 0x7f);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, three_wild_lanes_cannot_get_past_the_checksum)
{
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim,nodegraded");
    for (uint32_t lane = 1; lane < 4; lane++)
        cr_assert_eq(nce_photonic_fault_set(d, lane, NCE_PHOTONIC_FAULT_RANDOM, 1.0), NCE_OK);
    for (uint64_t k = 0; k < 6; k++)
        check_product(d, 1000, 2, 256, k);
    const nce_photonic_stats s = stats_of(d);
    check_sum_of_stats(&s);
    cr_assert_gt(s.checksum_failures, 0, "a thousandth of triple errors are code words: only the checksum sees them");
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, without_fallback_the_failure_is_reported)
{
    nce_context *ctx = context();
    int8_t w[64] = {1}, x[32] = {1};
    int32_t out[2];
    nce_photonic *d = open_device(ctx, "sim,nofallback,fault=0:stuck,nodegraded");
    w[0] = 5;
    cr_assert_eq(nce_photonic_block_dots(d, 2, 1, 32, w, 32, x, out), NCE_ERR_BACKEND);
    nce_photonic_fault_set(d, 0, NCE_PHOTONIC_FAULT_NONE, 0.0);
    cr_assert_eq(nce_photonic_block_dots(d, 2, 1, 32, w, 32, x, out), NCE_OK);
    cr_assert(out[0] == 5 && out[1] == 0);
    cr_assert_eq(nce_photonic_break(d, NCE_PHOTONIC_LOST, 0), NCE_OK);
    cr_assert_eq(nce_photonic_block_dots(d, 2, 1, 32, w, 32, x, out), NCE_ERR_BACKEND);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, a_lost_device_leaves_the_cpu)
{
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim");
    check_product(d, 30, 2, 32, 1);
    cr_assert_eq(nce_photonic_break(d, NCE_PHOTONIC_LOST, 0), NCE_OK);
    check_product(d, 30, 2, 32, 2);
    const nce_photonic_stats s = stats_of(d);
    cr_assert_eq(s.fallbacks, 60);
    cr_assert_eq(nce_photonic_power(d, false), NCE_ERR_BACKEND);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, a_device_that_hangs_gets_no_more_jobs_but_is_still_guarded)
{
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim");
    nce_preg_write(d->transport, NCE_PREG_CONTROL, NCE_PCTL_LASER | NCE_PCTL_WATCHDOG); /* the ring no longer runs */
    check_product(d, 30, 2, 32, 2);
    check_product(d, 30, 2, 32, 3);
    cr_assert_eq(stats_of(d).fallbacks, 120);
    cr_assert_eq(nce_photonic_power(d, false), NCE_OK);
    cr_assert_eq(d->sim->rail_enable, 0);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, wrong_arguments_are_refused)
{
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim");
    int8_t w[600] = {0}, x[600] = {0};
    int32_t out[4];
    cr_assert_eq(nce_photonic_block_dots(d, 1, 1, 0, w, 300, x, out), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_block_dots(d, 1, 1, 257, w, 300, x, out), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_block_dots(d, 1, 2, 32, w, 63, x, out), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_block_dots(d, 1, SIZE_MAX / 16, 32, w, 63, x, out), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_block_dots(d, 1, 1, 32, NULL, 32, x, out), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_block_dots(d, 0, 1, 32, NULL, 32, NULL, NULL), NCE_OK);
    cr_assert_eq(nce_photonic_fault_set(d, 7, NCE_PHOTONIC_FAULT_DARK, 1.0), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_fault_set(d, 0, NCE_PHOTONIC_FAULT_DARK, NAN), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_break(d, NCE_PHOTONIC_RAIL_DEAD, 6), NCE_ERR_INVALID);
    cr_assert_eq(nce_photonic_pass_time(d, 1, -1.0, false), NCE_ERR_INVALID);
    nce_photonic_lane lane = NCE_PHOTONIC_LANE_INIT;
    cr_assert_eq(nce_photonic_lane_get(d, 7, &lane), NCE_ERR_INVALID);
    lane.struct_size = 0;
    cr_assert_eq(nce_photonic_lane_get(d, 0, &lane), NCE_ERR_INVALID);
    nce_photonic_destroy(d);
    nce_photonic_destroy(NULL);
    nce_context_destroy(ctx);
}

Test(photonic_device, calibration_finds_the_rings_and_phases)
{
    nce_context *ctx = context();
    for (int seed = 0; seed < 8; seed++) {
        char text[32];
        snprintf(text, sizeof text, "sim,seed=%d", seed);
        nce_photonic *d = open_device(ctx, text);
        for (uint32_t i = 0; i < NCE_PHOTONIC_LANES; i++) {
            nce_photonic_lane lane = NCE_PHOTONIC_LANE_INIT;
            cr_assert_eq(nce_photonic_lane_get(d, i, &lane), NCE_OK);
            cr_assert_eq(lane.in_use, 1);
            cr_assert_float_eq(lane.amplitude, 1.0, 0.01, "seed %d lane %u: %g", seed, i, lane.amplitude);
            cr_assert_float_eq(lane.phase_error, 0.0, 0.002, "seed %d lane %u: %g", seed, i, lane.phase_error);
            cr_assert_gt(lane.margin_sigma, 15.0);
        }
        nce_photonic_destroy(d);
    }
    nce_photonic *raw = open_device(ctx, "sim,nocalibration,seed=2");
    check_product(raw, 50, 4, 32, 5);
    cr_assert_gt(stats_of(raw).wrong_residues, 0, "untuned lanes read wrongly");
    nce_photonic_destroy(raw);
    nce_context_destroy(ctx);
}

Test(photonic_device, drift_is_compensated_by_temperature)
{
    nce_context *ctx = context();
    nce_photonic *d = open_device(ctx, "sim,nofallback");
    cr_assert_eq(nce_photonic_pass_time(d, 120000, 60.0, false), NCE_OK);
    nce_photonic_sample s = NCE_PHOTONIC_SAMPLE_INIT;
    cr_assert_eq(nce_photonic_sample_get(d, &s), NCE_OK);
    cr_assert_gt(s.temp1_input, 70000, "45 K above the temperature of calibration: 4.5 nm, thirty line widths");
    check_product(d, 200, 8, 32, 4);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}

Test(photonic_device, options_text)
{
    nce_context *ctx = context();
    char name[64];
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
    cr_assert_eq(nce_photonic_options_parse(ctx,
                                            "sim,seed=18446744073709551615,noise=0.0164,adc=6,dac=12,retries=5,"
                                            "fault=3:dark:0.25,warning=70,critical=80,emergency=90,hysteresis=4,"
                                            "ambient=45,drift=0.07,nofallback,thread",
                                            &o, name, sizeof name),
                 NCE_OK);
    cr_assert(strcmp(o.transport, "sim") == 0 && o.seed == UINT64_MAX && o.noise == 0.0164 && o.adc_bits == 6 &&
              o.dac_bits == 12 && o.retries == 5 && o.fault_lane == 3 && o.fault_kind == NCE_PHOTONIC_FAULT_DARK &&
              o.fault_rate == 0.25 && o.warning_mc == 70000 && o.critical_mc == 80000 && o.emergency_mc == 90000 &&
              o.hysteresis_mc == 4000 && o.ambient_mc == 45000 && o.drift_nm_per_k == 0.07 &&
              o.flags == (NCE_PHOTONIC_NO_FALLBACK | NCE_PHOTONIC_GUARD_THREAD));
    static const char *const wrong[] = {"",
                                        ",seed=1",
                                        "sim,seed=-1",
                                        "sim,adc=3",
                                        "sim,adc=x",
                                        "sim,noise=2",
                                        "sim,fault=7:dark",
                                        "sim,fault=1",
                                        "sim,unknown",
                                        "sim,noise=nan",
                                        "sim,seed",
                                        "sim,adc=",
                                        "sim,thread=1",
                                        "sim,emergency=200",
                                        "sim,=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_eq(nce_photonic_options_parse(ctx, wrong[i], &o, name, sizeof name), NCE_ERR_INVALID, "%s", wrong[i]);
    nce_context_destroy(ctx);
}

Test(photonic_device, options_out_of_range_are_refused)
{
    nce_context *ctx = context();
    nce_photonic *d;
    static const char *const wrong[] = {"sim,warning=85,critical=84", "sim,critical=95", "sim,warning=20",
                                        "sim,hysteresis=12", "sim,emergency=106"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
        char name[64];
        cr_assert_eq(nce_photonic_options_parse(ctx, wrong[i], &o, name, sizeof name), NCE_OK);
        cr_assert_eq(nce_photonic_create(ctx, &o, &d), NCE_ERR_INVALID, "%s", wrong[i]);
        cr_assert_null(d);
    }
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
    o.transport = "pigeon";
    cr_assert_eq(nce_photonic_create(ctx, &o, &d), NCE_ERR_NOTFOUND);
    o = (nce_photonic_options)NCE_PHOTONIC_OPTIONS_INIT;
    o.flags = 1u << 31;
    cr_assert_eq(nce_photonic_create(ctx, &o, &d), NCE_ERR_INVALID);
    nce_context_destroy(ctx);
}

Test(photonic_device, the_same_seed_gives_the_same_run)
{
    nce_context *ctx = context();
    nce_photonic_stats s[2];
    for (int k = 0; k < 2; k++) {
        nce_photonic *d = open_device(ctx, "sim,seed=42,noise=0.03,adc=6");
        check_product(d, 500, 20, 128, 6);
        s[k] = stats_of(d);
        nce_photonic_destroy(d);
    }
    cr_assert_arr_eq(&s[0], &s[1], sizeof s[0]);
    cr_assert_gt(s[0].wrong_residues, 0);
    nce_context_destroy(ctx);
}

Test(photonic_device, every_failing_allocation)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options co = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        nce_photonic *d = NULL;
        co.allocator = faulty_allocator(&f);
        if (nce_context_create(&co, &ctx) == NCE_OK) {
            int8_t w[32] = {1}, x[32] = {2};
            int32_t out = 0;
            const nce_status status = nce_photonic_create(ctx, NULL, &d);
            cr_assert(status == NCE_OK ? d != NULL : status == NCE_ERR_NOMEM && d == NULL);
            if (d != NULL) {
                cr_assert_eq(nce_photonic_block_dots(d, 1, 1, 32, w, 32, x, &out), NCE_OK);
                cr_assert_eq(out, 2);
            }
            nce_photonic_destroy(d);
            nce_context_destroy(ctx);
        }
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
    }
}
