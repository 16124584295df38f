/* Tensors by name: a table says which ones an architecture's layers may have, of what shape, and where they go.
 *
 * A missing tensor that every layer needs, or one of another shape than the hyper-parameters say, is an error naming it. */
#include "src/core/model/model.h"
#include <stdio.h>
#include <string.h>

/* Which dimension of the model an axis must have; 0 accepts what the file has (checked against its partner later). */
typedef enum axis { ANY, EMBD, VOCAB, Q_OUT, K_OUT, V_OUT, QKV_OUT, ATTN_OUT, FF, FF2, EXPERTS, FF_EXP, FF_SHARED, HEADS, ONE,
    Q_NORM, K_NORM, Q_LORA, KV_LORA, KV_LORA_ROT, PLAIN, KV_PAIR, V_HEAD } axis;

typedef struct weight_row {
    const char *name;
    size_t field; /* in nce_layer */
    axis k, rows, count; /* count: of matrices, one after the other */
} weight_row;

#define W(name, field, k, rows, count) {name, offsetof(nce_layer, field), k, rows, count}
static const weight_row layer_weights[] = {
    W("attn_q.weight", wq, EMBD, Q_OUT, ONE),
    W("attn_k.weight", wk, EMBD, K_OUT, ONE),
    W("attn_v.weight", wv, EMBD, V_OUT, ONE),
    W("attn_qkv.weight", wqkv, EMBD, QKV_OUT, ONE),
    W("attn_q_a.weight", wq_a, EMBD, Q_LORA, ONE),
    W("attn_q_b.weight", wq_b, Q_LORA, Q_OUT, ONE),
    W("attn_kv_a_mqa.weight", wkv_a, EMBD, KV_LORA_ROT, ONE),
    W("attn_kv_b.weight", wkv_b, KV_LORA, KV_PAIR, ONE),
    W("attn_k_b.weight", wk_b, PLAIN, KV_LORA, HEADS),
    W("attn_v_b.weight", wv_b, KV_LORA, V_HEAD, HEADS),
    W("attn_output.weight", wo, ATTN_OUT, EMBD, ONE),
    W("ffn_gate.weight", gate, EMBD, FF, ONE),
    W("ffn_up.weight", up, EMBD, FF2, ONE), /* phi3, glm4: gate and up in one */
    W("ffn_down.weight", down, FF, EMBD, ONE),
    W("ffn_gate_inp.weight", router, EMBD, EXPERTS, ONE),
    W("ffn_gate_exps.weight", gate_exps, EMBD, FF_EXP, EXPERTS),
    W("ffn_up_exps.weight", up_exps, EMBD, FF_EXP, EXPERTS),
    W("ffn_down_exps.weight", down_exps, FF_EXP, EMBD, EXPERTS),
    W("ffn_gate_shexp.weight", gate_shared, EMBD, FF_SHARED, ONE),
    W("ffn_up_shexp.weight", up_shared, EMBD, FF_SHARED, ONE),
    W("ffn_down_shexp.weight", down_shared, FF_SHARED, EMBD, ONE),
    W("ffn_gate_inp_shexp.weight", shared_router, EMBD, ONE, ONE),
};
#undef W

typedef struct vector_spec {
    const char *name;
    size_t field;
    axis n;
    bool per_expert; /* [n_experts][n] */
} vector_spec;
#define V(name, field, n, e) {name, offsetof(nce_layer, field), n, e}
static const vector_spec layer_vectors[] = {
    V("attn_norm.weight", attn_norm, EMBD, false),
    V("attn_norm.bias", attn_norm_b, EMBD, false),
    V("attn_norm_2.weight", attn_norm_2, EMBD, false),
    V("attn_norm_2.bias", attn_norm_2_b, EMBD, false),
    V("attn_q_norm.weight", attn_q_norm, Q_NORM, false),
    V("attn_q_norm.bias", attn_q_norm_b, Q_NORM, false),
    V("attn_k_norm.weight", attn_k_norm, K_NORM, false),
    V("attn_k_norm.bias", attn_k_norm_b, K_NORM, false),
    V("attn_q_a_norm.weight", q_a_norm, Q_LORA, false),
    V("attn_kv_a_norm.weight", kv_a_norm, KV_LORA, false),
    V("attn_sub_norm.weight", attn_sub_norm, ATTN_OUT, false),
    V("post_attention_norm.weight", attn_post_norm, EMBD, false),
    V("attn_sinks.weight", attn_sinks, HEADS, false),
    V("ffn_norm.weight", ffn_norm, EMBD, false),
    V("ffn_norm.bias", ffn_norm_b, EMBD, false),
    V("ffn_sub_norm.weight", ffn_sub_norm, FF, false),
    V("post_ffw_norm.weight", ffn_post_norm, EMBD, false),
    V("attn_q.bias", bq, Q_OUT, false),
    V("attn_k.bias", bk, K_OUT, false),
    V("attn_v.bias", bv, V_OUT, false),
    V("attn_qkv.bias", bqkv, QKV_OUT, false),
    V("attn_output.bias", bo, EMBD, false),
    V("ffn_gate.bias", gate_b, FF, false),
    V("ffn_up.bias", up_b, FF, false),
    V("ffn_down.bias", down_b, EMBD, false),
    V("ffn_gate_inp.bias", router_b, EXPERTS, false),
    V("exp_probs_b.bias", router_bias, EXPERTS, false),
    V("ffn_gate_exps.bias", gate_exps_b, FF_EXP, true),
    V("ffn_up_exps.bias", up_exps_b, FF_EXP, true),
    V("ffn_down_exps.bias", down_exps_b, EMBD, true),
};
#undef V

static uint64_t axis_size(const nce_model *m, uint32_t layer, axis a)
{
    const nce_hparams *h = &m->h;
    const nce_layer_params *l = &h->layer[layer];
    const uint64_t q = (uint64_t)l->n_heads * h->n_dk, k = (uint64_t)l->n_kv_heads * h->n_dk, v = (uint64_t)l->n_kv_heads * h->n_dv;
    const bool whole_norm = m->arch->flags & NCE_ARCH_QK_NORM_FULL || m->arch->norm == NCE_NORM_LAYER;
    const uint64_t n_rot = h->n_rope != 0 ? h->rope[0].n_rot : 0;
    switch (a) {
    case ANY: return 0;
    case EMBD: return h->n_embd;
    case VOCAB: return h->n_vocab;
    case Q_OUT: return q;
    case K_OUT: return k;
    case V_OUT: return v;
    case QKV_OUT: return q + k + v;
    case ATTN_OUT: return (uint64_t)l->n_heads * h->n_dv;
    case FF: return l->n_ff;
    case FF2: return 0;
    case EXPERTS: return h->n_experts;
    case FF_EXP: return h->n_ff_expert;
    case FF_SHARED: return h->n_ff_shared;
    case HEADS: return l->n_heads;
    case ONE: return 1;
    case Q_NORM: return whole_norm ? q : h->n_dk;
    case K_NORM: return whole_norm ? k : h->n_dk;
    case Q_LORA: return h->n_lora_q;
    case KV_LORA: return h->n_lora_kv;
    case KV_LORA_ROT: return h->n_lora_kv + n_rot;
    case PLAIN: return h->n_dk - n_rot;
    case KV_PAIR: return (uint64_t)l->n_heads * (h->n_dk - n_rot + h->n_dv);
    case V_HEAD: return h->n_dv;
    }
    return 0;
}

static nce_status bad_shape(const nce_model *m, const char *name, const nce_gguf_tensor *t, uint64_t k, uint64_t rows)
{
    return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: tensor %s is [%llu, %llu, %llu], expected [%llu, %llu]", nce_gguf_name(m->gguf), name,
                    (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], (unsigned long long)t->ne[2],
                    (unsigned long long)k, (unsigned long long)rows);
}

/* Say how much a device with memory of its own has copied; the caller may have had enough. */
static nce_status report_upload(nce_model *m, uint64_t done)
{
    if (m->progress == NULL || m->progress(m->progress_user, done, m->upload_bytes)) return NCE_OK;
    return nce_fail(m->ctx, NCE_ERR_CANCELLED, "%s: loading was cancelled", nce_gguf_name(m->gguf));
}

static nce_status import_tensor(nce_model *m, const nce_gguf_tensor *t, nce_buffer **out)
{
    nce_status status = nce_grow(m->ctx, (void **)&m->buffers, &m->buffers_capacity, m->n_buffers + 1, sizeof *m->buffers);
    if (status == NCE_OK) status = m->device->ops->buffer_import(m->device, t->data, t->bytes, out);
    if (status != NCE_OK) return status;
    m->buffers[m->n_buffers++] = *out;
    if (!(*out)->owned) return NCE_OK;
    m->uploaded_bytes += t->bytes;
    return report_upload(m, m->uploaded_bytes);
}

/* k, rows: what the shape must be; 0: whatever it is. */
static nce_status read_weight(nce_model *m, const char *name, uint64_t k, uint64_t rows, uint64_t n_experts, bool required,
                              nce_weight *w)
{
    const nce_gguf_tensor *t = nce_gguf_find_tensor(m->gguf, name);
    if (t == NULL) {
        if (!required) return NCE_OK;
        return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: tensor %s is missing", nce_gguf_name(m->gguf), name);
    }
    const nce_type_info *type = nce_type_info_of(t->type);
    if (type == NULL || (type->act_block == 0 && t->type != NCE_TYPE_F32 && t->type != NCE_TYPE_F16 && t->type != NCE_TYPE_BF16) ||
        t->type == NCE_TYPE_Q8_1 || t->type == NCE_TYPE_Q8_K)
        return nce_fail(m->ctx, NCE_ERR_UNSUPPORTED, "%s: tensor %s has type %s, which weights cannot have",
                        nce_gguf_name(m->gguf), name, type ? type->name : "unknown");
    if ((k != 0 && t->ne[0] != k) || (rows != 0 && t->ne[1] != rows) || t->ne[2] != n_experts || t->ne[3] != 1 ||
        t->ne[0] > 1u << 24 || t->ne[1] > 1u << 24)
        return bad_shape(m, name, t, k, rows);
    *w = (nce_weight){.type = type, .k = t->ne[0], .n_rows = t->ne[1], .n_experts = n_experts, .scale = 1.0f};
    w->row_bytes = nce_type_row_bytes(t->type, w->k);
    w->expert_bytes = w->row_bytes * w->n_rows;
    if (type->tensor_scale) memcpy(&w->scale, t->data + w->expert_bytes * n_experts, sizeof w->scale);
    m->n_params += (uint64_t)w->k * w->n_rows * n_experts;
    return import_tensor(m, t, &w->buffer);
}

static nce_status read_vector(nce_model *m, const char *name, uint64_t n, bool required, nce_vector *v)
{
    const nce_gguf_tensor *t = nce_gguf_find_tensor(m->gguf, name);
    if (t == NULL) {
        if (!required) return NCE_OK;
        return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: tensor %s is missing", nce_gguf_name(m->gguf), name);
    }
    const nce_type_info *type = nce_type_info_of(t->type);
    const uint64_t count = t->ne[0] * t->ne[1]; /* both below 2^32 by the file's size */
    if ((n != 0 && count != n) || t->ne[2] != 1 || t->ne[3] != 1) return bad_shape(m, name, t, n, 1);
    m->n_params += count;
    if (t->type == NCE_TYPE_F32 && (uintptr_t)t->data % sizeof(float) == 0) {
        v->data = (const float *)t->data;
        return NCE_OK;
    }
    if (type == NULL || (type->act_block == 0 && type->to_f32 == NULL))
        return nce_fail(m->ctx, NCE_ERR_UNSUPPORTED, "%s: tensor %s has a type that is no float", nce_gguf_name(m->gguf), name);
    v->owned = nce_alloc_array(m->ctx, count, sizeof(float));
    if (v->owned == NULL) return nce_fail_nomem(m->ctx, count * sizeof(float));
    nce_type_to_f32(type, t->data, v->owned, count);
    v->data = v->owned;
    return NCE_OK;
}

static nce_status read_layer(nce_model *m, uint32_t i)
{
    nce_layer *l = &m->layers[i];
    char name[96];
    for (size_t j = 0; j < sizeof layer_weights / sizeof *layer_weights; j++) {
        const weight_row *r = &layer_weights[j];
        snprintf(name, sizeof name, "blk.%u.%s", i, r->name);
        const nce_status status = read_weight(m, name, axis_size(m, i, r->k), axis_size(m, i, r->rows),
                                              axis_size(m, i, r->count), false, (nce_weight *)((char *)l + r->field));
        if (status != NCE_OK) return status;
    }
    for (size_t j = 0; j < sizeof layer_vectors / sizeof *layer_vectors; j++) {
        const vector_spec *r = &layer_vectors[j];
        snprintf(name, sizeof name, "blk.%u.%s", i, r->name);
        const uint64_t n = axis_size(m, i, r->n) * (r->per_expert ? m->h.n_experts : 1);
        const nce_status status = read_vector(m, name, n, false, (nce_vector *)((char *)l + r->field));
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

static nce_status missing(const nce_model *m, uint32_t i, const char *what)
{
    return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: layer %u has no tensor blk.%u.%s", nce_gguf_name(m->gguf), i, i, what);
}

static nce_status check_latent(const nce_model *m, uint32_t i)
{
    const nce_layer *l = &m->layers[i];
    if (l->wq.type == NULL && (l->wq_a.type == NULL || l->wq_b.type == NULL || l->q_a_norm.data == NULL))
        return missing(m, i, "attn_q or attn_q_a, attn_q_a_norm and attn_q_b.weight");
    if (l->wkv_a.type == NULL || l->kv_a_norm.data == NULL) return missing(m, i, "attn_kv_a_mqa or attn_kv_a_norm.weight");
    if (l->wkv_b.type == NULL && (l->wk_b.type == NULL || l->wv_b.type == NULL))
        return missing(m, i, "attn_kv_b or attn_k_b and attn_v_b.weight");
    return NCE_OK;
}

/* What the tensors of a layer must be together. */
static nce_status check_layer(const nce_model *m, uint32_t i)
{
    const nce_layer *l = &m->layers[i];
    const nce_layer_params *p = &m->h.layer[i];
    if (m->h.n_lora_kv != 0) {
        const nce_status status = check_latent(m, i);
        if (status != NCE_OK) return status;
    } else if (l->wqkv.type == NULL && (l->wq.type == NULL || l->wk.type == NULL || l->wv.type == NULL)) return missing(m, i, "attn_q, attn_k, attn_v or attn_qkv.weight");
    if (l->wo.type == NULL) return missing(m, i, "attn_output.weight");
    if (l->router.type != NULL) {
        if (l->up_exps.type == NULL || l->down_exps.type == NULL) return missing(m, i, "ffn_up_exps and ffn_down_exps.weight");
        if (l->down_exps.k != l->up_exps.n_rows || (l->gate_exps.type != NULL && l->gate_exps.n_rows != l->up_exps.n_rows))
            return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: layer %u: the expert matrices differ in width", nce_gguf_name(m->gguf), i);
        if (l->up_shared.type != NULL && (l->down_shared.type == NULL || l->down_shared.k != l->up_shared.n_rows ||
                                          (l->gate_shared.type != NULL && l->gate_shared.n_rows != l->up_shared.n_rows)))
            return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: layer %u: the shared expert is incomplete", nce_gguf_name(m->gguf), i);
    } else {
        if (l->up.type == NULL || l->down.type == NULL) return missing(m, i, "ffn_up or ffn_down.weight");
        if (p->n_ff == 0) return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: feed_forward_length is missing or 0", nce_gguf_name(m->gguf));
        if (l->up.n_rows != p->n_ff && (l->gate.type != NULL || l->up.n_rows != 2 * (size_t)p->n_ff))
            return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: tensor blk.%u.ffn_up.weight has %zu rows, feed_forward_length is %u",
                            nce_gguf_name(m->gguf), i, l->up.n_rows, p->n_ff);
    }
    return NCE_OK;
}

static void count_weight(nce_model *m, const nce_weight *w, uint64_t used)
{
    if (w->type == NULL) return;
    m->bytes_per_token += w->expert_bytes * used;
    m->macs_per_token += (uint64_t)w->k * w->n_rows * used;
}

static void count_work(nce_model *m)
{
    for (uint32_t i = 0; i < m->h.n_layers; i++)
        for (size_t j = 0; j < sizeof layer_weights / sizeof *layer_weights; j++)
            count_weight(m, (const nce_weight *)((const char *)&m->layers[i] + layer_weights[j].field),
                         layer_weights[j].count == EXPERTS ? m->h.n_experts_used : axis_size(m, i, layer_weights[j].count));
    count_weight(m, m->output.type != NULL ? &m->output : &m->embed, 1);
}

nce_status nce_model_read_weights(nce_model *m)
{
    nce_status status;
    nce_hparams *h = &m->h;
    for (size_t i = 0; i < nce_gguf_n_tensors(m->gguf); i++)
        m->upload_bytes += nce_gguf_tensor_at(m->gguf, i)->bytes;
#define TRY(call) if ((status = (call)) != NCE_OK) return status
    TRY(read_weight(m, "token_embd.weight", h->n_embd, h->n_vocab, 1, true, &m->embed));
    TRY(read_weight(m, "output.weight", h->n_embd, h->n_vocab, 1, false, &m->output));
    TRY(read_weight(m, "position_embd.weight", h->n_embd, 0, 1, false, &m->position_embed));
    TRY(read_vector(m, "output_norm.weight", h->n_embd, true, &m->output_norm));
    TRY(read_vector(m, "output_norm.bias", h->n_embd, false, &m->output_norm_b));
    TRY(read_vector(m, "token_embd_norm.weight", h->n_embd, false, &m->embed_norm));
    TRY(read_vector(m, "token_embd_norm.bias", h->n_embd, false, &m->embed_norm_b));
    TRY(read_vector(m, "output.bias", h->n_vocab, false, &m->output_b));
    const uint64_t n_freqs = h->n_rope != 0 ? h->rope[0].n_rot / 2 : 0;
    TRY(read_vector(m, "rope_freqs.weight", n_freqs, false, &m->rope_freqs));
    TRY(read_vector(m, "rope_factors_long.weight", n_freqs, false, &m->rope_long));
    TRY(read_vector(m, "rope_factors_short.weight", n_freqs, false, &m->rope_short));
    if (h->n_rope != 0) {
        h->rope[0].factors = m->rope_long.data != NULL ? m->rope_long.data : m->rope_freqs.data;
        h->rope[0].factors_short = m->rope_short.data;
    }
    m->layers = nce_alloc_array(m->ctx, h->n_layers, sizeof *m->layers);
    if (m->layers == NULL) return nce_fail_nomem(m->ctx, h->n_layers * sizeof *m->layers);
    for (uint32_t i = 0; i < h->n_layers; i++) {
        TRY(read_layer(m, i));
        TRY(check_layer(m, i));
    }
#undef TRY
    count_work(m);
    return m->uploaded_bytes != 0 ? report_upload(m, m->upload_bytes) : NCE_OK; /* vectors stay on the host */
}

bool nce_model_weight_name(const nce_model *m, const nce_weight *w, char *name, size_t size)
{
    for (uint32_t i = 0; i < m->h.n_layers; i++)
        for (size_t j = 0; j < sizeof layer_weights / sizeof *layer_weights; j++) {
            if ((const nce_weight *)((const char *)&m->layers[i] + layer_weights[j].field) != w) continue;
            snprintf(name, size, "blk.%u.%s", i, layer_weights[j].name);
            return true;
        }
    return false;
}

void nce_model_free_weights(nce_model *m)
{
    nce_vector *const globals[] = {&m->output_norm, &m->output_norm_b, &m->embed_norm, &m->embed_norm_b, &m->output_b,
                                   &m->rope_freqs,  &m->rope_long,     &m->rope_short};
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        nce_free(m->ctx, globals[i]->owned);
    for (uint32_t i = 0; m->layers != NULL && i < m->h.n_layers; i++)
        for (size_t j = 0; j < sizeof layer_vectors / sizeof *layer_vectors; j++)
            nce_free(m->ctx, ((nce_vector *)((char *)&m->layers[i] + layer_vectors[j].field))->owned);
    for (size_t i = 0; i < m->n_buffers; i++)
        nce_buffer_destroy(m->buffers[i]);
    nce_free(m->ctx, m->buffers);
    nce_free(m->ctx, m->layers);
}
