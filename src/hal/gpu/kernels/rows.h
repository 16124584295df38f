/* Operations on rows of floats (src/kernels/vec.h): element-wise ones in one kernel, norms, rotary positions. */
#ifndef NCE_SRC_GPU_ROWS_H
#define NCE_SRC_GPU_ROWS_H

/* out[row] = op(a[row], b[row]).  COPY takes row row0 + row of the step's selected rows. */
NCE_KERNEL void nce_gpu_rows(NCE_G float *out, int ld_out, NCE_G const float *a, int ld_a, NCE_G const float *b,
                             int ld_b, int width, int op, int f, float s, NCE_G const int *rows, int row0)
{
    const int i = nce_group_x * nce_size + nce_tid, row = nce_group_y;
    if (i >= width) return;
    if (op == NCE_GPU_ROWS_SELECT)
        a += (nce_u64)rows[NCE_GPU_ROW_INTS * (row0 + row) + NCE_GPU_ROW_SELECTED] * ld_a;
    else
        a += (nce_u64)row * ld_a;
    b += (nce_u64)row * ld_b;
    const float x = a[i];
    float y = x;
    switch (op) {
    case NCE_GPU_ROWS_ACT:
        y = nce_act(x, f);
        break;
    case NCE_GPU_ROWS_GLU:
        y = nce_glu(x, b[i], f);
        break;
    case NCE_GPU_ROWS_ADD:
        y = x + b[i];
        break;
    case NCE_GPU_ROWS_SCALE:
        y = x * s;
        break;
    case NCE_GPU_ROWS_SCALE_BY:
        y = x * b[0];
        break;
    case NCE_GPU_ROWS_SOFTCAP:
        y = s * nce_tanh(nce_div(x, s));
        break;
    }
    out[(nce_u64)row * ld_out + i] = y;
}

/* Parts of width columns from in to out; neighbours lie in_stride and out_stride columns apart. */
NCE_KERNEL void nce_gpu_copy(NCE_G float *out, int ld_out, int out_stride, NCE_G const float *in, int ld_in,
                             int in_stride, int width, int n_parts)
{
    const int i = nce_group_x * nce_size + nce_tid, row = nce_group_y, part = i / width, column = i % width;
    if (part >= n_parts) return;
    out[(nce_u64)row * ld_out + part * out_stride + column] = in[(nce_u64)row * ld_in + part * in_stride + column];
}

/* (s, c) + p, c being what s has rounded away: src/kernels/vec_sum.h. */
NCE_DEV void nce_sum_add(NCE_P float *s, NCE_P float *c, float p)
{
    const float t = *s + p, z = t - *s;
    *c = *c + ((*s - (t - z)) + (p - z));
    *s = t;
}

/* Mean of sixteen such lanes over n elements.  By one work item; the lanes are used up. */
NCE_DEV float nce_sum_mean(NCE_L float *sums, NCE_L float *lost, float n)
{
    for (int step = 8; step > 0; step /= 2)
        for (int l = 0; l < step; l++) {
            float s = sums[l], c = lost[l] + lost[l + step];
            nce_sum_add(&s, &c, sums[l + step]);
            sums[l] = s;
            lost[l] = c;
        }
    const float q = nce_div(sums[0], n);
    return q + nce_div(nce_fma(-q, n, sums[0]) + lost[0], n);
}

/* One part of one row.  The sixteen lanes of the sums are sixteen items, which read the row from shared memory, where all
 * items bring it a chunk at a time.  block: if it is not 0, there is one part, and the result goes to codes and da too, as
 * nce_gpu_pack would bring it there. */
NCE_KERNEL void nce_gpu_norm(NCE_G float *out, int ld_out, NCE_G const float *in, int ld_in, NCE_G const float *w,
                             NCE_G const float *bias, int width, int group_weights, int layer, float eps, int block,
                             NCE_G nce_i8 *codes, NCE_G float *da)
{
    NCE_SHARED(float, chunk, NCE_GPU_NORM_CHUNK);
    NCE_SHARED(float, lanes, 16);
    NCE_SHARED(float, lost, 16);
    NCE_SHARED(nce_u32, magnitude, NCE_GPU_GROUP);
    NCE_SHARED(float, inverse, NCE_GPU_NORM_CHUNK / 32);
    const int t = nce_tid, part = nce_group_x;
    const int at = group_weights ? part * width : 0;
    float mean = 0.0f;
    in += (nce_u64)nce_group_y * ld_in + part * width;
    out += (nce_u64)nce_group_y * ld_out + part * width;
    for (int pass = layer ? 0 : 1; pass < 2; pass++) {
        float lane = 0.0f, lacks = 0.0f;
        for (int from = 0; from < width; from += NCE_GPU_NORM_CHUNK) {
            const int n = width - from < NCE_GPU_NORM_CHUNK ? width - from : NCE_GPU_NORM_CHUNK;
            nce_sync();
            for (int i = t; i < n; i += nce_size)
                chunk[i] = in[from + i];
            nce_sync();
            for (int i = t; i < n && t < 16; i += 16) {
                const float x = chunk[i] - mean;
                nce_sum_add(&lane, &lacks, pass == 0 ? x : x * x);
            }
        }
        nce_sync();
        if (t < 16) {
            lanes[t] = lane;
            lost[t] = lacks;
        }
        nce_sync();
        if (t == 0) lanes[0] = nce_sum_mean(lanes, lost, (float)width);
        nce_sync();
        if (pass == 0) mean = lanes[0];
    }
    const float r = nce_div(1.0f, nce_sqrt(lanes[0] + eps));
    for (int from = 0; from < width; from += NCE_GPU_NORM_CHUNK) {
        const int n = width - from < NCE_GPU_NORM_CHUNK ? width - from : NCE_GPU_NORM_CHUNK;
        nce_sync();
        for (int j = t; j < n; j += nce_size) {
            const int i = from + j;
            const float z = (layer ? in[i] - mean : in[i]) * r;
            float y = w != 0 ? z * w[at + i] : z;
            if (layer && bias != 0) y = nce_fma(z, w != 0 ? w[at + i] : 1.0f, bias[at + i]);
            out[i] = y;
            chunk[j] = y;
        }
        nce_sync();
        const nce_u64 first = (nce_u64)nce_group_y * width + from;
        nce_pack_shared(chunk, n, block, magnitude, inverse, codes + first, da + first / (block != 0 ? block : 1));
    }
}

/* Turn a pair of a head; table: cosines, then sines, of the row. */
NCE_DEV void nce_rotate(NCE_G float *head, int pair, int pairs, int neox, NCE_G const float *table)
{
    NCE_G float *p = head + (neox ? pair : 2 * pair);
    const int gap = neox ? pairs : 1;
    const float c = table[pair], s = table[pairs + pair], a = p[0], b = p[gap];
    p[0] = nce_fma(a, c, -(b * s));
    p[gap] = nce_fma(a, s, b * c);
}

/* In place: item i of a row turns pair i % (n_rot / 2) of head i / (n_rot / 2).  table: cosines, then sines, of every row. */
NCE_KERNEL void nce_gpu_rope(NCE_G float *x, int ld_x, int n_heads, int head_size, int n_rot, NCE_G const float *table,
                             int ld_table, int neox)
{
    const int pairs = n_rot / 2, i = nce_group_x * nce_size + nce_tid, row = nce_group_y;
    if (i >= n_heads * pairs) return;
    nce_rotate(x + (nce_u64)row * ld_x + i / pairs * head_size, i % pairs, pairs, neox, table + (nce_u64)row * ld_table);
}

/* Rows of a table, by token or by position (field of a row of the step): out = [in +] value [* scale]. */
NCE_KERNEL void nce_gpu_embed(NCE_G const nce_u8 *table, nce_u32 row_bytes, int k, int type, int block, int bytes,
                              int second, NCE_G const int *rows, int field, float scale, NCE_G const float *in,
                              int ld_in, NCE_G float *out, int ld_out)
{
    const int row = nce_group_y;
    NCE_G const nce_u8 *from = table + (nce_u64)rows[NCE_GPU_ROW_INTS * row + field] * row_bytes;
    out += (nce_u64)row * ld_out;
    if (block == 1) {
        const int i = nce_group_x * nce_size + nce_tid;
        if (i >= k) return;
        const float v = nce_any_float(type, from, i), scaled = scale != 1.0f ? v * scale : v;
        out[i] = in != 0 ? in[(nce_u64)row * ld_in + i] + scaled : scaled;
        return;
    }
    const int unit = nce_group_x * nce_size + nce_tid;
    if (unit >= k / 32) return;
    NCE_G const nce_u8 *b = from + (nce_u64)(unit / (block / 32)) * bytes;
    const int j = unit % (block / 32);
    const nce_unit u = nce_any_unit(type, b, j);
    const float d = nce_any_d(type, b, j), other = second != 0 ? nce_any_second(type, b, j) : 0.0f;
    for (int i = 0; i < 32; i++) {
        const int side = i / 16, code = (nce_i8)(u.code[i / 4] >> (8 * (i % 4)) & 255);
        const float dd = (second == 2 && side == 1 ? other : d) * (float)u.scale[side];
        const float min = second == 1 ? other * (float)u.min[side] : 0.0f;
        float v = dd * (float)code - min;
        if (scale != 1.0f) v = v * scale;
        out[32 * unit + i] = in != 0 ? in[(nce_u64)row * ld_in + 32 * unit + i] + v : v;
    }
}

#endif
