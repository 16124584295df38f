/* Quantizers of IQ2 and IQ3: magnitudes from a book, signs apart.
 *
 * Without a parity rule the signs are those of x and the search sees |x|.  With one (7 bits for 8 signs) and an odd
 * number of negatives, one element must take the wrong sign: the one where that costs least, w |x| (the cost of moving
 * level L to -L is 4 w |x| scale L).  The search then sees a negative target there and prefers a small level by itself.
 */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"
#include <math.h>

/* Signs of 8 elements as bits, even in number if asked. */
static uint32_t choose_signs(const float *x, const float *w, bool even)
{
    uint32_t signs = 0, odd = 0;
    int cheapest = 0;
    for (int k = 0; k < 8; k++) {
        const uint32_t negative = x[k] < 0;
        signs |= negative << k;
        odd ^= negative;
        if (w[k] * fabsf(x[k]) < w[cheapest] * fabsf(x[cheapest])) cheapest = k;
    }
    return even && odd ? signs ^ 1u << cheapest : signs;
}

static nce_fit_sums assign(const nce_words *b, const float *x, const float *w, int n, float scale, bool even,
                           int8_t *code)
{
    for (int i = 0; i < n; i += 8) {
        const uint32_t signs = choose_signs(x + i, w + i, even);
        float cost[8][NCE_WORDS_LEVELS];
        uint8_t level[8];
        for (int k = 0; k < 8; k++) {
            const float target = signs >> k & 1 ? -x[i + k] : x[i + k];
            for (int l = 0; l < b->n_levels; l++) {
                const float v = scale * (float)b->level[l];
                cost[k][l] = w[i + k] * v * (v - 2 * target);
            }
        }
        for (int k = 0; k < 8; k += b->n_dims)
            nce_words_nearest(b, cost + k, level + k);
        for (int k = 0; k < 8; k++)
            code[i + k] = (int8_t)(signs >> k & 1 ? -b->level[level[k]] : b->level[level[k]]);
    }
    return nce_fit_sum(x, w, code, n);
}

static nce_fit_sums assign_free(const nce_coder *c, const float *x, const float *w, int n, float scale, int8_t *code)
{
    return assign(c->book, x, w, n, scale, false, code);
}

static nce_fit_sums assign_even(const nce_coder *c, const float *x, const float *w, int n, float scale, int8_t *code)
{
    return assign(c->book, x, w, n, scale, true, code);
}

static uint32_t signs_of(const int8_t *code)
{
    uint32_t signs = 0;
    for (int k = 0; k < 8; k++)
        signs |= (uint32_t)(code[k] < 0) << k;
    return signs;
}

static uint32_t number_of(const nce_words *b, const int8_t *code)
{
    uint8_t level[8];
    for (int k = 0; k < b->n_dims; k++) {
        level[k] = 0;
        while (b->level[level[k]] != (code[k] < 0 ? -code[k] : code[k]))
            level[k]++;
    }
    return nce_words_number(b, level);
}

/* Sub-scales are the odd integers 2s + 1; the stored d is 8, 4 or 1 times ours (types/iq.c). */
static void fit(nce_assign_fn *how, int sub, float d_unit, const float *x, const float *w, const nce_words *words,
                nce_plain_block *p)
{
    nce_coder coder = {how,
                       256 / sub,
                       sub,
                       1,
                       31,
                       2,
                       0,
                       words->level[words->n_levels - 1],
                       0.7f,
                       words->n_dims == 8 ? 1.9f : 1.5f,
                       words->n_dims == 8 ? 6 : 7,
                       false,
                       d_unit,
                       words};
    nce_fit(&coder, x, w, p);
}

static uint32_t scale_bits(const nce_plain_block *p, int j)
{
    return (uint32_t)p->scale[j] >> 1;
}

void nce_quantize_iq2_xxs(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    fit(assign_even, 32, 8, x, w, words, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0] * 8));
    for (int j = 0; j < 8; j++) {
        uint32_t tail = scale_bits(&p, j) << 28;
        for (int k = 0; k < 4; k++) {
            const int8_t *code = p.code + 32 * j + 8 * k;
            block[2 + 8 * j + k] = (uint8_t)number_of(words, code);
            tail |= (signs_of(code) & 127) << (7 * k);
        }
        nce_store_u32(block + 6 + 8 * j, tail);
    }
}

void nce_quantize_iq2_xs(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    fit(assign_even, 16, 8, x, w, words, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0] * 8));
    for (int k = 0; k < 32; k++)
        nce_store_u16(block + 2 + 2 * k, number_of(words, p.code + 8 * k) | (signs_of(p.code + 8 * k) & 127) << 9);
    for (int j = 0; j < 8; j++)
        block[66 + j] = (uint8_t)(scale_bits(&p, 2 * j) | scale_bits(&p, 2 * j + 1) << 4);
}

void nce_quantize_iq2_s(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    fit(assign_free, 16, 8, x, w, words, &p);
    memset(block, 0, 82);
    nce_store_u16(block, nce_fit_f16(p.d[0] * 8));
    for (int k = 0; k < 32; k++) {
        const uint32_t number = number_of(words, p.code + 8 * k);
        block[2 + k] = (uint8_t)number;
        block[34 + k] = (uint8_t)signs_of(p.code + 8 * k);
        block[66 + k / 4] |= (uint8_t)(number >> 8 << (2 * (k % 4)));
    }
    for (int j = 0; j < 8; j++)
        block[74 + j] = (uint8_t)(scale_bits(&p, 2 * j) | scale_bits(&p, 2 * j + 1) << 4);
}

void nce_quantize_iq3_xxs(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    fit(assign_even, 32, 4, x, w, words, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0] * 4));
    for (int k = 0; k < 64; k++)
        block[2 + k] = (uint8_t)number_of(words, p.code + 4 * k);
    for (int j = 0; j < 8; j++) {
        uint32_t tail = scale_bits(&p, j) << 28;
        for (int k = 0; k < 4; k++)
            tail |= (signs_of(p.code + 32 * j + 8 * k) & 127) << (7 * k);
        nce_store_u32(block + 66 + 4 * j, tail);
    }
}

void nce_quantize_iq3_s(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    nce_plain_block p;
    fit(assign_free, 32, 1, x, w, words, &p);
    memset(block, 0, 110);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    for (int k = 0; k < 64; k++) {
        const uint32_t number = number_of(words, p.code + 4 * k);
        block[2 + k] = (uint8_t)number;
        block[66 + k / 8] |= (uint8_t)(number >> 8 << (k % 8));
    }
    for (int k = 0; k < 32; k++)
        block[74 + k] = (uint8_t)signs_of(p.code + 8 * k);
    for (int j = 0; j < 4; j++)
        block[106 + j] = (uint8_t)(scale_bits(&p, 2 * j) | scale_bits(&p, 2 * j + 1) << 4);
}
