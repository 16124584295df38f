/* What all products share: their arguments, and what is done with a sum.
 *
 *   w, row_bytes, n_rows, k     weights; with ids, n_rows rows of expert ids[column], expert_bytes apart
 *   x, da, ld_x                 activations: codes and scales (pack.h), or floats; column c is row c / x_div of them
 *   y, ld_y                     y[c * ld_y + r]
 *   scale, bias, add            y = [y +] (sum * scale + bias)
 * The contract: src/kernels/matmul.h. */
#ifndef NCE_SRC_GPU_PRODUCT_H
#define NCE_SRC_GPU_PRODUCT_H

#define NCE_PRODUCT_ARGS(X)                                                                                            \
    NCE_G const nce_u8 *w, nce_u32 row_bytes, int n_rows, int k, NCE_G const X *x, NCE_G const float *da, int ld_x,    \
        NCE_G float *y, int ld_y, int n_cols, float scale, NCE_G const float *bias, int add, NCE_G const int *ids,     \
        nce_u32 expert_bytes, int x_div

NCE_DEV void nce_finish(NCE_G float *y, float value, float scale, NCE_G const float *bias, int row, int add)
{
    if (scale != 1.0f) value = value * scale;
    if (bias != 0) value = value + bias[row];
    *y = add ? *y + value : value;
}

NCE_DEV int nce_sum4(int x)
{
    return nce_dot4(0x01010101, x, 0);
}

#endif
