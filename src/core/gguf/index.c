/* Open addressing with linear probing, at most half full. */
#include "src/core/gguf/index.h"
#include <string.h>
#include <xxhash.h>

/* The slot of the name: where it is, or the free one where it belongs. */
static size_t probe(const nce_index *x, const char *name, size_t size)
{
    size_t at = (size_t)XXH3_64bits_withSeed(name, size, x->seed) & x->mask;
    for (; x->slots[at] != 0; at = (at + 1) & x->mask) {
        const nce_str *s = x->name(x->items, x->slots[at] - 1);
        if (s->size == size && memcmp(s->data, name, size) == 0) break;
    }
    return at;
}

nce_status nce_index_build(nce_context *ctx, nce_index *x, const void *items, size_t n, nce_index_name_fn *name,
                           int64_t *duplicate)
{
    *duplicate = NCE_INDEX_NONE;
    if (n >= (size_t)1 << 31) return nce_fail(ctx, NCE_ERR_LIMIT, "%zu names; the limit is 2^31", n);
    size_t n_slots = 8;
    while (n_slots < 2 * n)
        n_slots *= 2;
    *x = (nce_index){items, name, nce_alloc_array(ctx, n_slots, sizeof *x->slots), n_slots - 1, 0};
    if (x->slots == NULL) return nce_fail_nomem(ctx, n_slots * sizeof *x->slots);
    x->seed = (uint64_t)(uintptr_t)x->slots; /* address-space randomisation makes it unpredictable */
    for (size_t i = 0; i < n; i++) {
        const nce_str *s = name(items, i);
        const size_t at = probe(x, s->data, s->size);
        if (x->slots[at] != 0) {
            *duplicate = (int64_t)i;
            nce_index_finish(ctx, x);
            return NCE_OK;
        }
        x->slots[at] = (uint32_t)i + 1;
    }
    return NCE_OK;
}

int64_t nce_index_find(const nce_index *x, const char *name, size_t size)
{
    if (x->slots == NULL) return NCE_INDEX_NONE;
    return (int64_t)x->slots[probe(x, name, size)] - 1;
}

void nce_index_finish(nce_context *ctx, nce_index *x)
{
    nce_free(ctx, x->slots);
    x->slots = NULL;
}
