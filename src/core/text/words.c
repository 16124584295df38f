/* Words on their way to tokens: most are tokens themselves, most others occurred before.
 *
 * Whether the text of a token encodes to that token alone is found out once and kept in the tokenizer (an atomic byte a
 * token; every thread finds the same).  Other words are remembered for the length of one call, as the place in the text
 * and in the output where they were first seen. */
#include "src/core/text/hash.h"
#include "src/core/text/words.h"
#include <string.h>

enum { UNDECIDED = 0, WHOLE = 1, NOT_WHOLE = 2 };

/* Is the word one token by decree, before any merging? */
static bool is_taken_whole(const nce_tokenizer *t, const char *word, size_t n)
{
    if (t->split_flags & NCE_SPLIT_WHOLE_WORDS) return true;
    return t->kind == NCE_TOKENIZER_CBPE && word[0] == '\n' &&
           word[n - 1] == '\n'; /* a line break run, see splitter_rules.c */
}

static nce_status merge_and_decide(nce_encoder *e, const char *word, size_t n, int32_t id)
{
    nce_token_sink *sink = e->sink;
    const size_t first = sink->count;
    const nce_status status = nce_merge_word(e->t, word, n, sink);
    if (status == NCE_OK && sink->count <= sink->capacity && id >= 0) {
        const bool whole = sink->count == first + 1 && sink->tokens[first] == id;
        atomic_store_explicit(&e->t->whole[id], whole ? WHOLE : NOT_WHOLE, memory_order_relaxed);
    }
    return status;
}

static bool recall(nce_encoder *e, const nce_word *w, const char *word, size_t n)
{
    if (w->generation != e->cache->generation || w->length != n || memcmp(w->text, word, n) != 0) return false;
    nce_token_sink *sink = e->sink;
    for (uint32_t i = 0; i < w->n_tokens; i++)
        nce_sink_put(sink, sink->tokens[w->first + i]);
    return true;
}

nce_status nce_encode_word(nce_encoder *e, const char *word, size_t n)
{
    const nce_tokenizer *t = e->t;
    int64_t id = -1;
    uint64_t hash = 0;
    if (n <= t->max_piece || n <= NCE_CACHED_WORD) hash = nce_text_hash(word, n);
    if (n <= t->max_piece) id = nce_vocab_find_hashed(t, word, n, hash);
    if (id >= (int64_t)t->n_tokens || (id >= 0 && (t->attributes[id] & NCE_TOKEN_NOT_TEXT))) id = -1;
    if (id >= 0 && (is_taken_whole(t, word, n) || atomic_load_explicit(&t->whole[id], memory_order_relaxed) == WHOLE)) {
        nce_sink_put(e->sink, (int32_t)id);
        return NCE_OK;
    }
    if (e->cache == NULL || n > NCE_CACHED_WORD) return merge_and_decide(e, word, n, (int32_t)id);
    nce_word *w = &e->cache->words[hash % NCE_CACHED_WORDS];
    if (recall(e, w, word, n)) return NCE_OK;
    const size_t first = e->sink->count;
    const nce_status status = merge_and_decide(e, word, n, (int32_t)id);
    if (status == NCE_OK && e->sink->count <= e->sink->capacity)
        *w = (nce_word){word, first, (uint32_t)n, (uint32_t)(e->sink->count - first), e->cache->generation};
    return status;
}
