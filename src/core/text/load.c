/* A tokenizer from the metadata of a GGUF file. */
#include "src/core/text/tokenizer.h"
#include <math.h>
#include <string.h>

/* What tokenizer.ggml.model names, and what it implies unless other keys say otherwise. */
typedef struct model_row {
    const char *name;
    nce_tokenizer_kind kind;
    bool add_bos, add_eos, add_sep, add_space_prefix, scores;
    int32_t bos, eos, unk, sep, pad, mask;
} model_row;

static const model_row models[] = {
    {"llama", NCE_TOKENIZER_SPM, true, false, false, true, true, 1, 2, 0, -1, -1, -1},
    {"gpt2", NCE_TOKENIZER_BPE, false, false, false, false, false, -1, -1, -1, -1, -1, -1},
    {"gemma4", NCE_TOKENIZER_CBPE, false, false, false, false, false, -1, -1, -1, -1, -1, -1},
    {"bert", NCE_TOKENIZER_WPM, true, false, true, false, false, 101, -1, 100, 102, 0, 103},
    {"t5", NCE_TOKENIZER_UGM, false, true, false, true, true, -1, 1, 2, -1, 0, -1},
    {"rwkv", NCE_TOKENIZER_RWKV, false, false, false, false, false, -1, -1, -1, -1, -1, -1},
};

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED, TYPE_BYTE };

static uint32_t attributes_of(int64_t type)
{
    switch (type) {
    case TYPE_UNKNOWN:
        return NCE_TOKEN_UNKNOWN;
    case TYPE_CONTROL:
        return NCE_TOKEN_CONTROL;
    case TYPE_USER_DEFINED:
        return NCE_TOKEN_USER_DEFINED;
    case TYPE_UNUSED:
        return NCE_TOKEN_UNUSED;
    case TYPE_BYTE:
        return NCE_TOKEN_BYTE;
    default:
        return 0;
    }
}

/* ---- the text of a token, as the file writes it, to the bytes it stands for ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* "<0x0A>" */
static bool byte_from_name(nce_str s, char *out)
{
    if (s.size != 6 || memcmp(s.data, "<0x", 3) != 0 || s.data[5] != '>') return false;
    const int high = hex_digit(s.data[3]), low = hex_digit(s.data[4]);
    *out = (char)(high * 16 + low);
    return high >= 0 && low >= 0;
}

/* U+2581 to space. */
static size_t unescape_spaces(nce_str s, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s.size;) {
        const bool mark = s.size - i >= 3 && memcmp(s.data + i, "\xE2\x96\x81", 3) == 0;
        out[n++] = mark ? ' ' : s.data[i];
        i += mark ? 3 : 1;
    }
    return n;
}

/* Python's string escapes, as RWKV vocabularies are written. */
static size_t unescape_python(nce_str s, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s.size; i++) {
        char c = s.data[i];
        if (c == '\\' && i + 1 < s.size) {
            c = s.data[++i];
            const bool hex =
                c == 'x' && i + 2 < s.size && hex_digit(s.data[i + 1]) >= 0 && hex_digit(s.data[i + 2]) >= 0;
            if (hex) {
                c = (char)(hex_digit(s.data[i + 1]) * 16 + hex_digit(s.data[i + 2]));
                i += 2;
            } else {
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            }
        }
        out[n++] = c;
    }
    return n;
}

/* out holds s.size bytes. */
static size_t render(const nce_tokenizer *t, nce_str s, uint32_t attributes, char *out)
{
    size_t n;
    if ((attributes & NCE_TOKEN_BYTE) && byte_from_name(s, out)) return 1;
    const bool verbatim = (attributes & (NCE_TOKEN_CONTROL | NCE_TOKEN_USER_DEFINED | NCE_TOKEN_UNKNOWN)) != 0;
    if (t->kind == NCE_TOKENIZER_RWKV) return unescape_python(s, out);
    if (t->kind == NCE_TOKENIZER_BPE && !verbatim && nce_bytes_from_chars(s.data, s.size, out, &n)) return n;
    const bool spaces = t->kind != NCE_TOKENIZER_BPE && !(t->split_flags & NCE_SPLIT_NO_ESCAPE);
    if (spaces && !(verbatim && t->kind == NCE_TOKENIZER_CBPE)) return unescape_spaces(s, out);
    if (s.size > 0) memcpy(out, s.data, s.size);
    return s.size;
}

/* ---- tokens ---- */

static nce_status read_array(const nce_gguf *g, const char *key, nce_gguf_value_type element, uint64_t n,
                             const nce_gguf_kv **kv)
{
    const nce_status status = nce_gguf_array(g, key, element, kv);
    if (status == NCE_ERR_NOTFOUND) *kv = NULL;
    if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    if (*kv != NULL && (*kv)->count < n)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: %s has %llu elements for %llu tokens",
                        nce_gguf_name(g), key, (unsigned long long)(*kv)->count, (unsigned long long)n);
    return NCE_OK;
}

static nce_status add_tokens(nce_tokenizer *t, const nce_gguf *g, const nce_gguf_kv *texts, const nce_gguf_kv *types,
                             const nce_gguf_kv *scores)
{
    const uint8_t *cursor = texts->data;
    char *scratch = nce_alloc(t->ctx, NCE_MAX_PIECE);
    nce_status status = scratch == NULL ? nce_fail_nomem(t->ctx, NCE_MAX_PIECE) : NCE_OK;
    for (uint64_t i = 0; i < texts->count && status == NCE_OK; i++) {
        const nce_str s = nce_gguf_next_string(&cursor);
        const uint32_t attributes = types != NULL ? attributes_of(nce_gguf_element_i64(types, i)) : 0;
        const float score = scores != NULL ? nce_gguf_element_f32(scores, i) : 0;
        if (isnan(score))
            status = nce_fail(t->ctx, NCE_ERR_FORMAT, "%s: tokenizer.ggml.scores[%llu] is NaN", nce_gguf_name(g),
                              (unsigned long long)i);
        else if (s.size > NCE_MAX_PIECE)
            status = nce_fail(t->ctx, NCE_ERR_LIMIT, "%s: token %llu has %zu bytes; the limit is %d", nce_gguf_name(g),
                              (unsigned long long)i, s.size, NCE_MAX_PIECE);
        else
            status = nce_vocab_add(t, scratch, render(t, s, attributes, scratch), attributes, score);
    }
    nce_free(t->ctx, scratch);
    t->n_tokens = t->n_symbols;
    return status;
}

static nce_status read_tokens(nce_tokenizer *t, const nce_gguf *g, bool need_scores)
{
    const nce_gguf_kv *texts, *types, *scores;
    nce_status status = nce_gguf_array(g, "tokenizer.ggml.tokens", NCE_GGUF_STRING, &texts);
    if (status == NCE_ERR_NOTFOUND || (status == NCE_OK && texts->count == 0))
        return nce_fail(t->ctx, NCE_ERR_FORMAT, "%s: tokenizer.ggml.tokens is missing or empty", nce_gguf_name(g));
    if (status != NCE_OK) return status;
    if (texts->count > NCE_MAX_TOKENS)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "%s: tokenizer.ggml.tokens has %llu entries; the limit is %d",
                        nce_gguf_name(g), (unsigned long long)texts->count, NCE_MAX_TOKENS);
    status = read_array(g, "tokenizer.ggml.token_type", NCE_GGUF_I32, texts->count, &types);
    if (status != NCE_OK) return status;
    status = read_array(g, "tokenizer.ggml.scores", NCE_GGUF_F32, texts->count, &scores);
    if (status != NCE_OK) return status;
    if (need_scores && scores == NULL)
        return nce_fail(t->ctx, NCE_ERR_FORMAT, "%s: this kind of tokenizer needs tokenizer.ggml.scores",
                        nce_gguf_name(g));
    status = add_tokens(t, g, texts, types, scores);
    return status == NCE_OK ? nce_vocab_index(t) : status;
}

/* ---- merges ---- */

/* The symbol of one side of a merge; a string that is no token becomes a new symbol. */
static nce_status merge_symbol(nce_tokenizer *t, const char *bytes, size_t n, uint32_t *id)
{
    const int64_t found = nce_vocab_find(t, bytes, n);
    if (found >= 0 && !(t->attributes[found] & NCE_TOKEN_NOT_TEXT)) {
        *id = (uint32_t)found;
        return NCE_OK;
    }
    return nce_vocab_add_indexed(t, bytes, n, id);
}

/* "left right": the separator is the first space behind the first byte. */
static nce_status read_merge(nce_tokenizer *t, nce_str s, uint32_t rank, char *scratch)
{
    const char *space = s.size > 2 ? memchr(s.data + 1, ' ', s.size - 2) : NULL;
    if (space == NULL) return NCE_OK; /* merges nothing, as in other readers */
    const nce_str left = {s.data, (size_t)(space - s.data)}, right = {space + 1, s.size - left.size - 1};
    const size_t n_left = render(t, left, 0, scratch), n_right = render(t, right, 0, scratch + n_left);
    uint32_t a, b, merged;
    nce_status status = merge_symbol(t, scratch, n_left, &a);
    if (status == NCE_OK) status = merge_symbol(t, scratch + n_left, n_right, &b);
    if (status == NCE_OK) status = merge_symbol(t, scratch, n_left + n_right, &merged);
    if (status == NCE_OK) nce_vocab_put_pair(t, a, b, rank, merged);
    return status;
}

static nce_status read_merges(nce_tokenizer *t, const nce_gguf *g)
{
    const nce_gguf_kv *kv;
    nce_status status = nce_gguf_array(g, "tokenizer.ggml.merges", NCE_GGUF_STRING, &kv);
    if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    const uint64_t n = status == NCE_OK ? kv->count : 0;
    if (n > NCE_MAX_TOKENS)
        return nce_fail(t->ctx, NCE_ERR_LIMIT, "%s: tokenizer.ggml.merges has %llu entries; the limit is %d",
                        nce_gguf_name(g), (unsigned long long)n, NCE_MAX_TOKENS);
    status = nce_vocab_reserve_pairs(t, n);
    char *scratch = status == NCE_OK ? nce_alloc(t->ctx, 2 * NCE_MAX_PIECE) : NULL;
    if (status == NCE_OK && scratch == NULL) status = nce_fail_nomem(t->ctx, 2 * NCE_MAX_PIECE);
    const uint8_t *cursor = n > 0 ? kv->data : NULL;
    for (uint64_t i = 0; i < n && status == NCE_OK; i++) {
        const nce_str s = nce_gguf_next_string(&cursor);
        if (s.size > NCE_MAX_PIECE)
            status = nce_fail(t->ctx, NCE_ERR_LIMIT, "%s: merge %llu has %zu bytes; the limit is %d", nce_gguf_name(g),
                              (unsigned long long)i, s.size, NCE_MAX_PIECE);
        else
            status = read_merge(t, s, (uint32_t)i, scratch);
    }
    nce_free(t->ctx, scratch);
    return status;
}

/* ---- all of it ---- */

static nce_status find_model(nce_context *ctx, const nce_gguf *g, const model_row **row)
{
    nce_str name;
    const nce_status status = nce_gguf_string(g, "tokenizer.ggml.model", &name);
    if (status == NCE_ERR_NOTFOUND)
        return nce_fail(ctx, NCE_ERR_FORMAT, "%s: no tokenizer (tokenizer.ggml.model is missing)", nce_gguf_name(g));
    if (status != NCE_OK) return status;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        if (nce_str_equal(name, models[i].name)) {
            *row = &models[i];
            return NCE_OK;
        }
    return nce_fail(ctx, NCE_ERR_UNSUPPORTED,
                    "%s: tokenizer.ggml.model is '%.*s'; known are llama, gpt2, gemma4, bert, t5, rwkv",
                    nce_gguf_name(g), (int)(name.size < 64 ? name.size : 64), name.data);
}

static nce_status find_split(nce_tokenizer *t, const nce_gguf *g)
{
    nce_str name = {"default", 7};
    const nce_status status = nce_gguf_string(g, "tokenizer.ggml.pre", &name);
    if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    if (t->kind == NCE_TOKENIZER_CBPE) name = (nce_str){"gemma4", 6};
    if (status == NCE_ERR_NOTFOUND && t->kind == NCE_TOKENIZER_BPE)
        nce_log(t->ctx, NCE_LOG_WARNING,
                "%s: tokenizer.ggml.pre is missing, 'default' is used: tokens may differ from the model's",
                nce_gguf_name(g));
    t->split = nce_split_find(name.data, name.size);
    if (t->split == NULL)
        return nce_fail(t->ctx, NCE_ERR_UNSUPPORTED,
                        "%s: tokenizer.ggml.pre is '%.*s', which is no pre-tokenizer known here", nce_gguf_name(g),
                        (int)(name.size < 64 ? name.size : 64), name.data);
    t->split_flags = t->split->flags;
    if (t->split_flags & NCE_SPLIT_RAW) t->kind = NCE_TOKENIZER_CBPE;
    if (t->split_flags & NCE_SPLIT_ADD_BOS) t->add_bos = true;
    if (t->split_flags & NCE_SPLIT_ADD_SEP) t->add_sep = true;
    return NCE_OK;
}

static void take_defaults(nce_tokenizer *t, const model_row *row)
{
    t->add_bos = row->add_bos;
    t->add_eos = row->add_eos;
    t->add_sep = row->add_sep;
    t->add_space_prefix = row->add_space_prefix;
    t->bos = row->bos;
    t->eos = row->eos;
    t->unk = row->unk;
    t->sep = row->sep;
    t->pad = row->pad;
    t->mask = row->mask;
}

nce_status nce_tokenizer_load(nce_context *ctx, const nce_gguf *g, nce_tokenizer **out)
{
    const model_row *row = NULL;
    nce_tokenizer *t = NULL;
    *out = NULL;
    nce_status status = find_model(ctx, g, &row);
    if (status == NCE_OK) status = nce_vocab_create(ctx, row->kind, &t);
    if (status != NCE_OK) return status;
    take_defaults(t, row);
    if (row->kind == NCE_TOKENIZER_BPE || row->kind == NCE_TOKENIZER_CBPE) status = find_split(t, g);
    if (status == NCE_OK) status = read_tokens(t, g, row->scores);
    if (status == NCE_OK && t->split != NULL) status = read_merges(t, g);
    if (status == NCE_OK && row->kind == NCE_TOKENIZER_UGM) status = nce_charsmap_load(t, g);
    if (status == NCE_OK) status = nce_load_special(t, g);
    if (status == NCE_OK) status = nce_vocab_finish(t);
    if (status != NCE_OK) goto fail;
    *out = t;
    return NCE_OK;
fail:
    nce_tokenizer_destroy(t);
    return status;
}

nce_status nce_tokenizer_open(nce_context *ctx, const char *path, nce_tokenizer **out)
{
    nce_gguf *g;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (path == NULL || out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_tokenizer_open: a NULL argument");
    nce_status status = nce_gguf_open(ctx, path, NULL, &g);
    if (status != NCE_OK) return status;
    status = nce_tokenizer_load(ctx, g, out);
    nce_gguf_close(g);
    return status;
}
