/* Numbers that the kernels and the executor share: work-group sizes, tiles, codes of choices.  Preprocessor text only. */
#ifndef NCE_SRC_GPU_SIZES_H
#define NCE_SRC_GPU_SIZES_H

#define NCE_GPU_GROUP 128  /* work items of a group, unless said otherwise */
#define NCE_GPU_PACK 256   /* of the group that quantizes activations: one block of 256 or eight of 32 */
#define NCE_GPU_MV_ROWS 4  /* rows of a group of a product with one column */
#define NCE_GPU_MM_ROWS 64 /* tile of a product with many columns */
#define NCE_GPU_MM_COLS 32
#define NCE_GPU_MT_ROWS 64 /* the same by tensor cores, by a group of NCE_GPU_MT_GROUP */
#define NCE_GPU_MT_COLS 128
#define NCE_GPU_MT_GROUP 256
#define NCE_GPU_FLOAT_ROWS 8 /* rows of a group of a float product: 16 lanes each */
#define NCE_GPU_FLOAT_COLS 4
#define NCE_GPU_SPLIT 256 /* positions of an attention split: the contract's */
#define NCE_GPU_PAGE 64   /* positions of a page */
#define NCE_GPU_HEAD_MAX 1024
#define NCE_GPU_NORM_CHUNK 2048
#define NCE_GPU_ROUTE_GROUP 32
#define NCE_GPU_EXPERTS_MAX 1024
#define NCE_GPU_EXPERTS_USED_MAX 64

/* Operations of nce_gpu_rows. */
#define NCE_GPU_ROWS_ACT 0
#define NCE_GPU_ROWS_GLU 1
#define NCE_GPU_ROWS_ADD 2
#define NCE_GPU_ROWS_SCALE 3
#define NCE_GPU_ROWS_SCALE_BY 4
#define NCE_GPU_ROWS_SOFTCAP 5
#define NCE_GPU_ROWS_SELECT 6
#define NCE_GPU_ROWS_NONE 7 /* of nce_gpu_pack: as it is */

/* One row of a step, as four int32: the token, its position, where the page list of its sequence begins in the table of
 * pages; and, for row i of the head, which row it is. */
#define NCE_GPU_ROW_TOKEN 0
#define NCE_GPU_ROW_POSITION 1
#define NCE_GPU_ROW_PAGES 2
#define NCE_GPU_ROW_SELECTED 3
#define NCE_GPU_ROW_INTS 4

#endif
