/* Tokenizers through the public calls, on vocabularies small enough to follow by hand. */
#include "tests/unit/faulty_alloc.h"
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

TestSuite(text, .init = setup, .fini = teardown);

/* Ids: 0 <unk> 1 <s> 2 </s> 3.. as below; bytes from 12 on. */
static const vocab_token spm_tokens[] = {{"<unk>", UNKNOWN, 0},
                                         {"<s>", CONTROL, 0},
                                         {"</s>", CONTROL, 0},
                                         {"\xE2\x96\x81", NORMAL, -5},
                                         {"a", NORMAL, -6},
                                         {"b", NORMAL, -7},
                                         {"ab", NORMAL, -1},
                                         {"\xE2\x96\x81"
                                          "a",
                                          NORMAL, -2},
                                         {"\xE2\x96\x81"
                                          "ab",
                                          NORMAL, -3},
                                         {"[X]", USER_DEFINED, 0},
                                         {"bb", NORMAL, -1.5f},
                                         {"<|im_end|>", CONTROL, 0}};
static const vocab_spec spm = {
    .model = "llama", .tokens = spm_tokens, .n_tokens = 12, .all_bytes = true, .bos = 1, .eos = 2};

/* Ids: 0 a, 1 b, 2 c, 3 ab, 4 bc, 5 abc, 6 <|eot_id|>, 7 <think>, 8 "Ġa"; bytes from 9 on (a is 0, not 9 + 'a'). */
static const vocab_token bpe_tokens[] = {{"a", NORMAL, 0},
                                         {"b", NORMAL, 0},
                                         {"c", NORMAL, 0},
                                         {"ab", NORMAL, 0},
                                         {"bc", NORMAL, 0},
                                         {"abc", NORMAL, 0},
                                         {"<|eot_id|>", CONTROL, 0},
                                         {"<think>", USER_DEFINED, 0},
                                         {"\xC4\xA0"
                                          "a",
                                          NORMAL, 0}};
static const char *const bpe_merges[] = {"b c", "a b", "a bc", "\xC4\xA0 a"};
static const vocab_spec bpe = {.model = "gpt2",
                               .pre = "gpt-2",
                               .tokens = bpe_tokens,
                               .n_tokens = 9,
                               .merges = bpe_merges,
                               .n_merges = 4,
                               .all_bytes = true,
                               .bos = -1,
                               .eos = 6,
                               .unk = -1};

Test(text, spm_merges_by_score_and_falls_back_to_bytes)
{
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &spm, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(ids(t, ""), "");
    cr_expect_str_eq(ids(t, "ab"), "8", "a+b first (best score), then the space joins");
    cr_expect_str_eq(ids(t, "abb"), "8 5", "ab wins over bb");
    cr_expect_str_eq(ids(t, "bb"), "3 10");
    cr_expect_str_eq(ids(t, "a\n"), "7 22", "newline is byte token 12 + 10");
    cr_expect_str_eq(ids(t, "\xC3\xA9"), "3 207 181", "e-acute has no token: two bytes");
    cr_expect_str_eq(ids(t, "\xFF"), "3 267", "an ill-formed byte too");
    cr_expect_str_eq(ids(t, "<s>"), "3 72 127 74", "control tokens in the text are text");
    cr_expect_str_eq(ids(t, "\xE2\x96\x81"
                            "a"),
                     "3 7", "U+2581 is the space it stands for");
    nce_tokenizer_destroy(t);
}

Test(text, special_tokens_only_on_request)
{
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &spm, &t), NCE_OK);
    cr_expect_str_eq(ids_of(t, "a</s>a", 6, NCE_ENCODE_SPECIAL), "7 2 7",
                     "a space goes in front after a special token");
    cr_expect_str_eq(ids(t, "b[X]"), "3 5 9", "user-defined tokens always");
    cr_expect_str_eq(ids_of(t, "a", 1, NCE_ENCODE_BOS), "1 7");
    cr_expect_str_eq(ids_of(t, "a", 1, NCE_ENCODE_CONTINUE), "4");
    nce_tokenizer_destroy(t);
    cr_assert_eq(vocab_load(ctx, &bpe, &t), NCE_OK);
    cr_expect_str_eq(ids_of(t, "a<|eot_id|>", 11, NCE_ENCODE_SPECIAL), "0 6");
    cr_expect_str_eq(ids(t, "<think>abc"), "7 5");
    nce_tokenizer_destroy(t);
}

Test(text, bpe_merges_by_rank)
{
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &bpe, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(ids(t, "abc"), "5", "bc before ab");
    cr_expect_str_eq(ids(t, "ab abc"), "3 41 5", "a bc has a lower rank than the space and a");
    cr_expect_str_eq(ids(t, "a a"), "0 8");
    cr_expect_str_eq(ids(t, "cab"), "2 3");
    nce_tokenizer_destroy(t);
}

Test(text, getters)
{
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &spm, &t), NCE_OK);
    cr_expect_eq(nce_tokenizer_n_tokens(t), 268);
    cr_expect_eq(nce_tokenizer_bos(t), 1);
    cr_expect_eq(nce_tokenizer_eos(t), 2);
    cr_expect_eq(nce_tokenizer_unk(t), 0);
    cr_expect_eq(nce_tokenizer_pad(t), -1);
    cr_expect_eq(nce_tokenizer_eot(t), 11, "by its well-known name");
    cr_expect(nce_tokenizer_adds_bos(t));
    cr_expect_not(nce_tokenizer_adds_eos(t));
    cr_expect(nce_tokenizer_is_eog(t, 2));
    cr_expect(nce_tokenizer_is_eog(t, 11));
    cr_expect_not(nce_tokenizer_is_eog(t, 4));
    cr_expect_not(nce_tokenizer_is_eog(t, 100000));
    cr_expect_eq(nce_tokenizer_attributes(t, 12), NCE_TOKEN_BYTE);
    cr_expect_eq(nce_tokenizer_attributes(t, 9), NCE_TOKEN_USER_DEFINED);
    cr_expect_eq(nce_tokenizer_attributes(t, -1), 0);
    cr_expect_float_eq(nce_tokenizer_score(t, 5), -7, 0);
    cr_expect_eq(nce_tokenizer_find(t, " ab", 3), 8);
    cr_expect_eq(nce_tokenizer_find(t, "</s>", 4), 2);
    cr_expect_eq(nce_tokenizer_find(t, "nothing", 7), -1);
    nce_tokenizer_destroy(t);
}

Test(text, encode_reports_what_it_needs)
{
    nce_tokenizer *t;
    int32_t out[4] = {-7, -7, -7, -7};
    size_t n = 99;
    cr_assert_eq(vocab_load(ctx, &bpe, &t), NCE_OK);
    cr_expect_eq(nce_tokenizer_encode(t, "abcab", 5, 0, out, 1, &n), NCE_ERR_LIMIT);
    cr_expect_eq(n, 2);
    cr_expect_eq(out[0], 5);
    cr_expect_eq(out[1], -7, "nothing is written beyond capacity");
    cr_expect_eq(nce_tokenizer_encode(t, "abcab", 5, 0, NULL, 0, &n), NCE_ERR_LIMIT);
    cr_expect_eq(n, 2);
    cr_expect_eq(nce_tokenizer_encode(t, NULL, 0, 0, NULL, 0, &n), NCE_OK);
    cr_expect_eq(n, 0);
    cr_expect_eq(nce_tokenizer_encode(t, "a", 1, 0x100, out, 4, &n), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_encode(t, NULL, 1, 0, out, 4, &n), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_encode(t, "a", 1, 0, NULL, 4, &n), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_encode(t, "a", 1, 0, out, 4, NULL), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_encode(NULL, "a", 1, 0, out, 4, &n), NCE_ERR_INVALID);
    nce_tokenizer_destroy(t);
}

Test(text, decode)
{
    nce_tokenizer *t;
    char text[64];
    size_t n;
    const int32_t tokens[] = {1, 8, 3, 5, 207, 181, 2}, unknown[] = {0, 8}, wrong[] = {4, 268};
    cr_assert_eq(vocab_load(ctx, &spm, &t), NCE_OK);
    cr_assert_eq(nce_tokenizer_decode(t, tokens, 7, 0, text, sizeof text, &n), NCE_OK);
    cr_expect(n == 6 && memcmp(text, "ab b\xC3\xA9", n) == 0);
    cr_assert_eq(nce_tokenizer_decode(t, tokens, 7, NCE_DECODE_SPECIAL, text, sizeof text, &n), NCE_OK);
    cr_expect(n == 13 && memcmp(text, "<s>ab b\xC3\xA9</s>", n) == 0);
    cr_assert_eq(nce_tokenizer_decode(t, tokens, 7, NCE_DECODE_CONTINUE, text, sizeof text, &n), NCE_OK);
    cr_expect(n == 7 && memcmp(text, " ab b\xC3\xA9", n) == 0);
    cr_assert_eq(nce_tokenizer_decode(t, unknown, 2, 0, text, sizeof text, &n), NCE_OK);
    cr_expect(n == 8 && memcmp(text, " \xE2\x81\x87  ab", n) == 0);
    memset(text, 'x', sizeof text);
    cr_assert_eq(nce_tokenizer_decode(t, tokens, 7, 0, text, 3, &n), NCE_ERR_LIMIT);
    cr_expect(n == 6 && memcmp(text, "ab x", 4) == 0, "the rest of the buffer is untouched");
    cr_expect_eq(nce_tokenizer_decode(t, wrong, 2, 0, text, sizeof text, &n), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_decode(t, tokens, 7, 0x40, text, sizeof text, &n), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_decode(t, NULL, 1, 0, text, sizeof text, &n), NCE_ERR_INVALID);
    const char *piece;
    cr_expect_eq(nce_tokenizer_piece(t, 268, 0, &piece, &n), NCE_ERR_INVALID);
    cr_expect_null(piece);
    cr_expect_eq(nce_tokenizer_piece(t, 8, 0, &piece, &n), NCE_OK);
    cr_expect(n == 3 && memcmp(piece, " ab", 3) == 0);
    nce_tokenizer_destroy(t);
}

/* Feed byte tokens of text (12 + byte) and join what comes out, with '|' between calls. */
static const char *stream_bytes(nce_text_stream *s, const char *bytes)
{
    static char out[256];
    const char *text;
    size_t n, k = 0;
    for (const char *p = bytes; *p != '\0'; p++) {
        cr_assert_eq(nce_text_stream_feed(s, 12 + (uint8_t)*p, &text, &n), NCE_OK);
        cr_assert_eq(strlen(text), n);
        k += (size_t)snprintf(out + k, sizeof out - k, "%s|", text);
    }
    cr_assert_eq(nce_text_stream_flush(s, &text, &n), NCE_OK);
    snprintf(out + k, sizeof out - k, "%s", text);
    return out;
}

Test(text, stream_gives_whole_characters_only)
{
    nce_tokenizer *t;
    nce_text_stream *s;
    const char *text;
    size_t n;
    cr_assert_eq(vocab_load(ctx, &spm, &t), NCE_OK);
    cr_assert_eq(nce_text_stream_create(t, 0, &s), NCE_OK);
    cr_expect_str_eq(stream_bytes(s, "x\xF0\x9F\x98\x80y"), "x||||\xF0\x9F\x98\x80|y|");
    cr_expect_str_eq(stream_bytes(s, "\xE2\x82"), "||\xEF\xBF\xBD", "held bytes come out as one mark");
    cr_expect_str_eq(stream_bytes(s, "\xC3"
                                     "a"),
                     "|\xEF\xBF\xBD"
                     "a|");
    cr_expect_str_eq(stream_bytes(s, "\xFF"), "\xEF\xBF\xBD|");
    cr_expect_str_eq(stream_bytes(s, "\xED\xA0\x80"), "|\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD|",
                     "a surrogate is ill-formed");
    cr_expect_eq(nce_text_stream_feed(s, 1, &text, &n), NCE_OK);
    cr_expect_eq(n, 0, "control tokens are silent");
    cr_expect_eq(nce_text_stream_feed(s, 8, &text, &n), NCE_OK);
    cr_expect_str_eq(text, "ab", "the space of the first word is dropped");
    cr_expect_eq(nce_text_stream_feed(s, 8, &text, &n), NCE_OK);
    cr_expect_str_eq(text, " ab");
    cr_expect_eq(nce_text_stream_feed(s, 999, &text, &n), NCE_ERR_INVALID);
    nce_text_stream_destroy(s);
    nce_text_stream_destroy(NULL);
    cr_expect_eq(nce_text_stream_create(t, 0x80, &s), NCE_ERR_INVALID);
    cr_expect_null(s);
    nce_tokenizer_destroy(t);
}

/* The plainest merge: rescan for the best pair after every step. */
static size_t merge_plainly(const nce_tokenizer *t, const char *word, size_t n, int32_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = t->byte_ids[(uint8_t)word[i]];
    for (;;) {
        const nce_pair_slot *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const nce_pair_slot *p = nce_vocab_find_pair(t, (uint32_t)out[i], (uint32_t)out[i + 1]);
            if (p != NULL && (best == NULL || p->rank < best->rank)) {
                best = p;
                at = i;
            }
        }
        if (best == NULL) return n;
        out[at] = (int32_t)best->merged;
        memmove(out + at + 1, out + at + 2, (n - at - 2) * sizeof *out);
        n--;
    }
}

Test(text, short_and_long_words_merge_alike)
{
    nce_tokenizer *t;
    char word[300];
    int32_t plain[300], tokens[300];
    uint32_t random = 1;
    cr_assert_eq(vocab_load(ctx, &bpe, &t), NCE_OK);
    for (size_t n = 1; n <= sizeof word; n += n < 70 ? 1 : 37) {
        for (size_t i = 0; i < n; i++)
            word[i] = (char)('a' + ((random = random * 1664525u + 1013904223u) >> 24) % 3);
        size_t count;
        cr_assert_eq(nce_tokenizer_encode(t, word, n, 0, tokens, 300, &count), NCE_OK);
        const size_t expected = merge_plainly(t, word, n, plain);
        cr_assert(count == expected && memcmp(tokens, plain, count * sizeof *plain) == 0, "n = %zu", n);
    }
    nce_tokenizer_destroy(t);
}

/* Quadratic work on any of these would take hours. */
Test(text, a_run_of_one_character)
{
    enum { N = 4 << 20 };
    const vocab_spec *specs[] = {&bpe, &spm};
    char *text = malloc(N);
    int32_t *tokens = malloc((N + 2) * sizeof *tokens);
    for (size_t k = 0; k < 2; k++) {
        nce_tokenizer *t;
        cr_assert_eq(vocab_load(ctx, specs[k], &t), NCE_OK);
        for (const char *c = "a \n<b"; *c != '\0'; c++) {
            size_t n;
            memset(text, *c, N);
            cr_assert_eq(nce_tokenizer_encode(t, text, N, NCE_ENCODE_SPECIAL, tokens, N + 2, &n), NCE_OK);
            cr_expect_geq(n, N / 2, "'%c': no token here is longer than two of them", *c);
        }
        nce_tokenizer_destroy(t);
    }
    free(text);
    free(tokens);
}

/* Words of all lengths that are remembered and of some that are not, often enough to come back after having been
 * forgotten, in an order that fills lines with both kinds: each as it merges on its own.  The same with no room for the
 * tokens, and by a tokenizer that remembers nothing yet. */
Test(text, remembered_words_merge_as_the_first_time)
{
    enum { N = 60000 };
    nce_tokenizer *t;
    char *text = malloc(N);
    int32_t *plain = malloc(N * sizeof *plain), *tokens = malloc(N * sizeof *tokens);
    uint32_t random = 7;
    size_t n = 0, n_plain = 0, count;
    cr_assert_eq(vocab_load(ctx, &bpe, &t), NCE_OK);
    while (n < N - 64) {
        const uint32_t kind = (random = random * 1664525u + 1013904223u) >> 16;
        const size_t length = 1 + kind % (kind % 7 == 0 ? 40 : 6), from = n;
        if (n > 0) text[n++] = ' ';
        for (size_t i = 0; i < length; i++)
            text[n++] = (char)('a' + ((random = random * 1664525u + 1013904223u) >> 24) % 3);
        n_plain += merge_plainly(t, text + from, n - from, plain + n_plain);
    }
    for (int pass = 0; pass < 3; pass++) {
        cr_assert_eq(nce_tokenizer_encode(t, text, n, 0, NULL, 0, &count), NCE_ERR_LIMIT);
        cr_assert_eq(count, n_plain);
        cr_assert_eq(nce_tokenizer_encode(t, text, n, 0, tokens, count, &count), NCE_OK);
        cr_assert(count == n_plain && memcmp(tokens, plain, count * sizeof *plain) == 0, "pass %d", pass);
        cr_assert_eq(nce_tokenizer_encode(t, text, 600, 0, tokens, N, &count), NCE_OK, "a short text uses what is there");
        for (size_t i = 0; i + 3 < count; i++) /* the last word is cut */
            cr_assert_eq(tokens[i], plain[i]);
    }
    nce_tokenizer_destroy(t);
    free(text);
    free(plain);
    free(tokens);
}

/* Words that are whole tokens though no merges lead there, between many others that take their places in a small memory: each
 * must be found in the vocabulary however often it was forgotten. */
Test(text, whole_words_are_found_again)
{
    enum { N = 4000, MOST = 2 * N };
    vocab_spec whole = bpe;
    char text[N];
    int32_t first[MOST], other[MOST];
    uint32_t random = 11;
    whole.pre = "llama-bpe";
    whole.n_merges = 1;
    for (int round = 0; round < 50; round++) {
        nce_tokenizer *t;
        size_t n = 0, n_tokens = 0, count;
        cr_assert_eq(vocab_load(ctx, &whole, &t), NCE_OK);
        while (n < N - 16) {
            const size_t from = n, length = (random = random * 1664525u + 1013904223u) >> 30 == 0 ? 1 : 1 + (random >> 20) % 9;
            if (n > 0) text[n++] = ' ';
            for (size_t i = 0; i < length; i++)
                text[n++] = length == 1 ? 'a' : (char)('a' + ((random = random * 1664525u + 1013904223u) >> 24) % 26);
            cr_assert_eq(nce_tokenizer_encode(t, text + from, n - from, 0, first + n_tokens, MOST - n_tokens, &count), NCE_OK);
            n_tokens += count;
        }
        cr_assert_eq(nce_tokenizer_encode(t, text, n, 0, other, MOST, &count), NCE_OK);
        cr_assert(count == n_tokens && memcmp(first, other, count * sizeof *first) == 0, "round %d", round);
        nce_tokenizer_destroy(t);
    }
}

typedef struct encoding {
    const nce_tokenizer *t;
    int32_t tokens[4096];
    size_t n;
} encoding;

static void *encode_on_thread(void *user)
{
    encoding *e = user;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "abc "[i * 7919 / 13 % 4];
    cr_assert_eq(nce_tokenizer_encode(e->t, text, sizeof text, 0, e->tokens, 4096, &e->n), NCE_OK);
    return NULL;
}

Test(text, threads_share_a_tokenizer)
{
    static encoding e[4];
    pthread_t threads[4];
    nce_tokenizer *t;
    cr_assert_eq(vocab_load(ctx, &bpe, &t), NCE_OK);
    for (int i = 0; i < 4; i++) {
        e[i].t = t;
        pthread_create(&threads[i], NULL, encode_on_thread, &e[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < 4; i++)
        cr_expect(e[i].n == e[0].n && memcmp(e[i].tokens, e[0].tokens, e[0].n * sizeof *e[0].tokens) == 0);
    nce_tokenizer_destroy(t);
}

static void bad_scores(nce_gguf_writer *w)
{
    nce_gguf_put_text(w, "tokenizer.ggml.add_bos_token", "yes");
}

Test(text, refuses_what_it_cannot_read)
{
    nce_tokenizer *t;
    vocab_spec v = bpe;
    v.pre = "no-such-rule";
    cr_expect_eq(vocab_load(ctx, &v, &t), NCE_ERR_UNSUPPORTED);
    cr_expect(strstr(nce_context_error(ctx), "no-such-rule") != NULL);
    cr_expect_null(t);
    v = bpe;
    v.model = "plamo2";
    v.all_bytes = false;
    cr_expect_eq(vocab_load(ctx, &v, &t), NCE_ERR_UNSUPPORTED);
    v = bpe;
    v.n_tokens = 0;
    v.all_bytes = false;
    cr_expect_eq(vocab_load(ctx, &v, &t), NCE_ERR_FORMAT);
    v = bpe;
    v.extra = bad_scores;
    cr_expect_eq(vocab_load(ctx, &v, &t), NCE_ERR_FORMAT);
    cr_expect_eq(nce_tokenizer_open(ctx, "/no/such/file.gguf", &t), NCE_ERR_NOTFOUND);
    cr_expect_null(t);
    cr_expect_eq(nce_tokenizer_open(ctx, NULL, &t), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_open(NULL, "x", &t), NCE_ERR_INVALID);
    nce_tokenizer_destroy(NULL);
}

/* Load, encode a text long enough for every kind of scratch memory, decode, stream. */
static nce_status use_everything(nce_context *c, const void *data, size_t size)
{
    enum { N = 5000 };
    static char text[N];
    static int32_t tokens[2 * N + 4];
    nce_tokenizer *t = NULL;
    nce_text_stream *s = NULL;
    const char *piece;
    size_t n;
    nce_status status = vocab_load_bytes(c, data, size, &t);
    memset(text, 'a', N);
    if (status == NCE_OK) status = nce_tokenizer_encode(t, text, N, 0, tokens, 2 * N + 4, &n);
    if (status == NCE_OK) status = nce_text_stream_create(t, 0, &s);
    if (status == NCE_OK) status = nce_text_stream_feed(s, tokens[0], &piece, &n);
    nce_text_stream_destroy(s);
    nce_tokenizer_destroy(t);
    return status;
}

Test(text, failing_allocations)
{
    const vocab_spec *specs[] = {&spm, &bpe};
    for (size_t k = 0; k < 2; k++) {
        void *data;
        size_t size;
        cr_assert_eq(vocab_file(ctx, specs[k], &data, &size), NCE_OK);
        for (long n = 1;; n++) {
            faulty_alloc f = {0};
            nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
            nce_context *c;
            o.allocator = faulty_allocator(&f);
            cr_assert_eq(nce_context_create(&o, &c), NCE_OK);
            f.fail_at = f.requests + n;
            const nce_status status = use_everything(c, data, size);
            nce_context_destroy(c);
            cr_assert_eq(f.live, 0, "leak after failure %ld", n);
            cr_assert(status == NCE_OK || (f.failed && status == NCE_ERR_NOMEM), "failure %ld gave %d", n, status);
            if (!f.failed) break;
        }
        nce_free(ctx, data);
    }
}
