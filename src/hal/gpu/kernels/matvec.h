/* Products for a few columns: weights are read once, straight from where they lie, and never written anywhere.
 *
 * A group takes NCE_GPU_MV_ROWS rows and one column.  Its items take a unit of 32 weights each, 4,096 of a row at a time, and
 * leave exact integer sums in shared memory, in any order; then one item for each segment of 1,024 and row makes the float
 * steps, pieces ascending, and one item a row adds the segments.  So the order of float operations is the contract's, and
 * the parallel part is integer.  Up to three matrices of one type on one input are one launch, their groups of rows one after the
 * other: queries, keys and values; gate and up. */
#ifndef NCE_SRC_GPU_MATVEC_H
#define NCE_SRC_GPU_MATVEC_H

/* Integer sums of one unit: *a of scale * code * x; *b the minima's, or the second half's. */
NCE_DEV void nce_unit_sums(const int second, NCE_P const nce_unit *u, NCE_P const int *x, NCE_P int *a, NCE_P int *b)
{
    int d0 = 0, d1 = 0;
    for (int i = 0; i < 4; i++) {
        d0 = nce_dot4(u->code[i], x[i], d0);
        d1 = nce_dot4(u->code[i + 4], x[i + 4], d1);
    }
    *a = u->scale[0] * d0 + (second == 2 ? 0 : u->scale[1] * d1);
    *b = u->scale[1] * d1;
    if (second != 1) return;
    int s0 = 0, s1 = 0;
    for (int i = 0; i < 4; i++) {
        s0 += nce_sum4(x[i]);
        s1 += nce_sum4(x[i + 4]);
    }
    *b = u->min[0] * s0 + u->min[1] * s1;
}

/* The float steps of units from .. from + n of a row, whose sums lie at sa, sb and, for blocks of 32, floats at ca, cb. */
NCE_DEV float nce_segment(const int type, const int block, const int bytes, const int act, const int second, int from,
                          int n, NCE_G const nce_u8 *row, NCE_G const float *da, NCE_L const int *sa,
                          NCE_L const int *sb, NCE_L const float *ca, NCE_L const float *cb)
{
    float acc = 0.0f;
    if (act == 32) {
        for (int i = 0; i < n; i++) {
            acc = nce_fma(ca[i], (float)sa[i], acc);
            if (second != 0) acc = nce_fma(cb[i], (float)sb[i], acc);
        }
        return acc;
    }
    for (int p = 0; p < n / 8; p++) {
        NCE_G const nce_u8 *b = row + (nce_u64)(from / 8 + p) * bytes;
        const float dx = da[from / 8 + p];
        int a = 0, m = 0;
        for (int i = 0; i < 8; i++) {
            a += sa[8 * p + i];
            if (second != 0) m += sb[8 * p + i];
        }
        acc = nce_fma(nce_any_d(type, b, 0) * dx, (float)a, acc);
        if (second != 0) acc = nce_fma(-(nce_any_second(type, b, 0) * dx), (float)m, acc);
    }
    return acc;
}

NCE_DEV void nce_matvec(const int type, const int block, const int bytes, const int act, const int second, int group,
                        NCE_PRODUCT_ARGS(nce_i8), NCE_L int *sa, NCE_L int *sb, NCE_L float *ca, NCE_L float *cb,
                        NCE_L float *segment)
{
    const int t = nce_tid, column = nce_group_y, row0 = group * NCE_GPU_MV_ROWS, n_units = k / 32,
              per = block / 32;
    const int expert = ids != 0 ? ids[column] : 0;
    NCE_G const int *q = (NCE_G const int *)(x + (nce_u64)(column / x_div) * ld_x + (nce_u64)nce_group_z * x_step);
    float sum = 0.0f;
    w += (nce_u64)(expert + nce_group_z) * expert_bytes;
    da += (nce_u64)(column / x_div) * (k / act) + (nce_u64)nce_group_z * x_step / act;
    y += (nce_u64)nce_group_z * y_step;
    for (int u0 = 0; u0 < n_units; u0 += NCE_GPU_GROUP) {
        const int unit = u0 + t;
        if (unit < n_units) {
            int words[8];
            for (int i = 0; i < 8; i++)
                words[i] = q[8 * unit + i];
            for (int r = 0; r < NCE_GPU_MV_ROWS && row0 + r < n_rows; r++) {
                NCE_G const nce_u8 *b = w + (nce_u64)(row0 + r) * row_bytes + (nce_u64)(unit / per) * bytes;
                const nce_unit u = nce_any_unit(type, b, unit % per);
                const int at = r * NCE_GPU_GROUP + t;
                int first, other;
                nce_unit_sums(second, &u, words, &first, &other);
                sa[at] = first;
                if (second != 0) sb[at] = other;
                if (act == 32) ca[at] = nce_any_d(type, b, unit % per) * da[unit];
                if (act == 32 && second == 1) cb[at] = -(nce_any_second(type, b, unit % per) * da[unit]);
                if (act == 32 && second == 2) cb[at] = nce_any_second(type, b, unit % per) * da[unit];
            }
        }
        nce_sync();
        const int r = t / 4, from = u0 + t % 4 * 32, at = r * NCE_GPU_GROUP + t % 4 * 32;
        if (t < 4 * NCE_GPU_MV_ROWS && row0 + r < n_rows && from < n_units)
            segment[t] = nce_segment(type, block, bytes, act, second, from, n_units - from < 32 ? n_units - from : 32,
                                     w + (nce_u64)(row0 + r) * row_bytes, da, sa + at, sb + at, ca + at, cb + at);
        nce_sync();
        for (int s = 0; s < 4 && t < NCE_GPU_MV_ROWS && u0 + 32 * s < n_units; s++)
            sum = u0 + s == 0 ? segment[4 * t] : sum + segment[4 * t + s];
    }
    if (t < NCE_GPU_MV_ROWS && row0 + t < n_rows)
        nce_finish(y + (nce_u64)column * ld_y + row0 + t, sum, scale,
                   bias != 0 ? bias + (nce_u64)expert * n_rows : bias, row0 + t, add);
}

/* What another matrix has of its own. */
#define NCE_MATRIX_ARGS(i)                                                                                             \
    NCE_G const nce_u8 *w##i, int n_rows##i, NCE_G float *y##i, int ld_y##i, float scale##i,                           \
        NCE_G const float *bias##i, int add##i
#define NCE_TAKE_MATRIX(i)                                                                                             \
    w = w##i, n_rows = n_rows##i, y = y##i, ld_y = ld_y##i, scale = scale##i, bias = bias##i, add = add##i
#define NCE_MATVEC(name, id, block, bytes, act, second, sub)                                                           \
    NCE_KERNEL void nce_gpu_mv_##name(NCE_PRODUCT_ARGS(nce_i8), NCE_MATRIX_ARGS(1), NCE_MATRIX_ARGS(2))                \
    {                                                                                                                  \
        NCE_SHARED(int, sa, NCE_GPU_MV_ROWS *NCE_GPU_GROUP);                                                           \
        NCE_SHARED(int, sb, second == 0 ? 1 : NCE_GPU_MV_ROWS * NCE_GPU_GROUP);                                        \
        NCE_SHARED(float, ca, act == 256 ? 1 : NCE_GPU_MV_ROWS * NCE_GPU_GROUP);                                       \
        NCE_SHARED(float, cb, act == 256 || second == 0 ? 1 : NCE_GPU_MV_ROWS * NCE_GPU_GROUP);                        \
        NCE_SHARED(float, segment, 4 * NCE_GPU_MV_ROWS);                                                               \
        const int g0 = (n_rows + NCE_GPU_MV_ROWS - 1) / NCE_GPU_MV_ROWS;                                               \
        const int g1 = g0 + (n_rows1 + NCE_GPU_MV_ROWS - 1) / NCE_GPU_MV_ROWS;                                         \
        int group = nce_group_x;                                                                                       \
        if (group >= g1)                                                                                               \
            NCE_TAKE_MATRIX(2), group -= g1;                                                                           \
        else if (group >= g0)                                                                                          \
            NCE_TAKE_MATRIX(1), group -= g0;                                                                           \
        nce_matvec(id, block, bytes, act, second, group, NCE_PRODUCT_NAMES, sa, sb, ca, cb, segment);                         \
    }
NCE_GPU_TYPES(NCE_MATVEC)

#endif
