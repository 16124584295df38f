/* Products with F32, F16 and BF16 weights: sixteen items are the sixteen lanes of a row's sum.  A group takes
 * NCE_GPU_FLOAT_ROWS rows and NCE_GPU_FLOAT_COLS columns, or one if the columns have experts of their own. */
#ifndef NCE_SRC_GPU_MATFLOAT_H
#define NCE_SRC_GPU_MATFLOAT_H

NCE_DEV void nce_matfloat(const int type, NCE_PRODUCT_ARGS(float), NCE_L float *lanes)
{
    const int t = nce_tid, lane = t % 16, r = t / 16, row = nce_group_x * NCE_GPU_FLOAT_ROWS + r;
    const int per = ids != 0 ? 1 : NCE_GPU_FLOAT_COLS, col0 = nce_group_y * per;
    const int expert = ids != 0 ? ids[col0] : 0;
    float acc[NCE_GPU_FLOAT_COLS];
    w += (nce_u64)(expert + nce_group_z) * expert_bytes + (nce_u64)(row < n_rows ? row : n_rows - 1) * row_bytes;
    x += (nce_u64)nce_group_z * x_step;
    y += (nce_u64)nce_group_z * y_step;
    for (int c = 0; c < NCE_GPU_FLOAT_COLS; c++)
        acc[c] = 0.0f;
    for (int i = lane; i < k; i += 16) {
        const float a = nce_any_float(type, w, i);
        for (int c = 0; c < NCE_GPU_FLOAT_COLS; c++)
            if (c < per && col0 + c < n_cols) acc[c] = nce_fma(a, x[(nce_u64)((col0 + c) / x_div) * ld_x + i], acc[c]);
    }
    for (int c = 0; c < per; c++) {
        lanes[t] = acc[c];
        nce_sync();
        if (lane == 0 && row < n_rows && col0 + c < n_cols)
            nce_finish(y + (nce_u64)(col0 + c) * ld_y + row, nce_fold16(lanes + t), scale,
                       bias != 0 ? bias + (nce_u64)expert * n_rows : bias, row, add);
        nce_sync();
    }
}

#define NCE_MATFLOAT(name, id)                                                                                         \
    NCE_KERNEL void nce_gpu_mf_##name(NCE_PRODUCT_ARGS(float))                                                         \
    {                                                                                                                  \
        NCE_SHARED(float, lanes, 16 * NCE_GPU_FLOAT_ROWS);                                                             \
        nce_matfloat(id, NCE_PRODUCT_NAMES, lanes);                                                                    \
    }
NCE_MATFLOAT(f32, NCE_GPU_TYPE_F32)
NCE_MATFLOAT(f16, NCE_GPU_TYPE_F16)
NCE_MATFLOAT(bf16, NCE_GPU_TYPE_BF16)

#endif
