/* Spike-count and sigma-delta coding of a language model's activations, with the sparsity each really gives. */
#include "nce/snn_codec.h"
#include "src/core/runtime/context.h"
#include <math.h>
#include <string.h>

typedef struct tally {
    double zero, bits, small, n, error, power;
} tally;

static void count(tally *t, int32_t code, double x, double decoded)
{
    uint32_t magnitude = code < 0 ? 0u - (uint32_t)code : (uint32_t)code;
    t->n += 1;
    t->zero += magnitude == 0;
    t->small += magnitude <= 7;
    t->bits += __builtin_popcount(magnitude);
    t->error += (decoded - x) * (decoded - x);
    t->power += x * x;
}

static nce_status report(const tally *t, nce_snn_coding *out)
{
    enum { SLOTS = 3 };
    const double n = t->n > 0 ? t->n : 1;
    nce_snn_coding c = {out->struct_size, t->zero / n,  1 - t->bits / n / SLOTS,
                        t->bits / n,      t->small / n, t->power > 0 ? sqrt(t->error / t->power) : 0};
    memcpy(out, &c, out->struct_size);
    return NCE_OK;
}

static bool usable(const float *x, size_t n_tokens, size_t n_channels, const nce_snn_coding *out)
{
    size_t n;
    if (x == NULL || out == NULL || out->struct_size < sizeof(size_t) || out->struct_size > sizeof *out ||
        n_channels == 0 || __builtin_mul_overflow(n_tokens, n_channels, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) <= 1e30f)) return false;
    return true;
}

static double mean_magnitude(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs((double)x[i]);
    return sum / (double)n;
}

static int32_t code_of(double x, double unit)
{
    const double c = unit > 0 ? rint(x / unit) : 0;
    return (int32_t)(c > 2147483647.0 ? 2147483647.0 : c < -2147483647.0 ? -2147483647.0 : c);
}

nce_status nce_snn_code_counts(const float *x, size_t n_tokens, size_t n_channels, double k, int32_t *counts,
                               nce_snn_coding *out)
{
    tally t = {0};
    if (!usable(x, n_tokens, n_channels, out) || !(k > 0 && k < 1e6)) return NCE_ERR_INVALID;
    for (size_t i = 0; i < n_tokens; i++) {
        const float *row = x + i * n_channels;
        const double threshold = mean_magnitude(row, n_channels) / k;
        for (size_t c = 0; c < n_channels; c++) {
            const int32_t code = code_of((double)row[c], threshold);
            if (counts != NULL) counts[i * n_channels + c] = code;
            count(&t, code, (double)row[c], code * threshold);
        }
    }
    return report(&t, out);
}

nce_status nce_snn_code_deltas(const float *x, size_t n_tokens, size_t n_channels, double theta, int32_t *deltas,
                               nce_snn_coding *out)
{
    tally t = {0};
    if (!usable(x, n_tokens, n_channels, out) || n_tokens == 0 || !(theta > 0 && theta < 1e6)) return NCE_ERR_INVALID;
    const double unit = theta * mean_magnitude(x, n_channels);
    for (size_t c = 0; c < n_channels; c++) { /* channel by channel: the state is one number, and integer in units */
        int64_t level = 0;
        for (size_t i = 0; i < n_tokens; i++) {
            const double value = (double)x[i * n_channels + c];
            const int32_t code = code_of(value - (double)level * unit, unit);
            level += code;
            if (deltas != NULL) deltas[i * n_channels + c] = code;
            if (i > 0) count(&t, code, value, (double)level * unit);
        }
    }
    return report(&t, out);
}
