/* Sparse products: every ternary type against the dense reference, for all shares of zeros. */
#include "src/kernels/sparse.h"
#include "tests/kernels/check.h"
#include <math.h>

enum { CASES = 60 };

/* Random ternary blocks; scales are halves below 2, or for I2_S none. */
static void fill_block(check *c, const nce_type_info *type, uint8_t *block)
{
    for (size_t i = 0; i < type->block_bytes; i++)
        block[i] = (uint8_t)(check_random(c) >> 40);
    if (type->tensor_scale) return;
    block[type->block_bytes - 1] &= 0xbf; /* d, the last two bytes, stays finite */
}

static float *draw_activations(check *c, size_t k)
{
    float *x = check_guarded(c, k * sizeof *x, CHECK_AT_END);
    const size_t percent = check_between(c, 0, 100);
    check_fill_f32(c, x, k, (check_fill)(check_random(c) % CHECK_N_FILLS));
    for (size_t i = 0; i < k; i++)
        if (check_random(c) % 100 < percent) x[i] = 0;
    if (check_random(c) % 16 == 0) x[check_between(c, 0, k - 1)] = NAN;
    return x;
}

static void run_case(check *c, const nce_type_info *type)
{
    const size_t n_rows = check_between(c, 1, 600), k = type->block * check_between(c, 1, 3000 / type->block);
    const size_t row_bytes = k / type->block * type->block_bytes;
    uint8_t *w = check_guarded(c, n_rows * row_bytes, CHECK_AT_END);
    for (size_t i = 0; i < n_rows * row_bytes; i += type->block_bytes)
        fill_block(c, type, w + i);
    const float *x = draw_activations(c, k);
    nce_matmul_ops ref;
    nce_matmul_ops_init(&ref, 0);
    nce_act act = {type->act_block, 1, k, check_memory(c, ref.act_bytes(type->act_block, 1, k))};
    float *want = check_memory(c, n_rows * sizeof *want), *got = check_guarded(c, n_rows * sizeof *got, CHECK_AT_END);
    ref.pack(&act, x, k, 0, 1);
    ref.product(type, w, row_bytes, n_rows, &act, want, n_rows, check_memory(c, ref.scratch_bytes + 64));

    nce_sparse_weight s = {.type = type, .n_rows = n_rows, .k = k};
    const size_t d_bytes = nce_sparse_d_bytes(type, n_rows, k);
    s.codes = check_memory(c, nce_sparse_codes_bytes(n_rows, k));
    s.d = d_bytes ? check_memory(c, d_bytes) : NULL;
    const size_t half = n_rows / 2 / NCE_SPARSE_ROWS * NCE_SPARSE_ROWS;
    nce_sparse_fill(&s, w, row_bytes, half, n_rows);
    if (half) nce_sparse_fill(&s, w, row_bytes, 0, half);
    nce_sparse_act a;
    nce_sparse_pack(&a, type->act_block, k, x, check_guarded(c, nce_sparse_act_bytes(type->act_block, k), CHECK_AT_END));
    const size_t split = check_between(c, 0, n_rows) / NCE_SPARSE_UNIT * NCE_SPARSE_UNIT;
    nce_sparse_product_fn *product = nce_sparse_product(c->cpu);
    if (split > 0) product(&s, &a, 0, split, got);
    if (split < n_rows) product(&s, &a, split, n_rows - split, got + split);
    check_same_f32(c, "sparse product", want, got, n_rows);
}

void check_sparse_run(check *c)
{
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *type = nce_type_info_of((nce_type)id);
        if (type == NULL || !nce_sparse_type(type)) continue;
        for (int i = 0; i < CASES; i++) {
            check_case(c, "%s case %d", type->name, i);
            run_case(c, type);
            check_release(c);
        }
    }
}
