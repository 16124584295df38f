/* Types with code books (src/kernels/types/iq.c, iq4.c).  Words of eight elements are two words of four, the first first. */
#ifndef NCE_SRC_GPU_TYPES_IQ_H
#define NCE_SRC_GPU_TYPES_IQ_H

/* Seven sign bits and the one that makes their number even. */
NCE_DEV nce_u32 nce_iq_signs(nce_u32 seven)
{
    nce_u32 parity = seven & 127u;
    parity ^= parity >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return (seven & 127u) | (parity & 1u) << 7;
}

/* Elements 8 k .. 8 k + 7 of a unit from a word of eight magnitudes. */
NCE_DEV void nce_iq_word8(NCE_P nce_unit *u, int k, NCE_BOOK const nce_u32 *book, nce_u32 word, nce_u32 signs)
{
    u->code[2 * k] = nce_signed4(book[2 * word], signs);
    u->code[2 * k + 1] = nce_signed4(book[2 * word + 1], signs >> 4);
}

/* Scales of the halves: the nibbles of a byte, doubled and one. */
NCE_DEV void nce_iq_scales(NCE_P nce_unit *u, int byte)
{
    nce_unit_flat(u, 0);
    u->scale[0] = 2 * (byte & 15) + 1;
    u->scale[1] = 2 * (byte >> 4) + 1;
}

NCE_DEV nce_unit nce_iq2_xxs_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    NCE_G const nce_u8 *q = b + 2 + 8 * j;
    const nce_u32 tail = nce_ld32_even(q + 4);
    nce_unit_flat(&u, (int)(2 * (tail >> 28) + 1));
    for (int k = 0; k < 4; k++)
        nce_iq_word8(&u, k, nce_book_iq2_xxs, q[k], nce_iq_signs(tail >> (7 * k)));
    return u;
}
NCE_HALF_AT(nce_iq2_xxs, d, 0, 0.125f)
NCE_NO_SECOND(nce_iq2_xxs)

NCE_DEV nce_unit nce_iq2_xs_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_iq_scales(&u, b[66 + j]);
    for (int k = 0; k < 4; k++) {
        const nce_u32 q = nce_ld16(b + 2 + 8 * j + 2 * k);
        nce_iq_word8(&u, k, nce_book_iq2_xs, q & 511u, nce_iq_signs(q >> 9));
    }
    return u;
}
NCE_HALF_AT(nce_iq2_xs, d, 0, 0.125f)
NCE_NO_SECOND(nce_iq2_xs)

NCE_DEV nce_unit nce_iq2_s_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_iq_scales(&u, b[74 + j]);
    for (int k = 0; k < 4; k++) {
        const nce_u32 word = (nce_u32)b[2 + 4 * j + k] | ((nce_u32)b[66 + j] >> (2 * k) & 3u) << 8;
        nce_iq_word8(&u, k, nce_book_iq2_s, word, b[34 + 4 * j + k]);
    }
    return u;
}
NCE_HALF_AT(nce_iq2_s, d, 0, 0.125f)
NCE_NO_SECOND(nce_iq2_s)

NCE_DEV nce_unit nce_iq3_xxs_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    const nce_u32 tail = nce_ld32_even(b + 66 + 4 * j);
    nce_unit_flat(&u, (int)(2 * (tail >> 28) + 1));
    for (int k = 0; k < 8; k++)
        u.code[k] =
            nce_signed4(nce_book_iq3_xxs[b[2 + 8 * j + k]], nce_iq_signs(tail >> (7 * (k / 2))) >> (4 * (k % 2)));
    return u;
}
NCE_HALF_AT(nce_iq3_xxs, d, 0, 0.25f)
NCE_NO_SECOND(nce_iq3_xxs)

NCE_DEV nce_unit nce_iq3_s_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 2 * (b[106 + j / 2] >> (4 * (j % 2)) & 15) + 1);
    for (int k = 0; k < 8; k++) {
        const nce_u32 word = (nce_u32)b[2 + 8 * j + k] | ((nce_u32)b[66 + j] >> k & 1u) << 8;
        u.code[k] = nce_signed4(nce_book_iq3_s[word], (nce_u32)b[74 + 4 * j + k / 2] >> (4 * (k % 2)));
    }
    return u;
}
NCE_HALF_AT(nce_iq3_s, d, 0, 1.0f)
NCE_NO_SECOND(nce_iq3_s)

/* Elements 8 k .. 8 k + 7 of a unit from a word of bytes -1, 0, 1: 8 x + 1, or 8 x - 1 if down.  First to 8 x + 8, which is
 * never negative. */
NCE_DEV void nce_iq1_word8(NCE_P nce_unit *u, int k, nce_u32 word, nce_u32 down)
{
    for (int i = 0; i < 2; i++) {
        const nce_u32 bytes = nce_book_iq1[2 * word + i];
        u->code[2 * k + i] = nce_sub4((((bytes & 0x03030303u) + 0x01010101u) & 0x03030303u) << 3, down ? 9 : 7);
    }
}

NCE_DEV nce_unit nce_iq1_s_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    const nce_u32 field = nce_ld16(b + 34 + 2 * j);
    nce_unit_flat(&u, (int)(2 * (field >> 12 & 7u) + 1));
    for (int k = 0; k < 4; k++) {
        const nce_u32 word = (nce_u32)b[2 + 4 * j + k] | (field >> (3 * k) & 7u) << 8;
        nce_iq1_word8(&u, k, word, field >> 15);
    }
    return u;
}
NCE_HALF_AT(nce_iq1_s, d, 0, 0.125f)
NCE_NO_SECOND(nce_iq1_s)

NCE_DEV nce_unit nce_iq1_m_unit(NCE_G const nce_u8 *b, int j)
{
    nce_unit u;
    nce_unit_flat(&u, 0);
    for (int t = 0; t < 2; t++)
        u.scale[t] = (int)(2 * (nce_ld16(b + 48 + j / 2 * 2) >> (3 * ((2 * j + t) % 4)) & 7u) + 1);
    for (int k = 0; k < 4; k++) {
        const nce_u32 high = (nce_u32)b[32 + 2 * j + k / 2] >> (4 * (k % 2)), down = high >> 3 & 1u;
        const nce_u32 word = (nce_u32)b[4 * j + k] | (high & 7u) << 8;
        nce_iq1_word8(&u, k, word, down);
    }
    return u;
}
/* The half is spread over the top four bits of four fields. */
NCE_DEV float nce_iq1_m_d(NCE_G const nce_u8 *b, int j)
{
    nce_u32 h = 0;
    for (int i = 0; i < 4; i++)
        h |= nce_ld16(b + 48 + 2 * i) >> 12 << (4 * i);
    return nce_h2f((nce_u16)h) * 0.125f;
}
NCE_NO_SECOND(nce_iq1_m)

NCE_NIBBLE_UNIT(nce_iq4_nl, nce_ld32_even, 2, 0, nce_unit_book(&u, nce_book_iq4))
NCE_HALF_AT(nce_iq4_nl, d, 0, 1.0f)
NCE_NO_SECOND(nce_iq4_nl)

NCE_DEV int nce_iq4_xs_scale(NCE_G const nce_u8 *b, int j)
{
    const int low = b[4 + j / 2] >> (4 * (j % 2)) & 15, high = (int)(nce_ld16(b + 2) >> (2 * j) & 3u);
    return (low | high << 4) - 32;
}
NCE_NIBBLE_UNIT(nce_iq4_xs, nce_ld32, 8 + 16 * j, 0,
                (nce_unit_book(&u, nce_book_iq4), nce_unit_flat(&u, nce_iq4_xs_scale(b, j))))
NCE_HALF_AT(nce_iq4_xs, d, 0, 1.0f)
NCE_NO_SECOND(nce_iq4_xs)

#endif
