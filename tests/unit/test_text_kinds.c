/* The other kinds of vocabulary: characters (gemma4), WordPiece, unigram, RWKV. */
#include "tests/unit/text_vocab.h"
#include <criterion/criterion.h>
#include <stdio.h>

static nce_context *ctx;

static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

static void teardown(void)
{
    nce_context_destroy(ctx);
}

TestSuite(text_kinds, .init = setup, .fini = teardown);

#define MARK "\xE2\x96\x81"

static const char *text_of(const nce_tokenizer *t, const int32_t *tokens, size_t n)
{
    static char out[256];
    size_t n_bytes;
    cr_assert_eq(nce_tokenizer_decode(t, tokens, n, 0, out, sizeof out - 1, &n_bytes), NCE_OK);
    out[n_bytes] = '\0';
    return out;
}

Test(text_kinds, wordpiece)
{
    const vocab_token tokens[] = {{"[PAD]", CONTROL, 0},    {"[UNK]", CONTROL, 0},           {"[CLS]", CONTROL, 0},
                                  {"[SEP]", CONTROL, 0},    {MARK "un", NORMAL, 0},          {"aff", NORMAL, 0},
                                  {"able", NORMAL, 0},      {MARK "a", NORMAL, 0},           {MARK ",", NORMAL, 0},
                                  {MARK "cafe", NORMAL, 0}, {MARK "\xE4\xB8\xAD", NORMAL, 0}};
    const vocab_spec v = {.model = "bert", .tokens = tokens, .n_tokens = 11, .bos = 2, .eos = -1, .unk = 1};
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &v, &t), NCE_OK, "%s", nce_context_error(ctx));
    t->sep = 3;
    cr_expect_str_eq(ids(t, "unaffable"), "4 5 6");
    cr_expect_str_eq(ids(t, " UNaffable,\ta"), "4 5 6 8 7", "lower case, punctuation apart, white space dropped");
    cr_expect_str_eq(ids(t, "Caf\xC3\xA9"), "9", "accents are stripped");
    cr_expect_str_eq(ids(t, "a\xE4\xB8\xAD"
                            "a"),
                     "7 10 7", "ideographs stand alone");
    cr_expect_str_eq(ids(t, "unx a"), "1 7", "a word that cannot be covered is unknown");
    cr_expect_str_eq(ids_of(t, "a", 1, NCE_ENCODE_BOS), "2 7 3");
    cr_expect_str_eq(text_of(t, (const int32_t[]){4, 5, 6, 7}, 4), "unaffable a");
    char word[102];
    memset(word, 'a', sizeof word);
    cr_expect_str_eq(ids_of(t, word, sizeof word - 1, 0), "1", "words over 100 characters are unknown");
    nce_tokenizer_destroy(t);
}

static void space_prefix_off(nce_gguf_writer *w)
{
    nce_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
}

Test(text_kinds, unigram)
{
    const vocab_token tokens[] = {{"<pad>", CONTROL, 0},   {"</s>", CONTROL, 0},   {"<unk>", UNKNOWN, 0},
                                  {MARK, NORMAL, -2},      {"a", NORMAL, -3},      {"b", NORMAL, -3},
                                  {"ab", NORMAL, -7},      {MARK "a", NORMAL, -4}, {"bb", NORMAL, -5},
                                  {"[U]", USER_DEFINED, 0}};
    vocab_spec v = {.model = "t5", .tokens = tokens, .n_tokens = 10, .bos = -1, .eos = 1, .unk = 2};
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &v, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(ids(t, "ab"), "7 5", "-4-3 beats -2-7 and -2-3-3");
    cr_expect_str_eq(ids(t, "abb"), "7 8");
    cr_expect_str_eq(ids(t, "axyb"), "7 2 5", "neighbouring unknown characters are one token");
    cr_expect_str_eq(ids(t, "a[U]b"), "7 9 3 5", "user-defined tokens are found first");
    cr_expect_str_eq(ids(t, ""), "");
    cr_expect_str_eq(ids_of(t, "a", 1, NCE_ENCODE_BOS), "7 1", "EOS behind");
    nce_tokenizer_destroy(t);
    v.extra = space_prefix_off;
    cr_assert_eq(vocab_load(ctx, &v, &t), NCE_OK);
    cr_expect_str_eq(ids(t, "ab"), "4 5");
    nce_tokenizer_destroy(t);
}

/* A character map with one rule: "A" becomes "a".  Unit 0 is the root with offset 1; the child for 'A' lies at 1 ^ 'A',
 * has a leaf, and its offset leads to the value unit. */
static void charsmap(nce_gguf_writer *w)
{
    enum { CHILD = 1 ^ 'A', LEAF = CHILD ^ 2, UNITS = 128 };
    uint8_t blob[4 + 4 * UNITS + 3] = {0};
    uint32_t units[UNITS] = {0};
    units[0] = 1u << 10;
    units[CHILD] = 2u << 10 | 1u << 8 | 'A';
    units[LEAF] = 1; /* string at 1 */
    blob[0] = 4 * UNITS & 255;
    blob[1] = 4 * UNITS >> 8;
    for (int i = 0; i < UNITS; i++)
        for (int k = 0; k < 4; k++)
            blob[4 + 4 * i + k] = (uint8_t)(units[i] >> 8 * k);
    memcpy(blob + 4 + 4 * UNITS, "\0a", 3);
    nce_gguf_put_array(w, "tokenizer.ggml.precompiled_charsmap", NCE_GGUF_U8, blob, sizeof blob);
    nce_gguf_put_bool(w, "tokenizer.ggml.remove_extra_whitespaces", true);
}

static void broken_charsmap(nce_gguf_writer *w)
{
    const uint8_t blob[] = {0xFF, 0xFF, 0xFF, 0x7F, 1, 2, 3};
    nce_gguf_put_array(w, "tokenizer.ggml.precompiled_charsmap", NCE_GGUF_U8, blob, sizeof blob);
}

Test(text_kinds, unigram_normalizer)
{
    const vocab_token tokens[] = {{"<pad>", CONTROL, 0},  {"</s>", CONTROL, 0}, {"<unk>", UNKNOWN, 0},
                                  {MARK "a", NORMAL, -1}, {"a", NORMAL, -2},    {MARK, NORMAL, -2}};
    vocab_spec v = {.model = "t5", .tokens = tokens, .n_tokens = 6, .bos = -1, .eos = 1, .unk = 2, .extra = charsmap};
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &v, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(ids(t, "A a"), "3 3");
    cr_expect_str_eq(ids(t, "  A   aA "), "3 3 4", "spaces are merged and trimmed");
    nce_tokenizer_destroy(t);
    v.extra = broken_charsmap;
    cr_expect_eq(vocab_load(ctx, &v, &t), NCE_ERR_FORMAT);
    cr_expect_null(t);
}

Test(text_kinds, rwkv)
{
    const vocab_token tokens[] = {{"<s>", CONTROL, 0},       {"\\x00", NORMAL, 0}, {"a", NORMAL, 0},
                                  {"ab", NORMAL, 0},         {"abcd", NORMAL, 0},  {"\\n", NORMAL, 0},
                                  {"\\xe2\\x82", NORMAL, 0}, {"\\\\", NORMAL, 0},  {"\\t'", NORMAL, 0}};
    const vocab_spec v = {.model = "rwkv", .tokens = tokens, .n_tokens = 9, .bos = -1, .eos = -1, .unk = -1};
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &v, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(ids(t, "abcdab"), "4 3");
    cr_expect_str_eq(ids(t, "aba\n\\"), "3 2 5 7");
    cr_expect_str_eq(ids_of(t, "\0\t'\xE2\x82", 5, 0), "1 8 6");
    cr_expect_str_eq(ids(t, "xa"), "2", "bytes without a token are left out");
    nce_tokenizer_destroy(t);
}

Test(text_kinds, characters_with_byte_fallback)
{
    const vocab_token tokens[] = {
        {"<bos>", CONTROL, 0}, {"<eos>", CONTROL, 0},  {"a", NORMAL, 0},  {"b", NORMAL, 0},    {MARK, NORMAL, 0},
        {"ab", NORMAL, 0},     {MARK "ab", NORMAL, 0}, {"\n", NORMAL, 0}, {"\n\n", NORMAL, 0}, {"\xC3\xA9", NORMAL, 0}};
    const char *const merges[] = {"a b", MARK " ab"};
    const vocab_spec v = {.model = "gemma4",
                          .tokens = tokens,
                          .n_tokens = 10,
                          .merges = merges,
                          .n_merges = 2,
                          .all_bytes = true,
                          .bos = 0,
                          .eos = 1,
                          .unk = -1};
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &v, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(ids(t, "ab ab\xC3\xA9"), "5 6 9", "no space in front");
    cr_expect_str_eq(ids(t, "a\n\nb\n"), "2 8 3 7", "a run of newlines is one token if there is one");
    cr_expect_str_eq(ids(t, "\xC3\xBC"), "205 198", "bytes from 10 on");
    cr_expect_str_eq(ids_of(t, "a", 1, NCE_ENCODE_BOS), "0 2");
    cr_expect_str_eq(text_of(t, (const int32_t[]){5, 6}, 2), "ab ab");
    nce_tokenizer_destroy(t);
}
