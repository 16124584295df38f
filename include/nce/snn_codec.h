/* Between numbers and spikes: encoders, decoders, spike-count coding of activations, conversion of dense networks.
 *
 * All functions are pure: any thread, no context unless they need memory.  Times are steps; spikes are lists ordered by
 * step, then channel.  Errors common to all: NCE_ERR_INVALID (NULL, a value out of range, not finite) with nothing
 * written; NCE_ERR_LIMIT: more spikes than capacity; *n is the number needed and nothing beyond capacity was
 * written. */
#ifndef NCE_SNN_CODEC_H
#define NCE_SNN_CODEC_H
#include "snn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_snn_spike { uint32_t step, channel; } nce_snn_spike;

/* ---- encoders: values x[n_channels] or signals to spikes ---- */

/* Rate (Poisson): channel k fires in each of n_steps with probability p_max * x[k], x in [0, 1].  Counter-based: the
 * same seed gives the same spikes everywhere.  Mean p T, variance p (1 - p) T.  Since 0.1. */
NCE_API nce_status nce_snn_encode_rate(const float *x, size_t n_channels, uint32_t n_steps, double p_max, uint64_t seed,
                                       nce_snn_spike *spikes, size_t capacity, size_t *n);
/* Latency (time to first spike): a membrane of time constant tau (steps) charged by x fires once, at
 * tau ln(x / (x - threshold)); none for x <= threshold or at n_steps or later.  Since 0.1. */
NCE_API nce_status nce_snn_encode_latency(const float *x, size_t n_channels, uint32_t n_steps, double tau,
                                          double threshold, nce_snn_spike *spikes, size_t capacity, size_t *n);
/* Population: each of n_values is spread over n_cells Gaussian receptive fields, centres evenly from low to high, width
 * sigma (in units of their spacing); out[n_values][n_cells] in (0, 1], to be encoded by rate or latency.  Since 0.1. */
NCE_API nce_status nce_snn_encode_population(const float *x, size_t n_values, double low, double high, uint32_t n_cells,
                                             double sigma, float *out);
/* Delta modulation (send on delta) of one signal: whenever it has left the reconstruction by threshold or more, spikes
 * of channel 0 (up) or 1 (down), one per threshold crossed; so the reconstruction is always within threshold.
 * *error (may be NULL): largest distance left.  Since 0.1. */
NCE_API nce_status nce_snn_encode_delta(const float *signal, uint32_t n_steps, double start, double threshold,
                                        nce_snn_spike *spikes, size_t capacity, size_t *n, double *error);
/* The signal a receiver rebuilds from those spikes: signal[n_steps].  Since 0.1. */
NCE_API nce_status nce_snn_decode_delta(const nce_snn_spike *spikes, size_t n, double start, double threshold,
                                        float *signal, uint32_t n_steps);

/* ---- decoders ---- */

/* Spikes per step of each channel over n_steps: rate[n_channels].  Since 0.1. */
NCE_API nce_status nce_snn_decode_rate(const nce_snn_spike *spikes, size_t n, size_t n_channels, uint32_t n_steps,
                                       float *rate);
/* First spike of each channel: step[n_channels], UINT32_MAX if none; *winner (may be NULL) the earliest channel, the
 * lowest of equals, UINT32_MAX if none fired.  Since 0.1. */
NCE_API nce_status nce_snn_decode_first(const nce_snn_spike *spikes, size_t n, size_t n_channels, uint32_t *step,
                                        uint32_t *winner);
/* Membrane: what a leaky integrator of decay (0 < decay <= 1 per step) holds after n_steps: v[n_channels].  Since
 * 0.1. */
NCE_API nce_status nce_snn_decode_membrane(const nce_snn_spike *spikes, size_t n, size_t n_channels, uint32_t n_steps,
                                           double decay, float *v);

/* ---- activations of a language model ---- */

typedef struct nce_snn_coding {
    size_t struct_size;      /* in */
    double zero_share;       /* channels whose value (or change) codes to zero: weight columns a CPU can skip */
    double slot_sparsity;    /* share of empty bit slots in the 3-slot bitwise window: what spiking hardware counts */
    double mean_spikes;      /* set bits per channel */
    double small_share;      /* counts of at most 7: those that fit 3 slots */
    double relative_error;   /* |decoded - x| / |x| over all values */
} nce_snn_coding;
#define NCE_SNN_CODING_INIT { sizeof(nce_snn_coding), 0, 0, 0, 0, 0 }

/* Integer spike counts of activations x[n_tokens][n_channels] [SpikingBrain, arXiv:2509.05276]: threshold mean|x| / k
 * of each token, count = round(x / threshold).  counts (may be NULL) int32 like x.  k > 0; the paper's default is 3.
 * slot_sparsity and zero_share are two things: the first flatters, the second saves time.  Since 0.1. */
NCE_API nce_status nce_snn_code_counts(const float *x, size_t n_tokens, size_t n_channels, double k, int32_t *counts,
                                       nce_snn_coding *out);
/* Sigma-delta coding from token to token: a channel sends round((x - state) / theta) when |x - state| > theta / 2,
 * theta given as a multiple of the mean |x| of the first token; the state follows what was sent, so |state - x| <=
 * theta / 2.  deltas (may be NULL) int32 like x.  The figures leave out the first token.  Since 0.1. */
NCE_API nce_status nce_snn_code_deltas(const float *x, size_t n_tokens, size_t n_channels, double theta,
                                       int32_t *deltas, nce_snn_coding *out);

/* ---- dense to spiking ---- */

typedef struct nce_snn_dense_layer {
    const float *weights; /* [n_out][n_in] */
    const float *bias;    /* [n_out] or NULL */
    uint32_t n_in, n_out;
} nce_snn_dense_layer;

/* Convert a ReLU network to integrate-and-fire neurons with reset by subtraction, by data-based threshold balancing
 * [Diehl et al. 2015]: layer l is scaled so that its largest activation (the given percentile of them, 0: 99.9) over
 * samples [n_samples][layers[0].n_in] becomes the threshold.  The last layer integrates without firing: read V.
 * The input is a SOURCE population "input" (encode values in [0, 1] by rate); layers are "layer1" .. and "output"; dt 1
 * ms. The network is not yet built.  Returns also NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_snn_from_dense(nce_context *ctx, const nce_snn_dense_layer *layers, size_t n_layers,
                                      const float *samples, size_t n_samples, double percentile, nce_snn **out);
/* The same with weights from a GGUF file: two-dimensional F32 tensors "layer<i>.weight" [n_out][n_in] and optional
 * "layer<i>.bias", i = 0, 1, ...  NCE_ERR_IO, NCE_ERR_FORMAT, NCE_ERR_NOTFOUND (no layer0.weight).  Since 0.1. */
NCE_API nce_status nce_snn_from_gguf(nce_context *ctx, const char *path, const float *samples, size_t n_samples,
                                     double percentile, nce_snn **out);

#ifdef __cplusplus
}
#endif
#endif
