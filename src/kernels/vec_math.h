/* The functions of the contract in vec.h on vectors, for every instruction set: included after the primitives (VL, vf,
 * v_*) of one.  Every lane goes through exactly the operations of the reference in vec.c. */
#ifndef NCE_SRC_VEC_MATH_H
#define NCE_SRC_VEC_MATH_H
#include "src/kernels/vec_isa.h"

#define NL (16 / VL) /* registers for the 16 lanes of the contract */
#define INL static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INL vf exp2neg(vf x)
{
    const vf t = v_add(x, v_set1(NCE_EXP2_MAGIC));
    const vf r = v_sub(x, v_sub(t, v_set1(NCE_EXP2_MAGIC)));
    vf p = v_fma(v_set1(NCE_EXP2_C6), r, v_set1(NCE_EXP2_C5));
    p = v_fma(p, r, v_set1(NCE_EXP2_C4));
    p = v_fma(p, r, v_set1(NCE_EXP2_C3));
    p = v_fma(p, r, v_set1(NCE_EXP2_C2));
    p = v_fma(p, r, v_set1(NCE_EXP2_C1));
    p = v_fma(p, r, v_set1(1.0f));
    return v_zero_below(x, v_set1(NCE_EXP2_MIN), v_mul(p, v_exponent(t)));
}

/* (1 - t) / (1 + t), t = 2^-|x|, with the sign of x: tanh of x / (2 log2 e).  Near 1 it is 1 - 2t / (1 + t) that rounds
 * once. */
INL vf tanh_base2(vf x)
{
    const vf one = v_set1(1.0f), t = exp2neg(v_neg_abs(x)), small = v_sub(t, v_set1(0.5f));
    const vf y = v_div(v_if_not_negative(small, v_sub(one, t), v_mul(v_set1(2.0f), t)), v_add(one, t));
    return v_copysign(v_if_not_negative(small, y, v_sub(one, y)), x);
}

#endif
