/* The table of architectures, and the adjustments that their files do not spell out. */
#include "src/core/model/arch.h"
#include "nce/model.h"
#include <math.h>
#include <string.h>

/* Layers whose index modulo period is below n_local see only the window. */
static void window_pattern(nce_hparams *h, uint32_t window, uint32_t period, uint32_t n_local)
{
    for (uint32_t i = 0; i < h->n_layers; i++)
        h->layer[i].window = i % period < n_local ? window : 0;
}

static nce_status sliding_window(const nce_gguf *g, uint32_t *window)
{
    return nce_optional(nce_hparam_u32(g, "attention.sliding_window", 1, 1u << 30, window));
}

static nce_status adjust_gemma2(const nce_gguf *g, nce_hparams *h)
{
    uint32_t window = 4096;
    const nce_status status = sliding_window(g, &window);
    window_pattern(h, window, 2, 1);
    if (h->n_layers == 46) h->attention_scale = 1.0f / sqrtf((float)(h->n_embd / h->layer[0].n_heads)); /* 27B */
    return status;
}

/* Five local layers with their own base, then one global layer with the scaled one. */
static nce_status adjust_gemma3(const nce_gguf *g, nce_hparams *h)
{
    uint32_t window = 1024;
    nce_status status = sliding_window(g, &window);
    window_pattern(h, window, 6, 5);
    h->rope[1] = h->rope[0];
    h->rope[1].base = 10000.0f;
    h->rope[1].scaling = NCE_SCALING_NONE;
    h->rope[1].factor = 1.0f;
    if (status == NCE_OK) status = nce_optional(nce_hparam_f32(g, "rope.freq_base_swa", 1.0f, 1e9f, &h->rope[1].base));
    h->n_rope = 2;
    for (uint32_t i = 0; i < h->n_layers; i++)
        if (h->layer[i].window != 0) h->layer[i].rope = 1;
    if (h->n_layers == 62) h->attention_scale = 1.0f / sqrtf((float)(h->n_embd / h->layer[0].n_heads)); /* 27B */
    return status;
}

static nce_status adjust_gpt_oss(const nce_gguf *g, nce_hparams *h)
{
    uint32_t window = 128;
    const nce_status status = sliding_window(g, &window);
    window_pattern(h, window, 2, 1);
    return status;
}

/* Three windowed layers with rotation, then one global layer without. */
static nce_status adjust_cohere2(const nce_gguf *g, nce_hparams *h)
{
    uint32_t window = 4096;
    const nce_status status = sliding_window(g, &window);
    window_pattern(h, window, 4, 3);
    for (uint32_t i = 0; i < h->n_layers; i++)
        if (h->layer[i].window == 0) h->layer[i].rope = NCE_MAX_ROPE;
    return status;
}

/* Latent attention: head sizes as multiplied, not as cached; YaRN scales the scores instead of the rotation. */
static nce_status adjust_deepseek2(const nce_gguf *g, nce_hparams *h)
{
    float temperature = 0.0f, multiplier = 0.0f;
    nce_rope_params *r = &h->rope[0];
    nce_status status = nce_hparam_u32(g, "attention.kv_lora_rank", 1, 1024, &h->n_lora_kv);
    if (status == NCE_ERR_NOTFOUND)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: key deepseek2.attention.kv_lora_rank is missing", nce_gguf_name(g));
    if (status == NCE_OK) status = nce_optional(nce_hparam_u32(g, "attention.q_lora_rank", 1, 1u << 20, &h->n_lora_q));
    if (status == NCE_OK) status = nce_optional(nce_hparam_u32(g, "attention.key_length_mla", 1, 1024, &h->n_dk));
    if (status == NCE_OK) status = nce_optional(nce_hparam_u32(g, "attention.value_length_mla", 1, 1024, &h->n_dv));
    if (status == NCE_OK) status = nce_optional(nce_hparam_f32(g, "attention.temperature_scale", 0.0f, 1e6f, &temperature));
    if (status == NCE_OK) status = nce_optional(nce_hparam_f32(g, "rope.scaling.yarn_log_multiplier", 0.0f, 10.0f, &multiplier));
    if (status != NCE_OK) return status;
    if (temperature != 0.0f)
        return nce_fail(nce_gguf_context(g), NCE_ERR_UNSUPPORTED, "%s: attention.temperature_scale is not supported", nce_gguf_name(g));
    if (r->n_rot >= h->n_dk || h->n_lora_kv + r->n_rot > 1024)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: rope.dimension_count %u must be below the head size %u, and with kv_lora_rank %u at most 1024",
                        nce_gguf_name(g), r->n_rot, h->n_dk, h->n_lora_kv);
    for (uint32_t i = 0; i < h->n_layers; i++)
        h->layer[i].n_kv_heads = h->layer[i].n_heads;
    h->n_ff_shared = h->n_ff_expert * h->n_experts_shared;
    const double m = r->scaling == NCE_SCALING_YARN ? nce_yarn_magnitude(multiplier, r->factor) : 1.0;
    h->attention_scale = (float)(m * m / sqrt((double)h->n_dk));
    r->yarn_log_multiplier = 0.0f;
    return NCE_OK;
}

static nce_status adjust_smollm3(const nce_gguf *g, nce_hparams *h)
{
    (void)g;
    for (uint32_t i = 3; i < h->n_layers; i += 4)
        h->layer[i].rope = NCE_MAX_ROPE;
    return NCE_OK;
}

static nce_status adjust_windowed(const nce_gguf *g, nce_hparams *h)
{
    uint32_t window = 0;
    const nce_status status = sliding_window(g, &window);
    window_pattern(h, window, 1, 1);
    return status;
}

/* Alphabetical: nce_architecture_name lists it. */
static const nce_arch archs[] = {
    {"bitnet", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, 0, NULL},
    {"bitnet-b1.58", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_RELU2, 0, NULL},
    {"cohere2", NCE_NORM_LAYER, NCE_ROPE_NORMAL, NCE_ACT_SILU, NCE_ARCH_PARALLEL, adjust_cohere2},
    {"deepseek2", NCE_NORM_RMS, NCE_ROPE_NORMAL, NCE_ACT_SILU, NCE_ARCH_ROUTE_PLAIN, adjust_deepseek2},
    {"falcon", NCE_NORM_LAYER, NCE_ROPE_NEOX, NCE_ACT_GELU, NCE_ARCH_PARALLEL, NULL},
    {"gemma", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_GELU, NCE_ARCH_EMBED_SQRT, NULL},
    {"gemma2", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_GELU, NCE_ARCH_EMBED_SQRT, adjust_gemma2},
    {"gemma3", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_GELU, NCE_ARCH_EMBED_SQRT, adjust_gemma3},
    {"glm4", NCE_NORM_RMS, NCE_ROPE_NORMAL, NCE_ACT_SILU, 0, NULL},
    {"gpt-oss", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SWIGLU_OAI, NCE_ARCH_ROUTE_CHOSEN | NCE_ARCH_POST_IS_FFN_NORM,
     adjust_gpt_oss},
    {"gpt2", NCE_NORM_LAYER, NCE_ROPE_NONE, NCE_ACT_GELU, 0, NULL},
    {"granite", NCE_NORM_RMS, NCE_ROPE_NORMAL, NCE_ACT_SILU, NCE_ARCH_LOGIT_DIVIDE, NULL},
    {"internlm2", NCE_NORM_RMS, NCE_ROPE_NORMAL, NCE_ACT_SILU, 0, NULL},
    {"llama", NCE_NORM_RMS, NCE_ROPE_NORMAL, NCE_ACT_SILU, 0, NULL},
    {"olmo2", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, NCE_ARCH_QK_NORM_FULL, NULL},
    {"phi2", NCE_NORM_LAYER, NCE_ROPE_NEOX, NCE_ACT_GELU, NCE_ARCH_PARALLEL, NULL},
    {"phi3", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, 0, adjust_windowed},
    {"qwen2", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, 0, NULL},
    {"qwen2moe", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, NCE_ARCH_ROUTE_PLAIN, NULL},
    {"qwen3", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, 0, NULL},
    {"qwen3moe", NCE_NORM_RMS, NCE_ROPE_NEOX, NCE_ACT_SILU, 0, NULL},
    {"smollm3", NCE_NORM_RMS, NCE_ROPE_NORMAL, NCE_ACT_SILU, 0, adjust_smollm3},
    {"stablelm", NCE_NORM_LAYER, NCE_ROPE_NEOX, NCE_ACT_SILU, 0, NULL},
    {"starcoder2", NCE_NORM_LAYER, NCE_ROPE_NEOX, NCE_ACT_GELU, 0, NULL},
};
enum { N_ARCHS = sizeof archs / sizeof *archs };

const nce_arch *nce_arch_find(nce_str name)
{
    for (size_t i = 0; i < N_ARCHS; i++)
        if (nce_str_equal(name, archs[i].name)) return &archs[i];
    return NULL;
}

size_t nce_architecture_count(void)
{
    return N_ARCHS;
}

const char *nce_architecture_name(size_t i)
{
    return i < N_ARCHS ? archs[i].name : NULL;
}
