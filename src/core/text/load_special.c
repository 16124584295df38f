/* Well-known tokens of a vocabulary: ids and switches from the metadata, and what files leave out, by the texts of
 * tokens that mean the same in every model. */
#include "src/core/text/tokenizer.h"
#include <string.h>

#define DEEPSEEK_END                                                                                                   \
    ("<\xEF\xBD\x9C"                                                                                                   \
     "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>")

/* Tokens that end a generation, whatever the metadata says. */
static const char *const eog_texts[] = {"<|eot_id|>",
                                        "<|im_end|>",
                                        "<|end|>",
                                        "<|return|>",
                                        "<|call|>",
                                        "<|flush|>",
                                        "<|calls|>",
                                        "<end_of_turn>",
                                        "<|endoftext|>",
                                        "</s>",
                                        "<|eom_id|>",
                                        "<EOT>",
                                        "_<EOT>",
                                        "[EOT]",
                                        "[EOS]",
                                        "<|end_of_text|>",
                                        "<end_of_utterance>",
                                        "<eos>",
                                        "<turn|>",
                                        "<|tool_response>",
                                        DEEPSEEK_END,
                                        "[e~[",
                                        "<|fim_pad|>",
                                        "<|repo_name|>",
                                        "<|file_sep|>"};

/* End of a turn, the likeliest first. */
static const char *const eot_texts[] = {"<|eot_id|>", "<|im_end|>",    "<|end|>",         "<end_of_turn>",
                                        "<turn|>",    "<|endoftext|>", "<|end_of_text|>", "<EOT>",
                                        "_<EOT>",     "[EOT]",         DEEPSEEK_END,      "<end_of_utterance>"};

/* Structure that gpt-oss writes into its answers: kept visible. */
static const char *const visible_texts[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

#define N_OF(a) (sizeof(a) / sizeof *(a))

/* The token with this text that is not plain text; -1 if there is none. */
static int64_t find_marked(const nce_tokenizer *t, const char *text)
{
    const int64_t id = nce_vocab_find(t, text, strlen(text));
    return id < (int64_t)t->n_tokens ? id : -1;
}

/* An id outside the vocabulary means "none": files write -1 as 4294967295. */
static void read_id(const nce_tokenizer *t, const nce_gguf *g, const char *key, int32_t *id)
{
    uint64_t value;
    if (nce_gguf_u64(g, key, 0, UINT64_MAX, &value) == NCE_OK && value < t->n_tokens) *id = (int32_t)value;
    if (*id >= (int64_t)t->n_tokens) *id = -1;
}

static void read_ids(nce_tokenizer *t, const nce_gguf *g)
{
    read_id(t, g, "tokenizer.ggml.cls_token_id", &t->bos);
    read_id(t, g, "tokenizer.ggml.bos_token_id", &t->bos);
    read_id(t, g, "tokenizer.ggml.eos_token_id", &t->eos);
    read_id(t, g, "tokenizer.ggml.eot_token_id", &t->eot);
    read_id(t, g, "tokenizer.ggml.eom_token_id", &t->eom);
    read_id(t, g, "tokenizer.ggml.unknown_token_id", &t->unk);
    read_id(t, g, "tokenizer.ggml.seperator_token_id", &t->sep); /* the format's spelling */
    read_id(t, g, "tokenizer.ggml.padding_token_id", &t->pad);
    read_id(t, g, "tokenizer.ggml.mask_token_id", &t->mask);
}

static nce_status read_switches(nce_tokenizer *t, const nce_gguf *g)
{
    const struct {
        const char *key;
        bool *value;
    } rows[] = {
        {"tokenizer.ggml.add_bos_token", &t->add_bos},
        {"tokenizer.ggml.add_eos_token", &t->add_eos},
        {"tokenizer.ggml.add_sep_token", &t->add_sep},
        {"tokenizer.ggml.add_space_prefix", &t->add_space_prefix},
        {"tokenizer.ggml.remove_extra_whitespaces", &t->remove_extra_spaces},
        {"tokenizer.ggml.normalizer.lowercase", &t->lower_case},
    };
    t->lower_case = t->kind == NCE_TOKENIZER_WPM;
    for (size_t i = 0; i < N_OF(rows); i++) {
        const nce_status status = nce_gguf_bool(g, rows[i].key, rows[i].value);
        if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    }
    t->strip_accents = t->lower_case;
    const nce_status status = nce_gguf_bool(g, "tokenizer.ggml.normalizer.strip_accents", &t->strip_accents);
    return status == NCE_ERR_NOTFOUND ? NCE_OK : status;
}

/* Control texts that a file marked as plain would never be found in the text. */
static void mark_control(nce_tokenizer *t, int64_t id)
{
    if (id >= 0 && !(t->attributes[id] & NCE_TOKEN_USER_DEFINED)) t->attributes[id] |= NCE_TOKEN_CONTROL;
}

static void find_eog(nce_tokenizer *t)
{
    for (size_t i = 0; i < N_OF(eog_texts); i++) {
        const int64_t id = find_marked(t, eog_texts[i]);
        if (id < 0) continue;
        mark_control(t, id);
        t->attributes[id] |= NCE_TOKEN_EOG;
    }
    const int32_t ids[] = {t->eos, t->eot, t->eom};
    for (size_t i = 0; i < N_OF(ids); i++)
        if (ids[i] >= 0) t->attributes[ids[i]] |= NCE_TOKEN_EOG;
    /* gpt-oss and solar end a message, not the generation, with <|end|>; gemma 4 keeps </s> as plain text */
    const bool harmony = (find_marked(t, "<|return|>") >= 0 && find_marked(t, "<|call|>") >= 0) ||
                         (find_marked(t, "<|calls|>") >= 0 && find_marked(t, "<|flush|>") >= 0);
    const int64_t end = find_marked(t, "<|end|>"), s = find_marked(t, "</s>");
    if (harmony && end >= 0) t->attributes[end] = NCE_TOKEN_USER_DEFINED;
    if (s >= 0 && find_marked(t, "<|tool_response>") >= 0) t->attributes[s] = 0;
}

static bool contains(nce_str text, const char *word)
{
    const size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.size; i++) {
        size_t k = 0;
        while (k < n && (text.data[i + k] | (text.data[i + k] >= 'A' && text.data[i + k] <= 'Z' ? 0x20 : 0)) == word[k])
            k++;
        if (k == n) return true;
    }
    return false;
}

/* Tokens that take the white space beside them along: GGUF has no key for it, only families known to do so. */
static void find_strips(nce_tokenizer *t, const nce_gguf *g)
{
    nce_str name = {"", 0}, pre = {"", 0}, arch = {"", 0};
    const uint32_t special = NCE_TOKEN_CONTROL | NCE_TOKEN_USER_DEFINED | NCE_TOKEN_UNKNOWN;
    (void)nce_gguf_string(g, "general.name", &name);
    (void)nce_gguf_string(g, "tokenizer.ggml.pre", &pre);
    (void)nce_gguf_string(g, "general.architecture", &arch);
    if (contains(name, "phi-3") || contains(name, "phi3")) {
        static const char *const plain[] = {"<unk>", "<s>", "<|endoftext|>"};
        for (size_t i = 0; i < t->n_tokens; i++)
            if (t->attributes[i] & special) t->attributes[i] |= NCE_TOKEN_RSTRIP;
        for (size_t i = 0; i < N_OF(plain); i++) {
            const int64_t id = find_marked(t, plain[i]);
            if (id >= 0) t->attributes[id] &= (uint16_t)~NCE_TOKEN_RSTRIP;
        }
    }
    const bool jina = contains(pre, "jina-v2-") || contains(arch, "nomic-bert-moe") || contains(arch, "jina-bert-v3");
    const int64_t mask = jina                            ? find_marked(t, "<mask>")
                         : contains(name, "modern-bert") ? find_marked(t, "[MASK]")
                                                         : -1;
    if (mask >= 0) t->attributes[mask] |= NCE_TOKEN_LSTRIP;
}

nce_status nce_load_special(nce_tokenizer *t, const nce_gguf *g)
{
    const nce_status status = read_switches(t, g);
    if (status != NCE_OK) return status;
    read_ids(t, g);
    if (t->split != NULL && strcmp(t->split->name, "gemma4") == 0)
        t->add_bos = true; /* its files say false by mistake */
    for (size_t i = 0; i < N_OF(eot_texts) && t->eot < 0; i++)
        t->eot = (int32_t)find_marked(t, eot_texts[i]);
    find_eog(t);
    for (size_t i = 0; i < N_OF(visible_texts); i++) {
        const int64_t id = find_marked(t, visible_texts[i]);
        if (id >= 0) t->attributes[id] = NCE_TOKEN_USER_DEFINED;
    }
    find_strips(t, g);
    float min_score = 0;
    for (size_t i = 0; i < t->n_tokens; i++)
        if (t->scores[i] < min_score && !(t->attributes[i] & (NCE_TOKEN_NOT_TEXT | NCE_TOKEN_USER_DEFINED)))
            min_score = t->scores[i];
    t->unknown_score = min_score - 10.0f;
    return NCE_OK;
}
