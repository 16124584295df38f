/* The thermal guard: a pure function from temperatures to throttle, cooler, fan and shutdown, run 1,000 times a second.
 *
 *   tier       entered at   left at        does
 *   normal                                 full speed; cooler 100 mA above 45 C; fan 1,000 rpm
 *   warning    75 C         70 C           throttle 75 % * (T - 75)/10, cooler and fan grow in proportion
 *   critical   85 C         80 C           throttle 75 %, best cooler current within 500 mA, fan 4,000 rpm
 *   emergency  95 C         reset only     lasers off, then rails off in reverse (power.h); cooler and fan stay
 *
 * The proportional throttle meets 75 % exactly at the critical threshold, so load and temperature find a balance
 * instead of cycling; hysteresis keeps noise from toggling a tier.  The emergency looks two ticks ahead: at 95 C power
 * is off already.  No believable temperature is an emergency too (a guard that cannot see must not drive).  The best
 * cooler current is min(500 mA, S T / R): beyond it a Peltier element heats what it should cool.
 *
 * The guard also compensates the drift of the rings: their heaters move by -drift * (T - 25 C).
 * State is caller-owned, holds no memory; one thread at a time. */
#ifndef NCE_PHOTONIC_GUARD_H
#define NCE_PHOTONIC_GUARD_H
#include "src/photonic/optics.h"
#include "src/photonic/sensors.h"

typedef enum nce_guard_tier {
    NCE_GUARD_NORMAL = 0,
    NCE_GUARD_WARNING = 1,
    NCE_GUARD_CRITICAL = 2,
    NCE_GUARD_EMERGENCY = 3
} nce_guard_tier;

typedef struct nce_guard_limits { /* millidegrees, milliamperes, rpm */
    int32_t warning_mc, critical_mc, emergency_mc, hysteresis_mc;
    uint32_t tec_max_ma, fan_min_rpm, fan_max_rpm;
} nce_guard_limits;

typedef struct nce_guard {
    nce_guard_limits limits;
    nce_tec tec;
    double drift_pm_per_k; /* of the rings, as compensated */
    int32_t design_mc;     /* temperature at which the rings were designed to fit */
    nce_sensors sensors;
    uint32_t believed; /* sensors of the last tick, mask */
    nce_guard_tier tier;
    int32_t mc;          /* last valid temperature */
    uint32_t fan_bad_ms; /* time the fan has been too slow */
    uint64_t ticks;
} nce_guard;

typedef struct nce_guard_input {
    int32_t sensor_mc[NCE_SENSORS];
    uint32_t fan_rpm, fan_target_rpm;
    bool powered;
    bool power_fault; /* the sequencer reports one */
} nce_guard_input;

typedef struct nce_guard_output {
    uint32_t throttle_ppm; /* share of time the core must rest, parts per million */
    uint32_t tec_ma, fan_rpm;
    int32_t ring_shift; /* of the ring heaters, 1/100 pm */
    bool shutdown;      /* lasers first */
    uint32_t reasons;   /* NCE_PHOTONIC_REASON_* of nce/photonic.h */
} nce_guard_output;

extern const nce_guard_limits nce_guard_default_limits;

/* NULL if the limits may be used, otherwise what is wrong with them: thresholds ascending with at least the hysteresis
 * between them, hysteresis 0.5..20 K, emergency at most 105 C, warning at least 40 C, cooler at most 2 A. */
const char *nce_guard_check_limits(const nce_guard_limits *limits);

void nce_guard_init(nce_guard *guard, const nce_guard_limits *limits, const nce_tec *tec);
/* One millisecond. */
nce_guard_output nce_guard_tick(nce_guard *guard, const nce_guard_input *in);
/* Leave the latched emergency; refused (false) while the temperature is not known, or not below the warning threshold
 * less the hysteresis. */
bool nce_guard_reset(nce_guard *guard);

#endif
