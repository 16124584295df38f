/* Voltages of the six simulated rails: exponential rise and discharge, and the ways a converter fails. */
#ifndef NCE_PHOTONIC_RAILS_H
#define NCE_PHOTONIC_RAILS_H
#include "src/photonic/power.h"

typedef enum nce_rail_fault {
    NCE_RAIL_FAULT_NONE = 0,
    NCE_RAIL_FAULT_DEAD = 1,    /* gives nothing */
    NCE_RAIL_FAULT_LOW = 2,     /* stops at 80 % */
    NCE_RAIL_FAULT_HIGH = 3,    /* goes to 130 % */
    NCE_RAIL_FAULT_SLOW = 4,    /* takes a hundred times as long */
    NCE_RAIL_FAULT_STUCK_ON = 5 /* ignores being disabled */
} nce_rail_fault;

typedef struct nce_rails {
    double millivolt[NCE_RAILS];
    nce_rail_fault fault[NCE_RAILS];
} nce_rails;

/* Let seconds pass; enable: bit i, rail i. */
void nce_rails_step(nce_rails *rails, uint32_t enable, double seconds);

#endif
