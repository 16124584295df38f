/* The pre-tokenizers of the GGUF files in use, as rows: the name in tokenizer.ggml.pre, its passes, what it implies.
 *
 * The regular expression of a row stands above it, as the tokenizer.json of the first model of its family has it.  A
 * new family is a new row here, and nothing else. */
#include "src/core/text/splitter.h"
#include <string.h>

#define SET(w)                                                                                                         \
    {                                                                                                                  \
        (w), 0                                                                                                         \
    }
#define NOT(d)                                                                                                         \
    {                                                                                                                  \
        NCE_CLASS_ANY, (d)                                                                                             \
    }
#define SET_NOT(w, d)                                                                                                  \
    {                                                                                                                  \
        (w), (d)                                                                                                       \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        0, 0                                                                                                           \
    }

#define L NCE_CLASS_L
#define M NCE_CLASS_M
#define N NCE_CLASS_N
#define P NCE_CLASS_P
#define S NCE_CLASS_S
#define WS NCE_CLASS_WS
#define NL NCE_CLASS_NL
#define HAN NCE_CLASS_HAN

/* body+, body{min,max} */
#define RUN(body)                                                                                                      \
    {                                                                                                                  \
        NCE_SPLIT_RUN, NCE_PREFIX_NONE, NCE_SUFFIX_NONE, 0, 1, 0, NONE, body, NONE                                     \
    }
#define COUNT(min, max, body)                                                                                          \
    {                                                                                                                  \
        NCE_SPLIT_RUN, NCE_PREFIX_NONE, NCE_SUFFIX_NONE, 0, min, max, NONE, body, NONE                                 \
    }
/* prefix?body+ and prefix?body+suffix* */
#define PREFIXED(prefix, body)                                                                                         \
    {                                                                                                                  \
        NCE_SPLIT_RUN, NCE_PREFIX_OPTIONAL, NCE_SUFFIX_NONE, 0, 1, 0, prefix, body, NONE                               \
    }
#define TAILED(prefix, body, suffix)                                                                                   \
    {                                                                                                                  \
        NCE_SPLIT_RUN, NCE_PREFIX_OPTIONAL, NCE_SUFFIX_ANY, 0, 1, 0, prefix, body, suffix                              \
    }
#define REQUIRED(prefix, body)                                                                                         \
    {                                                                                                                  \
        NCE_SPLIT_RUN, NCE_PREFIX_REQUIRED, NCE_SUFFIX_NONE, 0, 1, 0, prefix, body, NONE                               \
    }
#define SHAPE(op)                                                                                                      \
    {                                                                                                                  \
        op, 0, 0, 0, 0, 0, NONE, NONE, NONE                                                                            \
    }
#define SPACE SET(NCE_CLASS_SPACE)
#define WORD_START NOT(NL | L | N) /* [^\r\n\p{L}\p{N}] */

#define CONTRACTION SHAPE(NCE_SPLIT_CONTRACTION)
#define CONTRACTION_I SHAPE(NCE_SPLIT_CONTRACTION_NOCASE)
#define NEWLINES SHAPE(NCE_SPLIT_NEWLINES)
#define SPACES SHAPE(NCE_SPLIT_SPACES_KEEP_ONE), SHAPE(NCE_SPLIT_SPACES)

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static const nce_alternative gpt2[] = {CONTRACTION, PREFIXED(SPACE, SET(L)), PREFIXED(SPACE, SET(N)),
                                       PREFIXED(SPACE, NOT(WS | L | N)), SPACES};

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 */
#define LLAMA3_TAIL TAILED(SPACE, NOT(WS | L | N), SET(NL)), NEWLINES, SPACES
static const nce_alternative llama3[] = {CONTRACTION_I, PREFIXED(WORD_START, SET(L)), COUNT(1, 3, SET(N)), LLAMA3_TAIL};
/* The same with \p{N}, with \p{N}+, without contractions. */
static const nce_alternative qwen2[] = {CONTRACTION_I, PREFIXED(WORD_START, SET(L)), COUNT(1, 1, SET(N)), LLAMA3_TAIL};
static const nce_alternative minicpm5[] = {CONTRACTION_I, PREFIXED(WORD_START, SET(L)), RUN(SET(N)), LLAMA3_TAIL};
static const nce_alternative ufakzeka[] = {PREFIXED(WORD_START, SET(L)), COUNT(1, 1, SET(N)), LLAMA3_TAIL};
/* [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+ for words, ` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*` for the rest */
static const nce_alternative qwen35[] = {CONTRACTION_I,
                                         PREFIXED(WORD_START, SET(L | M)),
                                         COUNT(1, 1, SET(N)),
                                         TAILED(SPACE, NOT(WS | L | M | N), SET(NL)),
                                         NEWLINES,
                                         SPACES};
/* ` ?[^\s\p{L}\p{N}\r\n]+` without a tail of newlines */
static const nce_alternative seed_coder[] = {
    CONTRACTION_I, PREFIXED(WORD_START, SET(L)), COUNT(1, 1, SET(N)), PREFIXED(SPACE, NOT(WS | L | N)), NEWLINES,
    SPACES};
/* llama3 with \s{512}(?!\S)|\s{256}(?!\S)|...|\s{1} for white space */
static const nce_alternative jais2[] = {
    CONTRACTION_I, PREFIXED(WORD_START, SET(L)),   COUNT(1, 3, SET(N)), TAILED(SPACE, NOT(WS | L | N), SET(NL)),
    NEWLINES,      SHAPE(NCE_SPLIT_SPACES_CASCADE)};
/* (?i:...)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|... */
static const nce_alternative exaone_moe[] = {
    CONTRACTION_I,
    {NCE_SPLIT_SPACED_LETTERS, NCE_PREFIX_OPTIONAL, 0, 0, 0, 0, WORD_START, NONE, NONE},
    COUNT(1, 1, SET(N)),
    {NCE_SPLIT_RUN, NCE_PREFIX_OPTIONAL, NCE_SUFFIX_ONE, 0, 1, 0, SPACE, NOT(WS | L | N), SET(NL | NCE_CLASS_SLASH)},
    NEWLINES,
    SPACES};

/* [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|...)?|
 * [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|...)?|
 * \p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
#define UPPER (NCE_CLASS_LU | NCE_CLASS_LT | NCE_CLASS_LM | NCE_CLASS_LO | M)
#define LOWER (NCE_CLASS_LL | NCE_CLASS_LM | NCE_CLASS_LO | M)
#define CASED(contraction, deny)                                                                                       \
    {                                                                                                                  \
        NCE_SPLIT_CASED, NCE_PREFIX_OPTIONAL, 0, contraction, 0, 0, WORD_START, SET_NOT(UPPER, deny),                  \
            SET_NOT(LOWER, deny)                                                                                       \
    }
#define GPT4O_TAIL TAILED(SPACE, NOT(WS | L | N), SET(NL | NCE_CLASS_SLASH)), NEWLINES, SPACES
static const nce_alternative gpt4o[] = {CASED(1, 0), COUNT(1, 3, SET(N)), GPT4O_TAIL};
static const nce_alternative youtu_words[] = {CASED(1, 0), COUNT(1, 1, SET(N)), GPT4O_TAIL};
static const nce_alternative tekken[] = {CASED(0, 0), COUNT(1, 1, SET(N)), GPT4O_TAIL};
/* [\p{Han}]+ first, and && [^\p{Han}] in the words */
static const nce_alternative kimi[] = {RUN(SET(HAN)), CASED(1, HAN), COUNT(1, 3, SET(N)), LLAMA3_TAIL};

/* Passes of the older chains of splits. */
static const nce_alternative digits_1[] = {COUNT(1, 1, SET(N))};
static const nce_alternative digits_3[] = {COUNT(1, 3, SET(N))};
static const nce_alternative digits_run[] = {RUN(SET(N))};
static const nce_alternative ascii_digits_3[] = {COUNT(3, 3, SET(NCE_CLASS_DIGIT))};
static const nce_alternative newline_1[] = {COUNT(1, 1, SET(NL))};
static const nce_alternative newline_border[] = {RUN(NOT(NCE_CLASS_LF)), RUN(SET(NCE_CLASS_LF))};
/* The Punctuation step of HF: \p{P} and the ASCII symbols. */
static const nce_alternative punctuation[] = {RUN(SET(P | NCE_CLASS_APUNCT))};
static const nce_alternative punctuation_1[] = {COUNT(1, 1, SET(P | NCE_CLASS_APUNCT))};

/* \s?\p{L}+ then \s?\p{P}+ then [一-龥ࠀ-一가-퟿]+ */
static const nce_alternative coder_letters[] = {PREFIXED(SET(WS), SET(L))};
static const nce_alternative coder_punct[] = {PREFIXED(SET(WS), SET(P))};
static const nce_alternative coder_cjk[] = {RUN(SET(NCE_CLASS_CJK_CODER))};
/* The same with written-out lists, and \s+$ */
static const nce_alternative llm_letters[] = {PREFIXED(SET(WS), SET(NCE_CLASS_CASED_LLM))};
static const nce_alternative llm_punct[] = {PREFIXED(SET(WS), SET(NCE_CLASS_PUNCT_LLM))};
static const nce_alternative spaces_at_end[] = {SHAPE(NCE_SPLIT_SPACES_AT_END)};

/* [!"#$...~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
#define V3_WORDS REQUIRED(SET(NCE_CLASS_APUNCT), SET(NCE_CLASS_ALPHA)), PREFIXED(NOT(NL | L | P | S), SET(L | M))
static const nce_alternative v3_cjk[] = {RUN(SET(NCE_CLASS_CJK_V3))};
static const nce_alternative v3_words[] = {V3_WORDS, TAILED(SPACE, SET(P | S), SET(NL)), NEWLINES, SPACES};
static const nce_alternative spark_words[] = {V3_WORDS, PREFIXED(SPACE, SET(P | S)), COUNT(1, 1, SET(NL)), SPACES};

static const nce_alternative youtu_scripts[] = {RUN(SET(NCE_CLASS_HANGUL_YOUTU)), RUN(SET(NCE_CLASS_PUNCT_YOUTU)),
                                                RUN(SET(NCE_CLASS_BOPOMOFO)), RUN(SET(NCE_CLASS_CJK_V3))};
/* ` ?[^(\s|.,!?…。，、।۔،)]+` */
static const nce_alternative bloom[] = {PREFIXED(SPACE, NOT(NCE_CLASS_BLOOM_STOP))};
static const nce_alternative not_white[] = {RUN(NOT(WS))};
static const nce_alternative indent[] = {SHAPE(NCE_SPLIT_INDENT)};
/* (?=(\d{3})+(?!\d)), \p{N} in threes from the right, \d{1,3}(?=(?:\d{3})*\b) */
static const nce_alternative digit_cuts[] = {{NCE_SPLIT_DIGIT_CUTS, 0, 0, 0, 0, 0, NONE, SET(NCE_CLASS_ND), NONE}};
static const nce_alternative groups[] = {{NCE_SPLIT_DIGIT_GROUPS, 0, 0, 0, 0, 0, NONE, SET(N), NONE}};
static const nce_alternative groups_at_border[] = {
    {NCE_SPLIT_DIGIT_GROUPS, 0, 0, 1, 0, 0, NONE, SET(NCE_CLASS_ND), NONE}};
static const nce_alternative asian[] = {RUN(SET(NCE_CLASS_ASIAN))};

#define PASS(a)                                                                                                        \
    {                                                                                                                  \
        a, sizeof(a) / sizeof(*(a))                                                                                    \
    }
#define RULE_1(name, a) static const nce_split_rule name = {{PASS(a)}, 1}
#define RULE_2(name, a, b) static const nce_split_rule name = {{PASS(a), PASS(b)}, 2}
#define RULE_3(name, a, b, c) static const nce_split_rule name = {{PASS(a), PASS(b), PASS(c)}, 3}
#define RULE_4(name, a, b, c, d) static const nce_split_rule name = {{PASS(a), PASS(b), PASS(c), PASS(d)}, 4}
RULE_1(rule_gpt2, gpt2);
RULE_1(rule_llama3, llama3);
RULE_1(rule_qwen2, qwen2);
RULE_1(rule_qwen35, qwen35);
RULE_1(rule_seed_coder, seed_coder);
RULE_1(rule_ufakzeka, ufakzeka);
RULE_1(rule_jais2, jais2);
RULE_1(rule_exaone_moe, exaone_moe);
RULE_1(rule_gpt4o, gpt4o);
RULE_1(rule_tekken, tekken);
RULE_1(rule_kimi, kimi);
RULE_1(rule_bloom, bloom);
RULE_1(rule_newline, newline_border);
RULE_1(rule_whitespace, not_white);
RULE_2(rule_minicpm5, digits_3, minicpm5);
RULE_2(rule_starcoder, digits_1, gpt2);
RULE_2(rule_viking, bloom, digits_1);
RULE_2(rule_superbpe, digits_run, digit_cuts);
RULE_2(rule_laguna, newline_border, qwen2);
RULE_2(rule_youtu, youtu_scripts, youtu_words);
RULE_2(rule_tiny_aya, groups_at_border, gpt4o);
RULE_3(rule_falcon, punctuation, gpt2, ascii_digits_3);
RULE_3(rule_v3, digits_3, v3_cjk, v3_words);
RULE_3(rule_afmoe, groups, asian, v3_words);
RULE_4(rule_spark, digits_3, v3_cjk, spark_words, digits_1);
RULE_4(rule_default, punctuation, gpt2, digits_run, ascii_digits_3);
RULE_4(rule_chameleon, indent, digits_1, punctuation_1, gpt2);
static const nce_split_rule rule_coder = {
    {PASS(newline_1), PASS(coder_letters), PASS(coder_punct), PASS(coder_cjk), PASS(digits_1)}, 5};
static const nce_split_rule rule_llm = {
    {PASS(newline_1), PASS(llm_letters), PASS(llm_punct), PASS(spaces_at_end), PASS(coder_cjk), PASS(digits_run)}, 6};

enum {
    WHOLE = NCE_SPLIT_WHOLE_WORDS,
    LLAMA3 = NCE_SPLIT_WHOLE_WORDS | NCE_SPLIT_ADD_BOS,
    RAW = NCE_SPLIT_RAW,
    RAW_BOS = NCE_SPLIT_RAW | NCE_SPLIT_ADD_BOS,
    RAW_PLAIN = NCE_SPLIT_RAW | NCE_SPLIT_NO_ESCAPE
};

static const nce_split_name names[] = {
    {"default", &rule_default, 0},
    {"gpt-2", &rule_gpt2, 0},
    {"phi-2", &rule_gpt2, 0},
    {"mpt", &rule_gpt2, NCE_SPLIT_NFC},
    {"olmo", &rule_gpt2, NCE_SPLIT_NFC},
    {"jais", &rule_gpt2, 0},
    {"trillion", &rule_gpt2, 0},
    {"granite-docling", &rule_gpt2, 0},
    {"jina-es", &rule_gpt2, 0},
    {"jina-de", &rule_gpt2, 0},
    {"jina-v2-es", &rule_gpt2, 0},
    {"jina-v2-de", &rule_gpt2, 0},
    {"gigachat", &rule_gpt2, 0},
    {"a.x-4.0", &rule_gpt2, 0},
    {"mellum", &rule_gpt2, 0},
    {"modern-bert", &rule_gpt2, 0},
    {"exaone4", &rule_gpt2, 0},
    {"jina-v1-en", &rule_gpt2, NCE_SPLIT_ADD_SEP},
    {"jina-v2-code", &rule_gpt2, NCE_SPLIT_ADD_SEP},
    {"roberta-bpe", &rule_gpt2, NCE_SPLIT_ADD_SEP},
    {"llama-bpe", &rule_llama3, LLAMA3},
    {"llama3", &rule_llama3, LLAMA3},
    {"llama-v3", &rule_llama3, LLAMA3},
    {"falcon3", &rule_llama3, LLAMA3},
    {"falcon-h1", &rule_llama3, LLAMA3},
    {"pixtral", &rule_llama3, LLAMA3},
    {"midm-2.0", &rule_llama3, LLAMA3},
    {"lfm2", &rule_llama3, LLAMA3},
    {"jina-v5-nano", &rule_llama3, LLAMA3},
    {"dbrx", &rule_llama3, 0},
    {"smaug-bpe", &rule_llama3, 0},
    {"glm4", &rule_llama3, 0},
    {"chatglm-bpe", &rule_llama3, 0},
    {"minicpm5", &rule_minicpm5, WHOLE},
    {"qwen2", &rule_qwen2, NCE_SPLIT_NFC},
    {"deepseek-r1-qwen", &rule_qwen2, 0},
    {"kormo", &rule_qwen2, 0},
    {"f2llmv2", &rule_qwen2, 0},
    {"megrez", &rule_qwen2, 0},
    {"stablelm2", &rule_qwen2, 0},
    {"hunyuan", &rule_qwen2, 0},
    {"solar-open", &rule_qwen2, 0},
    {"grok-2", &rule_qwen2, 0},
    {"bailingmoe", &rule_qwen2, 0}, /* its possessive quantifiers and \s*[\r\n] match the same text */
    {"bailingmoe2", &rule_qwen2, 0},
    {"llada-moe", &rule_qwen2, 0},
    {"qwen35", &rule_qwen35, NCE_SPLIT_NFC},
    {"seed-coder", &rule_seed_coder, 0},
    {"ufakzeka", &rule_ufakzeka, 0},
    {"laguna", &rule_laguna, 0},
    {"jais-2", &rule_jais2, 0},
    {"exaone-moe", &rule_exaone_moe, 0},
    {"deepseek-llm", &rule_llm, 0},
    {"deepseek-coder", &rule_coder, 0},
    {"deepseek-v3", &rule_v3, 0},
    {"hunyuan-dense", &rule_v3, 0},
    {"joyai-llm", &rule_v3, 0},
    {"hy_v4", &rule_v3, 0},
    {"spark2_5", &rule_spark, 0},
    {"youtu", &rule_youtu, WHOLE},
    {"falcon", &rule_falcon, 0},
    {"starcoder", &rule_starcoder, 0},
    {"refact", &rule_starcoder, 0},
    {"command-r", &rule_starcoder, NCE_SPLIT_NFC},
    {"smollm", &rule_starcoder, 0},
    {"codeshell", &rule_starcoder, 0},
    {"exaone", &rule_starcoder, 0},
    {"minerva-7b", &rule_starcoder, 0},
    {"mellum2", &rule_starcoder, 0},
    {"bloom", &rule_bloom, 0},
    {"gpt3-finnish", &rule_bloom, 0},
    {"poro-chat", &rule_bloom, 0},
    {"viking", &rule_viking, 0},
    {"tekken", &rule_tekken, LLAMA3},
    {"chameleon", &rule_chameleon, NCE_SPLIT_ADD_BOS},
    {"gpt-4o", &rule_gpt4o, 0},
    {"llama4", &rule_gpt4o, 0},
    {"kanana2", &rule_gpt4o, 0},
    {"talkie", &rule_gpt4o, 0},
    {"minimax-m2", &rule_gpt4o, 0},
    {"granite-embed-multi-97m", &rule_gpt4o, WHOLE},
    {"tiny_aya", &rule_tiny_aya, 0},
    {"cohere2moe", &rule_tiny_aya, 0},
    {"kimi-k2", &rule_kimi, 0},
    {"superbpe", &rule_superbpe, 0},
    {"afmoe", &rule_afmoe, 0},
    {"gemma4", &rule_newline, RAW_BOS},
    {"granite-embed-multi-311m", &rule_newline, RAW_BOS},
    {"sarvam-moe", &rule_newline, RAW},
    {"whitespace", &rule_whitespace, RAW_PLAIN},
};

const nce_split_name *nce_split_find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n && memcmp(names[i].name, name, n) == 0) return &names[i];
    return NULL;
}
