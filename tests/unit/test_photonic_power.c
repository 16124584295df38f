/* Power rails: the order up and down, every rail failing in every way at every step, brown-out, retries, latch. */
#include "nce/photonic.h"
#include "src/photonic/power.h"
#include "src/photonic/rails.h"
#include <criterion/criterion.h>
#include <string.h>

typedef struct bench {
    nce_power power;
    nce_rails rails;
} bench;

static void run(bench *b, int ms)
{
    for (int i = 0; i < ms; i++) {
        uint32_t mv[NCE_RAILS];
        nce_rails_step(&b->rails, b->power.enable, 1e-3);
        for (int r = 0; r < NCE_RAILS; r++)
            mv[r] = (uint32_t)(b->rails.millivolt[r] + 0.5);
        nce_power_tick(&b->power, mv);
        if (b->power.laser) {
            cr_assert_eq(b->power.state, NCE_POWER_ON);
            for (int r = 0; r < NCE_RAILS; r++)
                cr_assert(nce_power_good(&b->power, r, mv[r]), "light with rail %d at %u mV", r, mv[r]);
        }
    }
}

static const nce_power_event *event(const bench *b, uint64_t i)
{
    cr_assert_lt(i, b->power.n_events);
    return &b->power.log[i % NCE_POWER_LOG];
}

/* Index of the first event of a kind and rail from `from` on; n_events if none. */
static uint64_t find(const bench *b, uint64_t from, nce_power_event_kind kind, int rail)
{
    for (uint64_t i = from; i < b->power.n_events; i++)
        if (event(b, i)->kind == kind && (rail < 0 || event(b, i)->rail == rail)) return i;
    return b->power.n_events;
}

static bool happened(const bench *b, nce_power_event_kind kind, int rail)
{
    return find(b, 0, kind, rail) < b->power.n_events;
}

static void switch_on(bench *b)
{
    nce_power_request(&b->power, true);
    run(b, 60);
    cr_assert_eq(b->power.state, NCE_POWER_ON);
    nce_power_request_laser(&b->power, true);
    run(b, 2);
    cr_assert(b->power.laser);
}

Test(photonic_power, golden_order_up_and_down)
{
    static const struct {
        nce_power_event_kind kind;
        int rail;
    } golden[] = {
        {NCE_POWER_EVENT_RAIL_ON, 0},   {NCE_POWER_EVENT_RAIL_ON, 1},   {NCE_POWER_EVENT_RAIL_GOOD, 0},
        {NCE_POWER_EVENT_RAIL_GOOD, 1}, {NCE_POWER_EVENT_RAIL_ON, 2},   {NCE_POWER_EVENT_RAIL_ON, 3},
        {NCE_POWER_EVENT_RAIL_GOOD, 2}, {NCE_POWER_EVENT_RAIL_GOOD, 3}, {NCE_POWER_EVENT_RAIL_ON, 4},
        {NCE_POWER_EVENT_RAIL_ON, 5},   {NCE_POWER_EVENT_RAIL_GOOD, 4}, {NCE_POWER_EVENT_RAIL_GOOD, 5},
        {NCE_POWER_EVENT_READY, -1},    {NCE_POWER_EVENT_LASER_ON, -1}, {NCE_POWER_EVENT_LASER_OFF, -1},
        {NCE_POWER_EVENT_RAIL_OFF, 5},  {NCE_POWER_EVENT_RAIL_OFF, 4},  {NCE_POWER_EVENT_RAIL_OFF, 3},
        {NCE_POWER_EVENT_RAIL_OFF, 2},  {NCE_POWER_EVENT_RAIL_OFF, 1},  {NCE_POWER_EVENT_RAIL_OFF, 0},
    };
    bench b = {0};
    nce_power_init(&b.power);
    switch_on(&b);
    nce_power_request(&b.power, false);
    run(&b, 100);
    cr_assert_eq(b.power.state, NCE_POWER_OFF);
    cr_assert_eq(b.power.n_events, sizeof golden / sizeof *golden);
    for (uint64_t i = 0; i < b.power.n_events; i++)
        cr_assert(event(&b, i)->kind == golden[i].kind && event(&b, i)->rail == golden[i].rail, "event %d", (int)i);
    cr_assert_geq(event(&b, 2)->ms - event(&b, 0)->ms, 5, "the rise takes its time");
}

Test(photonic_power, every_rail_failing_at_power_up_rolls_back_and_latches)
{
    static const nce_rail_fault faults[] = {NCE_RAIL_FAULT_DEAD, NCE_RAIL_FAULT_LOW, NCE_RAIL_FAULT_HIGH,
                                            NCE_RAIL_FAULT_SLOW};
    for (int rail = 0; rail < NCE_RAILS; rail++)
        for (size_t k = 0; k < 4; k++) {
            bench b = {0};
            nce_power_init(&b.power);
            b.rails.fault[rail] = faults[k];
            nce_power_request(&b.power, true);
            nce_power_request_laser(&b.power, true);
            run(&b, 2000);
            cr_assert_eq(b.power.state, NCE_POWER_LATCHED, "rail %d fault %d", rail, (int)faults[k]);
            cr_assert_eq(b.power.enable, 0);
            cr_assert(!b.power.laser && !happened(&b, NCE_POWER_EVENT_LASER_ON, -1));
            const nce_power_event_kind cause =
                faults[k] == NCE_RAIL_FAULT_HIGH ? NCE_POWER_EVENT_OVERVOLTAGE : NCE_POWER_EVENT_TIMEOUT;
            cr_assert(happened(&b, cause, rail));
            for (int later = (rail / 2 + 1) * 2; later < NCE_RAILS; later++)
                cr_assert(!happened(&b, NCE_POWER_EVENT_RAIL_ON, later), "rail %d must not follow a bad rail %d", later,
                          rail);
            nce_power_reset(&b.power);
            b.rails.fault[rail] = NCE_RAIL_FAULT_NONE;
            run(&b, 500);
            cr_assert_eq(b.power.state, NCE_POWER_OFF, "no power without a new request");
            switch_on(&b);
        }
}

Test(photonic_power, a_fault_is_tried_again_three_times)
{
    bench b = {0};
    nce_power_init(&b.power);
    b.rails.fault[3] = NCE_RAIL_FAULT_DEAD;
    nce_power_request(&b.power, true);
    run(&b, 200);
    cr_assert(happened(&b, NCE_POWER_EVENT_RETRY, -1));
    b.rails.fault[3] = NCE_RAIL_FAULT_NONE;
    run(&b, 300);
    cr_assert_eq(b.power.state, NCE_POWER_ON, "mended in time");
    run(&b, 1100);
    cr_assert_eq(b.power.retries, 0, "a good second clears the count");
}

Test(photonic_power, every_rail_failing_while_on_takes_the_light_first)
{
    static const nce_rail_fault faults[] = {NCE_RAIL_FAULT_DEAD, NCE_RAIL_FAULT_LOW, NCE_RAIL_FAULT_HIGH};
    for (int rail = 0; rail < NCE_RAILS; rail++)
        for (size_t k = 0; k < 3; k++) {
            bench b = {0};
            nce_power_init(&b.power);
            switch_on(&b);
            const uint64_t from = b.power.n_events;
            b.rails.fault[rail] = faults[k];
            run(&b, 40);
            const uint64_t light = find(&b, from, NCE_POWER_EVENT_LASER_OFF, -1);
            uint64_t last = light;
            for (int r = NCE_RAILS - 1; r >= 0; r--) {
                const uint64_t off = find(&b, from, NCE_POWER_EVENT_RAIL_OFF, r);
                cr_assert(off > last && off < b.power.n_events, "rail %d failing: rail %d not off in order", rail, r);
                last = off;
            }
            cr_assert_eq(event(&b, light)->ms, event(&b, from)->ms, "light off in the tick of the fault");
        }
}

Test(photonic_power, every_rail_stuck_on_at_power_down_is_reported_and_passed)
{
    for (int rail = 0; rail < NCE_RAILS; rail++) {
        bench b = {0};
        nce_power_init(&b.power);
        switch_on(&b);
        b.rails.fault[rail] = NCE_RAIL_FAULT_STUCK_ON;
        nce_power_request(&b.power, false);
        run(&b, 400);
        cr_assert_eq(b.power.state, NCE_POWER_OFF);
        cr_assert(happened(&b, NCE_POWER_EVENT_STUCK_ON, rail));
        for (int r = 0; r < NCE_RAILS; r++)
            cr_assert(happened(&b, NCE_POWER_EVENT_RAIL_OFF, r));
    }
}

Test(photonic_power, switching_off_at_every_millisecond_of_power_up_ends_off)
{
    for (int ms = 0; ms < 60; ms++) {
        bench b = {0};
        nce_power_init(&b.power);
        nce_power_request(&b.power, true);
        run(&b, ms);
        nce_power_request(&b.power, false);
        run(&b, 200);
        cr_assert(b.power.state == NCE_POWER_OFF && b.power.enable == 0, "after %d ms", ms);
        for (int r = 0; r < NCE_RAILS; r++)
            cr_assert_lt(b.rails.millivolt[r], nce_rail_millivolt[r] * 0.125);
    }
}

Test(photonic_power, a_trip_at_every_millisecond_latches)
{
    for (int ms = 0; ms < 80; ms++) {
        bench b = {0};
        nce_power_init(&b.power);
        nce_power_request(&b.power, true);
        nce_power_request_laser(&b.power, true);
        run(&b, ms);
        nce_power_trip(&b.power);
        cr_assert(!b.power.laser, "at once, not at the next tick");
        run(&b, 300);
        cr_assert_eq(b.power.state, NCE_POWER_LATCHED, "after %d ms", ms);
        nce_power_request(&b.power, true);
        run(&b, 300);
        cr_assert_eq(b.power.enable, 0);
    }
}

Test(photonic_power, the_device_reports_a_rail_that_does_not_come_up)
{
    nce_context *ctx;
    nce_photonic *d;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_photonic_create(ctx, NULL, &d), NCE_OK);
    cr_assert_eq(nce_photonic_power(d, false), NCE_OK);
    int8_t w[32] = {2}, x[32] = {3};
    int32_t out = 0;
    cr_assert_eq(nce_photonic_block_dots(d, 1, 1, 32, w, 32, x, &out), NCE_OK, "without power the CPU computes");
    cr_assert_eq(out, 6);
    cr_assert_eq(nce_photonic_calibrate(d), NCE_ERR_STATE);
    nce_photonic_break(d, NCE_PHOTONIC_RAIL_DEAD, 5);
    cr_assert_eq(nce_photonic_power(d, true), NCE_ERR_BACKEND);
    char line[80];
    bool found = false;
    for (uint32_t i = 0; nce_photonic_power_log(d, i, line, sizeof line); i++)
        found |= strstr(line, "rail 12V not good in time") != NULL;
    cr_assert(found);
    cr_assert_eq(nce_photonic_power(d, true), NCE_ERR_STATE);
    nce_photonic_break(d, NCE_PHOTONIC_PART_OK, 0);
    cr_assert_eq(nce_photonic_reset(d), NCE_OK);
    cr_assert_eq(nce_photonic_power(d, true), NCE_OK);
    nce_photonic_destroy(d);
    nce_context_destroy(ctx);
}
