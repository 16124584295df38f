/* Heat flow of the simulated device: a die on a heat sink, a thermoelectric cooler between them, a fan.
 *
 * Two nodes, each a heat capacity; the die loses heat to the sink through a resistance and through the cooler, whose
 * own electric power also ends in the sink (so too much current heats the die: the runaway that a guard must avoid);
 * the sink loses heat to the air through a conductance that grows with the fan.  Forward Euler in double.  Pure state,
 * no memory. */
#ifndef NCE_PHOTONIC_PLANT_H
#define NCE_PHOTONIC_PLANT_H
#include "src/photonic/optics.h"

typedef struct nce_plant {
    double junction, sink, ambient;          /* degrees Celsius */
    double junction_capacity, sink_capacity; /* J/K */
    double junction_to_sink;                 /* K/W */
    double still_air, full_air;              /* W/K from the sink at 0 and at fan_full_rpm */
    double fan_full_rpm;
    nce_tec tec;
} nce_plant;

/* The reference plant, everything at ambient temperature. */
void nce_plant_init(nce_plant *plant, double ambient);

/* Let seconds pass (one step; at most 0.01) with watts of heat in the die. */
void nce_plant_step(nce_plant *plant, double watts, double tec_ampere, double fan_rpm, double seconds);

#endif
