/* Voting over three temperature sensors (see sensors.h). */
#include "src/photonic/sensors.h"
#include <stdlib.h>

enum {
    MIN_MC = -40000,
    MAX_MC = 150000,
    MAX_STEP_MC = 200, /* per millisecond: 200 K/s */
    MAX_SPREAD_MC = 10000,
    STUCK_MS = 1000,
    BAN_MS = 1000
};

static int32_t median(const int32_t v[NCE_SENSORS])
{
    const int32_t low = v[0] < v[1] ? v[0] : v[1], high = v[0] < v[1] ? v[1] : v[0];
    return v[2] < low ? low : v[2] > high ? high : v[2];
}

static bool plausible(nce_sensors *s, int i, int32_t mc, bool powered)
{
    const bool moved = mc != s->last_mc[i];
    s->same_ms[i] = moved || !powered ? 0 : s->same_ms[i] + 1;
    if (mc < MIN_MC || mc > MAX_MC) return false;
    if (s->started && llabs((int64_t)mc - s->last_mc[i]) > MAX_STEP_MC) return false;
    return s->same_ms[i] < STUCK_MS;
}

uint32_t nce_sensors_vote(nce_sensors *s, const int32_t reading_mc[NCE_SENSORS], bool powered, int32_t *mc)
{
    uint32_t believed = 0;
    const int32_t middle = median(reading_mc);
    for (int i = 0; i < NCE_SENSORS; i++) {
        const bool good =
            plausible(s, i, reading_mc[i], powered) && llabs((int64_t)reading_mc[i] - middle) <= MAX_SPREAD_MC;
        if (!good)
            s->banned_ms[i] = BAN_MS;
        else if (s->banned_ms[i] > 0)
            s->banned_ms[i]--;
        if (s->banned_ms[i] == 0) believed |= 1u << i;
        s->last_mc[i] = reading_mc[i];
    }
    s->started = true;
    int32_t low = INT32_MAX, high = INT32_MIN;
    for (int i = 0; i < NCE_SENSORS; i++)
        if (believed >> i & 1) {
            low = reading_mc[i] < low ? reading_mc[i] : low;
            high = reading_mc[i] > high ? reading_mc[i] : high;
        }
    if (!nce_sensors_valid(believed)) return believed;
    if (high - low > MAX_SPREAD_MC) return 0;
    *mc = believed == 7 ? middle : high;
    return believed;
}

bool nce_sensors_valid(uint32_t believed)
{
    return __builtin_popcount(believed) >= 2;
}
