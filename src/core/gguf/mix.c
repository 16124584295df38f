/* The table of mixes.  A rule says: tensors of this role, in these layers, get this type; the first that fits wins. */
#include "src/core/gguf/mix.h"
#include <stdio.h>
#include <string.h>

typedef enum role {
    NO_RULE, /* ends a list of rules */
    OTHER,
    EMBEDDING,
    OUTPUT,
    ATTN_Q,
    ATTN_K,
    ATTN_V,
    ATTN_QKV,
    ATTN_OUTPUT,
    FFN_DOWN,
    FFN_GATE_UP
} role;

typedef enum layers {
    ALL,
    FIRST_2,
    FIRST_4,
    FIRST_16TH,
    FIRST_8TH,
    MIDDLE,    /* all but the first and last eighth */
    MORE_BITS, /* first and last eighth, and every third between */
    GROUPED,   /* all layers, if 4 or more heads share a key, or there are 4 or more experts */
    EXPERTS_8  /* all layers, if there are exactly 8 experts */
} layers;

typedef struct rule {
    role role;
    layers layers;
    nce_type type;
} rule;

struct nce_mix {
    const char *name;
    nce_type base;
    int32_t file_type;
    const rule *first, *second; /* in this order */
};

/* clang-format off */
#define T(name) NCE_TYPE_##name
#define END {NO_RULE, ALL, T(F32)}

static const rule none[] = {END};
/* The output matrix is always worth more bits, and so are the few keys and values that eight experts share. */
static const rule usual[] = {{OUTPUT, ALL, T(Q6_K)}, {ATTN_V, EXPERTS_8, T(Q8_0)}, {ATTN_K, EXPERTS_8, T(Q8_0)}, END};
static const rule ternary[] = {{EMBEDDING, ALL, T(Q4_K)}, END};
static const rule q2_k[] = {
    {ATTN_V, GROUPED, T(Q4_K)}, {ATTN_V, ALL, T(Q3_K)}, {FFN_DOWN, ALL, T(Q3_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)},
    {ATTN_OUTPUT, ALL, T(Q3_K)}, END};
static const rule q2_k_s[] = {{ATTN_V, GROUPED, T(Q4_K)}, {FFN_DOWN, FIRST_8TH, T(Q4_K)}, END};
static const rule q3_k_s[] = {{ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const rule q3_k_m[] = {
    {ATTN_V, FIRST_2, T(Q5_K)}, {ATTN_V, ALL, T(Q4_K)}, {ATTN_QKV, ALL, T(Q4_K)}, {FFN_DOWN, FIRST_16TH, T(Q5_K)},
    {FFN_DOWN, MORE_BITS, T(Q4_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, {ATTN_OUTPUT, ALL, T(Q4_K)}, END};
static const rule q3_k_l[] = {
    {ATTN_V, ALL, T(Q5_K)}, {ATTN_QKV, ALL, T(Q4_K)}, {FFN_DOWN, ALL, T(Q5_K)}, {ATTN_OUTPUT, ALL, T(Q5_K)}, END};
static const rule q4_k_s[] = {
    {ATTN_V, FIRST_4, T(Q5_K)}, {FFN_DOWN, FIRST_8TH, T(Q5_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const rule q4_k_m[] = {
    {ATTN_V, MORE_BITS, T(Q6_K)}, {FFN_DOWN, MORE_BITS, T(Q6_K)}, {ATTN_QKV, ALL, T(Q5_K)},
    {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const rule q5_k_m[] = {
    {ATTN_V, MORE_BITS, T(Q6_K)}, {FFN_DOWN, MORE_BITS, T(Q6_K)}, {ATTN_QKV, ALL, T(Q6_K)}, END};
static const rule iq1[] = {
    {OUTPUT, ALL, T(Q5_K)}, {EMBEDDING, ALL, T(Q2_K)}, {ATTN_V, GROUPED, T(Q4_K)}, {ATTN_V, ALL, T(Q2_K)},
    {ATTN_K, EXPERTS_8, T(Q4_K)}, {FFN_DOWN, FIRST_8TH, T(Q2_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)},
    {ATTN_OUTPUT, ALL, T(IQ2_XXS)}, END};
static const rule iq2_xs[] = {
    {OUTPUT, ALL, T(Q5_K)}, {EMBEDDING, ALL, T(Q2_K)}, {ATTN_V, GROUPED, T(Q4_K)}, {ATTN_V, ALL, T(Q2_K)},
    {ATTN_K, EXPERTS_8, T(Q4_K)}, {FFN_DOWN, FIRST_8TH, T(Q2_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const rule iq2_s[] = {
    {OUTPUT, ALL, T(Q5_K)}, {EMBEDDING, ALL, T(IQ3_S)}, {ATTN_V, GROUPED, T(Q4_K)}, {ATTN_V, ALL, T(IQ3_S)},
    {ATTN_K, EXPERTS_8, T(Q4_K)}, {FFN_DOWN, FIRST_8TH, T(IQ3_S)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)},
    {ATTN_OUTPUT, ALL, T(IQ3_S)}, END};
static const rule iq3_xxs[] = {
    {OUTPUT, ALL, T(Q5_K)}, {EMBEDDING, ALL, T(IQ3_S)}, {ATTN_V, EXPERTS_8, T(Q8_0)}, {ATTN_K, EXPERTS_8, T(Q8_0)},
    {ATTN_V, GROUPED, T(Q4_K)}, {ATTN_V, ALL, T(IQ3_S)}, {ATTN_K, ALL, T(IQ2_S)}, {ATTN_Q, ALL, T(IQ2_S)},
    {FFN_DOWN, FIRST_8TH, T(Q4_K)}, {FFN_DOWN, ALL, T(Q3_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)},
    {ATTN_OUTPUT, ALL, T(IQ3_S)}, END};
static const rule iq3_xs[] = {
    {ATTN_V, GROUPED, T(Q4_K)}, {ATTN_K, ALL, T(IQ3_XXS)}, {ATTN_Q, ALL, T(IQ3_XXS)},
    {FFN_GATE_UP, MIDDLE, T(IQ3_XXS)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const rule iq3_s[] = {{ATTN_V, GROUPED, T(Q4_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const rule iq3_m[] = {
    {ATTN_V, ALL, T(Q4_K)}, {FFN_DOWN, FIRST_8TH, T(Q4_K)}, {ATTN_QKV, ALL, T(Q4_K)},
    {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, {ATTN_OUTPUT, ALL, T(Q4_K)}, END};
static const rule iq4[] = {
    {ATTN_V, GROUPED, T(Q5_K)}, {FFN_DOWN, FIRST_8TH, T(Q5_K)}, {ATTN_OUTPUT, EXPERTS_8, T(Q5_K)}, END};
static const nce_mix mixes[] = {
    {"f32", T(F32), 0, none, none},                       {"f16", T(F16), 1, none, none},
    {"bf16", T(BF16), 32, none, none},                    {"q8_0", T(Q8_0), 7, none, none},
    {"q4_0", T(Q4_0), 2, usual, none},                    {"q4_1", T(Q4_1), 3, usual, none},
    {"q5_0", T(Q5_0), 8, usual, none},                    {"q5_1", T(Q5_1), 9, usual, none},
    {"q2_k", T(Q2_K), 10, usual, q2_k},                   {"q2_k_s", T(Q2_K), 21, usual, q2_k_s},
    {"q3_k_s", T(Q3_K), 11, usual, q3_k_s},               {"q3_k_m", T(Q3_K), 12, usual, q3_k_m},
    {"q3_k_l", T(Q3_K), 13, usual, q3_k_l},               {"q4_k_s", T(Q4_K), 14, usual, q4_k_s},
    {"q4_k_m", T(Q4_K), 15, usual, q4_k_m},               {"q5_k_s", T(Q5_K), 16, usual, none},
    {"q5_k_m", T(Q5_K), 17, usual, q5_k_m},               {"q6_k", T(Q6_K), 18, usual, none},
    {"iq1_s", T(IQ1_S), 24, none, iq1},                   {"iq1_m", T(IQ1_M), 31, none, iq1},
    {"iq2_xxs", T(IQ2_XXS), 19, none, iq2_xs},            {"iq2_xs", T(IQ2_XS), 20, none, iq2_xs},
    {"iq2_s", T(IQ2_XS), 28, none, iq2_s},                {"iq2_m", T(IQ2_S), 29, none, iq2_s},
    {"iq3_xxs", T(IQ3_XXS), 23, none, iq3_xxs},           {"iq3_xs", T(IQ3_S), 22, usual, iq3_xs},
    {"iq3_s", T(IQ3_S), 26, usual, iq3_s},                {"iq3_m", T(IQ3_S), 27, usual, iq3_m},
    {"iq4_nl", T(IQ4_NL), 25, usual, iq4},                {"iq4_xs", T(IQ4_XS), 30, usual, iq4},
    {"tq1_0", T(TQ1_0), 36, usual, ternary},              {"tq2_0", T(TQ2_0), 37, usual, ternary},
    {"nvfp4", T(NVFP4), 39, usual, none},                 {"q1_0", T(Q1_0), 40, usual, none},
    {"mxfp4", T(MXFP4), NCE_MIX_NO_FILE_TYPE, usual, none},
    {"q2_0", T(Q2_0), NCE_MIX_NO_FILE_TYPE, usual, none},
};
static const struct {const char *name, *mix;} aliases[] = {
    {"q3_k", "q3_k_m"}, {"q4_k", "q4_k_m"}, {"q5_k", "q5_k_m"}};
/* clang-format on */

const nce_mix *nce_mix_at(size_t i)
{
    return i < sizeof mixes / sizeof *mixes ? &mixes[i] : NULL;
}

/* ASCII only: strcasecmp would depend on the locale of the program. */
static bool same_name(const char *lower, const char *text)
{
    for (; *lower != '\0'; lower++, text++)
        if (*lower != (*text >= 'A' && *text <= 'Z' ? *text + 32 : *text)) return false;
    return *text == '\0';
}

const nce_mix *nce_mix_find(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (same_name(aliases[i].name, name)) name = aliases[i].mix;
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (same_name(mixes[i].name, name)) return &mixes[i];
    return NULL;
}

const char *nce_mix_name(const nce_mix *mix)
{
    return mix->name;
}

int32_t nce_mix_file_type(const nce_mix *mix)
{
    return mix->file_type;
}

/* "blk.12.attn_v.weight": the part after the layer, and the layer. */
static role role_of(nce_str tensor, uint32_t *layer)
{
    static const struct {
        const char *prefix;
        role role;
    } roles[] = {{"attn_qkv.", ATTN_QKV},   {"attn_q.", ATTN_Q},           {"attn_k.", ATTN_K},
                 {"attn_v.", ATTN_V},       {"attn_output.", ATTN_OUTPUT}, {"ffn_down", FFN_DOWN},
                 {"ffn_gate", FFN_GATE_UP}, {"ffn_up", FFN_GATE_UP}};
    char name[80];
    int skip = 0;
    snprintf(name, sizeof name, "%.*s", (int)tensor.size, tensor.data);
    *layer = 0;
    if (strcmp(name, "token_embd.weight") == 0) return EMBEDDING;
    if (strcmp(name, "output.weight") == 0) return OUTPUT;
    if (sscanf(name, "blk.%9u.%n", layer, &skip) != 1 || skip == 0) return OTHER;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strncmp(name + skip, roles[i].prefix, strlen(roles[i].prefix)) == 0) return roles[i].role;
    return OTHER;
}

static bool in_layers(layers where, const nce_mix_model *m, uint32_t i)
{
    const uint32_t n = m->n_layers, eighth = n / 8;
    switch (where) {
    case ALL:
        return true;
    case FIRST_2:
        return i < 2;
    case FIRST_4:
        return i < 4;
    case FIRST_16TH:
        return i < n / 16;
    case FIRST_8TH:
        return i < eighth;
    case MIDDLE:
        return i >= eighth && i < 7 * n / 8;
    case MORE_BITS:
        return i < eighth || i >= 7 * n / 8 || (i - eighth) % 3 == 2;
    case GROUPED:
        return m->n_experts >= 4 || (m->n_heads_kv > 0 && m->n_heads / m->n_heads_kv >= 4);
    case EXPERTS_8:
        return m->n_experts == 8;
    }
    return false;
}

/* The next type to try when the blocks of one do not divide a row. */
static nce_type smaller_blocks(nce_type type)
{
    switch (type) {
    case T(Q6_K):
        return T(Q8_0);
    case T(Q5_K):
        return T(Q5_1);
    case T(Q4_K):
        return T(Q5_0);
    case T(TQ1_0):
    case T(TQ2_0):
        return T(Q4_0);
    default:
        return nce_type_block_elements(type) > 32 ? T(IQ4_NL) : T(F16);
    }
}

bool nce_mix_applies(nce_str tensor, uint32_t n_dims)
{
    static const char end[] = ".weight";
    static const char *const others[] = {"ffn_gate_inp", "_norm.weight", "position_embd", "token_types", "conv1d",
                                         "shortconv.conv"};
    const size_t n = sizeof end - 1;
    if (n_dims < 2 || tensor.size < n || memcmp(tensor.data + tensor.size - n, end, n) != 0) return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (memmem(tensor.data, tensor.size, others[i], strlen(others[i])) != NULL) return false;
    return true;
}

static const rule *find_rule(const rule *list, const nce_mix_model *m, role r, uint32_t layer)
{
    for (; list->role != NO_RULE; list++)
        if (list->role == r && in_layers(list->layers, m, layer)) return list;
    return NULL;
}

nce_type nce_mix_type(const nce_mix *mix, const nce_mix_model *model, nce_str tensor, uint32_t n_dims,
                      const uint64_t *ne)
{
    const rule *found = NULL;
    uint32_t layer;
    if (!nce_mix_applies(tensor, n_dims)) return T(F32);
    if (model != NULL) {
        role r = role_of(tensor, &layer);
        if (r == EMBEDDING && model->tied) r = OUTPUT;
        found = find_rule(mix->first, model, r, layer);
        if (found == NULL) found = find_rule(mix->second, model, r, layer);
    }
    nce_type type = found != NULL ? found->type : mix->base;
    while (ne[0] % nce_type_block_elements(type) != 0)
        type = smaller_blocks(type);
    return type;
}
