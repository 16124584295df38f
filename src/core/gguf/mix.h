/* Mixes: which type each tensor of a model gets under a name such as "q4_k_m".
 *
 * A mix gives most tensors its base type and the ones that hurt quality most (the output, the values of attention, the
 * second matrix of some feed-forward layers) a better one.  Names, file-type numbers and rules are the ones that GGUF
 * programs agree on, so that "q4_k_m" means the same file everywhere. */
#ifndef NCE_SRC_GGUF_MIX_H
#define NCE_SRC_GGUF_MIX_H
#include "src/core/gguf/gguf.h"

typedef struct nce_mix nce_mix;

/* What the rules look at. */
typedef struct nce_mix_model {
    uint32_t n_layers;
    uint32_t n_heads, n_heads_kv;
    uint32_t n_experts; /* 0: dense */
    bool tied;          /* no output matrix: token_embd serves as one */
} nce_mix_model;

enum { NCE_MIX_NO_FILE_TYPE = -1 };

const nce_mix *nce_mix_find(const char *name); /* any case; "q4_k" is short for "q4_k_m"; NULL if unknown */
const nce_mix *nce_mix_at(size_t i);           /* NULL past the last */
const char *nce_mix_name(const nce_mix *mix);  /* lower case */
int32_t nce_mix_file_type(const nce_mix *mix); /* general.file_type, or NCE_MIX_NO_FILE_TYPE */

/* Is this a tensor that mixes apply to?  Tensors of one dimension, norms, expert routers, position tables, convolutions
 * and what is no ".weight" are small, or read as floats by other programs: they keep their type. */
bool nce_mix_applies(nce_str tensor, uint32_t n_dims);

/* Type of a weight; F32 if the mix does not apply.  model NULL: the base type of the mix for all ("pure").  A type whose
 * blocks do not divide the row gives way to the nearest one whose blocks do. */
nce_type nce_mix_type(const nce_mix *mix, const nce_mix_model *model, nce_str tensor, uint32_t n_dims,
                      const uint64_t *ne);

#endif
