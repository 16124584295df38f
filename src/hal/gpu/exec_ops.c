/* Operations that are a launch or two: rows, norms, positions, keys and values, attention. */
#include "src/hal/gpu/exec.h"

static size_t groups(size_t n)
{
    return nce_gpu_groups(n, NCE_GPU_GROUP);
}

static nce_status rows(nce_exec *e, const nce_op *op, nce_gpu_span s, int what, nce_view b)
{
    return NCE_GPU_RUN(e->device, NCE_GPU_K_ROWS, groups(op->width), s.n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(nce_gpu_at(e, op->out)), NCE_GPU_I(nce_gpu_ld(e, op->out)),
                       NCE_GPU_A(nce_gpu_at(e, op->in)), NCE_GPU_I(nce_gpu_ld(e, op->in)), NCE_GPU_A(nce_gpu_at(e, b)),
                       NCE_GPU_I(nce_gpu_ld(e, b)), NCE_GPU_I(op->width), NCE_GPU_I(what), NCE_GPU_I(op->f),
                       NCE_GPU_F(op->scale), NCE_GPU_A(e->rows), NCE_GPU_I(s.row0));
}

/* An activation, and packed with it what a product takes next. */
static nce_status activate(nce_exec *e, const nce_op *op, nce_gpu_span s, int what, nce_view other)
{
    const uint32_t block = nce_gpu_pack_ahead(e, op);
    const nce_gpu_front front = {
        what, op->f, nce_gpu_at(e, other), nce_gpu_at(e, op->out), nce_gpu_ld(e, other), nce_gpu_ld(e, op->out)};
    if (block == 0) return rows(e, op, s, what, other);
    return nce_gpu_pack_front(e, block, nce_gpu_at(e, op->in), nce_gpu_ld(e, op->in), op->width, s.n_rows, &front);
}

nce_status nce_gpu_act(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return activate(e, op, s, NCE_GPU_ROWS_ACT, op->in);
}
nce_status nce_gpu_glu(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return activate(e, op, s, NCE_GPU_ROWS_GLU, op->in2);
}
nce_status nce_gpu_add(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return rows(e, op, s, NCE_GPU_ROWS_ADD, op->in2);
}
nce_status nce_gpu_scale(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return rows(e, op, s, NCE_GPU_ROWS_SCALE, op->in);
}
nce_status nce_gpu_scale_by(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return rows(e, op, s, NCE_GPU_ROWS_SCALE_BY, op->in2);
}
nce_status nce_gpu_softcap(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return rows(e, op, s, NCE_GPU_ROWS_SOFTCAP, op->in);
}
nce_status nce_gpu_select(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return rows(e, op, s, NCE_GPU_ROWS_SELECT, op->in);
}

nce_status nce_gpu_copy(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return NCE_GPU_RUN(e->device, NCE_GPU_K_COPY, groups((size_t)op->width * op->n_groups), s.n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(nce_gpu_at(e, op->out)), NCE_GPU_I(nce_gpu_ld(e, op->out)), NCE_GPU_I(op->out_stride),
                       NCE_GPU_A(nce_gpu_at(e, op->in)), NCE_GPU_I(nce_gpu_ld(e, op->in)), NCE_GPU_I(op->in_stride),
                       NCE_GPU_I(op->width), NCE_GPU_I(op->n_groups));
}

nce_status nce_gpu_norm(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const uint32_t block = op->n_groups == 1 ? nce_gpu_pack_ahead(e, op) : 0;
    return NCE_GPU_RUN(
        e->device, NCE_GPU_K_NORM, op->n_groups, s.n_rows, NCE_GPU_GROUP, NCE_GPU_A(nce_gpu_at(e, op->out)),
        NCE_GPU_I(nce_gpu_ld(e, op->out)), NCE_GPU_A(nce_gpu_at(e, op->in)), NCE_GPU_I(nce_gpu_ld(e, op->in)),
        NCE_GPU_A(nce_gpu_vector_at(e, op->weight)), NCE_GPU_A(nce_gpu_vector_at(e, op->bias)), NCE_GPU_I(op->width),
        NCE_GPU_I(op->group_weights), NCE_GPU_I(op->norm == NCE_NORM_LAYER), NCE_GPU_F(op->eps), NCE_GPU_I(block),
        NCE_GPU_A(nce_gpu_codes(e, block)), NCE_GPU_A(nce_gpu_scales(e, block)));
}

static nce_status look_up(nce_exec *e, const nce_op *op, nce_gpu_span s, int field, nce_gpu_address in, uint32_t ld_in)
{
    const nce_weight *w = op->table;
    const nce_gpu_type *type = nce_gpu_type_of(w->type->id);
    return NCE_GPU_RUN(e->device, NCE_GPU_K_EMBED, groups(type->block == 1 ? w->k : w->k / 32), s.n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(nce_gpu_weight_at(w)), NCE_GPU_I(w->row_bytes), NCE_GPU_I(w->k),
                       NCE_GPU_I(w->type->id), NCE_GPU_I(type->block), NCE_GPU_I(type->bytes), NCE_GPU_I(type->second),
                       NCE_GPU_A(e->rows), NCE_GPU_I(field), NCE_GPU_F(op->scale), NCE_GPU_A(in), NCE_GPU_I(ld_in),
                       NCE_GPU_A(nce_gpu_at(e, op->out)), NCE_GPU_I(nce_gpu_ld(e, op->out)));
}

nce_status nce_gpu_embed(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return look_up(e, op, s, NCE_GPU_ROW_TOKEN, 0, 0);
}

nce_status nce_gpu_position(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return look_up(e, op, s, NCE_GPU_ROW_POSITION, nce_gpu_at(e, op->in), nce_gpu_ld(e, op->in));
}

/* Keys and values into their pages, behind the rotation of queries and keys if q is not NULL. */
static nce_status store(nce_exec *e, const nce_op *op, nce_gpu_span s, const nce_op *q)
{
    const nce_attn_shape *a = op->shape;
    const nce_op *r = q != NULL ? q : op; /* any operation will do where nothing is rotated */
    const uint32_t n_rot = q != NULL ? q->n_rot : 0;
    const size_t q_groups = groups((size_t)r->n_groups * (n_rot / 2));
    return NCE_GPU_RUN(e->device, NCE_GPU_K_KV_STORE, a->n_kv_heads + q_groups, s.n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(e->rows), NCE_GPU_A(e->pages), NCE_GPU_I(op->k_offset), NCE_GPU_I(op->v_offset),
                       NCE_GPU_I(nce_kv_k_bytes(a->type_k, a->n_dk)), NCE_GPU_I(nce_kv_v_bytes(a->type_v, a->n_dv)),
                       NCE_GPU_A(nce_gpu_at(e, op->in)), NCE_GPU_A(nce_gpu_at(e, op->in2)),
                       NCE_GPU_I(nce_gpu_ld(e, op->in)), NCE_GPU_I(nce_gpu_ld(e, op->in2)), NCE_GPU_I(a->n_dk),
                       NCE_GPU_I(a->n_dv), NCE_GPU_I(a->type_k), NCE_GPU_I(a->type_v), NCE_GPU_I(a->n_kv_heads),
                       NCE_GPU_I(n_rot), NCE_GPU_A(e->rope[r->rope]), NCE_GPU_I(e->rope_width[r->rope]),
                       NCE_GPU_I(r->neox), NCE_GPU_A(nce_gpu_at(e, r->in)), NCE_GPU_I(nce_gpu_ld(e, r->in)),
                       NCE_GPU_I(r->n_groups), NCE_GPU_I(r->width));
}

nce_status nce_gpu_kv_store(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    return store(e, op, s, NULL);
}

/* Is q followed by the same rotation of all keys that are stored next? */
static const nce_op *stored_next(const nce_exec *e, const nce_op *q)
{
    const nce_op *k = nce_gpu_next(e, q), *kv = k != NULL ? nce_gpu_next(e, k) : NULL;
    if (kv == NULL || k->kind != NCE_OP_ROPE || kv->kind != NCE_OP_KV_STORE) return NULL;
    const bool same = k->rope == q->rope && k->n_rot == q->n_rot && k->neox == q->neox;
    const bool keys = k->in.slot == kv->in.slot && k->in.column == kv->in.column && k->width == kv->shape->n_dk &&
                      k->n_groups == kv->shape->n_kv_heads;
    return same && keys ? kv : NULL;
}

nce_status nce_gpu_rope(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const size_t pairs = (size_t)op->n_groups * (op->n_rot / 2);
    const nce_op *kv = stored_next(e, op);
    if (pairs == 0) return NCE_OK;
    if (kv != NULL) {
        e->n_done = 2;
        return store(e, kv, s, op);
    }
    return NCE_GPU_RUN(e->device, NCE_GPU_K_ROPE, groups(pairs), s.n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(nce_gpu_at(e, op->in)), NCE_GPU_I(nce_gpu_ld(e, op->in)), NCE_GPU_I(op->n_groups),
                       NCE_GPU_I(op->width), NCE_GPU_I(op->n_rot), NCE_GPU_A(e->rope[op->rope]),
                       NCE_GPU_I(e->rope_width[op->rope]), NCE_GPU_I(op->neox));
}

/* Splits that a row of this step can have at most; depends on positions only through the step's shape. */
static uint32_t splits_of(const nce_exec *e, uint32_t window)
{
    const uint32_t in_window = window == 0 ? UINT32_MAX : (window - 1) / NCE_GPU_SPLIT + 2;
    return in_window < e->shape.n_splits ? in_window : e->shape.n_splits;
}

nce_status nce_gpu_attention(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_attn_shape *a = op->shape;
    const double log2e = 1.4426950408889634, scale = (double)a->scale, cap = (double)a->cap;
    const float c = (float)(a->cap != 0.0f ? 2.0 * scale * log2e / cap : scale * log2e), top = (float)(cap * log2e);
    const uint32_t n_heads = a->n_kv_heads * a->n_group, most = splits_of(e, a->window);
    const size_t floats = s.n_rows * n_heads * most * (a->n_dv + 2u);
    const uint32_t n_splits = s.n_rows <= NCE_GPU_SPLIT_ROWS && most > 1 && floats <= e->parts_floats ? most : 0;
    const nce_gpu_address sinks = nce_gpu_vector_at(e, a->sinks), out = nce_gpu_at(e, op->out);
    const nce_status status =
        NCE_GPU_RUN(e->device, NCE_GPU_K_ATTENTION, s.n_rows * n_heads, n_splits != 0 ? n_splits : 1, NCE_GPU_GROUP,
                    NCE_GPU_A(e->rows), NCE_GPU_A(e->pages), NCE_GPU_I(op->k_offset), NCE_GPU_I(op->v_offset),
                    NCE_GPU_I(nce_kv_k_bytes(a->type_k, a->n_dk)), NCE_GPU_I(nce_kv_v_bytes(a->type_v, a->n_dv)),
                    NCE_GPU_A(nce_gpu_at(e, op->in)), NCE_GPU_I(nce_gpu_ld(e, op->in)), NCE_GPU_A(out),
                    NCE_GPU_I(nce_gpu_ld(e, op->out)), NCE_GPU_A(e->parts), NCE_GPU_I(n_splits), NCE_GPU_I(n_heads),
                    NCE_GPU_I(a->n_group), NCE_GPU_I(a->n_dk), NCE_GPU_I(a->n_dv), NCE_GPU_I(a->window), NCE_GPU_F(c),
                    NCE_GPU_F(top), NCE_GPU_I(a->type_k), NCE_GPU_I(a->type_v), NCE_GPU_A(sinks));
    if (status != NCE_OK || n_splits == 0) return status;
    return NCE_GPU_RUN(e->device, NCE_GPU_K_MERGE, s.n_rows * n_heads, 1, NCE_GPU_GROUP, NCE_GPU_A(e->rows),
                       NCE_GPU_A(e->parts), NCE_GPU_I(n_splits), NCE_GPU_I(n_heads), NCE_GPU_I(a->n_dv),
                       NCE_GPU_I(a->window), NCE_GPU_A(sinks), NCE_GPU_A(out), NCE_GPU_I(nce_gpu_ld(e, op->out)));
}
