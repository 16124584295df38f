/* Voltages of the six simulated rails (see rails.h). */
#include "src/photonic/rails.h"
#include <math.h>

static const double rise_seconds = 0.002, fall_seconds = 0.003;

void nce_rails_step(nce_rails *rails, uint32_t enable, double seconds)
{
    for (int r = 0; r < NCE_RAILS; r++) {
        const nce_rail_fault fault = rails->fault[r];
        const bool on = (enable >> r & 1) || (fault == NCE_RAIL_FAULT_STUCK_ON && rails->millivolt[r] > 0.0);
        double target = on ? nce_rail_millivolt[r] : 0.0, tau = on ? rise_seconds : fall_seconds;
        if (fault == NCE_RAIL_FAULT_DEAD) target = 0.0;
        if (fault == NCE_RAIL_FAULT_LOW) target *= 0.8;
        if (fault == NCE_RAIL_FAULT_HIGH) target *= 1.3;
        if (fault == NCE_RAIL_FAULT_SLOW) tau *= 100.0;
        rails->millivolt[r] += (target - rails->millivolt[r]) * (1.0 - exp(-seconds / tau));
    }
}
