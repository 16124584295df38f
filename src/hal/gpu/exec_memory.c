/* Memory of a program on a GPU: one block, laid out once, so that a step cannot fail for lack of memory. */
#include "src/hal/gpu/exec.h"
#include <stdlib.h>
#include <string.h>

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}
static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool has_matrices(const nce_op *op)
{
    return op->kind == NCE_OP_MATMUL || op->kind == NCE_OP_MATMUL_HEADS;
}

/* ---- vectors ---- */
static int by_host(const void *a, const void *b)
{
    const uintptr_t x = (uintptr_t)((const nce_gpu_vector *)a)->host, y = (uintptr_t)((const nce_gpu_vector *)b)->host;
    return (x > y) - (x < y);
}

nce_gpu_address nce_gpu_vector_at(const nce_exec *e, const float *host)
{
    const nce_gpu_vector key = {.host = host};
    if (host == NULL) return 0;
    const nce_gpu_vector *v = bsearch(&key, e->vectors, e->n_vectors, sizeof key, by_host);
    return v->at;
}

static nce_status add_vector(nce_exec *e, const float *host, size_t n)
{
    if (host == NULL) return NCE_OK;
    const nce_status status =
        nce_grow(e->device->base.ctx, (void **)&e->vectors, &e->vectors_capacity, e->n_vectors + 1, sizeof *e->vectors);
    if (status == NCE_OK) e->vectors[e->n_vectors++] = (nce_gpu_vector){host, n, 0};
    return status;
}

static nce_status vectors_of(nce_exec *e, const nce_op *op)
{
    const size_t parts = op->group_weights ? op->n_groups : 1;
    const nce_op_experts *x = &op->experts;
    nce_status status = NCE_OK;
#define ADD(host, n)                                                                                                   \
    if (status == NCE_OK) status = add_vector(e, host, n)
    if (op->kind == NCE_OP_NORM) {
        ADD(op->weight, op->width * parts);
        ADD(op->bias, op->width * parts);
    }
    for (uint32_t i = 0; has_matrices(op) && i < op->n_matrices; i++)
        ADD(op->matrix[i].bias, op->matrix[i].w->n_rows);
    if (op->kind == NCE_OP_ATTENTION) ADD(op->shape->sinks, (size_t)op->shape->n_kv_heads * op->shape->n_group);
    if (op->kind == NCE_OP_ROUTE) ADD(op->route.bias, op->route.n_experts);
    if (op->kind == NCE_OP_EXPERTS) {
        if (x->gate != NULL) ADD(x->gate_bias, x->gate->n_rows * x->gate->n_experts);
        ADD(x->up_bias, x->up->n_rows * x->up->n_experts);
        ADD(x->down_bias, x->down->n_rows * x->down->n_experts);
    }
#undef ADD
    return status;
}

/* All vectors of the program, each once. */
static nce_status collect_vectors(nce_exec *e)
{
    for (size_t i = 0; i < e->program->n_ops; i++) {
        const nce_status status = vectors_of(e, &e->program->ops[i]);
        if (status != NCE_OK) return status;
    }
    if (e->n_vectors == 0) return NCE_OK;
    qsort(e->vectors, e->n_vectors, sizeof *e->vectors, by_host);
    size_t n = 1;
    for (size_t i = 1; i < e->n_vectors; i++)
        if (e->vectors[i].host != e->vectors[n - 1].host)
            e->vectors[n++] = e->vectors[i];
        else
            e->vectors[n - 1].n = max_size(e->vectors[n - 1].n, e->vectors[i].n);
    e->n_vectors = n;
    return NCE_OK;
}

static nce_status upload_vectors(nce_exec *e)
{
    nce_gpu *gpu = e->device->gpu;
    nce_status status = NCE_OK;
    for (size_t i = 0; status == NCE_OK && i < e->n_vectors; i++)
        status = gpu->ops->upload(gpu, e->vectors[i].at, e->vectors[i].host, e->vectors[i].n * sizeof(float));
    return status == NCE_OK ? gpu->ops->sync(gpu) : status;
}

/* ---- what the kernels can do ---- */
static nce_status check_weight(nce_context *ctx, const nce_weight *w)
{
    if (w == NULL) return NCE_OK;
    if (nce_gpu_type_of(w->type->id) == NULL)
        return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "no GPU kernel for weights of type %s", w->type->name);
    if (w->row_bytes > INT32_MAX || w->expert_bytes > UINT32_MAX)
        return nce_fail(ctx, NCE_ERR_LIMIT, "a matrix of %zu bytes is too large for the GPU kernels", w->expert_bytes);
    return NCE_OK;
}

static nce_status check_op(nce_context *ctx, const nce_op *op)
{
    const nce_op_route *r = &op->route;
    nce_status status = NCE_OK;
    if (!nce_gpu_runs(op->kind))
        return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "operation %d has no GPU kernel", (int)op->kind);
    for (uint32_t i = 0; has_matrices(op) && i < op->n_matrices && status == NCE_OK; i++)
        status = check_weight(ctx, op->matrix[i].w);
    if (op->kind == NCE_OP_EMBED || op->kind == NCE_OP_POSITION) status = check_weight(ctx, op->table);
    if (op->kind == NCE_OP_EXPERTS) {
        const nce_weight *all[] = {op->experts.gate, op->experts.up, op->experts.down};
        for (int i = 0; i < 3 && status == NCE_OK; i++)
            status = check_weight(ctx, all[i]);
    }
    if (op->kind == NCE_OP_ROUTE && (r->n_experts > NCE_GPU_EXPERTS_MAX || r->n_groups > 64))
        return nce_fail(ctx, NCE_ERR_LIMIT, "%u experts in %u groups: the GPU kernels choose among %d in 64",
                        r->n_experts, r->n_groups, NCE_GPU_EXPERTS_MAX);
    if (op->kind == NCE_OP_ATTENTION && (op->shape->n_dk > NCE_GPU_HEAD_MAX || op->shape->n_dv > NCE_GPU_HEAD_MAX))
        return nce_fail(ctx, NCE_ERR_LIMIT, "heads of %u and %u: the GPU kernels take %d", op->shape->n_dk,
                        op->shape->n_dv, NCE_GPU_HEAD_MAX);
    return status;
}

/* ---- layout ---- */
typedef struct sizes {
    size_t codes[2], scales[2], heads_dv, pairs, tiles, mid, out;
} sizes;

static void need_act(sizes *s, const nce_weight *w, size_t n_cols)
{
    if (w == NULL || w->type->act_block == 0) return;
    const int i = w->type->act_block == 256;
    s->codes[i] = max_size(s->codes[i], n_cols * w->k);
    s->scales[i] = max_size(s->scales[i], n_cols * (w->k / w->type->act_block) * sizeof(float));
}

static sizes measure(nce_exec *e)
{
    sizes s = {0};
    const size_t expert_rows = min_size(e->o.max_rows, NCE_GPU_EXPERT_ROWS);
    for (size_t i = 0; i < e->program->n_ops; i++) {
        const nce_op *op = &e->program->ops[i];
        for (uint32_t m = 0; has_matrices(op) && m < op->n_matrices; m++)
            need_act(&s, op->matrix[m].w, e->o.max_rows * (op->kind == NCE_OP_MATMUL_HEADS ? op->n_groups : 1));
        if (op->kind == NCE_OP_ROPE) e->rope_width[op->rope] = op->n_rot;
        if (op->kind == NCE_OP_ATTENTION)
            s.heads_dv =
                max_size(s.heads_dv, (size_t)op->shape->n_kv_heads * op->shape->n_group * (op->shape->n_dv + 2u));
        if (op->kind != NCE_OP_EXPERTS) continue;
        const nce_op_experts *x = &op->experts;
        const size_t pairs = expert_rows * x->n_used;
        s.pairs = max_size(s.pairs, pairs);
        s.tiles = max_size(s.tiles, pairs / NCE_GPU_MM_COLS + x->up->n_experts);
        s.mid = max_size(s.mid, pairs * x->up->n_rows);
        s.out = max_size(s.out, pairs * x->down->n_rows);
        need_act(&s, x->gate, expert_rows);
        need_act(&s, x->up, expert_rows);
        need_act(&s, x->down, pairs);
    }
    return s;
}

static void place(nce_gpu_address *at, nce_gpu_address *end, size_t bytes)
{
    *at = *end;
    *end += (bytes + 255) & ~(size_t)255;
}

/* Everything from base on; returns the end.  The staged part comes first. */
static nce_gpu_address lay_out(nce_exec *e, const sizes *s, nce_gpu_address base)
{
    const nce_program *p = e->program;
    nce_gpu_address end = base;
    place(&e->rows, &end, (size_t)e->o.max_rows * NCE_GPU_ROW_INTS * sizeof(int32_t));
    for (int i = 0; i < NCE_MAX_ROPE; i++)
        place(&e->rope[i], &end, (size_t)e->o.max_rows * e->rope_width[i] * sizeof(float));
    place(&e->pages, &end, e->n_pages * sizeof(nce_gpu_address));
    e->stage_bytes = (size_t)(end - base);
    for (uint32_t i = 0; i < p->n_slots; i++)
        place(&e->slot[i], &end,
              (p->slot_head[i] ? min_size(e->o.max_selected, NCE_GPU_HEAD_ROWS) : e->o.max_rows) *
                  (size_t)p->slot_width[i] * sizeof(float));
    for (size_t i = 0; i < e->n_vectors; i++)
        place(&e->vectors[i].at, &end, e->vectors[i].n * sizeof(float));
    for (int i = 0; i < 2; i++) {
        place(&e->codes[i], &end, s->codes[i]);
        place(&e->scales[i], &end, s->scales[i]);
    }
    place(&e->parts, &end, e->parts_floats * sizeof(float));
    place(&e->ids, &end, (size_t)e->o.max_rows * NCE_MAX_EXPERTS_USED * (s->pairs != 0) * sizeof(int32_t));
    place(&e->weights, &end, (size_t)e->o.max_rows * NCE_MAX_EXPERTS_USED * (s->pairs != 0) * sizeof(float));
    place(&e->order, &end, s->pairs * sizeof(int32_t));
    place(&e->tiles, &end, s->tiles * 3 * sizeof(int32_t));
    place(&e->gate, &end, s->mid * sizeof(float));
    place(&e->up, &end, s->mid * sizeof(float));
    place(&e->y, &end, s->out * sizeof(float));
    return end;
}

static nce_status take_memory(nce_exec *e)
{
    nce_gpu *gpu = e->device->gpu;
    sizes s = measure(e);
    const size_t splits = nce_gpu_groups(e->o.max_positions, NCE_GPU_SPLIT);
    e->n_pages = (size_t)e->o.max_runs * nce_gpu_groups(e->o.max_positions, NCE_GPU_PAGE);
    e->parts_floats =
        s.heads_dv * splits * min_size(e->o.max_rows, 4); /* a few rows of a long context, more of a short one */
    e->memory_bytes = (size_t)lay_out(e, &s, 0);
    nce_status status = nce_gpu_take(e->device, e->memory_bytes, &e->memory);
    if (status != NCE_OK) return status;
    lay_out(e, &s, e->memory);
    void *stage;
    status = gpu->ops->host_alloc(gpu, e->stage_bytes, &stage);
    if (status != NCE_OK) return status;
    e->stage = stage;
    return upload_vectors(e);
}

nce_status nce_gpu_exec_create(nce_device *base, const nce_program *p, const nce_exec_options *o, nce_exec **out)
{
    nce_gpu_device *d = (nce_gpu_device *)base;
    *out = NULL;
    if (o->max_rows > UINT16_MAX)
        return nce_fail(base->ctx, NCE_ERR_LIMIT, "%u tokens a step: a GPU takes %d", o->max_rows, UINT16_MAX);
    nce_exec *e = nce_alloc_zero(base->ctx, sizeof *e);
    if (e == NULL) return nce_fail_nomem(base->ctx, sizeof *e);
    e->device = d;
    e->program = p;
    e->o = *o;
    nce_status status = NCE_OK;
    while (e->first_head < p->n_ops && !p->ops[e->first_head].head)
        e->first_head++;
    for (size_t i = 0; status == NCE_OK && i < p->n_ops; i++)
        status = check_op(base->ctx, &p->ops[i]);
    if (status == NCE_OK) status = collect_vectors(e);
    pthread_mutex_lock(&d->lock);
    if (status == NCE_OK) status = take_memory(e);
    pthread_mutex_unlock(&d->lock);
    if (status != NCE_OK) {
        nce_gpu_exec_destroy(e);
        return status;
    }
    *out = e;
    return NCE_OK;
}

void nce_gpu_exec_destroy(nce_exec *e)
{
    if (e == NULL) return;
    nce_gpu_device *d = e->device;
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < NCE_GPU_GRAPHS; i++)
        if (e->replay[i].graph != NULL) d->gpu->ops->graph_destroy(d->gpu, e->replay[i].graph);
    nce_gpu_give(d, e->memory, e->memory_bytes);
    if (e->stage != NULL) d->gpu->ops->host_free(d->gpu, e->stage);
    pthread_mutex_unlock(&d->lock);
    nce_free(d->base.ctx, e->vectors);
    nce_free(d->base.ctx, e);
}

size_t nce_gpu_exec_bytes(const nce_exec *e)
{
    return e->memory_bytes + e->stage_bytes + sizeof *e;
}
