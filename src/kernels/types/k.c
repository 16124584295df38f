/* K types: super-blocks of 256 with integer sub-scales of 4, 6 or 8 bits under one or two F16 (Q8_K: F32) scales.
 * Two- and four-bit codes lie in runs of 32 bytes; the same byte holds elements 32 apart. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/decode.h"

/* Two bits per code: 32 bytes cover 128 elements, plane p (bits 2p, 2p+1) the elements 32p .. 32p+31. */
static int two_bits(const uint8_t *q, int i)
{
    return q[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
}

/* Four bits per code: 32 bytes cover 64 elements, low halves first. */
static int four_bits(const uint8_t *q, int i)
{
    return q[i / 64 * 32 + i % 32] >> (4 * (i / 32 % 2)) & 15;
}

void nce_decode_q2_k(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    out->d[0] = out->d[1] = nce_load_f16(b + 80);
    out->dmin = nce_load_f16(b + 82);
    for (int s = 0; s < 16; s++) {
        out->scale[s] = b[s] & 15;
        out->min[s] = b[s] >> 4;
    }
    for (int i = 0; i < 256; i++)
        out->code[i] = (int8_t)two_bits(b + 16, i);
}

/* The third bit lies in the first 32 bytes, inverted: bit i/32 of byte i%32 clear means 4 less. */
void nce_decode_q3_k(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b + 108));
    for (int s = 0; s < 16; s++) {
        const int low = b[96 + s % 8] >> (4 * (s / 8)) & 15, high = b[104 + s % 4] >> (2 * (s / 4)) & 3;
        out->scale[s] = (int16_t)((low | high << 4) - 32);
    }
    for (int i = 0; i < 256; i++)
        out->code[i] = (int8_t)(two_bits(b + 32, i) - (b[i % 32] >> (i / 32) & 1 ? 0 : 4));
}

/* Eight 6-bit scales and eight 6-bit minima in 12 bytes: 0-3 in the low six bits of bytes 0-7, 4-7 as nibbles of bytes
 * 8-11 topped up from the high two bits of bytes 0-7.  Each counts for 32 elements. */
static void scales_and_minima(const uint8_t *s, nce_plain_block *out)
{
    for (int j = 0; j < 8; j++) {
        const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        const int min = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
        out->scale[2 * j] = out->scale[2 * j + 1] = (int16_t)scale;
        out->min[2 * j] = out->min[2 * j + 1] = (int16_t)min;
    }
}

void nce_decode_q4_k(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    out->d[0] = out->d[1] = nce_load_f16(b);
    out->dmin = nce_load_f16(b + 2);
    scales_and_minima(b + 4, out);
    for (int i = 0; i < 256; i++)
        out->code[i] = (int8_t)four_bits(b + 16, i);
}

void nce_decode_q5_k(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    out->d[0] = out->d[1] = nce_load_f16(b);
    out->dmin = nce_load_f16(b + 2);
    scales_and_minima(b + 4, out);
    for (int i = 0; i < 256; i++)
        out->code[i] = (int8_t)(four_bits(b + 48, i) | (b[16 + i % 32] >> (i / 32) & 1) << 4);
}

/* Low nibbles: 64 bytes cover 128 elements, elements 64 apart in one byte; high two bits as two_bits. */
void nce_decode_q6_k(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_load_f16(b + 208));
    for (int s = 0; s < 16; s++)
        out->scale[s] = (int8_t)b[192 + s];
    for (int i = 0; i < 256; i++) {
        const int low = b[i / 128 * 64 + i % 64] >> (4 * (i % 128 / 64)) & 15;
        out->code[i] = (int8_t)((low | two_bits(b + 128, i) << 4) - 32);
    }
}

/* After the codes come 16 int16 sums of 16 codes, for products; the values do not need them. */
void nce_decode_q8_k(const uint8_t *b, size_t piece, nce_plain_block *out)
{
    (void)piece;
    nce_plain_flat(out, nce_f32_from_bits(nce_load_u32(b)));
    memcpy(out->code, b + 4, 256);
}
