/* Products and experts: activations are packed once for each size of block, then every matrix is a launch. */
#include "src/hal/gpu/exec.h"

/* What a product reads and writes. */
typedef struct operands {
    nce_gpu_address x, y;
    uint32_t ld_x, ld_y;
    size_t n_cols;
    nce_gpu_address ids;     /* experts of the columns, or 0 */
    bool grouped;            /* e->order and e->tiles say the same, sorted */
    uint32_t x_div;          /* columns that share a row of x */
    size_t n_heads;          /* matrices side by side, each with its own input and output */
    uint32_t x_step, y_step; /* from head to head */
} operands;

/* Parts of x, x_step apart, to codes that lie one part after the other. */
static nce_status pack(nce_exec *e, uint32_t block, nce_gpu_address x, uint32_t ld_x, size_t k, size_t n_rows,
                       size_t n_parts, uint32_t x_step)
{
    const int i = block == 256;
    const nce_gpu_value values[] = {NCE_GPU_A(x),      NCE_GPU_I(ld_x),        NCE_GPU_I(k),
                                    NCE_GPU_I(block),  NCE_GPU_A(e->codes[i]), NCE_GPU_A(e->scales[i]),
                                    NCE_GPU_I(x_step), NCE_GPU_I(n_rows * k)};
    return nce_gpu_run(e->device, NCE_GPU_K_PACK, nce_gpu_groups(k, NCE_GPU_PACK), n_rows, n_parts, NCE_GPU_PACK,
                       values, sizeof values / sizeof *values);
}

/* The input of these weights in every size of block that they need. */
static nce_status pack_for(nce_exec *e, const nce_weight *const *w, size_t n, nce_gpu_address x, uint32_t ld_x,
                           size_t n_rows)
{
    bool done[2] = {false, false};
    for (size_t i = 0; i < n; i++) {
        const uint32_t block = w[i] != NULL ? w[i]->type->act_block : 0;
        if (block == 0 || done[block == 256]) continue;
        done[block == 256] = true;
        const nce_status status = pack(e, block, x, ld_x, w[i]->k, n_rows, 1, 0);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

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

static nce_status product(nce_exec *e, const nce_weight *w, float scale, const float *bias, bool add, const operands *o)
{
    const nce_gpu_type *type = nce_gpu_type_of(w->type->id);
    const int i = type->act == 256;
    int kernel;
    const nce_gpu_path path = choose(e->device, w->type->id, cols_of(w, o), &kernel);
    const bool floats = path == NCE_GPU_FLOATS, tiled = path == NCE_GPU_TILES || path == NCE_GPU_TENSORS;
    const uint32_t cols = floats && o->ids != 0 ? 1 : tiles[path].cols;
    const size_t gx = nce_gpu_groups(w->n_rows, tiles[path].rows),
                 gy = tiled && o->grouped ? grouped_tiles(w, o->n_cols, cols) : nce_gpu_groups(o->n_cols, cols);
    const nce_gpu_value values[] = {
        NCE_GPU_A(nce_gpu_weight_at(w)), NCE_GPU_I(w->row_bytes), NCE_GPU_I(w->n_rows), NCE_GPU_I(w->k),
        NCE_GPU_A(floats ? o->x : e->codes[i]), NCE_GPU_A(floats ? o->x : e->scales[i]),
        NCE_GPU_I(floats ? o->ld_x : w->k), NCE_GPU_A(o->y), NCE_GPU_I(o->ld_y), NCE_GPU_I(o->n_cols), NCE_GPU_F(scale),
        NCE_GPU_A(nce_gpu_vector_at(e, bias)), NCE_GPU_I(add), NCE_GPU_A(o->ids), NCE_GPU_I(w->expert_bytes),
        NCE_GPU_I(o->x_div), NCE_GPU_I(floats ? o->x_step : o->n_cols * w->k), NCE_GPU_I(o->y_step),
        /* of products by tiles only */
        NCE_GPU_I(w->type->id), NCE_GPU_I(type->block), NCE_GPU_I(type->bytes), NCE_GPU_A(o->grouped ? e->tiles : 0),
        NCE_GPU_A(o->grouped ? e->order : 0),
        /* of those without tensor cores */
        NCE_GPU_I(type->act), NCE_GPU_I(type->second)};
    const size_t n = sizeof values / sizeof *values - (tiled ? 0 : 7) - (path == NCE_GPU_TENSORS ? 2 : 0);
    e->device->taken[w->type->id][path]++;
    return nce_gpu_run(e->device, kernel, gx, gy, o->n_heads, tiles[path].group, values, n);
}

nce_status nce_gpu_matmul(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_weight *w[NCE_MAX_SHARED_INPUT];
    for (uint32_t i = 0; i < op->n_matrices; i++)
        w[i] = op->matrix[i].w;
    nce_status status = pack_for(e, w, op->n_matrices, nce_gpu_at(e, op->in), nce_gpu_ld(e, op->in), s.n_rows);
    for (uint32_t i = 0; i < op->n_matrices && status == NCE_OK; i++) {
        const nce_op_matrix *m = &op->matrix[i];
        const operands o = {.x = nce_gpu_at(e, op->in),
                            .ld_x = nce_gpu_ld(e, op->in),
                            .y = nce_gpu_at(e, m->out),
                            .ld_y = nce_gpu_ld(e, m->out),
                            .n_cols = s.n_rows,
                            .x_div = 1,
                            .n_heads = 1};
        status = product(e, m->w, m->w->scale * m->scale, m->bias, m->add, &o);
    }
    return status;
}

/* All heads at once: each has an input, and a matrix, of its own. */
nce_status nce_gpu_matmul_heads(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_op_matrix *m = &op->matrix[0];
    const operands o = {.x = nce_gpu_at(e, op->in),
                        .ld_x = nce_gpu_ld(e, op->in),
                        .y = nce_gpu_at(e, op->out),
                        .ld_y = nce_gpu_ld(e, op->out),
                        .n_cols = s.n_rows,
                        .x_div = 1,
                        .n_heads = op->n_groups,
                        .x_step = op->in_stride,
                        .y_step = op->out_stride};
    const uint32_t block = m->w->type->act_block;
    const nce_status status =
        block != 0 ? pack(e, block, o.x, o.ld_x, m->w->k, s.n_rows, op->n_groups, op->in_stride) : NCE_OK;
    return status == NCE_OK ? product(e, m->w, m->w->scale * m->scale, NULL, m->add, &o) : status;
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

/* y = f(gate) * up, or f(up), on rows without gaps, in place of up. */
static nce_status activate(nce_exec *e, const nce_op_experts *x, size_t n_rows)
{
    const size_t width = x->up->n_rows;
    const bool gated = x->gate != NULL;
    return NCE_GPU_RUN(e->device, NCE_GPU_K_ROWS, nce_gpu_groups(width, NCE_GPU_GROUP), n_rows, NCE_GPU_GROUP,
                       NCE_GPU_A(e->up), NCE_GPU_I(width), NCE_GPU_A(gated ? e->gate : e->up), NCE_GPU_I(width),
                       NCE_GPU_A(e->up), NCE_GPU_I(width), NCE_GPU_I(width),
                       NCE_GPU_I(gated ? NCE_GPU_ROWS_GLU : NCE_GPU_ROWS_ACT), NCE_GPU_I(x->f), NCE_GPU_F(1.0f),
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
                  .ld_y = (uint32_t)x->up->n_rows,
                  .n_cols = pairs,
                  .ids = e->ids + 4 * first,
                  .x_div = x->n_used,
                  .n_heads = 1};
    nce_status status = group_columns(e, x, &o);
    if (status == NCE_OK) status = pack_for(e, (const nce_weight *[]){x->gate, x->up}, 2, in, o.ld_x, n_rows);
    if (status == NCE_OK && x->gate != NULL) {
        o.y = e->gate;
        status = product(e, x->gate, x->gate->scale, x->gate_bias, false, &o);
    }
    o.y = e->up;
    if (status == NCE_OK) status = product(e, x->up, x->up->scale, x->up_bias, false, &o);
    if (status == NCE_OK) status = activate(e, x, pairs);
    if (status == NCE_OK) status = pack_for(e, &x->down, 1, e->up, (uint32_t)x->down->k, pairs);
    const operands down = {.x = e->up,
                           .ld_x = (uint32_t)x->down->k,
                           .y = e->y,
                           .ld_y = (uint32_t)x->down->n_rows,
                           .n_cols = pairs,
                           .ids = o.ids,
                           .grouped = o.grouped,
                           .x_div = 1,
                           .n_heads = 1};
    if (status == NCE_OK) status = product(e, x->down, x->down->scale, x->down_bias, false, &down);
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
