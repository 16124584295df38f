/* The two packed forms that the SIMD products of every processor share: activations and panels.
 *
 * A panel holds 16 rows of one segment of any quantized type, expanded to bytes, one lane per row; so a new type needs
 * one expander and no product kernel.  Activations are laid out for broadcasts: four neighbouring codes of a column in
 * a word, the columns of a group side by side, so that a product reads one ascending stream. */
#ifndef NCE_SRC_MATMUL_PANEL_H
#define NCE_SRC_MATMUL_PANEL_H
#include "src/kernels/matmul.h"

/* ---- Activations.  Columns are cut into groups as equal as possible (9 columns are 5 + 4); a group and its blocks are
 * contiguous.  Words of 4 bytes, [n] columns innermost:
 *   block of 32:   codes[8][n]  start[n]  start_half[n]  da[n]  sum[n] (of the codes, as float)
 *   block of 256:  codes[64][n]  start[n]  da[n]  start32[8][n]  start16[16][n]  pair32[4][n]  pair16[8][n]
 *                  and for few columns  minus1[n]  minus32[16][n]  minus4[16][n]
 * A start is where an integer accumulator begins if codes are stored with an offset added, so that it ends at the exact
 * signed sum: -128 * (sum of codes), over the block, the first 16 (start_half), each 32, each 16; -124 for the start of
 * 256.  A pair is two int16 sums of codes, of 32 or 16 neighbours each.  The last three serve weights read in place:
 * -(sum of 256), -32 * (sum of each 16), and -4, -16, -64 or -16 times it for fields 0, 1, 2, 3 of 32 elements. */
enum { NCE_X32_START = 8, NCE_X32_START_HALF = 9, NCE_X32_DA = 10, NCE_X32_SUM = 11, NCE_X32_WORDS = 12 };
enum {
    NCE_X256_START = 64,
    NCE_X256_DA = 65,
    NCE_X256_START32 = 66,
    NCE_X256_START16 = 74,
    NCE_X256_PAIR32 = 90,
    NCE_X256_PAIR16 = 94,
    NCE_X256_WORDS = 102,
    NCE_X256_MINUS1 = 102,
    NCE_X256_MINUS32 = 103,
    NCE_X256_MINUS4 = 119,
    NCE_X256_WORDS_FEW = 135
};

enum {
    NCE_GROUP = 8,     /* most columns of a group */
    NCE_FEW = 8,       /* up to here weights are read in place where a type has a kernel for it */
    NCE_FEW_GROUP = 4, /* most columns of a group then */
    NCE_PANEL_ROWS = 16
};

static inline size_t nce_act_words(uint32_t block, size_t n_cols)
{
    return block == 32 ? NCE_X32_WORDS : n_cols <= NCE_FEW ? NCE_X256_WORDS_FEW : NCE_X256_WORDS;
}
static inline size_t nce_act_groups(size_t n_cols)
{
    const size_t most = n_cols <= NCE_FEW ? NCE_FEW_GROUP : NCE_GROUP;
    return (n_cols + most - 1) / most;
}
static inline size_t nce_act_group_start(size_t n_cols, size_t g)
{
    return n_cols * g / nce_act_groups(n_cols);
}
/* Words of the group that starts at column c0 with n columns, from block b on. */
static inline const int32_t *nce_act_at(const nce_act *a, size_t c0, size_t n, size_t b)
{
    return (const int32_t *)a->data + (c0 * (a->k / a->block) + b * n) * nce_act_words(a->block, a->n_cols);
}
/* Floats between the columns of unquantized activations: whole cache lines. */
static inline size_t nce_act_ld(size_t k)
{
    return (k + 15) / 16 * 16;
}

/* Bytes of activations in this layout; 0 if they overflow. */
size_t nce_act_bytes(uint32_t block, size_t n_cols, size_t k);

/* One block of one column, quantized, before it is interleaved with the others of its group. */
typedef struct nce_act_block {
    _Alignas(64) int8_t q[256];
    int32_t sum4[64]; /* sums of 4 neighbouring codes */
    float d, inverse;
} nce_act_block;

/* Quantize n (32 or 256) values by the contract: fill q, sum4, d. */
typedef void nce_quantize_block_fn(const float *x, size_t n, nce_act_block *out);

/* The reference: n codes to q; returns d. */
float nce_quantize_block_ref(const float *x, size_t n, int8_t *q);

/* d and inverse from the bits of the largest magnitude; false: there are no codes, q and sum4 are zero. */
bool nce_act_scale(nce_act_block *out, uint32_t amax_bits, size_t n);

/* The words of one column after its codes: dst + n * NCE_X..; n columns side by side; few: with the last three kinds. */
void nce_act_finish(int32_t *dst, size_t n, const nce_act_block *x, size_t block, bool few);

/* Pack with this quantizer, as nce_matmul_ops.pack. */
void nce_act_pack_with(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts,
                       nce_quantize_block_fn *quantize);

/* ---- Panels.  Lines of 64 bytes, one word or four codes of each of 16 rows, per block of activations:
 *   dw   {dmin  mins[n_min / 2] as pairs of int16}  {scales[n_sub]}  codes[block / 4]
 * FLAT32_MIN has dmin alone (its minimum is 1) and HALF32 a second dw for elements 16..31. */
typedef enum nce_panel_kind {
    NCE_PANEL_FLAT32 = 0,      /* 32 elements, one scale */
    NCE_PANEL_FLAT32_MIN = 1,  /* and a minimum */
    NCE_PANEL_HALF32 = 2,      /* a scale for each 16 of 32 */
    NCE_PANEL_FLAT256 = 3,     /* 256 elements, one scale; sub-scales small enough are multiplied into the codes */
    NCE_PANEL_FLAT256_MIN = 4, /* and 16 minima */
    NCE_PANEL_SUB32 = 5,       /* 8 integer sub-scales */
    NCE_PANEL_SUB32_MIN = 6,   /* and 8 minima */
    NCE_PANEL_SUB16 = 7,       /* 16 sub-scales */
    NCE_PANEL_KINDS = 8
} nce_panel_kind;

static inline size_t nce_panel_head(nce_panel_kind kind) /* lines before the codes */
{
    static const uint8_t lines[NCE_PANEL_KINDS] = {1, 2, 2, 1, 2 + 8, 1 + 8, 2 + 4 + 8, 1 + 16};
    return lines[kind];
}
static inline size_t nce_panel_block_bytes(nce_panel_kind kind)
{
    return 64 * (nce_panel_head(kind) + (kind <= NCE_PANEL_HALF32 ? 8 : 64));
}
/* What is added to codes for products of unsigned with signed bytes; with a minimum, codes are not negative. */
static inline int nce_panel_offset(nce_panel_kind kind)
{
    static const uint8_t offsets[NCE_PANEL_KINDS] = {128, 0, 128, 124, 0, 128, 0, 128};
    return offsets[kind];
}
enum { NCE_PANEL_BYTES = 64 * 4 * 81 }; /* of a segment: SUB16 is the largest */

/* The kind that suits any expander working from decoded pieces. */
nce_panel_kind nce_panel_kind_of(const nce_type_info *type);

/* The lines before the codes of one row. */
void nce_panel_put_head(nce_panel_kind kind, const nce_plain_block *p, uint8_t *panel, size_t row);

/* n_blocks blocks of the file of 16 rows, row_bytes apart, to a panel of that kind; codes get offset added.  For types
 * without an expander of their own. */
void nce_panel_expand_any(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_blocks, int offset,
                          uint8_t *panel);

/* Rows past n_rows are zero bytes in a copy of one segment (bytes of each row), so that a panel always has 16. */
const uint8_t *nce_pad_rows(uint8_t *dst, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t bytes);

/* ---- The variants (x86/, arm/), as in matmul.h. */
typedef void nce_act_pack_fn(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts);
typedef void nce_product_fn(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                            float *y, size_t ld_y, void *scratch);
enum { NCE_AMX_SCRATCH = 2 * NCE_PANEL_BYTES + 96 * 1024 };
size_t nce_act_bytes_amx(uint32_t block, size_t n_cols, size_t k);
nce_act_pack_fn nce_act_pack_avx2, nce_act_pack_avx512, nce_act_pack_amx, nce_act_pack_neon;
nce_product_fn nce_product_avx2, nce_product_avx512, nce_product_amx, nce_product_neon, nce_product_i8mm;

#endif
