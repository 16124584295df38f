/* Fit of a scale and a minimum together: trial ranges, then codes and the 2 x 2 normal equations in turn. */
#include "src/kernels/types/bits.h"
#include "src/quant/fit.h"
#include <math.h>

enum { MAX_ROUNDS = 4, N_TRIALS = 12 };

float nce_affine_assign(int hi, nce_affine a, const float *x, const float *w, int n, int8_t *code)
{
    const float inverse = fabsf(a.d) < 1e-20f ? 0 : 1 / a.d, top = (float)hi;
    float error[8] = {0};
    for (int i = 0; i < n; i += 8)
        for (int l = 0; l < 8; l++) {
            float q = (x[i + l] + a.min) * inverse;
            q = q < 0 ? 0 : q > top ? top : q;
            q = (q + 12582912.0f) - 12582912.0f; /* nearest integer */
            const float e = a.d * q - a.min - x[i + l];
            code[i + l] = (int8_t)q;
            error[l] += w[i + l] * e * e;
        }
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            error[l] += error[l + half];
    return error[0];
}

nce_affine nce_affine_solve(bool min_positive, const float *x, const float *w, int n, const int8_t *code)
{
    double sw = 0, sq = 0, sqq = 0, sx = 0, sxq = 0;
    for (int i = 0; i < n; i++) {
        const float q = code[i], wq = w[i] * q;
        sw += w[i];
        sq += wq;
        sqq += wq * q;
        sx += w[i] * x[i];
        sxq += wq * x[i];
    }
    const double determinant = sw * sqq - sq * sq;
    nce_affine a = {0, (float)(-sx / sw)};
    if (determinant > 1e-9 * sw * sqq) {
        a.d = (float)((sw * sxq - sq * sx) / determinant);
        a.min = (float)((sq * sxq - sqq * sx) / determinant);
    }
    if (min_positive && a.min < 0) {
        a.min = 0;
        a.d = sqq > 0 ? (float)(sxq / sqq) : 0;
    }
    return a;
}

nce_affine nce_fit_affine(int hi, bool min_positive, const float *x, const float *w, int n)
{
    float lowest = x[0], highest = x[0], best_error;
    int8_t code[256];
    for (int i = 1; i < n; i++) {
        lowest = fminf(lowest, x[i]);
        highest = fmaxf(highest, x[i]);
    }
    if (min_positive && lowest > 0) lowest = 0;
    nce_affine best = {(highest - lowest) / (float)hi, -lowest};
    best_error = nce_affine_assign(hi, best, x, w, n, code);
    for (int trial = 0; trial < N_TRIALS; trial++) {
        /* a range narrower by `cut` of a step on both sides, or on one */
        const float cut = 0.15f * (float)(trial / 3 + 1) * (hi < 4 ? 0.7f : 1),
                    d = (highest - lowest) / ((float)hi + cut);
        nce_affine a = {d, -lowest - (float)(trial % 3) * 0.5f * cut * d};
        for (int round = 0; round < MAX_ROUNDS; round++) {
            nce_affine_assign(hi, a, x, w, n, code);
            a = nce_affine_solve(min_positive, x, w, n, code);
            const float error = nce_affine_assign(hi, a, x, w, n, code);
            if (!(error < best_error)) break;
            best_error = error;
            best = a;
        }
    }
    return best;
}

enum { MAX_SUBS = 16 };
static const float tiny = 1e-20f;

static float as_stored(float d)
{
    return nce_f16_to_f32(nce_fit_f16(d));
}

static int nearest_index(float value, float unit, int hi)
{
    const float ratio = unit > tiny ? value / unit + 0.5f : 0;
    return ratio < 0 ? 0 : ratio > (float)hi ? hi : (int)ratio;
}

/* The best pair of sub-scale and sub-minimum near the real ones. */
static float choose_pair(int hi, int scale_hi, nce_affine real, const float *x, const float *w, int n, int j,
                         int offset, nce_plain_block *out)
{
    const int scale = nearest_index(real.d, out->d[0], scale_hi), min = nearest_index(real.min, out->dmin, scale_hi);
    float best = INFINITY;
    int8_t code[32];
    for (int s = scale > 0 ? scale - 1 : 0; s <= scale + 1 && s <= scale_hi; s++)
        for (int m = min > 0 ? min - 1 : 0; m <= min + 1 && m <= scale_hi; m++) {
            const nce_affine a = {out->d[0] * (float)s, out->dmin * (float)m};
            const float error = nce_affine_assign(hi, a, x, w, n, code);
            if (!(error < best)) continue;
            best = error;
            out->scale[j] = (int16_t)s;
            out->min[j] = (int16_t)m;
            memcpy(out->code + offset, code, (size_t)n);
        }
    return best;
}

/* d and dmin that fit all codes at once: x ~ d * a - dmin * b with a = scale * code, b = min. */
static void solve_both(int n_sub, int sub, const float *x, const float *w, nce_plain_block *p)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int j = 0; j < n_sub; j++)
        for (int i = j * sub; i < (j + 1) * sub; i++) {
            const double a = p->scale[j] * p->code[i], b = p->min[j], wi = w[i];
            aa += wi * a * a;
            ab += wi * a * b;
            bb += wi * b * b;
            ax += wi * a * x[i];
            bx += wi * b * x[i];
        }
    const double determinant = aa * bb - ab * ab;
    if (determinant > 1e-9 * aa * bb) {
        p->d[0] = as_stored((float)((ax * bb - bx * ab) / determinant));
        p->dmin = as_stored((float)((ax * ab - bx * aa) / determinant));
    } else if (aa > 0)
        p->d[0] = as_stored((float)((ax + p->dmin * ab) / aa));
}

void nce_fit_affine_blocks(int hi, int scale_hi, int n_sub, int sub, const float *x, const float *w,
                           nce_plain_block *out)
{
    nce_affine real[MAX_SUBS];
    float largest = 0, largest_min = 0, best = INFINITY;
    nce_plain_block p = {0};
    for (int j = 0; j < n_sub; j++) {
        real[j] = nce_fit_affine(hi, true, x + j * sub, w + j * sub, sub);
        largest = fmaxf(largest, real[j].d);
        largest_min = fmaxf(largest_min, real[j].min);
    }
    p.d[0] = as_stored(largest / (float)scale_hi);
    p.dmin = as_stored(largest_min / (float)scale_hi);
    for (int round = 0; round < MAX_ROUNDS; round++) {
        double error = 0;
        for (int j = 0; j < n_sub; j++) {
            error += choose_pair(hi, scale_hi, real[j], x + j * sub, w + j * sub, sub, j, j * sub, &p);
            const nce_affine a = nce_affine_solve(true, x + j * sub, w + j * sub, sub, p.code + j * sub);
            if (a.d > 0) real[j] = a;
        }
        if (!((float)error < best)) break;
        best = (float)error;
        *out = p;
        solve_both(n_sub, sub, x, w, &p);
        if (p.d[0] < 0 || p.dmin < 0) break;
    }
}
