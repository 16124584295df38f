/* The rest of a forward step on rows of floats: norms, activations, RoPE, soft cap, soft-max.
 *
 * THE CONTRACT (docs/numerics.md), the same for every variant, for n >= 0 and unaligned pointers; nothing past n is read:
 *  sum16(f): 16 lanes from +0, lane[i % 16] = fma or add as stated, i ascending, then lane[l] += lane[l + h], h = 8, 4, 2, 1.
 *  mean16(f): the same lanes with compensated additions, folded and divided by n: vec_sum.h.
 *  rms_norm: r = 1 / sqrt(mean16(x * x) + eps) (IEEE division and square root);  y = (x * r) * w   (w NULL: x * r).
 *  layer_norm: m = mean16(x);  r = 1 / sqrt(mean16((x - m) * (x - m)) + eps);
 *            y = fma((x - m) * r, w, b)  (b NULL: ((x - m) * r) * w).
 *  exp2neg(x), x <= 0: t = x + 12583039; n = t - 12583039; r = x - n; Horner with fma over NCE_EXP2_C6..C1, then 1;
 *            p * float_from_bits(bits(t) << 23); +0 if x < -125; NaN stays NaN; exp2neg(0) = 1.
 *  sigmoid(x): e = exp2neg(-|x| * (float)log2e);  x >= 0: 1 / (1 + e), else e / (1 + e).
 *  tanh2(x): t = exp2neg(-|x|);  copysign(t >= 0.5 ? (1 - t) / (1 + t) : 1 - (2 t) / (1 + t), x).
 *  tanh(x) = tanh2(x * (float)(2 log2e)).
 *  silu(x) = x * sigmoid(x);
 *  gelu(x) = half((0.5 h) * (1 + tanh((0.79788456 h) * fma(0.044715 h, h, 1)))) with h = half(x), the nearest half: the
 *            files' reference engine looks GELU up in a table of halves, and a model's bits should not be better than it.
 *            From 10 on it is x itself, from -10 down +0: halves would overflow.
 *  gelu_quick(x) = x * sigmoid(1.702 x);  relu(x) = x > 0 ? x : +0;  relu2(x) = relu(x) * relu(x).
 *  softcap(x, c) = c * tanh(x / c).
 *  softmax: m = max; w = exp2neg((x - m) * (float)log2e); l = sum16(w); y = w * (1 / l).
 *  rope: pairs (a, b) become (fma(a, cos, -(b * sin)), fma(a, sin, b * cos)). */
#ifndef NCE_SRC_VEC_H
#define NCE_SRC_VEC_H
#include <stddef.h>
#include <stdint.h>

#define NCE_EXP2_MAGIC 12583039.0f /* 1.5 * 2^23 + 127 */
#define NCE_EXP2_MIN (-125.0f)
#define NCE_EXP2_C1 0.693147182f
#define NCE_EXP2_C2 0.240226433f
#define NCE_EXP2_C3 0.0555032827f
#define NCE_EXP2_C4 0.00961813424f
#define NCE_EXP2_C5 0.00134058984f
#define NCE_EXP2_C6 0.000156045702f

typedef enum nce_act_fn {
    NCE_ACT_SILU = 0,
    NCE_ACT_GELU = 1,
    NCE_ACT_GELU_QUICK = 2,
    NCE_ACT_RELU = 3,
    NCE_ACT_RELU2 = 4,
    NCE_ACT_SIGMOID = 5,
    /* gpt-oss: gate clamped to <= 7, up to [-7, 7]; gate * sigmoid(1.702 gate) * (up + 1).  glu only. */
    NCE_ACT_SWIGLU_OAI = 6
} nce_act_fn;

typedef struct nce_vec_ops {
    void (*rms_norm)(float *y, const float *x, const float *w, size_t n, float eps); /* y may be x */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, size_t n, float eps);
    void (*act)(float *y, const float *x, size_t n, nce_act_fn f);                     /* y may be x */
    void (*glu)(float *y, const float *gate, const float *up, size_t n, nce_act_fn f); /* f(gate) * up; y may be gate */
    void (*add)(float *y, const float *a, const float *b, size_t n);                   /* y may be a or b */
    void (*mul)(float *y, const float *a, const float *b, size_t n);
    void (*scale)(float *y, const float *x, size_t n, float s);
    void (*axpy)(float *y, const float *x, size_t n, float a); /* y = fma(a, x, y) */
    void (*softcap)(float *y, const float *x, size_t n, float cap);
    void (*softmax)(float *y, const float *x, size_t n); /* n >= 1; y may be x */
    /* In place on n_heads heads of head_size floats, the first n_rot of each: neox: pairs (i, i + n_rot / 2), else
     * (2 i, 2 i + 1).  cs: n_rot / 2 cosines, then n_rot / 2 sines, of this position. */
    void (*rope)(float *x, size_t n_heads, size_t head_size, size_t n_rot, const float *cs, int neox);
    void (*exp2neg)(float *y, const float *x, size_t n); /* for checks */
} nce_vec_ops;

void nce_vec_ops_init(nce_vec_ops *ops, uint32_t cpu);

#endif
