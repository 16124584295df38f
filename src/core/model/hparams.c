/* Hyper-parameters from metadata: every one is range-checked before anything is computed from it. */
#include "src/core/model/arch.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRY(call)                                \
    do {                                         \
        const nce_status try_ = (call);          \
        if (try_ != NCE_OK) return try_;         \
    } while (0)

static const char *full_key(const nce_gguf *g, const char *name, char key[192])
{
    nce_str arch = {"", 0};
    nce_gguf_string(g, "general.architecture", &arch);
    snprintf(key, 192, "%.*s.%s", (int)(arch.size < 64 ? arch.size : 64), arch.data, name);
    return key;
}

nce_status nce_hparam_u32(const nce_gguf *g, const char *name, uint32_t min, uint32_t max, uint32_t *value)
{
    char key[192];
    return nce_gguf_u32(g, full_key(g, name, key), min, max, value);
}

nce_status nce_hparam_f32(const nce_gguf *g, const char *name, float min, float max, float *value)
{
    char key[192];
    return nce_gguf_f32(g, full_key(g, name, key), min, max, value);
}

nce_status nce_hparam_bool(const nce_gguf *g, const char *name, bool *value)
{
    char key[192];
    return nce_gguf_bool(g, full_key(g, name, key), value);
}

static nce_status required_u32(const nce_gguf *g, const char *name, uint32_t min, uint32_t max, uint32_t *value)
{
    char key[192];
    const nce_status status = nce_hparam_u32(g, name, min, max, value);
    if (status != NCE_ERR_NOTFOUND) return status;
    return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: key %s is missing", nce_gguf_name(g), full_key(g, name, key));
}

/* A number for all layers, or an array with one for each. */
static nce_status per_layer(const nce_gguf *g, const char *name, uint32_t n_layers, uint32_t min, uint32_t max,
                            nce_layer_params *layers, size_t field)
{
    char key[192];
    const nce_gguf_kv *kv = nce_gguf_find(g, full_key(g, name, key));
    if (kv == NULL) return NCE_ERR_NOTFOUND;
    uint32_t one = 0;
    if (kv->type != NCE_GGUF_ARRAY) TRY(nce_gguf_u32(g, key, min, max, &one));
    else if (kv->count < n_layers || kv->element_type == NCE_GGUF_STRING || kv->element_type == NCE_GGUF_F32 ||
             kv->element_type == NCE_GGUF_F64 || kv->element_type == NCE_GGUF_ARRAY)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: key %s: an array of %u integers is needed, got %llu elements",
                        nce_gguf_name(g), key, n_layers, (unsigned long long)kv->count);
    for (uint32_t i = 0; i < n_layers; i++) {
        const int64_t v = kv->type == NCE_GGUF_ARRAY ? nce_gguf_element_i64(kv, i) : (int64_t)one;
        if (v < (int64_t)min || v > (int64_t)max)
            return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: key %s: element %u is %lld, outside %u..%u",
                            nce_gguf_name(g), key, i, (long long)v, min, max);
        const uint32_t value = (uint32_t)v;
        memcpy((char *)&layers[i] + field, &value, sizeof value);
    }
    return NCE_OK;
}

static nce_status check_heads(const nce_gguf *g, const nce_hparams *h)
{
    for (uint32_t i = 0; i < h->n_layers; i++) {
        const nce_layer_params *l = &h->layer[i];
        if (l->n_heads % l->n_kv_heads != 0)
            return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: layer %u: attention.head_count %u is no multiple of head_count_kv %u",
                            nce_gguf_name(g), i, l->n_heads, l->n_kv_heads);
    }
    return NCE_OK;
}

static nce_status read_heads(const nce_gguf *g, nce_hparams *h)
{
    nce_status status = per_layer(g, "attention.head_count", h->n_layers, 1, 4096, h->layer, offsetof(nce_layer_params, n_heads));
    if (status == NCE_ERR_NOTFOUND)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: key attention.head_count is missing", nce_gguf_name(g));
    TRY(status);
    for (uint32_t i = 0; i < h->n_layers; i++)
        h->layer[i].n_kv_heads = h->layer[i].n_heads;
    TRY(nce_optional(per_layer(g, "attention.head_count_kv", h->n_layers, 1, 4096, h->layer, offsetof(nce_layer_params, n_kv_heads))));
    TRY(check_heads(g, h));
    h->n_dk = h->n_embd / h->layer[0].n_heads;
    const nce_status key = nce_hparam_u32(g, "attention.key_length", 1, 1024, &h->n_dk);
    if (key != NCE_ERR_NOTFOUND) TRY(key);
    else if (h->n_embd % h->layer[0].n_heads != 0 || h->n_dk > 1024)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: embedding_length %u is no multiple of attention.head_count %u (head size at most 1024)",
                        nce_gguf_name(g), h->n_embd, h->layer[0].n_heads);
    h->n_dv = h->n_dk;
    return nce_optional(nce_hparam_u32(g, "attention.value_length", 1, 1024, &h->n_dv));
}

static nce_status read_rope(const nce_gguf *g, const nce_arch *arch, nce_hparams *h)
{
    nce_rope_params *r = &h->rope[0];
    nce_str scaling = {"none", 4};
    char key[192];
    *r = (nce_rope_params){.n_rot = h->n_dk, .base = 10000.0f, .factor = 1.0f, .yarn_beta_fast = 32.0f, .yarn_beta_slow = 1.0f,
                            .yarn_log_multiplier = 0.1f};
    h->n_rope = arch->rope == NCE_ROPE_NONE ? 0 : 1;
    for (uint32_t i = 0; i < h->n_layers; i++)
        h->layer[i].rope = h->n_rope != 0 ? 0 : NCE_MAX_ROPE;
    if (h->n_rope == 0) return NCE_OK;
    TRY(nce_optional(nce_hparam_u32(g, "rope.dimension_count", 1, h->n_dk, &r->n_rot)));
    if (r->n_rot % 2 != 0)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: rope.dimension_count %u is odd", nce_gguf_name(g), r->n_rot);
    TRY(nce_optional(nce_hparam_f32(g, "rope.freq_base", 1.0f, 1e12f, &r->base)));
    TRY(nce_optional(nce_gguf_string(g, full_key(g, "rope.scaling.type", key), &scaling)));
    static const char *const names[] = {"none", "linear", "yarn", "longrope"};
    uint32_t kind = 0;
    while (kind < 4 && !nce_str_equal(scaling, names[kind]))
        kind++;
    if (kind == 4)
        return nce_fail(nce_gguf_context(g), NCE_ERR_UNSUPPORTED, "%s: %s '%.*s' is not one of none, linear, yarn, longrope",
                        nce_gguf_name(g), key, (int)(scaling.size < 64 ? scaling.size : 64), scaling.data);
    r->scaling = (nce_rope_scaling)kind;
    TRY(nce_optional(nce_hparam_f32(g, "rope.scale_linear", 0.01f, 1e6f, &r->factor)));
    TRY(nce_optional(nce_hparam_f32(g, "rope.scaling.factor", 0.01f, 1e6f, &r->factor)));
    if (r->factor != 1.0f && kind == NCE_SCALING_NONE) r->scaling = NCE_SCALING_LINEAR;
    r->n_ctx_original = h->n_ctx_train;
    TRY(nce_optional(nce_hparam_u32(g, "rope.scaling.original_context_length", 1, 1u << 30, &r->n_ctx_original)));
    TRY(nce_optional(nce_hparam_f32(g, "rope.scaling.attn_factor", 0.0f, 1e3f, &r->attention_factor)));
    TRY(nce_optional(nce_hparam_f32(g, "rope.scaling.yarn_beta_fast", 0.0f, 1e6f, &r->yarn_beta_fast)));
    return nce_optional(nce_hparam_f32(g, "rope.scaling.yarn_beta_slow", 0.0f, 1e6f, &r->yarn_beta_slow));
}

static nce_status read_experts(const nce_gguf *g, const nce_arch *arch, nce_hparams *h)
{
    TRY(nce_optional(nce_hparam_u32(g, "expert_count", 0, 65536, &h->n_experts)));
    if (h->n_experts == 0) return NCE_OK;
    const uint32_t most = h->n_experts < NCE_MAX_EXPERTS_USED ? h->n_experts : NCE_MAX_EXPERTS_USED;
    TRY(required_u32(g, "expert_used_count", 1, most, &h->n_experts_used));
    TRY(nce_optional(nce_hparam_u32(g, "expert_feed_forward_length", 1, 1u << 20, &h->n_ff_expert)));
    TRY(nce_optional(nce_hparam_u32(g, "expert_shared_feed_forward_length", 1, 1u << 20, &h->n_ff_shared)));
    TRY(nce_optional(nce_hparam_u32(g, "expert_shared_count", 0, 64, &h->n_experts_shared)));
    nce_op_route *r = &h->route;
    *r = (nce_op_route){.kind = NCE_ROUTE_SOFTMAX, .n_experts = h->n_experts, .n_used = h->n_experts_used, .n_groups = 1,
                        .n_groups_used = 1, .normalise = !(arch->flags & NCE_ARCH_ROUTE_PLAIN), .scale = 1.0f};
    if (arch->flags & NCE_ARCH_ROUTE_CHOSEN) r->kind = NCE_ROUTE_SOFTMAX_CHOSEN, r->normalise = false;
    uint32_t gating = 1;
    TRY(nce_optional(nce_hparam_u32(g, "expert_gating_func", 0, 2, &gating)));
    if (gating == 2) r->kind = NCE_ROUTE_SIGMOID;
    TRY(nce_optional(nce_hparam_bool(g, "expert_weights_norm", &r->normalise)));
    TRY(nce_optional(nce_hparam_f32(g, "expert_weights_scale", 0.0f, 1e3f, &r->scale)));
    if (r->scale == 0.0f) r->scale = 1.0f;
    TRY(nce_optional(nce_hparam_u32(g, "expert_group_count", 1, 64, &r->n_groups)));
    r->n_groups_used = r->n_groups;
    TRY(nce_optional(nce_hparam_u32(g, "expert_group_used_count", 1, r->n_groups, &r->n_groups_used)));
    if (h->n_experts % r->n_groups != 0 || h->n_experts / r->n_groups * r->n_groups_used < r->n_used)
        return nce_fail(nce_gguf_context(g), NCE_ERR_FORMAT, "%s: %u experts in %u groups (%u used) cannot give %u",
                        nce_gguf_name(g), h->n_experts, r->n_groups, r->n_groups_used, r->n_used);
    return NCE_OK;
}

static nce_status read_scales(const nce_gguf *g, const nce_arch *arch, nce_hparams *h)
{
    h->embedding_scale = arch->flags & NCE_ARCH_EMBED_SQRT ? sqrtf((float)h->n_embd) : 1.0f;
    h->residual_scale = h->logit_scale = 1.0f;
    h->attention_scale = 1.0f / sqrtf((float)h->n_dk);
    h->norm_eps = 1e-5f;
    TRY(nce_optional(nce_hparam_f32(g, arch->norm == NCE_NORM_RMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
                                    0.0f, 1.0f, &h->norm_eps)));
    TRY(nce_optional(nce_hparam_f32(g, "embedding_scale", 1e-6f, 1e6f, &h->embedding_scale)));
    TRY(nce_optional(nce_hparam_f32(g, "residual_scale", 1e-6f, 1e6f, &h->residual_scale)));
    TRY(nce_optional(nce_hparam_f32(g, "attention.scale", 1e-6f, 1e6f, &h->attention_scale)));
    TRY(nce_optional(nce_hparam_f32(g, "logit_scale", 1e-6f, 1e6f, &h->logit_scale)));
    if (arch->flags & NCE_ARCH_LOGIT_DIVIDE) h->logit_scale = 1.0f / h->logit_scale;
    TRY(nce_optional(nce_hparam_f32(g, "attn_logit_softcapping", 0.0f, 1e6f, &h->attention_cap)));
    return nce_optional(nce_hparam_f32(g, "final_logit_softcapping", 0.0f, 1e6f, &h->logit_cap));
}

/* Queries of position p are multiplied by 1 + scale * ln(1 + floor(p / length)) (Mistral 3 and 4): one more table. */
static nce_status read_temperature(const nce_gguf *g, nce_hparams *h)
{
    nce_rope_params r = {.n_rot = h->n_dk, .base = 1.0f, .scaling = NCE_SCALING_TEMPERATURE};
    r.n_ctx_original = h->n_rope != 0 ? h->rope[0].n_ctx_original : h->n_ctx_train;
    TRY(nce_optional(nce_hparam_f32(g, "attention.temperature_scale", 0.0f, 1e6f, &r.factor)));
    TRY(nce_optional(nce_hparam_u32(g, "attention.temperature_length", 1, 1u << 30, &r.n_ctx_original)));
    if (r.factor == 0.0f) return NCE_OK;
    if (h->n_dk % 2 != 0 || h->n_rope == NCE_MAX_ROPE)
        return nce_fail(nce_gguf_context(g), NCE_ERR_UNSUPPORTED, "%s: attention.temperature_scale with an odd head size %u, or beside %u tables of rotation",
                        nce_gguf_name(g), h->n_dk, h->n_rope);
    h->temperature = h->n_rope;
    h->rope[h->n_rope++] = r;
    return NCE_OK;
}

/* Latent attention: head sizes as multiplied, not as cached; YaRN scales the scores instead of the rotation. */
static nce_status read_latent(const nce_gguf *g, nce_hparams *h)
{
    float multiplier = 0.0f;
    nce_rope_params *r = &h->rope[0];
    TRY(required_u32(g, "attention.kv_lora_rank", 1, 1024, &h->n_lora_kv));
    TRY(nce_optional(nce_hparam_u32(g, "attention.q_lora_rank", 1, 1u << 20, &h->n_lora_q)));
    TRY(nce_optional(nce_hparam_u32(g, "attention.key_length_mla", 1, 1024, &h->n_dk)));
    TRY(nce_optional(nce_hparam_u32(g, "attention.value_length_mla", 1, 1024, &h->n_dv)));
    TRY(nce_optional(nce_hparam_f32(g, "rope.scaling.yarn_log_multiplier", 0.0f, 10.0f, &multiplier)));
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

/* Windows and rotation of each layer, by the row's patterns. */
static nce_status read_patterns(const nce_gguf *g, const nce_arch *arch, nce_hparams *h)
{
    uint32_t window = arch->window;
    if (arch->windowed.period != 0) TRY(nce_optional(nce_hparam_u32(g, "attention.sliding_window", 1, 1u << 30, &window)));
    for (uint32_t i = 0; i < h->n_layers; i++) {
        if (arch->windowed.period != 0 && nce_in_pattern(arch->windowed, i)) h->layer[i].window = window;
        if (arch->rotated.period != 0 && !nce_in_pattern(arch->rotated, i)) h->layer[i].rope = NCE_MAX_ROPE;
    }
    return NCE_OK;
}

nce_status nce_hparams_read(const nce_gguf *g, const nce_arch *arch, nce_hparams *h)
{
    nce_context *ctx = nce_gguf_context(g);
    memset(h, 0, sizeof *h);
    h->temperature = NCE_MAX_ROPE;
    TRY(required_u32(g, "block_count", 1, NCE_MAX_LAYERS, &h->n_layers));
    TRY(required_u32(g, "embedding_length", 1, 1u << 20, &h->n_embd));
    h->n_ctx_train = 2048;
    TRY(nce_optional(nce_hparam_u32(g, "context_length", 1, 1u << 30, &h->n_ctx_train)));
    /* One zeroed block per layer is bounded by NCE_MAX_LAYERS; the tensors of each layer must exist. */
    h->layer = nce_alloc_array(ctx, h->n_layers, sizeof *h->layer);
    if (h->layer == NULL) return nce_fail_nomem(ctx, h->n_layers * sizeof *h->layer);
    TRY(read_heads(g, h));
    TRY(nce_optional(per_layer(g, "feed_forward_length", h->n_layers, 0, 1u << 24, h->layer, offsetof(nce_layer_params, n_ff))));
    TRY(read_rope(g, arch, h));
    TRY(read_experts(g, arch, h));
    TRY(read_scales(g, arch, h));
    TRY(read_patterns(g, arch, h));
    if (arch->flags & NCE_ARCH_LATENT) TRY(read_latent(g, h));
    if (arch->adjust != NULL) TRY(arch->adjust(g, h));
    return read_temperature(g, h);
}

void nce_hparams_finish(nce_context *ctx, nce_hparams *h)
{
    nce_free(ctx, h->layer);
    h->layer = NULL;
}
