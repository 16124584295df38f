/* Reference of the operations on rows of floats, straight from the contract in vec.h, and their chooser.
 *
 * Baseline flags only: fmaf is the C library's, slow but exact.  Every variant in x86/ and arm/ must return these bits.
 */
#include "src/kernels/vec.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/half.h"
#include "src/kernels/vec_isa.h"
#include "src/kernels/vec_sum.h"

static float exp2neg(float x)
{
    const float t = x + NCE_EXP2_MAGIC, n = t - NCE_EXP2_MAGIC, r = x - n;
    float p = fmaf(NCE_EXP2_C6, r, NCE_EXP2_C5);
    p = fmaf(p, r, NCE_EXP2_C4);
    p = fmaf(p, r, NCE_EXP2_C3);
    p = fmaf(p, r, NCE_EXP2_C2);
    p = fmaf(p, r, NCE_EXP2_C1);
    p = fmaf(p, r, 1.0f);
    const float pow2 = nce_f32_from_bits(nce_bits_from_f32(t) << 23); /* the low bits of t hold n + 127 */
    return x < NCE_EXP2_MIN ? 0.0f : p * pow2;
}

float nce_exp2neg_ref(float x)
{
    return exp2neg(x);
}

static float sigmoid(float x)
{
    const float e = exp2neg(-fabsf(x) * NCE_LOG2E);
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

float nce_tanh_base2_ref(float x)
{
    const float t = exp2neg(-fabsf(x));
    const float y = t >= 0.5f ? (1.0f - t) / (1.0f + t) : 1.0f - (2.0f * t) / (1.0f + t);
    return copysignf(y, x);
}

static float tanh_of(float x)
{
    return nce_tanh_base2_ref(x * (2.0f * NCE_LOG2E));
}

static float half_grid(float x)
{
    return nce_f32_from_f16(nce_f16_from_f32(x));
}

static float gelu(float given)
{
    if (given >= NCE_GELU_LINEAR) return given;
    if (given <= -NCE_GELU_LINEAR) return 0.0f;
    const float x = half_grid(given), cubic = fmaf(NCE_GELU_CUBIC * x, x, 1.0f);
    return half_grid((0.5f * x) * (1.0f + tanh_of((NCE_GELU_SQRT_2_PI * x) * cubic)));
}

static float relu(float x)
{
    return x > 0.0f ? x : 0.0f;
}

static float act_of(float x, nce_act_fn f)
{
    switch (f) {
    case NCE_ACT_SILU:
        return x * sigmoid(x);
    case NCE_ACT_GELU:
        return gelu(x);
    case NCE_ACT_GELU_QUICK:
        return x * sigmoid(NCE_GELU_QUICK * x);
    case NCE_ACT_RELU:
        return relu(x);
    case NCE_ACT_RELU2:
        return relu(x) * relu(x);
    case NCE_ACT_SIGMOID:
        return sigmoid(x);
    case NCE_ACT_SWIGLU_OAI:
        break; /* has no meaning without the other half */
    }
    return x;
}

static float swiglu_oai(float gate, float up)
{
    const float g = gate > NCE_SWIGLU_LIMIT ? NCE_SWIGLU_LIMIT : gate;
    const float top = up > NCE_SWIGLU_LIMIT ? NCE_SWIGLU_LIMIT : up,
                u = top < -NCE_SWIGLU_LIMIT ? -NCE_SWIGLU_LIMIT : top;
    return (g * sigmoid(NCE_GELU_QUICK * g)) * (u + 1.0f);
}

static float fold16(float lane[16])
{
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static void rms_norm_ref(float *y, const float *x, const float *w, size_t n, float eps)
{
    nce_sum16 square = {0};
    for (size_t i = 0; i < n; i++)
        nce_sum_add(&square.s[i % 16], &square.c[i % 16], x[i] * x[i]);
    const float r = 1.0f / sqrtf(nce_sum_mean(&square, (float)n) + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = w != NULL ? (x[i] * r) * w[i] : x[i] * r;
}

static void layer_norm_ref(float *y, const float *x, const float *w, const float *b, size_t n, float eps)
{
    nce_sum16 sum = {0}, square = {0};
    for (size_t i = 0; i < n; i++)
        nce_sum_add(&sum.s[i % 16], &sum.c[i % 16], x[i]);
    const float mean = nce_sum_mean(&sum, (float)n);
    for (size_t i = 0; i < n; i++)
        nce_sum_add(&square.s[i % 16], &square.c[i % 16], (x[i] - mean) * (x[i] - mean));
    const float r = 1.0f / sqrtf(nce_sum_mean(&square, (float)n) + eps);
    for (size_t i = 0; i < n; i++) {
        const float z = (x[i] - mean) * r, m = w != NULL ? w[i] : 1.0f;
        y[i] = b != NULL ? fmaf(z, m, b[i]) : z * m;
    }
}

static void act_ref(float *y, const float *x, size_t n, nce_act_fn f)
{
    for (size_t i = 0; i < n; i++)
        y[i] = act_of(x[i], f);
}

static void glu_ref(float *y, const float *gate, const float *up, size_t n, nce_act_fn f)
{
    for (size_t i = 0; i < n; i++)
        y[i] = f == NCE_ACT_SWIGLU_OAI ? swiglu_oai(gate[i], up[i]) : act_of(gate[i], f) * up[i];
}

static void add_ref(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void mul_ref(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void scale_ref(float *y, const float *x, size_t n, float s)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s;
}

static void axpy_ref(float *y, const float *x, size_t n, float a)
{
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf(a, x[i], y[i]);
}

static void softcap_ref(float *y, const float *x, size_t n, float cap)
{
    for (size_t i = 0; i < n; i++)
        y[i] = cap * tanh_of(x[i] / cap);
}

static void softmax_ref(float *y, const float *x, size_t n)
{
    float max = -INFINITY, lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++) {
        y[i] = exp2neg((x[i] - max) * NCE_LOG2E);
        lane[i % 16] += y[i];
    }
    const float inverse = 1.0f / fold16(lane);
    for (size_t i = 0; i < n; i++)
        y[i] *= inverse;
}

static void rope_ref(float *x, size_t n_heads, size_t head_size, size_t n_rot, const float *cs, int neox)
{
    const size_t half = n_rot / 2, gap = neox ? half : 1, step = neox ? 1 : 2;
    for (size_t h = 0; h < n_heads; h++)
        for (size_t i = 0; i < half; i++) {
            float *p = x + h * head_size + i * step;
            const float a = p[0], b = p[gap], c = cs[i], s = cs[half + i];
            p[0] = fmaf(a, c, -(b * s));
            p[gap] = fmaf(a, s, b * c);
        }
}

static void exp2neg_ref(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = exp2neg(x[i]);
}

static const nce_vec_ops reference = {
    .rms_norm = rms_norm_ref,
    .layer_norm = layer_norm_ref,
    .act = act_ref,
    .glu = glu_ref,
    .add = add_ref,
    .mul = mul_ref,
    .scale = scale_ref,
    .axpy = axpy_ref,
    .softcap = softcap_ref,
    .softmax = softmax_ref,
    .rope = rope_ref,
    .exp2neg = exp2neg_ref,
};

void nce_vec_ops_init(nce_vec_ops *ops, uint32_t cpu)
{
    *ops = reference;
#if NCE_HAVE_AVX2
    if (cpu & NCE_CPU_AVX2) *ops = nce_vec_ops_avx2;
#endif
#if NCE_HAVE_AVX512
    if (cpu & NCE_CPU_AVX512) *ops = nce_vec_ops_avx512;
#endif
#if NCE_HAVE_NEON
    if (cpu & NCE_CPU_NEON) *ops = nce_vec_ops_neon;
#endif
    (void)cpu;
}
