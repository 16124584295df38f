/* Token ids of real vocabularies, as Hugging Face's tokenizers gives them, and round trips of every code point.  The
 * files are other people's and not part of the project: without them (NCE_TEST_DATA) these tests are skipped. */
#include "tests/unit/text_tiktoken.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static nce_context *ctx;

static void setup(void)
{
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
}

static void teardown(void)
{
    nce_context_destroy(ctx);
}

TestSuite(text_vectors, .init = setup, .fini = teardown);

/* Path of a file of the data, or a visible skip. */
static const char *data_file(const char *name)
{
    static char path[2][1024];
    static int turn;
    const char *folder = getenv("NCE_TEST_DATA");
    char *p = path[turn ^= 1];
    snprintf(p, sizeof path[0], "%s/tokenizers/%s", folder != NULL ? folder : "", name);
    FILE *f = folder != NULL ? fopen(p, "rb") : NULL;
    if (f == NULL) cr_skip_test("no %s (NCE_TEST_DATA)", name);
    fclose(f);
    return p;
}

static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f);
    char *text = calloc(1, 1 << 20);
    cr_assert_lt(fread(text, 1, (1 << 20) - 1, f), (1u << 20) - 1);
    fclose(f);
    return text;
}

/* Cases are separated by a line; the answers are a line each. */
static void check_vectors(const nce_tokenizer *t, const char *name)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char file[128];
    int32_t ids[4096];
    size_t n_cases = 0;
    snprintf(file, sizeof file, "%s.inp", name);
    char *in = read_text(data_file(file));
    snprintf(file, sizeof file, "%s.out", name);
    char *out = read_text(data_file(file));
    const char *answer = out;
    for (char *text = in, *next; text != NULL; text = next, n_cases++) {
        next = strstr(text, separator);
        const size_t n = next != NULL ? (size_t)(next - text) : strlen(text);
        if (next != NULL) next += sizeof separator - 1;
        if (next == NULL && *answer == '\0') break;
        size_t count;
        cr_assert_eq(nce_tokenizer_encode(t, text, n, 0, ids, 4096, &count), NCE_OK);
        for (size_t i = 0; i < count; i++) {
            char *end;
            cr_assert_eq(ids[i], strtol(answer, &end, 10), "%s, case %zu, token %zu", name, n_cases, i);
            answer = end;
        }
        answer += strspn(answer, " ");
        cr_assert_eq(*answer, '\n', "%s, case %zu: more tokens are expected", name, n_cases);
        answer++;
    }
    cr_expect_gt(n_cases, 40);
    free(in);
    free(out);
}

/* Every code point alone, but those with a byte that the vocabulary lacks. */
static void check_round_trips(const nce_tokenizer *t)
{
    int32_t ids[64];
    char text[8], back[64];
    size_t n_ids, n_back;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        if (cp >= 0xD800 && cp < 0xE000) continue;
        const size_t n = nce_utf8_encode(cp, text);
        bool covered = cp != 0x2581; /* SentencePiece writes a space so */
        for (size_t i = 0; i < n; i++)
            covered &= t->byte_ids[(uint8_t)text[i]] >= 0;
        if (!covered) continue;
        cr_assert_eq(nce_tokenizer_encode(t, text, n, 0, ids, 64, &n_ids), NCE_OK);
        cr_assert_eq(nce_tokenizer_decode(t, ids, n_ids, 0, back, sizeof back, &n_back), NCE_OK);
        cr_assert(n_back == n && memcmp(text, back, n) == 0, "U+%04X", cp);
    }
}

static void check_gguf(const char *name)
{
    nce_tokenizer *t;
    char file[128];
    snprintf(file, sizeof file, "ggml-vocab-%s.gguf", name);
    cr_assert_eq(nce_tokenizer_open(ctx, data_file(file), &t), NCE_OK, "%s", nce_context_error(ctx));
    check_vectors(t, file);
    check_round_trips(t);
    nce_tokenizer_destroy(t);
}

Test(text_vectors, gpt2)
{
    check_gguf("gpt-2");
}

Test(text_vectors, falcon)
{
    check_gguf("falcon");
}

Test(text_vectors, deepseek_coder)
{
    check_gguf("deepseek-coder");
}

Test(text_vectors, llama_spm)
{
    check_gguf("llama-spm");
}

Test(text_vectors, phi3)
{
    check_gguf("phi-3");
}

Test(text_vectors, llama3_from_ranks)
{
    nce_tokenizer *t = tiktoken_load(ctx, data_file("llama3.tiktoken"), "llama-bpe");
    cr_assert_not_null(t, "%s", nce_context_error(ctx));
    cr_expect_eq(t->n_tokens, 128000);
    check_vectors(t, "ggml-vocab-llama-bpe.gguf");
    check_round_trips(t);
    nce_tokenizer_destroy(t);
}
