/* A unit: 32 neighbouring weights of one row as eight words of four signed codes, with the integer scale and minimum of
 * either half.  It is what a work item takes at a time, whatever the type; unit j of a block is its elements 32 j .. 32 j + 31.
 *
 * Every type has three functions, as src/kernels/types/ has one: nce_<type>_unit(b, j), nce_<type>_d(b, j) and
 * nce_<type>_dmin(b, j), b the address of the block.  dmin is, for a type whose two halves have scales of their own, the
 * second of them.  Rows begin at even addresses at least, but for MXFP4, which is read by bytes. */
#ifndef NCE_SRC_GPU_UNIT_H
#define NCE_SRC_GPU_UNIT_H

typedef struct nce_unit {
    int code[8];
    int scale[2], min[2];
} nce_unit;

NCE_DEV nce_u32 nce_ld16(NCE_G const nce_u8 *p)
{
    return *(NCE_G const nce_u16 *)p;
}

/* Four bytes at an even address, at a multiple of four, anywhere. */
NCE_DEV nce_u32 nce_ld32_even(NCE_G const nce_u8 *p)
{
    return nce_ld16(p) | nce_ld16(p + 2) << 16;
}
NCE_DEV nce_u32 nce_ld32(NCE_G const nce_u8 *p)
{
    return *(NCE_G const nce_u32 *)p;
}
NCE_DEV nce_u32 nce_ld32_any(NCE_G const nce_u8 *p)
{
    return (nce_u32)p[0] | (nce_u32)p[1] << 8 | (nce_u32)p[2] << 16 | (nce_u32)p[3] << 24;
}

NCE_DEV float nce_ld_half(NCE_G const nce_u8 *p)
{
    return nce_h2f((nce_u16)nce_ld16(p));
}

/* k less in each byte; bytes and k below 128. */
NCE_DEV int nce_sub4(nce_u32 word, nce_u32 k)
{
    return (int)(((word | 0x80808080u) - 0x01010101u * k) ^ 0x80808080u);
}

/* Bit i of the low four as bit 0 of byte i. */
NCE_DEV nce_u32 nce_spread4(nce_u32 bits)
{
    return ((bits & 15u) * 0x00204081u) & 0x01010101u;
}

/* The bytes of a word of magnitudes, none 0, negated where a sign bit is set. */
NCE_DEV int nce_signed4(nce_u32 magnitudes, nce_u32 signs)
{
    const nce_u32 one = nce_spread4(signs);
    return (int)((magnitudes ^ one * 255u) + one);
}

NCE_DEV void nce_unit_flat(NCE_P nce_unit *u, int scale)
{
    u->scale[0] = u->scale[1] = scale;
    u->min[0] = u->min[1] = 0;
}

/* ---- shapes that several types share ---- */
/* Word i of sixteen bytes: their low nibbles are elements 0 .. 15, the high ones 16 .. 31. */
NCE_DEV void nce_unit_nibbles(NCE_P nce_unit *u, int i, nce_u32 word)
{
    u->code[i] = (int)(word & 0x0f0f0f0fu);
    u->code[i + 4] = (int)(word >> 4 & 0x0f0f0f0fu);
}

/* A bit more for each code, in front of those it has: element e's is bit e. */
NCE_DEV void nce_unit_fifth(NCE_P nce_unit *u, nce_u32 bits)
{
    for (int i = 0; i < 8; i++)
        u->code[i] |= (int)(nce_spread4(bits >> (4 * i)) << 4);
}

/* k less in every code; codes and k below 128. */
NCE_DEV void nce_unit_less(NCE_P nce_unit *u, nce_u32 k)
{
    for (int i = 0; i < 8; i++)
        u->code[i] = nce_sub4((nce_u32)u->code[i], k);
}

/* Codes of four bits to what a book of sixteen has for them. */
NCE_DEV void nce_unit_book(NCE_P nce_unit *u, NCE_BOOK const nce_i8 *book)
{
    for (int i = 0; i < 8; i++) {
        const nce_u32 q = (nce_u32)u->code[i];
        u->code[i] = (int)((nce_u32)(nce_u8)book[q & 15u] | (nce_u32)(nce_u8)book[q >> 8 & 15u] << 8 |
                           (nce_u32)(nce_u8)book[q >> 16 & 15u] << 16 | (nce_u32)(nce_u8)book[q >> 24 & 15u] << 24);
    }
}

#define NCE_NO_SECOND(type)                                                                                            \
    NCE_DEV float type##_dmin(NCE_G const nce_u8 *b, int j)                                                            \
    {                                                                                                                  \
        return 0.0f;                                                                                                   \
    }
#define NCE_HALF_AT(type, suffix, at, factor)                                                                          \
    NCE_DEV float type##_##suffix(NCE_G const nce_u8 *b, int j)                                                        \
    {                                                                                                                  \
        return nce_ld_half(b + (at)) * (factor);                                                                       \
    }
/* Sixteen bytes of nibbles at b + at, then what makes codes of them. */
#define NCE_NIBBLE_UNIT(type, load, at, min_, then)                                                                    \
    NCE_DEV nce_unit type##_unit(NCE_G const nce_u8 *b, int j)                                                         \
    {                                                                                                                  \
        nce_unit u;                                                                                                    \
        nce_unit_flat(&u, 1);                                                                                          \
        u.min[0] = u.min[1] = min_;                                                                                    \
        for (int i = 0; i < 4; i++)                                                                                    \
            nce_unit_nibbles(&u, i, load(b + (at) + 4 * i));                                                           \
        then;                                                                                                          \
        return u;                                                                                                      \
    }

#endif
