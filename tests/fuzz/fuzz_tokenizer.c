/* Any vocabulary and any text: the input is a 16-bit length, that many bytes of GGUF metadata, and the text.  A file that
 * loads must encode, decode and stream; what is decoded must not depend on how it is asked for. */
#include "src/core/text/tokenizer.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stream(const nce_tokenizer *t, const int32_t *tokens, size_t n)
{
    nce_text_stream *s;
    const char *text;
    size_t n_bytes, length;
    if (nce_text_stream_create(t, NCE_DECODE_SPECIAL, &s) != NCE_OK) return;
    for (size_t i = 0; i <= n; i++) {
        const nce_status status =
            i < n ? nce_text_stream_feed(s, tokens[i], &text, &n_bytes) : nce_text_stream_flush(s, &text, &n_bytes);
        if (status != NCE_OK) abort();
        for (size_t k = 0; k < n_bytes; k += length) /* well-formed: U+FFFD only where it is written out */
            if (nce_utf8_decode((const uint8_t *)text + k, n_bytes - k, &length) == NCE_REPLACEMENT && length == 1) abort();
    }
    nce_text_stream_destroy(s);
}

static void use(const nce_tokenizer *t, const char *text, size_t n)
{
    enum { MOST = 4096 };
    int32_t tokens[MOST];
    char back[MOST];
    for (uint32_t flags = 0; flags < 8; flags++) {
        size_t n_tokens, n_needed, n_bytes;
        const nce_status status = nce_tokenizer_encode(t, text, n, flags, tokens, MOST, &n_tokens);
        if (status != NCE_OK && status != NCE_ERR_LIMIT) abort();
        nce_tokenizer_encode(t, text, n, flags, NULL, 0, &n_needed);
        if (n_needed != n_tokens) abort();
        if (status != NCE_OK) continue;
        nce_tokenizer_decode(t, tokens, n_tokens, 0, back, MOST, &n_bytes);
        stream(t, tokens, n_tokens);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nce_context *ctx;
    nce_gguf *g;
    nce_tokenizer *t;
    if (size < 2 || nce_context_create(NULL, &ctx) != NCE_OK) return 0;
    const size_t n = (size_t)data[0] | (size_t)data[1] << 8, n_file = n < size - 2 ? n : size - 2;
    uint8_t *file = malloc(n_file + 1); /* a copy of its own: reads past the end are seen */
    memcpy(file, data + 2, n_file);
    if (nce_gguf_open_memory(ctx, "fuzz", file, n_file, &g) == NCE_OK) {
        const nce_status status = nce_tokenizer_load(ctx, g, &t);
        nce_gguf_close(g);
        if (status == NCE_OK) use(t, (const char *)data + 2 + n_file, size - 2 - n_file);
        if (status == NCE_OK) nce_tokenizer_destroy(t);
    }
    free(file);
    nce_context_destroy(ctx);
    return 0;
}
