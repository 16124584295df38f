/* Longest-prefix matching over a sorted list of token ids.
 *
 * Sorted by bytes, the tokens that share the first d bytes are neighbours.  A walk narrows that range with two binary
 * searches a byte: a trie without nodes, four bytes a token. */
#include "src/core/text/tokenizer.h"
#include <string.h>

static int compare(const nce_tokenizer *t, uint32_t a, uint32_t b)
{
    const size_t na = t->symbols[a].length, nb = t->symbols[b].length;
    const int order = memcmp(nce_symbol_text(t, a), nce_symbol_text(t, b), na < nb ? na : nb);
    if (order != 0) return order;
    return na != nb ? (na < nb ? -1 : 1) : (a < b ? -1 : 1);
}

/* Bottom-up merge sort: no recursion, no quadratic case, memory from the context. */
static nce_status sort_ids(const nce_tokenizer *t, uint32_t *ids, size_t n)
{
    uint32_t *from = ids, *to = nce_alloc_array(t->ctx, n, sizeof *to), *spare = to;
    if (to == NULL) return nce_fail_nomem(t->ctx, n * sizeof *to);
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t start = 0; start < n; start += 2 * width) {
            const size_t mid = start + width < n ? start + width : n,
                         end = start + 2 * width < n ? start + 2 * width : n;
            size_t a = start, b = mid;
            for (size_t i = start; i < end; i++)
                to[i] = a < mid && (b >= end || compare(t, from[a], from[b]) < 0) ? from[a++] : from[b++];
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != ids) memcpy(ids, from, n * sizeof *ids);
    nce_free(t->ctx, spare);
    return NCE_OK;
}

nce_status nce_prefix_build(nce_tokenizer *t, nce_prefix_index *index, bool (*keep)(const nce_tokenizer *t, size_t id))
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_symbols; i++)
        n += t->symbols[i].length > 0 && keep(t, i);
    index->ids = nce_alloc_array(t->ctx, n, sizeof *index->ids);
    if (index->ids == NULL) return nce_fail_nomem(t->ctx, n * sizeof *index->ids);
    for (size_t i = 0; i < t->n_symbols; i++)
        if (t->symbols[i].length > 0 && keep(t, i)) index->ids[index->n++] = (uint32_t)i;
    const nce_status status = sort_ids(t, index->ids, n);
    if (status != NCE_OK) return status;
    size_t i = 0;
    for (int b = 0; b < 257; b++) {
        while (i < n && (uint8_t)*nce_symbol_text(t, index->ids[i]) < b)
            i++;
        index->first[b] = (uint32_t)i;
    }
    return NCE_OK;
}

void nce_prefix_destroy(nce_context *ctx, nce_prefix_index *index)
{
    nce_free(ctx, index->ids);
    *index = (nce_prefix_index){0};
}

void nce_prefix_start(const nce_prefix_index *index, nce_prefix_walk *w)
{
    *w = (nce_prefix_walk){0, index->n, 0};
}

/* The first id of [low, high) whose byte at depth is >= byte; tokens that end before depth come first. */
static size_t lower_bound(const nce_tokenizer *t, const nce_prefix_index *index, nce_prefix_walk w, int byte)
{
    while (w.low < w.high) {
        const size_t mid = (w.low + w.high) / 2;
        const uint32_t id = index->ids[mid];
        if (t->symbols[id].length <= w.depth || (uint8_t)nce_symbol_text(t, id)[w.depth] < byte)
            w.low = mid + 1;
        else
            w.high = mid;
    }
    return w.low;
}

bool nce_prefix_step(const nce_tokenizer *t, const nce_prefix_index *index, nce_prefix_walk *w, uint8_t byte,
                     int64_t *id)
{
    *id = -1;
    if (w->depth == 0) {
        w->low = index->first[byte];
        w->high = index->first[byte + 1];
    } else {
        const nce_prefix_walk range = *w;
        w->low = lower_bound(t, index, range, byte);
        w->high = lower_bound(t, index, range, byte + 1);
    }
    w->depth++;
    if (w->low >= w->high) return false;
    const uint32_t first = index->ids[w->low];
    if (t->symbols[first].length == w->depth) *id = first;
    return true;
}
