/* Operations on rows of floats: every length and alignment that matters, aliased and not, against the reference; the
 * reference against double. */
#include "src/kernels/half.h"
#include "src/kernels/vec.h"
#include "tests/kernels/check.h"
#include <math.h>
#include <string.h>

enum { CASES = 1500, LONGEST = 600, N_OPS = 11 };

typedef struct vec_case {
    size_t n, n_heads, head_size, n_rot;
    const float *x, *w, *b;
    float a;
    nce_act_fn f;
    int with_w, with_b, neox;
} vec_case;

/* Operation op of these ops; y holds a copy of x when in_place (and is also the operand then), else anything.
 * Where y is read (axpy, rope), the caller has filled it. */
static void apply(const nce_vec_ops *ops, int op, const vec_case *v, float *y, int in_place)
{
    const float *x = in_place ? y : v->x, *w = v->with_w ? v->w : NULL, *b = v->with_b ? v->b : NULL;
    switch (op) {
    case 0:
        ops->rms_norm(y, x, w, v->n, 1e-5f);
        break;
    case 1:
        ops->layer_norm(y, x, w, b, v->n, 1e-5f);
        break;
    case 2:
        ops->act(y, x, v->n, v->f == NCE_ACT_SWIGLU_OAI ? NCE_ACT_SILU : v->f);
        break;
    case 3:
        ops->glu(y, x, v->w, v->n, v->f);
        break;
    case 4:
        ops->add(y, x, v->w, v->n);
        break;
    case 5:
        ops->mul(y, v->w, x, v->n);
        break;
    case 6:
        ops->scale(y, x, v->n, v->a);
        break;
    case 7:
        ops->axpy(y, v->w, v->n, v->a);
        break;
    case 8:
        ops->softcap(y, x, v->n, 30.0f);
        break;
    case 9:
        if (v->n > 0) ops->softmax(y, x, v->n);
        break;
    case 10:
        ops->rope(y, v->n_heads, v->head_size, v->n_rot, v->b, v->neox);
        break;
    default:
        ops->exp2neg(y, x, v->n);
        break;
    }
}

static const char *const op_names[N_OPS + 1] = {"rms_norm", "layer_norm", "act",     "glu",     "add",  "mul",
                                                "scale",    "axpy",       "softcap", "softmax", "rope", "exp2neg"};

static const float *input(check *c, size_t n, check_fill kind, int any_bits)
{
    float *x = check_guarded(c, n * sizeof *x, check_random(c) % 2 ? CHECK_AT_END : CHECK_AT_START);
    check_fill_f32(c, x, n, kind);
    if (kind == CHECK_UNIFORM && check_random(c) % 2)
        for (size_t i = 0; i < n; i++)
            x[i] *= 12.0f;
    for (size_t i = 0; any_bits && i < n; i++) /* infinities and NaN too */
        x[i] = nce_f32_from_bits((uint32_t)check_random(c));
    return x;
}

static void run_case(check *c, const nce_vec_ops *ref, const nce_vec_ops *ops, int op)
{
    const int in_place = op == 7 || op == 10 || check_random(c) % 2, any_bits = check_random(c) % 8 == 0;
    const check_fill kind = (check_fill)(check_random(c) % CHECK_N_FILLS);
    vec_case v = {.n = check_random(c) % 3 ? check_between(c, 0, 70) : check_between(c, 0, LONGEST)};
    if (op == 10) {
        v.n_rot = 2 * check_between(c, 1, 40);
        v.head_size = v.n_rot + check_between(c, 0, 9);
        v.n_heads = check_between(c, 1, 4);
        v.n = v.head_size * v.n_heads;
    }
    v.x = input(c, v.n, kind, any_bits);
    v.w = input(c, v.n, (check_fill)(check_random(c) % CHECK_N_FILLS), 0);
    v.b = op == 10 ? input(c, v.n_rot, CHECK_UNIFORM, 0) : input(c, v.n, CHECK_UNIFORM, 0);
    v.a = check_uniform(c) * 3;
    v.f = (nce_act_fn)(check_random(c) % 7);
    v.with_w = check_random(c) % 4 != 0;
    v.with_b = check_random(c) % 2;
    v.neox = check_random(c) % 2;
    float *want = check_memory(c, v.n * sizeof *want), *got = check_guarded(c, v.n * sizeof *got, CHECK_AT_END);
    if (in_place && v.n > 0) {
        memcpy(want, v.x, v.n * sizeof *want);
        memcpy(got, v.x, v.n * sizeof *got);
    }
    check_case(c, "%s n %zu f %d in place %d fill %d any %d heads %zux%zu rot %zu neox %d", op_names[op], v.n, (int)v.f,
               in_place, (int)kind, any_bits, v.n_heads, v.head_size, v.n_rot, v.neox);
    apply(ref, op, &v, want, in_place);
    apply(ops, op, &v, got, in_place);
    check_same_f32(c, op_names[op], want, got, v.n);
    check_release(c);
}

/* exp2neg on bit patterns over the whole range of floats. */
static void run_exp2neg(check *c, const nce_vec_ops *ref, const nce_vec_ops *ops)
{
    enum { N = 4096 };
    float *x = check_memory(c, N * sizeof *x), *want = check_memory(c, N * sizeof *want),
          *got = check_memory(c, N * sizeof *got);
    check_case(c, "exp2neg over all floats");
    uint64_t bits = check_random(c) % 9973;
    while (bits < UINT64_C(1) << 32) {
        for (size_t i = 0; i < N; i++, bits += 9973)
            x[i] = nce_f32_from_bits((uint32_t)bits);
        ref->exp2neg(want, x, N);
        ops->exp2neg(got, x, N);
        if (!check_same_f32(c, "exp2neg", want, got, N)) break;
    }
    check_release(c);
}

static void near(check *c, const char *what, double want, float got, double bound)
{
    c->n_compared++;
    check_digest(c, &got, 1);
    if (!(fabs((double)got - want) <= bound)) check_fail(c, "%s: %.9g, want %.17g", what, (double)got, want);
}

/* GELU of every half against the table that the contract speaks of: the float formula with a correctly rounded tanh.  One
 * half may differ, the smallest, which lies on a tie. */
static void check_gelu_table(check *c, const nce_vec_ops *ref)
{
    int n_other = 0;
    check_case(c, "GELU of every half");
    for (uint32_t i = 0; i < 0x10000; i++) {
        const float h = nce_f32_from_f16((uint16_t)i);
        if (!(fabsf(h) < 10.0f)) continue;
        const float u = (0.79788456f * h) * fmaf(0.044715f * h, h, 1.0f), t = (float)tanh((double)u);
        const float want = nce_f32_from_f16(nce_f16_from_f32((0.5f * h) * (1.0f + t)));
        float y;
        ref->act(&y, &h, 1, NCE_ACT_GELU);
        if (y != want) n_other++;
        c->n_compared++;
    }
    if (n_other > 1) check_fail(c, "%d halves have another GELU than the table", n_other);
}

/* The functions of one number against the C library in double. */
static void check_functions(check *c, const nce_vec_ops *ref)
{
    for (int i = -4000; i <= 4000; i++) {
        const float x = (float)i * 0.01f;
        const double d = (double)x, s = 1.0 / (1.0 + exp(-d)), size = 1e-6 * (fabs(d) + 1.0);
        /* GELU of the nearest half, rounded to a half: half a unit in the last of its 11 bits; far out it is exact */
        const double h = (double)nce_f32_from_f16(nce_f16_from_f32(x));
        const bool far_out = fabsf(x) >= 10.0f;
        const double middle = 0.5 * h * (1.0 + tanh(0.7978845608028654 * (h + 0.044715 * h * h * h)));
        const double gelu = far_out ? fmax(d, 0.0) : middle;
        const double half_unit = far_out ? 0.0 : fabs(gelu) * 0x1p-11 + 0x1p-25 + 1e-6;
        const double quick = d / (1.0 + exp(-1.702 * d));
        const double want[] = {d * s, gelu, quick, d > 0 ? d : 0, d > 0 ? d * d : 0, s};
        float y;
        check_case(c, "functions of %g", d);
        for (int f = NCE_ACT_SILU; f <= NCE_ACT_SIGMOID; f++) {
            ref->act(&y, &x, 1, (nce_act_fn)f);
            near(c, "act", want[f], y, f == NCE_ACT_RELU2 ? 1e-6 * want[f] : f == NCE_ACT_GELU ? half_unit : size);
        }
        ref->softcap(&y, &x, 1, 5.0f);
        near(c, "softcap", 5.0 * tanh(d / 5.0), y, 3e-6);
        const float e = -fabsf(x);
        ref->exp2neg(&y, &e, 1);
        near(c, "exp2neg", exp2((double)e), y, 1.3e-7 * exp2((double)e));
        const float gate = x, up = -0.5f * x;
        ref->glu(&y, &gate, &up, 1, NCE_ACT_SWIGLU_OAI);
        const double g = fmin(d, 7), u = fmax(-7, fmin(7, (double)up));
        near(c, "swiglu", g / (1.0 + exp(-1.702 * g)) * (u + 1.0), y, 1e-5 * (fabs(g) + 1.0));
    }
}

/* Norms, soft-max and rotation against double. */
static void check_rows(check *c, const nce_vec_ops *ref)
{
    enum { N = 515 };
    float x[N], w[N], b[N], y[N];
    check_fill_f32(c, x, N, CHECK_UNIFORM);
    check_fill_f32(c, w, N, CHECK_UNIFORM);
    check_fill_f32(c, b, N, CHECK_UNIFORM);
    double mean = 0, square = 0, variance = 0, sum = 0;
    for (int i = 0; i < N; i++) {
        mean += (double)x[i] / N;
        square += (double)x[i] * (double)x[i] / N;
        sum += exp((double)x[i]);
    }
    for (int i = 0; i < N; i++)
        variance += ((double)x[i] - mean) * ((double)x[i] - mean) / N;
    check_case(c, "rows of %d", N);
    ref->rms_norm(y, x, w, N, 1e-5f);
    for (int i = 0; i < N; i++)
        near(c, "rms_norm", (double)x[i] / sqrt(square + 1e-5) * (double)w[i], y[i], 3e-7);
    ref->layer_norm(y, x, w, b, N, 1e-5f);
    for (int i = 0; i < N; i++)
        near(c, "layer_norm", ((double)x[i] - mean) / sqrt(variance + 1e-5) * (double)w[i] + (double)b[i], y[i], 4e-7);
    ref->softmax(y, x, N);
    for (int i = 0; i < N; i++)
        near(c, "softmax", exp((double)x[i]) / sum, y[i], 1e-6 * exp((double)x[i]) / sum);
    for (int neox = 0; neox < 2; neox++) {
        const float cs[] = {cosf(0.3f), cosf(2.0f), sinf(0.3f), sinf(2.0f)};
        float z[] = {1, 2, 3, 4, 5};
        ref->rope(z, 1, 5, 4, cs, neox);
        const double a = 1, other = neox ? 3 : 2;
        near(c, "rope", a * cos(0.3) - other * sin(0.3), z[0], 1e-6);
        near(c, "rope", a * sin(0.3) + other * cos(0.3), z[neox ? 2 : 1], 2e-6);
        near(c, "rope leaves the rest", 5, z[4], 0);
    }
}

void check_vec_run(check *c)
{
    nce_vec_ops ref, ops;
    nce_vec_ops_init(&ref, 0);
    nce_vec_ops_init(&ops, c->cpu);
    if (c->cpu == 0) {
        check_functions(c, &ref);
        check_gelu_table(c, &ref);
        check_rows(c, &ref);
        return;
    }
    for (int i = 0; i < CASES; i++)
        run_case(c, &ref, &ops, i % (N_OPS + 1));
    run_exp2neg(c, &ref, &ops);
}
