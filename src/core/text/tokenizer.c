/* What a tokenizer says about itself. */
#include "src/core/text/tokenizer.h"

static bool has(const nce_tokenizer *t, int32_t id)
{
    return t != NULL && id >= 0 && (size_t)id < t->n_tokens;
}

size_t nce_tokenizer_n_tokens(const nce_tokenizer *t)
{
    return t != NULL ? t->n_tokens : 0;
}
size_t nce_tokenizer_max_piece(const nce_tokenizer *t)
{
    return t != NULL ? t->max_piece : 0;
}
int32_t nce_tokenizer_bos(const nce_tokenizer *t)
{
    return t != NULL ? t->bos : -1;
}
int32_t nce_tokenizer_eos(const nce_tokenizer *t)
{
    return t != NULL ? t->eos : -1;
}
int32_t nce_tokenizer_eot(const nce_tokenizer *t)
{
    return t != NULL ? t->eot : -1;
}
int32_t nce_tokenizer_pad(const nce_tokenizer *t)
{
    return t != NULL ? t->pad : -1;
}
int32_t nce_tokenizer_unk(const nce_tokenizer *t)
{
    return t != NULL ? t->unk : -1;
}
int32_t nce_tokenizer_sep(const nce_tokenizer *t)
{
    return t != NULL ? t->sep : -1;
}
bool nce_tokenizer_adds_bos(const nce_tokenizer *t)
{
    return t != NULL && t->add_bos && t->bos >= 0;
}
bool nce_tokenizer_adds_eos(const nce_tokenizer *t)
{
    return t != NULL && t->add_eos && t->eos >= 0;
}

uint32_t nce_tokenizer_attributes(const nce_tokenizer *t, int32_t token)
{
    return has(t, token) ? t->attributes[token] & 0xFFu : 0;
}

float nce_tokenizer_score(const nce_tokenizer *t, int32_t token)
{
    return has(t, token) ? t->scores[token] : 0;
}

bool nce_tokenizer_is_eog(const nce_tokenizer *t, int32_t token)
{
    return has(t, token) && (t->attributes[token] & NCE_TOKEN_EOG) != 0;
}

int32_t nce_tokenizer_find(const nce_tokenizer *t, const char *text, size_t n_bytes)
{
    if (t == NULL || text == NULL) return -1;
    const int64_t id = nce_vocab_find(t, text, n_bytes);
    return id < (int64_t)t->n_tokens ? (int32_t)id : -1;
}
