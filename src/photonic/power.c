/* Power sequencer (see power.h). */
#include "src/photonic/power.h"

const uint32_t nce_rail_millivolt[NCE_RAILS] = {1000, 1800, 2500, 3300, 5000, 12000};

enum { GOOD_MS = 2, RISE_MS = 50, FALL_MS = 100, REST_MS = 100, STEADY_MS = 1000, MAX_RETRIES = 3, PER_GROUP = 2 };

static void record(nce_power *p, nce_power_event_kind kind, int rail)
{
    p->log[p->n_events++ % NCE_POWER_LOG] = (nce_power_event){p->ms, rail, kind};
}

static void enter(nce_power *p, nce_power_state state)
{
    p->state = state;
    p->in_state_ms = 0;
}

void nce_power_init(nce_power *p)
{
    *p = (nce_power){0};
}

static void laser(nce_power *p, bool on)
{
    if (p->laser == on) return;
    p->laser = on;
    record(p, on ? NCE_POWER_EVENT_LASER_ON : NCE_POWER_EVENT_LASER_OFF, -1);
}

static void group_on(nce_power *p, int group)
{
    p->group = group;
    for (int r = group * PER_GROUP; r < (group + 1) * PER_GROUP; r++) {
        p->enable |= 1u << r;
        p->good_ms[r] = 0;
        record(p, NCE_POWER_EVENT_RAIL_ON, r);
    }
    enter(p, NCE_POWER_RISING);
}

static void group_off(nce_power *p, int group)
{
    p->group = group;
    for (int r = (group + 1) * PER_GROUP - 1; r >= group * PER_GROUP; r--) {
        if (p->enable >> r & 1) record(p, NCE_POWER_EVENT_RAIL_OFF, r);
        p->enable &= ~(1u << r);
    }
    enter(p, NCE_POWER_FALLING);
}

/* Lasers off now; the highest group that is on goes off in this same tick. */
static void fall(nce_power *p, bool faulted)
{
    laser(p, false);
    p->faulted = p->faulted || faulted;
    if (p->state == NCE_POWER_RISING || p->state == NCE_POWER_ON) group_off(p, p->group);
}

void nce_power_request(nce_power *p, bool on)
{
    p->wanted = on;
    if (!on) p->laser_wanted = false;
}

void nce_power_request_laser(nce_power *p, bool on)
{
    p->laser_wanted = on;
    if (!on) laser(p, false);
}

void nce_power_trip(nce_power *p)
{
    p->wanted = p->laser_wanted = false;
    if (p->trip || p->state == NCE_POWER_LATCHED) return;
    p->trip = true;
    record(p, NCE_POWER_EVENT_TRIP, -1);
    fall(p, true);
    if (p->state == NCE_POWER_OFF || p->state == NCE_POWER_RESTING) {
        record(p, NCE_POWER_EVENT_LATCHED, -1);
        enter(p, NCE_POWER_LATCHED);
    }
}

void nce_power_reset(nce_power *p)
{
    if (p->state != NCE_POWER_LATCHED) return;
    p->trip = p->faulted = p->wanted = false;
    p->retries = 0;
    enter(p, NCE_POWER_OFF);
}

bool nce_power_good(const nce_power *p, int rail, uint32_t millivolt)
{
    const uint64_t nominal = nce_rail_millivolt[rail];
    return (p->enable >> rail & 1) && millivolt * 1000ull >= nominal * 925 && millivolt * 1000ull <= nominal * 1075;
}

/* Too high, whatever the state; true if a fault was recorded. */
static bool overvoltage(nce_power *p, const uint32_t mv[NCE_RAILS])
{
    for (int r = 0; r < NCE_RAILS; r++)
        if ((p->enable >> r & 1) && mv[r] * 100ull > nce_rail_millivolt[r] * 115ull) {
            record(p, NCE_POWER_EVENT_OVERVOLTAGE, r);
            return true;
        }
    return false;
}

/* A rail below the rising group (or any rail when all are on) that is no longer good. */
static bool brown_out(nce_power *p, const uint32_t mv[NCE_RAILS], int n_rails)
{
    for (int r = 0; r < n_rails; r++)
        if (!nce_power_good(p, r, mv[r])) {
            record(p, NCE_POWER_EVENT_BROWN_OUT, r);
            return true;
        }
    return false;
}

static void rising(nce_power *p, const uint32_t mv[NCE_RAILS])
{
    bool all = true;
    for (int r = p->group * PER_GROUP; r < (p->group + 1) * PER_GROUP; r++) {
        p->good_ms[r] = nce_power_good(p, r, mv[r]) ? p->good_ms[r] + 1 : 0;
        if (p->good_ms[r] == GOOD_MS) record(p, NCE_POWER_EVENT_RAIL_GOOD, r);
        all &= p->good_ms[r] >= GOOD_MS;
    }
    if (all && p->group + 1 < NCE_RAIL_GROUPS) {
        group_on(p, p->group + 1);
    } else if (all) {
        enter(p, NCE_POWER_ON);
        record(p, NCE_POWER_EVENT_READY, -1);
    } else if (p->in_state_ms >= RISE_MS) {
        for (int r = p->group * PER_GROUP; r < (p->group + 1) * PER_GROUP; r++)
            if (p->good_ms[r] < GOOD_MS) record(p, NCE_POWER_EVENT_TIMEOUT, r);
        fall(p, true);
    }
}

static void all_off(nce_power *p)
{
    if (p->trip || (p->faulted && p->retries >= MAX_RETRIES)) {
        record(p, NCE_POWER_EVENT_LATCHED, -1);
        enter(p, NCE_POWER_LATCHED);
        p->wanted = false;
    } else {
        enter(p, p->faulted ? NCE_POWER_RESTING : NCE_POWER_OFF);
    }
}

static void falling(nce_power *p, const uint32_t mv[NCE_RAILS])
{
    bool empty = true;
    for (int r = p->group * PER_GROUP; r < (p->group + 1) * PER_GROUP; r++) {
        const bool charged = mv[r] * 1000ull >= nce_rail_millivolt[r] * 125ull;
        if (charged && p->in_state_ms >= FALL_MS) record(p, NCE_POWER_EVENT_STUCK_ON, r);
        empty &= !charged || p->in_state_ms >= FALL_MS;
    }
    if (!empty) return;
    if (p->group > 0)
        group_off(p, p->group - 1);
    else
        all_off(p);
}

static void on(nce_power *p, const uint32_t mv[NCE_RAILS])
{
    if (brown_out(p, mv, NCE_RAILS)) {
        fall(p, true);
        return;
    }
    if (p->in_state_ms >= STEADY_MS) p->retries = 0;
    if (!p->wanted)
        fall(p, false);
    else
        laser(p, p->laser_wanted);
}

void nce_power_tick(nce_power *p, const uint32_t mv[NCE_RAILS])
{
    p->ms++;
    p->in_state_ms++;
    if ((p->state == NCE_POWER_RISING || p->state == NCE_POWER_ON) && overvoltage(p, mv)) {
        fall(p, true);
        return;
    }
    switch (p->state) {
    case NCE_POWER_OFF:
        p->faulted = false;
        if (p->wanted) group_on(p, 0);
        break;
    case NCE_POWER_RISING:
        if (!p->wanted)
            fall(p, false);
        else if (brown_out(p, mv, p->group * PER_GROUP))
            fall(p, true);
        else
            rising(p, mv);
        break;
    case NCE_POWER_ON:
        on(p, mv);
        break;
    case NCE_POWER_FALLING:
        falling(p, mv);
        break;
    case NCE_POWER_RESTING:
        if (p->in_state_ms < REST_MS) break;
        p->faulted = false;
        p->retries += p->wanted;
        if (p->wanted) record(p, NCE_POWER_EVENT_RETRY, -1);
        enter(p, NCE_POWER_OFF);
        break;
    case NCE_POWER_LATCHED:
        break;
    }
}
