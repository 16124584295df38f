/* Least-squares fits: the search for scales that all quantizers share.
 *
 * A quantizer minimises sum w (x - value)^2 over what its format can say.  A format with a scale and no minimum is
 * described by a nce_coder: which integer codes a run of elements may take (assign: the nearest ones at a given scale),
 * which integer sub-scales there are, and how fine the stored scale d is.  nce_fit then
 *   1. finds a real scale for every sub-block: a sweep of trial scales, then codes and scale in turn (with the codes
 *      fixed the best scale is the ratio sum wxq / sum wqq; with the scale fixed the nearest codes are best),
 *   2. sets d so that the largest of them is the largest sub-scale, and chooses for each sub-block the best among the
 *      neighbouring sub-scales, by error,
 *   3. fits d to all codes at once, rounds it as stored, and repeats from 2 while the error falls.
 * This is Lloyd's iteration (Lloyd, "Least squares quantization in PCM", 1982) with a scale in place of free levels.
 *
 * Inputs are prepared by nce_quantize: |x| <= 2^30, 2^-20 <= w <= 1.  No step overflows or divides by zero then. */
#ifndef NCE_SRC_QUANT_FIT_H
#define NCE_SRC_QUANT_FIT_H
#include "src/kernels/types/type.h"

typedef struct nce_coder nce_coder;

/* Sums of w x q and w q q over a run with codes q. */
typedef struct nce_fit_sums {
    float xq, qq;
} nce_fit_sums;

/* The codes of n elements nearest to x at the scale (any sign, 0 allowed), in the sense of the weights. */
typedef nce_fit_sums nce_assign_fn(const nce_coder *c, const float *x, const float *w, int n, float scale,
                                   int8_t *code);

struct nce_coder {
    nce_assign_fn *assign;
    int n_sub, sub;                     /* sub-blocks, elements of each (a multiple of 8) */
    int scale_lo, scale_hi, scale_step; /* sub-scales lo, lo + step, ... hi; lo = hi = 1: none, n_sub is 1 */
    int lo, hi;                         /* extreme codes */
    float first, last;                  /* trial scales: the largest |x| comes out as first .. last times the extreme */
    int n_trials;
    bool both_signs; /* a negative scale says something else than a positive one */
    float d_unit;    /* the format stores d * d_unit as F16; a power of two */
    const void *book;
};

/* Integers lo .. hi. */
nce_assign_fn nce_assign_integers;
/* The sixteen levels of IQ4. */
nce_assign_fn nce_assign_iq4;

nce_fit_sums nce_fit_sum(const float *x, const float *w, const int8_t *code, int n);

/* Error of a scale less sum w x x, from the sums. */
static inline float nce_fit_error(nce_fit_sums s, float scale)
{
    return scale * (scale * s.qq - 2 * s.xq);
}

/* Best real scale of one run. */
float nce_fit_scale(const nce_coder *c, const float *x, const float *w, int n);

/* Steps 1 to 3.  Fills d (both halves, of the plain formula), code, and scale: here scale[j] of sub-block j, not of 16.
 */
void nce_fit(const nce_coder *c, const float *x, const float *w, nce_plain_block *out);

/* d as the format stores it: the nearest finite F16 of d * unit. */
uint16_t nce_fit_f16(float d);

/* value = d * code - min with codes 0 .. hi over n elements; min any sign, or only >= 0. */
typedef struct nce_affine {
    float d, min;
} nce_affine;
nce_affine nce_fit_affine(int hi, bool min_positive, const float *x, const float *w, int n);
/* Nearest codes, and the sum of w (x - value)^2. */
float nce_affine_assign(int hi, nce_affine a, const float *x, const float *w, int n, int8_t *code);
/* The same for a super-block of n_sub runs of sub elements with integer scales and minima 0 .. scale_hi under two F16
 * numbers: as nce_fit, with both neighbours of both numbers tried, and d and dmin fitted together.  scale[j] and min[j]
 * of sub-block j. */
void nce_fit_affine_blocks(int hi, int scale_hi, int n_sub, int sub, const float *x, const float *w,
                           nce_plain_block *out);

#endif
