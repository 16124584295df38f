/* Dense ReLU network to integrate-and-fire neurons [Diehl et al. 2015, doi 10.1109/IJCNN.2015.7280696; reset by subtraction
 * after Rueckauer et al. 2017].
 *
 * With lambda_l the balancing activation of layer l (lambda_0 = 1 for inputs in [0, 1]), weights become w lambda_{l-1} /
 * lambda_l and biases b / lambda_l, thresholds 1: the firing rate per step of a neuron then approaches its activation
 * divided by lambda_l. */
#include "nce/snn_codec.h"
#include "src/core/runtime/context.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 64 };

static nce_status check(nce_context *ctx, const nce_snn_dense_layer *layers, size_t n_layers, const float *samples,
                        size_t n_samples, double percentile)
{
    if (layers == NULL || n_layers == 0 || n_layers > MAX_LAYERS || samples == NULL || n_samples == 0 ||
        !(percentile >= 0 && percentile <= 100))
        return nce_fail(ctx, NCE_ERR_INVALID, "conversion: %zu layers (1..64), %zu samples, percentile %g", n_layers,
                        n_samples, percentile);
    for (size_t l = 0; l < n_layers; l++) {
        const nce_snn_dense_layer *d = &layers[l];
        if (d->weights == NULL || d->n_in == 0 || d->n_out == 0 || (l > 0 && d->n_in != layers[l - 1].n_out))
            return nce_fail(ctx, NCE_ERR_INVALID, "conversion: layer %zu is %u x %u after %u outputs", l, d->n_out,
                            d->n_in, l > 0 ? layers[l - 1].n_out : d->n_in);
        for (size_t i = 0; i < (size_t)d->n_in * d->n_out; i++)
            if (!(fabsf(d->weights[i]) <= 1e12f))
                return nce_fail(ctx, NCE_ERR_INVALID, "conversion: layer %zu: weight %zu", l, i);
        for (size_t i = 0; d->bias != NULL && i < d->n_out; i++)
            if (!(fabsf(d->bias[i]) <= 1e12f))
                return nce_fail(ctx, NCE_ERR_INVALID, "conversion: layer %zu: bias %zu", l, i);
    }
    for (size_t i = 0; i < n_samples * layers[0].n_in; i++)
        if (!(samples[i] >= 0 && samples[i] <= 1))
            return nce_fail(ctx, NCE_ERR_INVALID, "conversion: sample value %g is outside 0..1", (double)samples[i]);
    return NCE_OK;
}

static void forward(const nce_snn_dense_layer *d, const float *in, float *out, size_t n_samples)
{
    for (size_t s = 0; s < n_samples; s++)
        for (size_t o = 0; o < d->n_out; o++) {
            double sum = d->bias != NULL ? (double)d->bias[o] : 0;
            for (size_t i = 0; i < d->n_in; i++)
                sum += (double)d->weights[o * d->n_in + i] * (double)in[s * d->n_in + i];
            out[s * d->n_out + o] = sum > 0 ? (float)sum : 0;
        }
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The percentile of the positive activations; 1 for a layer that is always silent.  Sorts its scratch. */
static double balance(float *activations, size_t n, double percentile)
{
    qsort(activations, n, sizeof *activations, ascending);
    size_t first = 0;
    while (first < n && activations[first] <= 0)
        first++;
    if (first == n) return 1;
    const size_t at = first + (size_t)((double)(n - 1 - first) * percentile / 100 + 0.5);
    return (double)activations[at];
}

static nce_status find_scales(nce_context *ctx, const nce_snn_dense_layer *layers, size_t n_layers,
                              const float *samples, size_t n_samples, double percentile, double *lambda)
{
    nce_status status = NCE_OK;
    float *in = NULL;
    for (size_t l = 0; l < n_layers && status == NCE_OK; l++) {
        const size_t n = n_samples * layers[l].n_out;
        float *out = nce_alloc_array(ctx, n, sizeof *out), *sorted = nce_alloc_array(ctx, n, sizeof *sorted);
        if (out == NULL || sorted == NULL) {
            status = nce_fail_nomem(ctx, n * sizeof *out);
            nce_free(ctx, out);
            out = NULL;
        } else {
            forward(&layers[l], l == 0 ? samples : in, out, n_samples);
            memcpy(sorted, out, n * sizeof *out);
            lambda[l] = balance(sorted, n, percentile == 0 ? 99.9 : percentile);
        }
        nce_free(ctx, sorted);
        nce_free(ctx, in);
        in = out;
    }
    nce_free(ctx, in);
    return status;
}

static nce_status add_layer(nce_context *ctx, nce_snn *snn, const nce_snn_dense_layer *d, uint32_t before, size_t l,
                            bool last, double lambda_in, double lambda_out, uint32_t *id)
{
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    char name[32];
    const size_t n = (size_t)d->n_in * d->n_out;
    snprintf(name, sizeof name, last ? "output" : "layer%zu", l + 1);
    o.name = name;
    o.model = NCE_SNN_IF;
    o.n = d->n_out;
    o.reset = NCE_SNN_RESET_SUBTRACT;
    o.v_th = last ? 1e9 : 1; /* the output integrates only */
    o.flags = NCE_SNN_RECORD;
    o.onset = (uint32_t)l + 1; /* biases begin when the first input could arrive */
    float *w = nce_alloc_array(ctx, n, sizeof *w);
    double *bias = nce_alloc_array(ctx, d->n_out, sizeof *bias);
    nce_status status =
        w == NULL || bias == NULL ? nce_fail_nomem(ctx, n * sizeof *w) : nce_snn_population_add(snn, &o, id);
    if (status == NCE_OK) {
        for (size_t i = 0; i < n; i++)
            w[i] = (float)((double)d->weights[i] * lambda_in / lambda_out);
        for (size_t i = 0; i < d->n_out; i++)
            bias[i] = d->bias != NULL ? (double)d->bias[i] / lambda_out : 0;
        c.pre = before;
        c.post = *id;
        status = nce_snn_connect_dense(snn, &c, w);
    }
    if (status == NCE_OK && d->bias != NULL)
        status = nce_snn_population_set(snn, *id, NCE_SNN_PARAM_I_E, bias, d->n_out);
    nce_free(ctx, w);
    nce_free(ctx, bias);
    return status;
}

nce_status nce_snn_from_dense(nce_context *ctx, const nce_snn_dense_layer *layers, size_t n_layers,
                              const float *samples, size_t n_samples, double percentile, nce_snn **out)
{
    double lambda[MAX_LAYERS];
    nce_snn_options options = NCE_SNN_OPTIONS_INIT;
    nce_snn_population_options input = NCE_SNN_SOURCE_INIT;
    nce_snn *snn = NULL;
    uint32_t id = 0;
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    nce_status status = check(ctx, layers, n_layers, samples, n_samples, percentile);
    if (status == NCE_OK) status = find_scales(ctx, layers, n_layers, samples, n_samples, percentile, lambda);
    options.dt = 1;
    if (status == NCE_OK) status = nce_snn_create(ctx, &options, &snn);
    if (status != NCE_OK) return status;
    input.name = "input";
    input.n = layers[0].n_in;
    status = nce_snn_population_add(snn, &input, &id);
    for (size_t l = 0; l < n_layers && status == NCE_OK; l++)
        status = add_layer(ctx, snn, &layers[l], id, l, l + 1 == n_layers, l > 0 ? lambda[l - 1] : 1, lambda[l], &id);
    if (status == NCE_OK)
        *out = snn;
    else
        nce_snn_destroy(snn);
    return status;
}
