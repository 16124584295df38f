/* Counter-based random numbers: every value is a function of (key, counter), so a simulation gives the same numbers
 * whatever the order of evaluation.  The generator is Philox 4x32 with 10 rounds (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011).  Pure functions; any thread. */
#ifndef NCE_PHOTONIC_RANDOM_H
#define NCE_PHOTONIC_RANDOM_H
#include <stdint.h>

/* Four random words of a 128-bit counter (index, stream) under a 64-bit key. */
void nce_philox(uint64_t key, uint64_t index, uint64_t stream, uint32_t out[4]);

/* A number in (0, 1), never an end point, from 64 random bits. */
double nce_uniform(uint64_t bits);

/* Two independent standard normal numbers (Box and Muller) of the counter. */
void nce_normal_pair(uint64_t key, uint64_t index, uint64_t stream, double out[2]);

#endif
