/* Importance matrices: for each weight matrix the mean square of every input column, measured on a text.
 *
 * The file is GGUF as llama.cpp writes it since 2025: general.type "imatrix"; for a weight W the tensors "W.in_sum2"
 * [columns, experts] and "W.counts" [1, experts], both F32.  The importance of a column is in_sum2 / counts. */
#ifndef NCE_SRC_QUANT_IMATRIX_H
#define NCE_SRC_QUANT_IMATRIX_H
#include "src/core/gguf/gguf.h"

typedef struct nce_imatrix nce_imatrix;

/* NCE_ERR_FORMAT: not such a file.  The values are checked when they are asked for. */
nce_status nce_imatrix_open(nce_context *ctx, const char *path, nce_imatrix **out);
void nce_imatrix_close(nce_imatrix *m);         /* NULL is allowed */
size_t nce_imatrix_count(const nce_imatrix *m); /* weight matrices it knows */

/* Importance of the n columns of a weight for one expert (0 if there are none; one set serves all experts if the file
 * has one) into out.  NCE_ERR_NOTFOUND without a message: the weight is not in the file, or that expert was never used.
 * NCE_ERR_FORMAT: wrong shape, or a value that is negative or not finite.  m NULL: NCE_ERR_NOTFOUND. */
nce_status nce_imatrix_columns(const nce_imatrix *m, nce_str weight, size_t n, size_t expert, float *out);

#endif
