/* Allocator of bus addresses (see iova.h). */
#include "src/photonic/iova.h"
#include <string.h>

nce_status nce_iova_init(nce_iova *a, nce_context *ctx, const nce_iova_range *ranges, size_t n_ranges, uint64_t page)
{
    *a = (nce_iova){.ctx = ctx, .page = page};
    bool good = n_ranges > 0 && page != 0 && (page & (page - 1)) == 0;
    for (size_t i = 0; i < n_ranges; i++)
        good = good && ranges[i].first <= ranges[i].last && (i == 0 || ranges[i].first > ranges[i - 1].last);
    if (!good) return nce_fail(ctx, NCE_ERR_INVALID, "IOVA ranges must ascend and the page size be a power of two");
    a->free_ranges = nce_alloc_array(ctx, n_ranges, sizeof *ranges);
    if (a->free_ranges == NULL) return nce_fail_nomem(ctx, n_ranges * sizeof *ranges);
    memcpy(a->free_ranges, ranges, n_ranges * sizeof *ranges);
    a->n_free_ranges = n_ranges;
    return NCE_OK;
}

void nce_iova_finish(nce_iova *a)
{
    if (a->ctx == NULL) return;
    nce_free(a->ctx, a->free_ranges);
    nce_free(a->ctx, a->used);
    *a = (nce_iova){0};
}

/* The lowest aligned start in a range, after the mappings already there; false if bytes do not fit.  *at: the index in
 * the sorted array where the new mapping belongs. */
static bool find_gap(const nce_iova *a, const nce_iova_range *range, uint64_t bytes, uint64_t *start, size_t *at)
{
    uint64_t next = range->first;
    for (size_t i = 0;; i++) {
        if (next > UINT64_MAX - (a->page - 1)) return false;
        next = (next + a->page - 1) & ~(a->page - 1);
        if (next < range->first || next > range->last) return false;
        const bool end = i == a->n_used || a->used[i].first > range->last;
        const uint64_t limit = end ? range->last : a->used[i].first; /* last usable byte, or one past it */
        const bool fits = limit >= next && (end ? limit - next >= bytes - 1 : limit - next >= bytes);
        if (fits) {
            *start = next;
            *at = i;
            return true;
        }
        if (end || a->used[i].last == UINT64_MAX) return false;
        if (a->used[i].last >= next) next = a->used[i].last + 1;
    }
}

nce_status nce_iova_alloc(nce_iova *a, uint64_t bytes, uint64_t *bus)
{
    if (bytes == 0 || bytes > UINT64_MAX - a->page)
        return nce_fail(a->ctx, NCE_ERR_INVALID, "IOVA: %llu bytes", (unsigned long long)bytes);
    const uint64_t rounded = (bytes + a->page - 1) & ~(a->page - 1);
    const nce_status status = nce_grow(a->ctx, (void **)&a->used, &a->capacity, a->n_used + 1, sizeof *a->used);
    if (status != NCE_OK) return status;
    for (size_t r = 0; r < a->n_free_ranges; r++) {
        uint64_t start;
        size_t at;
        if (!find_gap(a, &a->free_ranges[r], rounded, &start, &at)) continue;
        memmove(a->used + at + 1, a->used + at, (a->n_used - at) * sizeof *a->used);
        a->used[at] = (nce_iova_range){start, start + (rounded - 1)};
        a->n_used++;
        *bus = start;
        return NCE_OK;
    }
    return nce_fail(a->ctx, NCE_ERR_LIMIT, "IOVA space: no room for %llu bytes", (unsigned long long)bytes);
}

void nce_iova_free(nce_iova *a, uint64_t bus)
{
    for (size_t i = 0; i < a->n_used; i++)
        if (a->used[i].first == bus) {
            memmove(a->used + i, a->used + i + 1, (a->n_used - i - 1) * sizeof *a->used);
            a->n_used--;
            return;
        }
}
