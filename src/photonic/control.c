/* Guard and power of an open device: one tick a millisecond, on a thread of its own where time is real, between jobs
 * where it is virtual.  The order of register writes is part of the safety: light goes off before rails, and the
 * watchdog is fed last, so that a tick which dies half way counts as none. */
#include "src/photonic/device.h"
#include <errno.h>
#include <time.h>

enum { TICK_NS = 1000000, LASER_AFTER_MS = 20, SETTLE_MS = 3000 };

static void read_inputs(nce_photonic *d, nce_guard_input *in, uint32_t millivolt[NCE_RAILS])
{
    nce_ptransport *t = d->transport;
    for (uint32_t i = 0; i < NCE_SENSORS; i++)
        in->sensor_mc[i] = (int32_t)nce_preg_read(t, NCE_PREG_TEMP0 + 4 * i);
    in->fan_rpm = nce_preg_read(t, NCE_PREG_FAN);
    in->fan_target_rpm = d->drive.fan_rpm;
    for (uint32_t i = 0; i < NCE_RAILS; i++)
        millivolt[i] = nce_preg_read(t, NCE_PREG_RAIL + NCE_PREG_RAIL_STRIDE * i + NCE_PREG_RAIL_MILLIVOLT);
    in->powered = d->power.state == NCE_POWER_ON;
    in->power_fault = d->power.faulted || d->power.state == NCE_POWER_LATCHED;
}

static void write_light(nce_photonic *d)
{
    const uint32_t laser = d->power.laser ? (uint32_t)NCE_PCTL_LASER : 0;
    const uint32_t value = (d->control_shadow & ~(uint32_t)NCE_PCTL_LASER) | laser;
    if (value == d->control_shadow) return;
    d->control_shadow = value;
    nce_preg_write(d->transport, NCE_PREG_CONTROL, value);
}

/* Off from the highest rail down, on from the lowest up. */
static void write_rails(nce_photonic *d)
{
    const uint32_t off = d->rail_shadow & ~d->power.enable, on = d->power.enable & ~d->rail_shadow;
    for (uint32_t k = 0; k < 2 * NCE_RAILS; k++) {
        const bool rising = k >= NCE_RAILS;
        const uint32_t rail = rising ? k - NCE_RAILS : NCE_RAILS - 1 - k;
        if ((rising ? on : off) >> rail & 1)
            nce_preg_write(d->transport, NCE_PREG_RAIL + NCE_PREG_RAIL_STRIDE * rail + NCE_PREG_RAIL_ENABLE, rising);
    }
    d->rail_shadow = d->power.enable;
}

static void write_cooling(nce_photonic *d, const nce_guard_output *drive)
{
    nce_preg_write(d->transport, NCE_PREG_THROTTLE, drive->throttle_ppm);
    nce_preg_write(d->transport, NCE_PREG_TEC, drive->tec_ma);
    nce_preg_write(d->transport, NCE_PREG_FAN_TARGET, drive->fan_rpm);
    nce_preg_write(d->transport, NCE_PREG_RING_SHIFT, (uint32_t)drive->ring_shift);
}

/* Light is wanted while power is, once the cooler has had time to settle, and below the critical tier at switch-on. */
static void want_light(nce_photonic *d)
{
    const bool settled = d->power.state == NCE_POWER_ON && d->power.in_state_ms >= LASER_AFTER_MS;
    const bool cool = d->power.laser || d->guard.tier < NCE_GUARD_CRITICAL;
    nce_power_request_laser(&d->power, d->power.wanted && settled && cool);
}

void nce_photonic_tick(nce_photonic *d)
{
    nce_guard_input in;
    uint32_t millivolt[NCE_RAILS];
    d->ticks++;
    const uint32_t status = nce_preg_read(d->transport, NCE_PREG_STATUS);
    if (status == UINT32_MAX && nce_preg_read(d->transport, NCE_PREG_ID) != NCE_PREG_ID_VALUE) {
        d->lost = true; /* a device off the bus reads all ones; nothing can be told it any more */
        return;
    }
    read_inputs(d, &in, millivolt);
    d->drive = nce_guard_tick(&d->guard, &in);
    if (status & NCE_PSTAT_WATCHDOG) d->drive.reasons |= NCE_PHOTONIC_REASON_WATCHDOG;
    if (status & NCE_PSTAT_EMERGENCY) { /* the device tripped by itself */
        d->guard.tier = NCE_GUARD_EMERGENCY;
        d->drive.reasons |= NCE_PHOTONIC_REASON_EMERGENCY;
        d->drive.shutdown = true;
    }
    if (d->drive.shutdown) nce_power_trip(&d->power);
    want_light(d);
    nce_power_tick(&d->power, millivolt);
    write_light(d);
    write_rails(d);
    write_cooling(d, &d->drive);
    nce_preg_write(d->transport, NCE_PREG_WATCHDOG, 1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
    const struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

static void *guard_loop(void *user)
{
    nce_photonic *d = user;
    uint64_t due = now_ns() + TICK_NS;
    while (!atomic_load(&d->stop)) {
        sleep_until(due);
        const uint64_t now = now_ns(), late = now > due ? now - due : 0;
        pthread_mutex_lock(&d->control);
        d->jitter_sum_ns += late;
        d->jitter_max_ns = late > d->jitter_max_ns ? late : d->jitter_max_ns;
        d->overruns += late > TICK_NS;
        nce_photonic_tick(d);
        pthread_mutex_unlock(&d->control);
        due += TICK_NS * (1 + late / TICK_NS); /* missed ticks are not made up for */
    }
    return NULL;
}

nce_status nce_photonic_guard_start(nce_photonic *d)
{
    if (d->transport->ops->advance != NULL) return NCE_OK;
    const int error = pthread_create(&d->thread, NULL, guard_loop, d);
    if (error != 0) return nce_fail(d->ctx, NCE_ERR_IO, "photonic guard: cannot start its thread (error %d)", error);
    d->has_thread = true;
    return NCE_OK;
}

void nce_photonic_guard_stop(nce_photonic *d)
{
    if (!d->has_thread) return;
    atomic_store(&d->stop, true);
    pthread_join(d->thread, NULL);
    d->has_thread = false;
}

/* One millisecond: virtual, or a real one on the guard's own clock. */
static void pass_one(nce_photonic *d, double load_watt, bool stalled)
{
    if (d->transport->ops->advance == NULL) {
        sleep_until(now_ns() + TICK_NS);
        return;
    }
    pthread_mutex_lock(&d->control);
    d->transport->ops->advance(d->transport, TICK_NS, load_watt);
    if (!stalled) nce_photonic_tick(d);
    pthread_mutex_unlock(&d->control);
}

nce_status nce_photonic_pass_time(nce_photonic *d, uint64_t milliseconds, double load_watt, bool stalled)
{
    if (d == NULL) return NCE_ERR_INVALID;
    if (!(load_watt >= 0.0 && load_watt <= 1000.0))
        return nce_fail(d->ctx, NCE_ERR_INVALID, "photonic: load %g W, allowed: 0..1000", load_watt);
    if (d->transport->ops->advance == NULL)
        return nce_fail(d->ctx, NCE_ERR_STATE, "photonic: only the simulator in virtual time can let time pass");
    for (uint64_t i = 0; i < milliseconds; i++)
        pass_one(d, load_watt, stalled);
    return NCE_OK;
}

void nce_photonic_owe(nce_photonic *d)
{
    if (d->transport->ops->advance == NULL) return;
    const uint64_t busy = nce_preg_read64(d->transport, NCE_PREG_BUSY);
    const uint32_t ppm = nce_preg_read(d->transport, NCE_PREG_THROTTLE);
    const double duty = 1.0 - (ppm < 1000000 ? ppm : 999999) * 1e-6;
    d->owed_ns += (double)(busy - d->last_busy_ns) / duty;
    d->last_busy_ns = busy;
    for (; d->owed_ns >= TICK_NS; d->owed_ns -= TICK_NS)
        pass_one(d, 0.0, false);
}

nce_status nce_photonic_settle(nce_photonic *d, bool on)
{
    for (int ms = 0; ms < SETTLE_MS; ms++) {
        pthread_mutex_lock(&d->control);
        const nce_power_state state = d->power.state;
        const bool light = d->power.laser, lost = d->lost;
        pthread_mutex_unlock(&d->control);
        if (lost) return nce_fail(d->ctx, NCE_ERR_BACKEND, "photonic: the device is lost");
        if (on && state == NCE_POWER_ON && light) return NCE_OK;
        if (!on && (state == NCE_POWER_OFF || state == NCE_POWER_LATCHED)) return NCE_OK;
        if (on && state == NCE_POWER_LATCHED) break;
        pass_one(d, 0.0, false);
    }
    return nce_fail(d->ctx, NCE_ERR_BACKEND, "photonic: power did not come %s (nce_photonic_power_log says why)",
                    on ? "up" : "down");
}

nce_status nce_photonic_power(nce_photonic *d, bool on)
{
    if (d == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&d->control);
    const bool latched = d->power.state == NCE_POWER_LATCHED;
    if (!(latched && on)) nce_power_request(&d->power, on);
    pthread_mutex_unlock(&d->control);
    if (latched && on)
        return nce_fail(d->ctx, NCE_ERR_STATE, "photonic: power is latched off; nce_photonic_reset first");
    return nce_photonic_settle(d, on);
}

nce_status nce_photonic_reset(nce_photonic *d)
{
    if (d == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&d->control);
    const bool cool = nce_guard_reset(&d->guard);
    if (cool) {
        nce_preg_write(d->transport, NCE_PREG_CONTROL, d->control_shadow | NCE_PCTL_CLEAR);
        nce_power_reset(&d->power);
        d->drive.shutdown = false;
    }
    const int32_t mc = d->guard.mc;
    pthread_mutex_unlock(&d->control);
    return cool ? NCE_OK : nce_fail(d->ctx, NCE_ERR_STATE, "photonic: still %d millidegrees, or no valid sensor", mc);
}

bool nce_photonic_is_lost(nce_photonic *d)
{
    pthread_mutex_lock(&d->control);
    const bool lost = d->lost;
    pthread_mutex_unlock(&d->control);
    return lost;
}
