/* Working memory of a program on the CPU: all of it is taken here, so that a step cannot fail for lack of memory. */
#include "src/hal/cpu/exec.h"
#include <string.h>

static bool take(nce_exec *e, void *target, size_t count, size_t size)
{
    void *p = nce_alloc_array(e->device->base.ctx, count, size);
    memcpy(target, &p, sizeof p);
    if (p != NULL) e->bytes += count * size;
    return p != NULL;
}

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static bool take_slots(nce_exec *e)
{
    const nce_program *p = e->program;
    for (uint32_t i = 0; i < p->n_slots; i++) {
        const size_t rows = p->slot_head[i] ? e->o.max_selected : e->o.max_rows;
        if (i != p->logits_slot && !take(e, &e->slot[i], rows * p->slot_width[i], sizeof(float))) return false;
    }
    return true;
}

/* The layout of packed activations changes with the number of columns: small numbers and the limits decide. */
enum { LAYOUTS_BELOW = 64 };

static size_t most_act_bytes(const nce_matmul_ops *ops, uint32_t block, size_t n_cols, size_t k)
{
    size_t most = ops->act_bytes(block, n_cols, k);
    for (size_t n = 1; n < n_cols && n <= LAYOUTS_BELOW; n++)
        most = max_size(most, ops->act_bytes(block, n, k));
    return most;
}

/* Enough for n_cols columns in up to n_parts parts of any sizes, each packed for itself and aligned. */
static size_t parts_act_bytes(const nce_matmul_ops *ops, uint32_t block, size_t n_cols, size_t k, size_t n_parts)
{
    size_t column = 0;
    for (size_t n = 1; n <= n_cols && n <= LAYOUTS_BELOW; n++)
        column = max_size(column, (ops->act_bytes(block, n, k) + n - 1) / n);
    return n_cols * column + n_parts * 64;
}

static int act_slot(uint32_t block) { return block == 0 ? 0 : block == 32 ? 1 : 2; }

/* Packed activations: the largest of each block size over all products. */
static bool take_acts(nce_exec *e)
{
    const nce_matmul_ops *ops = &e->device->k.matmul;
    size_t bytes[3] = {0}, head_parts[3] = {0};
    for (size_t i = 0; i < e->program->n_ops; i++) {
        const nce_op *op = &e->program->ops[i];
        for (uint32_t m = 0; op->kind == NCE_OP_MATMUL && m < op->n_matrices; m++) {
            const nce_weight *w = op->matrix[m].w;
            const int a = act_slot(w->type->act_block);
            bytes[a] = max_size(bytes[a], most_act_bytes(ops, w->type->act_block, e->o.max_rows, w->k));
        }
        if (op->kind == NCE_OP_MATMUL_HEADS) {
            const nce_weight *w = op->matrix[0].w;
            const int a = act_slot(w->type->act_block);
            const size_t one = (most_act_bytes(ops, w->type->act_block, e->o.max_rows, w->k) + 63) & ~(size_t)63;
            e->head_act_bytes = max_size(e->head_act_bytes, one);
            head_parts[a] = max_size(head_parts[a], op->n_groups);
        }
    }
    for (int a = 0; a < 3; a++)
        bytes[a] = max_size(bytes[a], head_parts[a] * e->head_act_bytes);
    for (int a = 0; a < 3; a++)
        if (bytes[a] != 0 && !take(e, &e->act[a], bytes[a] + 64, 1)) return false;
    return true;
}

static bool take_attention(nce_exec *e)
{
    size_t parts = 0;
    for (size_t i = 0; i < e->program->n_ops; i++) {
        const nce_op *op = &e->program->ops[i];
        if (op->kind != NCE_OP_ATTENTION) continue;
        for (size_t n = 1; n <= 16 && n <= e->o.max_rows; n++)
            parts = max_size(parts, nce_attn_parts_bytes(op->shape, n, e->o.max_positions));
        parts = max_size(parts, nce_attn_parts_bytes(op->shape, e->o.max_rows, e->o.max_positions));
    }
    e->parts_floats = (parts + 63) / 64 * 16;
    const size_t n = e->o.max_runs < NCE_CPU_ATTN_GROUP ? e->o.max_runs : NCE_CPU_ATTN_GROUP;
    return take(e, &e->parts, n * e->parts_floats, sizeof(float)) && take(e, &e->calls, NCE_CPU_ATTN_GROUP, sizeof *e->calls);
}

static bool take_scratch(nce_exec *e)
{
    size_t bytes = e->device->k.matmul.scratch_bytes;
    const size_t cols = e->o.max_rows > NCE_CPU_DECODE_COLS ? e->o.max_rows : NCE_CPU_DECODE_COLS;
    e->tile_floats = cols * NCE_CPU_CHUNK_ROWS;
    for (size_t i = 0; i < e->program->n_ops; i++) {
        const nce_op *op = &e->program->ops[i];
        if (op->kind == NCE_OP_ATTENTION) bytes = max_size(bytes, nce_attn_scratch_bytes(op->shape));
        if (op->kind == NCE_OP_ROUTE) bytes = max_size(bytes, op->route.n_experts * sizeof(float));
    }
    bytes = (bytes + 63) & ~(size_t)63;
    if (!take(e, &e->scratch, e->o.n_threads, sizeof *e->scratch)) return false;
    for (uint32_t i = 0; i < e->o.n_threads; i++)
        if (!take(e, &e->scratch[i], e->tile_floats * sizeof(float) + bytes, 1)) return false;
    return true;
}

static bool take_experts(nce_exec *e)
{
    nce_cpu_experts *x = &e->experts;
    const nce_matmul_ops *ops = &e->device->k.matmul;
    size_t used = 0, experts = 0, in = 0, mid = 0, out = 0, act = 0;
    for (size_t i = 0; i < e->program->n_ops; i++) {
        const nce_op_experts *o = &e->program->ops[i].experts;
        if (e->program->ops[i].kind != NCE_OP_EXPERTS) continue;
        used = max_size(used, o->n_used);
        experts = max_size(experts, o->up->n_experts);
        in = max_size(in, o->up->k);
        mid = max_size(mid, o->down->k);
        out = max_size(out, o->down->n_rows);
        const size_t pairs = (size_t)e->o.max_rows * o->n_used;
        const size_t filled = pairs < o->up->n_experts ? pairs : o->up->n_experts;
        const nce_weight *w[2] = {o->up, o->down};
        for (int j = 0; j < 2; j++)
            act = max_size(act, parts_act_bytes(ops, w[j]->type->act_block, pairs, w[j]->k, filled));
    }
    if (used == 0) return true;
    const size_t pairs = (size_t)e->o.max_rows * used;
    return take(e, &x->ids, pairs, sizeof *x->ids) && take(e, &x->weights, pairs, sizeof *x->weights) &&
           take(e, &x->first, experts + 1, sizeof *x->first) && take(e, &x->pair_row, pairs, sizeof *x->pair_row) &&
           take(e, &x->pair_slot, pairs, sizeof *x->pair_slot) && take(e, &x->x, pairs * in, sizeof(float)) &&
           take(e, &x->gate, pairs * mid, sizeof(float)) && take(e, &x->up, pairs * mid, sizeof(float)) &&
           take(e, &x->y, pairs * out, sizeof(float)) && take(e, &x->act, act, 1) &&
           take(e, &x->act_at, experts, sizeof *x->act_at);
}

nce_status nce_cpu_exec_create(nce_device *d, const nce_program *p, const nce_exec_options *o, nce_exec **out)
{
    nce_exec *e = nce_alloc_zero(d->ctx, sizeof *e);
    *out = NULL;
    if (e == NULL) return nce_fail_nomem(d->ctx, sizeof *e);
    e->device = (nce_cpu_device *)d;
    e->program = p;
    e->o = *o;
    e->bytes = sizeof *e;
    if (!take_slots(e) || !take_acts(e) || !take_attention(e) || !take_scratch(e) || !take_experts(e) || !nce_cpu_sparse_take(e) ||
        !take(e, &e->next, 2 * p->n_ops, sizeof *e->next)) {
        nce_cpu_exec_destroy(e);
        return nce_fail(d->ctx, NCE_ERR_NOMEM, "no memory for the activations of %u tokens a step", o->max_rows);
    }
    *out = e;
    return NCE_OK;
}

void nce_cpu_exec_destroy(nce_exec *e)
{
    if (e == NULL) return;
    nce_context *ctx = e->device->base.ctx;
    nce_cpu_experts *x = &e->experts;
    void *const all[] = {x->ids, x->weights, x->first, x->pair_row, x->pair_slot, x->x,     x->gate,  x->up,
                         x->y,   x->act,     x->act_at, e->act[0],  e->act[1],    e->act[2], e->parts, e->calls, e->next};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        nce_free(ctx, all[i]);
    for (uint32_t i = 0; i < NCE_MAX_SLOTS; i++)
        nce_free(ctx, e->slot[i]);
    for (uint32_t i = 0; e->scratch != NULL && i < e->o.n_threads; i++)
        nce_free(ctx, e->scratch[i]);
    nce_free(ctx, e->scratch);
    nce_free(ctx, e->sparse);
    nce_free(ctx, e->sparse_memory);
    nce_free(ctx, e);
}

size_t nce_cpu_exec_bytes(const nce_exec *e)
{
    return e->bytes;
}

nce_status nce_cpu_exec_read(nce_exec *e, uint32_t slot, size_t n_rows, float *host)
{
    memcpy(host, e->slot[slot], n_rows * e->program->slot_width[slot] * sizeof *host);
    return NCE_OK;
}

nce_status nce_cpu_exec_write(nce_exec *e, uint32_t slot, size_t n_rows, const float *host)
{
    memcpy(e->slot[slot], host, n_rows * e->program->slot_width[slot] * sizeof *host);
    return NCE_OK;
}
