/* The photonic device: exact integer dot products by light, a mesh for analog products, a thermal guard, power rails.
 *
 * No photonic accelerator with an open driver can be bought.  What this header drives is a device that follows the "NCE
 * Photonic Register Interface" (docs/photonic-registers.md): the physical simulator in the library ("sim"), or hardware
 * behind Linux VFIO ("vfio:0000:01:00.0").  The same driver code runs on both.
 *
 * Exact mode.  Seven wavelengths carry a dot product of up to 256 int8 pairs modulo {19, 23, 25, 27, 29 | 31, 32}.  Only a
 * residue vector that is a code word of the redundant system is believed, and a column checksum proves each tile; what
 * fails is read again, then computed on the CPU.  So results equal the CPU's integers always, whatever the noise, the
 * defects or the temperature; only the statistics tell the difference (Demirkiran et al., Nature Communications 2024).
 *
 * Analog mode.  A matrix product through two Mach-Zehnder meshes (Reck 1994, Clements 2016, Shen 2017).  It is an
 * approximation with a stated error, never used by the exact mode and never called exact.
 *
 * Temperatures are millidegrees Celsius, currents milliamperes, voltages millivolts, fans rpm, as in Linux hwmon.
 * docs/photonic.md explains the physics and the equations. */
#ifndef NCE_PHOTONIC_H
#define NCE_PHOTONIC_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_photonic nce_photonic;

enum {
    NCE_PHOTONIC_MAX_LENGTH = 256, /* int8 pairs of an exact dot product */
    NCE_PHOTONIC_LANES = 7,        /* wavelengths, one per modulus */
    NCE_PHOTONIC_RAILS = 6,        /* 1.0 1.8 2.5 3.3 5.0 12 V */
    NCE_PHOTONIC_SENSORS = 3,
    NCE_PHOTONIC_PARTS = 8 /* of the energy account */
};

/* Defects of a lane, for tests of the error handling (simulator only). */
typedef enum nce_photonic_fault_kind {
    NCE_PHOTONIC_FAULT_NONE = 0,
    NCE_PHOTONIC_FAULT_DARK = 1,  /* no light: the phase read is noise */
    NCE_PHOTONIC_FAULT_STUCK = 2, /* always reads residue 1 */
    NCE_PHOTONIC_FAULT_STEP = 3,  /* reads one step too high */
    NCE_PHOTONIC_FAULT_RANDOM = 4 /* reads any other residue */
} nce_photonic_fault_kind;

/* Faults of rails, sensors and fan (simulator only), see nce_photonic_break. */
typedef enum nce_photonic_part_fault {
    NCE_PHOTONIC_PART_OK = 0,
    NCE_PHOTONIC_RAIL_DEAD = 1, /* index: rail; gives nothing */
    NCE_PHOTONIC_RAIL_LOW = 2,  /* stops at 80 % */
    NCE_PHOTONIC_RAIL_HIGH = 3, /* goes to 130 % */
    NCE_PHOTONIC_RAIL_SLOW = 4,
    NCE_PHOTONIC_RAIL_STUCK_ON = 5,
    NCE_PHOTONIC_SENSOR_STUCK = 6, /* index: sensor; repeats its reading */
    NCE_PHOTONIC_SENSOR_OPEN = 7,  /* reads -200 C */
    NCE_PHOTONIC_FAN_DEAD = 8,     /* stands still */
    NCE_PHOTONIC_LOST = 9          /* the device leaves the bus: every register reads ~0 */
} nce_photonic_part_fault;

/* nce_photonic_options.flags */
enum {
    NCE_PHOTONIC_NO_FALLBACK = 1 << 0,    /* fail with NCE_ERR_BACKEND where the CPU would take over */
    NCE_PHOTONIC_NO_DEGRADED = 1 << 1,    /* never give up a lane that is always wrong */
    NCE_PHOTONIC_NO_CHECKSUM = 1 << 2,    /* leave out the column checksum */
    NCE_PHOTONIC_NO_CALIBRATION = 1 << 3, /* do not tune the lanes at open */
    NCE_PHOTONIC_GUARD_THREAD = 1 << 4    /* simulator in real time, guard on a thread of its own (VFIO: always) */
};

typedef struct nce_photonic_options {
    size_t struct_size;
    const char *transport; /* NULL or "sim"; "vfio:DOMAIN:BUS:SLOT.FUNCTION" (Linux); borrowed until return */
    uint64_t seed;         /* of everything random in the simulator */
    uint32_t flags;        /* NCE_PHOTONIC_NO_FALLBACK ... */
    uint32_t retries;      /* readings of a rejected dot product before the CPU computes it; 0: 3; at most 15 */
    /* the simulated optics */
    double noise;          /* standard deviation of a quadrature relative to the field; 0: of the detector physics, about
                              0.004; negative: none, and ideal phase converters; at most 1.  Proven: up to 0.0164. */
    double drift_nm_per_k; /* of the rings; 0: 0.1; negative: none; at most 1 */
    uint32_t adc_bits;     /* of the I and Q converters; 0: 8; 4..14 */
    uint32_t dac_bits;     /* of the phase converters; 0: 14; 12..16 */
    /* one lane fault from the start; more by nce_photonic_fault_set */
    uint32_t fault_kind; /* nce_photonic_fault_kind */
    uint32_t fault_lane;
    double fault_rate; /* share of readings it touches; 0: all */
    /* the thermal guard; 0: default */
    int32_t ambient_mc;    /* of the simulator; 25000 */
    int32_t warning_mc;    /* 75000 */
    int32_t critical_mc;   /* 85000 */
    int32_t emergency_mc;  /* 95000 */
    int32_t hysteresis_mc; /* 5000 */
    uint32_t reserved;     /* 0 */
} nce_photonic_options;
#define NCE_PHOTONIC_OPTIONS_INIT { sizeof(nce_photonic_options), 0, 0, 0, 0, 0.0, 0.0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0 }

/* Read options from a device name such as a command line gives: "sim", "sim,seed=7,noise=0.0164,adc=6",
 * "sim,fault=3:dark:0.01", "vfio:0000:01:00.0,retries=5".  Keys: seed noise drift adc dac retries fault (LANE:KIND[:RATE],
 * KIND dark stuck step random) ambient warning critical emergency hysteresis (degrees) nofallback nodegraded nochecksum
 * nocalibration thread.
 *
 * text     borrowed until return; options->transport then points into storage.
 * options  already initialised; only what the text names is changed.
 * storage  [storage_bytes] receives the transport's name; 64 bytes suffice for every valid one.
 * Returns NCE_OK; NCE_ERR_INVALID (unknown key, value not a number or out of range; the message names it; options are then
 *         partly written).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_options_parse(nce_context *ctx, const char *text, nce_photonic_options *options,
                                              char *storage, size_t storage_bytes);

/* Open a device: identify it, power its rails in order, start the guard, switch the lasers on, tune the lanes.
 *
 * options  NULL for all defaults.
 * out      owned by the caller: nce_photonic_destroy, before the context.  NULL on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (an option out of range; thresholds that do not ascend by the hysteresis);
 *         NCE_ERR_NOTFOUND (no such transport or PCI device); NCE_ERR_UNSUPPORTED (VFIO without Linux; not a device of this
 *         interface or a newer major version); NCE_ERR_IO (the kernel refused: permission, IOMMU, driver; the message says
 *         what to do); NCE_ERR_BACKEND (rails do not come up; the device is left powered down); NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_photonic_create(nce_context *ctx, const nce_photonic_options *options, nce_photonic **out);

/* Lasers off, rails off in reverse, guard stopped, device closed.  NULL is allowed.  No other call may run.  Since 0.1. */
NCE_API void nce_photonic_destroy(nce_photonic *device);

/* Exact dot products of int8 blocks: out[r][b] = sum over i < length of w[r*ld_w + b*length + i] * x[b*length + i].
 *
 * n_rows, n_blocks  any, also 0 (n_rows 1 and n_blocks n: n independent dot products).
 * length  1..NCE_PHOTONIC_MAX_LENGTH.
 * w       [n_rows] rows of n_blocks*length elements, ld_w >= n_blocks*length elements apart; any value -128..127.
 * x       [n_blocks*length].           out  [n_rows][n_blocks], partly written on failure.  All borrowed until return.
 * Every result is the exact integer.  Returns NCE_OK; NCE_ERR_INVALID (length, ld_w, NULL); NCE_ERR_BACKEND (only with
 *         NCE_PHOTONIC_NO_FALLBACK: a result could not be had from the device, which stays usable unless it is lost);
 *         NCE_ERR_NOMEM.
 * Threads: any; calls on one device take turns.  Since 0.1. */
NCE_API nce_status nce_photonic_block_dots(nce_photonic *device, size_t n_rows, size_t n_blocks, uint32_t length,
                                           const int8_t *w, size_t ld_w, const int8_t *x, int32_t *out);

/* Parts of the energy account. */
typedef enum nce_photonic_part {
    NCE_PHOTONIC_PART_LASER = 0,
    NCE_PHOTONIC_PART_DAC = 1,    /* modulators and their converters */
    NCE_PHOTONIC_PART_ADC = 2,    /* receivers and their converters */
    NCE_PHOTONIC_PART_TUNING = 3, /* ring and phase heaters */
    NCE_PHOTONIC_PART_DIGITAL = 4,
    NCE_PHOTONIC_PART_DMA = 5,
    NCE_PHOTONIC_PART_COOLER = 6,
    NCE_PHOTONIC_PART_FAN = 7
} nce_photonic_part;

/* Why the device is slowed or stopped: bits. */
enum {
    NCE_PHOTONIC_REASON_WARNING = 1 << 0,
    NCE_PHOTONIC_REASON_CRITICAL = 1 << 1,
    NCE_PHOTONIC_REASON_EMERGENCY = 1 << 2,
    NCE_PHOTONIC_REASON_SENSOR = 1 << 3,   /* a temperature sensor is not believed */
    NCE_PHOTONIC_REASON_WATCHDOG = 1 << 4, /* the guard did not run for 10 ms */
    NCE_PHOTONIC_REASON_POWER = 1 << 5,
    NCE_PHOTONIC_REASON_FAN = 1 << 6 /* turns at less than half the speed asked for */
};

typedef struct nce_photonic_stats {
    size_t struct_size;
    uint64_t dots;                /* asked for */
    uint64_t device_dots;         /* answered by the device */
    uint64_t rejected;            /* readings that were no code word */
    uint64_t retries;             /* readings repeated */
    uint64_t corrected;           /* answered without a lane that was wrong (degraded mode) */
    uint64_t fallbacks;           /* computed by the CPU */
    uint64_t checksum_failures;   /* tiles whose column checksum was wrong */
    uint64_t wrong_residues;      /* simulator: residues read wrongly, known from the truth */
    uint32_t lanes;               /* mask of the wavelengths in use */
    uint32_t calibrations;
    uint64_t busy_ns;             /* time the core worked, by its own clock */
    uint64_t energy_pj[NCE_PHOTONIC_PARTS];
    uint64_t guard_ticks;
    uint64_t guard_overruns;      /* ticks more than 1 ms late (guard thread) */
    uint64_t guard_jitter_max_ns; /* latest start after its time */
    uint64_t guard_jitter_sum_ns; /* divided by ticks: the mean */
} nce_photonic_stats;
#define NCE_PHOTONIC_STATS_INIT { sizeof(nce_photonic_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, 0, 0, 0, 0 }

/* Counters since the device was opened.  stats->struct_size must be set (the _INIT macro).
 * Returns NCE_OK; NCE_ERR_INVALID.  Threads: any.  Since 0.1. */
NCE_API nce_status nce_photonic_stats_get(nce_photonic *device, nce_photonic_stats *stats);
/* Name of a part of the energy account ("laser"); NULL for an unknown one.  Static storage.  Since 0.1. */
NCE_API const char *nce_photonic_part_name(nce_photonic_part part);

typedef enum nce_photonic_power_state {
    NCE_PHOTONIC_POWER_OFF = 0,
    NCE_PHOTONIC_POWER_RISING = 1,
    NCE_PHOTONIC_POWER_ON = 2,
    NCE_PHOTONIC_POWER_FALLING = 3,
    NCE_PHOTONIC_POWER_RESTING = 4, /* between a fault and the next try */
    NCE_PHOTONIC_POWER_LATCHED = 5  /* off until nce_photonic_reset */
} nce_photonic_power_state;

/* What a monitor shows; names of hwmon and of the Linux thermal subsystem. */
typedef struct nce_photonic_sample {
    size_t struct_size;
    uint64_t time_ns;              /* of the device (virtual in the simulator) */
    int32_t temp1_input;           /* voted junction temperature */
    int32_t temp1_max, temp1_max_hyst, temp1_crit, temp1_crit_hyst, temp1_emergency; /* absolute, as in hwmon */
    int32_t temp2_input;           /* heat sink */
    int32_t temp3_input;           /* ambient */
    uint32_t fan1_input;           /* rpm */
    uint32_t fan1_target;
    uint32_t curr1_input;          /* cooler, mA */
    uint32_t in_input[NCE_PHOTONIC_RAILS]; /* mV */
    uint32_t power_state;          /* nce_photonic_power_state */
    uint32_t lasers;               /* 1: on */
    uint32_t tier;                 /* 0 normal, 1 warning, 2 critical, 3 emergency */
    uint32_t throttle_ppm;         /* share of time the core must rest */
    uint32_t throttle_reasons;     /* NCE_PHOTONIC_REASON_* */
    uint32_t reserved[2];
} nce_photonic_sample;
#define NCE_PHOTONIC_SAMPLE_INIT                                                                                        \
    { sizeof(nce_photonic_sample), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, 0, 0, 0, 0, 0, { 0 } }

/* The present state of heat and power.  sample->struct_size must be set.  Returns NCE_OK; NCE_ERR_INVALID.  Any thread.
 * Since 0.1. */
NCE_API nce_status nce_photonic_sample_get(nce_photonic *device, nce_photonic_sample *sample);

/* Let virtual time of the simulator pass, with a load: guard, plant, rails and watchdogs run as they would.
 *
 * milliseconds  any number; hours take seconds.
 * load_watt     heat of the die at full speed, 0..1000; the throttle, a lost laser or rail reduce it.
 * stalled       true: the guard does not run meanwhile (a test of the device's watchdog).
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_STATE (not the simulator, or it runs in real time).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_pass_time(nce_photonic *device, uint64_t milliseconds, double load_watt, bool stalled);

/* Give a lane of the simulator a fault, or take it away (kind NONE).  rate: share of readings touched, 0..1.
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_STATE (not the simulator).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_fault_set(nce_photonic *device, uint32_t lane, nce_photonic_fault_kind kind, double rate);

/* Break a rail, sensor or fan of the simulator, or mend it (PART_OK mends every fault of all parts, index ignored).
 * Returns NCE_OK; NCE_ERR_INVALID; NCE_ERR_STATE (not the simulator).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_break(nce_photonic *device, nce_photonic_part_fault fault, uint32_t index);

/* Power down (lasers first, rails in reverse) or up, and wait for it.
 * Returns NCE_OK; NCE_ERR_STATE (up while latched: nce_photonic_reset first); NCE_ERR_BACKEND (rails do not come up, or the
 *         device is lost).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_power(nce_photonic *device, bool on);

/* Leave a latched emergency or power fault, once its cause is gone; power stays off until nce_photonic_power.
 * Returns NCE_OK; NCE_ERR_STATE (still too hot, no valid sensor).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_reset(nce_photonic *device);

/* One line of the power log: "   12 ms rail 3.3V good".  index 0 is the oldest of the last 64 events.
 * Returns false if there is none.  text [bytes] is always terminated.  Any thread.  Since 0.1. */
NCE_API bool nce_photonic_power_log(nce_photonic *device, uint32_t index, char *text, size_t bytes);

/* What the calibration measured in a lane. */
typedef struct nce_photonic_lane {
    size_t struct_size;
    uint32_t modulus;
    uint32_t in_use;
    double amplitude;    /* of the field read back; 1 is nominal */
    double phase_error;  /* radians left after tuning */
    double margin_sigma; /* distance to a wrong residue in standard deviations of the measured noise */
    double ring_trim_pm; /* shift of the ring by its heater */
    double phase_trim;   /* radians */
} nce_photonic_lane;
#define NCE_PHOTONIC_LANE_INIT { sizeof(nce_photonic_lane), 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0 }

/* Tune every lane: find the ring heater's best setting, then the phase offset; lanes given up are tried again.
 * Returns NCE_OK; NCE_ERR_STATE (not powered); NCE_ERR_BACKEND (no lane can be read).  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_calibrate(nce_photonic *device);
/* Returns NCE_OK; NCE_ERR_INVALID.  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_lane_get(nce_photonic *device, uint32_t lane, nce_photonic_lane *out);

/* ---- analog mode: a matrix as light ---- */
typedef struct nce_photonic_mesh nce_photonic_mesh;

typedef enum nce_photonic_layout {
    NCE_PHOTONIC_CLEMENTS = 0, /* depth n */
    NCE_PHOTONIC_RECK = 1      /* depth 2n - 3 */
} nce_photonic_layout;

typedef struct nce_photonic_mesh_options {
    size_t struct_size;
    uint64_t seed;
    uint32_t layout;       /* nce_photonic_layout */
    uint32_t phase_bits;   /* of the phase converters; 0: 14; 6..24; 32: no rounding */
    uint32_t adc_bits;     /* of the outputs; 0: 10; 4..24; 32: no rounding */
    uint32_t reserved;     /* 0 */
    double splitter_sigma; /* standard deviation of the splitting ratio around 0.5; 0: ideal; at most 0.2 */
    double loss_db;        /* of one interferometer; 0..3 */
    double crosstalk;      /* share of a heater's phase its neighbour gets; falls by e per interferometer; 0..0.2 */
    double noise;          /* of an output, relative to the largest possible output; 0..1 */
} nce_photonic_mesh_options;
#define NCE_PHOTONIC_MESH_OPTIONS_INIT { sizeof(nce_photonic_mesh_options), 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0 }

/* Program a real matrix: W = s U Sigma V^T, two meshes of Mach-Zehnder interferometers and n attenuators.
 *
 * w        [n][n] row-major, finite; borrowed until return.    n  2..128.
 * out      owned by the caller: nce_photonic_mesh_destroy.  NULL on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (n, an option, a value that is not finite); NCE_ERR_NOMEM.
 * Threads: any; a mesh is immutable afterwards.  Since 0.1. */
NCE_API nce_status nce_photonic_mesh_create(nce_context *ctx, const float *w, size_t n,
                                            const nce_photonic_mesh_options *options, nce_photonic_mesh **out);
NCE_API void nce_photonic_mesh_destroy(nce_photonic_mesh *mesh);

/* y = W x as the mesh gives it: an approximation.  x, y [n], may not overlap.  reading numbers the noise: the same number
 * gives the same result.  Returns NCE_OK; NCE_ERR_INVALID.  Any thread.  Since 0.1. */
NCE_API nce_status nce_photonic_mesh_apply(const nce_photonic_mesh *mesh, uint64_t reading, const float *x, float *y);

/* Relative Frobenius error of the matrix the mesh really makes, noise left out: ||W' - W|| / ||W||; the depth in
 * interferometers and their number (both meshes).  Any thread.  Since 0.1. */
NCE_API double nce_photonic_mesh_error(const nce_photonic_mesh *mesh);
NCE_API uint32_t nce_photonic_mesh_depth(const nce_photonic_mesh *mesh);
NCE_API uint32_t nce_photonic_mesh_interferometers(const nce_photonic_mesh *mesh);

#ifdef __cplusplus
}
#endif
#endif
