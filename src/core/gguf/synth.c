/* Models of random weights: see nce/model_tools.h.
 *
 * A list of tensors is made from the shape, declared, and drawn one after the other: all threads fill a chunk, one writes
 * it.  Every tensor has its own key, so its content does not depend on the others, on threads or on chunks. */
#include "nce/model_tools.h"
#include "src/core/gguf/mix.h"
#include "src/core/gguf/random_blocks.h"
#include "src/core/gguf/synth.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(nce_synth_options) == 56, "ABI: grows only at the end");

enum { CHUNK_BYTES = 16 << 20, SLICE_BYTES = 256 << 10, MAX_LAYERS = 1024, NAME_BYTES = 64 };

typedef struct planned { /* a tensor to write */
    char name[NAME_BYTES];
    nce_type type;
    uint32_t n_dims;
    uint64_t ne[3];
    float mean, deviation;
} planned;

typedef struct synth {
    nce_context *ctx;
    nce_synth_options options;
    nce_synth_shape_row shape;
    const nce_mix *mix;
    nce_gguf_writer *writer;
    planned *plan;
    size_t n_planned, capacity;
    uint64_t done, total; /* bytes of weights */
    uint8_t *chunk;
} synth;

/* ---- what to write ---- */

static nce_status find_names(synth *s)
{
    const char *shape = s->options.shape != NULL ? s->options.shape : "tiny";
    const char *type = s->options.type != NULL ? s->options.type : "q4_k_m";
    char list[400] = "";
    for (size_t i = 0; nce_synth_shape(i) != NULL && s->shape.name == NULL; i++) {
        if (strcmp(nce_synth_shape(i), shape) == 0) s->shape = *nce_synth_shape_at(i);
        snprintf(list + strlen(list), sizeof list - strlen(list), " %s", nce_synth_shape(i));
    }
    if (s->shape.name == NULL)
        return nce_fail(s->ctx, NCE_ERR_NOTFOUND, "shape '%s' is unknown, known are%s", shape, list);
    list[0] = '\0';
    s->mix = nce_mix_find(type);
    for (size_t i = 0; nce_mix_at(i) != NULL; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), " %s", nce_synth_type(i));
    if (s->mix == NULL) return nce_fail(s->ctx, NCE_ERR_NOTFOUND, "type '%s' is unknown, known are%s", type, list);
    return NCE_OK;
}

static nce_status read_options(synth *s, const nce_synth_options *options)
{
    s->options = (nce_synth_options)NCE_SYNTH_OPTIONS_INIT;
    nce_status status = nce_read_options(s->ctx, &s->options, sizeof s->options, options, "nce_synth_options");
    if (status == NCE_OK) status = find_names(s);
    if (status != NCE_OK) return status;
    if (s->options.n_layers > MAX_LAYERS)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "n_layers %u: at most %d", s->options.n_layers, MAX_LAYERS);
    if (s->options.n_layers > 0) s->shape.n_layers = s->options.n_layers;
    if (s->options.n_vocab > 0) s->shape.n_vocab = s->options.n_vocab;
    if (s->shape.n_vocab < NCE_SYNTH_MIN_VOCAB || s->shape.n_vocab > NCE_SYNTH_MAX_VOCAB)
        return nce_fail(s->ctx, NCE_ERR_INVALID, "n_vocab %u: must be %d..%d", s->shape.n_vocab, NCE_SYNTH_MIN_VOCAB,
                        NCE_SYNTH_MAX_VOCAB);
    return NCE_OK;
}

const char *nce_synth_type(size_t i)
{
    const nce_mix *mix = nce_mix_at(i);
    return mix != NULL ? nce_mix_name(mix) : NULL;
}

/* Add a tensor; ne[2] 0: a matrix, ne[1] 0 too: a vector of norm weights around 1. */
static nce_status plan(synth *s, int layer, const char *name, uint64_t ne0, uint64_t ne1, uint64_t ne2, float deviation)
{
    const nce_mix_model model = {s->shape.n_layers, s->shape.n_heads, s->shape.n_heads_kv, s->shape.n_experts, false};
    const nce_status status = nce_grow(s->ctx, (void **)&s->plan, &s->capacity, s->n_planned + 1, sizeof *s->plan);
    if (status != NCE_OK) return status;
    planned *t = &s->plan[s->n_planned++];
    *t = (planned){.n_dims = ne2 > 0 ? 3 : ne1 > 0 ? 2 : 1, .ne = {ne0, ne1, ne2}, .deviation = deviation};
    if (layer >= 0)
        snprintf(t->name, sizeof t->name, "blk.%d.%s.weight", layer, name);
    else
        snprintf(t->name, sizeof t->name, "%s.weight", name);
    t->mean = t->n_dims == 1 ? 1.0f : 0.0f;
    t->type = nce_mix_type(s->mix, &model, (nce_str){t->name, strlen(t->name)}, t->n_dims, t->ne);
    s->total += nce_type_row_bytes(t->type, ne0) * (ne1 > 0 ? ne1 : 1) * (ne2 > 0 ? ne2 : 1);
    return NCE_OK;
}

static bool has_sub_norms(const synth *s)
{
    return strcmp(s->shape.arch, "llama") != 0;
}

static nce_status plan_ffn(synth *s, int layer, float by_embd, float by_ff)
{
    const uint64_t d = s->shape.n_embd, ff = s->shape.n_ff, experts = s->shape.n_experts;
    nce_status status = plan(s, layer, "ffn_norm", d, 0, 0, 0.1f);
    if (status == NCE_OK && has_sub_norms(s)) status = plan(s, layer, "ffn_sub_norm", ff, 0, 0, 0.1f);
    if (status == NCE_OK && experts > 0) status = plan(s, layer, "ffn_gate_inp", d, experts, 0, by_embd);
    if (status == NCE_OK) status = plan(s, layer, experts ? "ffn_gate_exps" : "ffn_gate", d, ff, experts, by_embd);
    if (status == NCE_OK) status = plan(s, layer, experts ? "ffn_up_exps" : "ffn_up", d, ff, experts, by_embd);
    if (status == NCE_OK) status = plan(s, layer, experts ? "ffn_down_exps" : "ffn_down", ff, d, experts, by_ff);
    return status;
}

static nce_status plan_layer(synth *s, int layer, float by_embd, float by_ff)
{
    const uint64_t d = s->shape.n_embd, kv = d / s->shape.n_heads * s->shape.n_heads_kv;
    nce_status status = plan(s, layer, "attn_norm", d, 0, 0, 0.1f);
    if (status == NCE_OK) status = plan(s, layer, "attn_q", d, d, 0, by_embd);
    if (status == NCE_OK) status = plan(s, layer, "attn_k", d, kv, 0, by_embd);
    if (status == NCE_OK) status = plan(s, layer, "attn_v", d, kv, 0, by_embd);
    if (status == NCE_OK && has_sub_norms(s)) status = plan(s, layer, "attn_sub_norm", d, 0, 0, 0.1f);
    if (status == NCE_OK) status = plan(s, layer, "attn_output", d, d, 0, by_embd);
    return status == NCE_OK ? plan_ffn(s, layer, by_embd, by_ff) : status;
}

/* Embeddings have deviation 1, what a norm would make of them; matrices 1/sqrt(inputs), so that outputs have about 1. */
static nce_status plan_model(synth *s)
{
    const uint64_t d = s->shape.n_embd, vocab = s->shape.n_vocab;
    const float by_embd = 1.0f / sqrtf((float)d), by_ff = 1.0f / sqrtf((float)s->shape.n_ff);
    nce_status status = plan(s, -1, "token_embd", d, vocab, 0, 1.0f);
    for (uint32_t i = 0; status == NCE_OK && i < s->shape.n_layers; i++)
        status = plan_layer(s, (int)i, by_embd, by_ff);
    if (status == NCE_OK) status = plan(s, -1, "output_norm", d, 0, 0, 0.1f);
    if (status == NCE_OK) status = plan(s, -1, "output", d, vocab, 0, by_embd);
    return status;
}

/* ---- metadata ---- */

/* The turns of TinyLlama's chat model, which many chat programs know. */
static const char chat_template[] =
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '<|system|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% elif message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

static const char *arch_key(const synth *s, const char *key, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s.%s", s->shape.arch, key);
    return out;
}

static void put_u32(synth *s, const char *key, uint32_t value)
{
    char name[NAME_BYTES];
    nce_gguf_put_u32(s->writer, arch_key(s, key, name), value);
}

static void put_f32(synth *s, const char *key, float value)
{
    char name[NAME_BYTES];
    nce_gguf_put_f32(s->writer, arch_key(s, key, name), value);
}

static nce_status put_metadata(synth *s)
{
    const nce_synth_shape_row *shape = &s->shape;
    nce_gguf_writer *w = s->writer;
    char name[128];
    snprintf(name, sizeof name, "%s of random weights, seed %llu", shape->name, (unsigned long long)s->options.seed);
    nce_gguf_put_text(w, "general.architecture", shape->arch);
    nce_gguf_put_text(w, "general.type", "model");
    nce_gguf_put_text(w, "general.name", name);
    nce_gguf_put_u32(w, "general.quantization_version", 2);
    if (nce_mix_file_type(s->mix) != NCE_MIX_NO_FILE_TYPE)
        nce_gguf_put_u32(w, "general.file_type", (uint32_t)nce_mix_file_type(s->mix));
    put_u32(s, "vocab_size", shape->n_vocab);
    put_u32(s, "context_length", shape->n_ctx);
    put_u32(s, "embedding_length", shape->n_embd);
    put_u32(s, "block_count", shape->n_layers);
    put_u32(s, "feed_forward_length", shape->n_ff);
    put_u32(s, "attention.head_count", shape->n_heads);
    put_u32(s, "attention.head_count_kv", shape->n_heads_kv);
    put_f32(s, "attention.layer_norm_rms_epsilon", 1e-5f);
    put_u32(s, "rope.dimension_count", shape->n_embd / shape->n_heads);
    put_f32(s, "rope.freq_base", shape->rope_base);
    if (shape->n_experts > 0) {
        put_u32(s, "expert_count", shape->n_experts);
        put_u32(s, "expert_used_count", shape->n_experts_used);
    }
    nce_gguf_put_text(w, "tokenizer.chat_template", chat_template);
    return nce_synth_put_vocabulary(s->ctx, w, shape->n_vocab);
}

/* ---- weights ---- */

static nce_status write_chunk(synth *s, const nce_filler *f, uint64_t first, size_t n_blocks)
{
    const size_t bytes = f->type->block_bytes, slice = SLICE_BYTES / bytes;
    const size_t n_slices = (n_blocks + slice - 1) / slice;
#pragma omp parallel for schedule(dynamic) num_threads((int)s->ctx->n_threads)
    for (size_t i = 0; i < n_slices; i++) {
        const size_t from = i * slice, n = n_blocks - from < slice ? n_blocks - from : slice;
        nce_filler_run(f, first + from, n, s->chunk + from * bytes);
    }
    s->done += n_blocks * bytes;
    const nce_status status = nce_gguf_write(s->writer, s->chunk, n_blocks * bytes);
    if (status != NCE_OK || s->options.progress == NULL) return status;
    if (s->options.progress(s->options.progress_user, s->done, s->total)) return NCE_OK;
    return nce_fail(s->ctx, NCE_ERR_CANCELLED, "making the model was cancelled");
}

static nce_status write_tensor(synth *s, size_t number)
{
    const planned *t = &s->plan[number];
    nce_filler f;
    nce_status status =
        nce_filler_init(s->ctx, &f, t->type, nce_mix_bits(s->options.seed, number), t->mean, t->deviation);
    if (status != NCE_OK) return status;
    uint64_t elements = 1;
    for (uint32_t i = 0; i < t->n_dims; i++)
        elements *= t->ne[i];
    const uint64_t n = elements / f.type->block, most = CHUNK_BYTES / f.type->block_bytes;
    for (uint64_t first = 0; status == NCE_OK && first < n; first += most)
        status = write_chunk(s, &f, first, (size_t)(n - first < most ? n - first : most));
    return status;
}

static nce_status write_model(synth *s)
{
    nce_status status = put_metadata(s);
    for (size_t i = 0; status == NCE_OK && i < s->n_planned; i++) {
        const planned *t = &s->plan[i];
        status = nce_gguf_put_tensor(s->writer, (nce_str){t->name, strlen(t->name)}, t->type, t->n_dims, t->ne);
    }
    if (status == NCE_OK) status = nce_gguf_writer_begin(s->writer);
    for (size_t i = 0; status == NCE_OK && i < s->n_planned; i++)
        status = write_tensor(s, i);
    return status == NCE_OK ? nce_gguf_writer_finish(s->writer) : status;
}

nce_status nce_gguf_synthesize(nce_context *ctx, const char *path, const nce_synth_options *options)
{
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (path == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "path is NULL");
    synth s = {.ctx = ctx};
    nce_status status = read_options(&s, options);
    if (status == NCE_OK) status = plan_model(&s);
    if (status == NCE_OK) status = nce_gguf_writer_create(ctx, path, 0, &s.writer);
    if (status == NCE_OK && (s.chunk = nce_alloc(ctx, CHUNK_BYTES)) == NULL) status = nce_fail_nomem(ctx, CHUNK_BYTES);
    if (status == NCE_OK) status = write_model(&s);
    nce_gguf_writer_destroy(s.writer);
    nce_free(ctx, s.chunk);
    nce_free(ctx, s.plan);
    return status;
}
