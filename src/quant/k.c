/* Quantizers of the K types: super-blocks of 256 with integer sub-scales. */
#include "src/kernels/types/bits.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"
#include <math.h>

/* Bits shift .. of the codes of 256 elements, two bits each, into 64 bytes: the inverse of two_bits in types/k.c. */
static void pack_two_bits(const int8_t *code, int zero, int shift, uint8_t *q)
{
    memset(q, 0, 64);
    for (int i = 0; i < 256; i++)
        q[i / 128 * 32 + i % 32] |= (uint8_t)(((code[i] + zero) >> shift & 3) << (2 * (i % 128 / 32)));
}

void nce_quantize_q2_k(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    (void)words;
    nce_fit_affine_blocks(3, 15, 16, 16, x, w, &p);
    for (int s = 0; s < 16; s++)
        block[s] = (uint8_t)(p.scale[s] | p.min[s] << 4);
    pack_two_bits(p.code, 0, 0, block + 16);
    nce_store_u16(block + 80, nce_fit_f16(p.d[0]));
    nce_store_u16(block + 82, nce_fit_f16(p.dmin));
}

void nce_quantize_q3_k(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_integers, 16, 16, -32, 31, 1, -4, 3, 0.65f, 1.4f, 12, true, 1, NULL};
    nce_plain_block p;
    (void)words;
    nce_fit(&coder, x, w, &p);
    memset(block, 0, 110);
    for (int i = 0; i < 256; i++)
        block[i % 32] |= (uint8_t)((p.code[i] >= 0) << (i / 32));
    pack_two_bits(p.code, 4, 0, block + 32);
    for (int s = 0; s < 16; s++) {
        const int scale = p.scale[s] + 32;
        block[96 + s % 8] |= (uint8_t)((scale & 15) << (4 * (s / 8)));
        block[104 + s % 4] |= (uint8_t)(scale >> 4 << (2 * (s / 4)));
    }
    nce_store_u16(block + 108, nce_fit_f16(p.d[0]));
}

/* The inverse of scales_and_minima in types/k.c. */
static void pack_scales_and_minima(const nce_plain_block *p, uint8_t *s)
{
    for (int j = 0; j < 4; j++) {
        s[j] = (uint8_t)(p->scale[j] | p->scale[j + 4] >> 4 << 6);
        s[j + 4] = (uint8_t)(p->min[j] | p->min[j + 4] >> 4 << 6);
        s[j + 8] = (uint8_t)((p->scale[j + 4] & 15) | (p->min[j + 4] & 15) << 4);
    }
}

static void pack_four_bits(const int8_t *code, uint8_t *q)
{
    memset(q, 0, 128);
    for (int i = 0; i < 256; i++)
        q[i / 64 * 32 + i % 32] |= (uint8_t)((code[i] & 15) << (4 * (i / 32 % 2)));
}

void nce_quantize_q4_k(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    (void)words;
    nce_fit_affine_blocks(15, 63, 8, 32, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    nce_store_u16(block + 2, nce_fit_f16(p.dmin));
    pack_scales_and_minima(&p, block + 4);
    pack_four_bits(p.code, block + 16);
}

void nce_quantize_q5_k(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    (void)words;
    nce_fit_affine_blocks(31, 63, 8, 32, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    nce_store_u16(block + 2, nce_fit_f16(p.dmin));
    pack_scales_and_minima(&p, block + 4);
    memset(block + 16, 0, 32);
    for (int i = 0; i < 256; i++)
        block[16 + i % 32] |= (uint8_t)(p.code[i] >> 4 << (i / 32));
    pack_four_bits(p.code, block + 48);
}

void nce_quantize_q6_k(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_integers, 16, 16, -128, 127, 1, -32, 31, 0.96f, 1.08f, 7, true, 1, NULL};
    nce_plain_block p;
    (void)words;
    nce_fit(&coder, x, w, &p);
    memset(block, 0, 128);
    for (int i = 0; i < 256; i++)
        block[i / 128 * 64 + i % 64] |= (uint8_t)(((p.code[i] + 32) & 15) << (4 * (i % 128 / 64)));
    pack_two_bits(p.code, 32, 4, block + 128);
    for (int s = 0; s < 16; s++)
        block[192 + s] = (uint8_t)p.scale[s];
    nce_store_u16(block + 208, nce_fit_f16(p.d[0]));
}

/* d is an F32 here and not searched: the type holds activations.  The sums of 16 codes follow. */
void nce_quantize_q8_k(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_integers, 1, 256, 1, 1, 1, -127, 127, 1, 1, 1, false, 1, NULL};
    const float d = nce_fit_scale(&coder, x, w, 256);
    int8_t code[256];
    (void)words;
    nce_assign_integers(&coder, x, w, 256, d, code);
    nce_store_u32(block, nce_bits_from_f32(d));
    memcpy(block + 4, code, 256);
    for (int s = 0; s < 16; s++) {
        int sum = 0;
        for (int i = 0; i < 16; i++)
            sum += code[16 * s + i];
        nce_store_u16(block + 260 + 2 * s, (uint32_t)sum);
    }
}
