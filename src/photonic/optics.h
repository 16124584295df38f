/* Formulas of the optical parts, in SI units unless a name says otherwise.  Pure functions; any thread.
 * docs/photonic.md derives them and names the sources. */
#ifndef NCE_PHOTONIC_OPTICS_H
#define NCE_PHOTONIC_OPTICS_H
#include <stdint.h>

/* Standard deviation of a photocurrent [A] of a balanced detector with transimpedance amplifier: shot noise of the
 * current, Johnson noise of the feedback resistor, relative intensity noise of the laser [dB/Hz]. */
double nce_detector_noise(double current, double bandwidth, double kelvin, double feedback_ohm, double rin_db_hz);

/* Effective number of bits of a full-scale sine whose amplitude is snr times the noise. */
double nce_effective_bits(double snr_amplitude);

/* Share of power a ring drops at a detuning from its resonance; same unit for both (Lorentzian). */
double nce_ring_drop(double detuning, double fwhm);
/* Phase the dropped field gains there, radians. */
double nce_ring_phase(double detuning, double fwhm);

/* Share of power that stays in the bar port of a Mach-Zehnder interferometer of internal phase theta. */
double nce_mzi_bar_power(double theta);
/* Power that leaks into the bar port in the cross state when both splitters are (50 + 100 delta) %. */
double nce_mzi_leakage(double delta);

/* Size of a phase step of a b-bit converter over 2 pi, radians, and its rounding error's standard deviation. */
double nce_dac_step(uint32_t bits);
double nce_dac_rms(uint32_t bits);

/* Heat a thermoelectric cooler takes from its cold side [W], its electric power [W] and the current [A] that takes
 * most: Seebeck coefficient s [V/K], resistance r [Ohm], thermal conductance k [W/K], temperatures in kelvin. */
typedef struct nce_tec {
    double s, r, k;
} nce_tec;
double nce_tec_heat(const nce_tec *tec, double current, double cold, double hot);
double nce_tec_power(const nce_tec *tec, double current, double cold, double hot);
double nce_tec_best_current(const nce_tec *tec, double cold);

#endif
