/* Encoders and decoders; see nce/snn_codec.h.  A sink counts all spikes and keeps those that fit, so that a caller learns
 * the room it needs. */
#include "nce/snn_codec.h"
#include "src/snn/random.h"
#include <math.h>
#include <string.h>

typedef struct sink {
    nce_snn_spike *spikes;
    size_t capacity, n;
} sink;

static void put(sink *s, uint32_t step, uint32_t channel)
{
    if (s->n < s->capacity) s->spikes[s->n] = (nce_snn_spike){step, channel};
    s->n++;
}

static nce_status finish(const sink *s, size_t *n)
{
    *n = s->n;
    return s->n <= s->capacity ? NCE_OK : NCE_ERR_LIMIT;
}

static bool all_within(const float *x, size_t n, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        if (!(x[i] >= low && x[i] <= high)) return false;
    return true;
}

nce_status nce_snn_encode_rate(const float *x, size_t n_channels, uint32_t n_steps, double p_max, uint64_t seed,
                               nce_snn_spike *spikes, size_t capacity, size_t *n)
{
    sink s = {spikes, capacity, 0};
    if (x == NULL || n == NULL || (spikes == NULL && capacity > 0) || n_channels > UINT32_MAX ||
        !(p_max >= 0 && p_max <= 1) || !all_within(x, n_channels, 0, 1))
        return NCE_ERR_INVALID;
    for (uint32_t t = 0; t < n_steps; t++) {
        const uint64_t key = nce_snn_key(seed, t);
        for (size_t k = 0; k < n_channels; k++)
            if (nce_snn_uniform(nce_snn_draw(key, k)) < p_max * (double)x[k]) put(&s, t, (uint32_t)k);
    }
    return finish(&s, n);
}

/* The step of a value, or n_steps. */
static uint32_t latency(double x, double tau, double threshold, uint32_t n_steps)
{
    const double t = x > threshold ? tau * -log1p(-threshold / x) : HUGE_VAL;
    return t < n_steps ? (uint32_t)t : n_steps;
}

nce_status nce_snn_encode_latency(const float *x, size_t n_channels, uint32_t n_steps, double tau, double threshold,
                                  nce_snn_spike *spikes, size_t capacity, size_t *n)
{
    sink s = {spikes, capacity, 0};
    if (x == NULL || n == NULL || (spikes == NULL && capacity > 0) || n_channels > UINT32_MAX || !(tau > 0) ||
        !(threshold > 0) || !all_within(x, n_channels, -1e30f, 1e30f))
        return NCE_ERR_INVALID;
    for (uint32_t t = 0; t < n_steps; t++)
        for (size_t k = 0; k < n_channels; k++)
            if (latency((double)x[k], tau, threshold, n_steps) == t) put(&s, t, (uint32_t)k);
    return finish(&s, n);
}

nce_status nce_snn_encode_population(const float *x, size_t n_values, double low, double high, uint32_t n_cells,
                                     double sigma, float *out)
{
    if (x == NULL || out == NULL || !(low < high) || n_cells < 2 || !(sigma > 0) ||
        !all_within(x, n_values, -1e30f, 1e30f))
        return NCE_ERR_INVALID;
    const double spacing = (high - low) / (n_cells - 1);
    for (size_t i = 0; i < n_values; i++)
        for (uint32_t c = 0; c < n_cells; c++) {
            const double d = ((double)x[i] - low - c * spacing) / (sigma * spacing);
            out[i * n_cells + c] = (float)exp(-0.5 * d * d);
        }
    return NCE_OK;
}

nce_status nce_snn_encode_delta(const float *signal, uint32_t n_steps, double start, double threshold,
                                nce_snn_spike *spikes, size_t capacity, size_t *n, double *error)
{
    sink s = {spikes, capacity, 0};
    double left = 0;
    int64_t level = 0; /* thresholds from start: no rounding adds up */
    if (signal == NULL || n == NULL || (spikes == NULL && capacity > 0) || !(threshold > 0) || !isfinite(start) ||
        !all_within(signal, n_steps, -1e30f, 1e30f))
        return NCE_ERR_INVALID;
    for (uint32_t t = 0; t < n_steps; t++)
        if (!(fabs((double)signal[t] - start) / threshold < 1e9)) return NCE_ERR_INVALID;
    for (uint32_t t = 0; t < n_steps; t++) {
        for (; (double)signal[t] - (start + (double)level * threshold) >= threshold; level++)
            put(&s, t, 0);
        for (; (double)signal[t] - (start + (double)level * threshold) <= -threshold; level--)
            put(&s, t, 1);
        left = fmax(left, fabs((double)signal[t] - (start + (double)level * threshold)));
    }
    if (error != NULL) *error = left;
    return finish(&s, n);
}

nce_status nce_snn_decode_delta(const nce_snn_spike *spikes, size_t n, double start, double threshold, float *signal,
                                uint32_t n_steps)
{
    size_t i = 0;
    int64_t level = 0;
    if ((spikes == NULL && n > 0) || signal == NULL || !(threshold > 0) || !isfinite(start)) return NCE_ERR_INVALID;
    for (uint32_t t = 0; t < n_steps; t++) {
        for (; i < n && spikes[i].step <= t; i++)
            level += spikes[i].channel == 0 ? 1 : -1;
        signal[t] = (float)(start + (double)level * threshold);
    }
    return NCE_OK;
}

static bool channels_within(const nce_snn_spike *spikes, size_t n, size_t n_channels)
{
    for (size_t i = 0; i < n; i++)
        if (spikes[i].channel >= n_channels) return false;
    return true;
}

nce_status nce_snn_decode_rate(const nce_snn_spike *spikes, size_t n, size_t n_channels, uint32_t n_steps, float *rate)
{
    if ((spikes == NULL && n > 0) || rate == NULL || n_steps == 0 || !channels_within(spikes, n, n_channels))
        return NCE_ERR_INVALID;
    memset(rate, 0, n_channels * sizeof *rate);
    for (size_t i = 0; i < n; i++)
        rate[spikes[i].channel] += 1;
    for (size_t k = 0; k < n_channels; k++)
        rate[k] /= (float)n_steps;
    return NCE_OK;
}

nce_status nce_snn_decode_first(const nce_snn_spike *spikes, size_t n, size_t n_channels, uint32_t *step,
                                uint32_t *winner)
{
    uint32_t best = UINT32_MAX;
    if ((spikes == NULL && n > 0) || step == NULL || !channels_within(spikes, n, n_channels)) return NCE_ERR_INVALID;
    for (size_t k = 0; k < n_channels; k++)
        step[k] = UINT32_MAX;
    for (size_t i = 0; i < n; i++)
        if (spikes[i].step < step[spikes[i].channel]) step[spikes[i].channel] = spikes[i].step;
    for (size_t k = 0; k < n_channels; k++)
        if (step[k] != UINT32_MAX && (best == UINT32_MAX || step[k] < step[best])) best = (uint32_t)k;
    if (winner != NULL) *winner = best;
    return NCE_OK;
}

nce_status nce_snn_decode_membrane(const nce_snn_spike *spikes, size_t n, size_t n_channels, uint32_t n_steps,
                                   double decay, float *v)
{
    if ((spikes == NULL && n > 0) || v == NULL || !(decay > 0 && decay <= 1) || !channels_within(spikes, n, n_channels))
        return NCE_ERR_INVALID;
    memset(v, 0, n_channels * sizeof *v);
    for (size_t i = 0; i < n; i++)
        if (spikes[i].step < n_steps) v[spikes[i].channel] += (float)pow(decay, (double)(n_steps - 1 - spikes[i].step));
    return NCE_OK;
}
