/* One function for each kind of operation that a forward step is built of. */
#include "src/core/model/builder.h"

nce_op *nce_build_op(nce_builder *b, nce_op_kind kind)
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

void nce_build_norm(nce_builder *b, nce_view out, nce_view in, const nce_vector *w, const nce_vector *bias,
                    size_t width, size_t groups, bool group_weights)
{
    nce_op *op = nce_build_op(b, NCE_OP_NORM);
    if (op == NULL) return;
    op->in = in, op->out = out;
    op->width = (uint32_t)width, op->n_groups = (uint32_t)groups;
    op->weight = w->data, op->bias = bias != NULL ? bias->data : NULL;
    op->group_weights = group_weights;
    op->norm = b->m->arch->norm;
    op->eps = b->m->h.norm_eps;
}

void nce_build_simple(nce_builder *b, nce_op_kind kind, nce_view out, nce_view in, nce_view in2, size_t width)
{
    nce_op *op = nce_build_op(b, kind);
    if (op == NULL) return;
    op->in = in, op->in2 = in2, op->out = out;
    op->width = (uint32_t)width;
}

nce_op *nce_build_matmul(nce_builder *b, nce_view in)
{
    nce_op *op = nce_build_op(b, NCE_OP_MATMUL);
    if (op != NULL) op->in = in;
    return op;
}

void nce_build_matrix(nce_op *op, const nce_weight *w, const nce_vector *bias, nce_view out, bool add, float scale)
{
    if (op == NULL) return;
    op->matrix[op->n_matrices++] =
        (nce_op_matrix){.w = w, .bias = bias != NULL ? bias->data : NULL, .out = out, .add = add, .scale = scale};
}

void nce_build_projection(nce_builder *b, nce_view in, const nce_weight *w, const nce_vector *bias,
                          const nce_vector *post)
{
    const nce_hparams *h = &b->m->h;
    const bool direct = post == NULL || post->data == NULL;
    nce_build_matrix(nce_build_matmul(b, in), w, bias, part(direct ? SLOT_X : SLOT_T, 0), direct,
                     direct ? h->residual_scale : 1.0f);
    if (direct) return;
    nce_build_norm(b, part(SLOT_T, 0), part(SLOT_T, 0), post, NULL, h->n_embd, 1, false);
    nce_build_simple(b, NCE_OP_ADD, part(SLOT_X, 0), part(SLOT_X, 0), part(SLOT_T, 0), h->n_embd);
}

static void rotate(nce_builder *b, nce_view at, uint32_t n_heads, size_t head_size, uint32_t table)
{
    if (table >= NCE_MAX_ROPE) return;
    nce_op *op = nce_build_op(b, NCE_OP_ROPE);
    if (op == NULL) return;
    op->in = op->out = at;
    op->n_groups = n_heads, op->width = (uint32_t)head_size;
    op->rope = table, op->n_rot = b->m->h.rope[table].n_rot;
    op->neox = b->m->arch->rope == NCE_ROPE_NEOX;
}

void nce_build_rope(nce_builder *b, nce_view at, uint32_t n_heads, size_t head_size)
{
    rotate(b, at, n_heads, head_size, b->m->h.layer[b->layer].rope);
}

/* As a rotation by no angle, which every device has: x times a factor, plus 0. */
void nce_build_temperature(nce_builder *b, nce_view q)
{
    rotate(b, q, b->m->h.layer[b->layer].n_heads, b->m->h.n_dk, b->m->h.temperature);
}

void nce_build_attend(nce_builder *b, nce_view q, nce_view k, nce_view v)
{
    const nce_attn_shape *shape = &b->f->shapes[b->layer];
    const size_t k_offset = b->f->page_bytes,
                 v_offset = k_offset + shape->n_kv_heads * nce_kv_k_bytes(shape->type_k, shape->n_dk);
    b->f->page_bytes = v_offset + shape->n_kv_heads * nce_kv_v_bytes(shape->type_v, shape->n_dv);
    const nce_op_kind kinds[] = {NCE_OP_KV_STORE, NCE_OP_ATTENTION};
    for (int i = 0; i < 2; i++) {
        nce_op *op = nce_build_op(b, kinds[i]);
        if (op == NULL) return;
        op->in = i == 0 ? k : q, op->in2 = v, op->out = part(SLOT_A, 0);
        op->shape = shape, op->k_offset = k_offset, op->v_offset = v_offset;
    }
}
