/* The length predictor: 8-16-4, ReLU between.  Inputs are compressed (log of seconds and bytes, which spread over many
 * orders of magnitude), shifted and scaled as in training.  254 numbers: one prediction is well under a microsecond.
 *
 * The dot products run in ascending order in f32 with explicit fmaf, so every machine ranks alike. */
#include "nce/sched_predict.h"
#include "src/core/gguf/gguf.h"
#include <math.h>
#include <string.h>

_Static_assert(sizeof(nce_predict_input) == 64, "ABI: grows only at the end");
_Static_assert(sizeof(nce_prediction) == 48, "ABI: grows only at the end");
enum { INPUTS = 8, HIDDEN = 16, OUTPUTS = 4 };
static const float far_outside = 4; /* standard deviations */

struct nce_predictor {
    nce_context *ctx;
    bool has_network;
    float mean[INPUTS], scale[INPUTS];
    float hidden_weight[HIDDEN][INPUTS], hidden_bias[HIDDEN];
    float output_weight[OUTPUTS][HIDDEN], output_bias[OUTPUTS];
};

/* Copy a tensor of exactly these dimensions; GGUF's first dimension is the row length. */
static nce_status read_tensor(const nce_gguf *g, const char *name, uint64_t row, uint64_t rows, float *out)
{
    nce_context *ctx = nce_gguf_context(g);
    const nce_gguf_tensor *t = nce_gguf_find_tensor(g, name);
    if (t == NULL) return nce_fail(ctx, NCE_ERR_NOTFOUND, "%s: no tensor '%s'", nce_gguf_name(g), name);
    if (t->type != NCE_TYPE_F32 || t->ne[0] != row || t->ne[1] != rows || t->ne[2] != 1 || t->ne[3] != 1)
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: tensor '%s' is not F32 [%llu, %llu]", nce_gguf_name(g), name,
                        (unsigned long long)row, (unsigned long long)rows);
    memcpy(out, t->data, row * rows * sizeof *out);
    for (uint64_t i = 0; i < row * rows; i++)
        if (!isfinite(out[i]))
            return nce_fail(ctx, NCE_ERR_FORMAT, "%s: tensor '%s': element %llu is not finite", nce_gguf_name(g), name,
                            (unsigned long long)i);
    return NCE_OK;
}

static nce_status read_network(nce_predictor *p, const nce_gguf *g)
{
    nce_str architecture;
    nce_status status = nce_gguf_string(g, "general.architecture", &architecture);
    if (status != NCE_OK || !nce_str_equal(architecture, "nce-sched"))
        return nce_fail(p->ctx, NCE_ERR_FORMAT, "%s: general.architecture is not 'nce-sched'", nce_gguf_name(g));
    status = read_tensor(g, "sched.input.mean", INPUTS, 1, p->mean);
    if (status == NCE_OK) status = read_tensor(g, "sched.input.scale", INPUTS, 1, p->scale);
    if (status == NCE_OK) status = read_tensor(g, "sched.hidden.weight", INPUTS, HIDDEN, &p->hidden_weight[0][0]);
    if (status == NCE_OK) status = read_tensor(g, "sched.hidden.bias", HIDDEN, 1, p->hidden_bias);
    if (status == NCE_OK) status = read_tensor(g, "sched.output.weight", HIDDEN, OUTPUTS, &p->output_weight[0][0]);
    if (status == NCE_OK) status = read_tensor(g, "sched.output.bias", OUTPUTS, 1, p->output_bias);
    for (int i = 0; i < INPUTS && status == NCE_OK; i++)
        if (!(p->scale[i] > 0))
            status = nce_fail(p->ctx, NCE_ERR_FORMAT, "%s: sched.input.scale[%d] is %g, not above 0", nce_gguf_name(g),
                              i, (double)p->scale[i]);
    p->has_network = status == NCE_OK;
    return status;
}

static nce_status create(nce_context *ctx, const char *path, const void *data, size_t size, nce_predictor **out)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_predictor_create: out is NULL");
    nce_gguf *g = NULL;
    nce_status status = NCE_OK;
    nce_predictor *p = nce_alloc_zero(ctx, sizeof *p);
    if (p == NULL) return nce_fail_nomem(ctx, sizeof *p);
    p->ctx = ctx;
    if (path != NULL)
        status = nce_gguf_open(ctx, path, NULL, &g);
    else if (data != NULL)
        status = nce_gguf_open_memory(ctx, "scheduler network", data, size, &g);
    if (status == NCE_OK && g != NULL) status = read_network(p, g);
    nce_gguf_close(g);
    if (status == NCE_OK)
        *out = p;
    else
        nce_free(ctx, p);
    return status;
}

nce_status nce_predictor_create(nce_context *ctx, const char *path, nce_predictor **out)
{
    return create(ctx, path, NULL, 0, out);
}

nce_status nce_predictor_create_memory(nce_context *ctx, const void *data, size_t size, nce_predictor **out)
{
    if (data == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_predictor_create_memory: data is NULL");
    return create(ctx, NULL, data, size, out);
}

void nce_predictor_destroy(nce_predictor *p)
{
    if (p != NULL) nce_free(p->ctx, p);
}

/* The inputs as the network sees them before shift and scale; tools/train/scheduler.py has the same lines. */
static void compress(const nce_predict_input *in, float x[INPUTS])
{
    x[0] = (float)log1p(in->cpu_s * 1e3);
    x[1] = (float)log1p(in->io_bytes * 1e-6);
    x[2] = (float)log1p(in->memory_bytes * 1e-6);
    x[3] = (float)in->ipc;
    x[4] = (float)in->idle;
    x[5] = (float)log1p(in->average_s * 1e3);
    x[6] = in->is_ai ? 1 : 0;
    x[7] = (float)in->priority / 7;
}

/* False when an input is outside what the network knows. */
static bool forward(const nce_predictor *p, const nce_predict_input *in, float y[OUTPUTS])
{
    float x[INPUTS], h[HIDDEN];
    compress(in, x);
    for (int i = 0; i < INPUTS; i++) {
        x[i] = (x[i] - p->mean[i]) / p->scale[i];
        if (fabsf(x[i]) > far_outside) return false;
    }
    for (int j = 0; j < HIDDEN; j++) {
        h[j] = p->hidden_bias[j];
        for (int i = 0; i < INPUTS; i++)
            h[j] = fmaf(p->hidden_weight[j][i], x[i], h[j]);
        h[j] = h[j] > 0 ? h[j] : 0;
    }
    for (int k = 0; k < OUTPUTS; k++) {
        y[k] = p->output_bias[k];
        for (int j = 0; j < HIDDEN; j++)
            y[k] = fmaf(p->output_weight[k][j], h[j], y[k]);
    }
    return true;
}

/* What is known for certain (the prefill) and what was usual so far; half a millisecond when nothing is. */
static nce_prediction guess(const nce_predict_input *in)
{
    nce_prediction out = {.runtime_s = fmax(fmax(in->cpu_s, in->average_s), 5e-4)};
    out.io_probability = in->io_bytes > 0 ? 1 : 0;
    out.time_slice_s = fmin(fmax(out.runtime_s, 1e-3), 0.1);
    return out;
}

static double logistic(float x)
{
    return 1 / (1 + exp(-(double)x));
}

nce_status nce_predictor_predict(const nce_predictor *p, const nce_predict_input *input, nce_prediction *out)
{
    nce_context *ctx = p != NULL ? p->ctx : NULL;
    nce_predict_input in = NCE_PREDICT_INPUT_INIT;
    if (input == NULL || out == NULL || out->struct_size < sizeof out->struct_size)
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_predictor_predict: an argument is NULL or without struct_size");
    const nce_status status = nce_read_options(ctx, &in, sizeof in, input, "nce_predict_input");
    if (status != NCE_OK) return status;
    const double values[] = {in.cpu_s, in.io_bytes, in.memory_bytes, in.ipc, in.idle, in.average_s};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!(values[i] >= 0 && values[i] <= 1e30))
            return nce_fail(ctx, NCE_ERR_INVALID, "predictor: input %zu is %g, allowed 0..1e30", i, values[i]);
    if (in.priority > 7) return nce_fail(ctx, NCE_ERR_INVALID, "predictor: priority %u, allowed 0..7", in.priority);
    nce_prediction full = guess(&in);
    float y[OUTPUTS];
    if (p != NULL && p->has_network && forward(p, &in, y)) {
        full.runtime_s = expm1(fmin((double)y[0], 20)) * 1e-3;
        full.runtime_s = fmax(full.runtime_s, 1e-6);
        full.io_probability = logistic(y[1]);
        full.time_slice_s = 1e-3 + 0.099 * logistic(y[2]);
        full.boost = 2 * logistic(y[3]) - 1;
        full.from_network = true;
    }
    full.struct_size = out->struct_size;
    memcpy(out, &full, out->struct_size < sizeof full ? out->struct_size : sizeof full);
    return NCE_OK;
}

double nce_rank_correlation(const double *a, const double *b, size_t n)
{
    int64_t same = 0, ties_a = 0, ties_b = 0, pairs = 0;
    if (a == NULL || b == NULL) return NAN;
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const int x = (a[i] > a[j]) - (a[i] < a[j]), y = (b[i] > b[j]) - (b[i] < b[j]);
            same += x * y;
            ties_a += x == 0;
            ties_b += y == 0;
            pairs++;
        }
    const double scale = sqrt((double)(pairs - ties_a)) * sqrt((double)(pairs - ties_b));
    return scale > 0 ? (double)same / scale : NAN;
}
