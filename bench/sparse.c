/* sparse [-k K] [-n ROWS] [-r REPEATS]
 *
 * Ternary products of one column, dense and by columns (src/kernels/sparse.h), at rising shares of zero activations: where
 * the second begins to pay.  Thread CPU time of packing and product on one core, medians; the copies lie in memory, not in a
 * cache, unless ROWS is small. */
#include "bench/kernels.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/sparse.h"
#include "tools/measure.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_PERCENT = 10, MOST_REPEATS = 1000 };

typedef struct setting {
    size_t k, n_rows;
    int repeats;
    nce_matmul_ops ops;
    nce_sparse_product_fn *sparse;
    uint8_t *w;
    nce_sparse_weight by_columns;
    float *x, *y;
    void *act, *scratch;
} setting;

static void draw(float *x, size_t k, int zero_percent)
{
    uint64_t state = 7;
    for (size_t i = 0; i < k; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (int)(state >> 40) % 100 < zero_percent ? 0.0f : (float)(state >> 44) / 1048576.0f;
    }
}

static void dense(const setting *s)
{
    const nce_type_info *type = s->by_columns.type;
    const nce_act a = {type->act_block, 1, s->k, s->act};
    s->ops.pack(&a, s->x, s->k, 0, 1);
    s->ops.product(type, s->w, s->k / type->block * type->block_bytes, s->n_rows, &a, s->y, s->n_rows, s->scratch);
}

static void by_columns(const setting *s)
{
    nce_sparse_act a;
    nce_sparse_pack(&a, s->by_columns.type->act_block, s->k, s->x, s->act);
    s->sparse(&s->by_columns, &a, 0, s->n_rows, s->y);
}

static double milliseconds(const setting *s, void (*product)(const setting *))
{
    double seconds[MOST_REPEATS];
    for (int i = -1; i < s->repeats; i++) {
        const double start = bench_cpu_seconds();
        product(s);
        if (i >= 0) seconds[i] = bench_cpu_seconds() - start;
    }
    return 1e3 * measure_quantile(seconds, (size_t)s->repeats, 0.5);
}

static void *memory(size_t bytes)
{
    void *p = bytes == 0 ? NULL : bench_huge_alloc(bytes);
    if (p == NULL && bytes != 0) exit(1);
    return p;
}

static void bench_type(setting *s, const nce_type_info *type)
{
    const size_t row_bytes = s->k / type->block * type->block_bytes;
    const size_t act = s->ops.act_bytes(type->act_block, 1, s->k), act2 = nce_sparse_act_bytes(type->act_block, s->k);
    s->w = memory(s->n_rows * row_bytes);
    bench_fill_weights(type, s->w, s->n_rows * row_bytes);
    s->by_columns = (nce_sparse_weight){type, s->n_rows, s->k, memory(nce_sparse_codes_bytes(s->n_rows, s->k)),
                                        memory(nce_sparse_d_bytes(type, s->n_rows, s->k))};
    nce_sparse_fill(&s->by_columns, s->w, row_bytes, 0, s->n_rows);
    s->act = memory(act > act2 ? act : act2);
    for (int zeros = 0; zeros < 100; zeros += STEP_PERCENT) {
        draw(s->x, s->k, zeros);
        const double a = milliseconds(s, dense), b = milliseconds(s, by_columns);
        printf("%-6s  %5d %%  %8.3f ms  %8.3f ms  %5.2f\n", type->name, zeros, a, b, a / b);
        fflush(stdout);
    }
    free(s->w), free(s->by_columns.codes), free(s->by_columns.d), free(s->act);
}

int main(int argc, char **argv)
{
    setting s = {.k = 6912, .n_rows = 16384, .repeats = 7};
    bool good = argc % 2 == 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        const size_t value = strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "-k") == 0) s.k = value;
        else if (strcmp(argv[i], "-n") == 0) s.n_rows = value;
        else if (strcmp(argv[i], "-r") == 0) s.repeats = (int)value;
        else good = false;
    }
    if (!good || s.k == 0 || s.k % 256 != 0 || s.n_rows == 0 || s.repeats < 1 || s.repeats > MOST_REPEATS) {
        fprintf(stderr, "usage: sparse [-k K] [-n ROWS] [-r REPEATS]    (K: a multiple of 256)\n");
        return 2;
    }
    nce_matmul_ops_init(&s.ops, nce_cpu_detect());
    s.sparse = nce_sparse_product(nce_cpu_detect());
    s.x = memory(s.k * sizeof *s.x);
    s.y = memory(s.n_rows * sizeof *s.y);
    s.scratch = memory(s.ops.scratch_bytes);
    printf("%zu rows of %zu, one core\ntype    zeros         dense   by columns  ratio\n", s.n_rows, s.k);
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *type = nce_type_info_of((nce_type)id);
        if (type != NULL && nce_sparse_type(type)) bench_type(&s, type);
    }
    free(s.x), free(s.y), free(s.scratch);
    return 0;
}
