/* Formulas of the optical parts (see optics.h). */
#include "src/photonic/optics.h"
#include <math.h>

static const double electron = 1.602176634e-19, boltzmann = 1.380649e-23, pi = 3.14159265358979323846;

double nce_detector_noise(double current, double bandwidth, double kelvin, double feedback_ohm, double rin_db_hz)
{
    const double shot = 2.0 * electron * current * bandwidth;
    const double johnson = 4.0 * boltzmann * kelvin * bandwidth / feedback_ohm;
    const double intensity = pow(10.0, rin_db_hz / 10.0) * current * current * bandwidth;
    return sqrt(shot + johnson + intensity);
}

double nce_effective_bits(double snr_amplitude)
{
    return (20.0 * log10(snr_amplitude / sqrt(2.0)) - 1.76) / 6.02;
}

double nce_ring_drop(double detuning, double fwhm)
{
    const double x = 2.0 * detuning / fwhm;
    return 1.0 / (1.0 + x * x);
}

double nce_ring_phase(double detuning, double fwhm)
{
    return -atan(2.0 * detuning / fwhm);
}

double nce_mzi_bar_power(double theta)
{
    const double s = sin(theta / 2.0);
    return s * s;
}

double nce_mzi_leakage(double delta)
{
    return 4.0 * delta * delta;
}

double nce_dac_step(uint32_t bits)
{
    return ldexp(2.0 * pi, -(int)bits);
}

double nce_dac_rms(uint32_t bits)
{
    return nce_dac_step(bits) / sqrt(12.0);
}

double nce_tec_heat(const nce_tec *tec, double current, double cold, double hot)
{
    return tec->s * current * cold - current * current * tec->r / 2.0 - tec->k * (hot - cold);
}

double nce_tec_power(const nce_tec *tec, double current, double cold, double hot)
{
    return tec->s * current * (hot - cold) + current * current * tec->r;
}

double nce_tec_best_current(const nce_tec *tec, double cold)
{
    return tec->s * cold / tec->r;
}
