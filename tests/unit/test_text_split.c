/* Pre-tokenizer rows on texts that tell them apart.  tests/text/compare_splits.py compares them with the regular
 * expressions on any number of random texts. */
#include "src/core/text/splitter.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of text, joined by '|'. */
static const char *cut_n(const char *name, const char *text, size_t n)
{
    static char out[1024];
    const nce_split_name *row = nce_split_find(name, strlen(name));
    nce_splitter s;
    size_t begin, end, k = 0, covered = 0;
    cr_assert_not_null(row, "no row %s", name);
    nce_splitter_init(&s, row->rule, text, n);
    nce_splitter batched = s;
    while (nce_splitter_next(&s, &begin, &end)) {
        size_t filled;
        cr_assert(begin == covered && end > begin, "words are adjacent and not empty");
        cr_assert(nce_splitter_fill(&batched, &filled, 1) == 1 && filled == end, "one call a batch cuts alike");
        covered = end;
        k += (size_t)snprintf(out + k, sizeof out - k, k > 0 ? "|%.*s" : "%.*s", (int)(end - begin), text + begin);
    }
    cr_assert_eq(covered, n, "%s covers %zu of %zu bytes", name, covered, n);
    out[k] = '\0';
    return out;
}

static const char *cut(const char *name, const char *text)
{
    return cut_n(name, text, strlen(text));
}

Test(text_split, gpt2)
{
    cr_expect_str_eq(cut("gpt-2", ""), "");
    cr_expect_str_eq(cut("gpt-2", "I'll go,  now 123!?"), "I|'ll| go|,| | now| 123|!?");
    cr_expect_str_eq(cut("gpt-2", "x\n\n  y  "), "x|\n\n | y|  ");
    cr_expect_str_eq(cut("gpt-2", "I'LL"), "I|'|LL", "contractions are lower case only");
}

Test(text_split, llama3_and_its_relatives)
{
    cr_expect_str_eq(cut("llama-bpe", "I'LL 12345"), "I|'LL| |123|45");
    cr_expect_str_eq(cut("llama-bpe", "a,b (c) \n\n d"), "a|,b| (|c|)| \n\n| d");
    cr_expect_str_eq(cut("llama-bpe", "x!!\n\ny"), "x|!!\n\n|y");
    cr_expect_str_eq(cut("llama-bpe", "'\xC5\xBF"), "'\xC5\xBF", "long s folds to s");
    cr_expect_str_eq(cut("qwen2", "12 ab"), "1|2| ab");
    cr_expect_str_eq(cut("qwen35", "a\xCC\x81"
                                   "b"),
                     "a\xCC\x81"
                     "b",
                     "marks belong to words");
    cr_expect_str_eq(cut("qwen2", "a\xCC\x81"
                                  "b"),
                     "a|\xCC\x81"
                     "b");
    cr_expect_str_eq(cut("seed-coder", "x!!\ny"), "x|!!|\n|y");
}

Test(text_split, cased_words)
{
    cr_expect_str_eq(cut("gpt-4o", "HelloWorld's THEId"), "Hello|World's| THEId");
    cr_expect_str_eq(cut("tekken", "HelloWorld's 12"), "Hello|World|'s| |1|2");
    cr_expect_str_eq(cut("gpt-4o", "AB\xC2\xAA"
                                   "CD"),
                     "AB\xC2\xAA|CD", "gives back up to the last letter of both kinds");
    cr_expect_str_eq(cut("kimi-k2", "ab\xE4\xB8\xAD\xE6\x96\x87"
                                    "cd"),
                     "ab|\xE4\xB8\xAD\xE6\x96\x87|cd");
}

Test(text_split, chains_of_splits)
{
    cr_expect_str_eq(cut("falcon", "a<=b 12345"), "a|<=|b| |123|45");
    cr_expect_str_eq(cut("starcoder", "ab 12"), "ab| |1|2");
    cr_expect_str_eq(cut("deepseek-coder", "a  b\n\n12"), "a| | b|\n|\n|1|2");
    cr_expect_str_eq(cut("deepseek-v3", "1234 ab,cd\n"), "123|4| ab|,cd|\n");
    cr_expect_str_eq(cut("deepseek-llm", "12345 ab  "), "12345| ab|  ");
    cr_expect_str_eq(cut("gemma4", "a b\n\nc"), "a b|\n\n|c");
    cr_expect_str_eq(cut("bloom", "a b, c"), "a| b|,| c");
}

Test(text_split, digits_from_the_right)
{
    cr_expect_str_eq(cut("superbpe", "a 1234567 b"), "a |1|234|567| b");
    cr_expect_str_eq(cut("tiny_aya", "12345 12345x"), "12|345| |123|45|x", "only before the end of a word");
    cr_expect_str_eq(cut("afmoe", "12345"), "12|345");
}

Test(text_split, spaces)
{
    char text[600];
    cr_expect_str_eq(cut("exaone-moe", "ab cd  ef"), "ab cd| | ef");
    cr_expect_str_eq(cut("chameleon", "       a"), "    |  | a");
    memset(text, ' ', sizeof text);
    text[521] = 'x';
    const char *words = cut_n("jais-2", text, 522);
    cr_expect(words[512] == '|' && words[521] == '|' && strcmp(words + 522, " x") == 0,
              "512, then 8, then one with the x");
}

/* Every row on every byte string of a small alphabet: covered, adjacent, and the same in linear time on a long run. */
Test(text_split, long_runs_are_linear)
{
    static const char *const names[] = {"gpt-2",       "llama-bpe", "gpt-4o",   "deepseek-llm", "deepseek-coder",
                                        "deepseek-v3", "falcon",    "superbpe", "tiny_aya",     "afmoe",
                                        "exaone-moe",  "jais-2",    "kimi-k2",  "chameleon",    "youtu",
                                        "bloom",       "default",   "spark2_5"};
    static const char *const runs[] = {
        "a", "A", "1", " ", "\n", "!", " \n", "a1", "A\xC2\xAA", "\xCC\x81", "\xE4\xB8\xAD", "'", "\xFF"};
    enum { N = 1 << 18 };
    char *text = malloc(N + 8);
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        const size_t length = strlen(runs[r]), n = N / length * length;
        for (size_t i = 0; i < n; i += length)
            memcpy(text + i, runs[r], length);
        text[n] = 'x';
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            nce_splitter s;
            size_t begin, end, covered = 0;
            nce_splitter_init(&s, nce_split_find(names[k], strlen(names[k]))->rule, text, n + 1);
            while (nce_splitter_next(&s, &begin, &end)) {
                cr_assert(begin == covered && end > begin);
                covered = end;
            }
            cr_assert_eq(covered, n + 1, "%s on %s", names[k], runs[r]);
        }
    }
    free(text);
}
