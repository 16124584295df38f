/* Four-bit indices into a book of 16 uneven levels: IQ4_NL (one scale per 32) and IQ4_XS (super-blocks). */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/kernels/types/decode.h"

static void sixteen_levels(int8_t *code, const uint8_t *q)
{
    for (int i = 0; i < 16; i++) {
        code[i] = nce_iq4_values[q[i] & 15];
        code[i + 16] = nce_iq4_values[q[i] >> 4];
    }
}

void nce_decode_iq4_nl(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    sixteen_levels(out->code, b + 2);
}

/* Sub-scales of 6 bits less 32, one per 32 elements: low nibbles in bytes 4-7, high two bits in the word at 2. */
void nce_decode_iq4_xs(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    const uint32_t high = nce_load_u16(b + 2);
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    for (int j = 0; j < 8; j++) {
        const int low = b[4 + j / 2] >> (4 * (j % 2)) & 15;
        out->scale[2 * j] = out->scale[2 * j + 1] = (int16_t)((low | (int)(high >> (2 * j) & 3) << 4) - 32);
        sixteen_levels(out->code + 32 * j, b + 8 + 16 * j);
    }
}
