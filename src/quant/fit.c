/* Fit of scales without a minimum; see fit.h for the method. */
#include "src/quant/fit.h"
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include <math.h>

enum { MAX_SUBS = 16, MAX_ROUNDS = 4 };
static const float tiny = 1e-20f; /* a scale below this is 0 in every format */

static float reciprocal(float scale)
{
    return fabsf(scale) < tiny ? 0 : 1 / scale;
}

/* For |v| < 2^22, adding 1.5 * 2^23 and taking it off again gives the nearest integer, ties to even, at once. */
static const float to_integer = 12582912.0f;

static int nearest(float v)
{
    return (int)((v + to_integer) - to_integer);
}

static float clamp(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Eight running sums, folded in a fixed order: the same bits whatever the compiler makes of the loops. */
static nce_fit_sums fold(float *xq, float *qq)
{
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++) {
            xq[l] += xq[l + half];
            qq[l] += qq[l + half];
        }
    return (nce_fit_sums){xq[0], qq[0]};
}

nce_fit_sums nce_fit_sum(const float *x, const float *w, const int8_t *code, int n)
{
    float xq[8] = {0}, qq[8] = {0};
    for (int i = 0; i < n; i += 8)
        for (int l = 0; l < 8; l++) {
            const float q = code[i + l], wq = w[i + l] * q;
            xq[l] += wq * x[i + l];
            qq[l] += wq * q;
        }
    return fold(xq, qq);
}

nce_fit_sums nce_assign_integers(const nce_coder *c, const float *x, const float *w, int n, float scale, int8_t *code)
{
    const float inverse = reciprocal(scale), lo = (float)c->lo, hi = (float)c->hi;
    float xq[8] = {0}, qq[8] = {0}, q[8];
    for (int i = 0; i < n; i += 8) {
        for (int l = 0; l < 8; l++) {
            q[l] = (clamp(x[i + l] * inverse, lo, hi) + to_integer) - to_integer;
            xq[l] += w[i + l] * q[l] * x[i + l];
            qq[l] += w[i + l] * q[l] * q[l];
        }
        for (int l = 0; l < 8; l++)
            code[i + l] = (int8_t)(int)q[l];
    }
    return fold(xq, qq);
}

nce_fit_sums nce_assign_iq4(const nce_coder *c, const float *x, const float *w, int n, float scale, int8_t *code)
{
    const float inverse = reciprocal(scale);
    (void)c;
    for (int i = 0; i < n; i++) {
        const float twice = 2 * x[i] * inverse;
        int k = 0; /* levels ascend; binary search for the last midpoint below */
        for (int step = 8; step > 0; step /= 2)
            k += twice > (float)(nce_iq4_values[k + step - 1] + nce_iq4_values[k + step]) ? step : 0;
        code[i] = nce_iq4_values[k];
    }
    return nce_fit_sum(x, w, code, n);
}

/* What the best scale for given codes takes off the error: (sum wxq)^2 / sum wqq. */
static float gain(nce_fit_sums s)
{
    return s.qq > 0 ? s.xq * s.xq / s.qq : 0;
}

float nce_fit_scale(const nce_coder *c, const float *x, const float *w, int n)
{
    const float top = (float)(-c->lo > c->hi ? -c->lo : c->hi);
    float largest = 0, best = 0, best_gain = 0;
    int8_t code[256];
    for (int i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    if (largest < tiny) return 0;
    for (int trial = 0; trial < c->n_trials * (c->both_signs ? 2 : 1); trial++) {
        const float t = c->n_trials > 1 ? (float)(trial % c->n_trials) / (float)(c->n_trials - 1) : 0;
        const float scale = largest / (top * (c->first + (c->last - c->first) * t));
        const nce_fit_sums s = c->assign(c, x, w, n, trial < c->n_trials ? scale : -scale, code);
        if (gain(s) > best_gain) {
            best_gain = gain(s);
            best = s.xq / s.qq;
        }
    }
    for (int round = 0; round < MAX_ROUNDS; round++) {
        const nce_fit_sums s = c->assign(c, x, w, n, best, code);
        if (gain(s) <= best_gain) break;
        best_gain = gain(s);
        best = s.xq / s.qq;
    }
    return best;
}

uint16_t nce_fit_f16(float d)
{
    return nce_f16_from_f32(clamp(d, -65504, 65504));
}

static float as_stored(const nce_coder *c, float d)
{
    return nce_f32_from_f16(nce_fit_f16(d * c->d_unit)) / c->d_unit;
}

static int nearest_scale(const nce_coder *c, float ratio)
{
    const float steps = (clamp(ratio, (float)c->scale_lo, (float)c->scale_hi) - (float)c->scale_lo);
    return c->scale_lo + c->scale_step * nearest(steps / (float)c->scale_step);
}

/* The best sub-scale of sub-block j near its real scale, for a given d; updates the real scale to suit the codes. */
static float choose_scale(const nce_coder *c, const float *x, const float *w, float *real, int j, nce_plain_block *out,
                          nce_fit_sums *sums)
{
    const int middle = nearest_scale(c, *real * reciprocal(out->d[0]));
    float best = INFINITY;
    int8_t code[256];
    x += j * c->sub;
    w += j * c->sub;
    for (int k = 0; k < 3; k++) {
        const int scale = middle + (k == 2 ? -1 : k) * c->scale_step;
        if (scale < c->scale_lo || scale > c->scale_hi) continue;
        const nce_fit_sums s = c->assign(c, x, w, c->sub, out->d[0] * (float)scale, code);
        const float error = nce_fit_error(s, out->d[0] * (float)scale);
        if (error >= best) continue;
        best = error;
        *sums = s;
        out->scale[j] = (int16_t)scale;
        memcpy(out->code + j * c->sub, code, (size_t)c->sub);
    }
    if (sums->qq > 0) *real = sums->xq / sums->qq;
    return best;
}

void nce_fit(const nce_coder *c, const float *x, const float *w, nce_plain_block *out)
{
    float real[MAX_SUBS], largest = 0, best = INFINITY;
    nce_plain_block p = {0};
    for (int j = 0; j < c->n_sub; j++) {
        real[j] = nce_fit_scale(c, x + j * c->sub, w + j * c->sub, c->sub);
        if (fabsf(real[j]) > fabsf(largest)) largest = real[j];
    }
    p.d[0] = as_stored(c, largest / (float)(-c->scale_lo > c->scale_hi ? c->scale_lo : c->scale_hi));
    for (int round = 0; round < MAX_ROUNDS; round++) {
        double error = 0, xq = 0, qq = 0;
        for (int j = 0; j < c->n_sub; j++) {
            nce_fit_sums s = {0, 0};
            error += choose_scale(c, x, w, &real[j], j, &p, &s);
            xq += (double)p.scale[j] * s.xq;
            qq += (double)p.scale[j] * p.scale[j] * s.qq;
        }
        if (!((float)error < best)) break;
        best = (float)error;
        p.d[1] = p.d[0];
        *out = p;
        p.d[0] = as_stored(c, qq > 0 ? (float)(xq / qq) : 0);
        if (p.d[0] == out->d[0]) break;
    }
}
