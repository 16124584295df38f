/* Training: by hand, against itself on other numbers of threads, through the files, and with failures. */
#include "tests/unit/faulty_alloc.h"
#include "src/core/text/tokenizer.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static nce_context *ctx;

static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

static void teardown(void)
{
    nce_context_destroy(ctx);
}

TestSuite(text_train, .init = setup, .fini = teardown);

static nce_text text_of(const char *s)
{
    return (nce_text){s, strlen(s)};
}

static const char *piece(const nce_tokenizer *t, int32_t id)
{
    static char out[64];
    const char *text;
    size_t n;
    cr_assert_eq(nce_tokenizer_piece(t, id, NCE_DECODE_SPECIAL, &text, &n), NCE_OK);
    snprintf(out, sizeof out, "%.*s", (int)n, text);
    return out;
}

Test(text_train, by_hand)
{
    /* low 2, " low" 3, " lower" 2, " newest" 6, " widest" 3: e+s occurs 9 times, then es+t 9, l+o 7, ... */
    const nce_text texts[] = {text_of("low"), text_of("low low low low lower lower newest newest newest newest"),
                              text_of(" newest newest widest widest widest")};
    const char *const special[] = {"<|end|>"};
    nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
    nce_tokenizer *t;
    o.split = "gpt-2";
    o.n_tokens = 256 + 6 + 1;
    o.special = special;
    o.n_special = 1;
    cr_assert_eq(nce_tokenizer_train(ctx, texts, 3, &o, &t), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_eq(nce_tokenizer_n_tokens(t), 263);
    cr_expect_str_eq(piece(t, 256), "es");
    cr_expect_str_eq(piece(t, 257), "est", "9 each: e+s has the lower ids of the three");
    cr_expect_str_eq(piece(t, 258), "lo");
    cr_expect_str_eq(piece(t, 259), "low");
    cr_expect_str_eq(piece(t, 260), "ew");
    cr_expect_str_eq(piece(t, 261), "new");
    cr_expect_str_eq(piece(t, 262), "<|end|>");
    cr_expect_eq(nce_tokenizer_eos(t), 262);
    cr_expect(nce_tokenizer_is_eog(t, 262));
    nce_tokenizer_destroy(t);
}

/* A text of a few hundred kilobytes with several chunks, words of several scripts and special tokens. */
static char *make_text(size_t *n)
{
    static const char *const words[] = {
        "the", " quick", " brown", "\n", " f\xC3\xB6x", " 1234", ".", " <|x|>", " \xE4\xB8\xAD\xE6\x96\x87",
        "ing", " b"};
    const size_t size = 3 << 20;
    char *text = malloc(size + 16);
    uint32_t random = 7;
    for (*n = 0; *n < size;) {
        random = random * 1664525u + 1013904223u;
        const char *w = words[(random >> 16) * 11 >> 16];
        memcpy(text + *n, w, strlen(w));
        *n += strlen(w);
    }
    return text;
}

Test(text_train, threads_do_not_matter)
{
    size_t n;
    char *data = make_text(&n);
    const nce_text text = {data, n};
    const char *const special[] = {"<|x|>"};
    nce_tokenizer *first = NULL;
    for (uint32_t threads = 1; threads <= 7; threads += 3) {
        nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
        nce_tokenizer *t;
        o.n_tokens = 400;
        o.special = special;
        o.n_special = 1;
        o.n_threads = threads;
        cr_assert_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_OK);
        cr_expect_eq(nce_tokenizer_find(t, "<|x", 3), -1, "special tokens are cut out");
        if (first != NULL) {
            cr_assert_eq(t->arena_bytes, first->arena_bytes);
            cr_expect_arr_eq(t->arena, first->arena, t->arena_bytes);
            cr_expect_arr_eq(t->merges, first->merges, t->n_trained_merges * 2 * sizeof *t->merges);
            nce_tokenizer_destroy(t);
        } else {
            first = t;
        }
    }
    nce_tokenizer_destroy(first);
    free(data);
}

Test(text_train, saves_what_it_learned)
{
    size_t n, n_a, n_b;
    char *data = make_text(&n), path[] = "/tmp/nce-test-vocabulary-XXXXXX";
    const nce_text text = {data, 100000};
    nce_tokenizer *t, *again;
    nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
    int32_t a[4096], b[4096];
    o.n_tokens = 320;
    cr_assert_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_OK);
    close(mkstemp(path));
    cr_assert_eq(nce_tokenizer_save_gguf(t, path), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_tokenizer_open(ctx, path, &again), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_tokenizer_encode(t, data, 4000, 0, a, 4096, &n_a), NCE_OK);
    cr_assert_eq(nce_tokenizer_encode(again, data, 4000, 0, b, 4096, &n_b), NCE_OK);
    cr_assert_eq(n_a, n_b);
    cr_expect_arr_eq(a, b, n_a * sizeof *a);
    cr_expect_eq(nce_tokenizer_save_gguf(again, path), NCE_ERR_STATE);
    cr_expect_eq(nce_tokenizer_save_gguf(t, "/no/such/folder/x"), NCE_ERR_IO);
    cr_expect_eq(nce_tokenizer_save_json(t, "/no/such/folder/x"), NCE_ERR_IO);
    cr_expect_eq(nce_tokenizer_save_json(t, path), NCE_OK);
    cr_expect_eq(nce_tokenizer_save_json(t, NULL), NCE_ERR_INVALID);
    nce_tokenizer_destroy(again);
    nce_tokenizer_destroy(t);
    remove(path);
    free(data);
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done > total;
}

Test(text_train, refuses)
{
    const nce_text text = text_of("abcabcabcabc");
    nce_tokenizer *t;
    nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
    const char *const empty[] = {""};
    o.n_tokens = 255;
    cr_expect_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_ERR_INVALID);
    cr_expect_null(t);
    o.n_tokens = 300;
    o.split = "nothing";
    cr_expect_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_ERR_NOTFOUND);
    o.split = "gemma4";
    cr_expect_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_ERR_INVALID);
    o.split = NULL;
    o.special = empty;
    o.n_special = 1;
    cr_expect_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_ERR_INVALID);
    o.n_special = 0;
    cr_expect_eq(nce_tokenizer_train(ctx, NULL, 1, &o, &t), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_train(NULL, &text, 1, &o, &t), NCE_ERR_INVALID);
    cr_expect_eq(nce_tokenizer_train(ctx, &text, 1, &o, &t), NCE_OK, "fewer tokens than wanted");
    cr_expect_lt(nce_tokenizer_n_tokens(t), 270);
    nce_tokenizer_destroy(t);
    cr_expect_eq(nce_tokenizer_train(ctx, NULL, 0, &o, &t), NCE_OK, "no text: the bytes");
    cr_expect_eq(nce_tokenizer_n_tokens(t), 256);
    nce_tokenizer_destroy(t);
    size_t n;
    char *data = make_text(&n);
    const nce_text long_text = {data, 50000};
    o.n_tokens = 500;
    o.progress = stop;
    cr_expect_eq(nce_tokenizer_train(ctx, &long_text, 1, &o, &t), NCE_ERR_CANCELLED);
    cr_expect_null(t);
    free(data);
}

Test(text_train, failing_allocations)
{
    size_t n_text;
    char *data = make_text(&n_text);
    const nce_text text = {data, 3000};
    for (long n = 1;; n++) {
        faulty_alloc f = {0};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_train_options train = NCE_TRAIN_OPTIONS_INIT;
        nce_context *c;
        nce_tokenizer *t;
        o.allocator = faulty_allocator(&f);
        o.n_threads = 2;
        cr_assert_eq(nce_context_create(&o, &c), NCE_OK);
        f.fail_at = f.requests + n;
        train.n_tokens = 280;
        const nce_status status = nce_tokenizer_train(c, &text, 1, &train, &t);
        nce_tokenizer_destroy(t);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0, "leak after failure %ld", n);
        cr_assert_eq(status, f.failed ? NCE_ERR_NOMEM : NCE_OK, "failure %ld", n);
        if (!f.failed) break;
    }
    free(data);
}
