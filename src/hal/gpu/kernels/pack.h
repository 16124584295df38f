/* Activations to codes and scales per 32 or 256: the largest magnitude of a block, in any order, compared as bits, where
 * everything that is not finite is large; then the codes. */
#ifndef NCE_SRC_GPU_PACK_H
#define NCE_SRC_GPU_PACK_H

/* A group of NCE_GPU_PACK items takes as many neighbouring elements of a row.  Group z: part z of the rows, x_step columns on;
 * the parts' codes lie one after the other, out_step apart.  op: what is done with an element first, and stored in out
 * (NCE_GPU_ROWS_ACT, of x; NCE_GPU_ROWS_GLU, of x and other), or NCE_GPU_ROWS_NONE. */
NCE_KERNEL void nce_gpu_pack(NCE_G const float *x, int ld_x, int k, int block, NCE_G nce_i8 *codes, NCE_G float *da,
                             int x_step, int out_step, int op, int f, NCE_G const float *other, int ld_other,
                             NCE_G float *out, int ld_out)
{
    NCE_SHARED(nce_u32, magnitude, NCE_GPU_PACK);
    const int t = nce_tid, i = nce_group_x * NCE_GPU_PACK + t, row = nce_group_y;
    float value = i < k ? x[(nce_u64)row * ld_x + (nce_u64)nce_group_z * x_step + i] : 0.0f;
    codes += (nce_u64)nce_group_z * out_step;
    da += (nce_u64)nce_group_z * out_step / block;
    if (op != NCE_GPU_ROWS_NONE && i < k) {
        value = op == NCE_GPU_ROWS_GLU ? nce_glu(value, other[(nce_u64)row * ld_other + i], f) : nce_act(value, f);
        out[(nce_u64)row * ld_out + i] = value;
    }
    magnitude[t] = nce_bits(value) & 0x7fffffffu;
    nce_sync();
    for (int step = block / 2; step > 0; step /= 2) {
        if (t % block < step && magnitude[t + step] > magnitude[t]) magnitude[t] = magnitude[t + step];
        nce_sync();
    }
    if (i < k) {
        float inverse;
        const float d = nce_act_scale(magnitude[t / block * block], &inverse);
        codes[(nce_u64)row * k + i] = (nce_i8)(inverse != 0.0f ? (int)nce_rint(value * inverse) : 0);
        if (t % block == 0) da[(nce_u64)row * (k / block) + i / block] = d;
    }
}

/* The same for up to 16 NCE_GPU_GROUP numbers in shared memory, whole blocks, by a group of NCE_GPU_GROUP items that has other
 * work too; block 0: nothing is packed, but all items must come by all the same.  An item takes every other number of 32, beginning elsewhere than its neighbours, so that they meet in no bank. */
NCE_DEV void nce_pack_shared(NCE_L const float *x, int n, int block, NCE_L nce_u32 *magnitude, NCE_L float *inverse,
                             NCE_G nce_i8 *codes, NCE_G float *da)
{
    const int t = nce_tid, per = block / 16, n_halves = block != 0 ? n / 16 : 0, n_blocks = block != 0 ? n / block : 0;
    nce_u32 most = 0;
    for (int j = 0; j < 16 && t < n_halves; j++) {
        const nce_u32 bits = nce_bits(x[t / 2 * 32 + t % 2 + 2 * ((j + t / 2) % 16)]) & 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    magnitude[t] = most;
    nce_sync();
    if (t < n_blocks) {
        float own;
        most = 0;
        for (int j = 0; j < per; j++)
            most = magnitude[t * per + j] > most ? magnitude[t * per + j] : most;
        da[t] = nce_act_scale(most, &own);
        inverse[t] = own;
    }
    nce_sync();
    for (int i = t; i < n_halves * 16; i += NCE_GPU_GROUP)
        codes[i] = (nce_i8)(inverse[i / block] != 0.0f ? (int)nce_rint(x[i] * inverse[i / block]) : 0);
}

#endif
