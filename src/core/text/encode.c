/* Encoding: special tokens are found first (leftmost, longest), the text between them goes to the vocabulary's kind. */
#include "src/core/text/nfc.h"
#include "src/core/text/tokenizer.h"
#include <string.h>

nce_status nce_encoder_reserve(nce_encoder *e, size_t bytes)
{
    if (bytes <= e->buffer_capacity) return NCE_OK;
    nce_free(e->t->ctx, e->buffer);
    e->buffer_capacity = 0;
    e->buffer = nce_alloc(e->t->ctx, bytes);
    if (e->buffer == NULL) return nce_fail_nomem(e->t->ctx, bytes);
    e->buffer_capacity = bytes;
    return NCE_OK;
}

nce_status nce_encode_bpe(nce_encoder *e, const char *text, size_t n)
{
    nce_splitter s;
    nce_word_batch batch = {.text = text};
    nce_status status = NCE_OK;
    nce_splitter_init(&s, e->t->split->rule, text, n);
    while (status == NCE_OK && (batch.n = nce_splitter_fill(&s, batch.ends, NCE_WORD_BATCH)) > 0) {
        status = nce_encode_words(e, &batch);
        batch.begin = batch.ends[batch.n - 1];
    }
    return status;
}

/* Vocabularies without rules for words: cut wherever no symbol reaches over, which is exact and, in most of them, cuts
 * before spaces and around newlines.  Never inside a character. */
static nce_status encode_joined(nce_encoder *e, const char *text, size_t n)
{
    const uint8_t *s = (const uint8_t *)text, *joins = e->t->joins;
    nce_word_batch batch = {.text = text};
    nce_status status = NCE_OK;
    for (size_t end = 1; end <= n && status == NCE_OK; end++) {
        if (end < n && ((joins[s[end - 1] * 32 + s[end] / 8] >> s[end] % 8 & 1) || (s[end] & 0xC0) == 0x80)) continue;
        batch.ends[batch.n++] = end;
        if (end < n && batch.n < NCE_WORD_BATCH) continue;
        status = nce_encode_words(e, &batch);
        batch.begin = end;
        batch.n = 0;
    }
    return status;
}

/* Copy with U+2581 written as the space it stands for. */
static nce_status unescape(nce_encoder *e, const char *text, size_t n, bool space_prefix, size_t *n_out)
{
    const nce_status status = nce_encoder_reserve(e, n + 1);
    if (status != NCE_OK) return status;
    size_t k = 0;
    if (space_prefix) e->buffer[k++] = ' ';
    for (size_t i = 0; i < n;) {
        const char *mark = memchr(text + i, 0xE2, n - i);
        const size_t plain = mark != NULL ? (size_t)(mark - text) - i : n - i;
        memcpy(e->buffer + k, text + i, plain);
        k += plain;
        i += plain;
        if (i == n) break;
        const bool is_mark = n - i >= 3 && memcmp(text + i, "\xE2\x96\x81", 3) == 0;
        e->buffer[k++] = is_mark ? ' ' : text[i];
        i += is_mark ? 3 : 1;
    }
    e->limit = e->buffer + k;
    *n_out = k;
    return NCE_OK;
}

nce_status nce_encode_spm(nce_encoder *e, const char *text, size_t n, bool space_prefix)
{
    const nce_status status = unescape(e, text, n, space_prefix, &n);
    return status == NCE_OK ? encode_joined(e, e->buffer, n) : status;
}

static nce_status encode_cbpe(nce_encoder *e, const char *text, size_t n)
{
    if (e->t->split_flags & NCE_SPLIT_NO_ESCAPE) return nce_encode_bpe(e, text, n);
    nce_splitter s;
    size_t begin, end;
    nce_status status = unescape(e, text, n, false, &n);
    if (status != NCE_OK) return status;
    nce_splitter_init(&s, e->t->split->rule, e->buffer, n);
    while (status == NCE_OK && nce_splitter_next(&s, &begin, &end))
        status = encode_joined(e, e->buffer + begin, end - begin);
    return status;
}

static nce_status encode_nfc(nce_encoder *e, const char *text, size_t n)
{
    const char *normal, *limit = e->limit;
    char *owned;
    nce_status status = nce_nfc(e->t->ctx, text, n, &normal, &n, &owned);
    if (status != NCE_OK) return status;
    if (owned != NULL) e->limit = owned + n;
    status = nce_encode_bpe(e, normal, n);
    nce_free(e->t->ctx, owned);
    e->limit = limit;
    return status;
}

static nce_status encode_fragment(nce_encoder *e, const char *text, size_t n, bool at_start)
{
    if (n == 0) return NCE_OK;
    switch (e->t->kind) {
    case NCE_TOKENIZER_SPM:
        return nce_encode_spm(e, text, n, at_start && e->t->add_space_prefix);
    case NCE_TOKENIZER_BPE:
        return e->t->split_flags & NCE_SPLIT_NFC ? encode_nfc(e, text, n) : nce_encode_bpe(e, text, n);
    case NCE_TOKENIZER_CBPE:
        return encode_cbpe(e, text, n);
    case NCE_TOKENIZER_WPM:
        return nce_encode_wpm(e, text, n);
    case NCE_TOKENIZER_UGM:
        return nce_encode_ugm(e, text, n);
    case NCE_TOKENIZER_RWKV:
        break;
    }
    return nce_encode_rwkv(e, text, n);
}

/* The longest special token that starts at text, or -1. */
static int64_t special_at(const nce_tokenizer *t, const char *text, size_t n, uint32_t refused)
{
    int64_t best = -1, id;
    nce_prefix_walk w;
    nce_prefix_start(&t->specials, &w);
    for (size_t i = 0; i < n && nce_prefix_step(t, &t->specials, &w, (uint8_t)text[i], &id); i++)
        if (id >= 0 && !(t->attributes[id] & refused)) best = id;
    return best;
}

int64_t nce_next_special(const nce_tokenizer *t, const char *text, size_t n, size_t from, uint32_t refused, size_t *at)
{
    const uint32_t *first = t->specials.first;
    for (size_t i = from; t->specials.n > 0 && i < n; i++) {
        const uint8_t b = (uint8_t)text[i];
        if (first[b] == first[b + 1]) continue;
        const int64_t id = special_at(t, text + i, n - i, refused);
        if (id < 0) continue;
        *at = i;
        return id;
    }
    *at = n;
    return -1;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static nce_status encode_all(nce_encoder *e, const char *text, size_t n, uint32_t flags)
{
    const nce_tokenizer *t = e->t;
    const uint32_t refused = flags & NCE_ENCODE_SPECIAL ? 0 : NCE_TOKEN_CONTROL | NCE_TOKEN_UNKNOWN;
    bool at_start = !(flags & NCE_ENCODE_CONTINUE);
    nce_status status = NCE_OK;
    for (size_t pos = 0; pos < n && status == NCE_OK;) {
        size_t at;
        const int64_t id = nce_next_special(t, text, n, pos, refused, &at);
        size_t end = at;
        while (id >= 0 && (t->attributes[id] & NCE_TOKEN_LSTRIP) && end > pos && is_space(text[end - 1]))
            end--;
        status = encode_fragment(e, text + pos, end - pos, at_start);
        if (id < 0) break;
        nce_sink_put(e->sink, (int32_t)id);
        at_start = true;
        pos = at + t->symbols[id].length;
        while ((t->attributes[id] & NCE_TOKEN_RSTRIP) && pos < n && is_space(text[pos]))
            pos++;
    }
    return status;
}

nce_status nce_tokenizer_encode(const nce_tokenizer *t, const char *text, size_t n_bytes, uint32_t flags,
                                int32_t *tokens, size_t capacity, size_t *n_tokens)
{
    const uint32_t known = NCE_ENCODE_BOS | NCE_ENCODE_SPECIAL | NCE_ENCODE_CONTINUE;
    if (n_tokens != NULL) *n_tokens = 0;
    if (t == NULL) return NCE_ERR_INVALID;
    if (n_tokens == NULL || (text == NULL && n_bytes > 0) || (tokens == NULL && capacity > 0) || (flags & ~known))
        return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_tokenizer_encode: a NULL argument or unknown flags 0x%x",
                        flags & ~known);
    if (n_bytes > INT32_MAX)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "a text of %zu bytes; the limit is %d", n_bytes, INT32_MAX);
    nce_token_sink sink = {tokens, capacity, 0};
    nce_encoder e = {.t = t, .sink = &sink, .limit = n_bytes > 0 ? text + n_bytes : NULL};
    e.words = nce_words_take(t, n_bytes);
    if ((flags & NCE_ENCODE_BOS) && t->add_bos && t->bos >= 0) nce_sink_put(&sink, t->bos);
    const nce_status status = encode_all(&e, text, n_bytes, flags);
    nce_words_put_back(t, e.words);
    nce_free(t->ctx, e.buffer);
    if (status != NCE_OK) return status;
    if ((flags & NCE_ENCODE_BOS) && t->add_sep && t->sep >= 0) nce_sink_put(&sink, t->sep);
    if ((flags & NCE_ENCODE_BOS) && t->add_eos && t->eos >= 0) nce_sink_put(&sink, t->eos);
    *n_tokens = sink.count;
    if (sink.count > capacity)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "the text has %zu tokens, there is room for %zu", sink.count, capacity);
    return NCE_OK;
}
