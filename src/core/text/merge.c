/* Merging the symbols of one word: always the pair of lowest rank, the leftmost of equals (Sennrich et al. 2016).
 *
 * A pair's rank comes from the merge table (BPE) or from the score of the piece the two make (SentencePiece: higher
 * first). Short words rescan a small array on the stack.  Long ones use a heap of (rank, position): a pair that changed
 * meanwhile is recognised by its rank, which its position no longer has; O(n log n) whatever the text. */
#include "src/core/text/tokenizer.h"
#include <string.h>

enum { SHORT_WORD = 48 };
static const uint32_t none = UINT32_MAX;

/* Rank of a SentencePiece score: the float's bits turned into an order, the highest first. */
static uint32_t rank_of_score(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 becomes +0 */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

/* Rank of the neighbours left and right, which cover bytes [begin, end) of the word; *merged is what they become. */
static uint32_t rank_of(const nce_tokenizer *t, const char *bytes, size_t n, uint32_t left, uint32_t right,
                        uint32_t *merged)
{
    if (t->kind == NCE_TOKENIZER_SPM) {
        const int64_t id = n <= t->max_piece ? nce_vocab_find(t, bytes, n) : -1;
        if (id < 0 || (t->attributes[id] & NCE_TOKEN_NOT_TEXT)) return none;
        *merged = (uint32_t)id;
        return rank_of_score(t->scores[id]);
    }
    if (left == none || right == none) return none;
    const nce_pair_slot *p = nce_vocab_find_pair(t, left, right);
    if (p == NULL) return none;
    *merged = p->merged;
    return p->rank;
}

/* The symbol a word starts from at bytes: a byte or a character. */
static uint32_t first_symbol(const nce_tokenizer *t, const char *bytes, size_t n, size_t *length)
{
    if (t->kind == NCE_TOKENIZER_BPE) {
        *length = 1;
        if (t->byte_ids[(uint8_t)*bytes] >= 0) return (uint32_t)t->byte_ids[(uint8_t)*bytes];
    } else {
        nce_utf8_decode((const uint8_t *)bytes, n, length);
    }
    const int64_t id = nce_vocab_find(t, bytes, *length);
    return id >= 0 && !(t->attributes[id] & NCE_TOKEN_NOT_TEXT) ? (uint32_t)id : none;
}

void nce_put_bytes(const nce_tokenizer *t, nce_token_sink *sink, const char *bytes, size_t n)
{
    bool missing = false;
    for (size_t i = 0; i < n; i++)
        missing |= t->byte_ids[(uint8_t)bytes[i]] < 0;
    if (missing && t->unk >= 0) {
        nce_sink_put(sink, t->unk);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (t->byte_ids[(uint8_t)bytes[i]] >= 0) nce_sink_put(sink, t->byte_ids[(uint8_t)bytes[i]]);
}

static void put_symbol(const nce_tokenizer *t, nce_token_sink *sink, uint32_t id, const char *bytes, size_t n)
{
    if (id < t->n_tokens)
        nce_sink_put(sink, (int32_t)id);
    else
        nce_put_bytes(t, sink, bytes, n);
}

/* ---- short words ---- */

typedef struct part {
    uint32_t id, begin, rank, merged; /* rank of the pair with the next part, and what the two become */
} part;

static void update_rank(const nce_tokenizer *t, part *parts, size_t n, const char *word, size_t i)
{
    part *p = &parts[i];
    p->rank = i + 1 < n ? rank_of(t, word + p[0].begin, p[2].begin - p[0].begin, p[0].id, p[1].id, &p->merged) : none;
}

/* A pair's rank is a journey to memory: let several travel at once. */
static void prefetch_rank(const nce_tokenizer *t, const part *parts, size_t n, size_t i)
{
    if (t->kind != NCE_TOKENIZER_SPM && i + 1 < n) nce_vocab_prefetch_pair(t, parts[i].id, parts[i + 1].id);
}

/* The part whose pair has the lowest rank, the first of equals; without branches, for they would not be predicted. */
static size_t find_best(const part *parts, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = parts[i].rank < parts[best].rank ? i : best;
    return best;
}

static void merge_short(const nce_tokenizer *t, const char *word, size_t n_bytes, nce_token_sink *sink)
{
    part parts[SHORT_WORD + 1]; /* the last one marks the end */
    size_t n = 0, length;
    for (size_t i = 0; i < n_bytes; i += length, n++) {
        parts[n].begin = (uint32_t)i;
        parts[n].id = first_symbol(t, word + i, n_bytes - i, &length);
    }
    parts[n].begin = (uint32_t)n_bytes;
    for (size_t i = 0; i < n; i++)
        prefetch_rank(t, parts, n, i);
    for (size_t i = 0; i < n; i++)
        update_rank(t, parts, n, word, i);
    for (size_t best; best = find_best(parts, n), parts[best].rank != none;) {
        parts[best].id = parts[best].merged;
        memmove(&parts[best + 1], &parts[best + 2], (n - best - 1) * sizeof *parts);
        n--;
        prefetch_rank(t, parts, n, best);
        if (best > 0) prefetch_rank(t, parts, n, best - 1);
        update_rank(t, parts, n, word, best);
        if (best > 0) update_rank(t, parts, n, word, best - 1);
    }
    for (size_t i = 0; i < n; i++)
        put_symbol(t, sink, parts[i].id, word + parts[i].begin, parts[i + 1].begin - parts[i].begin);
}

/* ---- long words ---- */

typedef struct node {
    uint32_t id, begin, prev, next;
} node; /* next == n: the last; a dead node has begin == none */

typedef struct long_word {
    const nce_tokenizer *t;
    const char *word;
    node *nodes;    /* [n + 1], the last one marks the end */
    uint64_t *heap; /* rank << 32 | node */
    size_t n, n_heap, heap_capacity;
} long_word;

static void heap_down(uint64_t *heap, size_t n, size_t i)
{
    const uint64_t value = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= value) break;
        heap[i] = heap[child];
    }
    heap[i] = value;
}

static nce_status heap_push(long_word *w, uint64_t value)
{
    const nce_status status = nce_grow(w->t->ctx, (void **)&w->heap, &w->heap_capacity, w->n_heap + 1, sizeof *w->heap);
    if (status != NCE_OK) return status;
    size_t i = w->n_heap++;
    for (; i > 0 && w->heap[(i - 1) / 2] > value; i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = value;
    return NCE_OK;
}

static uint32_t node_rank(const long_word *w, uint32_t i, uint32_t *merged)
{
    const node *a = &w->nodes[i];
    if (a->begin == none || a->next == w->n) return none;
    const node *b = &w->nodes[a->next];
    return rank_of(w->t, w->word + a->begin, w->nodes[b->next].begin - a->begin, a->id, b->id, merged);
}

static nce_status push_pair(long_word *w, uint32_t i)
{
    uint32_t merged;
    const uint32_t rank = node_rank(w, i, &merged);
    return rank == none ? NCE_OK : heap_push(w, (uint64_t)rank << 32 | i);
}

static nce_status merge_at(long_word *w, uint32_t i, uint32_t merged)
{
    node *a = &w->nodes[i], *b = &w->nodes[a->next];
    a->id = merged;
    a->next = b->next;
    b->begin = none;
    if (a->next < w->n) w->nodes[a->next].prev = i;
    nce_status status = push_pair(w, i);
    if (status == NCE_OK && a->prev != none) status = push_pair(w, a->prev);
    return status;
}

static nce_status merge_nodes(long_word *w)
{
    nce_status status = NCE_OK;
    while (w->n_heap > 0 && status == NCE_OK) {
        const uint64_t top = w->heap[0];
        w->heap[0] = w->heap[--w->n_heap];
        if (w->n_heap > 0) heap_down(w->heap, w->n_heap, 0);
        uint32_t merged;
        if (node_rank(w, (uint32_t)top, &merged) == top >> 32) status = merge_at(w, (uint32_t)top, merged);
    }
    return status;
}

/* The pairs of the untouched word become a heap at once, in linear time. */
static nce_status fill(long_word *w, size_t n_bytes)
{
    size_t length;
    for (size_t i = 0; i < n_bytes; i += length, w->n++)
        w->nodes[w->n] = (node){first_symbol(w->t, w->word + i, n_bytes - i, &length), (uint32_t)i,
                                w->n == 0 ? none : (uint32_t)w->n - 1, (uint32_t)w->n + 1};
    w->nodes[w->n] = (node){none, (uint32_t)n_bytes, none, none};
    for (size_t i = 0; i + 1 < w->n; i++) {
        uint32_t merged;
        const uint32_t rank = node_rank(w, (uint32_t)i, &merged);
        if (rank == none) continue;
        const nce_status status =
            nce_grow(w->t->ctx, (void **)&w->heap, &w->heap_capacity, w->n_heap + 1, sizeof *w->heap);
        if (status != NCE_OK) return status;
        w->heap[w->n_heap++] = (uint64_t)rank << 32 | i;
    }
    for (size_t i = w->n_heap / 2; i-- > 0;)
        heap_down(w->heap, w->n_heap, i);
    return NCE_OK;
}

static nce_status merge_long(const nce_tokenizer *t, const char *word, size_t n, nce_token_sink *sink)
{
    long_word w = {.t = t, .word = word};
    w.nodes = nce_alloc(t->ctx, (n + 1) * sizeof *w.nodes);
    if (w.nodes == NULL) return nce_fail_nomem(t->ctx, (n + 1) * sizeof *w.nodes);
    nce_status status = fill(&w, n);
    if (status == NCE_OK) status = merge_nodes(&w);
    for (size_t i = 0; status == NCE_OK && i < w.n; i = w.nodes[i].next) {
        const uint32_t end = w.nodes[w.nodes[i].next].begin;
        put_symbol(t, sink, w.nodes[i].id, word + w.nodes[i].begin, end - w.nodes[i].begin);
    }
    nce_free(t->ctx, w.heap);
    nce_free(t->ctx, w.nodes);
    return status;
}

nce_status nce_merge_word(const nce_tokenizer *t, const char *word, size_t n, nce_token_sink *sink)
{
    if (n > SHORT_WORD) return merge_long(t, word, n, sink);
    merge_short(t, word, n, sink);
    return NCE_OK;
}
