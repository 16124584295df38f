/* The table of architectures, and the adjustments that their files do not spell out. */
#include "src/core/model/arch.h"
#include "nce/model.h"
#include <math.h>
#include <string.h>

static nce_status adjust_gemma2(const nce_gguf *g, nce_hparams *h)
{
    (void)g;
    if (h->n_layers == 46) h->attention_scale = 1.0f / sqrtf((float)(h->n_embd / h->layer[0].n_heads)); /* 27B */
    return NCE_OK;
}

/* Windowed layers have a base of their own, global ones the scaled one. */
static nce_status adjust_gemma3(const nce_gguf *g, nce_hparams *h)
{
    h->rope[1] = h->rope[0];
    h->rope[1].base = 10000.0f;
    h->rope[1].scaling = NCE_SCALING_NONE;
    h->rope[1].factor = 1.0f;
    const nce_status status = nce_optional(nce_hparam_f32(g, "rope.freq_base_swa", 1.0f, 1e9f, &h->rope[1].base));
    h->n_rope = 2;
    for (uint32_t i = 0; i < h->n_layers; i++)
        if (h->layer[i].window != 0) h->layer[i].rope = 1;
    if (h->n_layers == 62) h->attention_scale = 1.0f / sqrtf((float)(h->n_embd / h->layer[0].n_heads)); /* 27B */
    return status;
}

/* The last layers only serve to guess further tokens. */
static nce_status adjust_glm4moe(const nce_gguf *g, nce_hparams *h)
{
    uint32_t n_guessing = 0;
    const nce_status status = nce_optional(nce_hparam_u32(g, "nextn_predict_layers", 0, h->n_layers - 1, &n_guessing));
    h->n_layers -= n_guessing;
    return status;
}

/* YaRN's rotation grows by less where the key says that the scores grow as well (mscale / mscale_all_dim). */
static nce_status adjust_mistral3(const nce_gguf *g, nce_hparams *h)
{
    nce_rope_params *r = &h->rope[0];
    float all = 0.0f;
    if (r->scaling != NCE_SCALING_YARN) return NCE_OK;
    const nce_status status = nce_optional(nce_hparam_f32(g, "rope.scaling.yarn_log_multiplier", 0.0f, 10.0f, &all));
    const double grown = nce_yarn_magnitude(r->yarn_log_multiplier, r->factor);
    if (r->attention_factor == 0.0f) r->attention_factor = 1.0f;
    r->attention_factor *= (float)(grown / nce_yarn_magnitude(r->yarn_log_multiplier * all, r->factor));
    r->yarn_log_multiplier = 0.0f;
    return status;
}

#define ROW(name_, norm_, rope_, act_, ...)                                                                            \
    {                                                                                                                  \
        .name = name_, .norm = NCE_NORM_##norm_, .rope = NCE_ROPE_##rope_, .act = NCE_ACT_##act_, __VA_ARGS__          \
    }
/* Alphabetical: nce_architecture_name lists it. */
static const nce_arch archs[] = {
    ROW("arcee", RMS, NORMAL, RELU2, .flags = 0),
    ROW("bitnet", RMS, NEOX, SILU, .flags = 0),
    ROW("bitnet-b1.58", RMS, NEOX, RELU2, .flags = 0),
    ROW("cohere2", LAYER, NORMAL, SILU, .flags = NCE_ARCH_PARALLEL, .window = 4096, .windowed = {4, 3},
        .rotated = {4, 3}),
    ROW("command-r", LAYER, NORMAL, SILU, .flags = NCE_ARCH_PARALLEL),
    ROW("deepseek2", RMS, NORMAL, SILU, .flags = NCE_ARCH_ROUTE_PLAIN | NCE_ARCH_LATENT),
    ROW("dots1", RMS, NEOX, SILU, .flags = 0),
    ROW("ernie4_5", RMS, NORMAL, SILU, .flags = 0),
    ROW("falcon", LAYER, NEOX, GELU, .flags = NCE_ARCH_PARALLEL),
    ROW("gemma", RMS, NEOX, GELU, .flags = NCE_ARCH_EMBED_SQRT),
    ROW("gemma2", RMS, NEOX, GELU, .flags = NCE_ARCH_EMBED_SQRT, .window = 4096, .windowed = {2, 1},
        .adjust = adjust_gemma2),
    ROW("gemma3", RMS, NEOX, GELU, .flags = NCE_ARCH_EMBED_SQRT, .window = 1024, .windowed = {6, 5},
        .adjust = adjust_gemma3),
    ROW("glm4", RMS, NORMAL, SILU, .flags = 0),
    ROW("glm4moe", RMS, NEOX, SILU, .flags = NCE_ARCH_POST_IS_FFN_NORM, .adjust = adjust_glm4moe),
    ROW("gpt-oss", RMS, NEOX, SWIGLU_OAI, .flags = NCE_ARCH_ROUTE_CHOSEN | NCE_ARCH_POST_IS_FFN_NORM, .window = 128,
        .windowed = {2, 1}),
    ROW("gpt2", LAYER, NONE, GELU, .flags = 0),
    ROW("granite", RMS, NORMAL, SILU, .flags = NCE_ARCH_LOGIT_DIVIDE),
    ROW("granitemoe", RMS, NORMAL, SILU, .flags = NCE_ARCH_LOGIT_DIVIDE),
    ROW("internlm2", RMS, NORMAL, SILU, .flags = 0),
    ROW("llama", RMS, NORMAL, SILU, .flags = 0),
    ROW("minimax-m2", RMS, NEOX, SILU, .flags = NCE_ARCH_QK_NORM_FULL),
    ROW("mistral3", RMS, NORMAL, SILU, .flags = 0, .adjust = adjust_mistral3),
    ROW("mistral4", RMS, NORMAL, SILU, .flags = NCE_ARCH_ROUTE_PLAIN | NCE_ARCH_LATENT),
    ROW("nemotron", LAYER, NEOX, RELU2, .flags = 0),
    ROW("olmo2", RMS, NEOX, SILU, .flags = NCE_ARCH_QK_NORM_FULL),
    ROW("olmoe", RMS, NEOX, SILU, .flags = NCE_ARCH_QK_NORM_FULL | NCE_ARCH_ROUTE_PLAIN),
    ROW("phi2", LAYER, NEOX, GELU, .flags = NCE_ARCH_PARALLEL),
    ROW("phi3", RMS, NEOX, SILU, .flags = 0, .windowed = {1, 1}),
    ROW("qwen2", RMS, NEOX, SILU, .flags = 0),
    ROW("qwen2moe", RMS, NEOX, SILU, .flags = NCE_ARCH_ROUTE_PLAIN),
    ROW("qwen3", RMS, NEOX, SILU, .flags = 0),
    ROW("qwen3moe", RMS, NEOX, SILU, .flags = 0),
    ROW("seed_oss", RMS, NEOX, SILU, .flags = NCE_ARCH_POST_IS_FFN_NORM),
    ROW("smollm3", RMS, NORMAL, SILU, .flags = 0, .rotated = {4, 3}),
    ROW("stablelm", LAYER, NEOX, SILU, .flags = 0),
    ROW("starcoder2", LAYER, NEOX, GELU, .flags = 0),
};
#undef ROW
enum { N_ARCHS = sizeof archs / sizeof *archs };

const nce_arch *nce_arch_find(nce_context *ctx, nce_str name)
{
    for (size_t i = 0; i < N_ARCHS; i++)
        if (nce_str_equal(name, archs[i].name)) return &archs[i];
    return nce_arch_registered(ctx, name);
}

void nce_arch_list(nce_context *ctx, char *text, size_t size)
{
    *text = '\0';
    for (size_t i = 0; i < N_ARCHS; i++)
        nce_arch_append(text, size, archs[i].name);
    nce_arch_list_registered(ctx, text, size);
}

size_t nce_architecture_count(void)
{
    return N_ARCHS;
}

const char *nce_architecture_name(size_t i)
{
    return i < N_ARCHS ? archs[i].name : NULL;
}
