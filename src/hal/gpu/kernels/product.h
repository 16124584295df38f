/* What all products share: their arguments, and what is done with a sum.
 *
 *   w, row_bytes, n_rows, k     weights; with ids, n_rows rows of expert ids[column], expert_bytes apart
 *   x, da, ld_x                 activations: codes and scales (pack.h), or floats; column c is row c / x_div of them
 *   y, ld_y                     y[c * ld_y + r]
 *   scale, bias, add            y = [y +] (sum * scale + bias)
 *   x_step, y_step              heads: group z has matrix z, expert_bytes apart, and its input and output so many elements on
 * Products by tiles have the type as arguments too, and columns may be grouped by expert: tiles has three numbers for each group
 * y: the expert, the first of its columns in order, and how many; none: an idle group.
 * The contract: src/kernels/matmul.h. */
#ifndef NCE_SRC_GPU_PRODUCT_H
#define NCE_SRC_GPU_PRODUCT_H

#define NCE_PRODUCT_ARGS(X)                                                                                            \
    NCE_G const nce_u8 *w, nce_u32 row_bytes, int n_rows, int k, NCE_G const X *x, NCE_G const float *da, int ld_x,    \
        NCE_G float *y, int ld_y, int n_cols, float scale, NCE_G const float *bias, int add, NCE_G const int *ids,     \
        nce_u32 expert_bytes, int x_div, int x_step, int y_step
#define NCE_PRODUCT_NAMES                                                                                              \
    w, row_bytes, n_rows, k, x, da, ld_x, y, ld_y, n_cols, scale, bias, add, ids, expert_bytes, x_div, x_step, y_step
#define NCE_TILED_ARGS int type, int block, int bytes, NCE_G const int *tiles, NCE_G const int *order
#define NCE_TILED_NAMES type, block, bytes, tiles, order

/* The columns of a group. */
typedef struct nce_tile {
    int expert, first, n;
} nce_tile;

NCE_DEV nce_tile nce_tile_of(int most, int n_cols, NCE_G const int *tiles)
{
    nce_tile t;
    t.expert = tiles != 0 ? tiles[3 * nce_group_y] : 0;
    t.first = tiles != 0 ? tiles[3 * nce_group_y + 1] : nce_group_y * most;
    t.n = tiles != 0 ? tiles[3 * nce_group_y + 2] : n_cols - t.first < most ? n_cols - t.first : most;
    return t;
}

/* The number of column c of a tile; beyond the last, the last. */
NCE_DEV int nce_column(NCE_P const nce_tile *t, NCE_G const int *order, int c)
{
    const int at = t->first + (c < t->n ? c : t->n - 1);
    return order != 0 ? order[at] : at;
}

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
