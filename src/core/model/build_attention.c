/* Attention with keys and values of its own: one fused product or three, norms and rotation of queries and keys. */
#include "src/core/model/builder.h"

/* q or k norm: per head with shared weights, per head with own weights, or over all heads. */
static void head_norm(nce_builder *b, nce_view at, const nce_vector *w, const nce_vector *bias, uint32_t n_heads)
{
    const nce_hparams *h = &b->m->h;
    if (w->data == NULL) return;
    if (b->m->arch->flags & NCE_ARCH_QK_NORM_FULL)
        nce_build_norm(b, at, at, w, bias, (size_t)n_heads * h->n_dk, 1, false);
    else
        nce_build_norm(b, at, at, w, bias, h->n_dk, n_heads, b->m->arch->norm == NCE_NORM_LAYER);
}

void nce_build_attention(nce_builder *b, nce_view in)
{
    const nce_hparams *h = &b->m->h;
    const nce_layer *l = &b->m->layers[b->layer];
    const nce_layer_params *p = &h->layer[b->layer];
    const size_t n_q = (size_t)p->n_heads * h->n_dk, n_k = (size_t)p->n_kv_heads * h->n_dk;
    const nce_view q = part(SLOT_QKV, 0), k = part(SLOT_QKV, n_q), v = part(SLOT_QKV, n_q + n_k);
    nce_op *op = nce_build_matmul(b, in);
    if (l->wqkv.type != NULL) {
        nce_build_matrix(op, &l->wqkv, &l->bqkv, q, false, 1.0f);
    } else {
        nce_build_matrix(op, &l->wq, &l->bq, q, false, 1.0f);
        nce_build_matrix(op, &l->wk, &l->bk, k, false, 1.0f);
        nce_build_matrix(op, &l->wv, &l->bv, v, false, 1.0f);
    }
    head_norm(b, q, &l->attn_q_norm, &l->attn_q_norm_b, p->n_heads);
    head_norm(b, k, &l->attn_k_norm, &l->attn_k_norm_b, p->n_kv_heads);
    nce_build_temperature(b, q);
    nce_build_rope(b, q, p->n_heads, h->n_dk);
    nce_build_rope(b, k, p->n_kv_heads, h->n_dk);
    nce_build_attend(b, q, k, v);
    if (l->attn_sub_norm.data != NULL)
        nce_build_norm(b, part(SLOT_A, 0), part(SLOT_A, 0), &l->attn_sub_norm, NULL, (size_t)p->n_heads * h->n_dv, 1,
                       false);
    nce_build_projection(b, part(SLOT_A, 0), &l->wo, &l->bo,
                         b->m->arch->flags & NCE_ARCH_POST_IS_FFN_NORM ? NULL : &l->attn_post_norm);
}

nce_attn_shape nce_build_shape(const nce_model *m, uint32_t layer, nce_type type_k, nce_type type_v)
{
    const nce_hparams *h = &m->h;
    const nce_layer_params *p = &h->layer[layer];
    nce_attn_shape s = {.n_dk = h->n_dk,
                        .n_dv = h->n_dv,
                        .n_kv_heads = p->n_kv_heads,
                        .n_group = p->n_heads / p->n_kv_heads,
                        .window = p->window,
                        .scale = h->attention_scale,
                        .cap = h->attention_cap,
                        .type_k = type_k,
                        .type_v = type_v,
                        .sinks = m->layers[layer].attn_sinks.data};
    if (m->layers[layer].wk_b.type != NULL) { /* every head reads the one latent */
        s.n_dk = h->n_lora_kv + h->rope[0].n_rot, s.n_dv = h->n_lora_kv;
        s.n_kv_heads = 1, s.n_group = p->n_heads;
    }
    return s;
}
