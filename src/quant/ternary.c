/* Quantizers of the types of one and two bits.
 *
 * The fit finds the least-squares ternary block, at least as good as the absmean rule of BitNet b1.58 (Ma et al., "The
 * Era of 1-bit LLMs", 2024) for any weights, and reproduces weights that are ternary already without loss.  A model
 * trained with the absmean rule wants just that rule over the whole tensor: nce_ternary_absmean first (absmean.c). */
#include "src/kernels/types/bits.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"

static void fit_ternary(const float *x, const float *w, nce_plain_block *p)
{
    static const nce_coder coder = {nce_assign_integers, 1, 256, 1, 1, 1, -1, 1, 0.8f, 5, 28, false, 1, NULL};
    nce_fit(&coder, x, w, p);
}

/* Digits first, first + step, ... of a block as one byte; the scaling by 256/243 lets readers skip a division. */
static uint8_t pack_base3(const int8_t *code, int step, int n_digits)
{
    uint32_t number = 0;
    for (int k = 0; k < 5; k++)
        number = number * 3 + (k < n_digits ? (uint32_t)(code[k * step] + 1) : 0);
    return (uint8_t)((number * 256 + 242) / 243);
}

void nce_quantize_tq1_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    (void)words;
    fit_ternary(x, w, &p);
    for (int i = 0; i < 32; i++)
        block[i] = pack_base3(p.code + i, 32, 5);
    for (int i = 0; i < 16; i++)
        block[32 + i] = pack_base3(p.code + 160 + i, 16, 5);
    for (int i = 0; i < 4; i++)
        block[48 + i] = pack_base3(p.code + 240 + i, 4, 4);
    nce_store_u16(block + 52, nce_fit_f16(p.d[0]));
}

void nce_quantize_tq2_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    (void)words;
    fit_ternary(x, w, &p);
    memset(block, 0, 64);
    for (int i = 0; i < 256; i++)
        block[i / 128 * 32 + i % 32] |= (uint8_t)((p.code[i] + 1) << (2 * (i % 128 / 32)));
    nce_store_u16(block + 64, nce_fit_f16(p.d[0]));
}

/* With codes +-1 by sign the best scale is the weighted mean of |x|: the binary case in closed form. */
void nce_quantize_q1_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    double sum = 0, weight = 0;
    (void)words;
    memset(block, 0, 18);
    for (int i = 0; i < 128; i++) {
        sum += (double)w[i] * (x[i] < 0 ? -x[i] : x[i]);
        weight += w[i];
        block[2 + i / 8] |= (uint8_t)((x[i] >= 0) << (i % 8));
    }
    nce_store_u16(block, nce_fit_f16((float)(sum / weight)));
}

void nce_quantize_q2_0(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_integers, 1, 64, 1, 1, 1, -1, 2, 0.6f, 2.5f, 20, true, 1, NULL};
    nce_plain_block p;
    (void)words;
    nce_fit(&coder, x, w, &p);
    memset(block, 0, 18);
    for (int i = 0; i < 64; i++)
        block[2 + i / 4] |= (uint8_t)((p.code[i] + 1) << (2 * (i % 4)));
    nce_store_u16(block, nce_fit_f16(p.d[0]));
}
