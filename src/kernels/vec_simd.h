/* Body of the operations of vec.h, compiled once for each instruction set by x86/vec_*.c and arm/vec_*.c, which include
 * the primitives first and name the table VEC_OPS.  Tails load and store only their lanes; in sums the lanes past the
 * end are put back as they were, because fma(0, 0, -0) would make a -0 lane +0. */
#include "src/kernels/vec_math.h"
#include "src/kernels/vec_sum.h"
#include <math.h>

/* clang-format off: it reads (n) - at_ as a cast */
/* y[i] = expr of a = x[i], the tail too.  A vector is loaded before it is stored, so y may be x. */
#define MAP(y, x, n, expr)                                                                                             \
    do {                                                                                                               \
        size_t at_ = 0;                                                                                                \
        for (; at_ + VL <= (n); at_ += VL) {                                                                           \
            const vf a = v_loadu((x) + at_);                                                                           \
            v_storeu((y) + at_, expr);                                                                                 \
        }                                                                                                              \
        if (at_ < (n)) {                                                                                               \
            const vf a = v_load_n((x) + at_, (n)-at_);                                                                 \
            v_store_n((y) + at_, (n)-at_, expr);                                                                       \
        }                                                                                                              \
    } while (0)

/* The same with b = z[i]. */
#define MAP2(y, x, z, n, expr)                                                                                         \
    do {                                                                                                               \
        size_t at_ = 0;                                                                                                \
        for (; at_ + VL <= (n); at_ += VL) {                                                                           \
            const vf a = v_loadu((x) + at_), b = v_loadu((z) + at_);                                                   \
            v_storeu((y) + at_, expr);                                                                                 \
        }                                                                                                              \
        if (at_ < (n)) {                                                                                               \
            const vf a = v_load_n((x) + at_, (n)-at_), b = v_load_n((z) + at_, (n)-at_);                               \
            v_store_n((y) + at_, (n)-at_, expr);                                                                       \
        }                                                                                                              \
    } while (0)

/* 16 lanes over x: lane += a = x[i]. */
#define SUM16(result, x, n)                                                                                            \
    do {                                                                                                               \
        vf sum[NL];                                                                                                    \
        size_t at_ = 0;                                                                                                \
        for (int c = 0; c < NL; c++)                                                                                   \
            sum[c] = v_zero();                                                                                         \
        for (; at_ + 16 <= (n); at_ += 16)                                                                             \
            UNROLL for (int c = 0; c < NL; c++) sum[c] = v_add(sum[c], v_loadu((x) + at_ + c * VL));                   \
        for (int c = 0; c < NL && at_ < (n); c++, at_ += VL) {                                                         \
            const size_t left = (n)-at_ < VL ? (n)-at_ : VL;                                                           \
            sum[c] = v_first_n(left, v_add(sum[c], v_load_n((x) + at_, left)), sum[c]);                                \
        }                                                                                                              \
        result = v_fold16(sum);                                                                                        \
    } while (0)

/* The mean of expr of a = x[i] by vec_sum.h.  A lane past the end adds +0, which changes nothing: s and c are never -0. */
#define MEAN16(result, x, n, expr)                                                                                     \
    do {                                                                                                               \
        vf s_[NL], c_[NL];                                                                                             \
        nce_sum16 lanes_;                                                                                              \
        for (int c = 0; c < NL; c++)                                                                                   \
            s_[c] = c_[c] = v_zero();                                                                                  \
        size_t at_ = 0;                                                                                                \
        for (; at_ + 16 <= (n); at_ += 16)                                                                             \
            UNROLL for (int c = 0; c < NL; c++)                                                                        \
            {                                                                                                          \
                const vf a = v_loadu((x) + at_ + c * VL);                                                              \
                sum_add(&s_[c], &c_[c], expr);                                                                         \
            }                                                                                                          \
        for (int c = 0; c < NL && at_ < (n); c++, at_ += VL) {                                                         \
            const size_t left = (n)-at_ < VL ? (n)-at_ : VL;                                                           \
            const vf a = v_load_n((x) + at_, left);                                                                    \
            sum_add(&s_[c], &c_[c], v_first_n(left, expr, v_zero()));                                                  \
        }                                                                                                              \
        for (int c = 0; c < NL; c++) {                                                                                 \
            v_storeu(lanes_.s + c * VL, s_[c]);                                                                        \
            v_storeu(lanes_.c + c * VL, c_[c]);                                                                        \
        }                                                                                                              \
        result = nce_sum_mean(&lanes_, (float)(n));                                                                    \
    } while (0)

/* clang-format on */

INL void sum_add(vf *s, vf *c, vf p)
{
    const vf t = v_add(*s, p), z = v_sub(t, *s);
    *c = v_add(*c, v_add(v_sub(*s, v_sub(t, z)), v_sub(p, z)));
    *s = t;
}

INL vf sigmoid(vf x)
{
    const vf one = v_set1(1.0f), e = exp2neg(v_mul(v_neg_abs(x), v_set1(NCE_LOG2E)));
    return v_div(v_if_not_negative(x, one, e), v_add(one, e));
}

INL vf tanh_of(vf x)
{
    return tanh_base2(v_mul(x, v_set1(2.0f * NCE_LOG2E))); /* the sign and the magnitude pass the product unchanged */
}

INL vf gelu(vf given)
{
    const vf x = v_half_grid(given), one = v_set1(1.0f), cubic = v_fma(v_mul(v_set1(NCE_GELU_CUBIC), x), x, one);
    const vf th = tanh_of(v_mul(v_mul(v_set1(NCE_GELU_SQRT_2_PI), x), cubic));
    const vf y = v_half_grid(v_mul(v_mul(v_set1(0.5f), x), v_add(one, th)));
    const vf low = v_if_not_negative(v_sub(v_set1(-NCE_GELU_LINEAR), given), v_zero(), y);
    return v_if_not_negative(v_sub(given, v_set1(NCE_GELU_LINEAR)), given, low);
}

INL vf relu(vf x)
{
    return v_max(x, v_zero()); /* NaN and -0 become +0, as in the reference */
}

INL vf act_of(vf x, nce_act_fn f)
{
    switch (f) {
    case NCE_ACT_SILU:
        return v_mul(x, sigmoid(x));
    case NCE_ACT_GELU:
        return gelu(x);
    case NCE_ACT_GELU_QUICK:
        return v_mul(x, sigmoid(v_mul(v_set1(NCE_GELU_QUICK), x)));
    case NCE_ACT_RELU:
        return relu(x);
    case NCE_ACT_RELU2:
        return v_mul(relu(x), relu(x));
    case NCE_ACT_SIGMOID:
        return sigmoid(x);
    case NCE_ACT_SWIGLU_OAI:
        break;
    }
    return x;
}

INL vf swiglu_oai(vf gate, vf up)
{
    const vf top = v_set1(NCE_SWIGLU_LIMIT), g = v_min(top, gate), u = v_max(v_set1(-NCE_SWIGLU_LIMIT), v_min(top, up));
    return v_mul(v_mul(g, sigmoid(v_mul(v_set1(NCE_GELU_QUICK), g))), v_add(u, v_set1(1.0f)));
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    float square;
    MEAN16(square, x, n, v_mul(a, a));
    const vf r = v_set1(1.0f / sqrtf(square + eps));
    if (w != NULL)
        MAP2(y, x, w, n, v_mul(v_mul(a, r), b));
    else
        MAP(y, x, n, v_mul(a, r));
}

static void layer_norm(float *y, const float *x, const float *w, const float *bias, size_t n, float eps)
{
    float average, square;
    MEAN16(average, x, n, a);
    const vf mean = v_set1(average), one = v_set1(1.0f);
    MEAN16(square, x, n, v_mul(v_sub(a, mean), v_sub(a, mean)));
    const vf r = v_set1(1.0f / sqrtf(square + eps));
    for (size_t i = 0; i < n; i += VL) {
        const size_t left = n - i < VL ? n - i : VL;
        const vf z = v_mul(v_sub(v_load_n(x + i, left), mean), r), m = w != NULL ? v_load_n(w + i, left) : one;
        v_store_n(y + i, left, bias != NULL ? v_fma(z, m, v_load_n(bias + i, left)) : v_mul(z, m));
    }
}

static void act(float *y, const float *x, size_t n, nce_act_fn f)
{
    switch (f) {
    case NCE_ACT_SILU:
        MAP(y, x, n, act_of(a, NCE_ACT_SILU));
        break;
    case NCE_ACT_GELU:
        MAP(y, x, n, act_of(a, NCE_ACT_GELU));
        break;
    case NCE_ACT_GELU_QUICK:
        MAP(y, x, n, act_of(a, NCE_ACT_GELU_QUICK));
        break;
    case NCE_ACT_RELU:
        MAP(y, x, n, act_of(a, NCE_ACT_RELU));
        break;
    case NCE_ACT_RELU2:
        MAP(y, x, n, act_of(a, NCE_ACT_RELU2));
        break;
    case NCE_ACT_SIGMOID:
        MAP(y, x, n, act_of(a, NCE_ACT_SIGMOID));
        break;
    case NCE_ACT_SWIGLU_OAI:
        MAP(y, x, n, a);
        break;
    }
}

static void glu(float *y, const float *gate, const float *up, size_t n, nce_act_fn f)
{
    switch (f) {
    case NCE_ACT_SILU:
        MAP2(y, gate, up, n, v_mul(act_of(a, NCE_ACT_SILU), b));
        break;
    case NCE_ACT_GELU:
        MAP2(y, gate, up, n, v_mul(act_of(a, NCE_ACT_GELU), b));
        break;
    case NCE_ACT_GELU_QUICK:
        MAP2(y, gate, up, n, v_mul(act_of(a, NCE_ACT_GELU_QUICK), b));
        break;
    case NCE_ACT_RELU:
        MAP2(y, gate, up, n, v_mul(act_of(a, NCE_ACT_RELU), b));
        break;
    case NCE_ACT_RELU2:
        MAP2(y, gate, up, n, v_mul(act_of(a, NCE_ACT_RELU2), b));
        break;
    case NCE_ACT_SIGMOID:
        MAP2(y, gate, up, n, v_mul(act_of(a, NCE_ACT_SIGMOID), b));
        break;
    case NCE_ACT_SWIGLU_OAI:
        MAP2(y, gate, up, n, swiglu_oai(a, b));
        break;
    }
}

static void add(float *y, const float *x, const float *z, size_t n)
{
    MAP2(y, x, z, n, v_add(a, b));
}

static void mul(float *y, const float *x, const float *z, size_t n)
{
    MAP2(y, x, z, n, v_mul(a, b));
}

static void scale(float *y, const float *x, size_t n, float s)
{
    MAP(y, x, n, v_mul(a, v_set1(s)));
}

static void axpy(float *y, const float *x, size_t n, float s)
{
    MAP2(y, x, y, n, v_fma(v_set1(s), a, b));
}

static void softcap(float *y, const float *x, size_t n, float cap)
{
    MAP(y, x, n, v_mul(v_set1(cap), tanh_of(v_div(a, v_set1(cap)))));
}

static void softmax(float *y, const float *x, size_t n)
{
    vf top = v_set1(-INFINITY);
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        top = v_max(top, v_loadu(x + i));
    if (i < n) top = v_max(top, v_first_n(n - i, v_load_n(x + i, n - i), top));
    const vf max = v_set1(v_hmax(top));
    MAP(y, x, n, exp2neg(v_mul(v_sub(a, max), v_set1(NCE_LOG2E))));
    float l;
    SUM16(l, y, n);
    scale(y, y, n, 1.0f / l);
}

/* Pairs (i, i + half), VL of them at a time, for all heads. */
static void rope_halves(float *x, size_t n_heads, size_t head_size, size_t half, const float *cs)
{
    for (size_t i = 0; i < half; i += VL) {
        const size_t left = half - i < VL ? half - i : VL;
        const vf c = v_load_n(cs + i, left), s = v_load_n(cs + half + i, left);
        for (size_t h = 0; h < n_heads; h++) {
            float *p = x + h * head_size + i;
            const vf a = v_load_n(p, left), b = v_load_n(p + half, left);
            v_store_n(p, left, v_fma(a, c, v_neg(v_mul(b, s))));
            v_store_n(p + half, left, v_fma(a, s, v_mul(b, c)));
        }
    }
}

/* Pairs (2 i, 2 i + 1): even lanes a c - b s, odd lanes a s + b c, the second product rounded in both. */
static void rope_pairs(float *x, size_t n_heads, size_t head_size, size_t half, const float *cs)
{
    for (size_t i = 0; i < half; i += VL / 2) {
        const size_t left = half - i < VL / 2 ? half - i : VL / 2;
        float c[VL / 2] = {0}, s[VL / 2] = {0};
        for (size_t k = 0; k < left; k++) {
            c[k] = cs[i + k];
            s[k] = cs[half + i + k];
        }
        const vf first = v_pairs(c, s), second = v_pairs(s, c);
        for (size_t h = 0; h < n_heads; h++) {
            float *p = x + h * head_size + 2 * i;
            const vf ab = v_load_n(p, 2 * left);
            v_store_n(p, 2 * left, v_fmaddsub(v_dup_even(ab), first, v_mul(v_dup_odd(ab), second)));
        }
    }
}

static void rope(float *x, size_t n_heads, size_t head_size, size_t n_rot, const float *cs, int neox)
{
    if (neox)
        rope_halves(x, n_heads, head_size, n_rot / 2, cs);
    else
        rope_pairs(x, n_heads, head_size, n_rot / 2, cs);
}

static void exp2neg_array(float *y, const float *x, size_t n)
{
    MAP(y, x, n, exp2neg(a));
}

const nce_vec_ops VEC_OPS = {
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .act = act,
    .glu = glu,
    .add = add,
    .mul = mul,
    .scale = scale,
    .axpy = axpy,
    .softcap = softcap,
    .softmax = softmax,
    .rope = rope,
    .exp2neg = exp2neg_array,
};
