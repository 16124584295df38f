/* Normal form C: what stays, what changes, what tokenizers make of it.  check_nfc.py has Unicode's own cases. */
#include "src/core/text/nfc.h"
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/text_vocab.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static nce_context *ctx;

static void set_up(void) { cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK); }
static void tear_down(void) { nce_context_destroy(ctx); }
TestSuite(text_nfc, .init = set_up, .fini = tear_down);

static void same(const char *text, size_t n, const char *want, size_t n_want)
{
    const char *out;
    size_t n_out;
    char *owned;
    cr_assert_eq(nce_nfc(ctx, text, n, &out, &n_out, &owned), NCE_OK);
    cr_assert(n_out == n_want && memcmp(out, want, n_want) == 0, "'%s' became '%.*s'", text, (int)n_out, out);
    nce_free(ctx, owned);
}
#define SAME(text, want) same(text, sizeof text - 1, want, sizeof want - 1)

Test(text_nfc, text_in_normal_form_is_not_copied)
{
    static const char *const texts[] = {"", "plain", "é ß ł 中文 한국어 🙂 \xff\xc3 q"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *out;
        size_t n;
        char *owned;
        cr_assert_eq(nce_nfc(ctx, texts[i], strlen(texts[i]), &out, &n, &owned), NCE_OK);
        cr_assert(out == texts[i] && n == strlen(texts[i]) && owned == NULL);
    }
}

Test(text_nfc, composes_orders_and_leaves_ill_formed_bytes)
{
    SAME("ae\xCC\x81z", "a\xC3\xA9z");                                     /* e + acute */
    SAME("\xCC\x81" "e\xCC\x81", "\xCC\x81\xC3\xA9");                      /* a mark with nothing before it */
    SAME("q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87");                        /* dot above, dot below: ordered */
    SAME("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C");          /* three jamo, one syllable */
    SAME("\xE2\x84\xAB", "\xC3\x85");                                      /* the angstrom sign */
    SAME("e\xFF\xCC\x81", "e\xFF\xCC\x81");                                /* a broken byte composes with nothing */
    SAME("\xC3\xCC\x81x", "\xC3\xCC\x81x");
    SAME("e\xCC", "e\xCC");
}

Test(text_nfc, a_million_marks_take_linear_time)
{
    enum { N = 1000000 };
    char *text = malloc(1 + 2 * N), *want = malloc(1 + 2 * N);
    text[0] = want[0] = 'q';
    for (size_t i = 0; i < N; i++) { /* above and below in turn: all that is below comes first */
        memcpy(text + 1 + 2 * i, i % 2 == 0 ? "\xCC\x87" : "\xCC\xA3", 2);
        memcpy(want + 1 + 2 * i, i >= N / 2 ? "\xCC\x87" : "\xCC\xA3", 2);
    }
    const char *out;
    size_t n;
    char *owned;
    cr_assert_eq(nce_nfc(ctx, text, 1 + 2 * N, &out, &n, &owned), NCE_OK);
    cr_assert(n == 1 + 2 * N && memcmp(out, want, n) == 0);
    nce_free(ctx, owned);
    free(text);
    free(want);
}

static nce_status encode_both(nce_context *c, const char *pre, char first[128], char second[128])
{
    static const vocab_token tokens[] = {{"\xC3\x83\xC2\xA9", NORMAL, 0}}; /* the bytes of é as GPT-2 writes them */
    static const char *const merges[] = {"\xC3\x83 \xC2\xA9"};
    const vocab_spec v = {"gpt2", pre, tokens, 1, merges, 1, true, -1, -1, -1, NULL};
    nce_tokenizer *t = NULL;
    int32_t found[64];
    size_t n = 0;
    nce_status status = vocab_load(c, &v, &t);
    if (status == NCE_OK) status = nce_tokenizer_encode(t, "e\xCC\x81x", 4, 0, found, 64, &n);
    if (status == NCE_OK) {
        snprintf(first, 128, "%s", ids(t, "e\xCC\x81x"));
        snprintf(second, 128, "%s", ids(t, "\xC3\xA9x"));
    }
    nce_tokenizer_destroy(t);
    return status;
}

Test(text_nfc, families_that_name_it)
{
    char loose[128] = "", normal[128] = "";
    static const char *const with[] = {"qwen2", "qwen35", "command-r", "olmo", "mpt"}, *const without[] = {"gpt-2", "llama-bpe", "falcon"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        cr_assert_eq(encode_both(ctx, with[i], loose, normal), NCE_OK, "%s", nce_context_error(ctx));
        cr_assert_str_eq(loose, normal, "%s", with[i]);
        cr_assert_eq(strncmp(normal, "0 ", 2), 0, "one token for é");
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        cr_assert_eq(encode_both(ctx, without[i], loose, normal), NCE_OK, "%s", nce_context_error(ctx));
        cr_assert_str_neq(loose, normal, "%s", without[i]);
    }
}

Test(text_nfc, failing_allocations)
{
    char loose[128] = "", normal[128] = "";
    for (long at = 1;; at++) {
        faulty_alloc a = {.fail_at = at};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        o.allocator = faulty_allocator(&a);
        nce_status status = nce_context_create(&o, &c);
        if (status == NCE_OK) {
            status = encode_both(c, "qwen2", loose, normal);
            nce_context_destroy(c);
        }
        cr_assert_eq(atomic_load(&a.live), 0, "allocation %ld leaks", at);
        if (!atomic_load(&a.failed)) {
            cr_assert_eq(status, NCE_OK);
            break;
        }
        cr_assert(status == NCE_ERR_NOMEM || strcmp(loose, "error") == 0 || strcmp(normal, "error") == 0 || strcmp(loose, normal) == 0);
    }
}
