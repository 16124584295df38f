/* Matrix products with weights as they lie in a GGUF file:  Y = W X.
 *
 * W  [n_rows][k]   rows of blocks of one type, row_bytes apart, never copied or repacked;
 * X  [n_cols][k]   float, one token after the other, packed once into an nce_act and shared by all W with this input;
 * Y  [n_cols][ld_y] float, token-major: the rows of a token are contiguous.
 *
 * THE CONTRACT, for every variant, number of columns, tiling and thread split (docs/numerics.md):
 *  quantized types (act_block 32 or 256; a block of the file holds one or more pieces of this size):
 *   activations: per act_block d = amax / 127, q = rint_even(x * (127 / amax)), both divisions IEEE;
 *                amax < 2^-120, or not finite: d = 0 and q = 0 (not finite: d = NaN);
 *   isum = exact int32 of  sum over sub-blocks of  scale * sum of (code * q);   msum the same with the minima;
 *   acc  = fma(dw * da, (float)isum, acc);  then, with a minimum,  acc = fma(-(dmin * da), (float)msum, acc);
 *   half_scales: acc = fma(dw0 * da, (float)isum of elements 0..15, acc), then the same with dw1 and 16..31;
 *   blocks ascending, acc = +0 at the start of every segment of NCE_SEGMENT elements;
 *   y = acc of segment 0;  y = y + acc of segments 1, 2, ... ascending.
 *  float types (F32, F16, BF16; act_block 0): both sides widened to binary32; 16 lanes from +0,
 *   lane[i % 16] = fma(w[i], x[i], lane[i % 16]), i ascending; then lane[l] += lane[l + h] for h = 8, 4, 2, 1.
 * NaN results compare as NaN. */
#ifndef NCE_SRC_MATMUL_H
#define NCE_SRC_MATMUL_H
#include "src/kernels/types/type.h"
#include <stddef.h>
#include <stdint.h>

enum { NCE_SEGMENT = 1024 }; /* contract */

/* Activations of n_cols columns, packed for the products.  The layout of data belongs to the ops that packed it. */
typedef struct nce_act {
    uint32_t block; /* 0: float, 32 or 256: quantized */
    size_t n_cols, k;
    void *data; /* the caller's, act_bytes long, 64-byte aligned */
} nce_act;

typedef struct nce_matmul_ops {
    /* Bytes of data for these columns; 0 if the sizes overflow. */
    size_t (*act_bytes)(uint32_t block, size_t n_cols, size_t k);
    /* Pack x [n_cols][ld_x] into a->data.  Part `part` of n_parts: parts are disjoint, any thread, any order; all must
     * be done before a product. */
    void (*pack)(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts);
    /* Rows w .. w + n_rows: y[c * ld_y + r] for every column.  a->block equals the type's act_block; a->k is a multiple
     * of the type's block.  A tensor_scale (I2_S) is not applied.  Types without a product (F64, I8 .. I64) are not for
     * here. scratch: scratch_bytes of this thread, 64-byte aligned.  Nothing outside the rows is read. */
    void (*product)(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                    float *y, size_t ld_y, void *scratch);
    size_t scratch_bytes;
    size_t row_granule; /* splitting rows at multiples of this wastes nothing */
} nce_matmul_ops;

/* cpu: NCE_CPU_* bits, already masked.  Fills every pointer: reference first, then upward. */
void nce_matmul_ops_init(nce_matmul_ops *ops, uint32_t cpu);

/* Codes [n_cols][k] and scales [n_cols][k / block] of activations that the reference (cpu 0) packed: for devices that
 * compute products themselves. */
void nce_matmul_reference_act(const nce_act *a, const int8_t **codes, const float **scales);

#endif
