/* Codebook types: super-blocks of 256 whose elements are taken eight (or four) at a time from a book of code words.
 *
 * IQ2 and IQ3 store magnitudes in the book and signs apart, either 8 bits for 8 elements or, with even parity, 7.
 * Their sub-scale counts half steps, (s + 1/2) / 4 and so on; here that is the odd integer 2s + 1 with d scaled down by
 * the power of two that is left, which changes no bit of a value.  IQ1 words hold -1, 0, 1 and a shift of +-1/8 for all
 * eight: codes are 8 * word +- 1 under d / 8. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/kernels/types/decode.h"

/* n codes (8 or 4) of a word, byte k for element k, negated where the sign bit is set. */
static void signed_word(int8_t *code, uint64_t word, uint32_t signs, int n)
{
    for (int k = 0; k < n; k++) {
        const int magnitude = (int)(word >> (8 * k) & 127);
        code[k] = (int8_t)(signs >> k & 1 ? -magnitude : magnitude);
    }
}

static int16_t odd(uint32_t s)
{
    return (int16_t)(2 * s + 1);
}

/* Per 32 elements: four word numbers of 8 bits, then four 7-bit signs and a 4-bit scale in one 32-bit word. */
void nce_decode_iq2_xxs(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b) * 0.125f);
    for (int j = 0; j < 8; j++) {
        const uint8_t *q = b + 2 + 8 * j;
        const uint32_t tail = nce_load_u32(q + 4);
        out->scale[2 * j] = out->scale[2 * j + 1] = odd(tail >> 28);
        for (int k = 0; k < 4; k++)
            signed_word(out->code + 32 * j + 8 * k, nce_iq2_xxs_words[q[k]], nce_iq_signs[tail >> (7 * k) & 127], 8);
    }
}

/* Per 8 elements a 16-bit field: word number of 9 bits, 7-bit sign.  Scales of 4 bits per 16. */
void nce_decode_iq2_xs(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b) * 0.125f);
    for (int s = 0; s < 16; s++)
        out->scale[s] = odd(b[66 + s / 2] >> (4 * (s % 2)) & 15);
    for (int k = 0; k < 32; k++) {
        const uint32_t q = nce_load_u16(b + 2 + 2 * k);
        signed_word(out->code + 8 * k, nce_iq2_xs_words[q & 511], nce_iq_signs[q >> 9], 8);
    }
}

/* Word numbers of 10 bits (8 and, apart, 2), full sign bytes, scales of 4 bits per 16. */
void nce_decode_iq2_s(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    const uint8_t *low = b + 2, *signs = b + 34, *high = b + 66, *scales = b + 74;
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b) * 0.125f);
    for (int s = 0; s < 16; s++)
        out->scale[s] = odd(scales[s / 2] >> (4 * (s % 2)) & 15);
    for (int k = 0; k < 32; k++) {
        const uint32_t word = low[k] | (uint32_t)(high[k / 4] >> (2 * (k % 4)) & 3) << 8;
        signed_word(out->code + 8 * k, nce_iq2_s_words[word], signs[k], 8);
    }
}

/* Word numbers of 8 bits for 4 elements; per 32 a 32-bit word of four 7-bit signs and a 4-bit scale. */
void nce_decode_iq3_xxs(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b) * 0.25f);
    for (int j = 0; j < 8; j++) {
        const uint8_t *q = b + 2 + 8 * j;
        const uint32_t tail = nce_load_u32(b + 66 + 4 * j);
        out->scale[2 * j] = out->scale[2 * j + 1] = odd(tail >> 28);
        for (int k = 0; k < 8; k++) {
            const uint32_t signs = nce_iq_signs[tail >> (7 * (k / 2)) & 127] >> (4 * (k % 2));
            signed_word(out->code + 32 * j + 4 * k, nce_iq3_xxs_words[q[k]], signs, 4);
        }
    }
}

/* Word numbers of 9 bits (8 and, apart, 1) for 4 elements, full sign bytes, scales of 4 bits per 32. */
void nce_decode_iq3_s(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    const uint8_t *low = b + 2, *high = b + 66, *signs = b + 74, *scales = b + 106;
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b));
    for (int s = 0; s < 16; s++)
        out->scale[s] = odd(scales[s / 4] >> (4 * (s / 2 % 2)) & 15);
    for (int k = 0; k < 64; k++) {
        const uint32_t word = low[k] | (uint32_t)(high[k / 8] >> (k % 8) & 1) << 8;
        signed_word(out->code + 4 * k, nce_iq3_s_words[word], (uint32_t)signs[k / 2] >> (4 * (k % 2)), 4);
    }
}

static void shifted_word(int8_t *code, uint64_t word, bool down)
{
    for (int k = 0; k < 8; k++)
        code[k] = (int8_t)(8 * (int8_t)(word >> (8 * k) & 255) + (down ? -1 : 1));
}

/* Per 32: four word numbers of 11 bits (8, and 3 in a 16-bit field), a 3-bit scale, and the sign of the shift on top.
 */
void nce_decode_iq1_s(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b) * 0.125f);
    for (int j = 0; j < 8; j++) {
        const uint32_t field = nce_load_u16(b + 34 + 2 * j);
        out->scale[2 * j] = out->scale[2 * j + 1] = odd(field >> 12 & 7);
        for (int k = 0; k < 4; k++) {
            const uint32_t word = b[2 + 4 * j + k] | (field >> (3 * k) & 7) << 8;
            shifted_word(out->code + 32 * j + 8 * k, nce_iq1_words[word], field >> 15);
        }
    }
}

/* As IQ1_S with a shift sign per 8 and a 3-bit scale per 16: each 16-bit field at 48 holds four scales and, on top,
 * four bits of the F16 d, lowest first. */
void nce_decode_iq1_m(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    uint32_t d = 0;
    (void)piece;
    for (int j = 0; j < 4; j++)
        d |= nce_load_u16(b + 48 + 2 * j) >> 12 << (4 * j);
    nce_plain_flat(out, nce_f32_from_f16((uint16_t)d) * 0.125f);
    for (int s = 0; s < 16; s++)
        out->scale[s] = odd(nce_load_u16(b + 48 + s / 4 * 2) >> (3 * (s % 4)) & 7);
    for (int k = 0; k < 32; k++) {
        const uint32_t high = (uint32_t)b[32 + k / 2] >> (4 * (k % 2));
        shifted_word(out->code + 8 * k, nce_iq1_words[b[k] | (high & 7) << 8], high >> 3 & 1);
    }
}
