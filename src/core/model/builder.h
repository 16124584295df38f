/* The pieces that the builders of a forward step share: slots, and one function for each kind of operation they add.
 *
 * Errors stick: after a failed allocation every function does nothing, and the builder's status says why, so builders need
 * no checks of their own beyond "no operation was given". */
#ifndef NCE_SRC_BUILDER_H
#define NCE_SRC_BUILDER_H
#include "src/core/model/model.h"

enum {
    SLOT_X, /* the residual stream */
    SLOT_N, /* normed copies of it */
    SLOT_N2,
    SLOT_QKV, /* queries, keys and values side by side */
    SLOT_A,   /* attention's result */
    SLOT_T,   /* a projection that is normed before it joins X */
    SLOT_G,   /* the feed-forward's halves */
    SLOT_U,
    SLOT_R,     /* router logits */
    SLOT_S,     /* the shared expert */
    SLOT_SG,    /* and its weight */
    SLOT_Q_A,   /* latent attention (build_mla.c): low-rank queries */
    SLOT_KV_A,  /* the latent, and behind it the rotated key that all heads share */
    SLOT_HEADS, /* what the latent gives per head */
    SLOT_H,     /* the head, one row per wanted token */
    SLOT_LOGITS,
    N_SLOTS
};

typedef struct nce_builder {
    const nce_model *m;
    nce_forward *f;
    nce_status status;
    uint32_t layer;
    bool head;
} nce_builder;

static inline nce_view part(uint16_t slot, size_t column)
{
    return (nce_view){slot, 0, (uint32_t)column};
}

/* A new operation of the current layer; NULL after a failure. */
nce_op *nce_build_op(nce_builder *b, nce_op_kind kind);
void nce_build_norm(nce_builder *b, nce_view out, nce_view in, const nce_vector *w, const nce_vector *bias,
                    size_t width, size_t groups, bool group_weights);
void nce_build_simple(nce_builder *b, nce_op_kind kind, nce_view out, nce_view in, nce_view in2, size_t width);
/* A product; more than one with the same input follow through nce_build_matrix, which takes the NULL of a failure. */
nce_op *nce_build_matmul(nce_builder *b, nce_view in);
void nce_build_matrix(nce_op *op, const nce_weight *w, const nce_vector *bias, nce_view out, bool add, float scale);
/* A projection into the residual stream: straight, or through a post norm (NULL: none). */
void nce_build_projection(nce_builder *b, nce_view in, const nce_weight *w, const nce_vector *bias,
                          const nce_vector *post);
/* Rotate the first dimensions of n_heads parts that lie head_size columns apart. */
void nce_build_rope(nce_builder *b, nce_view at, uint32_t n_heads, size_t head_size);
/* Queries of all heads times the temperature of their positions, if the model has one. */
void nce_build_temperature(nce_builder *b, nce_view q);
/* Store keys and values, attend with q; the result is in SLOT_A. */
void nce_build_attend(nce_builder *b, nce_view q, nce_view k, nce_view v);

/* The attention of one layer, from its normed input to the residual stream. */
void nce_build_attention(nce_builder *b, nce_view in);
void nce_build_latent_attention(nce_builder *b, nce_view in);
/* Shape of a layer's attention as its cache has it. */
nce_attn_shape nce_build_shape(const nce_model *m, uint32_t layer, nce_type type_k, nce_type type_v);

#endif
