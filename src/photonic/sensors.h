/* Voting over three temperature sensors: which readings may be believed, and what the temperature is.
 *
 * A sensor is rejected while its reading is outside [-40, 150] C, moves faster than 200 K/s, has repeated exactly for 1
 * s while the device is powered (a live converter has noise, docs/photonic-registers.md requires it), or lies more than
 * 10 K from the median.  Three believed sensors give their median, two the hotter one.  With fewer there is nothing to
 * check a reading against, and two that disagree by more than 10 K accuse each other: no temperature is valid then, and
 * the guard treats that as an emergency.  Rejected sensors are believed again after 1 s of good behaviour. */
#ifndef NCE_PHOTONIC_SENSORS_H
#define NCE_PHOTONIC_SENSORS_H
#include <stdbool.h>
#include <stdint.h>

enum { NCE_SENSORS = 3 };

typedef struct nce_sensors {
    int32_t last_mc[NCE_SENSORS];
    uint32_t same_ms[NCE_SENSORS];   /* time the reading has repeated */
    uint32_t banned_ms[NCE_SENSORS]; /* time until it is believed again */
    bool started;
} nce_sensors;

/* One vote, once per millisecond.  Returns the mask of believed sensors; *mc is written only if at least two are. */
uint32_t nce_sensors_vote(nce_sensors *s, const int32_t reading_mc[NCE_SENSORS], bool powered, int32_t *mc);
bool nce_sensors_valid(uint32_t believed); /* at least two */

#endif
