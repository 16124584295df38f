/* The forward step of any architecture as a list of operations: attention and feed-forward of each layer, then the head.
 */
#include "src/core/model/builder.h"
#include <string.h>

static void gated(nce_builder *b, nce_view gate, nce_view up, bool has_gate, size_t width)
{
    nce_op *op = nce_build_op(b, has_gate ? NCE_OP_GLU : NCE_OP_ACT);
    if (op == NULL) return;
    op->in = has_gate ? gate : up, op->in2 = up, op->out = part(SLOT_G, 0);
    op->width = (uint32_t)width;
    op->f = b->m->arch->act;
}

static void feed_forward(nce_builder *b, nce_view in)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t ff = b->m->h.layer[b->layer].n_ff;
    const bool fused = l->gate.type == NULL && l->up.n_rows == 2 * ff;
    nce_op *op = nce_build_matmul(b, in);
    if (l->gate.type != NULL) nce_build_matrix(op, &l->gate, &l->gate_b, part(SLOT_G, 0), false, 1.0f);
    nce_build_matrix(op, &l->up, &l->up_b, part(SLOT_U, 0), false, 1.0f);
    if (fused) gated(b, part(SLOT_U, 0), part(SLOT_U, ff), true, ff); /* gate first, then up */
    else gated(b, part(SLOT_G, 0), part(SLOT_U, 0), l->gate.type != NULL, ff);
    if (l->ffn_sub_norm.data != NULL) nce_build_norm(b, part(SLOT_G, 0), part(SLOT_G, 0), &l->ffn_sub_norm, NULL, ff, 1, false);
    nce_build_projection(b, part(SLOT_G, 0), &l->down, &l->down_b, &l->ffn_post_norm);
}

/* A feed-forward that every token takes, weighted by a sigmoid of its own where the model has one. */
static void shared_expert(nce_builder *b, nce_view in)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t width = l->up_shared.n_rows, n_embd = b->m->h.n_embd;
    nce_op *op = nce_build_matmul(b, in);
    if (l->gate_shared.type != NULL) nce_build_matrix(op, &l->gate_shared, NULL, part(SLOT_G, 0), false, 1.0f);
    nce_build_matrix(op, &l->up_shared, NULL, part(SLOT_U, 0), false, 1.0f);
    gated(b, part(SLOT_G, 0), part(SLOT_U, 0), l->gate_shared.type != NULL, width);
    nce_build_matrix(nce_build_matmul(b, part(SLOT_G, 0)), &l->down_shared, NULL, part(SLOT_S, 0), false, 1.0f);
    if (l->shared_router.type != NULL) {
        nce_build_matrix(nce_build_matmul(b, in), &l->shared_router, NULL, part(SLOT_SG, 0), false, 1.0f);
        if ((op = nce_build_op(b, NCE_OP_ACT)) == NULL) return;
        op->in = op->out = part(SLOT_SG, 0), op->width = 1, op->f = NCE_ACT_SIGMOID;
        if ((op = nce_build_op(b, NCE_OP_SCALE_BY)) == NULL) return;
        op->in = op->out = part(SLOT_S, 0), op->in2 = part(SLOT_SG, 0), op->width = (uint32_t)n_embd;
    }
    nce_build_simple(b, NCE_OP_ADD, part(SLOT_T, 0), part(SLOT_T, 0), part(SLOT_S, 0), n_embd);
}

static void experts(nce_builder *b, nce_view in)
{
    const nce_hparams *h = &b->m->h;
    const nce_layer *l = &b->m->layers[b->layer];
    nce_build_matrix(nce_build_matmul(b, in), &l->router, &l->router_b, part(SLOT_R, 0), false, 1.0f);
    nce_op *op = nce_build_op(b, NCE_OP_ROUTE);
    if (op == NULL) return;
    op->in = part(SLOT_R, 0);
    op->route = h->route;
    op->route.bias = l->router_bias.data;
    if ((op = nce_build_op(b, NCE_OP_EXPERTS)) == NULL) return;
    op->in = in, op->out = part(SLOT_T, 0);
    op->experts = (nce_op_experts){.gate = l->gate_exps.type ? &l->gate_exps : NULL, .up = &l->up_exps, .down = &l->down_exps,
                                   .gate_bias = l->gate_exps_b.data, .up_bias = l->up_exps_b.data,
                                   .down_bias = l->down_exps_b.data, .f = b->m->arch->act, .n_used = h->route.n_used};
    if (l->up_shared.type != NULL) shared_expert(b, in);
    if (l->ffn_post_norm.data != NULL) nce_build_norm(b, part(SLOT_T, 0), part(SLOT_T, 0), &l->ffn_post_norm, NULL, h->n_embd, 1, false);
    if (h->residual_scale != 1.0f) {
        if ((op = nce_build_op(b, NCE_OP_SCALE)) == NULL) return;
        op->in = op->out = part(SLOT_T, 0), op->width = h->n_embd, op->scale = h->residual_scale;
    }
    nce_build_simple(b, NCE_OP_ADD, part(SLOT_X, 0), part(SLOT_X, 0), part(SLOT_T, 0), h->n_embd);
}

static void layer(nce_builder *b)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t n_embd = b->m->h.n_embd;
    const nce_vector *ffn_norm = b->m->arch->flags & NCE_ARCH_POST_IS_FFN_NORM ? &l->attn_post_norm : &l->ffn_norm;
    /* No norm of its own before the feed-forward: it shares the attention's input (StableLM 12B), if that is normed. */
    const bool parallel = b->m->arch->flags & NCE_ARCH_PARALLEL ||
                          (b->m->arch->norm == NCE_NORM_LAYER && ffn_norm->data == NULL && l->attn_norm.data != NULL);
    nce_view attn_in = part(SLOT_X, 0), ffn_in = part(SLOT_X, 0);
    if (l->attn_norm.data != NULL) nce_build_norm(b, attn_in = part(SLOT_N, 0), part(SLOT_X, 0), &l->attn_norm, &l->attn_norm_b, n_embd, 1, false);
    if (parallel) {
        ffn_in = attn_in;
        if (l->attn_norm_2.data != NULL) nce_build_norm(b, attn_in = part(SLOT_N2, 0), part(SLOT_X, 0), &l->attn_norm_2, &l->attn_norm_2_b, n_embd, 1, false);
    }
    if (b->m->h.n_lora_kv != 0) nce_build_latent_attention(b, attn_in);
    else nce_build_attention(b, attn_in);
    if (!parallel && ffn_norm->data != NULL) nce_build_norm(b, ffn_in = part(SLOT_N, 0), part(SLOT_X, 0), ffn_norm, &l->ffn_norm_b, n_embd, 1, false);
    if (l->router.type != NULL) experts(b, ffn_in);
    else feed_forward(b, ffn_in);
}

static void embedding(nce_builder *b)
{
    const nce_model *m = b->m;
    nce_op *op = nce_build_op(b, NCE_OP_EMBED);
    if (op == NULL) return;
    op->out = part(SLOT_X, 0), op->table = &m->embed, op->scale = m->h.embedding_scale;
    if (m->position_embed.type != NULL) {
        if ((op = nce_build_op(b, NCE_OP_POSITION)) == NULL) return;
        op->in = op->out = part(SLOT_X, 0), op->table = &m->position_embed, op->width = m->h.n_embd;
    }
    if (m->embed_norm.data != NULL) nce_build_norm(b, part(SLOT_X, 0), part(SLOT_X, 0), &m->embed_norm, &m->embed_norm_b, m->h.n_embd, 1, false);
}

static void head(nce_builder *b)
{
    const nce_model *m = b->m;
    b->head = true;
    nce_build_simple(b, NCE_OP_SELECT, part(SLOT_H, 0), part(SLOT_X, 0), part(SLOT_X, 0), m->h.n_embd);
    nce_build_norm(b, part(SLOT_H, 0), part(SLOT_H, 0), &m->output_norm, &m->output_norm_b, m->h.n_embd, 1, false);
    nce_build_matrix(nce_build_matmul(b, part(SLOT_H, 0)), m->output.type != NULL ? &m->output : &m->embed, &m->output_b, part(SLOT_LOGITS, 0), false,
               m->h.logit_scale);
    if (m->h.logit_cap == 0.0f) return;
    nce_op *op = nce_build_op(b, NCE_OP_SOFTCAP);
    if (op == NULL) return;
    op->in = op->out = part(SLOT_LOGITS, 0), op->width = m->h.n_vocab, op->scale = m->h.logit_cap;
}

static uint32_t widest(const nce_model *m, uint32_t (*width)(const nce_model *, uint32_t))
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < m->h.n_layers; i++)
        if (width(m, i) > most) most = width(m, i);
    return most;
}

/* Latent attention without keys and values of its own per head. */
static bool absorbed(const nce_model *m, uint32_t i) { return m->layers[i].wk_b.type != NULL; }

static uint32_t qkv_width(const nce_model *m, uint32_t i)
{
    const nce_layer_params *p = &m->h.layer[i];
    if (absorbed(m, i)) return p->n_heads * (m->h.n_lora_kv + m->h.rope[0].n_rot);
    return p->n_heads * m->h.n_dk + p->n_kv_heads * (m->h.n_dk + m->h.n_dv);
}
static uint32_t attn_width(const nce_model *m, uint32_t i)
{
    return m->h.layer[i].n_heads * (absorbed(m, i) ? m->h.n_lora_kv : m->h.n_dv);
}
static uint32_t heads_width(const nce_model *m, uint32_t i)
{
    return m->h.n_lora_kv != 0 ? m->h.layer[i].n_heads * (m->h.n_dk + m->h.n_dv) : 1;
}
static uint32_t gate_width(const nce_model *m, uint32_t i)
{
    const size_t shared = m->layers[i].up_shared.n_rows;
    return (uint32_t)(shared > m->h.layer[i].n_ff ? shared : m->h.layer[i].n_ff);
}
static uint32_t up_width(const nce_model *m, uint32_t i)
{
    const size_t a = m->layers[i].up_shared.n_rows, b = m->layers[i].up.n_rows;
    return (uint32_t)(a > b ? a : b);
}

static void lay_out(const nce_model *m, nce_program *p)
{
    const uint32_t embd = m->h.n_embd;
    p->n_slots = N_SLOTS;
    p->logits_slot = SLOT_LOGITS;
    p->n_vocab = m->h.n_vocab;
    p->slot_head[SLOT_H] = p->slot_head[SLOT_LOGITS] = true;
    const uint32_t widths[N_SLOTS] = {
        [SLOT_X] = embd, [SLOT_N] = embd, [SLOT_T] = embd, [SLOT_H] = embd, [SLOT_S] = m->h.n_experts ? embd : 1, [SLOT_SG] = 1,
        [SLOT_N2] = m->layers[0].attn_norm_2.data ? embd : 1, [SLOT_QKV] = widest(m, qkv_width), [SLOT_A] = widest(m, attn_width),
        [SLOT_G] = widest(m, gate_width), [SLOT_U] = widest(m, up_width), [SLOT_R] = m->h.n_experts ? m->h.n_experts : 1,
        [SLOT_Q_A] = m->h.n_lora_q ? m->h.n_lora_q : 1, [SLOT_KV_A] = m->h.n_lora_kv ? m->h.n_lora_kv + m->h.rope[0].n_rot : 1,
        [SLOT_HEADS] = widest(m, heads_width), [SLOT_LOGITS] = m->h.n_vocab};
    memcpy(p->slot_width, widths, sizeof widths);
}

nce_status nce_forward_create(const nce_model *m, nce_type type_k, nce_type type_v, nce_forward **out)
{
    nce_forward *f = nce_alloc_zero(m->ctx, sizeof *f);
    *out = NULL;
    if (f == NULL) return nce_fail_nomem(m->ctx, sizeof *f);
    nce_builder b = {.m = m, .f = f};
    f->shapes = nce_alloc_array(m->ctx, m->h.n_layers, sizeof *f->shapes);
    if (f->shapes == NULL) {
        nce_forward_destroy(m->ctx, f);
        return nce_fail_nomem(m->ctx, m->h.n_layers * sizeof *f->shapes);
    }
    lay_out(m, &f->program);
    embedding(&b);
    for (uint32_t i = 0; i < m->h.n_layers; i++) {
        f->shapes[i] = nce_build_shape(m, i, type_k, type_v);
        b.layer = i;
        layer(&b);
    }
    head(&b);
    if (b.status != NCE_OK) {
        nce_forward_destroy(m->ctx, f);
        return b.status;
    }
    *out = f;
    return NCE_OK;
}

void nce_forward_destroy(nce_context *ctx, nce_forward *f)
{
    if (f == NULL) return;
    nce_free(ctx, f->program.ops);
    nce_free(ctx, f->shapes);
    nce_free(ctx, f);
}
