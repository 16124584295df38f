/* Products and experts: activations are packed once for each size of block, then every matrix is a launch. */
#include "src/hal/gpu/exec.h"

/* What a product reads and writes. */
typedef struct operands {
    nce_gpu_address x, y;
    uint32_t ld_x, ld_y;
    size_t n_cols;
    nce_gpu_address ids; /* experts of the columns, or 0 */
    uint32_t x_div;      /* columns that share a row of x */
    size_t matrix;       /* which of the weight's matrices, where ids does not say it */
} operands;

static nce_status pack(nce_exec *e, uint32_t block, nce_gpu_address x, uint32_t ld_x, size_t k, size_t n_rows)
{
    const int i = block == 256;
    return NCE_GPU_RUN(e->device, NCE_GPU_K_PACK, nce_gpu_groups(k, NCE_GPU_PACK), n_rows, NCE_GPU_PACK, NCE_GPU_A(x),
                       NCE_GPU_I(ld_x), NCE_GPU_I(k), NCE_GPU_I(block), NCE_GPU_A(e->codes[i]),
                       NCE_GPU_A(e->scales[i]));
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
        const nce_status status = pack(e, block, x, ld_x, w[i]->k, n_rows);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

static nce_status product(nce_exec *e, const nce_weight *w, float scale, const float *bias, bool add, const operands *o)
{
    const nce_gpu_type *type = nce_gpu_type_of(w->type->id);
    const bool floats = type->act == 0;
    const int i = type->act == 256;
    int kernel = NCE_GPU_K_MM;
    size_t gx = nce_gpu_groups(w->n_rows, NCE_GPU_MM_ROWS), gy = nce_gpu_groups(o->n_cols, NCE_GPU_MM_COLS);
    if (floats) {
        kernel = w->type->id == NCE_TYPE_F32   ? NCE_GPU_K_MF_F32
                 : w->type->id == NCE_TYPE_F16 ? NCE_GPU_K_MF_F16
                                               : NCE_GPU_K_MF_BF16;
        gx = nce_gpu_groups(w->n_rows, NCE_GPU_FLOAT_ROWS);
        gy = o->ids != 0 ? o->n_cols : nce_gpu_groups(o->n_cols, NCE_GPU_FLOAT_COLS);
    } else if (o->ids != 0 || o->n_cols <= NCE_GPU_MV_COLS) {
        kernel = NCE_GPU_K_MV + (int)w->type->id;
        gx = nce_gpu_groups(w->n_rows, NCE_GPU_MV_ROWS);
        gy = o->n_cols;
    }
    const nce_gpu_value values[] = {NCE_GPU_A(nce_gpu_weight_at(w) + o->matrix * w->expert_bytes),
                                    NCE_GPU_I(w->row_bytes), NCE_GPU_I(w->n_rows), NCE_GPU_I(w->k),
                                    NCE_GPU_A(floats ? o->x : e->codes[i]), NCE_GPU_A(floats ? o->x : e->scales[i]),
                                    NCE_GPU_I(floats ? o->ld_x : w->k), NCE_GPU_A(o->y), NCE_GPU_I(o->ld_y),
                                    NCE_GPU_I(o->n_cols), NCE_GPU_F(scale), NCE_GPU_A(nce_gpu_vector_at(e, bias)),
                                    NCE_GPU_I(add), NCE_GPU_A(o->ids), NCE_GPU_I(w->expert_bytes), NCE_GPU_I(o->x_div),
                                    /* of the tiled product only */
                                    NCE_GPU_I(w->type->id), NCE_GPU_I(type->block), NCE_GPU_I(type->bytes),
                                    NCE_GPU_I(type->act), NCE_GPU_I(type->second)};
    const size_t n = sizeof values / sizeof *values;
    return nce_gpu_run(e->device, kernel, gx, gy, NCE_GPU_GROUP, values, kernel == NCE_GPU_K_MM ? n : n - 5);
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
                            .x_div = 1};
        status = product(e, m->w, m->w->scale * m->scale, m->bias, m->add, &o);
    }
    return status;
}

/* Head by head: each has an input, and a matrix, of its own. */
nce_status nce_gpu_matmul_heads(nce_exec *e, const nce_op *op, nce_gpu_span s)
{
    const nce_op_matrix *m = &op->matrix[0];
    nce_status status = NCE_OK;
    for (uint32_t h = 0; h < op->n_groups && status == NCE_OK; h++) {
        const operands o = {.x = nce_gpu_at(e, op->in) + 4 * (nce_gpu_address)h * op->in_stride,
                            .ld_x = nce_gpu_ld(e, op->in),
                            .y = nce_gpu_at(e, op->out) + 4 * (nce_gpu_address)h * op->out_stride,
                            .ld_y = nce_gpu_ld(e, op->out),
                            .n_cols = s.n_rows,
                            .x_div = 1,
                            .matrix = h};
        status = pack_for(e, &m->w, 1, o.x, o.ld_x, s.n_rows);
        if (status == NCE_OK) status = product(e, m->w, m->w->scale * m->scale, NULL, m->add, &o);
    }
    return status;
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
                  .x_div = x->n_used};
    nce_status status = pack_for(e, (const nce_weight *[]){x->gate, x->up}, 2, in, o.ld_x, n_rows);
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
                           .x_div = 1};
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
