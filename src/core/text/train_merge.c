/* Learning merges from counted words (Sennrich et al. 2016).
 *
 * Every pair of neighbours has a count and the list of words it occurs in.  A heap gives the most frequent pair; its
 * entries may be out of date, always too high, and are corrected when they come up: counts only fall, except those of
 * pairs with the symbol just made, which are entered anew.  A merge then touches the words of its pair only.  The
 * result is a function of the counts: order of words and of list entries does not matter. */
#include "src/core/text/train.h"
#include <string.h>

typedef struct pair {
    uint32_t left, right;
    uint64_t count;
    uint32_t *words; /* indices, each at least once; stale ones are found out by looking */
    size_t n_words, words_capacity;
    bool raised; /* by the merge going on, and listed in raised[] */
} pair;

typedef struct heap_entry {
    uint64_t count;
    uint32_t left, right, pair;
} heap_entry;

typedef struct word {
    size_t first; /* in symbols[] */
    uint32_t n;
    uint64_t count;
} word;

typedef struct learner {
    nce_context *ctx;
    nce_tokenizer *t;
    word *words;
    uint32_t *symbols;
    pair *pairs;
    uint32_t *slots; /* index + 1 of a pair */
    heap_entry *heap;
    uint32_t *raised;
    char *scratch; /* the text of one token */
    size_t n_words, n_pairs, pairs_capacity, slots_mask, n_heap, heap_capacity, n_raised, raised_capacity;
} learner;

/* ---- pairs ---- */

static size_t slot_of(const learner *l, uint32_t left, uint32_t right)
{
    const uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    size_t i = (h >> 32) & l->slots_mask;
    for (; l->slots[i] != 0; i = (i + 1) & l->slots_mask) {
        const pair *p = &l->pairs[l->slots[i] - 1];
        if (p->left == left && p->right == right) break;
    }
    return i;
}

static nce_status grow_slots(learner *l)
{
    const size_t slots = l->slots == NULL ? 4096 : 2 * (l->slots_mask + 1);
    uint32_t *grown = nce_alloc_array(l->ctx, slots, sizeof *grown);
    if (grown == NULL) return nce_fail_nomem(l->ctx, slots * sizeof *grown);
    nce_free(l->ctx, l->slots);
    l->slots = grown;
    l->slots_mask = slots - 1;
    for (size_t k = 0; k < l->n_pairs; k++)
        grown[slot_of(l, l->pairs[k].left, l->pairs[k].right)] = (uint32_t)k + 1;
    return NCE_OK;
}

static nce_status find_or_add(learner *l, uint32_t left, uint32_t right, uint32_t *index)
{
    if (l->slots == NULL || 2 * l->n_pairs > l->slots_mask) {
        const nce_status status = grow_slots(l);
        if (status != NCE_OK) return status;
    }
    const size_t i = slot_of(l, left, right);
    if (l->slots[i] == 0) {
        const nce_status status =
            nce_grow(l->ctx, (void **)&l->pairs, &l->pairs_capacity, l->n_pairs + 1, sizeof *l->pairs);
        if (status != NCE_OK) return status;
        l->pairs[l->n_pairs++] = (pair){.left = left, .right = right};
        l->slots[i] = (uint32_t)l->n_pairs;
    }
    *index = l->slots[i] - 1;
    return NCE_OK;
}

/* The pair occurs once more in word w. */
static nce_status raise_pair(learner *l, uint32_t left, uint32_t right, uint32_t w)
{
    uint32_t index;
    nce_status status = find_or_add(l, left, right, &index);
    if (status != NCE_OK) return status;
    pair *p = &l->pairs[index];
    p->count += l->words[w].count;
    if (!p->raised) {
        status = nce_grow(l->ctx, (void **)&l->raised, &l->raised_capacity, l->n_raised + 1, sizeof *l->raised);
        if (status != NCE_OK) return status;
        l->raised[l->n_raised++] = index;
        p->raised = true;
    }
    if (p->n_words > 0 && p->words[p->n_words - 1] == w) return NCE_OK;
    status = nce_grow(l->ctx, (void **)&p->words, &p->words_capacity, p->n_words + 1, sizeof *p->words);
    if (status == NCE_OK) p->words[p->n_words++] = w;
    return status;
}

static void lower_pair(learner *l, uint32_t left, uint32_t right, uint32_t w)
{
    const size_t i = slot_of(l, left, right);
    if (l->slots[i] != 0) l->pairs[l->slots[i] - 1].count -= l->words[w].count;
}

/* ---- the heap: highest count first, then lowest left, then lowest right ---- */

static bool is_before(const heap_entry *a, const heap_entry *b)
{
    if (a->count != b->count) return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static nce_status heap_push(learner *l, uint32_t index)
{
    const pair *p = &l->pairs[index];
    const heap_entry e = {p->count, p->left, p->right, index};
    const nce_status status = nce_grow(l->ctx, (void **)&l->heap, &l->heap_capacity, l->n_heap + 1, sizeof *l->heap);
    if (status != NCE_OK) return status;
    size_t i = l->n_heap++;
    for (; i > 0 && is_before(&e, &l->heap[(i - 1) / 2]); i = (i - 1) / 2)
        l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = e;
    return NCE_OK;
}

static heap_entry heap_pop(learner *l)
{
    const heap_entry top = l->heap[0], last = l->heap[--l->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < l->n_heap; i = child) {
        if (child + 1 < l->n_heap && is_before(&l->heap[child + 1], &l->heap[child])) child++;
        if (!is_before(&l->heap[child], &last)) break;
        l->heap[i] = l->heap[child];
    }
    l->heap[i] = last;
    return top;
}

/* Enter the pairs whose counts rose. */
static nce_status push_raised(learner *l)
{
    nce_status status = NCE_OK;
    for (size_t i = 0; i < l->n_raised && status == NCE_OK; i++) {
        l->pairs[l->raised[i]].raised = false;
        if (l->pairs[l->raised[i]].count > 0) status = heap_push(l, l->raised[i]);
    }
    l->n_raised = 0;
    return status;
}

/* ---- words ---- */

static nce_status take_words(learner *l, const nce_word_table *table)
{
    size_t n_symbols = 0;
    for (size_t i = 0; i < table->n; i++)
        n_symbols += table->words[i].n;
    l->words = nce_alloc_array(l->ctx, table->n, sizeof *l->words);
    l->symbols = nce_alloc_array(l->ctx, n_symbols, sizeof *l->symbols);
    l->scratch = nce_alloc(l->ctx, NCE_MAX_PIECE);
    if (l->words == NULL || l->symbols == NULL || l->scratch == NULL)
        return nce_fail_nomem(l->ctx, n_symbols * sizeof *l->symbols);
    uint32_t bytes[256];
    for (size_t id = 0; id < 256; id++)
        bytes[(uint8_t)*nce_symbol_text(l->t, id)] = (uint32_t)id;
    n_symbols = 0;
    for (size_t i = 0; i < table->n; i++) {
        const nce_counted_word *w = &table->words[i];
        if (w->n > UINT32_MAX) return nce_fail(l->ctx, NCE_ERR_LIMIT, "a word of %zu bytes", w->n);
        l->words[i] = (word){n_symbols, (uint32_t)w->n, w->count};
        for (size_t k = 0; k < w->n; k++)
            l->symbols[n_symbols++] = bytes[(uint8_t)w->text[k]];
    }
    l->n_words = table->n;
    for (size_t w = 0; w < l->n_words; w++)
        for (size_t k = 1; k < l->words[w].n; k++) {
            const uint32_t *s = l->symbols + l->words[w].first + k;
            const nce_status status = raise_pair(l, s[-1], s[0], (uint32_t)w);
            if (status != NCE_OK) return status;
        }
    return push_raised(l);
}

/* Replace (left, right) by merged in one word, from the left, and move the counts of the neighbours. */
static nce_status merge_in_word(learner *l, uint32_t w, uint32_t left, uint32_t right, uint32_t merged)
{
    uint32_t *s = l->symbols + l->words[w].first;
    const uint32_t n = l->words[w].n;
    uint32_t to = 0;
    nce_status status = NCE_OK;
    for (uint32_t i = 0; i < n; to++) {
        if (i + 1 >= n || s[i] != left || s[i + 1] != right) {
            s[to] = s[i++];
            continue;
        }
        if (to > 0) {
            lower_pair(l, s[to - 1], left, w);
            status = raise_pair(l, s[to - 1], merged, w);
        }
        if (i + 2 < n && status == NCE_OK) {
            lower_pair(l, right, s[i + 2], w);
            status = raise_pair(l, merged, s[i + 2], w);
        }
        if (status != NCE_OK) return status;
        s[to] = merged;
        i += 2;
    }
    l->words[w].n = to;
    return NCE_OK;
}

/* ---- merges ---- */

/* The token the pair makes: one of the same text, or a new one. */
static nce_status token_of(learner *l, const heap_entry *e, uint32_t *id)
{
    nce_tokenizer *t = l->t;
    char *text = l->scratch;
    const size_t n_left = t->symbols[e->left].length, n_right = t->symbols[e->right].length;
    if (n_left + n_right > NCE_MAX_PIECE) {
        *id = UINT32_MAX; /* this pair is never merged */
        return NCE_OK;
    }
    memcpy(text, nce_symbol_text(t, e->left), n_left);
    memcpy(text + n_left, nce_symbol_text(t, e->right), n_right);
    const int64_t found = nce_vocab_find(t, text, n_left + n_right);
    if (found < 0) return nce_vocab_add_indexed(t, text, n_left + n_right, id);
    *id = (uint32_t)found;
    return NCE_OK;
}

static nce_status merge_pair(learner *l, const heap_entry *e)
{
    uint32_t merged;
    nce_status status = token_of(l, e, &merged);
    if (status != NCE_OK || merged == UINT32_MAX) return status;
    nce_tokenizer *t = l->t;
    t->merges[2 * t->n_trained_merges] = e->left;
    t->merges[2 * t->n_trained_merges + 1] = e->right;
    nce_vocab_put_pair(t, e->left, e->right, (uint32_t)t->n_trained_merges++, merged);
    pair *p = &l->pairs[e->pair];
    uint32_t *words = p->words;
    const size_t n_words = p->n_words;
    p->words = NULL; /* the list below may not move, nor grow while it is walked */
    p->n_words = p->words_capacity = 0;
    for (size_t i = 0; i < n_words && status == NCE_OK; i++)
        status = merge_in_word(l, words[i], e->left, e->right, merged);
    nce_free(l->ctx, words);
    l->pairs[e->pair].count = 0;
    return status == NCE_OK ? push_raised(l) : status;
}

static nce_status learn(learner *l, size_t n_tokens, uint64_t min_count, nce_progress_fn *progress, void *progress_user)
{
    const size_t max_merges = 2 * n_tokens;
    nce_status status = NCE_OK;
    while (l->n_heap > 0 && l->t->n_symbols < n_tokens && l->t->n_trained_merges < max_merges && status == NCE_OK) {
        const heap_entry e = heap_pop(l);
        const uint64_t count = l->pairs[e.pair].count;
        if (count != e.count) {
            if (count > 0 && count < e.count) status = heap_push(l, e.pair);
            continue;
        }
        if (count < min_count) break;
        status = merge_pair(l, &e);
        const size_t n = l->t->n_symbols;
        if (progress != NULL && n % 64 == 0 && !progress(progress_user, n - 256, n_tokens - 256))
            return nce_fail(l->ctx, NCE_ERR_CANCELLED, "training was cancelled after %zu merges",
                            l->t->n_trained_merges);
    }
    return status;
}

static void destroy(learner *l)
{
    for (size_t i = 0; i < l->n_pairs; i++)
        nce_free(l->ctx, l->pairs[i].words);
    nce_free(l->ctx, l->pairs);
    nce_free(l->ctx, l->slots);
    nce_free(l->ctx, l->heap);
    nce_free(l->ctx, l->raised);
    nce_free(l->ctx, l->scratch);
    nce_free(l->ctx, l->words);
    nce_free(l->ctx, l->symbols);
}

nce_status nce_learn_merges(nce_tokenizer *t, const nce_word_table *table, size_t n_tokens, uint64_t min_count,
                            nce_progress_fn *progress, void *progress_user)
{
    learner l = {.ctx = t->ctx, .t = t};
    t->merges = nce_alloc_array(t->ctx, 4 * n_tokens, sizeof *t->merges);
    nce_status status = t->merges == NULL ? nce_fail_nomem(t->ctx, 4 * n_tokens * sizeof *t->merges) : NCE_OK;
    if (status == NCE_OK) status = nce_vocab_reserve_pairs(t, 2 * n_tokens);
    if (status == NCE_OK) status = take_words(&l, table);
    if (status == NCE_OK) status = learn(&l, n_tokens, min_count, progress, progress_user);
    destroy(&l);
    return status;
}
