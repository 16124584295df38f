/* Quantizers of the four-bit floats: the block scale is one of few numbers, so the neighbours of the real one are tried
 * and the best kept. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"
#include <math.h>

/* Magnitudes 0 1 2 3 4 6 8 12; code is the signed level. */
static nce_fit_sums assign_fp4(const nce_coder *c, const float *x, const float *w, int n, float scale, int8_t *code)
{
    static const float midpoints[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    const float inverse = scale > 1e-20f ? 1 / scale : 0;
    (void)c, (void)w;
    for (int i = 0; i < n; i++) {
        const float v = fabsf(x[i]) * inverse;
        int k = 0;
        for (int m = 0; m < 7; m++)
            k += v > midpoints[m];
        code[i] = (int8_t)(x[i] < 0 ? -nce_fp4_values[k] : nce_fp4_values[k]);
    }
    return nce_fit_sum(x, w, code, n);
}

static const nce_coder coder = {assign_fp4, 1, 16, 1, 1, 1, -12, 12, 0.7f, 1.35f, 12, false, 1, NULL};

static uint32_t index_of(int8_t level)
{
    uint32_t k = 0;
    while (nce_fp4_values[k] != (level < 0 ? -level : level))
        k++;
    return level < 0 ? k | 8 : k;
}

/* Try a scale; keep its codes if the error falls. */
static bool improves(const float *x, const float *w, int n, float scale, float *best, int8_t *code)
{
    int8_t trial[32];
    const float error = nce_fit_error(assign_fp4(&coder, x, w, n, scale, trial), scale);
    if (!(error < *best)) return false;
    *best = error;
    memcpy(code, trial, (size_t)n);
    return true;
}

/* 2^e that puts the largest magnitude just below 2^3 doubled, and both neighbours.  Code 255 is left unused: the OCP
 * text makes it NaN. */
void nce_quantize_mxfp4(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    float largest = 0, best = INFINITY;
    int8_t code[32] = {0};
    int exponent;
    (void)words;
    for (int i = 0; i < 32; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    frexpf(largest, &exponent);
    block[0] = 0;
    for (int e = exponent + 123; e <= exponent + 126; e++)
        if (largest > 0 && e >= 0 && e <= 254 && improves(x, w, 32, nce_e8m0_half_to_f32((uint32_t)e), &best, code))
            block[0] = (uint8_t)e;
    for (int i = 0; i < 16; i++)
        block[1 + i] = (uint8_t)(index_of(code[i]) | index_of(code[i + 16]) << 4);
}

void nce_quantize_nvfp4(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    (void)words;
    for (int s = 0; s < 4; s++) {
        const float *xs = x + 16 * s, *ws = w + 16 * s, real = nce_fit_scale(&coder, xs, ws, 16);
        float best = INFINITY;
        int8_t code[16] = {0};
        int nearest = 0; /* the scale codes ascend: the last not above the real scale */
        for (int step = 64; step > 0; step /= 2)
            if (nearest + step <= 0x7e && nce_ue4m3_half_to_f32((uint32_t)(nearest + step)) <= real) nearest += step;
        block[s] = 0;
        for (int k = nearest - 2; k <= nearest + 3; k++)
            if (k >= 0 && k <= 0x7e && improves(xs, ws, 16, nce_ue4m3_half_to_f32((uint32_t)k), &best, code))
                block[s] = (uint8_t)k;
        for (int i = 0; i < 8; i++)
            block[4 + 8 * s + i] = (uint8_t)(index_of(code[i]) | index_of(code[i + 8]) << 4);
    }
}
