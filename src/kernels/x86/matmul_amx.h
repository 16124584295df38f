/* The AMX product for prefill with types of 256: 16 rows of weights x 16 columns in one tile of int32.  (Types of 32 end in
 * more float work, and more reading of tiles, than the tile products save: they stay with vpdpbusd.)
 *
 * The columns are the tile's rows (A: their codes, column by column) and the weights its columns (B: exactly the code lines
 * of a panel), so a row of the result is a vector with lane = row of W, as everywhere else, and the float part is the same.
 *
 * Sums reach the vector unit through memory: a step of tile products is always under way while the sums of the step before
 * are added to their accumulators, for they share no execution port.
 *
 * What bounds such a loop is the way from the second cache to the first.  So a block of the output is 2 panels x 4 groups,
 * and for every 256 elements of k all its parts are computed: codes, activations and accumulators stay in the first cache. */
#ifndef NCE_SRC_MATMUL_AMX_H
#define NCE_SRC_MATMUL_AMX_H
#include "src/kernels/matmul_panel.h"

enum {
    NCE_AMX_TILE = 16,
    NCE_AMX_SUMS = NCE_AMX_TILE * NCE_AMX_TILE, /* int32 of a tile */
    NCE_AMX_STEP_SUMS = 4 * NCE_AMX_SUMS,       /* of a step: four tiles */
};

/* Activations: groups of 16 columns, the last filled up with zeros.  Per block, words of 4 bytes, 16 columns side by side but
 * for the codes, which are column by column; the words are those of matmul_panel.h. */
enum { NCE_AMX_DA = 64, NCE_AMX_START = 65, NCE_AMX_PAIR32 = 66, NCE_AMX_PAIR16 = 70, NCE_AMX_WORDS = 78 };

/* Blocks of 256 with sub-scales are multiplied with them once per panel and become two planes of codes:
 * lines dw, dmin, pairs of minima[8], high[64], low[64]. */
enum {
    NCE_AMX_PLANES_HEAD = 10,
    NCE_AMX_PLANE_LINES = 64,
    NCE_AMX_PLANES_BYTES = 4 * 64 * (NCE_AMX_PLANES_HEAD + 2 * NCE_AMX_PLANE_LINES)
};

enum { NCE_AMX_PANELS = 2, NCE_AMX_GROUPS = 4 }; /* of a block of the output */

/* One segment of a block of the output: operands, and sums over k to be added to. */
typedef struct nce_amx_job {
    const uint8_t *panel[NCE_AMX_PANELS]; /* panels, or their planes; the first again where there is but one */
    const int32_t *x[NCE_AMX_GROUPS];     /* the segment's first block of these groups */
    size_t n_panels, n_groups, n_blocks;
    int32_t *sums; /* 2 * NCE_AMX_STEP_SUMS */
    float *acc;    /* [panel][group][column][row], from +0 */
} nce_amx_job;
enum { NCE_AMX_ACC = NCE_AMX_PANELS * NCE_AMX_GROUPS * NCE_AMX_TILE * NCE_AMX_TILE };

typedef void nce_amx_fn(const nce_amx_job *j);
nce_amx_fn nce_amx_flat256, nce_amx_flat256_min, nce_amx_planes, nce_amx_planes_min;

/* n_blocks of the file of up to 16 rows as an operand: a panel, or the planes made of it.  pad, panel: NCE_PANEL_BYTES each. */
void nce_amx_make_operand(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_blocks,
                          uint8_t *pad, uint8_t *panel, uint8_t *out);

/* Up to so many columns, in the order of the file. */
enum { NCE_AMX_FEW_COLUMNS = 64 };
nce_product_fn nce_product_amx_few;

/* From the AVX-512 files.  The kind of panel that nce_expand_avx512 makes of a type. */
nce_panel_kind nce_panel_kind_avx512(const nce_type_info *type);
/* One segment (n_blocks blocks of the file) of up to 16 rows; pad: NCE_PANEL_BYTES for missing rows. */
void nce_expand_avx512(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_blocks,
                       uint8_t *pad, uint8_t *panel);
nce_quantize_block_fn nce_quantize_block_avx512;

#endif
