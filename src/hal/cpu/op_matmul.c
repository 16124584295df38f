/* Matrix products: the input is packed once per block size, then threads take rows of the weights.
 *
 * One token: threads get fixed contiguous rows, one linear stream each (a shared counter would make one thread prefetch
 * what the other reads).  Many tokens: chunks of rows from a counter, so that a disturbed thread does not hold the rest. */
#include "src/hal/cpu/exec.h"

static int act_index(uint32_t block)
{
    return block == 0 ? 0 : block == 32 ? 1 : 2;
}

static void epilogue(const nce_vec_ops *vec, const nce_op_matrix *m, float scale, const float *bias, const float *tile,
                     float *y, size_t n)
{
    float *dst = m->add ? (float *)(uintptr_t)tile : y;
    if (scale != 1.0f) vec->scale(dst, tile, n, scale), tile = dst;
    if (bias != NULL) vec->add(dst, tile, bias, n), tile = dst;
    if (m->add) vec->add(y, y, tile, n);
}

void nce_cpu_product(nce_cpu_thread *t, const nce_op_matrix *m, const uint8_t *w, const float *bias, const nce_act *a,
                     const nce_sparse_weight *sparse, size_t row0, size_t row1, float *y, size_t ld_y)
{
    const nce_matmul_ops *ops = &t->k->matmul;
    uint8_t *scratch = t->e->scratch[t->id];
    float *tile = (float *)scratch;
    void *rest = scratch + t->e->tile_floats * sizeof(float);
    const float scale = m->w->scale * m->scale;
    const bool direct = !m->add && bias == NULL && scale == 1.0f;
    const size_t most = a->n_cols <= NCE_CPU_DECODE_COLS ? t->e->tile_floats / a->n_cols / 64 * 64 : NCE_CPU_CHUNK_ROWS;
    for (size_t r = row0; r < row1;) {
        const size_t n = direct ? row1 - r : row1 - r < most ? row1 - r : most;
        float *to = direct ? y + r : tile;
        const nce_cpu_device *d = t->e->device;
        if (sparse != NULL) {
            t->k->sparse(sparse, &t->e->sparse_act, r, n, to);
        } else if (d->product != NULL && a->block != 0) {
            const nce_status status = d->product(d->product_user, m->w->type, w + r * m->w->row_bytes, m->w->row_bytes, n, a, to, direct ? ld_y : n);
            if (status != NCE_OK) t->e->status = status;
        } else {
            ops->product(m->w->type, w + r * m->w->row_bytes, m->w->row_bytes, n, a, to, direct ? ld_y : n, rest);
        }
        for (size_t c = 0; c < a->n_cols && !direct; c++)
            epilogue(&t->k->vec, m, scale, bias ? bias + r : NULL, tile + c * n, y + c * ld_y + r, n);
        r += n;
    }
}

static void pack_inputs(nce_cpu_thread *t, const nce_op *op, const nce_act acts[3], size_t part, size_t n_parts)
{
    const float *x = nce_cpu_row(t, op->in, 0);
    for (int i = 0; i < 3; i++)
        if (acts[i].data != NULL) t->k->matmul.pack(&acts[i], x, nce_cpu_ld(t, op->in), part, n_parts);
}

static void fixed_rows(nce_cpu_thread *t, const nce_op *op, const nce_act acts[3], const nce_sparse_weight *sparse)
{
    const size_t granule = sparse != NULL ? NCE_SPARSE_UNIT : t->k->matmul.row_granule;
    for (uint32_t i = 0; i < op->n_matrices; i++) {
        const nce_op_matrix *m = &op->matrix[i];
        const size_t units = (m->w->n_rows + granule - 1) / granule;
        size_t from, to;
        nce_cpu_share(t, units, &from, &to);
        from *= granule, to *= granule;
        if (to > m->w->n_rows) to = m->w->n_rows;
        if (from >= to) continue;
        nce_cpu_product(t, m, m->w->buffer->address + m->w->offset, m->bias, &acts[act_index(m->w->type->act_block)], sparse, from, to,
                        nce_cpu_row(t, m->out, 0), nce_cpu_ld(t, m->out));
    }
}

static void chunked_rows(nce_cpu_thread *t, const nce_op *op, size_t index, const nce_act acts[3])
{
    size_t total = 0, n_chunks[NCE_MAX_SHARED_INPUT];
    for (uint32_t i = 0; i < op->n_matrices; i++)
        total += n_chunks[i] = (op->matrix[i].w->n_rows + NCE_CPU_CHUNK_ROWS - 1) / NCE_CPU_CHUNK_ROWS;
    for (size_t chunk; (chunk = atomic_fetch_add_explicit(&t->e->next[index], 1, memory_order_relaxed)) < total;) {
        uint32_t i = 0;
        while (chunk >= n_chunks[i])
            chunk -= n_chunks[i++];
        const nce_op_matrix *m = &op->matrix[i];
        const size_t from = chunk * NCE_CPU_CHUNK_ROWS, to = from + NCE_CPU_CHUNK_ROWS;
        nce_cpu_product(t, m, m->w->buffer->address + m->w->offset, m->bias, &acts[act_index(m->w->type->act_block)], NULL, from,
                        to < m->w->n_rows ? to : m->w->n_rows, nce_cpu_row(t, m->out, 0), nce_cpu_ld(t, m->out));
    }
}

bool nce_cpu_matmul(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    const size_t n = nce_cpu_rows(t, op);
    nce_act acts[3] = {{0}};
    for (uint32_t i = 0; i < op->n_matrices; i++) {
        const nce_weight *w = op->matrix[i].w;
        const int a = act_index(w->type->act_block);
        acts[a] = (nce_act){w->type->act_block, n, w->k, t->e->act[a]};
    }
    if (n == 1) { /* the row was made by thread 0: packing it there saves a barrier */
        if (t->id == 0 && !nce_cpu_sparse_pack(t->e, index / 2, nce_cpu_row(t, op->in, 0))) pack_inputs(t, op, acts, 0, 1);
    } else {
        if (nce_team_barrier(&t->e->team, t->id)) return true;
        pack_inputs(t, op, acts, t->id, t->n);
    }
    if (nce_team_barrier(&t->e->team, t->id)) return true;
    size_t from, to;
    nce_cpu_share(t, op->matrix[0].w->k, &from, &to);
    nce_cpu_observe(&op->seen, 0, nce_cpu_row(t, op->in, 0), nce_cpu_ld(t, op->in), n, op->matrix[0].w->k, from, to);
    if (n <= NCE_CPU_DECODE_COLS) fixed_rows(t, op, acts, n == 1 ? t->e->sparse_now : NULL);
    else chunked_rows(t, op, index, acts);
    return false;
}

/* One product per head.  Heads are packed each for itself; rows of all heads are then handed out as chunks of one list. */
bool nce_cpu_matmul_heads(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    const size_t n = nce_cpu_rows(t, op);
    const nce_op_matrix *m = &op->matrix[0];
    const nce_weight *w = m->w;
    const size_t n_chunks = (w->n_rows + NCE_CPU_CHUNK_ROWS - 1) / NCE_CPU_CHUNK_ROWS;
    uint8_t *acts = t->e->act[act_index(w->type->act_block)];
    if (nce_team_barrier(&t->e->team, t->id)) return true;
    for (size_t h = t->id; h < op->n_groups; h += t->n) {
        const nce_act a = {w->type->act_block, n, w->k, acts + h * t->e->head_act_bytes};
        const float *x = nce_cpu_row(t, op->in, 0) + h * op->in_stride;
        t->k->matmul.pack(&a, x, nce_cpu_ld(t, op->in), 0, 1);
        nce_cpu_observe(&op->seen, h, x, nce_cpu_ld(t, op->in), n, w->k, 0, w->k);
    }
    if (nce_team_barrier(&t->e->team, t->id)) return true;
    for (size_t unit; (unit = atomic_fetch_add_explicit(&t->e->next[index], 1, memory_order_relaxed)) < op->n_groups * n_chunks;) {
        const size_t h = unit / n_chunks, from = unit % n_chunks * NCE_CPU_CHUNK_ROWS, to = from + NCE_CPU_CHUNK_ROWS;
        const nce_act a = {w->type->act_block, n, w->k, acts + h * t->e->head_act_bytes};
        nce_cpu_product(t, m, w->buffer->address + w->offset + h * w->expert_bytes, NULL, &a, NULL, from, to < w->n_rows ? to : w->n_rows,
                        nce_cpu_row(t, op->out, 0) + h * op->out_stride, nce_cpu_ld(t, op->out));
    }
    return false;
}
