/* Architectures as rows of a table.
 *
 * One generic transformer (program.c) reads the row, the hyper-parameters and which tensors a layer has: a bias, a fused
 * matrix, a q/k norm or a post norm is used when its tensor is there.  The row says what no tensor tells. */
#ifndef NCE_SRC_ARCH_H
#define NCE_SRC_ARCH_H
#include "src/core/gguf/gguf.h"
#include "src/hal/program.h"

enum { NCE_MAX_LAYERS = 1024 };

typedef enum nce_rope_kind { NCE_ROPE_NONE, NCE_ROPE_NORMAL, NCE_ROPE_NEOX } nce_rope_kind;
typedef enum nce_rope_scaling {
    NCE_SCALING_NONE,
    NCE_SCALING_LINEAR,
    NCE_SCALING_YARN,
    NCE_SCALING_LONGROPE,
    NCE_SCALING_TEMPERATURE /* no angles: cosines are 1 + factor * ln(1 + floor(position / n_ctx_original)), sines 0 */
} nce_rope_scaling;

/* One table of rotation angles; layers name theirs. */
typedef struct nce_rope_params {
    uint32_t n_rot;          /* rotated dimensions, even */
    float base;
    nce_rope_scaling scaling;
    float factor;            /* positions are divided by it (linear, YaRN) */
    uint32_t n_ctx_original; /* YaRN, LongRoPE */
    float attention_factor;  /* magnitude of the rotation; 0: by the scaling's own rule */
    float yarn_beta_fast, yarn_beta_slow;
    float yarn_log_multiplier; /* YaRN's magnitude is 1 + this * ln factor */
    const float *factors;       /* [n_rot / 2] divisors of the frequencies, or NULL */
    const float *factors_short; /* LongRoPE, for contexts within n_ctx_original */
} nce_rope_params;

typedef struct nce_layer_params {
    uint32_t n_heads, n_kv_heads, n_ff;
    uint32_t window; /* 0: all positions */
    uint32_t rope;   /* index of the model's rope tables, or NCE_MAX_ROPE: none */
} nce_layer_params;

typedef struct nce_hparams {
    uint32_t n_vocab, n_embd, n_layers, n_ctx_train;
    uint32_t n_dk, n_dv;
    uint32_t n_lora_q, n_lora_kv; /* latent attention (deepseek2): ranks of queries and latent; n_lora_kv 0: ordinary */
    float norm_eps;
    float embedding_scale, residual_scale, logit_scale, attention_scale;
    float attention_cap, logit_cap; /* 0: none */
    uint32_t n_experts, n_experts_used, n_ff_expert, n_ff_shared, n_experts_shared;
    nce_op_route route;
    nce_rope_params rope[NCE_MAX_ROPE];
    uint32_t n_rope;
    uint32_t temperature;    /* the table that multiplies queries, or NCE_MAX_ROPE: none */
    nce_layer_params *layer; /* [n_layers] */
} nce_hparams;

enum {
    NCE_ARCH_PARALLEL = 1 << 0,       /* attention and feed-forward both read the layer's input */
    NCE_ARCH_EMBED_SQRT = 1 << 1,     /* embeddings times sqrt(n_embd) */
    NCE_ARCH_QK_NORM_FULL = 1 << 2,   /* q/k norm over all heads at once, not per head */
    NCE_ARCH_ROUTE_PLAIN = 1 << 3,    /* chosen experts' weights are not normalised */
    NCE_ARCH_ROUTE_CHOSEN = 1 << 4,   /* soft-max over the chosen experts only */
    NCE_ARCH_POST_IS_FFN_NORM = 1 << 5, /* "post_attention_norm" is the norm before the feed-forward (gpt-oss) */
    NCE_ARCH_LOGIT_DIVIDE = 1 << 6,   /* logit_scale divides */
    NCE_ARCH_LATENT = 1 << 7,         /* latent attention */
    NCE_ARCH_FLAGS = (1 << 8) - 1
};

/* Layers whose index modulo period is below layers. */
typedef struct nce_layer_pattern {
    uint32_t period, layers;
} nce_layer_pattern;
static inline bool nce_in_pattern(nce_layer_pattern p, uint32_t layer) { return layer % p.period < p.layers; }

typedef struct nce_arch {
    const char *name; /* general.architecture */
    nce_norm_kind norm;
    nce_rope_kind rope;
    nce_act_fn act;
    uint32_t flags;
    uint32_t window;            /* of windowed layers if the file names none; 0: all positions */
    nce_layer_pattern windowed; /* period 0: none */
    nce_layer_pattern rotated;  /* period 0: all */
    /* Adjust what the common keys gave: what only code can say.  May be NULL. */
    nce_status (*adjust)(const nce_gguf *g, nce_hparams *h);
} nce_arch;

/* The library's row or one registered with the context; NULL if unknown.  It lives as long as the context. */
const nce_arch *nce_arch_find(nce_context *ctx, nce_str name);
/* Names of all of them, "a, b, c", cut to size. */
void nce_arch_list(nce_context *ctx, char *text, size_t size);

/* The rows that the program registered (register.c). */
const nce_arch *nce_arch_registered(nce_context *ctx, nce_str name);
void nce_arch_list_registered(nce_context *ctx, char *text, size_t size);
void nce_arch_append(char *text, size_t size, const char *name); /* ", name", if it fits */

/* Read and check every hyper-parameter; h->layer is allocated from the context.  On failure h may be half filled:
 * nce_hparams_finish frees it. */
nce_status nce_hparams_read(const nce_gguf *g, const nce_arch *arch, nce_hparams *h);
void nce_hparams_finish(nce_context *ctx, nce_hparams *h);

/* Typed reads of "<architecture>.<name>", for the adjust functions; semantics of gguf.h. */
nce_status nce_hparam_u32(const nce_gguf *g, const char *name, uint32_t min, uint32_t max, uint32_t *value);
nce_status nce_hparam_f32(const nce_gguf *g, const char *name, float min, float max, float *value);
nce_status nce_hparam_bool(const nce_gguf *g, const char *name, bool *value);
/* 1 + multiplier * ln factor: what YaRN's authors call the attention temperature. */
double nce_yarn_magnitude(float multiplier, float factor);
/* An optional key: NOTFOUND becomes OK. */
static inline nce_status nce_optional(nce_status s) { return s == NCE_ERR_NOTFOUND ? NCE_OK : s; }

#endif
