/* Quantizers of IQ1: ternary words, all eight elements shifted by +-1/8.  Codes are 8 * word +- 1, so a code tells its
 * shift: its low three bits are 1 for +, 7 for -.  Both shifts are searched and the cheaper kept. */
#include "src/kernels/types/bits.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"

static float assign_shifted(const nce_words *b, const float *x, const float *w, int n, float scale, int shift,
                            int8_t *code)
{
    float total = 0;
    for (int i = 0; i < n; i += 8) {
        float cost[8][NCE_WORDS_LEVELS];
        uint8_t level[8];
        for (int k = 0; k < 8; k++)
            for (int l = 0; l < 3; l++) {
                const float v = scale * (float)(8 * b->level[l] + shift);
                cost[k][l] = w[i + k] * v * (v - 2 * x[i + k]);
            }
        total += nce_words_nearest(b, cost, level);
        for (int k = 0; k < 8; k++)
            code[i + k] = (int8_t)(8 * b->level[level[k]] + shift);
    }
    return total;
}

static void assign_run(const nce_words *b, const float *x, const float *w, int n, float scale, int8_t *code)
{
    int8_t down[32];
    const float error = assign_shifted(b, x, w, n, scale, 1, code);
    if (assign_shifted(b, x, w, n, scale, -1, down) < error) memcpy(code, down, (size_t)n);
}

/* One shift for the whole sub-block (IQ1_S). */
static nce_fit_sums assign_together(const nce_coder *c, const float *x, const float *w, int n, float scale,
                                    int8_t *code)
{
    assign_run(c->book, x, w, n, scale, code);
    return nce_fit_sum(x, w, code, n);
}

/* One for each word (IQ1_M). */
static nce_fit_sums assign_apart(const nce_coder *c, const float *x, const float *w, int n, float scale, int8_t *code)
{
    for (int i = 0; i < n; i += 8)
        assign_run(c->book, x + i, w + i, 8, scale, code + i);
    return nce_fit_sum(x, w, code, n);
}

/* Number of the word, and whether it is shifted down. */
static uint32_t number_of(const nce_words *b, const int8_t *code, uint32_t *down)
{
    uint8_t level[8];
    *down = (code[0] & 7) == 7;
    for (int k = 0; k < 8; k++)
        level[k] = (uint8_t)((code[k] + 8 + (*down ? 1 : -1)) / 8);
    return nce_words_number(b, level);
}

void nce_quantize_iq1_s(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    const nce_coder coder = {assign_together, 8, 32, 1, 15, 2, -9, 9, 0.8f, 3, 7, false, 8, words};
    nce_plain_block p;
    nce_fit(&coder, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0] * 8));
    for (int j = 0; j < 8; j++) {
        uint32_t field = (uint32_t)p.scale[j] >> 1 << 12, down = 0;
        for (int k = 0; k < 4; k++) {
            const uint32_t number = number_of(words, p.code + 32 * j + 8 * k, &down);
            block[2 + 4 * j + k] = (uint8_t)number;
            field |= number >> 8 << (3 * k);
        }
        nce_store_u16(block + 34 + 2 * j, field | down << 15);
    }
}

void nce_quantize_iq1_m(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    const nce_coder coder = {assign_apart, 16, 16, 1, 15, 2, -9, 9, 0.8f, 2.5f, 7, false, 8, words};
    nce_plain_block p;
    nce_fit(&coder, x, w, &p);
    const uint32_t d = nce_fit_f16(p.d[0] * 8);
    memset(block + 32, 0, 16);
    for (int k = 0; k < 32; k++) {
        uint32_t down;
        const uint32_t number = number_of(words, p.code + 8 * k, &down);
        block[k] = (uint8_t)number;
        block[32 + k / 2] |= (uint8_t)((number >> 8 | down << 3) << (4 * (k % 2)));
    }
    for (int j = 0; j < 4; j++) {
        uint32_t field = (d >> (4 * j) & 15) << 12;
        for (int s = 0; s < 4; s++)
            field |= (uint32_t)p.scale[4 * j + s] >> 1 << (3 * s);
        nce_store_u16(block + 48 + 2 * j, field);
    }
}
