/* Physics of the simulated device: what a millisecond does to rails, heat, sensors, rings and watchdog. */
#include "src/photonic/sim.h"
#include "src/photonic/optics.h"
#include "src/photonic/random.h"
#include <math.h>
#include <time.h>

static const double two_pi = 6.283185307179586476925;
static const double ring_fwhm_pm = 155.0;    /* 1550 nm at a quality of 10,000 */
static const double heater_crosstalk = 0.05; /* of a ring heater on its neighbours; falls by e per lane */
static const double tuning_watt = 0.45;      /* 64 units of seven heaters at 1 mW */
static const double fan_full_watt = 2.0;     /* at 4,000 rpm; cubic in speed */

enum {
    LATE_NS = 10000000,  /* the guard is late: throttle */
    DEAD_NS = 100000000, /* the guard is dead: emergency */
    LATE_THROTTLE_PPM = 750000,
    LATE_TEC_MA = 500,
    LATE_FAN_RPM = 4000,
    STREAM_SENSOR = 8
};

bool nce_psim_power_good(const nce_psim *sim)
{
    for (int r = 0; r < NCE_RAILS; r++) {
        const double share = sim->rails.millivolt[r] / nce_rail_millivolt[r];
        if (share < 0.925 || share > 1.075) return false;
    }
    return true;
}

bool nce_psim_laser_on(const nce_psim *sim)
{
    return (sim->control & NCE_PCTL_LASER) && nce_psim_power_good(sim) && !sim->emergency;
}

bool nce_psim_watchdog_late(const nce_psim *sim)
{
    return (sim->control & NCE_PCTL_WATCHDOG) && sim->watchdog_ns > LATE_NS;
}

uint32_t nce_psim_fan_rpm(const nce_psim *sim)
{
    if (sim->fan_dead) return 0;
    return nce_psim_watchdog_late(sim) && sim->fan_target < LATE_FAN_RPM ? LATE_FAN_RPM : sim->fan_target;
}

uint32_t nce_psim_tec_ma(const nce_psim *sim)
{
    return nce_psim_watchdog_late(sim) ? LATE_TEC_MA : sim->tec_ma;
}

uint32_t nce_psim_throttle_ppm(const nce_psim *sim)
{
    return nce_psim_watchdog_late(sim) && sim->throttle_ppm < LATE_THROTTLE_PPM ? LATE_THROTTLE_PPM : sim->throttle_ppm;
}

void nce_psim_emergency(nce_psim *sim)
{
    if (sim->emergency) return;
    sim->emergency = true;
    sim->control &= ~(uint32_t)NCE_PCTL_LASER;
    nce_psim_raise(sim, NCE_PIRQ_EMERGENCY);
}

/* In an emergency the device takes its own rails down in reverse, one group a millisecond. */
static void shed_rails(nce_psim *sim)
{
    if (sim->rail_enable & 0x30)
        sim->rail_enable &= ~0x30u;
    else if (sim->rail_enable & 0x0c)
        sim->rail_enable &= ~0x0cu;
    else
        sim->rail_enable = 0;
}

static void read_sensors(nce_psim *sim)
{
    for (uint64_t i = 0; i < NCE_SENSORS; i++) {
        uint32_t w[4];
        nce_philox(sim->settings.seed, sim->time_ns / 1000000, (uint64_t)STREAM_SENSOR << 32 | i, w);
        const int32_t noise = (int32_t)(w[0] % 5) - 2; /* of conversion; also keeps the reading alive */
        if (sim->sensor_fault[i] == NCE_PHOTONIC_SENSOR_OPEN)
            sim->sensor_mc[i] = -200000;
        else if (sim->sensor_fault[i] != NCE_PHOTONIC_SENSOR_STUCK)
            sim->sensor_mc[i] = (int32_t)lrint(sim->plant.junction * 1000.0) + noise;
    }
}

static double heat(nce_psim *sim, double load_watt, double seconds)
{
    const bool light = nce_psim_laser_on(sim);
    const double duty = light ? 1.0 - nce_psim_throttle_ppm(sim) * 1e-6 : 0.0;
    const double jobs = seconds > 0.0 ? sim->job_heat_pj * 1e-12 / seconds : 0.0;
    const double tuning = light ? tuning_watt : 0.0;
    sim->job_heat_pj = 0.0;
    sim->energy_pj[NCE_PHOTONIC_PART_TUNING] += tuning * seconds * 1e12;
    return load_watt > 0.0 ? load_watt * duty : jobs + tuning;
}

static void cooling_energy(nce_psim *sim, double tec_ampere, double fan_rpm, double seconds)
{
    const double cold = sim->plant.junction + 273.15, hot = sim->plant.sink + 273.15, wind = fan_rpm / 4000.0;
    const double tec = nce_tec_power(&sim->plant.tec, tec_ampere, cold, hot);
    sim->energy_pj[NCE_PHOTONIC_PART_COOLER] += fmax(0.0, tec) * seconds * 1e12;
    sim->energy_pj[NCE_PHOTONIC_PART_FAN] += fan_full_watt * wind * wind * wind * seconds * 1e12;
}

void nce_psim_step(nce_psim *sim, uint64_t ns, double load_watt)
{
    const double seconds = (double)ns * 1e-9, tec = nce_psim_tec_ma(sim) * 1e-3, fan = nce_psim_fan_rpm(sim);
    nce_rails_step(&sim->rails, sim->rail_enable, seconds);
    const double watts = heat(sim, load_watt, seconds);
    cooling_energy(sim, tec, fan, seconds);
    nce_plant_step(&sim->plant, watts, tec, fan, seconds);
    sim->time_ns += ns;
    sim->watchdog_ns += ns;
    read_sensors(sim);
    /* The device's own comparator looks one step ahead, so that at the trip temperature power is off already. */
    const double rise = fmax(0.0, sim->plant.junction - sim->previous_junction);
    const bool powered = sim->rail_enable != 0;
    if (powered && (sim->plant.junction + rise) * 1000.0 >= sim->trip_mc) nce_psim_emergency(sim);
    if (powered && (sim->control & NCE_PCTL_WATCHDOG) && sim->watchdog_ns > DEAD_NS) nce_psim_emergency(sim);
    if (sim->emergency) shed_rails(sim);
    sim->previous_junction = sim->plant.junction;
    if (ns > 0) sim->optics_changed = true;
}

void nce_psim_catch_up(nce_psim *sim)
{
    enum { STEP_NS = 1000000 };
    struct timespec t;
    if (!sim->settings.real_time) return;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    if (sim->real_start_ns == 0) sim->real_start_ns = now;
    while (now - sim->real_start_ns - sim->time_ns >= STEP_NS)
        nce_psim_step(sim, STEP_NS, 0.0);
}

/* Detuning of a ring: what fabrication left, the drift of the die, the guard's common shift, its own heater and the
 * share of its neighbours' heaters. */
static double detuning_pm(const nce_psim *sim, int lane)
{
    double pm =
        sim->ring_offset[lane] + sim->settings.drift_pm_per_k * (sim->plant.junction - 25.0) + sim->ring_shift * 0.01;
    for (int j = 0; j < NCE_RNS_LANES; j++) {
        const int distance = j > lane ? j - lane : lane - j;
        pm += sim->lane[j].ring_trim * 0.01 * (distance == 0 ? 1.0 : heater_crosstalk * exp(1 - distance));
    }
    return pm;
}

void nce_psim_optics(nce_psim *sim, uint32_t length)
{
    /* A cascade of five binary-weighted shifters per element, each rounded by its converter: the sum of their errors is
     * normal in phase; taking it as noise of both quadratures is slightly pessimistic. */
    const double rounding =
        sim->settings.dac_bits != 0 ? nce_dac_rms(sim->settings.dac_bits) * sqrt(5.0 * length) : 0.0;
    const double noise = sqrt(sim->settings.noise * sim->settings.noise + rounding * rounding);
    if (!sim->optics_changed && noise == sim->core.noise) return;
    sim->core.noise = noise;
    for (int i = 0; i < NCE_RNS_LANES; i++) {
        nce_optical_lane *lane = &sim->core.lane[i];
        const double pm = detuning_pm(sim, i);
        lane->amplitude = sqrt(nce_ring_drop(pm, ring_fwhm_pm));
        lane->phase_error =
            sim->phase_offset[i] + nce_ring_phase(pm, ring_fwhm_pm) + sim->lane[i].phase_trim * two_pi / (1 << 20);
        lane->enabled = sim->lane[i].enable != 0;
    }
    nce_core_prepare(&sim->core);
    sim->optics_changed = false;
}
