/* Types of one and two bits.  TQ1_0 packs five base-3 digits in a byte: the byte is ceil(n * 256 / 243) of the number n
 * whose most significant digit is the first element, so that digit k appears in the high byte of 3 * (byte * 3^k mod
 * 256) without a division. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/decode.h"

static int8_t base3_digit(uint8_t byte, int k)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    return (int8_t)(((uint8_t)(byte * powers[k]) * 3 >> 8) - 1);
}

/* 32 bytes of five (160 elements, digit k of byte i is element 32k + i), 16 bytes of five (80), 4 bytes of four (16).
 */
void nce_decode_tq1_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b + 52));
    for (int i = 0; i < 160; i++)
        out->code[i] = base3_digit(b[i % 32], i / 32);
    for (int i = 0; i < 80; i++)
        out->code[160 + i] = base3_digit(b[32 + i % 16], i / 16);
    for (int i = 0; i < 16; i++)
        out->code[240 + i] = base3_digit(b[48 + i % 4], i / 4);
}

void nce_decode_tq2_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b + 64));
    for (int i = 0; i < 256; i++)
        out->code[i] = (int8_t)((b[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3) - 1);
}

/* 128 signs under one F16 scale. */
void nce_decode_q1_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    const uint32_t bits = nce_load_u32(b + 2 + 4 * piece);
    nce_plain_flat(out, nce_load_f16(b));
    for (int i = 0; i < 32; i++)
        out->code[i] = bits >> i & 1 ? 1 : -1;
}

/* 64 codes -1, 0, 1, 2 under one F16 scale, four neighbours in a byte. */
void nce_decode_q2_0(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    const uint8_t *q = b + 2 + 8 * piece;
    nce_plain_flat(out, nce_load_f16(b));
    for (int i = 0; i < 32; i++)
        out->code[i] = (int8_t)((q[i / 4] >> (2 * (i % 4)) & 3) - 1);
}

/* BitNet's: 32 bytes hold 128 codes -1, 0, 1, the first 32 in the top bits.  The scale belongs to the tensor. */
void nce_decode_i2_s(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    nce_plain_flat(out, 1);
    for (int i = 0; i < 32; i++)
        out->code[i] = (int8_t)((b[i] >> (6 - 2 * piece) & 3) - 1);
}
