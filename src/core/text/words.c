/* Words on their way to tokens: nearly all occurred before, of the others most are tokens themselves.
 *
 * Words are remembered with their tokens in lines of 64 bytes, the processor's: two words of up to 15 bytes and 3 tokens,
 * or one word of up to 31 bytes and 7 tokens.  A word is zero-padded, its length in a byte behind, so that finding it again is
 * two comparisons of integers that touch neither the vocabulary nor the text.  A place takes the newest words that hash
 * there: the memory never grows, and a hostile text merely finds nothing in it.  It belongs to one call at a time; between
 * calls it lies on the tokenizer's shelf, where one call takes it and the others, meanwhile, make their own.
 *
 * Whether the text of a token encodes to that token alone is found out once and kept in the tokenizer (an atomic byte a
 * token; every thread finds the same). */
#include "src/core/text/tokenizer.h"
#include <string.h>

enum { UNDECIDED = 0, WHOLE = 1, NOT_WHOLE = 2 };
enum { SHORT_TOKENS = 3, LONG_TEXT = 31, LONG_TOKENS = 7 };
/* A new memory pays from some size of the text on, and a larger one the longer it is: 8 KiB to 2 MiB. */
enum { WORDS_FROM = 2048, MIN_BITS = 7, MAX_BITS = 15 };

typedef struct short_word {
    nce_short_text text;
    int32_t tokens[SHORT_TOKENS];
    uint32_t n_tokens;
} short_word;

/* The length is the last byte of key[1], as in a short word, and at least 16: no line passes for one of another kind,
 * for the second word's length is then the highest byte of a token, 0. */
typedef struct long_word {
    uint64_t key[4];
    int32_t tokens[LONG_TOKENS];
    uint32_t n_tokens;
} long_word;

/* A short word whose tokens need the place of the line's second word. */
typedef struct wide_word {
    short_word word;
    int32_t more[LONG_TOKENS - SHORT_TOKENS];
} wide_word;

typedef union line {
    short_word two[2];
    wide_word wide;
    long_word one;
} line;
_Static_assert(sizeof(line) == 64, "one cache line");

struct nce_word_memory {
    size_t n_added;
    int bits;
    _Alignas(64) line lines[];
};

/* ---- the memory's life ---- */

/* Long texts get a large one at once; short ones, one after the other, when the kept one proves too small. */
nce_word_memory *nce_words_take(const nce_tokenizer *t, size_t n_bytes)
{
    nce_word_memory *kept = atomic_exchange(&t->shelf->memory, NULL), *grown;
    int bits = MIN_BITS;
    while (bits < MAX_BITS && n_bytes >> bits > 32)
        bits++;
    if (kept != NULL && kept->n_added >> kept->bits >= 4 && bits <= kept->bits && kept->bits < MAX_BITS)
        bits = kept->bits + 1;
    else if (kept != NULL ? kept->bits >= bits : n_bytes < WORDS_FROM)
        return kept;
    grown = nce_alloc_zero(t->ctx, sizeof *grown + ((size_t)1 << bits) * sizeof *grown->lines);
    if (grown == NULL) return kept; /* encoding is merely slower */
    grown->bits = bits;
    nce_free(t->ctx, kept);
    return grown;
}

void nce_words_put_back(const nce_tokenizer *t, nce_word_memory *words)
{
    if (words != NULL) nce_free(t->ctx, atomic_exchange(&t->shelf->memory, words));
}

/* ---- keys ---- */

/* Bytes of a 64-bit word below the n-th, n = 0 .. 8. */
static inline uint64_t low_bytes(size_t n)
{
    return n >= 8 ? UINT64_MAX : ((uint64_t)1 << 8 * n) - 1;
}

static inline nce_short_text short_key(const nce_encoder *e, const char *word, size_t n)
{
    uint64_t low = 0, high = 0;
    if ((size_t)(e->limit - word) >= sizeof(nce_short_text)) {
        memcpy(&low, word, 8);
        memcpy(&high, word + 8, 8);
        low &= low_bytes(n);
        high &= low_bytes(n > 8 ? n - 8 : 0);
    } else {
        memcpy(&low, word, n < 8 ? n : 8);
        memcpy(&high, word + 8, n > 8 ? n - 8 : 0);
    }
    return (nce_short_text){.key = {low, high | (uint64_t)n << 56}};
}

static inline void long_key(const char *word, size_t n, uint64_t key[4])
{
    memset(key, 0, 32);
    memcpy(key, word, NCE_SHORT_TEXT);
    memcpy(key + 2, word + NCE_SHORT_TEXT, n - NCE_SHORT_TEXT);
    key[1] |= (uint64_t)n << 56;
}

static inline line *place_of(nce_word_memory *m, uint64_t low, uint64_t high)
{
    const uint64_t a = low * 0x9E3779B97F4A7C15u, b = high * 0xC2B2AE3D27D4EB4Fu;
    const uint64_t h = a ^ (b >> 31 | b << 33);
    return &m->lines[(h ^ h >> 32) * 0xD6E8FEB86659FD93u >> (64 - m->bits)];
}

/* A word of a batch: where it is remembered travels to the processor's cache while its neighbours are looked at. */
typedef struct waiting {
    nce_short_text key; /* length 0: a long word */
    line *place;
    uint64_t hash; /* of an unknown word, if it is hashed */
    bool hashed;
} waiting;

/* ---- words not in the memory ---- */

/* Is the word one token by decree, before any merging? */
static bool is_taken_whole(const nce_tokenizer *t, const char *word, size_t n)
{
    if (t->split_flags & NCE_SPLIT_WHOLE_WORDS) return true;
    return t->kind == NCE_TOKENIZER_CBPE && word[0] == '\n' &&
           word[n - 1] == '\n'; /* a line break run, see splitter_rules.c */
}

static nce_status merge_and_decide(const nce_tokenizer *t, const char *word, size_t n, int32_t id, nce_token_sink *sink)
{
    const size_t first = sink->count;
    const nce_status status = nce_merge_word(t, word, n, sink);
    if (status == NCE_OK && sink->count <= sink->capacity) {
        const bool whole = sink->count == first + 1 && sink->tokens[first] == id;
        atomic_store_explicit(&t->whole[id], whole ? WHOLE : NOT_WHOLE, memory_order_relaxed);
    }
    return status;
}

/* By the vocabulary: id is the token of this text, or -1. */
static nce_status look_up(const nce_tokenizer *t, const char *word, size_t n, int64_t id, nce_token_sink *sink)
{
    if (id >= (int64_t)t->n_tokens || (id >= 0 && (t->attributes[id] & NCE_TOKEN_NOT_TEXT))) id = -1;
    if (id < 0) return nce_merge_word(t, word, n, sink);
    if (is_taken_whole(t, word, n) || atomic_load_explicit(&t->whole[id], memory_order_relaxed) == WHOLE) {
        nce_sink_put(sink, (int32_t)id);
        return NCE_OK;
    }
    return merge_and_decide(t, word, n, (int32_t)id, sink);
}

static void put_all(nce_token_sink *sink, const int32_t *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nce_sink_put(sink, tokens[i]);
}

/* The newest word of a line comes first, the one before it second if there is room. */
static void remember_short(line *place, const nce_short_text *key, const int32_t *tokens, size_t n)
{
    const short_word empty = {.n_tokens = 0}, *first = &place->two[0];
    const bool movable = first->n_tokens <= SHORT_TOKENS && first->text.length <= NCE_SHORT_TEXT;
    place->two[1] = n <= SHORT_TOKENS && movable ? *first : empty;
    place->two[0] = (short_word){.text = *key, .n_tokens = (uint32_t)n};
    memcpy(place->two[0].tokens, tokens, (n < SHORT_TOKENS ? n : SHORT_TOKENS) * sizeof *tokens);
    for (size_t i = SHORT_TOKENS; i < n; i++)
        place->wide.more[i - SHORT_TOKENS] = tokens[i];
}

static void hash_word(const nce_encoder *e, waiting *w)
{
    w->hash = nce_vocab_prefetch_short(e->t, &w->key);
    w->hashed = true;
}

static nce_status encode_short(const nce_encoder *e, const char *word, waiting *w)
{
    int32_t tokens[NCE_SHORT_TEXT]; /* of its own: what does not fit into the caller's is remembered all the same */
    nce_token_sink sink = {tokens, NCE_SHORT_TEXT, 0};
    if (!w->hashed) hash_word(e, w); /* it was known until a neighbour took its place */
    const nce_status status = look_up(e->t, word, w->key.length, nce_vocab_find_short(e->t, &w->key, w->hash), &sink);
    if (status != NCE_OK) return status;
    if (w->place != NULL && sink.count <= LONG_TOKENS) {
        remember_short(w->place, &w->key, tokens, sink.count);
        e->words->n_added++;
    }
    put_all(e->sink, tokens, sink.count);
    return NCE_OK;
}

static nce_status encode_long(const nce_encoder *e, const char *word, size_t n)
{
    const nce_tokenizer *t = e->t;
    int32_t tokens[LONG_TEXT];
    uint64_t key[4];
    nce_token_sink sink = {tokens, LONG_TEXT, 0};
    const int64_t id = n <= t->max_piece ? nce_vocab_find(t, word, n) : -1;
    if (n > LONG_TEXT || e->words == NULL) return look_up(t, word, n, id, e->sink);
    long_key(word, n, key);
    long_word *w = &place_of(e->words, key[0] ^ key[2], key[1] ^ key[3])->one;
    if (memcmp(w->key, key, sizeof key) == 0) {
        put_all(e->sink, w->tokens, w->n_tokens);
        return NCE_OK;
    }
    const nce_status status = look_up(t, word, n, id, &sink);
    if (status != NCE_OK) return status;
    if (sink.count <= LONG_TOKENS) {
        *w = (long_word){.n_tokens = (uint32_t)sink.count};
        memcpy(w->key, key, sizeof key);
        memcpy(w->tokens, tokens, sink.count * sizeof *tokens);
        e->words->n_added++;
    }
    put_all(e->sink, tokens, sink.count);
    return NCE_OK;
}

/* ---- a batch ---- */

static inline void prepare(const nce_encoder *e, const nce_word_batch *batch, waiting *w)
{
    size_t begin = batch->begin;
    for (size_t i = 0; i < batch->n; begin = batch->ends[i++]) {
        const size_t n = batch->ends[i] - begin;
        w[i] = (waiting){.place = NULL};
        if (n > NCE_SHORT_TEXT) continue;
        w[i].key = short_key(e, batch->text + begin, n);
        if (e->words == NULL) continue;
        w[i].place = place_of(e->words, w[i].key.key[0], w[i].key.key[1]);
        __builtin_prefetch(w[i].place);
    }
}

/* Four places are written where there is room, which saves a branch on the number of tokens. */
static inline void put_short(nce_token_sink *sink, const line *place, size_t k)
{
    const short_word *w = &place->two[k];
    if (w->n_tokens > SHORT_TOKENS) {
        put_all(sink, w->tokens, SHORT_TOKENS);
        put_all(sink, place->wide.more, w->n_tokens - SHORT_TOKENS);
    } else if (sink->capacity < 4 || sink->count > sink->capacity - 4) {
        put_all(sink, w->tokens, w->n_tokens);
    } else {
        memcpy(sink->tokens + sink->count, (const char *)w + offsetof(short_word, tokens), 4 * sizeof *w->tokens);
        sink->count += w->n_tokens;
    }
}

/* The word's place in its line, 0 or 1, or 2: it is not there. */
static inline size_t find_known(const waiting *w)
{
    if (w->place == NULL) return 2;
    const size_t k = nce_short_text_equal(&w->place->two[1].text, &w->key);
    return nce_short_text_equal(&w->place->two[k].text, &w->key) ? k : 2;
}

/* Known words up to the first that is not; returns their number. */
static size_t put_known(nce_encoder *e, const waiting *waits, size_t n)
{
    size_t i = 0, k;
    for (; i < n && (k = find_known(&waits[i])) < 2; i++)
        put_short(e->sink, waits[i].place, k);
    return i;
}

/* Where the vocabulary has the unknown ones travels to the cache, too. */
static void prefetch_unknown(const nce_encoder *e, waiting *waits, size_t from, size_t n)
{
    for (size_t i = from; i < n; i++)
        if (waits[i].key.length > 0 && find_known(&waits[i]) == 2) hash_word(e, &waits[i]);
}

nce_status nce_encode_words(nce_encoder *e, const nce_word_batch *batch)
{
    waiting waits[NCE_WORD_BATCH];
    nce_status status = NCE_OK;
    prepare(e, batch, waits);
    size_t i = put_known(e, waits, batch->n), k;
    prefetch_unknown(e, waits, i, batch->n);
    for (; i < batch->n && status == NCE_OK; i++) {
        waiting *const w = &waits[i];
        const size_t begin = i == 0 ? batch->begin : batch->ends[i - 1];
        if ((k = find_known(w)) < 2)
            put_short(e->sink, w->place, k);
        else if (w->key.length > 0)
            status = encode_short(e, batch->text + begin, w);
        else
            status = encode_long(e, batch->text + begin, batch->ends[i] - begin);
    }
    return status;
}
