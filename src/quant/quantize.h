/* The quantizers of one block, by family.  Each fits (fit.h) and packs; packing is the inverse of the decode function
 * of the type (src/kernels/types). */
#ifndef NCE_SRC_QUANT_QUANTIZE_H
#define NCE_SRC_QUANT_QUANTIZE_H
#include "src/quant/words.h"

/* x, w: the block's elements and weights, prepared as fit.h asks.  words: the code book of the type, or NULL.
 * block: written whole. */
typedef void nce_quantize_fn(const float *x, const float *w, const nce_words *words, uint8_t *block);

nce_quantize_fn nce_quantize_q4_0, nce_quantize_q4_1, nce_quantize_q5_0, nce_quantize_q5_1; /* flat.c */
nce_quantize_fn nce_quantize_q8_0, nce_quantize_q8_1;
nce_quantize_fn nce_quantize_q2_k, nce_quantize_q3_k, nce_quantize_q4_k, nce_quantize_q5_k; /* k.c */
nce_quantize_fn nce_quantize_q6_k, nce_quantize_q8_k;
nce_quantize_fn nce_quantize_iq4_nl, nce_quantize_iq4_xs;                      /* iq4.c */
nce_quantize_fn nce_quantize_iq2_xxs, nce_quantize_iq2_xs, nce_quantize_iq2_s; /* iq23.c */
nce_quantize_fn nce_quantize_iq3_xxs, nce_quantize_iq3_s;
nce_quantize_fn nce_quantize_iq1_s, nce_quantize_iq1_m;                                       /* iq1.c */
nce_quantize_fn nce_quantize_tq1_0, nce_quantize_tq2_0, nce_quantize_q1_0, nce_quantize_q2_0; /* ternary.c */
nce_quantize_fn nce_quantize_mxfp4, nce_quantize_nvfp4;                                       /* fp4.c */

#endif
