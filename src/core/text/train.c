/* Training a byte-level BPE vocabulary: the 256 bytes, the merges learned, the special tokens. */
#include "src/core/text/train.h"
#include <string.h>

enum { DEFAULT_TOKENS = 32000, DEFAULT_MIN_COUNT = 2 };

_Static_assert(sizeof(nce_train_options) == 6 * sizeof(void *) + 16, "no padding");

static nce_status check(nce_context *ctx, nce_train_options *o, const nce_split_name **split)
{
    if (o->split == NULL) o->split = "llama-bpe";
    if (o->n_tokens == 0) o->n_tokens = DEFAULT_TOKENS;
    if (o->min_count == 0) o->min_count = DEFAULT_MIN_COUNT;
    if (o->n_threads == 0) o->n_threads = nce_context_threads(ctx);
    *split = nce_split_find(o->split, strlen(o->split));
    if (*split == NULL) return nce_fail(ctx, NCE_ERR_NOTFOUND, "no pre-tokenizer '%s'", o->split);
    if ((*split)->flags & NCE_SPLIT_RAW)
        return nce_fail(ctx, NCE_ERR_INVALID, "pre-tokenizer '%s' is for characters, not bytes", o->split);
    if (o->n_tokens > NCE_MAX_TOKENS)
        return nce_fail(ctx, NCE_ERR_LIMIT, "n_tokens is %u; the limit is %d", o->n_tokens, NCE_MAX_TOKENS);
    if (o->n_special > o->n_tokens || o->n_tokens - o->n_special < 256)
        return nce_fail(ctx, NCE_ERR_INVALID, "n_tokens is %u, fewer than 256 bytes and %zu special tokens",
                        o->n_tokens, o->n_special);
    if (o->n_threads > 1024 || o->reserved != 0 || (o->special == NULL && o->n_special > 0))
        return nce_fail(ctx, NCE_ERR_INVALID, "n_threads is %u (at most 1024), reserved %u, or special is NULL",
                        o->n_threads, o->reserved);
    for (size_t i = 0; i < o->n_special; i++)
        if (o->special[i] == NULL || o->special[i][0] == '\0')
            return nce_fail(ctx, NCE_ERR_INVALID, "special token %zu is empty", i);
    return NCE_OK;
}

static nce_status add_special(nce_tokenizer *t, const nce_train_options *o)
{
    nce_status status = NCE_OK;
    for (size_t i = 0; i < o->n_special && status == NCE_OK; i++)
        status = nce_vocab_add(t, o->special[i], strlen(o->special[i]), NCE_TOKEN_CONTROL, 0);
    t->n_tokens = t->n_symbols;
    if (status == NCE_OK) status = nce_vocab_index(t);
    return status == NCE_OK ? nce_vocab_finish(t) : status;
}

/* The bytes in the order of GPT-2's vocabulary: by their characters in its alphabet. */
static nce_status add_bytes(nce_tokenizer *t)
{
    nce_status status = NCE_OK;
    for (uint32_t c = 0; c < 256 + 68 && status == NCE_OK; c++)
        for (int b = 0; b < 256 && status == NCE_OK; b++)
            if (nce_byte_to_char((uint8_t)b) == c) status = nce_vocab_add(t, &(char){(char)b}, 1, 0, 0);
    t->n_tokens = t->n_symbols;
    return status == NCE_OK ? nce_vocab_index(t) : status;
}

/* Words of the texts, with the special tokens cut out. */
static nce_status count(nce_context *ctx, const nce_text *texts, size_t n_texts, const nce_train_options *o,
                        const nce_split_rule *rule, nce_word_table *table)
{
    nce_tokenizer *cutter;
    nce_status status = nce_vocab_create(ctx, NCE_TOKENIZER_BPE, &cutter);
    if (status == NCE_OK) status = add_special(cutter, o);
    if (status == NCE_OK) status = nce_count_words(ctx, cutter, rule, texts, n_texts, o->n_threads, table);
    nce_tokenizer_destroy(cutter);
    return status;
}

static nce_status train(nce_context *ctx, const nce_text *texts, size_t n_texts, const nce_train_options *o,
                        const nce_split_name *split, nce_tokenizer *t)
{
    nce_word_table table = {0};
    t->split = split;
    t->split_flags = split->flags;
    nce_status status = add_bytes(t);
    if (status == NCE_OK) status = count(ctx, texts, n_texts, o, split->rule, &table);
    if (status == NCE_OK)
        status = nce_learn_merges(t, &table, o->n_tokens - o->n_special, o->min_count, o->progress, o->progress_user);
    nce_word_table_destroy(ctx, &table);
    if (status != NCE_OK) return status;
    const size_t first_special = t->n_symbols;
    status = add_special(t, o);
    if (status != NCE_OK || o->n_special == 0) return status;
    t->bos = t->eos = (int32_t)first_special;
    t->attributes[first_special] |= NCE_TOKEN_EOG;
    return NCE_OK;
}

nce_status nce_tokenizer_train(nce_context *ctx, const nce_text *texts, size_t n_texts,
                               const nce_train_options *options, nce_tokenizer **out)
{
    nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
    const nce_split_name *split = NULL;
    nce_tokenizer *t = NULL;
    if (out != NULL) *out = NULL;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (out == NULL || (texts == NULL && n_texts > 0))
        return nce_fail(ctx, NCE_ERR_INVALID, "nce_tokenizer_train: a NULL argument");
    for (size_t i = 0; i < n_texts; i++)
        if (texts[i].data == NULL && texts[i].n_bytes > 0) return nce_fail(ctx, NCE_ERR_INVALID, "text %zu is NULL", i);
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_train_options");
    if (status == NCE_OK) status = check(ctx, &o, &split);
    if (status == NCE_OK) status = nce_vocab_create(ctx, NCE_TOKENIZER_BPE, &t);
    if (status != NCE_OK) return status;
    status = train(ctx, texts, n_texts, &o, split, t);
    if (status != NCE_OK) goto fail;
    *out = t;
    return NCE_OK;
fail:
    nce_tokenizer_destroy(t);
    return status;
}
