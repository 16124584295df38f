/* What a monitor reads of an open device, and the laboratory of the simulator. */
#include "src/photonic/device.h"
#include <stdio.h>
#include <string.h>

const char *nce_photonic_part_name(nce_photonic_part part)
{
    static const char *const names[NCE_PHOTONIC_PARTS] = {"laser",   "modulators", "receivers", "tuning",
                                                          "digital", "dma",        "cooler",    "fan"};
    return (unsigned)part < NCE_PHOTONIC_PARTS ? names[part] : NULL;
}

/* Copy a result struct into the caller's of any age: never more bytes than the caller has. */
static nce_status give(nce_photonic *d, void *to, size_t caller_bytes, const void *from, size_t bytes, const char *what)
{
    if (caller_bytes < sizeof(size_t) || caller_bytes > 4096)
        return nce_fail(d->ctx, NCE_ERR_INVALID, "%s: struct_size %zu: use the _INIT macro", what, caller_bytes);
    memset(to, 0, caller_bytes);
    memcpy(to, from, caller_bytes < bytes ? caller_bytes : bytes);
    memcpy(to, &caller_bytes, sizeof caller_bytes);
    return NCE_OK;
}

nce_status nce_photonic_stats_get(nce_photonic *d, nce_photonic_stats *stats)
{
    if (d == NULL || stats == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&d->jobs);
    nce_photonic_stats s = d->stats;
    s.lanes = d->lanes;
    s.busy_ns = nce_preg_read64(d->transport, NCE_PREG_BUSY);
    for (uint32_t i = 0; i < NCE_PHOTONIC_PARTS; i++)
        s.energy_pj[i] = nce_preg_read64(d->transport, NCE_PREG_ENERGY0 + 8 * i);
    if (d->sim != NULL) s.wrong_residues = nce_psim_wrong(d->sim);
    pthread_mutex_lock(&d->control);
    s.guard_ticks = d->ticks;
    s.guard_overruns = d->overruns;
    s.guard_jitter_max_ns = d->jitter_max_ns;
    s.guard_jitter_sum_ns = d->jitter_sum_ns;
    pthread_mutex_unlock(&d->control);
    pthread_mutex_unlock(&d->jobs);
    return give(d, stats, stats->struct_size, &s, sizeof s, "nce_photonic_stats");
}

nce_status nce_photonic_sample_get(nce_photonic *d, nce_photonic_sample *sample)
{
    if (d == NULL || sample == NULL) return NCE_ERR_INVALID;
    nce_photonic_sample s = NCE_PHOTONIC_SAMPLE_INIT;
    nce_ptransport *t = d->transport;
    pthread_mutex_lock(&d->control);
    const nce_guard_limits *l = &d->guard.limits;
    s.time_ns = nce_preg_read64(t, NCE_PREG_TIME);
    s.temp1_input = d->guard.mc;
    s.temp1_max = l->warning_mc;
    s.temp1_max_hyst = l->warning_mc - l->hysteresis_mc;
    s.temp1_crit = l->critical_mc;
    s.temp1_crit_hyst = l->critical_mc - l->hysteresis_mc;
    s.temp1_emergency = l->emergency_mc;
    s.temp2_input = (int32_t)nce_preg_read(t, NCE_PREG_TEMP_SINK);
    s.temp3_input = (int32_t)nce_preg_read(t, NCE_PREG_TEMP_AMBIENT);
    s.fan1_input = nce_preg_read(t, NCE_PREG_FAN);
    s.fan1_target = d->drive.fan_rpm;
    s.curr1_input = nce_preg_read(t, NCE_PREG_TEC);
    for (uint32_t i = 0; i < NCE_RAILS; i++)
        s.in_input[i] = nce_preg_read(t, NCE_PREG_RAIL + NCE_PREG_RAIL_STRIDE * i + NCE_PREG_RAIL_MILLIVOLT);
    s.power_state = (uint32_t)d->power.state;
    s.lasers = d->power.laser && (nce_preg_read(t, NCE_PREG_STATUS) & NCE_PSTAT_LASER);
    s.tier = (uint32_t)d->guard.tier;
    s.throttle_ppm = nce_preg_read(t, NCE_PREG_THROTTLE);
    s.throttle_reasons = d->drive.reasons;
    if (nce_preg_read(t, NCE_PREG_STATUS) & NCE_PSTAT_WATCHDOG) s.throttle_reasons |= NCE_PHOTONIC_REASON_WATCHDOG;
    pthread_mutex_unlock(&d->control);
    return give(d, sample, sample->struct_size, &s, sizeof s, "nce_photonic_sample");
}

nce_status nce_photonic_lane_get(nce_photonic *d, uint32_t lane, nce_photonic_lane *out)
{
    if (d == NULL || out == NULL) return NCE_ERR_INVALID;
    if (lane >= NCE_PHOTONIC_LANES) return nce_fail(d->ctx, NCE_ERR_INVALID, "photonic: lane %u, allowed: 0..6", lane);
    pthread_mutex_lock(&d->jobs);
    nce_photonic_lane l = d->lane[lane];
    l.modulus = nce_rns_moduli[lane];
    l.in_use = d->lanes >> lane & 1;
    pthread_mutex_unlock(&d->jobs);
    return give(d, out, out->struct_size, &l, sizeof l, "nce_photonic_lane");
}

bool nce_photonic_power_log(nce_photonic *d, uint32_t index, char *text, size_t bytes)
{
    static const char *const kinds[] = {
        "",          "on",          "good",     "off",  "on",    "off",     "not good in time",
        "brown-out", "overvoltage", "stuck on", "trip", "retry", "latched", "ready"};
    static const char *const rails[] = {"rail 1.0V", "rail 1.8V", "rail 2.5V", "rail 3.3V", "rail 5.0V", "rail 12V"};
    if (d == NULL || text == NULL || bytes == 0) return false;
    text[0] = '\0';
    pthread_mutex_lock(&d->control);
    const nce_power *p = &d->power;
    const uint64_t kept = p->n_events < NCE_POWER_LOG ? p->n_events : NCE_POWER_LOG;
    const bool there = index < kept;
    if (there) {
        const nce_power_event *e = &p->log[(p->n_events - kept + index) % NCE_POWER_LOG];
        const bool laser = e->kind == NCE_POWER_EVENT_LASER_ON || e->kind == NCE_POWER_EVENT_LASER_OFF;
        snprintf(text, bytes, "%6llu ms %s %s", (unsigned long long)e->ms,
                 e->rail >= 0 ? rails[e->rail]
                 : laser      ? "lasers"
                              : "power",
                 kinds[e->kind]);
    }
    pthread_mutex_unlock(&d->control);
    return there;
}

nce_status nce_photonic_fault_set(nce_photonic *d, uint32_t lane, nce_photonic_fault_kind kind, double rate)
{
    if (d == NULL) return NCE_ERR_INVALID;
    if (lane >= NCE_PHOTONIC_LANES || (unsigned)kind > NCE_PHOTONIC_FAULT_RANDOM || !(rate >= 0.0 && rate <= 1.0))
        return nce_fail(d->ctx, NCE_ERR_INVALID, "photonic: lane %u, fault %d or rate %g out of range", lane, (int)kind,
                        rate);
    if (d->sim == NULL) return nce_fail(d->ctx, NCE_ERR_STATE, "photonic: only the simulator can be given faults");
    nce_psim_lane_fault(d->sim, lane, (nce_lane_fault)kind, rate);
    return NCE_OK;
}

nce_status nce_photonic_break(nce_photonic *d, nce_photonic_part_fault fault, uint32_t index)
{
    if (d == NULL) return NCE_ERR_INVALID;
    const bool rail = fault >= NCE_PHOTONIC_RAIL_DEAD && fault <= NCE_PHOTONIC_RAIL_STUCK_ON;
    const bool sensor = fault == NCE_PHOTONIC_SENSOR_STUCK || fault == NCE_PHOTONIC_SENSOR_OPEN;
    if ((unsigned)fault > NCE_PHOTONIC_LOST || (rail && index >= NCE_RAILS) || (sensor && index >= NCE_SENSORS))
        return nce_fail(d->ctx, NCE_ERR_INVALID, "photonic: part fault %d of part %u does not exist", (int)fault,
                        index);
    if (d->sim == NULL) return nce_fail(d->ctx, NCE_ERR_STATE, "photonic: only the simulator can be broken");
    nce_psim_break(d->sim, fault, index);
    return NCE_OK;
}
