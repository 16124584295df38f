/* A hash table from names to positions in an array the caller owns, built once, O(1) lookups.
 *
 * Building finds duplicates in O(n).  The hash is XXH3 with a seed that differs from run to run, so that a file cannot
 * be made to collide on purpose. */
#ifndef NCE_SRC_INDEX_H
#define NCE_SRC_INDEX_H
#include "src/core/gguf/gguf.h"

typedef const nce_str *nce_index_name_fn(const void *items, size_t i);

typedef struct nce_index {
    const void *items;
    nce_index_name_fn *name;
    uint32_t *slots; /* 1 + position; 0: free */
    size_t mask;     /* slots - 1 */
    uint64_t seed;
} nce_index;

enum { NCE_INDEX_NONE = -1 };

/* n < 2^31.  *duplicate: NCE_INDEX_NONE, or the position of the second of two equal names (the index is then empty). */
nce_status nce_index_build(nce_context *ctx, nce_index *x, const void *items, size_t n, nce_index_name_fn *name,
                           int64_t *duplicate);
int64_t nce_index_find(const nce_index *x, const char *name, size_t size); /* NCE_INDEX_NONE if absent */
void nce_index_finish(nce_context *ctx, nce_index *x);

#endif
