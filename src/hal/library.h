/* Libraries found at run time: a table of functions filled by name. */
#ifndef NCE_SRC_LIBRARY_H
#define NCE_SRC_LIBRARY_H
#include "src/core/runtime/context.h"

typedef struct nce_symbol {
    const char *name;
    size_t at;   /* of the function pointer in the table */
    bool needed;
} nce_symbol;

/* Opens the library that the context's paths give for what ("cuda"), or the first of usual (ended by NULL) that is there,
 * and fills the table.
 *
 * Returns NCE_OK; NCE_ERR_NOTFOUND (no such library), NCE_ERR_BACKEND (a needed function is missing): then nothing stays
 * open.  Drivers leave threads and handlers behind, so an opened library stays in the process for good; close only gives
 * the handle back. */
nce_status nce_library_open(nce_context *ctx, const char *what, const char *const *usual, const nce_symbol *symbols, size_t n,
                            void *table, void **out);
void nce_library_close(void *library); /* NULL is allowed */

#endif
