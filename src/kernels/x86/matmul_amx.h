/* What the AMX product takes from the AVX-512 files. */
#ifndef NCE_SRC_MATMUL_AMX_H
#define NCE_SRC_MATMUL_AMX_H
#include "src/kernels/matmul_panel.h"

/* The kind of panel that nce_expand_avx512 makes of a type. */
nce_panel_kind nce_panel_kind_avx512(const nce_type_info *type);
/* One segment (n_blocks blocks of the file) of up to 16 rows; pad: NCE_PANEL_BYTES for missing rows. */
void nce_expand_avx512(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows, size_t n_blocks,
                       uint8_t *pad, uint8_t *panel);
nce_quantize_block_fn nce_quantize_block_avx512;

#endif
