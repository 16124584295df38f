/* Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434).
 *
 * A token leaves a latent of n_lora_kv floats and one rotated key for all heads.  A file has one of two forms:
 *  - attn_kv_b: the latent is expanded to keys and values of every head, which are then cached like any others;
 *  - attn_k_b and attn_v_b: the cache holds the latent and the rotated key only.  The expansion of keys is absorbed into
 *    the queries (q K_b . latent = q . (K_b^T latent)), that of values is applied to the attention's result, so a long
 *    context costs n_lora_kv + n_rot numbers a token whatever the number of heads.
 * Both give the same function; their roundings differ. */
#include "src/core/model/builder.h"

static void copy(nce_builder *b, nce_view out, size_t out_stride, nce_view in, size_t in_stride, size_t width)
{
    nce_op *op = nce_build_op(b, NCE_OP_COPY);
    if (op == NULL) return;
    op->in = in, op->in_stride = (uint32_t)in_stride;
    op->out = out, op->out_stride = (uint32_t)out_stride;
    op->n_groups = b->m->h.layer[b->layer].n_heads, op->width = (uint32_t)width;
}

static void per_head(nce_builder *b, const nce_weight *w, nce_view out, size_t out_stride, nce_view in,
                     size_t in_stride)
{
    nce_op *op = nce_build_op(b, NCE_OP_MATMUL_HEADS);
    if (op == NULL) return;
    op->in = in, op->in_stride = (uint32_t)in_stride;
    op->out = out, op->out_stride = (uint32_t)out_stride;
    op->n_groups = (uint32_t)w->n_experts;
    nce_build_matrix(op, w, NULL, out, false, 1.0f);
}

/* Queries of all heads, and the latent with the shared key behind it, normed and rotated. */
static void queries_and_latent(nce_builder *b, nce_view in, nce_view q)
{
    const nce_hparams *h = &b->m->h;
    const nce_layer *l = &b->m->layers[b->layer];
    const bool low_rank = l->wq_a.type != NULL;
    nce_op *op = nce_build_matmul(b, in);
    nce_build_matrix(op, low_rank ? &l->wq_a : &l->wq, NULL, low_rank ? part(SLOT_Q_A, 0) : q, false, 1.0f);
    nce_build_matrix(op, &l->wkv_a, NULL, part(SLOT_KV_A, 0), false, 1.0f);
    if (low_rank) {
        nce_build_norm(b, part(SLOT_Q_A, 0), part(SLOT_Q_A, 0), &l->q_a_norm, NULL, h->n_lora_q, 1, false);
        nce_build_matrix(nce_build_matmul(b, part(SLOT_Q_A, 0)), &l->wq_b, NULL, q, false, 1.0f);
    }
    nce_build_norm(b, part(SLOT_KV_A, 0), part(SLOT_KV_A, 0), &l->kv_a_norm, NULL, h->n_lora_kv, 1, false);
    nce_build_temperature(b, q);
    nce_build_rope(b, part(q.slot, q.column + h->n_dk - h->rope[0].n_rot), h->layer[b->layer].n_heads, h->n_dk);
    nce_build_rope(b, part(SLOT_KV_A, h->n_lora_kv), 1, h->rope[0].n_rot);
}

/* Keys and values of every head from the latent. */
static void expanded(nce_builder *b, nce_view in)
{
    const nce_hparams *h = &b->m->h;
    const size_t n_rot = h->rope[0].n_rot, n_plain = h->n_dk - n_rot, pair = n_plain + h->n_dv;
    const size_t n_q = (size_t)h->layer[b->layer].n_heads * h->n_dk;
    const nce_view q = part(SLOT_QKV, 0), k = part(SLOT_QKV, n_q), v = part(SLOT_QKV, 2 * n_q);
    queries_and_latent(b, in, q);
    nce_build_matrix(nce_build_matmul(b, part(SLOT_KV_A, 0)), &b->m->layers[b->layer].wkv_b, NULL, part(SLOT_HEADS, 0),
                     false, 1.0f);
    copy(b, k, h->n_dk, part(SLOT_HEADS, 0), pair, n_plain);
    copy(b, part(SLOT_QKV, n_q + n_plain), h->n_dk, part(SLOT_KV_A, h->n_lora_kv), 0, n_rot);
    copy(b, v, h->n_dv, part(SLOT_HEADS, n_plain), pair, h->n_dv);
    nce_build_attend(b, q, k, v);
}

/* Attention over the latents themselves; the heads' values end in SLOT_HEADS. */
static void absorbed(nce_builder *b, nce_view in)
{
    const nce_hparams *h = &b->m->h;
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t n_rot = h->rope[0].n_rot, n_plain = h->n_dk - n_rot, wide = h->n_lora_kv + n_rot;
    queries_and_latent(b, in, part(SLOT_HEADS, 0));
    per_head(b, &l->wk_b, part(SLOT_QKV, 0), wide, part(SLOT_HEADS, 0), h->n_dk);
    copy(b, part(SLOT_QKV, h->n_lora_kv), wide, part(SLOT_HEADS, n_plain), h->n_dk, n_rot);
    nce_build_attend(b, part(SLOT_QKV, 0), part(SLOT_KV_A, 0), part(SLOT_KV_A, 0));
    per_head(b, &l->wv_b, part(SLOT_HEADS, 0), h->n_dv, part(SLOT_A, 0), h->n_lora_kv);
}

void nce_build_latent_attention(nce_builder *b, nce_view in)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const bool split = l->wk_b.type != NULL;
    if (split)
        absorbed(b, in);
    else
        expanded(b, in);
    nce_build_projection(b, part(split ? SLOT_HEADS : SLOT_A, 0), &l->wo, &l->bo, NULL);
}
