/* Power sequencer: six rails up in three groups, down in reverse, lasers always last on and first off.
 *
 *   group 0: 1.0 V, 1.8 V (core)    group 1: 2.5 V, 3.3 V (analog)    group 2: 5.0 V, 12 V (drivers, lasers)
 *
 * A group is enabled when the one before it is good.  Good: within 7.5 % of nominal for 2 ms.  A group that is not good
 * within 50 ms, or a rail above 115 %, or a good rail that leaves its band later, is a fault: lasers off in the same
 * tick, then the groups off in reverse, each waited for until it has discharged below 12.5 % (at most 100 ms: a rail
 * that stays on is reported and the sequence goes on).  After 100 ms of rest the power-up is tried again, at most three
 * times; then the fault latches until a reset.  One second of good power clears the count.
 *
 * A pure state machine with one tick per millisecond: it is told the rail voltages and says which rails to enable.
 * Every change goes to a log of the last 64 events, by which tests prove the order.  No memory; one thread at a time.
 */
#ifndef NCE_PHOTONIC_POWER_H
#define NCE_PHOTONIC_POWER_H
#include <stdbool.h>
#include <stdint.h>

enum { NCE_RAILS = 6, NCE_RAIL_GROUPS = 3, NCE_POWER_LOG = 64 };
extern const uint32_t nce_rail_millivolt[NCE_RAILS]; /* 1000 1800 2500 3300 5000 12000 */

typedef enum nce_power_state {
    NCE_POWER_OFF = 0,
    NCE_POWER_RISING = 1,
    NCE_POWER_ON = 2,
    NCE_POWER_FALLING = 3,
    NCE_POWER_RESTING = 4, /* off after a fault, before the next try */
    NCE_POWER_LATCHED = 5  /* off until nce_power_reset */
} nce_power_state;

typedef enum nce_power_event_kind {
    NCE_POWER_EVENT_RAIL_ON = 1,
    NCE_POWER_EVENT_RAIL_GOOD = 2,
    NCE_POWER_EVENT_RAIL_OFF = 3,
    NCE_POWER_EVENT_LASER_ON = 4,
    NCE_POWER_EVENT_LASER_OFF = 5,
    NCE_POWER_EVENT_TIMEOUT = 6,   /* the rail did not become good in time */
    NCE_POWER_EVENT_BROWN_OUT = 7, /* a good rail left its band */
    NCE_POWER_EVENT_OVERVOLTAGE = 8,
    NCE_POWER_EVENT_STUCK_ON = 9, /* the rail did not discharge */
    NCE_POWER_EVENT_TRIP = 10,    /* the guard asked for a shutdown */
    NCE_POWER_EVENT_RETRY = 11,
    NCE_POWER_EVENT_LATCHED = 12,
    NCE_POWER_EVENT_READY = 13
} nce_power_event_kind;

typedef struct nce_power_event {
    uint64_t ms;
    int32_t rail; /* -1: none */
    nce_power_event_kind kind;
} nce_power_event;

typedef struct nce_power {
    nce_power_state state;
    uint32_t enable; /* bit i: rail i */
    bool laser;
    bool wanted, laser_wanted;
    bool trip;    /* a shutdown for good: latches when down */
    bool faulted; /* this fall was caused by a fault */
    int group;
    uint32_t in_state_ms, retries;
    uint32_t good_ms[NCE_RAILS];
    uint64_t ms;
    uint64_t n_events; /* ever; the log holds the last NCE_POWER_LOG */
    nce_power_event log[NCE_POWER_LOG];
} nce_power;

void nce_power_init(nce_power *p);
void nce_power_request(nce_power *p, bool on);
void nce_power_request_laser(nce_power *p, bool on); /* honoured only while every rail is good */
/* Emergency: lasers off now, rails in reverse, latched. */
void nce_power_trip(nce_power *p);
/* Leave the latched state; power comes back only after a new request. */
void nce_power_reset(nce_power *p);
void nce_power_tick(nce_power *p, const uint32_t millivolt[NCE_RAILS]);
bool nce_power_good(const nce_power *p, int rail, uint32_t millivolt); /* within the band now */

#endif
