/* The functions of the arithmetic contract (docs/numerics.md section 3), one number at a time, and conversions to the
 * short float types.  The same operations in the same order as src/kernels/vec.c. */
#ifndef NCE_SRC_GPU_CONTRACT_H
#define NCE_SRC_GPU_CONTRACT_H

#define NCE_LOG2E 1.44269502f
#define NCE_INFINITY nce_float(0x7f800000u)

NCE_DEV float nce_abs(float x)
{
    return nce_float(nce_bits(x) & 0x7fffffffu);
}

NCE_DEV float nce_with_sign(float magnitude, float sign)
{
    return nce_float((nce_bits(magnitude) & 0x7fffffffu) | (nce_bits(sign) & 0x80000000u));
}

/* An integer of less than 2^22: as exact as a conversion, and several times quicker on GPUs. */
NCE_DEV float nce_small_float(int i)
{
    return nce_float(0x4b400000u + (nce_u32)i) - 12582912.0f;
}

/* 2^x for x <= 0. */
NCE_DEV float nce_exp2neg(float x)
{
    const float t = x + 12583039.0f, n = t - 12583039.0f, r = x - n;
    float p = nce_fma(0.000156045702f, r, 0.00134058984f);
    p = nce_fma(p, r, 0.00961813424f);
    p = nce_fma(p, r, 0.0555032827f);
    p = nce_fma(p, r, 0.240226433f);
    p = nce_fma(p, r, 0.693147182f);
    p = nce_fma(p, r, 1.0f);
    return x < -125.0f ? 0.0f : p * nce_float(nce_bits(t) << 23);
}

NCE_DEV float nce_sigmoid(float x)
{
    const float e = nce_exp2neg(-nce_abs(x) * NCE_LOG2E);
    return nce_div(x >= 0.0f ? 1.0f : e, 1.0f + e);
}

/* (1 - t) / (1 + t), t = 2^-|x|, without the sign; near 1 it is 1 - 2t / (1 + t) that rounds once */
NCE_DEV float nce_tanh_base2(float x)
{
    const float t = nce_exp2neg(-nce_abs(x));
    const float y = nce_div(t >= 0.5f ? 1.0f - t : 2.0f * t, 1.0f + t);
    return t >= 0.5f ? y : 1.0f - y;
}

NCE_DEV float nce_tanh(float x)
{
    return nce_with_sign(nce_tanh_base2(x * (2.0f * NCE_LOG2E)), x);
}

NCE_DEV nce_u16 nce_f2h(float x)
{
    const nce_u32 bits = nce_bits(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (nce_u16)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) return (nce_u16)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) return (nce_u16)(sign | (nce_bits(nce_float(magnitude) + 0.5f) & 0x7ffu));
    return (nce_u16)(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
}

NCE_DEV nce_u16 nce_f2b(float x)
{
    const nce_u32 bits = nce_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (nce_u16)(bits >> 16 | 0x40u);
    return (nce_u16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

NCE_DEV float nce_b2f(nce_u16 h)
{
    return nce_float((nce_u32)h << 16);
}

NCE_DEV float nce_gelu(float given)
{
    if (given >= 10.0f) return given;
    if (given <= -10.0f) return 0.0f;
    const float x = nce_h2f(nce_f2h(given)), cubic = nce_fma(0.044715f * x, x, 1.0f);
    return nce_h2f(nce_f2h((0.5f * x) * (1.0f + nce_tanh((0.79788456f * x) * cubic))));
}

NCE_DEV float nce_relu(float x)
{
    return x > 0.0f ? x : 0.0f;
}

/* f: nce_act_fn */
NCE_DEV float nce_act(float x, int f)
{
    switch (f) {
    case 0:
        return x * nce_sigmoid(x);
    case 1:
        return nce_gelu(x);
    case 2:
        return x * nce_sigmoid(1.702f * x);
    case 3:
        return nce_relu(x);
    case 4:
        return nce_relu(x) * nce_relu(x);
    case 5:
        return nce_sigmoid(x);
    }
    return x;
}

NCE_DEV float nce_glu(float gate, float up, int f)
{
    if (f != 6) return nce_act(gate, f) * up;
    const float g = gate > 7.0f ? 7.0f : gate, top = up > 7.0f ? 7.0f : up, u = top < -7.0f ? -7.0f : top;
    return (g * nce_sigmoid(1.702f * g)) * (u + 1.0f);
}

/* Codes of a block of activations with the largest magnitude amax (as bits): *inverse is 0 if all codes are 0. */
NCE_DEV float nce_act_scale(nce_u32 amax_bits, NCE_P float *inverse)
{
    const float amax = nce_float(amax_bits);
    *inverse = 0.0f;
    if (amax_bits >= 0x7f800000u) return nce_float(0x7fc00000u);
    if (amax < 7.52316384526264e-37f) return 0.0f; /* 2^-120: 127 / amax would overflow */
    *inverse = nce_div(127.0f, amax);
    return nce_div(amax, 127.0f);
}

/* 16 lanes folded as the contract folds them; lane 0 of the array holds the sum.  By one work item. */
NCE_DEV float nce_fold16(NCE_L float *lane)
{
    for (int step = 8; step > 0; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] = lane[l] + lane[l + step];
    return lane[0];
}

#endif
