/* Samplers: choose the next token from logits.
 *
 * Order: logit bias, penalties, temperature, then top-k, top-p, min-p on the soft-max, then one draw.  Ties are broken by
 * token id.  The random number is a function of (seed, sequence, position) alone, so a draw does not depend on what else
 * the program does.  Top-p is nucleus sampling (Holtzman et al. 2020, arXiv:1904.09751); min-p keeps tokens with at
 * least min_p times the largest probability (Nguyen et al. 2024, arXiv:2407.01082); the repetition penalty is that of
 * CTRL (Keskar et al. 2019, arXiv:1909.05858). */
#ifndef NCE_SAMPLER_H
#define NCE_SAMPLER_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_sampler nce_sampler;

typedef struct nce_logit_bias {
    int32_t token;
    float bias; /* added to the logit; -INFINITY bans the token */
} nce_logit_bias;

typedef struct nce_sampler_options {
    size_t struct_size;
    uint64_t seed;
    const nce_logit_bias *biases; /* [n_biases], copied; NULL with 0 */
    size_t n_biases;
    float temperature;       /* 0: greedy, the rest is ignored but bias and penalties; at most 100 */
    float top_p;             /* 0 or 1: off */
    float min_p;             /* 0: off; below 1 */
    float repeat_penalty;    /* 0 or 1: off; positive logits of seen tokens are divided by it, negative multiplied */
    float frequency_penalty; /* subtracted per occurrence in the window */
    float presence_penalty;  /* subtracted once if in the window */
    uint32_t top_k;          /* 0: off */
    uint32_t penalty_window; /* last tokens that penalties look at; 0: 64; at most 65536 */
} nce_sampler_options;
#define NCE_SAMPLER_OPTIONS_INIT { sizeof(nce_sampler_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Fill options with a preset: "greedy" (0 / 1.0 / 1), "precise" (0.2 / 0.8 / 20), "default" (0.7 / 0.9 / 40),
 * "creative" (1.0 / 0.95 / 50): temperature / top-p / top-k.  Other fields are kept.
 * NCE_ERR_NOTFOUND for another name, options unchanged.  Since 0.1. */
NCE_API nce_status nce_sampler_preset(const char *name, nce_sampler_options *options);

/* Create a sampler.  n_vocab: length of the logits.  options NULL: greedy.
 * NCE_ERR_INVALID (a value out of range or not finite, a bias for a token >= n_vocab); NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_sampler_create(nce_context *ctx, uint32_t n_vocab, const nce_sampler_options *options,
                                      nce_sampler **out);
NCE_API void nce_sampler_destroy(nce_sampler *sampler); /* NULL is allowed.  Since 0.1. */

/* Choose a token for a position of a sequence.
 *
 * logits  [n_vocab], not changed.     token  the choice.
 * Returns NCE_OK; NCE_ERR_INVALID (NULL); NCE_ERR_FORMAT if no logit is a number above -infinity.
 * The history is not changed: call nce_sampler_accept with the token that was really used.
 * Threads: one at a time per sampler.  Since 0.1. */
NCE_API nce_status nce_sampler_sample(nce_sampler *sampler, uint32_t seq, uint64_t position, const float *logits,
                                      int32_t *token);
/* Add a token to the window of the penalties (prompt tokens too, if they should count).  Since 0.1. */
NCE_API void nce_sampler_accept(nce_sampler *sampler, int32_t token);
/* Forget the window.  Since 0.1. */
NCE_API void nce_sampler_reset(nce_sampler *sampler);

#ifdef __cplusplus
}
#endif
#endif
