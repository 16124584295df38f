/* The register file of the simulated device.  Every offset and every value is allowed: what the interface does not
 * define reads 0 and ignores writes; values out of range are clamped.  (Fuzzed by tests/fuzz/fuzz_photonic.c.) */
#include "src/photonic/sim.h"
#include <string.h>

static uint32_t clamp(uint32_t value, uint32_t most)
{
    return value < most ? value : most;
}

static int32_t clamp_signed(uint32_t value, int32_t most)
{
    const int32_t v = (int32_t)value;
    return v > most ? most : v < -most ? -most : v;
}

void nce_psim_reset_registers(nce_psim *sim)
{
    sim->scratch = sim->control = sim->irq_status = sim->irq_mask = 0;
    sim->ring = 0;
    sim->ring_entries = sim->head = sim->tail = 0;
    sim->throttle_ppm = sim->tec_ma = 0;
    sim->fan_target = 1000;
    sim->ring_shift = 0;
    sim->trip_mc = 95000;
    sim->rail_enable = 0;
    sim->emergency = false;
    sim->watchdog_ns = 0;
    for (int i = 0; i < NCE_RNS_LANES; i++) {
        sim->lane[i].enable = 1;
        sim->lane[i].phase_trim = sim->lane[i].ring_trim = 0;
    }
    sim->optics_changed = true;
}

static uint32_t status(const nce_psim *sim)
{
    const bool light = nce_psim_laser_on(sim);
    uint32_t bits = 0;
    if ((sim->control & NCE_PCTL_ENABLE) && light && !sim->emergency) bits |= NCE_PSTAT_READY;
    if (sim->running) bits |= NCE_PSTAT_BUSY;
    if (sim->emergency) bits |= NCE_PSTAT_EMERGENCY;
    if (light) bits |= NCE_PSTAT_LASER;
    if (nce_psim_power_good(sim)) bits |= NCE_PSTAT_POWER_GOOD;
    if (nce_psim_watchdog_late(sim)) bits |= NCE_PSTAT_WATCHDOG;
    return bits;
}

/* 64-bit counters from NCE_PREG_TIME on, 8 bytes each. */
static uint32_t read_counter(nce_psim *sim, uint32_t offset)
{
    const bool energy = offset >= NCE_PREG_ENERGY0;
    const uint32_t index = energy ? 3 + (offset - NCE_PREG_ENERGY0) / 8 : (offset - NCE_PREG_TIME) / 8;
    if (index >= NCE_PSIM_COUNTERS || (!energy && index >= 3)) return 0;
    if (offset & 4) return sim->counter_high[index];
    const uint64_t plain[] = {sim->time_ns, (uint64_t)sim->busy_ns, sim->readings};
    const uint64_t value = energy ? (uint64_t)sim->energy_pj[index - 3] : plain[index];
    sim->counter_high[index] = (uint32_t)(value >> 32);
    return (uint32_t)value;
}

static uint32_t read_lane(const nce_psim *sim, uint32_t offset)
{
    const uint32_t i = (offset - NCE_PREG_LANE) / NCE_PREG_LANE_STRIDE;
    if (i >= NCE_RNS_LANES) return 0;
    switch (offset % NCE_PREG_LANE_STRIDE) {
    case NCE_PREG_LANE_MODULUS:
        return nce_rns_moduli[i];
    case NCE_PREG_LANE_ENABLE:
        return sim->lane[i].enable;
    case NCE_PREG_LANE_PHASE_TRIM:
        return (uint32_t)sim->lane[i].phase_trim;
    case NCE_PREG_LANE_RING_TRIM:
        return (uint32_t)sim->lane[i].ring_trim;
    default:
        return 0;
    }
}

static uint32_t read_rail(const nce_psim *sim, uint32_t offset)
{
    const uint32_t i = (offset - NCE_PREG_RAIL) / NCE_PREG_RAIL_STRIDE;
    if (i >= NCE_RAILS) return 0;
    switch (offset % NCE_PREG_RAIL_STRIDE) {
    case NCE_PREG_RAIL_ENABLE:
        return sim->rail_enable >> i & 1;
    case NCE_PREG_RAIL_MILLIVOLT:
        return (uint32_t)(sim->rails.millivolt[i] + 0.5);
    case NCE_PREG_RAIL_NOMINAL:
        return nce_rail_millivolt[i];
    default:
        return 0;
    }
}

static uint32_t read_heat(const nce_psim *sim, uint32_t offset)
{
    switch (offset) {
    case NCE_PREG_TEMP0:
    case NCE_PREG_TEMP0 + 4:
    case NCE_PREG_TEMP0 + 8:
        return (uint32_t)sim->sensor_mc[(offset - NCE_PREG_TEMP0) / 4];
    case NCE_PREG_TEMP_SINK:
        return (uint32_t)(int32_t)(sim->plant.sink * 1000.0);
    case NCE_PREG_TEMP_AMBIENT:
        return (uint32_t)(int32_t)(sim->plant.ambient * 1000.0);
    case NCE_PREG_FAN:
        return nce_psim_fan_rpm(sim);
    case NCE_PREG_FAN_TARGET:
        return sim->fan_target;
    case NCE_PREG_TEC:
        return nce_psim_tec_ma(sim);
    case NCE_PREG_THROTTLE:
        return nce_psim_throttle_ppm(sim);
    case NCE_PREG_RING_SHIFT:
        return (uint32_t)sim->ring_shift;
    case NCE_PREG_TEMP_TRIP:
        return (uint32_t)sim->trip_mc;
    default:
        return 0;
    }
}

uint32_t nce_psim_read_register(nce_psim *sim, uint32_t offset)
{
    if (offset >= NCE_PREG_LANE && offset < NCE_PREG_LANE + 0x100) return read_lane(sim, offset);
    if (offset >= NCE_PREG_RAIL && offset < NCE_PREG_RAIL + 0x60) return read_rail(sim, offset);
    if (offset >= NCE_PREG_TIME && offset < NCE_PREG_ENERGY0 + 8 * NCE_PHOTONIC_PARTS && offset % 4 == 0)
        return read_counter(sim, offset);
    if (offset >= NCE_PREG_TEMP0 && offset <= NCE_PREG_TEMP_TRIP) return read_heat(sim, offset);
    switch (offset) {
    case NCE_PREG_ID:
        return NCE_PREG_ID_VALUE;
    case NCE_PREG_VERSION:
        return NCE_PREG_VERSION_VALUE;
    case NCE_PREG_CAPS:
        return NCE_RNS_LANES | 8u << 8 | 12u << 16;
    case NCE_PREG_SCRATCH:
        return sim->scratch;
    case NCE_PREG_CONTROL:
        return sim->control;
    case NCE_PREG_STATUS:
        return status(sim);
    case NCE_PREG_IRQ_STATUS:
        return sim->irq_status;
    case NCE_PREG_IRQ_MASK:
        return sim->irq_mask;
    case NCE_PREG_RING_LO:
        return (uint32_t)sim->ring;
    case NCE_PREG_RING_HI:
        return (uint32_t)(sim->ring >> 32);
    case NCE_PREG_RING_ENTRIES:
        return sim->ring_entries;
    case NCE_PREG_RING_HEAD:
        return sim->head;
    case NCE_PREG_RING_TAIL:
        return sim->tail;
    default:
        return 0;
    }
}

static bool write_control(nce_psim *sim, uint32_t value)
{
    if (value & NCE_PCTL_RESET) {
        nce_psim_reset_registers(sim);
        return false;
    }
    if ((value & NCE_PCTL_CLEAR) && sim->plant.junction * 1000.0 < sim->trip_mc) sim->emergency = false;
    if (!(sim->control & NCE_PCTL_WATCHDOG)) sim->watchdog_ns = 0;
    sim->control = value & (NCE_PCTL_ENABLE | NCE_PCTL_LASER | NCE_PCTL_WATCHDOG);
    if (sim->emergency) sim->control &= ~(uint32_t)NCE_PCTL_LASER;
    return true;
}

static void write_lane(nce_psim *sim, uint32_t offset, uint32_t value)
{
    const uint32_t i = (offset - NCE_PREG_LANE) / NCE_PREG_LANE_STRIDE;
    if (i >= NCE_RNS_LANES) return;
    switch (offset % NCE_PREG_LANE_STRIDE) {
    case NCE_PREG_LANE_ENABLE:
        sim->lane[i].enable = value & 1;
        break;
    case NCE_PREG_LANE_PHASE_TRIM:
        sim->lane[i].phase_trim = clamp_signed(value, 1 << 19);
        break;
    case NCE_PREG_LANE_RING_TRIM:
        sim->lane[i].ring_trim = clamp_signed(value, 50000);
        break;
    default:
        return;
    }
    sim->optics_changed = true;
}

static void write_rail(nce_psim *sim, uint32_t offset, uint32_t value)
{
    const uint32_t i = (offset - NCE_PREG_RAIL) / NCE_PREG_RAIL_STRIDE;
    if (i >= NCE_RAILS || offset % NCE_PREG_RAIL_STRIDE != NCE_PREG_RAIL_ENABLE) return;
    if (sim->emergency && (value & 1)) return;
    sim->rail_enable = (sim->rail_enable & ~(1u << i)) | (value & 1) << i;
}

static void write_ring_entries(nce_psim *sim, uint32_t value)
{
    const bool good = value >= 2 && value <= NCE_PSIM_MAX_RING && (value & (value - 1)) == 0;
    sim->ring_entries = good ? value : 0;
    sim->head = sim->tail = 0;
}

static void write_heat(nce_psim *sim, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case NCE_PREG_FAN_TARGET:
        sim->fan_target = clamp(value, 20000);
        break;
    case NCE_PREG_TEC:
        sim->tec_ma = clamp(value, 2000);
        break;
    case NCE_PREG_THROTTLE:
        sim->throttle_ppm = clamp(value, 1000000);
        break;
    case NCE_PREG_RING_SHIFT:
        sim->ring_shift = clamp_signed(value, 2000000);
        sim->optics_changed = true;
        break;
    case NCE_PREG_TEMP_TRIP:
        sim->trip_mc = clamp_signed(value, 105000);
        break;
    default:
        break;
    }
}

bool nce_psim_write_register(nce_psim *sim, uint32_t offset, uint32_t value)
{
    if (offset >= NCE_PREG_LANE && offset < NCE_PREG_LANE + 0x100) write_lane(sim, offset, value);
    if (offset >= NCE_PREG_RAIL && offset < NCE_PREG_RAIL + 0x60) write_rail(sim, offset, value);
    if (offset >= NCE_PREG_TEMP0 && offset <= NCE_PREG_TEMP_TRIP) write_heat(sim, offset, value);
    switch (offset) {
    case NCE_PREG_SCRATCH:
        sim->scratch = value;
        break;
    case NCE_PREG_CONTROL:
        return write_control(sim, value);
    case NCE_PREG_IRQ_STATUS:
        sim->irq_status &= ~value;
        break;
    case NCE_PREG_IRQ_MASK:
        sim->irq_mask = value & (NCE_PIRQ_DONE | NCE_PIRQ_FAULT | NCE_PIRQ_EMERGENCY);
        nce_psim_raise(sim, 0);
        break;
    case NCE_PREG_WATCHDOG:
        sim->watchdog_ns = 0;
        break;
    case NCE_PREG_RING_LO:
        sim->ring = (sim->ring & 0xffffffff00000000ull) | value;
        break;
    case NCE_PREG_RING_HI:
        sim->ring = (sim->ring & 0xffffffffull) | (uint64_t)value << 32;
        break;
    case NCE_PREG_RING_ENTRIES:
        write_ring_entries(sim, value);
        break;
    case NCE_PREG_RING_TAIL:
        if (value >= sim->ring_entries) break;
        sim->tail = value;
        return true;
    default:
        break;
    }
    return false;
}
