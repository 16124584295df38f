/* The vocabulary's tables: symbols in an arena, strings and pairs in open-addressing hash tables at most half full. */
#include "src/core/text/tokenizer.h"
#include <string.h>
#include "src/core/text/hash.h"

nce_status nce_vocab_create(nce_context *ctx, nce_tokenizer_kind kind, nce_tokenizer **out)
{
    nce_tokenizer *t = nce_alloc_zero(ctx, sizeof *t);
    *out = t;
    if (t == NULL) return nce_fail_nomem(ctx, sizeof *t);
    t->ctx = ctx;
    t->kind = kind;
    t->bos = t->eos = t->eot = t->eom = t->unk = t->sep = t->pad = t->mask = -1;
    return NCE_OK;
}

void nce_tokenizer_destroy(nce_tokenizer *t)
{
    if (t == NULL) return;
    nce_context *ctx = t->ctx;
    nce_prefix_destroy(ctx, &t->specials);
    nce_prefix_destroy(ctx, &t->prefixes);
    nce_free(ctx, t->symbols);
    nce_free(ctx, t->attributes);
    nce_free(ctx, t->scores);
    nce_free(ctx, t->arena);
    nce_free(ctx, t->strings);
    nce_free(ctx, t->pairs);
    nce_free(ctx, t->pair_tags);
    nce_free(ctx, (void *)t->whole);
    nce_free(ctx, t->pieces);
    if (t->shelf != NULL) nce_free(ctx, atomic_load(&t->shelf->memory));
    nce_free(ctx, t->shelf);
    nce_free(ctx, t->joins);
    nce_free(ctx, t->charsmap.blob);
    nce_free(ctx, t->merges);
    nce_free(ctx, t);
}

nce_status nce_vocab_add(nce_tokenizer *t, const char *bytes, size_t n, uint32_t attributes, float score)
{
    const size_t needed = t->n_symbols + 1;
    size_t capacity = t->symbols_capacity;
    if (n > NCE_MAX_PIECE)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "token %zu has %zu bytes, the limit is %d", t->n_symbols, n,
                        NCE_MAX_PIECE);
    if (needed > 2u * NCE_MAX_TOKENS || t->arena_bytes + n > UINT32_MAX - 64)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "the vocabulary has over %d symbols or over 4 GiB of text",
                        2 * NCE_MAX_TOKENS);
    nce_status status = nce_grow(t->ctx, (void **)&t->symbols, &capacity, needed, sizeof *t->symbols);
    capacity = t->symbols_capacity;
    if (status == NCE_OK) status = nce_grow(t->ctx, (void **)&t->attributes, &capacity, needed, sizeof *t->attributes);
    capacity = t->symbols_capacity;
    if (status == NCE_OK) status = nce_grow(t->ctx, (void **)&t->scores, &capacity, needed, sizeof *t->scores);
    if (status == NCE_OK) t->symbols_capacity = capacity;
    /* 64 bytes beyond the end: decoding copies in blocks */
    if (status == NCE_OK) status = nce_grow(t->ctx, (void **)&t->arena, &t->arena_capacity, t->arena_bytes + n + 64, 1);
    if (status != NCE_OK) return status;
    t->symbols[t->n_symbols] = (nce_symbol){(uint32_t)t->arena_bytes, (uint32_t)n};
    t->attributes[t->n_symbols] = (uint16_t)attributes;
    t->scores[t->n_symbols] = score;
    memcpy(t->arena + t->arena_bytes, bytes, n);
    memset(t->arena + t->arena_bytes + n, 0, 64);
    t->arena_bytes += n;
    t->n_symbols++;
    return NCE_OK;
}

/* ---- strings ---- */

static bool same_text(const nce_tokenizer *t, uint32_t id, const char *bytes, size_t n)
{
    return t->symbols[id].length == n && memcmp(nce_symbol_text(t, id), bytes, n) == 0;
}

/* The slot of the string, or the free one where it would go. */
static nce_string_slot *slot_of(const nce_tokenizer *t, const char *bytes, size_t n, uint64_t h)
{
    const uint32_t hash = (uint32_t)(h >> 32);
    for (size_t i = h & t->strings_mask;; i = (i + 1) & t->strings_mask) {
        nce_string_slot *s = &t->strings[i];
        if (s->id_plus_1 == 0 || (s->hash == hash && same_text(t, s->id_plus_1 - 1, bytes, n))) return s;
    }
}

int64_t nce_vocab_find_hashed(const nce_tokenizer *t, const char *bytes, size_t n, uint64_t hash)
{
    return (int64_t)slot_of(t, bytes, n, hash)->id_plus_1 - 1;
}

int64_t nce_vocab_find(const nce_tokenizer *t, const char *bytes, size_t n)
{
    return nce_vocab_find_hashed(t, bytes, n, nce_text_hash(bytes, n));
}

uint64_t nce_vocab_prefetch_short(const nce_tokenizer *t, const nce_short_text *text)
{
    const uint64_t h = nce_text_hash(text->bytes, text->length);
    __builtin_prefetch(&t->strings[h & t->strings_mask]);
    return h;
}

int64_t nce_vocab_find_short(const nce_tokenizer *t, const nce_short_text *text, uint64_t h)
{
    for (size_t i = h & t->strings_mask; t->strings[i].id_plus_1 != 0; i = (i + 1) & t->strings_mask) {
        const uint32_t id = t->strings[i].id_plus_1 - 1;
        if (t->strings[i].hash == h >> 32 && id < t->n_tokens && nce_short_text_equal(&t->pieces[id], text)) return id;
    }
    return -1;
}

static void put_string(nce_tokenizer *t, uint32_t id)
{
    const uint32_t marked = NCE_TOKEN_NOT_TEXT | NCE_TOKEN_USER_DEFINED;
    const uint64_t hash = nce_text_hash(nce_symbol_text(t, id), t->symbols[id].length);
    nce_string_slot *s = slot_of(t, nce_symbol_text(t, id), t->symbols[id].length, hash);
    if (s->id_plus_1 != 0 && !((t->attributes[s->id_plus_1 - 1] & marked) && !(t->attributes[id] & marked))) return;
    *s = (nce_string_slot){(uint32_t)(hash >> 32), id + 1};
}

nce_status nce_vocab_index(nce_tokenizer *t)
{
    size_t slots = 64;
    while (slots < 2 * t->n_symbols + 2)
        slots *= 2;
    nce_free(t->ctx, t->strings);
    t->strings = nce_alloc_array(t->ctx, slots, sizeof *t->strings);
    if (t->strings == NULL) return nce_fail_nomem(t->ctx, slots * sizeof *t->strings);
    t->strings_mask = slots - 1;
    for (size_t i = 0; i < t->n_symbols; i++)
        put_string(t, (uint32_t)i);
    return NCE_OK;
}

nce_status nce_vocab_add_indexed(nce_tokenizer *t, const char *bytes, size_t n, uint32_t *id)
{
    const nce_status status = nce_vocab_add(t, bytes, n, 0, 0);
    if (status != NCE_OK) return status;
    *id = (uint32_t)t->n_symbols - 1;
    if (2 * t->n_symbols > t->strings_mask) return nce_vocab_index(t);
    put_string(t, *id);
    return NCE_OK;
}

/* ---- pairs ---- */

/* A byte of the hash for every slot is looked at first (0: free): a pair that merges nothing, the most frequent
 * question, is answered from a table a sixteenth of the size. */
nce_status nce_vocab_reserve_pairs(nce_tokenizer *t, size_t n_merges)
{
    size_t slots = 64;
    while (slots < 2 * n_merges + 2)
        slots *= 2;
    t->pairs = nce_alloc_array(t->ctx, slots, sizeof *t->pairs);
    t->pair_tags = nce_alloc_zero(t->ctx, slots);
    if (t->pairs == NULL || t->pair_tags == NULL) return nce_fail_nomem(t->ctx, slots * sizeof *t->pairs);
    t->pairs_mask = slots - 1;
    return NCE_OK;
}

static inline uint64_t hash_of_pair(uint32_t left, uint32_t right)
{
    return ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
}

/* Slot of the pair, or the free one where it would go. */
static inline size_t pair_slot(const nce_tokenizer *t, uint32_t left, uint32_t right, uint8_t *tag)
{
    const uint64_t h = hash_of_pair(left, right);
    *tag = (uint8_t)(h >> 24 | 1);
    size_t i = (h >> 32) & t->pairs_mask;
    for (; t->pair_tags[i] != 0; i = (i + 1) & t->pairs_mask)
        if (t->pair_tags[i] == *tag && t->pairs[i].left == left && t->pairs[i].right == right) break;
    return i;
}

void nce_vocab_prefetch_pair(const nce_tokenizer *t, uint32_t left, uint32_t right)
{
    const size_t i = hash_of_pair(left, right) >> 32 & t->pairs_mask;
    __builtin_prefetch(&t->pair_tags[i]);
    __builtin_prefetch(&t->pairs[i]);
}

void nce_vocab_put_pair(nce_tokenizer *t, uint32_t left, uint32_t right, uint32_t rank, uint32_t merged)
{
    uint8_t tag;
    const size_t i = pair_slot(t, left, right, &tag);
    if (t->pair_tags[i] != 0) return; /* the first one counts */
    t->pair_tags[i] = tag;
    t->pairs[i] = (nce_pair_slot){left, right, rank, merged};
    t->n_merges++;
}

const nce_pair_slot *nce_vocab_find_pair(const nce_tokenizer *t, uint32_t left, uint32_t right)
{
    uint8_t tag;
    const size_t i = pair_slot(t, left, right, &tag);
    return t->pair_tags[i] != 0 ? &t->pairs[i] : NULL;
}

/* ---- what follows from the finished symbols ---- */

enum { MAX_SPECIAL = 1024 }; /* bytes; bounds the work per input byte */

static bool is_special(const nce_tokenizer *t, size_t id)
{
    return id < t->n_tokens && t->symbols[id].length <= MAX_SPECIAL &&
           (t->attributes[id] & (NCE_TOKEN_CONTROL | NCE_TOKEN_USER_DEFINED | NCE_TOKEN_UNKNOWN)) != 0;
}

static bool is_text(const nce_tokenizer *t, size_t id)
{
    return id < t->n_tokens && (t->attributes[id] & NCE_TOKEN_NOT_TEXT) == 0;
}

/* Byte tokens by attribute; in byte-level BPE by their one-byte text. */
static void find_bytes(nce_tokenizer *t)
{
    for (int b = 0; b < 256; b++)
        t->byte_ids[b] = -1;
    for (size_t i = t->n_tokens; i-- > 0;) {
        const bool one = t->symbols[i].length == 1;
        if (one && ((t->attributes[i] & NCE_TOKEN_BYTE) || (t->kind == NCE_TOKENIZER_BPE && is_text(t, i))))
            t->byte_ids[(uint8_t)*nce_symbol_text(t, i)] = (int32_t)i;
    }
}

/* Which bytes stand next to each other in some piece of text. */
static nce_status find_joins(nce_tokenizer *t)
{
    t->joins = nce_alloc_zero(t->ctx, 256 * 256 / 8);
    if (t->joins == NULL) return nce_fail_nomem(t->ctx, 256 * 256 / 8);
    for (size_t i = 0; i < t->n_symbols; i++) {
        const uint8_t *s = (const uint8_t *)nce_symbol_text(t, i);
        for (size_t k = 1; !(t->attributes[i] & NCE_TOKEN_NOT_TEXT) && k < t->symbols[i].length; k++)
            t->joins[s[k - 1] * 32 + s[k] / 8] |= (uint8_t)(1 << s[k] % 8);
    }
    return NCE_OK;
}

static nce_status copy_pieces(nce_tokenizer *t)
{
    t->pieces = nce_alloc_array(t->ctx, t->n_tokens, sizeof *t->pieces);
    if (t->pieces == NULL) return nce_fail_nomem(t->ctx, t->n_tokens * sizeof *t->pieces);
    for (size_t i = 0; i < t->n_tokens; i++) {
        nce_short_text *piece = &t->pieces[i];
        const bool closer = (t->attributes[i] & (NCE_TOKEN_NOT_TEXT & ~NCE_TOKEN_BYTE)) != 0;
        const size_t n = t->symbols[i].length;
        if (n <= NCE_SHORT_TEXT) memcpy(piece->bytes, nce_symbol_text(t, i), n);
        piece->length = closer || n > NCE_SHORT_TEXT ? NCE_NOT_SHORT : (uint8_t)n;
    }
    return NCE_OK;
}

nce_status nce_vocab_finish(nce_tokenizer *t)
{
    find_bytes(t);
    for (size_t i = 0; i < t->n_tokens; i++)
        if (t->symbols[i].length > t->max_piece) t->max_piece = t->symbols[i].length;
    t->whole = nce_alloc_array(t->ctx, t->n_tokens, sizeof *t->whole);
    if (t->whole == NULL) return nce_fail_nomem(t->ctx, t->n_tokens);
    t->shelf = nce_alloc_zero(t->ctx, sizeof *t->shelf);
    if (t->shelf == NULL) return nce_fail_nomem(t->ctx, sizeof *t->shelf);
    nce_status status = find_joins(t);
    if (status == NCE_OK) status = copy_pieces(t);
    if (status == NCE_OK) status = nce_prefix_build(t, &t->specials, is_special);
    const bool by_prefix = t->kind >= NCE_TOKENIZER_WPM;
    if (status == NCE_OK && by_prefix) status = nce_prefix_build(t, &t->prefixes, is_text);
    return status;
}
