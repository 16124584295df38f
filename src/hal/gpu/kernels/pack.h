/* Activations to codes and scales per 32 or 256.  A group of 256 items takes 256 neighbouring elements of a row: the largest
 * magnitude by a tree, whose order cannot matter, compared as bits, where everything that is not finite is large.  Group z:
 * part z of the rows, x_step columns on; the parts' codes lie one after the other, out_step apart. */
#ifndef NCE_SRC_GPU_PACK_H
#define NCE_SRC_GPU_PACK_H

NCE_KERNEL void nce_gpu_pack(NCE_G const float *x, int ld_x, int k, int block, NCE_G nce_i8 *codes, NCE_G float *da,
                             int x_step, int out_step)
{
    NCE_SHARED(nce_u32, magnitude, NCE_GPU_PACK);
    const int t = nce_tid, i = nce_group_x * NCE_GPU_PACK + t, row = nce_group_y;
    const float value = i < k ? x[(nce_u64)row * ld_x + (nce_u64)nce_group_z * x_step + i] : 0.0f;
    codes += (nce_u64)nce_group_z * out_step;
    da += (nce_u64)nce_group_z * out_step / block;
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

#endif
