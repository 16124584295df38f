/* The streaming decoder: bytes of an unfinished character wait for the next token. */
#include "src/core/text/tokenizer.h"
#include <string.h>

enum { MAX_HELD = 3 };

struct nce_text_stream {
    const nce_tokenizer *t;
    uint32_t flags;
    bool started; /* some text came: the space of the first word is behind us */
    size_t n_held;
    char held[MAX_HELD];
    size_t raw_capacity;
    char *raw;  /* held bytes and the new piece */
    char *text; /* what the caller sees; every ill-formed byte may become 3 */
};

nce_status nce_text_stream_create(const nce_tokenizer *t, uint32_t flags, nce_text_stream **out)
{
    if (out != NULL) *out = NULL;
    if (t == NULL) return NCE_ERR_INVALID;
    if (out == NULL || (flags & ~(uint32_t)(NCE_DECODE_SPECIAL | NCE_DECODE_CONTINUE)))
        return nce_fail(t->ctx, NCE_ERR_INVALID, "nce_text_stream_create: out is NULL or unknown flags 0x%x", flags);
    nce_text_stream *s = nce_alloc_zero(t->ctx, sizeof *s);
    if (s == NULL) return nce_fail_nomem(t->ctx, sizeof *s);
    s->t = t;
    s->flags = flags;
    s->raw_capacity = t->max_piece + 8 + MAX_HELD;
    s->raw = nce_alloc(t->ctx, s->raw_capacity);
    s->text = nce_alloc(t->ctx, 3 * s->raw_capacity + 1);
    if (s->raw == NULL || s->text == NULL) goto fail;
    *out = s;
    return NCE_OK;
fail:
    nce_text_stream_destroy(s);
    return nce_fail_nomem(t->ctx, 4 * (t->max_piece + 16));
}

void nce_text_stream_destroy(nce_text_stream *s)
{
    if (s == NULL) return;
    nce_free(s->t->ctx, s->raw);
    nce_free(s->t->ctx, s->text);
    nce_free(s->t->ctx, s);
}

/* Could these n bytes, fewer than the lead byte announces, still become a character? */
static bool is_unfinished(const uint8_t *b, size_t n)
{
    if (n == 0 || n >= nce_utf8_length(b[0])) return false;
    for (size_t i = 1; i < n; i++)
        if ((b[i] & 0xC0) != 0x80) return false;
    if (n == 1) return true;
    return !((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) || (b[0] == 0xF0 && b[1] < 0x90) ||
             (b[0] == 0xF4 && b[1] > 0x8F));
}

/* Complete characters of raw[0, n) to text; the rest is held, or with flush replaced. */
static size_t write_characters(nce_text_stream *s, size_t n, bool flush)
{
    const uint8_t *raw = (const uint8_t *)s->raw;
    size_t n_text = 0, length;
    s->n_held = 0;
    for (size_t i = 0; i < n; i += length) {
        if (!flush && is_unfinished(raw + i, n - i)) {
            s->n_held = n - i;
            memcpy(s->held, raw + i, s->n_held);
            break;
        }
        n_text += nce_utf8_encode(nce_utf8_decode(raw + i, n - i, &length), s->text + n_text);
        if (flush && length == 1 && raw[i] >= 0x80) break; /* one mark for the whole held piece */
    }
    s->text[n_text] = '\0';
    return n_text;
}

nce_status nce_text_stream_feed(nce_text_stream *s, int32_t token, const char **text, size_t *n_bytes)
{
    const char *piece;
    size_t n;
    if (text != NULL) *text = NULL;
    if (n_bytes != NULL) *n_bytes = 0;
    if (s == NULL || text == NULL || n_bytes == NULL) return NCE_ERR_INVALID;
    const nce_status status = nce_tokenizer_piece(s->t, token, s->flags, &piece, &n);
    if (status != NCE_OK) return status;
    const bool drops = s->t->add_space_prefix || s->t->kind == NCE_TOKENIZER_WPM;
    if (!s->started && n > 0 && !(s->t->attributes[token] & NCE_TOKEN_CONTROL)) {
        s->started = true;
        if (drops && !(s->flags & NCE_DECODE_CONTINUE) && piece[0] == ' ' &&
            !(s->t->attributes[token] & NCE_TOKEN_UNKNOWN)) {
            piece++;
            n--;
        }
    }
    memcpy(s->raw, s->held, s->n_held);
    memcpy(s->raw + s->n_held, piece, n);
    *n_bytes = write_characters(s, s->n_held + n, false);
    *text = s->text;
    return NCE_OK;
}

nce_status nce_text_stream_flush(nce_text_stream *s, const char **text, size_t *n_bytes)
{
    if (text != NULL) *text = NULL;
    if (n_bytes != NULL) *n_bytes = 0;
    if (s == NULL || text == NULL || n_bytes == NULL) return NCE_ERR_INVALID;
    memcpy(s->raw, s->held, s->n_held);
    *n_bytes = write_characters(s, s->n_held, true);
    *text = s->text;
    s->started = false;
    return NCE_OK;
}
