/* Quantizers of the types with one scale, and perhaps an offset, per 32. */
#include "src/kernels/types/bits.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"

/* Codes less `zero` into 16 bytes of low nibbles; returns the fifth bits. */
static uint32_t pack_nibbles(const int8_t *code, int zero, uint8_t *q)
{
    uint32_t fifth = 0;
    for (int i = 0; i < 16; i++) {
        const uint32_t low = (uint32_t)(code[i] + zero), high = (uint32_t)(code[i + 16] + zero);
        q[i] = (uint8_t)((low & 15) | (high & 15) << 4);
        fifth |= low >> 4 << i | high >> 4 << (i + 16);
    }
    return fifth;
}

void nce_quantize_q4_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_integers, 1, 32, 1, 1, 1, -8, 7, 0.8f, 1.3f, 12, true, 1, NULL};
    nce_plain_block p;
    (void)words;
    nce_fit(&coder, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    pack_nibbles(p.code, 8, block + 2);
}

void nce_quantize_q5_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_integers, 1, 32, 1, 1, 1, -16, 15, 0.9f, 1.15f, 10, true, 1, NULL};
    nce_plain_block p;
    (void)words;
    nce_fit(&coder, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    nce_store_u32(block + 2, pack_nibbles(p.code, 16, block + 6));
}

/* Both stored numbers are rounded; the codes are chosen again for the rounded ones.  Returns the bits d | m << 16. */
static uint32_t fit_offset(int hi, const float *x, const float *w, int8_t *code)
{
    const nce_affine a = nce_fit_affine(hi, false, x, w, 32);
    const uint16_t d = nce_fit_f16(a.d), m = nce_fit_f16(-a.min);
    const nce_affine stored = {nce_f32_from_f16(d), -nce_f32_from_f16(m)};
    nce_affine_assign(hi, stored, x, w, 32, code);
    return d | (uint32_t)m << 16;
}

void nce_quantize_q4_1(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    int8_t code[32];
    (void)words;
    nce_store_u32(block, fit_offset(15, x, w, code));
    pack_nibbles(code, 0, block + 4);
}

void nce_quantize_q5_1(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    int8_t code[32];
    (void)words;
    nce_store_u32(block, fit_offset(31, x, w, code));
    nce_store_u32(block + 4, pack_nibbles(code, 0, block + 8));
}

static const nce_coder coder_q8 = {nce_assign_integers, 1, 32, 1, 1, 1, -127, 127, 1, 1, 1, false, 1, NULL};

void nce_quantize_q8_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    (void)words;
    nce_fit(&coder_q8, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    memcpy(block + 2, p.code, 32);
}

void nce_quantize_q8_1(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    int sum = 0;
    (void)words;
    nce_fit(&coder_q8, x, w, &p);
    for (int i = 0; i < 32; i++)
        sum += p.code[i];
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    nce_store_u16(block + 2, nce_fit_f16(p.d[0] * (float)sum));
    memcpy(block + 4, p.code, 32);
}
