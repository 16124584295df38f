/* The thermal guard (see guard.h). */
#include "src/photonic/guard.h"
#include "nce/photonic.h"
#include <math.h>
#include <stddef.h>

const nce_guard_limits nce_guard_default_limits = {
    .warning_mc = 75000,
    .critical_mc = 85000,
    .emergency_mc = 95000,
    .hysteresis_mc = 5000,
    .tec_max_ma = 500,
    .fan_min_rpm = 1000,
    .fan_max_rpm = 4000,
};

enum { THROTTLE_MAX_PPM = 750000, IDLE_TEC_MA = 100, IDLE_TEC_FROM_MC = 45000, FAN_GRACE_MS = 2000 };

const char *nce_guard_check_limits(const nce_guard_limits *l)
{
    if (l->hysteresis_mc < 500 || l->hysteresis_mc > 20000) return "hysteresis outside 500..20000 millidegrees";
    if (l->warning_mc < 40000) return "warning threshold below 40000 millidegrees";
    if (l->emergency_mc > 105000) return "emergency threshold above 105000 millidegrees";
    if (l->critical_mc - l->warning_mc < l->hysteresis_mc || l->emergency_mc - l->critical_mc < l->hysteresis_mc)
        return "thresholds must ascend by at least the hysteresis";
    if (l->tec_max_ma > 2000) return "cooler current above 2000 mA";
    if (l->fan_max_rpm < l->fan_min_rpm || l->fan_max_rpm > 20000) return "fan speeds must ascend to at most 20000 rpm";
    return NULL;
}

void nce_guard_init(nce_guard *guard, const nce_guard_limits *limits, const nce_tec *tec)
{
    *guard = (nce_guard){.limits = *limits, .tec = *tec, .design_mc = 25000, .mc = 25000};
}

bool nce_guard_reset(nce_guard *guard)
{
    if (!nce_sensors_valid(guard->believed)) return false;
    if (guard->mc > guard->limits.warning_mc - guard->limits.hysteresis_mc) return false;
    guard->tier = NCE_GUARD_NORMAL;
    return true;
}

/* ahead_mc: the temperature two ticks from now if the slope of the last one lasts. */
static nce_guard_tier next_tier(const nce_guard *g, int32_t mc, int32_t ahead_mc)
{
    const int32_t up[] = {INT32_MIN, g->limits.warning_mc, g->limits.critical_mc};
    if (g->tier == NCE_GUARD_EMERGENCY || mc >= g->limits.emergency_mc || ahead_mc >= g->limits.emergency_mc)
        return NCE_GUARD_EMERGENCY;
    nce_guard_tier tier = NCE_GUARD_CRITICAL;
    while (tier > NCE_GUARD_NORMAL && mc < up[tier] - (tier <= g->tier ? g->limits.hysteresis_mc - 1 : 0))
        tier--;
    return tier;
}

/* Share of the way from the warning to the critical threshold, 0..1. */
static double warning_share(const nce_guard *g)
{
    const double span = g->limits.critical_mc - g->limits.warning_mc;
    return fmax(0.0, fmin(1.0, (g->mc - g->limits.warning_mc) / span));
}

static void drive(const nce_guard *g, nce_guard_output *out)
{
    const nce_guard_limits *l = &g->limits;
    const double best = 1000.0 * nce_tec_best_current(&g->tec, g->mc / 1000.0 + 273.15);
    const double most = fmin(l->tec_max_ma, best), idle = fmin(IDLE_TEC_MA, most);
    const double share = g->tier >= NCE_GUARD_CRITICAL ? 1.0 : g->tier == NCE_GUARD_WARNING ? warning_share(g) : 0.0;
    const bool cool = g->tier != NCE_GUARD_NORMAL || g->mc > IDLE_TEC_FROM_MC;
    out->throttle_ppm = g->tier == NCE_GUARD_EMERGENCY ? 1000000u : (uint32_t)lrint(THROTTLE_MAX_PPM * share);
    out->tec_ma = cool ? (uint32_t)lrint(idle + (most - idle) * share) : 0;
    out->fan_rpm = l->fan_min_rpm + (uint32_t)lrint((l->fan_max_rpm - l->fan_min_rpm) * share);
}

static bool fan_failed(nce_guard *g, const nce_guard_input *in)
{
    const bool slow = in->fan_rpm < in->fan_target_rpm / 2;
    g->fan_bad_ms = slow ? g->fan_bad_ms + 1 : 0;
    return g->fan_bad_ms >= FAN_GRACE_MS;
}

nce_guard_output nce_guard_tick(nce_guard *g, const nce_guard_input *in)
{
    nce_guard_output out = {0};
    const int32_t before = g->mc;
    g->believed = nce_sensors_vote(&g->sensors, in->sensor_mc, in->powered, &g->mc);
    const bool valid = nce_sensors_valid(g->believed);
    const int32_t ahead = g->ticks > 0 && g->mc > before ? 3 * g->mc - 2 * before : g->mc;
    g->ticks++;
    if (g->believed != 7) out.reasons |= NCE_PHOTONIC_REASON_SENSOR;
    g->tier = valid ? next_tier(g, g->mc, ahead) : NCE_GUARD_EMERGENCY;
    drive(g, &out);
    if (g->tier == NCE_GUARD_WARNING) out.reasons |= NCE_PHOTONIC_REASON_WARNING;
    if (g->tier == NCE_GUARD_CRITICAL) out.reasons |= NCE_PHOTONIC_REASON_CRITICAL;
    if (g->tier == NCE_GUARD_EMERGENCY) out.reasons |= NCE_PHOTONIC_REASON_EMERGENCY;
    if (fan_failed(g, in)) out.reasons |= NCE_PHOTONIC_REASON_FAN;
    if (in->power_fault) out.reasons |= NCE_PHOTONIC_REASON_POWER;
    out.shutdown = g->tier == NCE_GUARD_EMERGENCY;
    out.ring_shift = (int32_t)lrint(-100.0 * g->drift_pm_per_k * (g->mc - g->design_mc) / 1000.0);
    return out;
}
