/* The forward step of any architecture as a list of operations: attention and feed-forward of each layer, then the head.
 *
 * Slots: X the residual stream; N a normed copy; QKV queries, keys and values side by side; A attention's result; T a
 * projection that is normed before it joins X; G and U the feed-forward's halves; R router logits; S the shared expert;
 * H and LOGITS the head, one row per wanted token. */
#include "src/core/model/model.h"
#include <string.h>

enum { X, N, N2, QKV, A, T, G, U, R, S, SG, H, LOGITS, N_SLOTS };

typedef struct builder {
    const nce_model *m;
    nce_forward *f;
    nce_status status;
    uint32_t layer;
    bool head;
} builder;

static nce_view view(uint16_t slot, size_t column)
{
    return (nce_view){slot, 0, (uint32_t)column};
}

static nce_op *push(builder *b, nce_op_kind kind)
{
    static const nce_op none = {0};
    nce_program *p = &b->f->program;
    if (b->status == NCE_OK)
        b->status = nce_grow(b->m->ctx, (void **)&p->ops, &p->capacity, p->n_ops + 1, sizeof *p->ops);
    if (b->status != NCE_OK) return NULL;
    nce_op *op = &p->ops[p->n_ops++];
    *op = none;
    op->kind = kind;
    op->layer = b->layer;
    op->head = b->head;
    op->n_groups = 1;
    op->scale = 1.0f;
    return op;
}

static void norm(builder *b, nce_view out, nce_view in, const nce_vector *w, const nce_vector *bias, size_t width,
                 size_t groups, bool group_weights)
{
    nce_op *op = push(b, NCE_OP_NORM);
    if (op == NULL) return;
    op->in = in, op->out = out;
    op->width = (uint32_t)width, op->n_groups = (uint32_t)groups;
    op->weight = w->data, op->bias = bias != NULL ? bias->data : NULL;
    op->group_weights = group_weights;
    op->norm = b->m->arch->norm;
    op->eps = b->m->h.norm_eps;
}

static void simple(builder *b, nce_op_kind kind, nce_view out, nce_view in, nce_view in2, size_t width)
{
    nce_op *op = push(b, kind);
    if (op == NULL) return;
    op->in = in, op->in2 = in2, op->out = out;
    op->width = (uint32_t)width;
}

/* A product; more than one with the same input follow through add_matrix. */
static nce_op *matmul(builder *b, nce_view in)
{
    nce_op *op = push(b, NCE_OP_MATMUL);
    if (op != NULL) op->in = in;
    return op;
}

static void add_matrix(nce_op *op, const nce_weight *w, const nce_vector *bias, nce_view out, bool add, float scale)
{
    if (op == NULL) return;
    op->matrix[op->n_matrices++] = (nce_op_matrix){.w = w, .bias = bias != NULL ? bias->data : NULL, .out = out, .add = add, .scale = scale};
}

/* A projection into the residual stream: straight, or through a post norm. */
static void project(builder *b, nce_view in, const nce_weight *w, const nce_vector *bias, const nce_vector *post)
{
    const nce_hparams *h = &b->m->h;
    const bool direct = post == NULL || post->data == NULL;
    add_matrix(matmul(b, in), w, bias, view(direct ? X : T, 0), direct, direct ? h->residual_scale : 1.0f);
    if (direct) return;
    norm(b, view(T, 0), view(T, 0), post, NULL, h->n_embd, 1, false);
    simple(b, NCE_OP_ADD, view(X, 0), view(X, 0), view(T, 0), h->n_embd);
}

/* q or k norm: per head with shared weights, per head with own weights, or over all heads. */
static void head_norm(builder *b, nce_view at, const nce_vector *w, const nce_vector *bias, uint32_t n_heads)
{
    const nce_hparams *h = &b->m->h;
    if (w->data == NULL) return;
    if (b->m->arch->flags & NCE_ARCH_QK_NORM_FULL) norm(b, at, at, w, bias, (size_t)n_heads * h->n_dk, 1, false);
    else norm(b, at, at, w, bias, h->n_dk, n_heads, b->m->arch->norm == NCE_NORM_LAYER);
}

static void rope(builder *b, nce_view at, uint32_t n_heads, const nce_layer_params *p)
{
    const nce_hparams *h = &b->m->h;
    if (p->rope >= NCE_MAX_ROPE) return;
    nce_op *op = push(b, NCE_OP_ROPE);
    if (op == NULL) return;
    op->in = op->out = at;
    op->n_groups = n_heads, op->width = h->n_dk;
    op->rope = p->rope, op->n_rot = h->rope[p->rope].n_rot;
    op->neox = b->m->arch->rope == NCE_ROPE_NEOX;
}

static void attention(builder *b, nce_view in)
{
    const nce_hparams *h = &b->m->h;
    const nce_layer *l = &b->m->layers[b->layer];
    const nce_layer_params *p = &h->layer[b->layer];
    const size_t n_q = (size_t)p->n_heads * h->n_dk, n_k = (size_t)p->n_kv_heads * h->n_dk;
    const nce_view q = view(QKV, 0), k = view(QKV, n_q), v = view(QKV, n_q + n_k);
    nce_op *op = matmul(b, in);
    if (l->wqkv.type != NULL) {
        add_matrix(op, &l->wqkv, &l->bqkv, q, false, 1.0f);
    } else {
        add_matrix(op, &l->wq, &l->bq, q, false, 1.0f);
        add_matrix(op, &l->wk, &l->bk, k, false, 1.0f);
        add_matrix(op, &l->wv, &l->bv, v, false, 1.0f);
    }
    head_norm(b, q, &l->attn_q_norm, &l->attn_q_norm_b, p->n_heads);
    head_norm(b, k, &l->attn_k_norm, &l->attn_k_norm_b, p->n_kv_heads);
    rope(b, q, p->n_heads, p);
    rope(b, k, p->n_kv_heads, p);
    const nce_attn_shape *shape = &b->f->shapes[b->layer];
    const size_t k_offset = b->f->page_bytes, v_offset = k_offset + p->n_kv_heads * nce_kv_k_bytes(shape->type_k, h->n_dk);
    b->f->page_bytes = v_offset + p->n_kv_heads * nce_kv_v_bytes(shape->type_v, h->n_dv);
    const nce_op_kind kinds[] = {NCE_OP_KV_STORE, NCE_OP_ATTENTION};
    for (int i = 0; i < 2; i++) {
        if ((op = push(b, kinds[i])) == NULL) return;
        op->in = i == 0 ? k : q, op->in2 = v, op->out = view(A, 0);
        op->shape = shape, op->k_offset = k_offset, op->v_offset = v_offset;
    }
    if (l->attn_sub_norm.data != NULL)
        norm(b, view(A, 0), view(A, 0), &l->attn_sub_norm, NULL, (size_t)p->n_heads * h->n_dv, 1, false);
    project(b, view(A, 0), &l->wo, &l->bo, b->m->arch->flags & NCE_ARCH_POST_IS_FFN_NORM ? NULL : &l->attn_post_norm);
}

static void gated(builder *b, nce_view gate, nce_view up, bool has_gate, size_t width)
{
    nce_op *op = push(b, has_gate ? NCE_OP_GLU : NCE_OP_ACT);
    if (op == NULL) return;
    op->in = has_gate ? gate : up, op->in2 = up, op->out = view(G, 0);
    op->width = (uint32_t)width;
    op->f = b->m->arch->act;
}

static void feed_forward(builder *b, nce_view in)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t ff = b->m->h.layer[b->layer].n_ff;
    const bool fused = l->gate.type == NULL && l->up.n_rows == 2 * ff;
    nce_op *op = matmul(b, in);
    if (l->gate.type != NULL) add_matrix(op, &l->gate, &l->gate_b, view(G, 0), false, 1.0f);
    add_matrix(op, &l->up, &l->up_b, view(U, 0), false, 1.0f);
    if (fused) gated(b, view(U, 0), view(U, ff), true, ff); /* gate first, then up */
    else gated(b, view(G, 0), view(U, 0), l->gate.type != NULL, ff);
    if (l->ffn_sub_norm.data != NULL) norm(b, view(G, 0), view(G, 0), &l->ffn_sub_norm, NULL, ff, 1, false);
    project(b, view(G, 0), &l->down, &l->down_b, &l->ffn_post_norm);
}

/* A feed-forward that every token takes, weighted by a sigmoid of its own where the model has one. */
static void shared_expert(builder *b, nce_view in)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t width = l->up_shared.n_rows, n_embd = b->m->h.n_embd;
    nce_op *op = matmul(b, in);
    if (l->gate_shared.type != NULL) add_matrix(op, &l->gate_shared, NULL, view(G, 0), false, 1.0f);
    add_matrix(op, &l->up_shared, NULL, view(U, 0), false, 1.0f);
    gated(b, view(G, 0), view(U, 0), l->gate_shared.type != NULL, width);
    add_matrix(matmul(b, view(G, 0)), &l->down_shared, NULL, view(S, 0), false, 1.0f);
    if (l->shared_router.type != NULL) {
        add_matrix(matmul(b, in), &l->shared_router, NULL, view(SG, 0), false, 1.0f);
        if ((op = push(b, NCE_OP_ACT)) == NULL) return;
        op->in = op->out = view(SG, 0), op->width = 1, op->f = NCE_ACT_SIGMOID;
        if ((op = push(b, NCE_OP_SCALE_BY)) == NULL) return;
        op->in = op->out = view(S, 0), op->in2 = view(SG, 0), op->width = (uint32_t)n_embd;
    }
    simple(b, NCE_OP_ADD, view(T, 0), view(T, 0), view(S, 0), n_embd);
}

static void experts(builder *b, nce_view in)
{
    const nce_hparams *h = &b->m->h;
    const nce_layer *l = &b->m->layers[b->layer];
    add_matrix(matmul(b, in), &l->router, &l->router_b, view(R, 0), false, 1.0f);
    nce_op *op = push(b, NCE_OP_ROUTE);
    if (op == NULL) return;
    op->in = view(R, 0);
    op->route = h->route;
    op->route.bias = l->router_bias.data;
    if ((op = push(b, NCE_OP_EXPERTS)) == NULL) return;
    op->in = in, op->out = view(T, 0);
    op->experts = (nce_op_experts){.gate = l->gate_exps.type ? &l->gate_exps : NULL, .up = &l->up_exps, .down = &l->down_exps,
                                   .gate_bias = l->gate_exps_b.data, .up_bias = l->up_exps_b.data,
                                   .down_bias = l->down_exps_b.data, .f = b->m->arch->act, .n_used = h->route.n_used};
    if (l->up_shared.type != NULL) shared_expert(b, in);
    if (l->ffn_post_norm.data != NULL) norm(b, view(T, 0), view(T, 0), &l->ffn_post_norm, NULL, h->n_embd, 1, false);
    if (h->residual_scale != 1.0f) {
        if ((op = push(b, NCE_OP_SCALE)) == NULL) return;
        op->in = op->out = view(T, 0), op->width = h->n_embd, op->scale = h->residual_scale;
    }
    simple(b, NCE_OP_ADD, view(X, 0), view(X, 0), view(T, 0), h->n_embd);
}

static void layer(builder *b)
{
    const nce_layer *l = &b->m->layers[b->layer];
    const size_t n_embd = b->m->h.n_embd;
    const nce_vector *ffn_norm = b->m->arch->flags & NCE_ARCH_POST_IS_FFN_NORM ? &l->attn_post_norm : &l->ffn_norm;
    /* No norm of its own before the feed-forward: it shares the attention's input (StableLM 12B), if that is normed. */
    const bool parallel = b->m->arch->flags & NCE_ARCH_PARALLEL ||
                          (b->m->arch->norm == NCE_NORM_LAYER && ffn_norm->data == NULL && l->attn_norm.data != NULL);
    nce_view attn_in = view(X, 0), ffn_in = view(X, 0);
    if (l->attn_norm.data != NULL) norm(b, attn_in = view(N, 0), view(X, 0), &l->attn_norm, &l->attn_norm_b, n_embd, 1, false);
    if (parallel) {
        ffn_in = attn_in;
        if (l->attn_norm_2.data != NULL) norm(b, attn_in = view(N2, 0), view(X, 0), &l->attn_norm_2, &l->attn_norm_2_b, n_embd, 1, false);
    }
    attention(b, attn_in);
    if (!parallel && ffn_norm->data != NULL) norm(b, ffn_in = view(N, 0), view(X, 0), ffn_norm, &l->ffn_norm_b, n_embd, 1, false);
    if (l->router.type != NULL) experts(b, ffn_in);
    else feed_forward(b, ffn_in);
}

static void embedding(builder *b)
{
    const nce_model *m = b->m;
    nce_op *op = push(b, NCE_OP_EMBED);
    if (op == NULL) return;
    op->out = view(X, 0), op->table = &m->embed, op->scale = m->h.embedding_scale;
    if (m->position_embed.type != NULL) {
        if ((op = push(b, NCE_OP_POSITION)) == NULL) return;
        op->in = op->out = view(X, 0), op->table = &m->position_embed, op->width = m->h.n_embd;
    }
    if (m->embed_norm.data != NULL) norm(b, view(X, 0), view(X, 0), &m->embed_norm, &m->embed_norm_b, m->h.n_embd, 1, false);
}

static void head(builder *b)
{
    const nce_model *m = b->m;
    b->head = true;
    simple(b, NCE_OP_SELECT, view(H, 0), view(X, 0), view(X, 0), m->h.n_embd);
    norm(b, view(H, 0), view(H, 0), &m->output_norm, &m->output_norm_b, m->h.n_embd, 1, false);
    add_matrix(matmul(b, view(H, 0)), m->output.type != NULL ? &m->output : &m->embed, &m->output_b, view(LOGITS, 0), false,
               m->h.logit_scale);
    if (m->h.logit_cap == 0.0f) return;
    nce_op *op = push(b, NCE_OP_SOFTCAP);
    if (op == NULL) return;
    op->in = op->out = view(LOGITS, 0), op->width = m->h.n_vocab, op->scale = m->h.logit_cap;
}

static uint32_t widest(const nce_model *m, uint32_t (*width)(const nce_model *, uint32_t))
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < m->h.n_layers; i++)
        if (width(m, i) > most) most = width(m, i);
    return most;
}

static uint32_t qkv_width(const nce_model *m, uint32_t i)
{
    const nce_layer_params *p = &m->h.layer[i];
    return p->n_heads * m->h.n_dk + p->n_kv_heads * (m->h.n_dk + m->h.n_dv);
}
static uint32_t attn_width(const nce_model *m, uint32_t i) { return m->h.layer[i].n_heads * m->h.n_dv; }
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
    p->logits_slot = LOGITS;
    p->n_vocab = m->h.n_vocab;
    p->slot_head[H] = p->slot_head[LOGITS] = true;
    const uint32_t widths[N_SLOTS] = {
        [X] = embd, [N] = embd, [T] = embd, [H] = embd, [S] = m->h.n_experts ? embd : 1, [SG] = 1,
        [N2] = m->layers[0].attn_norm_2.data ? embd : 1, [QKV] = widest(m, qkv_width), [A] = widest(m, attn_width),
        [G] = widest(m, gate_width), [U] = widest(m, up_width), [R] = m->h.n_experts ? m->h.n_experts : 1, [LOGITS] = m->h.n_vocab};
    memcpy(p->slot_width, widths, sizeof widths);
}

nce_status nce_forward_create(const nce_model *m, nce_type type_k, nce_type type_v, nce_forward **out)
{
    nce_forward *f = nce_alloc_zero(m->ctx, sizeof *f);
    *out = NULL;
    if (f == NULL) return nce_fail_nomem(m->ctx, sizeof *f);
    builder b = {.m = m, .f = f};
    f->shapes = nce_alloc_array(m->ctx, m->h.n_layers, sizeof *f->shapes);
    if (f->shapes == NULL) {
        nce_forward_destroy(m->ctx, f);
        return nce_fail_nomem(m->ctx, m->h.n_layers * sizeof *f->shapes);
    }
    lay_out(m, &f->program);
    embedding(&b);
    for (uint32_t i = 0; i < m->h.n_layers; i++) {
        const nce_layer_params *p = &m->h.layer[i];
        f->shapes[i] = (nce_attn_shape){.n_dk = m->h.n_dk, .n_dv = m->h.n_dv, .n_kv_heads = p->n_kv_heads,
                                        .n_group = p->n_heads / p->n_kv_heads, .window = p->window,
                                        .scale = m->h.attention_scale, .cap = m->h.attention_cap, .type_k = type_k,
                                        .type_v = type_v, .sinks = m->layers[i].attn_sinks.data};
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
