/* Tokens to bytes, at once or as a stream that never ends inside a character. */
#include "src/core/text/tokenizer.h"
#include <string.h>

/* What an unknown token stands for: U+2047 between spaces, as SentencePiece writes it. */
static const char unknown_text[] = " \xE2\x81\x87 ";

static nce_str piece_of(const nce_tokenizer *t, size_t id, uint32_t flags)
{
    const uint32_t a = t->attributes[id];
    const nce_str piece = {nce_symbol_text(t, id), t->symbols[id].length};
    if (!(a & (NCE_TOKEN_CONTROL | NCE_TOKEN_UNKNOWN | NCE_TOKEN_UNUSED)) || (flags & NCE_DECODE_SPECIAL)) return piece;
    if (a & NCE_TOKEN_UNKNOWN) return (nce_str){unknown_text, sizeof unknown_text - 1};
    return (nce_str){piece.data, 0};
}

/* Does encode put a space in front, which decode takes away again? */
static bool drops_space(const nce_tokenizer *t, uint32_t flags)
{
    return !(flags & NCE_DECODE_CONTINUE) && (t->add_space_prefix || t->kind == NCE_TOKENIZER_WPM);
}

nce_status nce_tokenizer_piece(const nce_tokenizer *t, int32_t token, uint32_t flags, const char **text,
                               size_t *n_bytes)
{
    if (text != NULL) *text = NULL;
    if (n_bytes != NULL) *n_bytes = 0;
    if (t == NULL) return NCE_ERR_INVALID;
    if (text == NULL || n_bytes == NULL || token < 0 || (size_t)token >= t->n_tokens)
        return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_tokenizer_piece: a NULL argument, or token %d is not in 0..%zu",
                        token, t->n_tokens - 1);
    const nce_str piece = piece_of(t, (size_t)token, flags);
    *text = piece.data;
    *n_bytes = piece.size;
    return NCE_OK;
}

/* Append piece at *n of a text with room for capacity; what does not fit is counted. */
static void append(char *text, size_t capacity, size_t *n, nce_str piece)
{
    if (*n < capacity) memcpy(text + *n, piece.data, piece.size < capacity - *n ? piece.size : capacity - *n);
    *n += piece.size;
}

/* Tokens of short text, as long as they are no others and there is room to copy 16 bytes for each; returns how many. */
static size_t decode_short(const nce_tokenizer *t, const int32_t *tokens, size_t n_tokens, char *text, size_t capacity,
                           size_t *n_bytes)
{
    size_t n = *n_bytes, i = 0;
    for (; i < n_tokens && n + sizeof(nce_short_text) <= capacity; i++) {
        const uint32_t id = (uint32_t)tokens[i];
        if (id >= t->n_tokens) break;
        const nce_short_text *piece = &t->pieces[id];
        if (piece->length == NCE_NOT_SHORT) break;
        memcpy(text + n, piece, sizeof *piece);
        n += piece->length;
    }
    *n_bytes = n;
    return i;
}

/* Any token, which must be of the vocabulary; a space at its start is left away if *drop, and *drop goes with it. */
static void decode_one(const nce_tokenizer *t, uint32_t id, uint32_t flags, bool *drop, char *text, size_t capacity,
                       size_t *n)
{
    nce_str piece = piece_of(t, id, flags);
    if (piece.data == unknown_text) {
        *drop = false;
    } else if (*drop && piece.size > 0 && !(t->attributes[id] & NCE_TOKEN_CONTROL)) {
        *drop = false;
        if (piece.data[0] == ' ') piece = (nce_str){piece.data + 1, piece.size - 1};
    }
    append(text, capacity, n, piece);
}

nce_status nce_tokenizer_decode(const nce_tokenizer *t, const int32_t *tokens, size_t n_tokens, uint32_t flags,
                                char *text, size_t capacity, size_t *n_bytes)
{
    const uint32_t known = NCE_DECODE_SPECIAL | NCE_DECODE_CONTINUE;
    if (n_bytes != NULL) *n_bytes = 0;
    if (t == NULL) return NCE_ERR_INVALID;
    if (n_bytes == NULL || (tokens == NULL && n_tokens > 0) || (text == NULL && capacity > 0) || (flags & ~known))
        return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_tokenizer_decode: a NULL argument or unknown flags 0x%x",
                        flags & ~known);
    bool drop = drops_space(t, flags);
    size_t n = 0;
    for (size_t i = 0; i < n_tokens; i++) {
        if (!drop) i += decode_short(t, tokens + i, n_tokens - i, text, capacity, &n);
        if (i == n_tokens) break;
        const uint32_t id = (uint32_t)tokens[i];
        if (id >= t->n_tokens)
            return nce_fail(t->ctx, NCE_ERR_INVALID, "token %d at %zu is not in 0..%zu", tokens[i], i, t->n_tokens - 1);
        decode_one(t, id, flags, &drop, text, capacity, &n);
    }
    *n_bytes = n;
    if (n > capacity)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "the text has %zu bytes, there is room for %zu", n, capacity);
    return NCE_OK;
}
