/* Matrix products: every type, random shapes and values, against the scalar reference.  The reference itself is held to
 * the plain definition of a product in double precision. */
#include "src/kernels/matmul.h"
#include "tests/kernels/check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 36 };

static bool has_product(const nce_type_info *type)
{
    return type != NULL &&
           (type->decode != NULL || type->id == NCE_TYPE_F32 || type->id == NCE_TYPE_F16 || type->id == NCE_TYPE_BF16);
}

static bool usable_scale(float f)
{
    return isfinite(f) && fabsf(f) <= 65504.0f;
}

/* Random bytes are valid everywhere but in the scales: those must be finite, or one block hides the others. */
static bool usable_block(const nce_type_info *type, const uint8_t *block)
{
    if (type->decode == NULL) {
        float f;
        type->to_f32(block, &f, 1);
        return isfinite(f) && fabsf(f) < 1e6f;
    }
    for (size_t p = 0; p < type->block / type->act_block; p++) {
        nce_plain_block plain;
        type->decode(block, p, &plain);
        if (!usable_scale(plain.d[0]) || !usable_scale(plain.d[1]) || !usable_scale(plain.dmin)) return false;
    }
    return true;
}

static void fill_weights(check *c, const nce_type_info *type, uint8_t *w, size_t n_blocks, bool wild)
{
    const bool extreme = check_random(c) % 4 == 0; /* 0x00 and 0xff: the largest codes and sub-scales */
    for (size_t b = 0; b < n_blocks; b++, w += type->block_bytes)
        for (int tries = 0; tries == 0 || (!wild && !usable_block(type, w)); tries++)
            for (size_t i = 0; i < type->block_bytes; i++) {
                const uint64_t r = check_random(c);
                w[i] = extreme && tries < 4 ? (r & 1 ? 0xff : 0) : (uint8_t)(r >> 40);
            }
}

typedef struct product_case {
    const nce_type_info *type;
    size_t rows, cols, k, row_bytes, ld_x;
    const uint8_t *w;
    const float *x;
} product_case;

/* y [cols][ld_y] by these ops; packing and rows in several parts. */
static void multiply(check *c, const nce_matmul_ops *ops, const product_case *p, float *y, size_t ld_y)
{
    const size_t bytes = ops->act_bytes(p->type->act_block, p->cols, p->k), n_parts = check_between(c, 1, 5);
    nce_act act = {p->type->act_block, p->cols, p->k, check_guarded(c, bytes, CHECK_AT_END)};
    void *scratch = check_guarded(c, (ops->scratch_bytes + 63) / 64 * 64, CHECK_AT_END);
    const size_t first = check_random(c) % n_parts;
    for (size_t i = 0; i < n_parts; i++)
        ops->pack(&act, p->x, p->ld_x, (first + i) % n_parts, n_parts);
    const size_t split = p->rows > 1 && check_random(c) % 2 ? check_between(c, 1, p->rows - 1) : p->rows;
    ops->product(p->type, p->w, p->row_bytes, split, &act, y, ld_y, scratch);
    if (split < p->rows)
        ops->product(p->type, p->w + split * p->row_bytes, p->row_bytes, p->rows - split, &act, y + split, ld_y,
                     scratch);
}

static product_case draw(check *c, const nce_type_info *type, bool wild)
{
    product_case p = {.type = type};
    const size_t max_blocks = 3000 / type->block;
    p.rows = check_random(c) % 4 ? check_between(c, 1, 40) : 16 * check_between(c, 1, 4);
    p.cols = check_random(c) % 2 ? check_between(c, 1, 9) : check_between(c, 1, 45);
    p.k = type->block * (check_random(c) % 4 ? check_between(c, 1, max_blocks) : check_between(c, 1, 4));
    const size_t exact = p.k / type->block * type->block_bytes;
    p.row_bytes = exact + (check_random(c) % 4 ? 0 : 4 * check_between(c, 0, 9));
    p.ld_x = p.k + check_between(c, 0, 5);
    const size_t w_bytes = (p.rows - 1) * p.row_bytes + exact;
    uint8_t *w = check_guarded(c, w_bytes, check_random(c) % 4 ? CHECK_AT_END : CHECK_AT_START);
    float *x = check_guarded(c, (p.cols * p.ld_x) * sizeof *x, CHECK_AT_END);
    for (size_t r = 0; r < p.rows; r++)
        fill_weights(c, type, w + r * p.row_bytes, p.k / type->block, wild);
    check_fill_f32(c, x, p.cols * p.ld_x, (check_fill)(check_random(c) % CHECK_N_FILLS));
    if (wild) x[check_between(c, 0, p.cols * p.ld_x - 1)] = check_random(c) % 2 ? NAN : INFINITY;
    p.w = w;
    p.x = x;
    return p;
}

static void compare(check *c, const nce_matmul_ops *ref, const nce_matmul_ops *ops, const product_case *p)
{
    const size_t ld_y = p->rows + 3;
    float *want = check_memory(c, p->cols * p->rows * sizeof *want);
    float *got = check_guarded(c, p->cols * ld_y * sizeof *got, CHECK_AT_END);
    multiply(c, ref, p, want, p->rows);
    multiply(c, ops, p, got, ld_y);
    check_same_rows(c, "product", want, got, p->cols, p->rows, ld_y);
}

/* The reference against sums in double: activations are rounded to 1/127 of their block's largest, each term by half of
 * that at most. */
static void check_reference(check *c, const nce_matmul_ops *ref, const product_case *p)
{
    float *y = check_memory(c, p->cols * p->rows * sizeof *y), *row = check_memory(c, p->k * sizeof *row);
    multiply(c, ref, p, y, p->rows);
    for (size_t r = 0; r < p->rows; r++) {
        nce_type_to_f32(p->type, p->w + r * p->row_bytes, row, p->k);
        for (size_t col = 0; col < p->cols; col++) {
            const float *x = p->x + col * p->ld_x;
            const size_t block = p->type->act_block ? p->type->act_block : 1;
            double sum = 0, bound = 0;
            for (size_t b = 0; b < p->k; b += block) {
                double amax = 0;
                for (size_t i = b; i < b + block; i++)
                    amax = fmax(amax, fabs((double)x[i]));
                for (size_t i = b; i < b + block; i++) {
                    sum += (double)row[i] * (double)x[i];
                    bound += fabs((double)row[i]) *
                             ((p->type->act_block ? 0.51 / 127 * amax : 0) + 1e-5 * fabs((double)x[i]));
                }
            }
            const double error = fabs((double)y[col * p->rows + r] - sum);
            c->n_compared++;
            if (!(error <= bound + 1e-30))
                check_fail(c, "row %zu column %zu: error %g beyond %g", r, col, error, bound);
        }
    }
}

void check_matmul_run(check *c)
{
    const int n_cases = check_n_cases(CASES);
    nce_matmul_ops ref, ops;
    nce_matmul_ops_init(&ref, 0);
    nce_matmul_ops_init(&ops, c->cpu);
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *type = nce_type_info_of((nce_type)id);
        if (!has_product(type)) continue;
        for (int i = 0; i < n_cases; i++) {
            const bool wild = i % 12 == 11;
            const product_case p = draw(c, type, wild);
            check_case(c, "%s rows %zu columns %zu k %zu row_bytes %zu", type->name, p.rows, p.cols, p.k, p.row_bytes);
            compare(c, &ref, &ops, &p);
            if (c->cpu == 0 && !wild) check_reference(c, &ref, &p);
            check_release(c);
        }
    }
}
