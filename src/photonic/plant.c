/* Heat flow of the simulated device (see plant.h). */
#include "src/photonic/plant.h"

static const double celsius_zero = 273.15;

void nce_plant_init(nce_plant *plant, double ambient)
{
    *plant = (nce_plant){
        .junction = ambient,
        .sink = ambient,
        .ambient = ambient,
        .junction_capacity = 2.0,
        .sink_capacity = 60.0,
        .junction_to_sink = 0.35,
        .still_air = 1.0 / 3.0,
        .full_air = 2.0,
        .fan_full_rpm = 4000.0,
        .tec = {.s = 0.022, .r = 10.0, .k = 0.03},
    };
}

void nce_plant_step(nce_plant *plant, double watts, double tec_ampere, double fan_rpm, double seconds)
{
    const double wind = fan_rpm <= 0.0 ? 0.0 : fan_rpm >= plant->fan_full_rpm ? 1.0 : fan_rpm / plant->fan_full_rpm;
    const double to_air = plant->still_air + (plant->full_air - plant->still_air) * wind;
    const double cold = plant->junction + celsius_zero, hot = plant->sink + celsius_zero;
    const double pumped = nce_tec_heat(&plant->tec, tec_ampere, cold, hot);
    const double conducted = (plant->junction - plant->sink) / plant->junction_to_sink;
    const double spent = nce_tec_power(&plant->tec, tec_ampere, cold, hot);
    plant->junction += seconds / plant->junction_capacity * (watts - conducted - pumped);
    plant->sink +=
        seconds / plant->sink_capacity * (conducted + pumped + spent - to_air * (plant->sink - plant->ambient));
}
