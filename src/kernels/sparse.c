/* Ternary weights by columns: making them, packing activations, and the reference product (see sparse.h). */
#include "src/kernels/sparse.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/matmul_panel.h"
#include <math.h>
#include <string.h>

enum { COLUMN_BYTES = NCE_SPARSE_ROWS / 4 };

bool nce_sparse_type(const nce_type_info *type)
{
    return type->id == NCE_TYPE_TQ1_0 || type->id == NCE_TYPE_TQ2_0 || type->id == NCE_TYPE_I2_S;
}

static size_t tile_rows(size_t n_rows)
{
    return (n_rows + NCE_SPARSE_ROWS - 1) / NCE_SPARSE_ROWS;
}

size_t nce_sparse_codes_bytes(size_t n_rows, size_t k)
{
    return k != 0 && tile_rows(n_rows) > SIZE_MAX / 8 / COLUMN_BYTES / k ? 0 : tile_rows(n_rows) * k * COLUMN_BYTES;
}

size_t nce_sparse_d_bytes(const nce_type_info *type, size_t n_rows, size_t k)
{
    return type->tensor_scale ? 0 : tile_rows(n_rows) * (k / type->act_block) * NCE_SPARSE_ROWS * sizeof(float);
}

/* Where the scale of a row of a tile lies: lanes of 16 rows that are 4 apart. */
static size_t lane_of(size_t row)
{
    return row / 64 * 64 + row % 4 * 16 + row % 64 / 4;
}

/* Four rows of a block share bytes; a tile's columns of one block, 64 bytes each, stay in the nearest cache while they are
 * written. */
static void fill_four(const nce_sparse_weight *s, const uint8_t *w, size_t row_bytes, size_t row, size_t to, size_t b)
{
    const size_t block = s->type->act_block, n_blocks = s->k / block, pieces = s->type->block / block;
    const size_t tile = row / NCE_SPARSE_ROWS, in_tile = row % NCE_SPARSE_ROWS;
    uint8_t *const codes = s->codes + (tile * s->k + b * block) * COLUMN_BYTES + in_tile / 4;
    uint8_t fours[256] = {0};
    for (size_t r = 0; r < 4; r++) {
        nce_plain_block plain = {.d = {0}};
        if (row + r < to) s->type->decode(w + (row + r) * row_bytes + b / pieces * s->type->block_bytes, b % pieces, &plain);
        if (s->d != NULL) s->d[(tile * n_blocks + b) * NCE_SPARSE_ROWS + lane_of(in_tile + r)] = plain.d[0];
        for (size_t i = 0; i < block && row + r < to; i++)
            fours[i] |= (uint8_t)((plain.code[i] + 1) << (2 * r));
    }
    for (size_t i = 0; i < block; i++)
        codes[i * COLUMN_BYTES] = fours[i];
}

void nce_sparse_fill(const nce_sparse_weight *s, const uint8_t *w, size_t row_bytes, size_t from, size_t to)
{
    const size_t n_blocks = s->k / s->type->act_block;
    for (size_t tile = from; tile < to; tile += NCE_SPARSE_ROWS)
        for (size_t b = 0; b < n_blocks; b++)
            for (size_t row = tile; row < tile + NCE_SPARSE_ROWS; row += 4)
                fill_four(s, w, row_bytes, row, to, b);
}

/* ---- activations ---- */

size_t nce_sparse_act_bytes(uint32_t block, size_t k)
{
    return k / 4 * sizeof(nce_sparse_four) + k / block * (2 * sizeof(int32_t) + sizeof(float));
}

void nce_sparse_pack(nce_sparse_act *a, uint32_t block, size_t k, const float *x, void *memory)
{
    const size_t n_blocks = k / block;
    *a = (nce_sparse_act){.block = block, .n_blocks = n_blocks, .fours = memory};
    a->n_fours = (uint32_t *)(void *)(a->fours + k / 4);
    a->sum = (int32_t *)(a->n_fours + n_blocks);
    a->d = (float *)(a->sum + n_blocks);
    for (size_t b = 0; b < n_blocks; b++) {
        nce_sparse_four *const fours = a->fours + b * (block / 4);
        int8_t q[256];
        size_t n = 0;
        int32_t sum = 0;
        a->d[b] = nce_quantize_block_ref(x + b * block, block, q);
        for (size_t i = 0; i < block; i++) {
            sum += q[i];
            fours[n / 4].column[n % 4] = (uint8_t)i;
            fours[n / 4].q[n % 4] = q[i];
            n += q[i] != 0;
            if (n == block) break;
        }
        a->n_used += n;
        for (; n % 4 != 0; n++)
            fours[n / 4].column[n % 4] = 0, fours[n / 4].q[n % 4] = 0;
        a->n_fours[b] = (uint32_t)(n / 4);
        a->sum[b] = sum;
    }
}

/* ---- the reference product ---- */

static int32_t block_sum(const nce_sparse_act *a, size_t b, const uint8_t *codes, size_t row)
{
    const nce_sparse_four *const fours = a->fours + b * (a->block / 4);
    int32_t sum = -a->sum[b];
    for (uint32_t f = 0; f < a->n_fours[b]; f++)
        for (int i = 0; i < 4; i++)
            sum += fours[f].q[i] * (codes[fours[f].column[i] * COLUMN_BYTES + row / 4] >> (2 * (row % 4)) & 3);
    return sum;
}

void nce_sparse_product_ref(const nce_sparse_weight *s, const nce_sparse_act *a, size_t from, size_t n_rows, float *y)
{
    const size_t per_segment = NCE_SEGMENT / a->block;
    for (size_t r = 0; r < n_rows; r++) {
        const size_t tile = (from + r) / NCE_SPARSE_ROWS, row = (from + r) % NCE_SPARSE_ROWS;
        float acc = 0, sum = 0;
        for (size_t b = 0; b < a->n_blocks; b++) {
            const float dw = s->d == NULL ? 1.0f : s->d[(tile * a->n_blocks + b) * NCE_SPARSE_ROWS + lane_of(row)];
            acc = fmaf(dw * a->d[b], (float)block_sum(a, b, s->codes + (tile * s->k + b * a->block) * COLUMN_BYTES, row), acc);
            if ((b + 1) % per_segment != 0 && b + 1 < a->n_blocks) continue;
            sum = b < per_segment ? acc : sum + acc;
            acc = 0;
        }
        y[r] = sum;
    }
}

nce_sparse_product_fn *nce_sparse_product(uint32_t cpu)
{
#if NCE_HAVE_AVX512
    if (cpu & NCE_CPU_AVX512) return nce_sparse_product_avx512;
#endif
    (void)cpu;
    return nce_sparse_product_ref;
}
