/* Shared by the variants of vec.h: constants of the contract and the tables of each instruction set. */
#ifndef NCE_SRC_VEC_ISA_H
#define NCE_SRC_VEC_ISA_H
#include "src/kernels/vec.h"

#define NCE_LOG2E 1.44269502f    /* (float)log2(e); twice it is the float of 2 log2(e) */
#define NCE_GELU_CUBIC 0.044715f /* Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016 */
#define NCE_GELU_SQRT_2_PI 0.79788456f
#define NCE_GELU_LINEAR 10.0f /* from here on x itself, below -10 zero */
#define NCE_GELU_QUICK 1.702f
#define NCE_SWIGLU_LIMIT 7.0f

/* exp2neg and tanh_base2 of the reference, one number: for other references. */
float nce_exp2neg_ref(float x);
float nce_tanh_base2_ref(float x);

extern const nce_vec_ops nce_vec_ops_avx2, nce_vec_ops_avx512, nce_vec_ops_neon;

#endif
