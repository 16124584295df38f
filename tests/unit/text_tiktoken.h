/* A byte-level BPE vocabulary from tiktoken's files: a line a token, its bytes in base64 and its rank.
 *
 * Such a file has no merges: a token is made by the pair that is left when its bytes are merged by all lower ranks. */
#ifndef NCE_TESTS_TEXT_TIKTOKEN_H
#define NCE_TESTS_TEXT_TIKTOKEN_H
#include "src/core/text/tokenizer.h"
#include <stdio.h>
#include <string.h>

static inline int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c != '\0' ? strchr(digits, c) : NULL;
    return p != NULL ? (int)(p - digits) : -1;
}

static inline size_t base64_decode(const char *text, char *out)
{
    size_t n = 0;
    uint32_t bits = 0;
    for (int have = 0; base64_digit(*text) >= 0; text++) {
        bits = bits << 6 | (uint32_t)base64_digit(*text);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[n++] = (char)(bits >> have);
    }
    return n;
}

/* NULL if the file cannot be read or is not what it should be. */
static inline nce_tokenizer *tiktoken_load(nce_context *ctx, const char *path, const char *split)
{
    char line[4096], bytes[4096];
    nce_tokenizer *t = NULL;
    FILE *f = fopen(path, "r");
    if (f == NULL) return NULL;
    nce_status status = nce_vocab_create(ctx, NCE_TOKENIZER_BPE, &t);
    while (status == NCE_OK && fgets(line, sizeof line, f) != NULL)
        status = nce_vocab_add(t, bytes, base64_decode(line, bytes), 0, 0);
    fclose(f);
    if (status != NCE_OK || t->n_symbols < 256) goto fail;
    t->n_tokens = t->n_symbols;
    t->split = nce_split_find(split, strlen(split));
    t->split_flags = t->split->flags;
    if (nce_vocab_index(t) != NCE_OK || nce_vocab_reserve_pairs(t, t->n_tokens) != NCE_OK) goto fail;
    if (nce_vocab_finish(t) != NCE_OK) goto fail;
    for (size_t id = 256; id < t->n_tokens; id++) {
        int32_t parts[2];
        nce_token_sink sink = {parts, 2, 0};
        if (nce_merge_word(t, nce_symbol_text(t, id), t->symbols[id].length, &sink) != NCE_OK) goto fail;
        if (sink.count == 2) nce_vocab_put_pair(t, (uint32_t)parts[0], (uint32_t)parts[1], (uint32_t)id, (uint32_t)id);
    }
    return t;
fail:
    nce_tokenizer_destroy(t);
    return NULL;
}

#endif
