/* The product of ternary weights and one column of activations that are mostly zero (behind ReLU or ReLU^2): weights lie by
 * columns, and the columns of zeros are not read.
 *
 * Same bits as matmul.h: a block's sum of code * q is an exact integer, so leaving out q = 0 and changing the order of
 * additions changes nothing; scales and blocks meet in the order of the contract.
 *
 * A tile is 256 rows x one block of activations: 64 bytes a column, so what is skipped is a whole cache line; byte i holds
 * rows 4 i .. 4 i + 3, code + 1 in two bits each, the first in the lowest. */
#ifndef NCE_SRC_SPARSE_H
#define NCE_SRC_SPARSE_H
#include "src/kernels/matmul.h"

enum { NCE_SPARSE_ROWS = 256, NCE_SPARSE_UNIT = 64 }; /* rows of a tile; rows that a product call is a multiple of */

typedef struct nce_sparse_weight {
    const nce_type_info *type;
    size_t n_rows, k;
    uint8_t *codes; /* [tile row][block][column][64] */
    float *d;       /* [tile row][block][row], 16 rows 4 apart together; NULL: all are 1 */
} nce_sparse_weight;

/* Can this type's products be sparse?  (One scale for each block of activations, codes -1, 0, 1.) */
bool nce_sparse_type(const nce_type_info *type);
/* Bytes of codes and of d; 0 codes if they overflow. */
size_t nce_sparse_codes_bytes(size_t n_rows, size_t k);
size_t nce_sparse_d_bytes(const nce_type_info *type, size_t n_rows, size_t k);
/* Fill codes and d of the tiles of rows [from, to) of the matrix that starts at w; from and to are multiples of NCE_SPARSE_ROWS but for the last.  Parts in any order. */
void nce_sparse_fill(const nce_sparse_weight *s, const uint8_t *w, size_t row_bytes, size_t from, size_t to);

/* Four columns of a block that are not zero (the last are filled up with q = 0). */
typedef struct nce_sparse_four {
    uint8_t column[4];
    int8_t q[4];
} nce_sparse_four;

/* One column of activations, quantized by the contract: per block d, the sum of all q, and what is not zero. */
typedef struct nce_sparse_act {
    uint32_t block;
    size_t n_blocks;
    nce_sparse_four *fours; /* [n_blocks][block / 4] */
    uint32_t *n_fours;      /* [n_blocks] */
    int32_t *sum;           /* [n_blocks] */
    float *d;               /* [n_blocks] */
    size_t n_used;          /* columns that are not zero */
} nce_sparse_act;
size_t nce_sparse_act_bytes(uint32_t block, size_t k);
/* memory: nce_sparse_act_bytes, 8-byte aligned. */
void nce_sparse_pack(nce_sparse_act *a, uint32_t block, size_t k, const float *x, void *memory);

/* y[0 .. n_rows) = rows from .. from + n_rows of W x; from is a multiple of NCE_SPARSE_UNIT. */
typedef void nce_sparse_product_fn(const nce_sparse_weight *s, const nce_sparse_act *a, size_t from, size_t n_rows, float *y);
nce_sparse_product_fn nce_sparse_product_ref, nce_sparse_product_avx512;
/* The best of a processor with these NCE_CPU_* bits. */
nce_sparse_product_fn *nce_sparse_product(uint32_t cpu);

#endif
