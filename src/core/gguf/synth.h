/* Parts of the maker of random models (nce_gguf_synthesize in nce/model_tools.h). */
#ifndef NCE_SRC_GGUF_SYNTH_H
#define NCE_SRC_GGUF_SYNTH_H
#include "src/core/gguf/writer.h"

/* A model of the Llama family, or BitNet (a norm before every second product, ReLU^2). */
typedef struct nce_synth_shape_row {
    const char *name;
    uint32_t n_layers, n_embd, n_ff, n_heads, n_heads_kv, n_vocab, n_ctx;
    float rope_base;
    uint32_t n_experts, n_experts_used; /* 0: dense */
    const char *arch;
} nce_synth_shape_row;

const nce_synth_shape_row *nce_synth_shape_at(size_t i); /* NULL past the last */

enum { NCE_SYNTH_MIN_VOCAB = 512, NCE_SYNTH_MAX_VOCAB = 1 << 20 };

/* The tokenizer keys: 3 special tokens, 256 bytes, single characters, then pieces made of two earlier ones, most wanted
 * first.  n_vocab within the limits above. */
nce_status nce_synth_put_vocabulary(nce_context *ctx, nce_gguf_writer *w, uint32_t n_vocab);

#endif
