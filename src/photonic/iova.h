/* Allocator of bus addresses (IOVA) for DMA mappings: first fit in the ranges the IOMMU allows.
 *
 * A device has tens of mappings, so a sorted array is enough.  Not thread-safe: the transport's owner serialises. */
#ifndef NCE_PHOTONIC_IOVA_H
#define NCE_PHOTONIC_IOVA_H
#include "src/core/runtime/context.h"

typedef struct nce_iova_range {
    uint64_t first, last; /* inclusive, so that a range may end at 2^64 - 1 */
} nce_iova_range;

typedef struct nce_iova {
    nce_context *ctx;
    nce_iova_range *free_ranges, *used; /* sorted, disjoint */
    size_t n_free_ranges, n_used, capacity;
    uint64_t page; /* alignment, a power of two */
} nce_iova;

/* The ranges that may be used: ascending, disjoint, copied.  NCE_ERR_INVALID if they are not, or page is no power of
 * two. */
nce_status nce_iova_init(nce_iova *a, nce_context *ctx, const nce_iova_range *ranges, size_t n_ranges, uint64_t page);
void nce_iova_finish(nce_iova *a);

/* Room for bytes (rounded up to pages).  NCE_ERR_LIMIT if there is none; NCE_ERR_NOMEM. */
nce_status nce_iova_alloc(nce_iova *a, uint64_t bytes, uint64_t *bus);
/* What nce_iova_alloc returned; anything else is ignored. */
void nce_iova_free(nce_iova *a, uint64_t bus);

#endif
