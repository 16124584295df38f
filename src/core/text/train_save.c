/* Writing a trained vocabulary: GGUF, and the tokenizer.json of Hugging Face. */
#include "src/core/gguf/writer.h"
#include "src/core/text/tokenizer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- texts as the files want them ---- */

/* The symbol's text in the byte alphabet, control tokens as they are; out holds twice its bytes.  Returns the length.
 */
static size_t alphabet_text(const nce_tokenizer *t, size_t id, char *out)
{
    const char *s = nce_symbol_text(t, id);
    const size_t length = t->symbols[id].length;
    size_t n = 0;
    if (t->attributes[id] & NCE_TOKEN_CONTROL) {
        memcpy(out, s, length);
        return length;
    }
    for (size_t i = 0; i < length; i++)
        n += nce_utf8_encode(nce_byte_to_char((uint8_t)s[i]), out + n);
    return n;
}

/* All strings of the file, one behind the other. */
typedef struct string_list {
    char *text;
    nce_str *items;
    size_t n;
} string_list;

static nce_status reserve(nce_context *ctx, string_list *list, size_t n, size_t bytes)
{
    list->text = nce_alloc(ctx, bytes);
    list->items = nce_alloc_array(ctx, n, sizeof *list->items);
    return list->text == NULL || list->items == NULL ? nce_fail_nomem(ctx, bytes + n * sizeof *list->items) : NCE_OK;
}

static void release(nce_context *ctx, string_list *list)
{
    nce_free(ctx, list->text);
    nce_free(ctx, list->items);
}

static nce_status token_texts(const nce_tokenizer *t, string_list *list)
{
    const nce_status status = reserve(t->ctx, list, t->n_tokens, 2 * t->arena_bytes);
    size_t n = 0;
    for (size_t i = 0; i < t->n_tokens && status == NCE_OK; i++) {
        const size_t length = alphabet_text(t, i, list->text + n);
        list->items[list->n++] = (nce_str){list->text + n, length};
        n += length;
    }
    return status;
}

/* "left right" */
static nce_status merge_texts(const nce_tokenizer *t, string_list *list)
{
    size_t bytes = 0, n = 0;
    for (size_t i = 0; i < 2 * t->n_trained_merges; i++)
        bytes += 2 * t->symbols[t->merges[i]].length + 1;
    const nce_status status = reserve(t->ctx, list, t->n_trained_merges, bytes);
    for (size_t i = 0; i < t->n_trained_merges && status == NCE_OK; i++) {
        const size_t first = n;
        n += alphabet_text(t, t->merges[2 * i], list->text + n);
        list->text[n++] = ' ';
        n += alphabet_text(t, t->merges[2 * i + 1], list->text + n);
        list->items[list->n++] = (nce_str){list->text + first, n - first};
    }
    return status;
}

static nce_status check(const nce_tokenizer *t, const char *path, const char *what)
{
    if (t == NULL) return NCE_ERR_INVALID;
    if (path == NULL) return nce_fail(t->ctx, NCE_ERR_INVALID, "%s: path is NULL", what);
    if (t->merges == NULL) return nce_fail(t->ctx, NCE_ERR_STATE, "%s: only a trained tokenizer can be saved", what);
    return NCE_OK;
}

/* ---- GGUF ---- */

static nce_status put_types(const nce_tokenizer *t, nce_gguf_writer *w)
{
    enum { NORMAL = 1, CONTROL = 3 };
    int32_t *types = nce_alloc_array(t->ctx, t->n_tokens, sizeof *types);
    if (types == NULL) return nce_fail_nomem(t->ctx, t->n_tokens * sizeof *types);
    for (size_t i = 0; i < t->n_tokens; i++)
        types[i] = t->attributes[i] & NCE_TOKEN_CONTROL ? CONTROL : NORMAL;
    const nce_status status = nce_gguf_put_array(w, "tokenizer.ggml.token_type", NCE_GGUF_I32, types, t->n_tokens);
    nce_free(t->ctx, types);
    return status;
}

static nce_status put_vocabulary(const nce_tokenizer *t, nce_gguf_writer *w)
{
    string_list tokens = {0}, merges = {0};
    nce_status status = token_texts(t, &tokens);
    if (status == NCE_OK) status = merge_texts(t, &merges);
    if (status == NCE_OK) status = nce_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens.items, tokens.n);
    if (status == NCE_OK) status = put_types(t, w);
    if (status == NCE_OK) status = nce_gguf_put_strings(w, "tokenizer.ggml.merges", merges.items, merges.n);
    release(t->ctx, &tokens);
    release(t->ctx, &merges);
    return status;
}

nce_status nce_tokenizer_save_gguf(const nce_tokenizer *t, const char *path)
{
    nce_gguf_writer *w = NULL;
    nce_status status = check(t, path, "nce_tokenizer_save_gguf");
    if (status == NCE_OK) status = nce_gguf_writer_create(t->ctx, path, 0, &w);
    if (status != NCE_OK) return status;
    status = nce_gguf_put_text(w, "general.architecture", "gpt2");
    if (status == NCE_OK) status = nce_gguf_put_text(w, "general.type", "vocabulary");
    if (status == NCE_OK) status = nce_gguf_put_text(w, "tokenizer.ggml.model", "gpt2");
    if (status == NCE_OK) status = nce_gguf_put_text(w, "tokenizer.ggml.pre", t->split->name);
    if (status == NCE_OK) status = put_vocabulary(t, w);
    if (status == NCE_OK && t->bos >= 0) status = nce_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)t->bos);
    if (status == NCE_OK && t->eos >= 0) status = nce_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)t->eos);
    if (status == NCE_OK) status = nce_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    if (status == NCE_OK) status = nce_gguf_writer_begin(w);
    if (status == NCE_OK) status = nce_gguf_writer_finish(w);
    nce_gguf_writer_destroy(w);
    return status;
}

/* ---- tokenizer.json ---- */

/* Expressions of the rules a trained vocabulary may use; NULL: the ByteLevel step's own, which is gpt-2's. */
static const struct {
    const char *split, *regex;
} json_rows[] = {
    {"gpt-2", NULL},
    {"llama-bpe", "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
                  "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"
                  "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"},
    {"qwen2", "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "
              "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"
              "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"},
};

static void put_json_string(FILE *f, nce_str s)
{
    putc('"', f);
    for (size_t i = 0; i < s.size; i++) {
        const char c = s.data[i];
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if ((unsigned char)c < 0x20)
            fprintf(f, "\\u%04x", (unsigned)c);
        else
            putc(c, f);
    }
    putc('"', f);
}

static void put_pre_tokenizer(FILE *f, const char *regex)
{
    static const char bytes[] =
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":%s}";
    fputs("\"pre_tokenizer\":", f);
    if (regex == NULL) {
        fprintf(f, bytes, "true");
        return;
    }
    fprintf(f,
            "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},"
            "\"behavior\":\"Isolated\",\"invert\":false},",
            regex);
    fprintf(f, bytes, "false");
    fputs("]}", f);
}

static void put_added(FILE *f, const nce_tokenizer *t, const string_list *tokens)
{
    const char *separator = "";
    fputs("\"added_tokens\":[", f);
    for (size_t i = 0; i < tokens->n; i++) {
        if (!(t->attributes[i] & NCE_TOKEN_CONTROL)) continue;
        fprintf(f, "%s{\"id\":%zu,\"content\":", separator, i);
        put_json_string(f, tokens->items[i]);
        fputs(",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}", f);
        separator = ",";
    }
    fputs("],\n", f);
}

static void put_model(FILE *f, const nce_tokenizer *t, const string_list *tokens, const string_list *merges)
{
    const bool whole = (t->split_flags & NCE_SPLIT_WHOLE_WORDS) != 0;
    fprintf(f,
            "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
            "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,\n\"vocab\":{",
            whole ? "true" : "false");
    for (size_t i = 0; i < tokens->n; i++) {
        fputs(i > 0 ? ",\n" : "\n", f);
        put_json_string(f, tokens->items[i]);
        fprintf(f, ":%zu", i);
    }
    fputs("},\n\"merges\":[", f);
    for (size_t i = 0; i < merges->n; i++) {
        fputs(i > 0 ? ",\n" : "\n", f);
        put_json_string(f, merges->items[i]);
    }
    fputs("]}\n", f);
}

static nce_status write_json(const nce_tokenizer *t, const char *path, const char *regex, const string_list *tokens,
                             const string_list *merges)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL) return nce_fail(t->ctx, NCE_ERR_IO, "%s: %s", path, strerror(errno));
    fputs("{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n", f);
    put_added(f, t, tokens);
    fputs(t->split_flags & NCE_SPLIT_NFC ? "\"normalizer\":{\"type\":\"NFC\"},\n" : "\"normalizer\":null,\n", f);
    put_pre_tokenizer(f, regex);
    fputs(",\n\"post_processor\":null,\n\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":"
          "true,"
          "\"use_regex\":true},\n",
          f);
    put_model(f, t, tokens, merges);
    fputs("}\n", f);
    const bool broken = ferror(f) != 0;
    if (fclose(f) == 0 && !broken) return NCE_OK;
    const nce_status status = nce_fail(t->ctx, NCE_ERR_IO, "%s: %s", path, strerror(errno));
    remove(path);
    return status;
}

nce_status nce_tokenizer_save_json(const nce_tokenizer *t, const char *path)
{
    string_list tokens = {0}, merges = {0};
    size_t row = 0;
    nce_status status = check(t, path, "nce_tokenizer_save_json");
    if (status != NCE_OK) return status;
    while (row < sizeof json_rows / sizeof *json_rows && strcmp(json_rows[row].split, t->split->name) != 0)
        row++;
    if (row == sizeof json_rows / sizeof *json_rows)
        return nce_fail(t->ctx, NCE_ERR_UNSUPPORTED,
                        "%s: tokenizer.json of pre-tokenizer '%s' is not written; gpt-2, llama-bpe and qwen2 are", path,
                        t->split->name);
    status = token_texts(t, &tokens);
    if (status == NCE_OK) status = merge_texts(t, &merges);
    if (status == NCE_OK) status = write_json(t, path, json_rows[row].regex, &tokens, &merges);
    release(t->ctx, &tokens);
    release(t->ctx, &merges);
    return status;
}
