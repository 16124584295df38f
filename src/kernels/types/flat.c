/* Types with one F16 scale, and perhaps one F16 offset, per 32 elements.  Nibble k of the 16 bytes: element k in the
 * low half, element k + 16 in the high half; fifth bits lie apart in one 32-bit word, bit i for element i. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/decode.h"

/* The offset is stored with the sign of a value, a minimum here is subtracted. */
static void set_offset(nce_plain_block *out, float offset)
{
    out->dmin = -offset;
    out->min[0] = out->min[1] = 1;
}

static void nibbles(nce_plain_block *out, const uint8_t *q, uint32_t fifth, int zero)
{
    for (int i = 0; i < 16; i++) {
        out->code[i] = (int8_t)((q[i] & 15) + (int)(fifth >> i & 1) * 16 - zero);
        out->code[i + 16] = (int8_t)((q[i] >> 4) + (int)(fifth >> (i + 16) & 1) * 16 - zero);
    }
}

void nce_decode_q4_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    nibbles(out, b + 2, 0, 8);
}

void nce_decode_q4_1(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    set_offset(out, nce_load_f16(b + 2));
    nibbles(out, b + 4, 0, 0);
}

void nce_decode_q5_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    nibbles(out, b + 6, nce_load_u32(b + 2), 16);
}

void nce_decode_q5_1(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    set_offset(out, nce_load_f16(b + 2));
    nibbles(out, b + 8, nce_load_u32(b + 4), 0);
}

void nce_decode_q8_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    memcpy(out->code, b + 2, 32);
}

/* Bytes 2 and 3 hold d * (sum of the codes), for products; the values do not need it. */
void nce_decode_q8_1(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    memcpy(out->code, b + 4, 32);
}
