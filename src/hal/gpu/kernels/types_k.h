/* K types: super-blocks of 256 with integer sub-scales (src/kernels/types/k.c). */
#ifndef NCE_SRC_GPU_TYPES_K_H
#define NCE_SRC_GPU_TYPES_K_H

/* Two bits of each byte: unit j is plane j % 4 of the 32 bytes number j / 4. */
#define NCE_TWO_BITS(load, q, j, i) (load((q) + (j) / 4 * 32 + 4 * (i)) >> (2 * ((j) % 4)) & 0x03030303u)
/* Four bits of each byte: unit j is a half of the 32 bytes number j / 2. */
#define NCE_FOUR_BITS(load, q, j, i) (load((q) + (j) / 2 * 32 + 4 * (i)) >> (4 * ((j) % 2)) & 0x0f0f0f0fu)

NCE_DEV nce_unit nce_q2_k_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    for (int s = 0; s < 2; s++) {
        u.scale[s] = b[2 * j + s] & 15;
        u.min[s] = b[2 * j + s] >> 4;
    }
    for (int i = 0; i < 8; i++)
        u.code[i] = (int)NCE_TWO_BITS(nce_ld32, b + 16, j, i);
    return u;
}
NCE_HALF_AT(nce_q2_k, d, 80, 1.0f)
NCE_HALF_AT(nce_q2_k, dmin, 82, 1.0f)

NCE_DEV nce_unit nce_q3_k_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 0);
    for (int t = 0; t < 2; t++) {
        const int s = 2 * j + t;
        const int low = b[96 + s % 8] >> (4 * (s / 8)) & 15, high = b[104 + s % 4] >> (2 * (s / 4)) & 3;
        u.scale[t] = (low | high << 4) - 32;
    }
    for (int i = 0; i < 8; i++) {
        const nce_u32 third = nce_ld32_even(b + 4 * i) >> j & 0x01010101u;
        u.code[i] = nce_sub4(NCE_TWO_BITS(nce_ld32_even, b + 32, j, i) | third << 2, 4);
    }
    return u;
}
NCE_HALF_AT(nce_q3_k, d, 108, 1.0f)
NCE_NO_SECOND(nce_q3_k)

NCE_DEV void nce_k_scales(NCE_G const nce_u8 *s, int j, NCE_P nce_unit *u)
{
    u->scale[0] = u->scale[1] = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
    u->min[0] = u->min[1] = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
}

NCE_DEV nce_unit nce_q4_k_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_k_scales(b + 4, j, &u);
    for (int i = 0; i < 8; i++)
        u.code[i] = (int)NCE_FOUR_BITS(nce_ld32, b + 16, j, i);
    return u;
}
NCE_HALF_AT(nce_q4_k, d, 0, 1.0f)
NCE_HALF_AT(nce_q4_k, dmin, 2, 1.0f)

NCE_DEV nce_unit nce_q5_k_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_k_scales(b + 4, j, &u);
    for (int i = 0; i < 8; i++) {
        const nce_u32 fifth = nce_ld32(b + 16 + 4 * i) >> j & 0x01010101u;
        u.code[i] = (int)(NCE_FOUR_BITS(nce_ld32, b + 48, j, i) | fifth << 4);
    }
    return u;
}
NCE_HALF_AT(nce_q5_k, d, 0, 1.0f)
NCE_HALF_AT(nce_q5_k, dmin, 2, 1.0f)

/* Low nibbles: units 64 elements apart share bytes. */
NCE_DEV nce_unit nce_q6_k_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    NCE_G const nce_u8 *low = b + j / 4 * 64 + j % 2 * 32;
    nce_unit_flat(&u, 0);
    for (int s = 0; s < 2; s++)
        u.scale[s] = (nce_i8)b[192 + 2 * j + s];
    for (int i = 0; i < 8; i++) {
        const nce_u32 four = nce_ld32_even(low + 4 * i) >> (4 * (j % 4 / 2)) & 0x0f0f0f0fu;
        u.code[i] = nce_sub4(four | NCE_TWO_BITS(nce_ld32_even, b + 128, j, i) << 4, 32);
    }
    return u;
}
NCE_HALF_AT(nce_q6_k, d, 208, 1.0f)
NCE_NO_SECOND(nce_q6_k)

#endif
