/* Products and look-ups: every type, few and many columns, one to three matrices on one input. */
#include "tests/gpu/check_gpu.h"
#include "src/hal/gpu/exec.h"
#include <stdio.h>
#include <string.h>

enum { PRODUCTS = 9, HEADS = 12, TENSORS = 2, EMBEDDINGS = 3 };

static bool usable(const nce_type_info *type)
{
    return type != NULL && type->id != NCE_TYPE_Q8_1 && type->id != NCE_TYPE_Q8_K &&
           (type->decode != NULL || type->id == NCE_TYPE_F32 || type->id == NCE_TYPE_F16 || type->id == NCE_TYPE_BF16);
}

/* A length of rows: a few blocks, or more than a segment, or more than one round of a work group. */
static size_t draw_k(check *c, size_t block)
{
    const size_t most = check_random(c) % 4 == 0 ? 5120 : check_random(c) % 2 ? 1300 : 6 * block;
    const size_t n = most / block;
    return block * check_between(c, 1, n > 0 ? n : 1);
}

static void product_case(rig *r, const nce_type_info *type, size_t cols, size_t n_k)
{
    check *c = &r->c;
    rig_case k;
    rig_begin(r, &k, (uint32_t)cols);
    const uint16_t in = rig_slot(r, &k, (uint32_t)(n_k + 8), (check_fill)(check_random(c) % CHECK_N_FILLS), 1.0f);
    nce_op *op = rig_op(&k, NCE_OP_MATMUL);
    op->in = rig_view(in, 4 * (uint32_t)check_between(c, 0, 2));
    op->n_matrices = (uint32_t)check_between(c, 1, NCE_MAX_SHARED_INPUT);
    const bool alike = check_random(c) % 2;
    for (uint32_t i = 0; i < op->n_matrices; i++) {
        const nce_type_info *t = i == 0 || alike ? type : NULL;
        while (!usable(t) || n_k % t->block != 0)
            t = nce_type_info_of((nce_type)(check_random(c) % (NCE_TYPE_LAST + 1)));
        const size_t rows = check_between(c, 1, i == 0 ? 90 : 20);
        const uint16_t out = rig_slot(r, &k, (uint32_t)rows + 3, CHECK_UNIFORM, 1.0f);
        const uint32_t w = rig_weight(r, &k, t, rows, n_k, 1);
        op->matrix[i] = (nce_op_matrix){.w = &k.weight[w],
                                        .out = rig_view(out, (uint32_t)check_between(c, 0, 3)),
                                        .bias = check_random(c) % 2 ? rig_floats(r, rows, CHECK_UNIFORM, 3.0f) : NULL,
                                        .add = check_random(c) % 2,
                                        .scale = check_random(c) % 2 ? 1.0f : check_uniform(c)};
    }
    check_case(c, "%s, %zu rows, %zu columns, k %zu, %u matrices", type->name, k.weight[0].n_rows, cols, n_k,
               op->n_matrices);
    rig_run(r, &k);
}

/* A matrix for each head, on parts of the input. */
static void heads_case(rig *r, int index)
{
    check *c = &r->c;
    rig_case k;
    const nce_type_info *type = NULL;
    while (!usable(type))
        type = nce_type_info_of((nce_type)(check_random(c) % (NCE_TYPE_LAST + 1)));
    const size_t n_k = draw_k(c, 256) % 1024 + 256, rows = check_between(c, 1, 70),
                 cols = index % 2 ? 1 : check_between(c, 2, 20);
    const uint32_t heads = (uint32_t)check_between(c, 1, 5);
    rig_begin(r, &k, (uint32_t)cols);
    const uint16_t in = rig_slot(r, &k, heads * (uint32_t)(n_k + 4), CHECK_UNIFORM, 1.0f);
    const uint16_t out = rig_slot(r, &k, heads * (uint32_t)(rows + 3) + 1, CHECK_UNIFORM, 1.0f);
    nce_op *op = rig_op(&k, NCE_OP_MATMUL_HEADS);
    op->n_matrices = 1, op->n_groups = heads;
    op->in = rig_view(in, 0), op->in_stride = (uint32_t)n_k + 4;
    op->out = rig_view(out, 1), op->out_stride = (uint32_t)rows + 3;
    op->matrix[0] =
        (nce_op_matrix){.w = &k.weight[rig_weight(r, &k, type, rows, n_k, heads)], .out = op->out, .scale = 1.0f};
    check_case(c, "%s, %u heads, %zu rows, %zu columns, k %zu", type->name, heads, rows, cols, n_k);
    rig_run(r, &k);
}

void check_products(rig *r)
{
    static const size_t columns[PRODUCTS] = {1, 1, 2, 4, 5, 33, 70, 3, 14};
    for (int i = 0; i < HEADS; i++)
        heads_case(r, i);
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *type = nce_type_info_of((nce_type)id);
        for (int i = 0; i < PRODUCTS && usable(type); i++)
            product_case(r, type, columns[i],
                         i < 7 ? draw_k(&r->c, 256) : draw_k(&r->c, type->block > 32 ? type->block : 32));
    }
}

void rig_print_paths(const rig *r)
{
    const nce_gpu_device *d = nce_gpu_device_of(r->device[1]);
    for (int id = 0; d != NULL && id <= NCE_TYPE_LAST; id++) {
        bool any = false;
        for (int p = 0; p < NCE_GPU_PATHS; p++) {
            if (d->taken[id][p] == 0) continue;
            if (!any) printf("  %s:", nce_type_name((nce_type)id));
            printf("%s %llu by %s", any ? "," : "", 0ull + d->taken[id][p], nce_gpu_path_names[p]);
            any = true;
        }
        if (any) printf("\n");
    }
}

/* The tensor kernels: in the device's own layout if it has one, else in all, which OpenCL text emulates.  Columns and rows beside
 * the tiles' edges; where k can, it ends in the middle of a step. */
void check_tensors(rig *r)
{
    static const char *const layouts[] = {NULL, "mma", "mfma", "wmma", "wmma12"};
    nce_gpu_device *d = nce_gpu_device_of(r->device[1]);
    const bool emulated = d != NULL && strcmp(d->gpu->vendor, "opencl") == 0;
    check *c = &r->c;
    for (int l = emulated; l < (emulated ? 5 : 1); l++)
        for (int id = 0; id <= NCE_TYPE_LAST; id++) {
            const nce_type_info *type = nce_type_info_of((nce_type)id);
            if (!usable(type) || type->act_block == 0) continue;
            if (emulated) nce_gpu_device_set_tensor(d, layouts[l]);
            for (int i = 0; i < TENSORS; i++) {
                const size_t unit = type->block > 32 ? type->block : 32, most = i == 0 ? 1400 : 400;
                product_case(r, type, check_between(c, NCE_GPU_MT_COLS_MIN, i == 0 ? 40 : 200),
                             unit * check_between(c, 1, most / unit));
            }
            if (d == NULL || d->taken[id][NCE_GPU_TENSORS] != 0) continue;
            if (emulated) check_fail(c, "%s: no product by tensor cores", type->name);
            printf("SKIP: no tensor kernels on this device\n");
            r->skipped = 1;
            return;
        }
}

static void embedding_case(rig *r, const nce_type_info *type, bool position)
{
    check *c = &r->c;
    rig_case k;
    const size_t n_k = draw_k(c, type->block), n_rows = check_between(c, 4, 20);
    const uint32_t n_tokens = (uint32_t)check_between(c, 1, position ? 4 : 40);
    rig_begin(r, &k, n_tokens);
    const uint16_t in = rig_slot(r, &k, (uint32_t)n_k + 1, CHECK_UNIFORM, 1.0f);
    const uint16_t out = rig_slot(r, &k, (uint32_t)n_k + 2, CHECK_UNIFORM, 1.0f);
    const uint32_t w = rig_weight(r, &k, type, n_rows, n_k, 1);
    int32_t *tokens = check_memory(c, n_tokens * sizeof *tokens);
    for (uint32_t i = 0; i < n_tokens; i++)
        tokens[i] = (int32_t)(check_random(c) % n_rows);
    k.step[0].tokens = tokens;
    k.step[0].run[0].pos0 = check_between(c, 0, n_rows - n_tokens < n_rows ? n_rows - n_tokens : 0);
    nce_op *op = rig_op(&k, position ? NCE_OP_POSITION : NCE_OP_EMBED);
    op->in = rig_view(in, 1), op->out = rig_view(out, 2);
    op->table = &k.weight[w];
    op->width = (uint32_t)n_k;
    op->scale = position || check_random(c) % 2 ? 1.0f : 5.656854f;
    k.n_pages = 1, k.page_bytes = 64;
    check_case(c, "%s %s, %u tokens, k %zu", position ? "positions" : "tokens", type->name, n_tokens, n_k);
    rig_run(r, &k);
}

void check_embeddings(rig *r)
{
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *type = nce_type_info_of((nce_type)id);
        for (int i = 0; i < EMBEDDINGS && usable(type); i++)
            embedding_case(r, type, i == EMBEDDINGS - 1);
    }
}
