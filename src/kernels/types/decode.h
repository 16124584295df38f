/* The decode functions of all block formats, by family; the table in type.c points to them. */
#ifndef NCE_SRC_TYPES_DECODE_H
#define NCE_SRC_TYPES_DECODE_H
#include "src/kernels/types/type.h"

/* flat.c: one scale (and minimum) per 32 */
nce_decode_fn nce_decode_q4_0, nce_decode_q4_1, nce_decode_q5_0, nce_decode_q5_1, nce_decode_q8_0, nce_decode_q8_1;
/* k.c: super-blocks of 256 with integer sub-scales */
nce_decode_fn nce_decode_q2_k, nce_decode_q3_k, nce_decode_q4_k, nce_decode_q5_k, nce_decode_q6_k, nce_decode_q8_k;
/* iq.c: code words from a book; iq4.c: single values from a book */
nce_decode_fn nce_decode_iq1_s, nce_decode_iq1_m, nce_decode_iq2_xxs, nce_decode_iq2_xs, nce_decode_iq2_s;
nce_decode_fn nce_decode_iq3_xxs, nce_decode_iq3_s, nce_decode_iq4_nl, nce_decode_iq4_xs;
/* fp4.c: four-bit floats */
nce_decode_fn nce_decode_mxfp4, nce_decode_nvfp4;
/* ternary.c: one and two bits, base 3 */
nce_decode_fn nce_decode_tq1_0, nce_decode_tq2_0, nce_decode_q1_0, nce_decode_q2_0, nce_decode_i2_s;

/* Sub-scales 1, no minima: what most types of 32 need. */
static inline void nce_plain_flat(nce_plain_block *out, float d)
{
    out->d[0] = out->d[1] = d;
    out->dmin = 0;
    for (int s = 0; s < 16; s++) {
        out->scale[s] = 1;
        out->min[s] = 0;
    }
}

#endif
