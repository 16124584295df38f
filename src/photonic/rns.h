/* Redundant residue number system of the exact mode.
 *
 * A dot product of up to 256 int8 pairs is an integer of at most 2^22 in magnitude.  The optical core never forms it:
 * each of seven wavelengths carries it modulo one small number, because a phase wraps at 2 pi and so computes modulo m
 * for nothing.  Five moduli {19, 23, 25, 27, 29} hold every legal value (M = 8,554,275 >= 2*256*2^14 + 1); the other
 * two, {31, 32}, are redundant.  Legal values are 992 times sparser than residue vectors and the code has distance 3:
 * any one or two wrong residues give an illegal vector (Garner 1959 for the mixed radix, Szabo and Tanaka 1967;
 * redundant use in photonics: Demirkiran et al., Nature Communications 15, 2024).
 *
 * All functions are pure; any thread. */
#ifndef NCE_PHOTONIC_RNS_H
#define NCE_PHOTONIC_RNS_H
#include <stdbool.h>
#include <stdint.h>

enum {
    NCE_RNS_LANES = 7,         /* one wavelength per modulus */
    NCE_RNS_INFO = 5,          /* the first five carry the value */
    NCE_RNS_MAX_LENGTH = 256,  /* pairs of a dot product; 261 would still fit */
    NCE_RNS_PRODUCT = 8554275, /* of the five */
    NCE_RNS_ALL = (1 << NCE_RNS_LANES) - 1
};

extern const uint8_t nce_rns_moduli[NCE_RNS_LANES]; /* 19 23 25 27 29 31 32 */

/* The residues of y, |y| <= 2^22, each in [0, modulus). */
void nce_rns_encode(int32_t y, uint8_t residues[NCE_RNS_LANES]);

/* The value of a residue vector, and whether it is legal: |y| <= 2^14 * length over all seven moduli.  A residue not
 * below its modulus is illegal.  *y is written only if legal.  length is 1..256. */
bool nce_rns_decode(const uint8_t residues[NCE_RNS_LANES], uint32_t length, int32_t *y);

/* The same from the lanes of a mask (bit i: lane i), the others being erased.  With six lanes one wrong residue is
 * still always detected (every product of five is above the range); fewer than six are refused (false). */
bool nce_rns_decode_lanes(const uint8_t residues[NCE_RNS_LANES], uint32_t lanes, uint32_t length, int32_t *y);

/* Lanes whose removal makes an illegal vector legal, as a mask: the candidates for the wrong residue.  More than one
 * bit, or one bit after two real errors (13.9 % of them), is possible: this is a diagnosis, never a correction. */
uint32_t nce_rns_suspects(const uint8_t residues[NCE_RNS_LANES], uint32_t length);

#endif
