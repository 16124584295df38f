/* Small vocabularies for tests, made in memory: written as GGUF and loaded again. */
#ifndef NCE_TESTS_TEXT_VOCAB_H
#define NCE_TESTS_TEXT_VOCAB_H
#include "src/core/gguf/writer.h"
#include "src/core/text/tokenizer.h"
#include <stdio.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct vocab_token {
    const char *text;
    int32_t type;
    float score;
} vocab_token;

typedef struct vocab_spec {
    const char *model, *pre; /* pre may be NULL */
    const vocab_token *tokens;
    size_t n_tokens;
    const char *const *merges;
    size_t n_merges;
    bool all_bytes; /* <0x00> .. <0xFF> behind the tokens (SPM), or the 256 characters (BPE) */
    int32_t bos, eos, unk;
    void (*extra)(nce_gguf_writer *w); /* more keys; may be NULL */
} vocab_spec;

enum { VOCAB_MAX = 1024 };

static inline void vocab_tokens(nce_gguf_writer *w, const vocab_spec *v)
{
    static char names[256][8];
    nce_str texts[VOCAB_MAX];
    int32_t types[VOCAB_MAX];
    float scores[VOCAB_MAX];
    size_t n = 0;
    for (; n < v->n_tokens; n++) {
        texts[n] = (nce_str){v->tokens[n].text, strlen(v->tokens[n].text)};
        types[n] = v->tokens[n].type;
        scores[n] = v->tokens[n].score;
    }
    for (int b = 0; v->all_bytes && b < 256; b++, n++) {
        const bool chars = strcmp(v->model, "gpt2") == 0;
        if (chars)
            names[b][nce_utf8_encode(nce_byte_to_char((uint8_t)b), names[b])] = '\0';
        else
            snprintf(names[b], sizeof names[b], "<0x%02X>", (unsigned)b);
        texts[n] = (nce_str){names[b], strlen(names[b])};
        types[n] = chars ? NORMAL : BYTE;
        scores[n] = 0;
    }
    nce_gguf_put_strings(w, "tokenizer.ggml.tokens", texts, n);
    nce_gguf_put_array(w, "tokenizer.ggml.token_type", NCE_GGUF_I32, types, n);
    nce_gguf_put_array(w, "tokenizer.ggml.scores", NCE_GGUF_F32, scores, n);
}

/* The file's bytes, to be freed with nce_free(ctx, ...). */
static inline nce_status vocab_file(nce_context *ctx, const vocab_spec *v, void **data, size_t *size)
{
    nce_gguf_writer *w;
    nce_str merges[VOCAB_MAX];
    nce_status status = nce_gguf_writer_create(ctx, NULL, 0, &w);
    if (status != NCE_OK) return status;
    nce_gguf_put_text(w, "general.architecture", "test");
    nce_gguf_put_text(w, "tokenizer.ggml.model", v->model);
    if (v->pre != NULL) nce_gguf_put_text(w, "tokenizer.ggml.pre", v->pre);
    vocab_tokens(w, v);
    for (size_t i = 0; i < v->n_merges; i++)
        merges[i] = (nce_str){v->merges[i], strlen(v->merges[i])};
    if (v->n_merges > 0) nce_gguf_put_strings(w, "tokenizer.ggml.merges", merges, v->n_merges);
    nce_gguf_put_i32(w, "tokenizer.ggml.bos_token_id", v->bos);
    nce_gguf_put_i32(w, "tokenizer.ggml.eos_token_id", v->eos);
    nce_gguf_put_i32(w, "tokenizer.ggml.unknown_token_id", v->unk);
    if (v->extra != NULL) v->extra(w);
    status = nce_gguf_writer_begin(w);
    if (status == NCE_OK) status = nce_gguf_writer_finish(w);
    if (status == NCE_OK) nce_gguf_writer_take(w, data, size);
    nce_gguf_writer_destroy(w);
    return status;
}

static inline nce_status vocab_load_bytes(nce_context *ctx, const void *data, size_t size, nce_tokenizer **t)
{
    nce_gguf *g;
    *t = NULL;
    nce_status status = nce_gguf_open_memory(ctx, "test", data, size, &g);
    if (status != NCE_OK) return status;
    status = nce_tokenizer_load(ctx, g, t);
    nce_gguf_close(g);
    return status;
}

static inline nce_status vocab_load(nce_context *ctx, const vocab_spec *v, nce_tokenizer **t)
{
    void *data;
    size_t size;
    nce_status status = vocab_file(ctx, v, &data, &size);
    if (status != NCE_OK) return status;
    status = vocab_load_bytes(ctx, data, size, t);
    nce_free(ctx, data);
    return status;
}

/* Encode, as "1 2 3"; static storage. */
static inline const char *ids_of(const nce_tokenizer *t, const char *text, size_t n, uint32_t flags)
{
    static char out[8192];
    int32_t ids[1024];
    size_t count, k = 0;
    out[0] = '\0';
    if (nce_tokenizer_encode(t, text, n, flags, ids, 1024, &count) != NCE_OK) return "error";
    for (size_t i = 0; i < count; i++)
        k += (size_t)snprintf(out + k, sizeof out - k, i > 0 ? " %d" : "%d", ids[i]);
    return out;
}

static inline const char *ids(const nce_tokenizer *t, const char *text)
{
    return ids_of(t, text, strlen(text), 0);
}

#endif
