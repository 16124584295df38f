/* Products and experts: activations are packed once for each size of block, then every matrix is a launch. */
#include "src/hal/gpu/exec.h"
#include <string.h>

/* What a product reads, and how it is spread. */
typedef struct operands {
    nce_gpu_address x;
    uint32_t ld_x;
    size_t n_cols;
    nce_gpu_address ids;     /* experts of the columns, or 0 */
    bool grouped;            /* e->order and e->tiles say the same, sorted */
    uint32_t x_div;          /* columns that share a row of x */
    size_t n_heads;          /* matrices side by side, each with its own input and output */
    uint32_t x_step, y_step; /* from head to head */
} operands;

nce_gpu_address nce_gpu_codes(const nce_exec *e, uint32_t block)
{
    return e->codes[block == 256];
}
nce_gpu_address nce_gpu_scales(const nce_exec *e, uint32_t block)
{
    return e->scales[block == 256];
}

/* Parts of x, x_step apart, to codes that lie one part after the other. */
static nce_status pack(nce_exec *e, uint32_t block, nce_gpu_address x, uint32_t ld_x, size_t k, size_t n_rows,
                       size_t n_parts, uint32_t x_step, const nce_gpu_front *f)
{
    const nce_gpu_value values[] = {NCE_GPU_A(x),
                                    NCE_GPU_I(ld_x),
                                    NCE_GPU_I(k),
                                    NCE_GPU_I(block),
                                    NCE_GPU_A(nce_gpu_codes(e, block)),
                                    NCE_GPU_A(nce_gpu_scales(e, block)),
                                    NCE_GPU_I(x_step),
                                    NCE_GPU_I(n_rows * k),
                                    NCE_GPU_I(f->what),
                                    NCE_GPU_I(f->f),
                                    NCE_GPU_A(f->other),
                                    NCE_GPU_I(f->ld_other),
                                    NCE_GPU_A(f->out),
                                    NCE_GPU_I(f->ld_out)};
    return nce_gpu_run(e->device, NCE_GPU_K_PACK, nce_gpu_groups(k, NCE_GPU_PACK), n_rows, n_parts, NCE_GPU_PACK,
                       values, sizeof values / sizeof *values);
}

nce_status nce_gpu_pack_front(nce_exec *e, uint32_t block, nce_gpu_address x, uint32_t ld_x, size_t k, size_t n_rows,
                              const nce_gpu_front *front)
{
    return pack(e, block, x, ld_x, k, n_rows, 1, 0, front);
}

uint32_t nce_gpu_pack_ahead(nce_exec *e, const nce_op *op)
{
    const nce_op *next = nce_gpu_next(e, op);
    if (next == NULL || next->kind != NCE_OP_MATMUL || next->in.slot != op->out.slot ||
        next->in.column != op->out.column)
        return 0;
    for (uint32_t i = 0; i < next->n_matrices; i++) {
        const nce_weight *w = next->matrix[i].w;
        if (w->type->act_block == 0 || w->k != op->width) continue;
        e->packed = next;
        return e->packed_block = w->type->act_block;
    }
    return 0;
}

/* The input of these weights in every size of block that they need but done, which it is in already. */
static nce_status pack_for(nce_exec *e, const nce_weight *const *w, size_t n, nce_gpu_address x, uint32_t ld_x,
                           size_t n_rows, uint32_t ready)
{
    static const nce_gpu_front none = {.what = NCE_GPU_ROWS_NONE};
    bool done[2] = {ready == 32, ready == 256};
    for (size_t i = 0; i < n; i++) {
        const uint32_t block = w[i] != NULL ? w[i]->type->act_block : 0;
        if (block == 0 || done[block == 256]) continue;
        done[block == 256] = true;
        const nce_status status = pack(e, block, x, ld_x, w[i]->k, n_rows, 1, 0, &none);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

const char *const nce_gpu_path_names[NCE_GPU_PATHS] = {"floats", "vectors", "tiles", "tensor cores"};

/* What the paths' kernels take at a time. */
static const struct {
    uint32_t rows, cols, group;
} tiles[NCE_GPU_PATHS] = {
    [NCE_GPU_FLOATS] = {NCE_GPU_FLOAT_ROWS, NCE_GPU_FLOAT_COLS, NCE_GPU_GROUP},
    [NCE_GPU_VECTORS] = {NCE_GPU_MV_ROWS, 1, NCE_GPU_GROUP},
    [NCE_GPU_TILES] = {NCE_GPU_MM_ROWS, NCE_GPU_MM_COLS, NCE_GPU_GROUP},
    [NCE_GPU_TENSORS] = {NCE_GPU_MT_ROWS, NCE_GPU_MT_COLS, NCE_GPU_MT_GROUP},
};

/* The way for a product whose matrices have so many columns each, and its kernel. */
static nce_gpu_path choose(nce_gpu_device *d, nce_type id, size_t n_cols, int *kernel)
{
    const nce_gpu_type *type = nce_gpu_type_of(id);
    if (type->act == 0) {
        *kernel = id == NCE_TYPE_F32 ? NCE_GPU_K_MF_F32 : id == NCE_TYPE_F16 ? NCE_GPU_K_MF_F16 : NCE_GPU_K_MF_BF16;
        return NCE_GPU_FLOATS;
    }
    *kernel = NCE_GPU_K_MV + (int)id;
    if (n_cols <= NCE_GPU_MV_COLS) return NCE_GPU_VECTORS;
    *kernel = n_cols >= NCE_GPU_MT_COLS_MIN ? nce_gpu_tensor_kernel(d, type) : -1;
    if (*kernel >= 0 && nce_gpu_find(d, *kernel) == NCE_OK) return NCE_GPU_TENSORS;
    *kernel = NCE_GPU_K_MM; /* also where the module was compiled without tensor kernels */
    return NCE_GPU_TILES;
}

/* Columns that a matrix has on the average. */
static size_t cols_of(const nce_weight *w, const operands *o)
{
    return o->ids == 0 ? o->n_cols : o->grouped ? o->n_cols / w->n_experts : 1;
}

/* Tiles of experts' columns at most. */
static size_t grouped_tiles(const nce_weight *w, size_t n_cols, uint32_t cols)
{
    return n_cols / cols + (w->n_experts < n_cols ? w->n_experts : n_cols);
}

/* One of the matrices of a product. */
typedef struct target {
    const nce_weight *w;
    float scale;
    const float *bias;
    bool add;
    nce_gpu_address y;
    uint32_t ld_y;
} target;

/* Are b's rows multiplied like a's, so that a launch may take both? */
static bool alike(const nce_weight *a, const nce_weight *b, const operands *o)
{
    return a->type == b->type && (o->ids == 0 || a->expert_bytes == b->expert_bytes);
}

/* Products with n matrices of one type: more than one by vectors only. */
static nce_status launch(nce_exec *e, const target *t, size_t n, const operands *o, nce_gpu_path path, int kernel)
{
    const nce_weight *w = t->w;
    const nce_gpu_type *type = nce_gpu_type_of(w->type->id);
    const bool floats = path == NCE_GPU_FLOATS, tiled = path == NCE_GPU_TILES || path == NCE_GPU_TENSORS;
    const uint32_t cols = floats && o->ids != 0 ? 1 : tiles[path].cols;
    const size_t gy = tiled && o->grouped ? grouped_tiles(w, o->n_cols, cols) : nce_gpu_groups(o->n_cols, cols);
    nce_gpu_value values[NCE_GPU_MAX_ARGS] = {
        NCE_GPU_A(nce_gpu_weight_at(w)), NCE_GPU_I(w->row_bytes), NCE_GPU_I(w->n_rows), NCE_GPU_I(w->k),
        NCE_GPU_A(floats ? o->x : nce_gpu_codes(e, type->act)), NCE_GPU_A(floats ? o->x : nce_gpu_scales(e, type->act)),
        NCE_GPU_I(floats ? o->ld_x : w->k), NCE_GPU_A(t->y), NCE_GPU_I(t->ld_y), NCE_GPU_I(o->n_cols),
        NCE_GPU_F(t->scale), NCE_GPU_A(nce_gpu_vector_at(e, t->bias)), NCE_GPU_I(t->add), NCE_GPU_A(o->ids),
        NCE_GPU_I(w->expert_bytes), NCE_GPU_I(o->x_div), NCE_GPU_I(floats ? o->x_step : o->n_cols * w->k),
        NCE_GPU_I(o->y_step),
        /* of products by tiles; those with tensor cores know the last two */
        NCE_GPU_I(w->type->id), NCE_GPU_I(type->block), NCE_GPU_I(type->bytes), NCE_GPU_A(o->grouped ? e->tiles : 0),
        NCE_GPU_A(o->grouped ? e->order : 0), NCE_GPU_I(type->act), NCE_GPU_I(type->second)};
    size_t n_values = path == NCE_GPU_TILES ? 25 : path == NCE_GPU_TENSORS ? 23 : 18;
    size_t gx = nce_gpu_groups(w->n_rows, tiles[path].rows);
    for (size_t i = 1; i < NCE_MAX_SHARED_INPUT && path == NCE_GPU_VECTORS; i++) {
        const target *m = i < n ? &t[i] : t;
        const nce_gpu_value own[] = {NCE_GPU_A(nce_gpu_weight_at(m->w)),
                                     NCE_GPU_I(i < n ? m->w->n_rows : 0),
                                     NCE_GPU_A(m->y),
                                     NCE_GPU_I(m->ld_y),
                                     NCE_GPU_F(m->scale),
                                     NCE_GPU_A(nce_gpu_vector_at(e, m->bias)),
                                     NCE_GPU_I(m->add)};
        memcpy(&values[n_values], own, sizeof own);
        n_values += sizeof own / sizeof *own;
        if (i < n) gx += nce_gpu_groups(m->w->n_rows, tiles[path].rows);
    }
    return nce_gpu_run(e->device, kernel, gx, gy, o->n_heads, tiles[path].group, values, n_values);
}

/* All of n products on one input, neighbours alike in one launch where that is possible. */
static nce_status products(nce_exec *e, const target *t, size_t n, const operands *o)
{
    nce_status status = NCE_OK;
    for (size_t i = 0, end; i < n && status == NCE_OK; i = end) {
        int kernel;
        const nce_gpu_path path = choose(e->device, t[i].w->type->id, cols_of(t[i].w, o), &kernel);
        for (end = i + 1; end < n && path == NCE_GPU_VECTORS && alike(t[i].w, t[end].w, o);)
            end++;
        e->device->taken[t[i].w->type->id][path] += end - i;
        status = launch(e, &t[i], end - i, o, path, kernel);
    }
    return status;
}

nce_status nce_gpu_matmul(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_weight *w[NCE_MAX_SHARED_INPUT];
    target t[NCE_MAX_SHARED_INPUT];
    const operands o = {
        .x = nce_gpu_at(e, op->in), .ld_x = nce_gpu_ld(e, op->in), .n_cols = s.n_rows, .x_div = 1, .n_heads = 1};
    for (uint32_t i = 0; i < op->n_matrices; i++) {
        const nce_op_matrix *m = &op->matrix[i];
        w[i] = m->w;
        t[i] = (target){m->w, m->w->scale * m->scale, m->bias, m->add, nce_gpu_at(e, m->out), nce_gpu_ld(e, m->out)};
    }
    const uint32_t ready = e->packed == op ? e->packed_block : 0;
    const nce_status status = pack_for(e, w, op->n_matrices, o.x, o.ld_x, s.n_rows, ready);
    return status == NCE_OK ? products(e, t, op->n_matrices, &o) : status;
}

/* All heads at once: each has an input, and a matrix, of its own. */
nce_status nce_gpu_matmul_heads(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_op_matrix *m = &op->matrix[0];
    const operands o = {.x = nce_gpu_at(e, op->in),
                        .ld_x = nce_gpu_ld(e, op->in),
                        .n_cols = s.n_rows,
                        .x_div = 1,
                        .n_heads = op->n_groups,
                        .x_step = op->in_stride,
                        .y_step = op->out_stride};
    const target t = {m->w, m->w->scale * m->scale, NULL, m->add, nce_gpu_at(e, op->out), nce_gpu_ld(e, op->out)};
    const nce_gpu_front none = {.what = NCE_GPU_ROWS_NONE};
    const uint32_t block = m->w->type->act_block;
    const nce_status status =
        block != 0 ? pack(e, block, o.x, o.ld_x, m->w->k, s.n_rows, op->n_groups, op->in_stride, &none) : NCE_OK;
    return status == NCE_OK ? products(e, &t, 1, &o) : status;
}

nce_status nce_gpu_route(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_op_route *r = &op->route;
    return NCE_GPU_RUN(e->device, NCE_GPU_K_ROUTE, s.n_rows, 1, NCE_GPU_ROUTE_GROUP, NCE_GPU_A(nce_gpu_at(e, op->in)),
                       NCE_GPU_I(nce_gpu_ld(e, op->in)), NCE_GPU_A(nce_gpu_vector_at(e, r->bias)), NCE_GPU_I(r->kind),
                       NCE_GPU_I(r->n_experts), NCE_GPU_I(r->n_used), NCE_GPU_I(r->n_groups),
                       NCE_GPU_I(r->n_groups_used), NCE_GPU_I(r->normalise), NCE_GPU_F(r->scale), NCE_GPU_A(e->ids),
                       NCE_GPU_A(e->weights));
}

/* y = f(gate) * up, or f(up), on rows without gaps, in place of up; packed for down, if that is quantized. */
static nce_status activate(nce_exec *e, const nce_op_experts *x, size_t n_rows)
{
    const size_t width = x->up->n_rows;
    const uint32_t block = x->down->type->act_block, ld = (uint32_t)width;
    const int what = x->gate != NULL ? NCE_GPU_ROWS_GLU : NCE_GPU_ROWS_ACT;
    const nce_gpu_address in = x->gate != NULL ? e->gate : e->up;
    const nce_gpu_front front = {what, x->f, e->up, e->up, ld, ld};
    if (block != 0) return nce_gpu_pack_front(e, block, in, ld, width, n_rows, &front);
    return NCE_GPU_RUN(e->device, NCE_GPU_K_ROWS, nce_gpu_groups(width, NCE_GPU_GROUP), n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(e->up), NCE_GPU_I(width), NCE_GPU_A(in), NCE_GPU_I(width), NCE_GPU_A(e->up),
                       NCE_GPU_I(width), NCE_GPU_I(width), NCE_GPU_I(what), NCE_GPU_I(x->f), NCE_GPU_F(1.0f),
                       NCE_GPU_A(e->rows), NCE_GPU_I(0));
}

/* Sort the (token, expert) pairs by expert, if that gives products of some size. */
static nce_status group_columns(nce_exec *e, const nce_op_experts *x, operands *o)
{
    const nce_weight *const all[] = {x->up, x->gate, x->down};
    const size_t n_experts = x->up->n_experts;
    int kernel;
    o->grouped = o->n_cols / n_experts > NCE_GPU_MV_COLS;
    for (int i = 0; i < 3 && o->grouped; i++) {
        if (all[i] == NULL || all[i]->type->act_block == 0) continue;
        const uint32_t cols = tiles[choose(e->device, all[i]->type->id, o->n_cols / n_experts, &kernel)].cols;
        return NCE_GPU_RUN(e->device, NCE_GPU_K_GROUP, 1, 1, NCE_GPU_GROUP, NCE_GPU_A(o->ids), NCE_GPU_I(o->n_cols),
                           NCE_GPU_I(n_experts), NCE_GPU_I(cols), NCE_GPU_A(e->order), NCE_GPU_A(e->tiles),
                           NCE_GPU_I(grouped_tiles(x->up, o->n_cols, cols)));
    }
    o->grouped = false; /* nothing but floats */
    return NCE_OK;
}

static nce_status expert_rows(nce_exec *e, const nce_op *op, size_t row0, size_t n_rows)
{
    const nce_op_experts *x = &op->experts;
    const size_t first = row0 * x->n_used, pairs = n_rows * x->n_used;
    const nce_gpu_address in = nce_gpu_at(e, op->in) + 4 * row0 * nce_gpu_ld(e, op->in);
    const nce_gpu_address out = nce_gpu_at(e, op->out) + 4 * row0 * nce_gpu_ld(e, op->out);
    operands o = {.x = in,
                  .ld_x = nce_gpu_ld(e, op->in),
                  .n_cols = pairs,
                  .ids = e->ids + 4 * first,
                  .x_div = x->n_used,
                  .n_heads = 1};
    target t[2] = {
        {.w = x->up, .scale = x->up->scale, .bias = x->up_bias, .y = e->up, .ld_y = (uint32_t)x->up->n_rows}};
    if (x->gate != NULL)
        t[1] = (target){x->gate, x->gate->scale, x->gate_bias, false, e->gate, (uint32_t)x->gate->n_rows};
    nce_status status = group_columns(e, x, &o);
    if (status == NCE_OK) status = pack_for(e, (const nce_weight *[]){x->gate, x->up}, 2, in, o.ld_x, n_rows, 0);
    if (status == NCE_OK) status = products(e, t, x->gate != NULL ? 2 : 1, &o);
    if (status == NCE_OK) status = activate(e, x, pairs);
    const target down = {x->down, x->down->scale, x->down_bias, false, e->y, (uint32_t)x->down->n_rows};
    o.x = e->up, o.ld_x = (uint32_t)x->down->k, o.x_div = 1;
    if (status == NCE_OK) status = products(e, &down, 1, &o);
    if (status != NCE_OK) return status;
    return NCE_GPU_RUN(e->device, NCE_GPU_K_COMBINE, nce_gpu_groups(x->down->n_rows, NCE_GPU_GROUP), n_rows,
                       NCE_GPU_GROUP, NCE_GPU_A(e->y), NCE_GPU_A(e->weights + 4 * first), NCE_GPU_I(x->n_used),
                       NCE_GPU_I(x->down->n_rows), NCE_GPU_A(out), NCE_GPU_I(nce_gpu_ld(e, op->out)));
}

nce_status nce_gpu_experts(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    nce_status status = NCE_OK;
    for (size_t r = 0; r < s.n_rows && status == NCE_OK; r += NCE_GPU_EXPERT_ROWS)
        status = expert_rows(e, op, r, s.n_rows - r < NCE_GPU_EXPERT_ROWS ? s.n_rows - r : NCE_GPU_EXPERT_ROWS);
    return status;
}
