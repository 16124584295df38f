/* Types of 32 with one scale, four-bit floats, and the ternary and binary types: src/kernels/types/{flat,fp4,ternary}.c. */
#ifndef NCE_SRC_GPU_TYPES_FLAT_H
#define NCE_SRC_GPU_TYPES_FLAT_H

NCE_NIBBLE_UNIT(nce_q4_0, nce_ld32_even, 2, 0, nce_unit_less(&u, 8))
NCE_HALF_AT(nce_q4_0, d, 0, 1.0f)
NCE_NO_SECOND(nce_q4_0)

NCE_NIBBLE_UNIT(nce_q4_1, nce_ld32, 4, 1, (void)0)
NCE_HALF_AT(nce_q4_1, d, 0, 1.0f)
NCE_HALF_AT(nce_q4_1, dmin, 2, -1.0f)

NCE_NIBBLE_UNIT(nce_q5_0, nce_ld32_even, 6, 0, (nce_unit_fifth(&u, nce_ld32_even(b + 2)), nce_unit_less(&u, 16)))
NCE_HALF_AT(nce_q5_0, d, 0, 1.0f)
NCE_NO_SECOND(nce_q5_0)

NCE_NIBBLE_UNIT(nce_q5_1, nce_ld32, 8, 1, nce_unit_fifth(&u, nce_ld32(b + 4)))
NCE_HALF_AT(nce_q5_1, d, 0, 1.0f)
NCE_HALF_AT(nce_q5_1, dmin, 2, -1.0f)

NCE_DEV nce_unit nce_q8_0_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 8; i++)
        u.code[i] = (int)nce_ld32_even(b + 2 + 4 * i);
    return u;
}
NCE_HALF_AT(nce_q8_0, d, 0, 1.0f)
NCE_NO_SECOND(nce_q8_0)

/* ---- four-bit floats, doubled; the scale is halved ---- */
NCE_NIBBLE_UNIT(nce_mxfp4, nce_ld32_any, 1, 0, nce_unit_book(&u, nce_book_fp4))
NCE_DEV float nce_mxfp4_d(NCE_G const nce_u8 *b, int j)
{
    const nce_u32 e = b[0];
    return nce_float(e < 2 ? 0x200000u << e : (e - 1) << 23);
}
NCE_NO_SECOND(nce_mxfp4)

/* Two blocks of sixteen, each eight bytes of nibbles. */
NCE_DEV nce_unit nce_nvfp4_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 4; i++) {
        const nce_u32 w = nce_ld32(b + 4 + 16 * j + 4 * i);
        u.code[i / 2 * 4 + i % 2] = (int)(w & 0x0f0f0f0fu);
        u.code[i / 2 * 4 + i % 2 + 2] = (int)(w >> 4 & 0x0f0f0f0fu);
    }
    nce_unit_book(&u, nce_book_fp4);
    return u;
}
NCE_DEV float nce_ue4m3_half(nce_u32 x)
{
    const nce_u32 exponent = x >> 3 & 15u, mantissa = x & 7u;
    if (x == 0x7fu) return 0.0f;
    if (exponent == 0) return (float)mantissa * 0.0009765625f;
    return nce_float((exponent + 119u) << 23 | mantissa << 20);
}
NCE_DEV float nce_nvfp4_d(NCE_G const nce_u8 *b, int j)
{
    return nce_ue4m3_half(b[2 * j]);
}
NCE_DEV float nce_nvfp4_dmin(NCE_G const nce_u8 *b, int j)
{
    return nce_ue4m3_half(b[2 * j + 1]);
}

/* ---- two bits and less ---- */
/* Digit k (3^k given) of four bytes of base-3 digits, less 1. */
NCE_DEV int nce_base3(nce_u32 bytes, nce_u32 power)
{
    nce_u32 word = 0;
    for (int i = 0; i < 4; i++)
        word |= ((bytes >> (8 * i) & 255u) * power & 255u) * 3u >> 8 << (8 * i);
    return nce_sub4(word, 1);
}
NCE_DEV nce_u32 nce_power3(int k)
{
    return k == 0 ? 1u : k == 1 ? 3u : k == 2 ? 9u : k == 3 ? 27u : 81u;
}
/* 160 elements in 32 bytes, 80 in 16, 16 in 4: units 0 to 4 are a digit of the 32 bytes, 5 and 6 two digits of the 16, 7 the
 * last of the 16 and the four of the 4. */
NCE_DEV nce_unit nce_tq1_0_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 8; i++) {
        int at = 4 * i, digit = j;
        if (j >= 5) {
            at = 32 + 4 * (i % 4);
            digit = 2 * (j - 5) + i / 4;
            if (digit == 5) at = 48, digit = i - 4;
        }
        u.code[i] = nce_base3(nce_ld32_even(b + at), nce_power3(digit));
    }
    return u;
}
NCE_HALF_AT(nce_tq1_0, d, 52, 1.0f)
NCE_NO_SECOND(nce_tq1_0)

NCE_DEV nce_unit nce_tq2_0_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 8; i++)
        u.code[i] = nce_sub4(nce_ld32_even(b + j / 4 * 32 + 4 * i) >> (2 * (j % 4)) & 0x03030303u, 1);
    return u;
}
NCE_HALF_AT(nce_tq2_0, d, 64, 1.0f)
NCE_NO_SECOND(nce_tq2_0)

NCE_DEV nce_unit nce_q1_0_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    const nce_u32 bits = nce_ld32_even(b + 2 + 4 * j);
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 8; i++)
        u.code[i] = nce_sub4(nce_spread4(bits >> (4 * i)) << 1, 1);
    return u;
}
NCE_HALF_AT(nce_q1_0, d, 0, 1.0f)
NCE_NO_SECOND(nce_q1_0)

NCE_DEV nce_unit nce_q2_0_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 8; i++) {
        const nce_u32 q = b[2 + 8 * j + i];
        u.code[i] = nce_sub4((q & 3u) | (q & 12u) << 6 | (q & 48u) << 12 | (q & 192u) << 18, 1);
    }
    return u;
}
NCE_HALF_AT(nce_q2_0, d, 0, 1.0f)
NCE_NO_SECOND(nce_q2_0)

NCE_DEV nce_unit nce_i2_s_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 1);
    for (int i = 0; i < 8; i++)
        u.code[i] = nce_sub4(nce_ld32(b + 4 * i) >> (6 - 2 * j) & 0x03030303u, 1);
    return u;
}
NCE_DEV float nce_i2_s_d(NCE_G const nce_u8 *b, int j)
{
    return 1.0f;
}
NCE_NO_SECOND(nce_i2_s)

#endif
