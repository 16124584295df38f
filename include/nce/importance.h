/* Importance matrices: how large the inputs of every weight matrix are on a text, column by column.
 *
 * A quantizer that knows them spends its precision where it matters (nce_quantize_options.imatrix).  A session made with
 * collect_importance notes the inputs of every matrix of every layer it evaluates; the output matrix is left out. */
#ifndef NCE_IMPORTANCE_H
#define NCE_IMPORTANCE_H
#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_importance_options {
    size_t struct_size;
    const char *dataset; /* name of the text, noted in the file; NULL: none */
    uint32_t chunk_size; /* noted too: tokens evaluated without a break; 0: the session's n_ctx */
    uint32_t reserved;   /* 0 */
} nce_importance_options;
#define NCE_IMPORTANCE_OPTIONS_INIT { sizeof(nce_importance_options), 0, 0, 0 }

/* Write what the session has noted since it was made, as GGUF in the form of llama.cpp: for a matrix W the tensors
 * "W.in_sum2" [columns, experts] (sums of squares) and "W.counts" [1, experts] (rows seen), both F32.
 *
 * path     appears when it is complete; an existing file is replaced.
 * options  NULL for defaults.
 * The sums are added in binary64 in the order of the tokens, so they do not depend on threads or n_batch.  Evaluations
 * that failed or were cancelled count as far as they went.
 * Returns NCE_OK; NCE_ERR_INVALID (an argument; the session does not collect, or has evaluated nothing); NCE_ERR_IO;
 *         NCE_ERR_NOMEM.  After a failure path is as it was, and the session is unchanged.
 * Threads: as other calls of the session.  Since 0.1. */
NCE_API nce_status nce_session_importance_save(nce_session *session, const char *path, const nce_importance_options *options);

#ifdef __cplusplus
}
#endif
#endif
