/* The simulated device: registers in front, physics behind.
 *
 * It speaks only the register interface (registers.h) and DMA; what else is here (faults, truth, virtual time) is the
 * laboratory around it.  sim.c: life and transport; sim_registers.c: the register file; sim_jobs.c: descriptors;
 * sim_physics.c: time, heat, rails, rings, watchdog.
 *
 * One mutex guards everything; a job computes outside it on a copy of the optics, so that the guard's register accesses
 * do not wait.  Time is virtual (advance) or real (each access first catches up, in steps of 1 ms). */
#ifndef NCE_PHOTONIC_SIM_H
#define NCE_PHOTONIC_SIM_H
#include "nce/photonic.h"
#include "src/photonic/core.h"
#include "src/photonic/iova.h"
#include "src/photonic/plant.h"
#include "src/photonic/rails.h"
#include "src/photonic/registers.h"
#include "src/photonic/sensors.h"
#include "src/photonic/transport.h"

enum { NCE_PSIM_MAX_RING = 4096, NCE_PSIM_COUNTERS = 3 + NCE_PHOTONIC_PARTS };

typedef struct nce_psim_settings {
    uint64_t seed;
    double noise;                /* of a quadrature, relative; as resolved from the options */
    double drift_pm_per_k;       /* of the rings */
    uint32_t adc_bits, dac_bits; /* dac_bits 0: ideal phase converters */
    double ambient;
    bool real_time;
} nce_psim_settings;

typedef struct nce_psim_mapping {
    uint64_t bus;
    size_t bytes;
    uint8_t *host;
} nce_psim_mapping;

typedef struct nce_psim {
    nce_ptransport base;
    nce_psim_settings settings;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* interrupt raised, or a job finished */

    /* register file */
    uint32_t scratch, control, irq_status, irq_mask;
    uint64_t ring;
    uint32_t ring_entries, head, tail;
    uint32_t throttle_ppm, tec_ma, fan_target;
    int32_t ring_shift, trip_mc;
    uint32_t rail_enable;
    struct {
        uint32_t enable;
        int32_t phase_trim, ring_trim;
    } lane[NCE_RNS_LANES];
    uint32_t counter_high[NCE_PSIM_COUNTERS]; /* latched by reading the low word */
    bool running;                             /* a thread is working through the ring */

    /* physics */
    nce_optical_core core;
    bool optics_changed;
    nce_plant plant;
    nce_rails rails;
    double ring_offset[NCE_RNS_LANES], phase_offset[NCE_RNS_LANES]; /* of fabrication: pm, radians */
    nce_photonic_part_fault sensor_fault[NCE_SENSORS];
    int32_t sensor_mc[NCE_SENSORS];
    bool fan_dead, lost;
    bool emergency;
    double previous_junction;
    uint64_t time_ns, watchdog_ns, real_start_ns;
    double job_heat_pj; /* of jobs since the last step */

    /* counters */
    double busy_ns;
    uint64_t readings, wrong;
    double energy_pj[NCE_PHOTONIC_PARTS];

    /* DMA */
    nce_iova iova;
    nce_psim_mapping *mappings;
    size_t n_mappings, mappings_capacity;
} nce_psim;

nce_status nce_psim_create(nce_context *ctx, const nce_psim_settings *settings, nce_psim **out);

/* ---- the laboratory; any thread ---- */
void nce_psim_lane_fault(nce_psim *sim, uint32_t lane, nce_lane_fault fault, double rate);
void nce_psim_break(nce_psim *sim, nce_photonic_part_fault fault, uint32_t index);
uint64_t nce_psim_wrong(nce_psim *sim);  /* residues read wrongly so far */
double nce_psim_junction(nce_psim *sim); /* true temperature, C */
bool nce_psim_lasers(nce_psim *sim);     /* light is on */

/* ---- between the files of the simulator; mutex held ---- */
uint32_t nce_psim_read_register(nce_psim *sim, uint32_t offset);
/* Returns true if the ring should be worked on (nce_psim_run_ring). */
bool nce_psim_write_register(nce_psim *sim, uint32_t offset, uint32_t value);
void nce_psim_run_ring(nce_psim *sim);
/* Host memory of a bus address range; NULL if any of it is not mapped. */
void *nce_psim_resolve(nce_psim *sim, uint64_t bus, uint64_t bytes);
void nce_psim_raise(nce_psim *sim, uint32_t irq);
void nce_psim_step(nce_psim *sim, uint64_t ns, double load_watt);
void nce_psim_catch_up(nce_psim *sim); /* real time only */
bool nce_psim_power_good(const nce_psim *sim);
bool nce_psim_laser_on(const nce_psim *sim);
bool nce_psim_watchdog_late(const nce_psim *sim);
void nce_psim_emergency(nce_psim *sim);
void nce_psim_optics(nce_psim *sim, uint32_t length); /* bring sim->core up to date for dots of this length */
uint32_t nce_psim_fan_rpm(const nce_psim *sim);
uint32_t nce_psim_tec_ma(const nce_psim *sim);
uint32_t nce_psim_throttle_ppm(const nce_psim *sim);
void nce_psim_reset_registers(nce_psim *sim);

#endif
