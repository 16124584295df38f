/* Fit of a scale and a minimum together.
 *
 * With codes q the error is quadratic in the two numbers: its normal equations need five sums.  Every trial range gives
 * codes, the codes give the best pair and its error in closed form, twice; the best trial then goes on (Lloyd). */
#include "src/kernels/types/bits.h"
#include "src/quant/fit.h"
#include <math.h>

enum { MAX_ROUNDS = 4, MAX_SUBS = 16 };
static const float tiny = 1e-20f, to_integer = 12582912.0f; /* as in fit.c */

/* Sums of w, wx, wxx of a run, and with codes q of wq, wqq, wxq. */
typedef struct run_sums {
    float w, x, xx, q, qq, xq;
} run_sums;

static float fold(float *v)
{
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            v[l] += v[l + half];
    return v[0];
}

static run_sums sums_of_values(const float *x, const float *w, int n)
{
    float sw[8] = {0}, sx[8] = {0}, sxx[8] = {0};
    for (int i = 0; i < n; i += 8)
        for (int l = 0; l < 8; l++) {
            sw[l] += w[i + l];
            sx[l] += w[i + l] * x[i + l];
            sxx[l] += w[i + l] * x[i + l] * x[i + l];
        }
    return (run_sums){.w = fold(sw), .x = fold(sx), .xx = fold(sxx)};
}

/* Nearest codes at a and their sums. */
static void assign(int hi, nce_affine a, const float *x, const float *w, int n, int8_t *code, run_sums *s)
{
    const float inverse = fabsf(a.d) < tiny ? 0 : 1 / a.d, offset = a.min * inverse, top = (float)hi;
    float sq[8] = {0}, sqq[8] = {0}, sxq[8] = {0}, q[8];
    for (int i = 0; i < n; i += 8) {
        for (int l = 0; l < 8; l++) {
            const float v = x[i + l] * inverse + offset, low = v > 0 ? v : 0;
            q[l] = ((low < top ? low : top) + to_integer) - to_integer;
            const float wq = w[i + l] * q[l];
            sq[l] += wq;
            sqq[l] += wq * q[l];
            sxq[l] += wq * x[i + l];
        }
        for (int l = 0; l < 8; l++)
            code[i + l] = (int8_t)(int)q[l];
    }
    s->q = fold(sq);
    s->qq = fold(sqq);
    s->xq = fold(sxq);
}

/* Error of a pair for the codes summed in s. */
static float error_of(const run_sums *s, nce_affine a)
{
    return s->xx + a.d * (a.d * s->qq - 2 * s->xq - 2 * a.min * s->q) + a.min * (a.min * s->w + 2 * s->x);
}

float nce_affine_assign(int hi, nce_affine a, const float *x, const float *w, int n, int8_t *code)
{
    run_sums s = sums_of_values(x, w, n);
    assign(hi, a, x, w, n, code, &s);
    return error_of(&s, a);
}

/* The best pair for the codes summed in s; d is 0 if they do not tell. */
static nce_affine solve(bool min_positive, const run_sums *s)
{
    const float determinant = s->w * s->qq - s->q * s->q;
    nce_affine a = {0, -s->x / s->w};
    if (determinant > 1e-5f * s->w * s->qq) {
        a.d = (s->w * s->xq - s->q * s->x) / determinant;
        a.min = (s->q * s->xq - s->qq * s->x) / determinant;
    }
    if (min_positive && a.min < 0) {
        a.min = 0;
        a.d = s->qq > 0 ? s->xq / s->qq : 0;
    }
    return a;
}

static void find_range(const float *x, int n, float *lowest, float *highest)
{
    *lowest = *highest = x[0];
    for (int i = 1; i < n; i++) {
        *lowest = fminf(*lowest, x[i]);
        *highest = fmaxf(*highest, x[i]);
    }
}

nce_affine nce_fit_affine(int hi, bool min_positive, const float *x, const float *w, int n)
{
    float lowest, highest;
    int8_t code[32];
    run_sums s = sums_of_values(x, w, n);
    find_range(x, n, &lowest, &highest);
    if (min_positive && lowest > 0) lowest = 0;
    nce_affine best = {(highest - lowest) / (float)hi, -lowest};
    assign(hi, best, x, w, n, code, &s);
    float best_error = error_of(&s, best);
    /* Ranges narrower by up to 0.8 of a step, cut above, below or on both sides; by less where codes are coarse. */
    for (int trial = 0; trial < 12; trial++) {
        const float cut = (hi < 4 ? 0.12f : 0.2f) * (float)(trial / 3 + 1), d = (highest - lowest) / ((float)hi + cut);
        assign(hi, (nce_affine){d, -lowest - (float)(trial % 3) * 0.5f * cut * d}, x, w, n, code, &s);
        nce_affine a = solve(min_positive, &s);
        assign(hi, a, x, w, n, code, &s);
        a = solve(min_positive, &s);
        const float error = error_of(&s, a);
        if (!(error < best_error)) continue;
        best_error = error;
        best = a;
    }
    for (int round = 0; round < MAX_ROUNDS; round++) {
        assign(hi, best, x, w, n, code, &s);
        const nce_affine a = solve(min_positive, &s);
        const float error = error_of(&s, a);
        if (!(error < best_error)) break;
        best_error = error;
        best = a;
    }
    return best;
}

static float as_stored(float d)
{
    return nce_f32_from_f16(nce_fit_f16(d));
}

static int nearest_index(float value, float unit, int hi)
{
    const float ratio = unit > tiny ? value / unit + 0.5f : 0;
    return ratio < 0 ? 0 : ratio > (float)hi ? hi : (int)ratio;
}

/* The best sub-scale and sub-minimum of sub-block j: the pair nearest to the real one or one of its eight neighbours.
 * *real becomes the best real pair for the codes chosen. */
static float choose_pair(int hi, int scale_hi, nce_affine *real, const float *x, const float *w, int n, int j,
                         nce_plain_block *p)
{
    const int scale = nearest_index(real->d, p->d[0], scale_hi), min = nearest_index(real->min, p->dmin, scale_hi);
    run_sums s = sums_of_values(x + j * n, w + j * n, n), best_sums = s;
    float best = INFINITY;
    int8_t code[32];
    for (int k = 0; k < 9; k++) {
        const int ts = scale + (k + 1) % 3 - 1, tm = min + (k / 3 + 1) % 3 - 1; /* the middle first */
        if (ts < 0 || ts > scale_hi || tm < 0 || tm > scale_hi) continue;
        const nce_affine a = {p->d[0] * (float)ts, p->dmin * (float)tm};
        assign(hi, a, x + j * n, w + j * n, n, code, &s);
        const float error = error_of(&s, a);
        if (!(error < best)) continue;
        best = error;
        best_sums = s;
        p->scale[j] = (int16_t)ts;
        p->min[j] = (int16_t)tm;
        memcpy(p->code + j * n, code, (size_t)n);
    }
    const nce_affine a = solve(true, &best_sums);
    if (a.d > 0) *real = a;
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
        for (int j = 0; j < n_sub; j++)
            error += choose_pair(hi, scale_hi, &real[j], x, w, sub, j, &p);
        if (!((float)error < best)) break;
        best = (float)error;
        *out = p;
        solve_both(n_sub, sub, x, w, &p);
        if (p.d[0] < 0 || p.dmin < 0 || (p.d[0] == out->d[0] && p.dmin == out->dmin)) break;
    }
}
