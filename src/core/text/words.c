/* Words on their way to tokens: most are tokens themselves, most others occurred before.
 *
 * Whether the text of a token encodes to that token alone is found out once and kept in the tokenizer (an atomic byte a
 * token; every thread finds the same).  All words are remembered for the length of one call.  Words wait in a short
 * queue while their places in that memory travel to the processor's cache. */
#include "src/core/text/tokenizer.h"
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
    if (status == NCE_OK && sink->count <= sink->capacity) {
        const bool whole = sink->count == first + 1 && sink->tokens[first] == id;
        atomic_store_explicit(&e->t->whole[id], whole ? WHOLE : NOT_WHOLE, memory_order_relaxed);
    }
    return status;
}

/* The word as four integers, the length in the last byte. */
static inline void make_key(const nce_encoder *e, const char *word, size_t n, uint64_t key[4])
{
    if ((size_t)(e->limit - word) >= 32) {
        memcpy(key, word, 32);
        for (size_t i = 0; i < 4; i++) {
            const size_t kept = n > 8 * i ? n - 8 * i : 0;
            key[i] &= kept >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * kept) - 1;
        }
    } else {
        memset(key, 0, 32);
        memcpy(key, word, n);
    }
    key[3] |= (uint64_t)n << 56;
}

static inline nce_word *place_of(nce_encoder *e, const uint64_t key[4])
{
    const uint64_t a = (key[0] ^ (key[2] << 17 | key[2] >> 47)) * 0x9E3779B97F4A7C15u;
    const uint64_t b = (key[1] ^ (key[3] << 29 | key[3] >> 35)) * 0xC2B2AE3D27D4EB4Fu;
    const uint64_t h = a ^ (b >> 31 | b << 33);
    return &e->cache[(h ^ h >> 32) * 0xD6E8FEB86659FD93u >> e->cache_shift];
}

static inline bool is_same(const nce_word *w, const uint64_t key[4])
{
    return ((w->key[0] ^ key[0]) | (w->key[1] ^ key[1]) | (w->key[2] ^ key[2]) | (w->key[3] ^ key[3])) == 0;
}

/* By the vocabulary: a whole token, or merging. */
static nce_status look_up(nce_encoder *e, const char *word, size_t n)
{
    const nce_tokenizer *t = e->t;
    int64_t id = n <= t->max_piece ? nce_vocab_find(t, word, n) : -1;
    if (id >= (int64_t)t->n_tokens || (id >= 0 && (t->attributes[id] & NCE_TOKEN_NOT_TEXT))) id = -1;
    if (id < 0) return nce_merge_word(t, word, n, e->sink);
    if (is_taken_whole(t, word, n) || atomic_load_explicit(&t->whole[id], memory_order_relaxed) == WHOLE) {
        nce_sink_put(e->sink, (int32_t)id);
        return NCE_OK;
    }
    return merge_and_decide(e, word, n, (int32_t)id);
}

/* A queued word whose place in the cache was empty or another's. */
static nce_status encode_new(nce_encoder *e, const nce_queued_word *q)
{
    nce_token_sink *sink = e->sink;
    const size_t first = sink->count;
    const nce_status status = look_up(e, q->word, q->n);
    const size_t n_tokens = sink->count - first;
    if (q->place == NULL || status != NCE_OK || n_tokens > NCE_CACHED_TOKENS || sink->count > sink->capacity)
        return status;
    memcpy(q->place->key, q->key, sizeof q->key);
    memcpy(q->place->tokens, sink->tokens + first, n_tokens * sizeof *sink->tokens);
    q->place->n_tokens = (uint32_t)n_tokens;
    return NCE_OK;
}

/* All places of the line are copied when there is room, which saves a branch on their number. */
static inline void put_all(nce_token_sink *sink, const nce_word *w)
{
    if (sink->capacity - sink->count >= NCE_CACHED_TOKENS && sink->count <= sink->capacity)
        memcpy(sink->tokens + sink->count, w->tokens, sizeof w->tokens);
    else
        for (size_t i = 0; i < w->n_tokens && sink->count + i < sink->capacity; i++)
            sink->tokens[sink->count + i] = w->tokens[i];
    sink->count += w->n_tokens;
}

nce_status nce_encode_flush(nce_encoder *e)
{
    const size_t n = e->n_queued;
    e->n_queued = 0;
    for (size_t i = 0; i < n; i++) {
        const nce_queued_word *q = &e->queue[i];
        const nce_word *w = q->place;
        if (w != NULL && is_same(w, q->key)) {
            put_all(e->sink, w);
            continue;
        }
        const nce_status status = encode_new(e, q);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

nce_status nce_encode_word(nce_encoder *e, const char *word, size_t n)
{
    nce_queued_word *q = &e->queue[e->n_queued++];
    q->word = word;
    q->n = n;
    q->place = NULL;
    if (e->cache != NULL && n <= NCE_CACHED_WORD) {
        make_key(e, word, n, q->key);
        q->place = place_of(e, q->key);
        __builtin_prefetch(q->place);
    }
    return e->n_queued == NCE_QUEUED_WORDS ? nce_encode_flush(e) : NCE_OK;
}
