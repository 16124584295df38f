/* Row-wise operations: each thread works on its rows, which are the same ones in every operation of a chain. */
#include "src/hal/cpu/exec.h"
#include <string.h>

#define FOR_MY_ROWS(r)                                       \
    size_t from_, to_;                                       \
    nce_cpu_share(t, nce_cpu_rows(t, op), &from_, &to_);     \
    for (size_t r = from_; r < to_; r++)

bool nce_cpu_row_wise(nce_op_kind kind)
{
    switch (kind) {
    case NCE_OP_MATMUL:
    case NCE_OP_ATTENTION:
    case NCE_OP_SELECT:
    case NCE_OP_EXPERTS:
    case NCE_OP_MATMUL_HEADS:
        return false;
    default:
        return true;
    }
}

bool nce_cpu_embed(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    const nce_weight *w = op->table;
    FOR_MY_ROWS(r)
    {
        float *out = nce_cpu_row(t, op->out, r);
        nce_type_to_f32(w->type, w->buffer->address + w->offset + (size_t)t->step->tokens[r] * w->row_bytes, out, w->k);
        if (op->scale != 1.0f) t->k->vec.scale(out, out, w->k, op->scale);
    }
    return false;
}

bool nce_cpu_norm(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    for (uint32_t g = 0; g < op->n_groups; g++) {
        const size_t at = (size_t)g * op->width, wat = op->group_weights ? at : 0;
        float *y = nce_cpu_row(t, op->out, r) + at;
        const float *x = nce_cpu_row(t, op->in, r) + at, *w = op->weight ? op->weight + wat : NULL;
        if (op->norm == NCE_NORM_RMS) t->k->vec.rms_norm(y, x, w, op->width, op->eps);
        else t->k->vec.layer_norm(y, x, w, op->bias ? op->bias + wat : NULL, op->width, op->eps);
    }
    return false;
}

bool nce_cpu_rope(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    const float *table = t->step->rope[op->rope];
    FOR_MY_ROWS(r)
    t->k->vec.rope(nce_cpu_row(t, op->in, r), op->n_groups, op->width, op->n_rot,
                   table + r * t->step->rope_width[op->rope], op->neox);
    return false;
}

/* Position of a row; rows come in ascending order, *run remembers the run they are in. */
static size_t position_of(const nce_step *s, size_t row, size_t *run)
{
    while (row >= s->runs[*run].row0 + s->runs[*run].n_rows)
        ++*run;
    return s->runs[*run].pos0 + (row - s->runs[*run].row0);
}

bool nce_cpu_position(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    const nce_weight *w = op->table;
    float *learned = (float *)t->e->scratch[t->id];
    size_t run = 0;
    FOR_MY_ROWS(r)
    {
        const uint8_t *row = w->buffer->address + w->offset + position_of(t->step, r, &run) * w->row_bytes;
        nce_type_to_f32(w->type, row, learned, w->k);
        t->k->vec.add(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), learned, op->width);
    }
    return false;
}

bool nce_cpu_kv_store(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    const nce_step *s = t->step;
    size_t run = 0;
    FOR_MY_ROWS(r)
    {
        const size_t position = position_of(s, r, &run);
        uint8_t *page = s->runs[run].pages[position / NCE_KV_PAGE];
        t->k->attn.store(op->shape, page + op->k_offset, page + op->v_offset, position % NCE_KV_PAGE,
                         nce_cpu_row(t, op->in, r), nce_cpu_row(t, op->in2, r));
    }
    return false;
}

bool nce_cpu_act(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    t->k->vec.act(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), op->width, op->f);
    return false;
}

bool nce_cpu_glu(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    t->k->vec.glu(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), nce_cpu_row(t, op->in2, r), op->width, op->f);
    return false;
}

bool nce_cpu_add(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    t->k->vec.add(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), nce_cpu_row(t, op->in2, r), op->width);
    return false;
}

bool nce_cpu_scale(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    t->k->vec.scale(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), op->width, op->scale);
    return false;
}

bool nce_cpu_scale_by(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    t->k->vec.scale(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), op->width, *nce_cpu_row(t, op->in2, r));
    return false;
}

bool nce_cpu_softcap(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    t->k->vec.softcap(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, r), op->width, op->scale);
    return false;
}

bool nce_cpu_copy(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    for (uint32_t g = 0; g < op->n_groups; g++)
        memcpy(nce_cpu_row(t, op->out, r) + (size_t)g * op->out_stride, nce_cpu_row(t, op->in, r) + (size_t)g * op->in_stride,
               op->width * sizeof(float));
    return false;
}

bool nce_cpu_select(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    FOR_MY_ROWS(r)
    memcpy(nce_cpu_row(t, op->out, r), nce_cpu_row(t, op->in, t->step->selected[r]), op->width * sizeof(float));
    return false;
}
