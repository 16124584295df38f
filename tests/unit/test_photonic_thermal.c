/* Heat: goldens of the plant with its guard, scenarios of the whole device in virtual time, sensor votes. */
#include "nce/photonic.h"
#include "src/photonic/device.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const nce_tec module = {0.022, 10.0, 0.03};

Test(photonic_thermal, golden_steady_states_and_first_warnings)
{
    /* Load, steady junction temperature, seconds to the first warning (0: never): forward Euler at 1 ms in double. */
    static const double golden[][3] = {
        {20, 56.97, 0}, {40, 76.36, 95.9}, {60, 78.40, 39.3}, {90, 80.46, 15.7}, {140, 82.50, 2.58}};
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        nce_plant plant;
        nce_guard guard;
        nce_guard_output out = {0};
        double first = 0.0;
        nce_plant_init(&plant, 25.0);
        nce_guard_init(&guard, &nce_guard_default_limits, &module);
        for (int ms = 0; ms < 240000; ms++) {
            const int32_t mc = (int32_t)lrint(plant.junction * 1000.0) + ms % 3 - 1; /* a converter's noise */
            const nce_guard_input in = {{mc, mc, mc}, out.fan_rpm, out.fan_rpm, true, false};
            out = nce_guard_tick(&guard, &in);
            if (guard.tier == NCE_GUARD_WARNING && first == 0.0) first = ms * 1e-3;
            cr_assert_lt(guard.tier, NCE_GUARD_CRITICAL);
            nce_plant_step(&plant, golden[k][0] * (1.0 - out.throttle_ppm * 1e-6), out.tec_ma * 1e-3, out.fan_rpm,
                           1e-3);
        }
        cr_assert_float_eq(plant.junction, golden[k][1], 0.05, "%g W: %.3f C", golden[k][0], plant.junction);
        cr_assert_float_eq(first, golden[k][2], 0.05 + 0.0005 * golden[k][2], "%g W: first warning %.2f s",
                           golden[k][0], first);
    }
}

static nce_guard_output feed(nce_guard *g, int32_t mc)
{
    const int32_t noise = (int32_t)(g->ticks % 2);
    const nce_guard_input in = {{mc + noise, mc + noise, mc + noise}, 1000, 1000, true, false};
    return nce_guard_tick(g, &in);
}

/* Move to mc at 100 K/s, hold it. */
static nce_guard_output ramp(nce_guard *g, int32_t mc)
{
    nce_guard_output out = feed(g, g->mc);
    while (abs(g->mc - mc) > 100)
        out = feed(g, g->mc + (g->mc < mc ? 100 : -100));
    for (int i = 0; i < 5; i++)
        out = feed(g, mc);
    return out;
}

Test(photonic_thermal, every_tier_is_entered_and_left_at_its_threshold)
{
    nce_guard g;
    nce_guard_init(&g, &nce_guard_default_limits, &module);
    cr_assert_eq(ramp(&g, 74990).throttle_ppm, 0);
    cr_assert_eq(g.tier, NCE_GUARD_NORMAL);
    cr_assert_lt(ramp(&g, 75010).throttle_ppm, 2000);
    cr_assert_eq(g.tier, NCE_GUARD_WARNING);
    const nce_guard_output half = ramp(&g, 80000);
    cr_assert_float_eq((double)half.throttle_ppm, 375000, 100, "half way: half of 75 %%, not %u ppm",
                       half.throttle_ppm);
    ramp(&g, 70010);
    cr_assert_eq(g.tier, NCE_GUARD_WARNING, "hysteresis");
    ramp(&g, 69990);
    cr_assert_eq(g.tier, NCE_GUARD_NORMAL);
    const nce_guard_output hot = ramp(&g, 85010);
    cr_assert_eq(g.tier, NCE_GUARD_CRITICAL);
    cr_assert_eq(hot.throttle_ppm, 750000);
    cr_assert_eq(hot.tec_ma, 500);
    cr_assert_eq(hot.fan_rpm, 4000);
    cr_assert_eq(hot.reasons, NCE_PHOTONIC_REASON_CRITICAL);
    ramp(&g, 80010);
    cr_assert_eq(g.tier, NCE_GUARD_CRITICAL);
    ramp(&g, 79990);
    cr_assert_eq(g.tier, NCE_GUARD_WARNING);
    cr_assert(!ramp(&g, 94000).shutdown);
    const nce_guard_output off = ramp(&g, 95000);
    cr_assert(off.shutdown && off.throttle_ppm == 1000000 && g.tier == NCE_GUARD_EMERGENCY);
    cr_assert(!nce_guard_reset(&g));
    cr_assert(ramp(&g, 30000).shutdown, "latched");
    cr_assert(nce_guard_reset(&g));
    cr_assert(!feed(&g, 30000).shutdown);
}

Test(photonic_thermal, the_cooler_never_gets_more_than_its_best_current)
{
    const nce_tec weak = {0.01, 10.0, 0.03}; /* best current 358 mA at 85 C */
    nce_guard g;
    nce_guard_init(&g, &nce_guard_default_limits, &weak);
    cr_assert_float_eq((double)ramp(&g, 86000).tec_ma, 359, 1);
}

Test(photonic_thermal, limits_are_checked)
{
    nce_guard_limits l = nce_guard_default_limits;
    cr_assert_null(nce_guard_check_limits(&l));
    l.critical_mc = 79000;
    cr_assert_not_null(nce_guard_check_limits(&l));
    l = nce_guard_default_limits;
    l.emergency_mc = 105001;
    cr_assert_not_null(nce_guard_check_limits(&l));
    l = nce_guard_default_limits;
    l.hysteresis_mc = 400;
    cr_assert_not_null(nce_guard_check_limits(&l));
    l = nce_guard_default_limits;
    l.tec_max_ma = 2001;
    cr_assert_not_null(nce_guard_check_limits(&l));
}

Test(photonic_thermal, sensor_votes)
{
    nce_sensors s = {0};
    int32_t mc = 0;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){40000 + i % 2, 40010 - i % 2, 40020 + i % 2}, true, &mc), 7);
    cr_assert_eq(mc, 40009, "median");
    cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){-200000, 40010, 40021}, true, &mc), 6, "open circuit");
    cr_assert_eq(mc, 40021, "the hotter of two");
    for (int i = 0; i < 990; i++)
        cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){40000 + i % 2, 40010 - i % 2, 40020 + i % 2}, true, &mc), 6);
    for (int i = 0; i < 20; i++)
        nce_sensors_vote(&s, (int32_t[]){40000 + i % 2, 40010 - i % 2, 40020 + i % 2}, true, &mc);
    cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){40000, 40009, 40022}, true, &mc), 7, "believed again after a second");
    int stuck_after = 0;
    while (nce_sensors_vote(&s, (int32_t[]){40001, 40010 + stuck_after % 2, 40020 + stuck_after % 2}, true, &mc) == 7)
        cr_assert_lt(stuck_after++, 2000);
    cr_assert_float_eq(stuck_after, 999, 2);
    cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){40001, 40900, 40020}, true, &mc), 4, "two gone");
    cr_assert(!nce_sensors_valid(4));
    s = (nce_sensors){0};
    nce_sensors_vote(&s, (int32_t[]){40000, 40000, 60000}, false, &mc);
    cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){40000, 40000, 60000}, false, &mc), 3, "far from the others");
    s = (nce_sensors){0};
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(nce_sensors_vote(&s, (int32_t[]){40000, 40000, 40000}, false, &mc), 7,
                     "unpowered may stand still");
}

/* ---- the whole device ---- */

typedef struct rig {
    nce_context *ctx;
    nce_photonic *d;
    double hottest_powered;
    uint32_t tiers; /* mask of tiers seen */
    uint32_t reasons;
    int tier_changes;
} rig;

static rig start(const char *text)
{
    rig r = {0};
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
    char name[64];
    cr_assert_eq(nce_context_create(NULL, &r.ctx), NCE_OK);
    cr_assert_eq(nce_photonic_options_parse(r.ctx, text, &o, name, sizeof name), NCE_OK);
    nce_status status = nce_photonic_create(r.ctx, &o, &r.d);
    /* In real time a machine so busy that the guard sleeps for 100 ms makes the watchdog cut power: then start again. */
    for (int tries = 0; tries < 10 && status == NCE_ERR_BACKEND && (o.flags & NCE_PHOTONIC_GUARD_THREAD); tries++)
        status = nce_photonic_create(r.ctx, &o, &r.d);
    cr_assert_eq(status, NCE_OK, "%s", nce_context_error(r.ctx));
    return r;
}

static nce_photonic_sample sample(rig *r)
{
    nce_photonic_sample s = NCE_PHOTONIC_SAMPLE_INIT;
    cr_assert_eq(nce_photonic_sample_get(r->d, &s), NCE_OK);
    return s;
}

static nce_photonic_sample pass(rig *r, double seconds, double watt, bool stalled)
{
    nce_photonic_sample s = sample(r);
    for (int ms = 0; ms < (int)(seconds * 1000); ms++) {
        const uint32_t before = s.tier;
        cr_assert_eq(nce_photonic_pass_time(r->d, 1, watt, stalled), NCE_OK);
        s = sample(r);
        const double junction = nce_psim_junction(r->d->sim);
        if (r->d->sim->rail_enable != 0 && junction > r->hottest_powered) r->hottest_powered = junction;
        r->tiers |= 1u << s.tier;
        r->reasons |= s.throttle_reasons;
        r->tier_changes += s.tier != before;
    }
    return s;
}

static void finish(rig *r)
{
    cr_assert_leq(r->hottest_powered, 95.0, "%.3f C with power on", r->hottest_powered);
    nce_photonic_destroy(r->d);
    nce_context_destroy(r->ctx);
}

Test(photonic_thermal, step_loads_to_140_watt_do_not_cycle)
{
    rig r = start("sim");
    for (int i = 0; i < 4; i++) {
        pass(&r, 30, (double[]){20, 140, 60, 140}[i], false);
        r.tier_changes = 0;
        const nce_photonic_sample a = pass(&r, 20, (double[]){20, 140, 60, 140}[i], false);
        if (i > 0) {
            cr_assert_eq(a.tier, NCE_GUARD_WARNING);
            cr_assert_leq(r.tier_changes, 0, "settled: no limit cycle");
        }
    }
    cr_assert_eq(r.tiers, 3u);
    finish(&r);
}

Test(photonic_thermal, a_steady_load_settles_to_a_constant)
{
    rig r = start("sim");
    pass(&r, 200, 140, false);
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (int i = 0; i < 2000; i++) {
        const int32_t t = pass(&r, 0.01, 140, false).temp1_input;
        low = t < low ? t : low;
        high = t > high ? t : high;
    }
    cr_assert_leq(high - low, 20, "%d millidegrees peak to peak", high - low);
    finish(&r);
}

Test(photonic_thermal, dead_fan_in_a_hot_room_ends_in_a_safe_shutdown)
{
    rig r = start("sim,ambient=45");
    nce_photonic_break(r.d, NCE_PHOTONIC_FAN_DEAD, 0);
    nce_photonic_sample s = sample(&r);
    for (int i = 0; i < 3000 && s.power_state != NCE_PHOTONIC_POWER_LATCHED; i++)
        s = pass(&r, 0.1, 140, false);
    cr_assert_eq(r.tiers, 15u, "every tier was passed: %x", r.tiers);
    cr_assert_eq(s.power_state, NCE_PHOTONIC_POWER_LATCHED);
    cr_assert_eq(s.lasers, 0);
    cr_assert(r.reasons & NCE_PHOTONIC_REASON_FAN);
    cr_assert(r.reasons & NCE_PHOTONIC_REASON_EMERGENCY);
    cr_assert_gt(r.hottest_powered, 94.5, "and not before its threshold: %.3f", r.hottest_powered);
    cr_assert_eq(nce_photonic_power(r.d, true), NCE_ERR_STATE, "latched");
    cr_assert_eq(nce_photonic_reset(r.d), NCE_ERR_STATE, "still hot: %d", sample(&r).temp1_input);
    nce_photonic_break(r.d, NCE_PHOTONIC_PART_OK, 0);
    pass(&r, 200, 0, false);
    cr_assert_eq(nce_photonic_reset(r.d), NCE_OK, "%s", nce_context_error(r.ctx));
    cr_assert_eq(nce_photonic_power(r.d, true), NCE_OK, "%s", nce_context_error(r.ctx));
    cr_assert_eq(sample(&r).lasers, 1);
    finish(&r);
}

Test(photonic_thermal, the_light_goes_before_the_rails)
{
    rig r = start("sim,ambient=45");
    nce_photonic_break(r.d, NCE_PHOTONIC_FAN_DEAD, 0);
    pass(&r, 300, 140, false);
    char line[80];
    int laser = -1, rail = -1;
    for (uint32_t i = 0; nce_photonic_power_log(r.d, i, line, sizeof line); i++) {
        if (strstr(line, "lasers off")) laser = (int)i;
        if (strstr(line, "rail") && strstr(line, "off") && rail < 0) rail = (int)i;
    }
    cr_assert(laser >= 0 && rail > laser);
    finish(&r);
}

Test(photonic_thermal, one_lost_sensor_is_outvoted_and_two_mean_emergency)
{
    rig r = start("sim");
    nce_photonic_break(r.d, NCE_PHOTONIC_SENSOR_STUCK, 1);
    nce_photonic_sample s = pass(&r, 20, 90, false);
    cr_assert(s.throttle_reasons & NCE_PHOTONIC_REASON_SENSOR);
    cr_assert_eq(s.lasers, 1);
    cr_assert_float_eq(s.temp1_input, 1000.0 * nce_psim_junction(r.d->sim), 10);
    nce_photonic_break(r.d, NCE_PHOTONIC_SENSOR_OPEN, 2);
    s = pass(&r, 0.1, 90, false);
    cr_assert_eq(s.tier, NCE_GUARD_EMERGENCY);
    cr_assert_eq(s.lasers, 0);
    cr_assert_eq(nce_photonic_reset(r.d), NCE_ERR_STATE, "no valid sensor");
    finish(&r);
}

Test(photonic_thermal, all_sensors_stuck_mean_emergency_within_about_a_second)
{
    rig r = start("sim");
    pass(&r, 5, 60, false);
    for (uint32_t i = 0; i < 3; i++)
        nce_photonic_break(r.d, NCE_PHOTONIC_SENSOR_STUCK, i);
    cr_assert_eq(pass(&r, 0.9, 60, false).lasers, 1);
    const nce_photonic_sample s = pass(&r, 0.2, 60, false);
    cr_assert_eq(s.lasers, 0);
    cr_assert_eq(s.tier, NCE_GUARD_EMERGENCY);
    finish(&r);
}

Test(photonic_thermal, a_stalled_guard_is_replaced_by_the_device)
{
    rig r = start("sim");
    pass(&r, 30, 140, false);
    nce_photonic_sample s = pass(&r, 0.009, 140, true);
    cr_assert(!(s.throttle_reasons & NCE_PHOTONIC_REASON_WATCHDOG));
    s = pass(&r, 0.01, 140, true);
    cr_assert(s.throttle_reasons & NCE_PHOTONIC_REASON_WATCHDOG);
    cr_assert_eq(s.throttle_ppm, 750000);
    cr_assert_eq(s.fan1_input, 4000);
    cr_assert(nce_psim_lasers(r.d->sim));
    pass(&r, 0.09, 140, true);
    cr_assert(!nce_psim_lasers(r.d->sim), "after 100 ms the device gives up on its guard");
    pass(&r, 0.01, 140, true);
    cr_assert_eq(r.d->sim->rail_enable, 0);
    s = pass(&r, 0.5, 0, false);
    cr_assert_eq(s.power_state, NCE_PHOTONIC_POWER_LATCHED, "and the guard agrees when it is back");
    finish(&r);
}

Test(photonic_thermal, a_guard_that_stalls_near_the_limit_is_still_in_time)
{
    rig r = start("sim,ambient=45");
    nce_photonic_break(r.d, NCE_PHOTONIC_FAN_DEAD, 0);
    while (sample(&r).temp1_input < 94800 && sample(&r).lasers)
        pass(&r, 0.01, 140, false);
    pass(&r, 3, 140, true);
    cr_assert(!nce_psim_lasers(r.d->sim));
    finish(&r);
}

Test(photonic_thermal, own_thresholds)
{
    rig r = start("sim,warning=50,critical=60,emergency=70,hysteresis=3");
    const nce_photonic_sample s = pass(&r, 100, 60, false);
    cr_assert_eq(s.tier, NCE_GUARD_WARNING);
    cr_assert(s.temp1_input > 50000 && s.temp1_input < 60000);
    cr_assert(s.temp1_max == 50000 && s.temp1_max_hyst == 47000 && s.temp1_crit == 60000 &&
              s.temp1_crit_hyst == 57000 && s.temp1_emergency == 70000);
    r.hottest_powered = 0; /* another limit here */
    finish(&r);
}

Test(photonic_thermal, the_guard_runs_on_its_own_thread_in_real_time)
{
    rig r = start("sim,thread");
    cr_assert_eq(nce_photonic_pass_time(r.d, 1, 1.0, false), NCE_ERR_STATE);
    int8_t w[64 * 32] = {3}, x[32] = {4};
    int32_t out[64];
    nce_photonic_stats s = NCE_PHOTONIC_STATS_INIT;
    do {
        cr_assert_eq(nce_photonic_block_dots(r.d, 64, 1, 32, w, 32, x, out), NCE_OK);
        cr_assert_eq(out[0], 12);
        cr_assert_eq(nce_photonic_stats_get(r.d, &s), NCE_OK);
    } while (s.guard_ticks < 100);
    cr_assert_gt(s.guard_jitter_sum_ns, 0, "jitter is reported");
    cr_assert_geq(s.guard_jitter_max_ns, s.guard_jitter_sum_ns / s.guard_ticks);
    finish(&r);
}
