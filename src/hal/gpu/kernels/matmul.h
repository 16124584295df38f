/* Products for many columns: tiles of NCE_GPU_MM_ROWS x NCE_GPU_MM_COLS, 256 elements of k at a time.
 *
 * The group decodes its rows' units into shared memory as signed codes, whatever the type, and brings its columns' codes
 * beside them; then every item works out 4 x 4 outputs with integer dot products, each with one accumulator that takes the
 * float steps of the contract in order.  One kernel for all types: the choice is made while decoding, once per tile. */
#ifndef NCE_SRC_GPU_MATMUL_H
#define NCE_SRC_GPU_MATMUL_H

#define NCE_MM_LD 65 /* words of a row in shared memory: 64 and one, so that neighbouring rows lie in different banks */

NCE_KERNEL void nce_gpu_mm(NCE_PRODUCT_ARGS(nce_i8), NCE_TILED_ARGS, int act, int second)
{
    NCE_SHARED(int, wc, NCE_GPU_MM_ROWS *NCE_MM_LD);
    NCE_SHARED(int, xc, NCE_GPU_MM_COLS *NCE_MM_LD);
    NCE_SHARED(nce_i8, ws, NCE_GPU_MM_ROWS * 16);
    NCE_SHARED(nce_i8, wm, NCE_GPU_MM_ROWS * 16);
    NCE_SHARED(float, wd, NCE_GPU_MM_ROWS * 8);
    NCE_SHARED(float, w2, NCE_GPU_MM_ROWS * 8);
    NCE_SHARED(float, xd, NCE_GPU_MM_COLS * 8);
    NCE_SHARED(int, xs, NCE_GPU_MM_COLS * 16);
    const int t = nce_tid, row0 = nce_group_x * NCE_GPU_MM_ROWS, tr = t % 16, tc = t / 16, per = block / 32;
    const nce_tile tile = nce_tile_of(NCE_GPU_MM_COLS, n_cols, tiles);
    const int n_units = tile.n > 0 ? k / 32 : 0;
    float acc[4][4], sum[4][4];
    w += (nce_u64)(tile.expert + nce_group_z) * expert_bytes;
    x += (nce_u64)nce_group_z * x_step;
    da += (nce_u64)nce_group_z * x_step / act;
    y += (nce_u64)nce_group_z * y_step;
    for (int i = 0; i < 16; i++)
        acc[i / 4][i % 4] = sum[i / 4][i % 4] = 0.0f;
    for (int u0 = 0; u0 < n_units; u0 += 8) {
        const int n = n_units - u0 < 8 ? n_units - u0 : 8;
        nce_sync();
        for (int i = t; i < NCE_GPU_MM_ROWS * 8; i += NCE_GPU_GROUP) {
            const int r = i / 8, unit = u0 + i % 8, row = row0 + r < n_rows ? row0 + r : n_rows - 1;
            if (unit >= n_units) continue;
            NCE_G const nce_u8 *b = w + (nce_u64)row * row_bytes + (nce_u64)(unit / per) * bytes;
            const nce_unit u = nce_any_unit(type, b, unit % per);
            for (int j = 0; j < 8; j++)
                wc[r * NCE_MM_LD + i % 8 * 8 + j] = u.code[j];
            for (int j = 0; j < 2; j++) {
                ws[r * 16 + i % 8 * 2 + j] = (nce_i8)u.scale[j];
                wm[r * 16 + i % 8 * 2 + j] = (nce_i8)u.min[j];
            }
            wd[i] = nce_any_d(type, b, unit % per);
            if (second != 0) w2[i] = nce_any_second(type, b, unit % per);
        }
        for (int i = t; i < NCE_GPU_MM_COLS * 16; i += NCE_GPU_GROUP) {
            const int c = i / 16, side = i % 16, unit = u0 + side / 2;
            const int from = nce_column(&tile, order, c) / x_div;
            if (unit >= n_units) continue;
            NCE_G const int *q = (NCE_G const int *)(x + (nce_u64)from * ld_x) + (nce_u64)unit * 8 + side % 2 * 4;
            int s = 0;
            for (int j = 0; j < 4; j++) {
                xc[c * NCE_MM_LD + side * 4 + j] = q[j];
                s += nce_sum4(q[j]);
            }
            xs[i] = s;
            if (side % 2 == 0) xd[c * 8 + side / 2] = da[(nce_u64)from * (k / act) + unit / (act / 32)];
        }
        nce_sync();
        int isum[4][4], msum[4][4];
        for (int i = 0; i < 16; i++)
            isum[i / 4][i % 4] = msum[i / 4][i % 4] = 0;
        for (int h = 0; h < 2 * n; h++) {
            const int u = h / 2;
            int dot[4][4];
            for (int i = 0; i < 16; i++)
                dot[i / 4][i % 4] = 0;
            for (int j = 4 * h; j < 4 * h + 4; j++)
                for (int i = 0; i < 16; i++)
                    dot[i / 4][i % 4] = nce_dot4(wc[(tr + 16 * (i / 4)) * NCE_MM_LD + j],
                                                 xc[(tc + 8 * (i % 4)) * NCE_MM_LD + j], dot[i / 4][i % 4]);
            for (int i = 0; i < 16; i++) {
                const int r = tr + 16 * (i / 4), c = tc + 8 * (i % 4);
                isum[i / 4][i % 4] += ws[r * 16 + h] * dot[i / 4][i % 4];
                if (second == 1) msum[i / 4][i % 4] += wm[r * 16 + h] * xs[c * 16 + h];
            }
            /* the float steps: after a half with a scale of its own, after a unit, after a block of 256 */
            if (second != 2 && (h % 2 == 0 || (act == 256 && u != 7))) continue;
            for (int i = 0; i < 16; i++) {
                const int r = tr + 16 * (i / 4), c = tc + 8 * (i % 4);
                const float dx = xd[c * 8 + u], d = second == 2 && h % 2 == 1 ? w2[r * 8 + u] : wd[r * 8 + u];
                float a = nce_fma(d * dx, (float)isum[i / 4][i % 4], acc[i / 4][i % 4]);
                if (second == 1) a = nce_fma(-(w2[r * 8 + u] * dx), (float)msum[i / 4][i % 4], a);
                acc[i / 4][i % 4] = a;
                isum[i / 4][i % 4] = msum[i / 4][i % 4] = 0;
            }
        }
        const int ends = (u0 + 8) % 32 == 0 || u0 + 8 >= n_units; /* of a segment */
        for (int i = 0; i < 16 && ends; i++) {
            sum[i / 4][i % 4] = u0 < 32 ? acc[i / 4][i % 4] : sum[i / 4][i % 4] + acc[i / 4][i % 4];
            acc[i / 4][i % 4] = 0.0f;
        }
    }
    for (int i = 0; i < 16; i++) {
        const int r = row0 + tr + 16 * (i / 4), c = tc + 8 * (i % 4);
        if (r < n_rows && c < tile.n)
            nce_finish(y + (nce_u64)nce_column(&tile, order, c) * ld_y + r, sum[i / 4][i % 4], scale,
                       bias != 0 ? bias + (nce_u64)tile.expert * n_rows : bias, r, add);
    }
}

#endif
