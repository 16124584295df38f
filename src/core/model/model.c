/* Loading a model: file, architecture, hyper-parameters, vocabulary, weights; and the facts about it. */
#include "src/core/model/model.h"
#include "src/core/gguf/locate.h"
#include "src/core/text/tokenizer.h"
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

_Static_assert(sizeof(nce_model_options) == 40, "ABI: grows only at the end");

static nce_status find_arch(nce_model *m)
{
    nce_str name;
    const char *file = nce_gguf_name(m->gguf);
    nce_status status = nce_gguf_string(m->gguf, "general.architecture", &name);
    if (status == NCE_ERR_NOTFOUND) return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: key general.architecture is missing", file);
    if (status != NCE_OK) return status;
    m->arch = nce_arch_find(m->ctx, name);
    if (m->arch != NULL) return NCE_OK;
    char known[384];
    nce_arch_list(m->ctx, known, sizeof known);
    return nce_fail(m->ctx, NCE_ERR_UNSUPPORTED, "%s: architecture '%.*s' is unknown; known: %s", file,
                    (int)(name.size < 64 ? name.size : 64), name.data, known);
}

/* The vocabulary's size is that of the embedding table; the tokenizer must not have more tokens. */
static nce_status read_vocabulary(nce_model *m)
{
    const nce_gguf_tensor *t = nce_gguf_find_tensor(m->gguf, "token_embd.weight");
    if (t == NULL) return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: tensor token_embd.weight is missing", nce_gguf_name(m->gguf));
    if (t->ne[1] > 1u << 24)
        return nce_fail(m->ctx, NCE_ERR_LIMIT, "%s: token_embd.weight has %llu rows, at most 16777216 are supported",
                        nce_gguf_name(m->gguf), (unsigned long long)t->ne[1]);
    m->h.n_vocab = (uint32_t)t->ne[1];
    const nce_status status = nce_tokenizer_load(m->ctx, m->gguf, &m->tokenizer);
    if (status != NCE_OK) return status;
    if (nce_tokenizer_n_tokens(m->tokenizer) > m->h.n_vocab)
        return nce_fail(m->ctx, NCE_ERR_FORMAT, "%s: %zu tokens, but token_embd.weight has %u rows", nce_gguf_name(m->gguf),
                        nce_tokenizer_n_tokens(m->tokenizer), m->h.n_vocab);
    return NCE_OK;
}

/* A state file is bound to this: everything before the weights, and their first bytes. */
static uint64_t digest_of(const nce_gguf *g)
{
    XXH64_hash_t hash = nce_gguf_file_bytes(g);
    for (size_t i = 0; i < nce_gguf_n_tensors(g); i++) {
        const nce_gguf_tensor *t = nce_gguf_tensor_at(g, i);
        hash = XXH3_64bits_withSeed(t->name.data, t->name.size, hash);
        hash = XXH3_64bits_withSeed(t->data, t->bytes < 256 ? t->bytes : 256, hash ^ (uint64_t)t->type);
    }
    return hash;
}

static nce_status fill(nce_model *m, const nce_model_options *o)
{
    nce_status status = find_arch(m);
    if (status == NCE_OK) status = nce_device_create(m->ctx, o->device != NULL ? o->device : "cpu", o->gpu_layers, &m->device);
    if (status == NCE_OK) status = nce_hparams_read(m->gguf, m->arch, &m->h);
    if (status == NCE_OK) status = read_vocabulary(m);
    if (status == NCE_OK) status = nce_model_read_weights(m);
    if (status == NCE_OK) m->digest = digest_of(m->gguf);
    return status;
}

/* name: for messages, if data are given; else what to open. */
static nce_status load(nce_context *ctx, const char *name, const void *data, size_t size, const nce_model_options *options,
                       nce_model **out)
{
    nce_model_options o = NCE_MODEL_OPTIONS_INIT;
    if (ctx == NULL || out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    if (name == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_model_load: no path");
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_model_options");
    if (status != NCE_OK) return status;
    if (o.no_mmap > 1) return nce_fail(ctx, NCE_ERR_INVALID, "nce_model_options: no_mmap %u", o.no_mmap);
    nce_model *m = nce_alloc_zero(ctx, sizeof *m);
    if (m == NULL) return nce_fail_nomem(ctx, sizeof *m);
    m->ctx = ctx;
    m->progress = o.progress, m->progress_user = o.progress_user;
    const nce_gguf_options g = {o.no_mmap == 1, o.progress, o.progress_user};
    status = data != NULL ? nce_gguf_open_memory(ctx, name, data, size, &m->gguf) : nce_gguf_open(ctx, name, &g, &m->gguf);
    if (status == NCE_OK) status = fill(m, &o);
    if (status != NCE_OK) {
        nce_model_destroy(m);
        return status;
    }
    *out = m;
    return NCE_OK;
}

nce_status nce_model_load(nce_context *ctx, const char *path, const nce_model_options *options, nce_model **out)
{
    return load(ctx, path, NULL, 0, options, out);
}

nce_status nce_model_load_memory(nce_context *ctx, const void *data, size_t size, const nce_model_options *options, nce_model **out)
{
    return load(ctx, data != NULL ? "(memory)" : NULL, data, size, options, out);
}

nce_status nce_model_load_builtin(nce_context *ctx, const char *name, const nce_model_options *options, nce_model **out)
{
    size_t size = 0;
    const void *data = name != NULL ? nce_builtin_model(name, &size) : NULL;
    if (ctx != NULL && out != NULL && name != NULL && data == NULL) {
        *out = NULL;
        return nce_fail(ctx, NCE_ERR_NOTFOUND, "no model '%s' is built in; there is: %s", name,
                        nce_builtin_name(0) != NULL ? nce_builtin_name(0) : "none");
    }
    return load(ctx, data != NULL ? name : NULL, data, size, options, out);
}

void nce_model_destroy(nce_model *m)
{
    if (m == NULL) return;
    nce_model_free_weights(m);
    nce_tokenizer_destroy(m->tokenizer);
    nce_hparams_finish(m->ctx, &m->h);
    nce_device_destroy(m->device);
    nce_gguf_close(m->gguf);
    nce_free(m->ctx, m);
}

const char *nce_model_architecture(const nce_model *m) { return m->arch->name; }
uint32_t nce_model_n_vocab(const nce_model *m) { return m->h.n_vocab; }
uint32_t nce_model_n_layers(const nce_model *m) { return m->h.n_layers; }
uint32_t nce_model_n_embd(const nce_model *m) { return m->h.n_embd; }
uint32_t nce_model_n_ctx_train(const nce_model *m) { return m->h.n_ctx_train; }
uint64_t nce_model_n_params(const nce_model *m) { return m->n_params; }
uint64_t nce_model_file_bytes(const nce_model *m) { return nce_gguf_file_bytes(m->gguf); }
uint64_t nce_model_bytes_per_token(const nce_model *m) { return m->bytes_per_token; }
uint64_t nce_model_macs_per_token(const nce_model *m) { return m->macs_per_token; }
const nce_tokenizer *nce_model_tokenizer(const nce_model *m) { return m->tokenizer; }

nce_status nce_model_meta_string(const nce_model *m, const char *key, const char **text, size_t *n)
{
    nce_str s;
    if (m == NULL || key == NULL || text == NULL || n == NULL) return NCE_ERR_INVALID;
    const nce_gguf_kv *kv = nce_gguf_find(m->gguf, key);
    if (kv == NULL) return NCE_ERR_NOTFOUND;
    if (kv->type != NCE_GGUF_STRING) return nce_fail(m->ctx, NCE_ERR_INVALID, "%s: key %s is no string", nce_gguf_name(m->gguf), key);
    const nce_status status = nce_gguf_string(m->gguf, key, &s);
    if (status != NCE_OK) return status;
    *text = s.data;
    *n = s.size;
    return NCE_OK;
}
