/* Optical core of the exact mode: seven wavelengths, each forming dot products modulo its number as an optical phase,
 * read by an I/Q receiver with noise and two converters.
 *
 * What light does: residue w_i * x_i mod m becomes a phase shift of 2 pi / m per unit; a cascade of shifters adds them
 * modulo 2 pi; a coherent receiver measures a*cos(phi) and a*sin(phi); the nearest of m phases is the residue.  The
 * simulator forms the integer and reduces it (the same number, since phases add exactly modulo 2 pi) and then really
 * draws the receiver's noise for every reading.  Noise is a two-dimensional normal; its length is tested first, with
 * the distance to the next decision border, so that only the few readings that could err take the full path of
 * receiver, converters and arc tangent.  That is an exact way to draw the same distribution, not an approximation.
 *
 * A core holds no memory of its own.  Threads: one call at a time per core. */
#ifndef NCE_PHOTONIC_CORE_H
#define NCE_PHOTONIC_CORE_H
#include "src/photonic/rns.h"
#include <stddef.h>

/* What a defect does to a lane. */
typedef enum nce_lane_fault {
    NCE_LANE_FAULT_NONE = 0,
    NCE_LANE_FAULT_DARK = 1,  /* no light: the phase read is noise */
    NCE_LANE_FAULT_STUCK = 2, /* always reads residue 1 */
    NCE_LANE_FAULT_STEP = 3,  /* reads one step too high */
    NCE_LANE_FAULT_RANDOM = 4 /* reads any other residue */
} nce_lane_fault;

typedef struct nce_optical_lane {
    /* set by the owner before nce_core_prepare */
    double amplitude;   /* of the field; 1 is nominal */
    double phase_error; /* radians, the same for every reading of a job */
    nce_lane_fault fault;
    double fault_rate; /* share of readings the fault touches, 0..1 */
    bool enabled;
    /* derived */
    double slow_share; /* probability that a reading needs the full path */
    double cosine[32], sine[32];
} nce_optical_lane;

typedef struct nce_optical_core {
    uint64_t seed;
    double noise;      /* standard deviation per quadrature, of the nominal amplitude */
    uint32_t adc_bits; /* of each of the two converters, 4..14 */
    nce_optical_lane lane[NCE_RNS_LANES];
    double any_slow[NCE_RNS_LANES]; /* probability that one of lanes 0..i needs the full path */
    bool any_fault;
} nce_optical_core;

enum { NCE_CORE_FULL_SCALE_PERCENT = 110 }; /* of the nominal amplitude: range of the converters */

/* Derive tables and thresholds after a change of the settings above. */
void nce_core_prepare(nce_optical_core *core);

/* Read the residues of n true dot products y as the receiver sees them: out[n][8], byte i the residue of lane i (0xff
 * for a disabled lane), byte 7 zero.  reading numbers the first of n consecutive readings; the same number always draws
 * the same noise.  Returns how many readings of the n * 7 were wrong (the simulator knows; the driver does not). */
uint64_t nce_core_read(const nce_optical_core *core, uint64_t reading, const int32_t *y, size_t n, uint8_t *out);

/* One receiver reading (I, Q) of a residue, converted to integers of the converters' scale and back. */
void nce_core_probe(const nce_optical_core *core, uint32_t lane, uint64_t reading, uint32_t residue, double iq[2]);

/* Exact dot products of int8 rows: y[r][b] = sum over i < length of w[r*ld_w + b*length + i] * x[b*length + i]. */
void nce_core_dots(const int8_t *w, size_t ld_w, const int8_t *x, size_t n_rows, size_t n_blocks, uint32_t length,
                   int32_t *y);

/* sums[i] = sum over rows r of w[r*ld_w + i], i < n; fewer than 2^24 rows. */
void nce_core_column_sums(const int8_t *w, size_t ld_w, size_t n_rows, size_t n, int32_t *sums);

#endif
