/* Architectures of a program's own: families that the library's table does not have.
 *
 * One generic transformer runs every family.  It takes sizes from the metadata ("<name>.block_count",
 * "<name>.attention.head_count", ...: the keys of other GGUF files) and uses whatever tensors a layer has: a bias, a fused
 * matrix, a norm of queries or of a projection, experts.  The traits say what neither tells.  docs/architectures.md lists the
 * keys and tensors, and how the known families are described. */
#ifndef NCE_ARCHITECTURE_H
#define NCE_ARCHITECTURE_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum nce_architecture_norm {
    NCE_ARCHITECTURE_NORM_RMS = 0,  /* Zhang and Sennrich 2019, arXiv:1910.07467 */
    NCE_ARCHITECTURE_NORM_LAYER = 1 /* Ba et al. 2016, arXiv:1607.06450 */
} nce_architecture_norm;

typedef enum nce_architecture_rope {           /* Su et al. 2021, arXiv:2104.09864 */
    NCE_ARCHITECTURE_ROPE_NORMAL = 0, /* dimensions 2i and 2i + 1 are a pair */
    NCE_ARCHITECTURE_ROPE_NEOX = 1,   /* dimensions i and i + n / 2 are a pair */
    NCE_ARCHITECTURE_ROPE_NONE = 2    /* no rotation; learned positions where the file has position_embd.weight */
} nce_architecture_rope;

typedef enum nce_architecture_activation {
    NCE_ARCHITECTURE_SILU = 0,
    NCE_ARCHITECTURE_GELU = 1, /* the tanh form */
    NCE_ARCHITECTURE_GELU_QUICK = 2,
    NCE_ARCHITECTURE_RELU = 3,
    NCE_ARCHITECTURE_RELU_SQUARED = 4,
    NCE_ARCHITECTURE_SWIGLU_OAI = 5 /* gpt-oss: clamped, gated layers only */
} nce_architecture_activation;

/* Flags: bits of nce_architecture_traits.flags. */
enum {
    NCE_ARCHITECTURE_PARALLEL = 1 << 0,      /* attention and feed-forward both read the layer's input */
    NCE_ARCHITECTURE_EMBED_SQRT = 1 << 1,    /* embeddings times sqrt(embedding_length) */
    NCE_ARCHITECTURE_QK_NORM_FULL = 1 << 2,  /* norms of queries and keys over all heads at once */
    NCE_ARCHITECTURE_ROUTE_PLAIN = 1 << 3,   /* weights of the chosen experts are not normalised to a sum of 1 */
    NCE_ARCHITECTURE_ROUTE_CHOSEN = 1 << 4,  /* soft-max over the chosen experts only */
    NCE_ARCHITECTURE_POST_IS_FFN_NORM = 1 << 5, /* post_attention_norm is the norm before the feed-forward */
    NCE_ARCHITECTURE_LOGIT_DIVIDE = 1 << 6,  /* "<name>.logit_scale" divides */
    NCE_ARCHITECTURE_LATENT = 1 << 7         /* latent attention (DeepSeek-V2, arXiv:2405.04434) */
};

/* Layers in a repeating pattern: those whose index modulo period is below layers.  period 0: see the field. */
typedef struct nce_architecture_traits {
    size_t struct_size;
    const char *name;      /* general.architecture of the files; 1 to 63 printable ASCII characters; copied */
    uint32_t norm;         /* nce_architecture_norm */
    uint32_t rope;         /* nce_architecture_rope */
    uint32_t activation;   /* nce_architecture_activation */
    uint32_t flags;        /* NCE_ARCHITECTURE_*, added up */
    uint32_t window;       /* positions a windowed layer sees if the file has no "<name>.attention.sliding_window"; 0: all */
    uint32_t window_period, window_layers; /* which layers are windowed; period 0: none */
    uint32_t rope_period, rope_layers;     /* which layers rotate; period 0: all */
    uint32_t reserved;                     /* 0 */
} nce_architecture_traits;
#define NCE_ARCHITECTURE_TRAITS_INIT { sizeof(nce_architecture_traits), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Let models of this architecture be loaded in this context.
 *
 * traits   copied; the name must be none that the library or the context knows already.
 * Returns NCE_OK; NCE_ERR_INVALID (no or a bad name, a known name, or a field out of range: the message says which; nothing
 *         was registered); NCE_ERR_NOMEM.
 * It stays registered until the context is destroyed.  Models of other contexts do not see it.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_architecture_register(nce_context *ctx, const nce_architecture_traits *traits);

#ifdef __cplusplus
}
#endif
#endif
