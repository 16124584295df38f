/* Inside of a model: its file, hyper-parameters, vocabulary and weights. */
#ifndef NCE_SRC_MODEL_H
#define NCE_SRC_MODEL_H
#include "nce/model.h"
#include "src/core/model/arch.h"

/* A vector of floats (norm weight, bias): converted to float at load where the file stores another type. */
typedef struct nce_vector {
    const float *data; /* NULL: the model has none */
    float *owned;      /* to free, or NULL if data lies in the file */
} nce_vector;

/* Tensors of one layer; a weight whose type is NULL is absent. */
typedef struct nce_layer {
    nce_vector attn_norm, attn_norm_b, attn_norm_2, attn_norm_2_b, attn_q_norm, attn_q_norm_b, attn_k_norm, attn_k_norm_b;
    nce_vector attn_sub_norm, attn_post_norm, attn_sinks, ffn_norm, ffn_norm_b, ffn_sub_norm, ffn_post_norm;
    nce_weight wq, wk, wv, wqkv, wo;
    nce_weight wq_a, wq_b, wkv_a, wkv_b, wk_b, wv_b; /* latent attention */
    nce_vector q_a_norm, kv_a_norm;
    nce_vector bq, bk, bv, bqkv, bo;
    nce_weight gate, up, down;
    nce_vector gate_b, up_b, down_b;
    nce_weight router, gate_exps, up_exps, down_exps, gate_shared, up_shared, down_shared, shared_router;
    nce_vector router_b, router_bias, gate_exps_b, up_exps_b, down_exps_b;
} nce_layer;

struct nce_model {
    nce_context *ctx;
    nce_gguf *gguf;
    nce_device *device;
    const nce_arch *arch;
    nce_hparams h;
    nce_tokenizer *tokenizer;
    nce_weight embed, position_embed, output;
    nce_vector output_norm, output_norm_b, embed_norm, embed_norm_b, output_b, rope_freqs, rope_long, rope_short;
    nce_layer *layers; /* [n_layers] */
    nce_buffer **buffers; /* every imported tensor, to destroy */
    size_t n_buffers, buffers_capacity;
    nce_progress_fn *progress; /* while it is loaded; may be NULL */
    void *progress_user;
    uint64_t uploaded_bytes, upload_bytes; /* to a device with memory of its own, so far and at most */
    uint64_t n_params, bytes_per_token, macs_per_token;
    uint64_t digest; /* of metadata and tensor table: states are bound to it */
};

/* Find, check and import every tensor. */
nce_status nce_model_read_weights(nce_model *m);
void nce_model_free_weights(nce_model *m);
/* Name of a layer's matrix in the file; false for others. */
bool nce_model_weight_name(const nce_model *m, const nce_weight *w, char *name, size_t size);

/* Build the forward step for these KV types.  The program and the shapes it points to are freed by destroy. */
typedef struct nce_forward {
    nce_program program;
    nce_attn_shape *shapes; /* [n_layers] */
    size_t page_bytes;      /* of a page of 64 positions, all layers */
} nce_forward;
nce_status nce_forward_create(const nce_model *m, nce_type type_k, nce_type type_v, nce_forward **out);
void nce_forward_destroy(nce_context *ctx, nce_forward *f);

/* Rotation angles (docs/numerics.md): pair i turns by position * step^i, multiplied one after the other in float as the
 * engines do by which files are made and judged, times the scale of the pair, in double.  Cosines and sines come from
 * SLEEF's deterministic scalar functions, so they are the same bits everywhere, and are rounded to float once. */
typedef struct nce_rope_table {
    uint32_t n_rot;
    float step;        /* base^(-2 / n_rot) */
    double magnitude;  /* of the rotation (YaRN, LongRoPE) */
    double temperature_scale; /* of a table without angles; 0: it has them */
    uint32_t temperature_length;
    double scale[512]; /* [n_rot / 2]: head sizes are at most 1024 */
} nce_rope_table;
/* long_context: the session's context is longer than n_ctx_original (LongRoPE has two sets of factors). */
void nce_rope_table_init(const nce_rope_params *r, bool long_context, nce_rope_table *out);
/* n_rot / 2 cosines, then as many sines. */
void nce_rope_fill(const nce_rope_table *table, uint64_t position, float *out);

#endif
