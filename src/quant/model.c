/* nce_gguf_quantize: decide the type of every tensor, copy the metadata, then tensor after tensor (tensor.h).
 * Everything is decided and declared before the first weight is read, so mistakes in the options cost no time. */
#include "nce/model_tools.h"
#include "src/core/gguf/mix.h"
#include "src/quant/tensor.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

_Static_assert(sizeof(nce_quantize_options) == 72, "ABI: grows only at the end");

typedef struct job {
    nce_context *ctx;
    nce_quantize_options options;
    const char *in, *out;
    nce_gguf *gguf;
    nce_imatrix *imatrix;
    nce_gguf_writer *writer;
    const nce_mix *mix;
    nce_mix_model model;
    nce_type *types; /* new type of every tensor */
    uint64_t done, total;
} job;

/* ---- types ---- */

static nce_status find_mix(job *j)
{
    const char *type = j->options.type != NULL ? j->options.type : "q4_k_m";
    char list[400] = "";
    j->mix = nce_mix_find(type);
    if (j->mix != NULL) return NCE_OK;
    for (size_t i = 0; nce_mix_at(i) != NULL; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), " %s", nce_mix_name(nce_mix_at(i)));
    return nce_fail(j->ctx, NCE_ERR_NOTFOUND, "type '%s' is unknown, known are%s", type, list);
}

/* Shell-like patterns: * any characters, ? one.  On a mismatch the last * takes one character more. */
static bool matches(const char *pattern, size_t n_pattern, nce_str name)
{
    size_t p = 0, i = 0, star = SIZE_MAX, resume = 0;
    while (i < name.size) {
        if (p < n_pattern && pattern[p] == '*') {
            star = p++;
            resume = i;
        } else if (p < n_pattern && (pattern[p] == '?' || pattern[p] == name.data[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++resume;
        } else
            return false;
    }
    while (p < n_pattern && pattern[p] == '*')
        p++;
    return p == n_pattern;
}

static nce_status parse_override(job *j, const char *text, size_t *n_pattern, nce_type *type)
{
    const char *equals = text != NULL ? strrchr(text, '=') : NULL;
    if (equals == NULL || equals == text)
        return nce_fail(j->ctx, NCE_ERR_INVALID, "tensor type '%s': must be PATTERN=TYPE", text ? text : "(NULL)");
    *n_pattern = (size_t)(equals - text);
    if (nce_type_from_name(equals + 1, type) != NCE_OK)
        return nce_fail(j->ctx, NCE_ERR_NOTFOUND, "tensor type '%s': type '%s' is unknown", text, equals + 1);
    if (nce_type_info_of(*type)->tensor_scale)
        return nce_fail(j->ctx, NCE_ERR_UNSUPPORTED, "tensor type '%s': %s is not written", text, equals + 1);
    return NCE_OK;
}

static nce_status choose_type(job *j, const nce_gguf_tensor *t, nce_type *out)
{
    *out = nce_mix_applies(t->name, t->n_dims)
               ? nce_mix_type(j->mix, j->options.pure ? NULL : &j->model, t->name, t->n_dims, t->ne)
               : t->type;
    if (t->type >= NCE_TYPE_I8 && t->type <= NCE_TYPE_I64) *out = t->type; /* numbers of another kind */
    for (size_t i = 0; i < j->options.n_tensor_types; i++) {
        size_t n_pattern = 0;
        nce_type type = NCE_TYPE_F32;
        const nce_status status = parse_override(j, j->options.tensor_types[i], &n_pattern, &type);
        if (status != NCE_OK) return status;
        if (!matches(j->options.tensor_types[i], n_pattern, t->name)) continue;
        if (t->ne[0] % nce_type_block_elements(type) != 0)
            return nce_fail(j->ctx, NCE_ERR_INVALID, "tensor '%.*s': rows of %llu are no whole blocks of %s",
                            (int)t->name.size, t->name.data, (unsigned long long)t->ne[0], nce_type_name(type));
        *out = type;
        return NCE_OK;
    }
    return NCE_OK;
}

/* ---- the model ---- */

/* A number of the architecture; the largest of an array with one per layer; 0 if absent. */
static uint32_t hyper_parameter(const job *j, nce_str architecture, const char *name)
{
    char key[256];
    uint32_t value = 0;
    snprintf(key, sizeof key, "%.*s.%s", (int)architecture.size, architecture.data, name);
    const nce_gguf_kv *kv = nce_gguf_find(j->gguf, key);
    if (kv == NULL || kv->type != NCE_GGUF_ARRAY) {
        (void)nce_gguf_u32(j->gguf, key, 0, UINT32_MAX, &value);
        return value;
    }
    if (kv->element_type != NCE_GGUF_U32 && kv->element_type != NCE_GGUF_I32) return 0;
    for (uint64_t i = 0; i < kv->count; i++) {
        const int64_t v = nce_gguf_element_i64(kv, i);
        if (v > value && v <= UINT32_MAX) value = (uint32_t)v;
    }
    return value;
}

static uint64_t new_bytes(const job *j, size_t i)
{
    const nce_gguf_tensor *t = nce_gguf_tensor_at(j->gguf, i);
    return nce_type_tensor_bytes(nce_type_info_of(j->types[i]), (size_t)(t->ne[1] * t->ne[2] * t->ne[3]),
                                 (size_t)t->ne[0]);
}

static nce_status plan(job *j)
{
    nce_str architecture = {"", 0};
    (void)nce_gguf_string(j->gguf, "general.architecture", &architecture);
    if (architecture.size > 64) architecture.size = 64;
    j->model = (nce_mix_model){.n_layers = hyper_parameter(j, architecture, "block_count"),
                               .n_heads = hyper_parameter(j, architecture, "attention.head_count"),
                               .n_heads_kv = hyper_parameter(j, architecture, "attention.head_count_kv"),
                               .n_experts = hyper_parameter(j, architecture, "expert_count"),
                               .tied = nce_gguf_find_tensor(j->gguf, "output.weight") == NULL};
    const size_t n = nce_gguf_n_tensors(j->gguf);
    j->types = nce_alloc_array(j->ctx, n, sizeof *j->types);
    if (j->types == NULL) return nce_fail_nomem(j->ctx, n * sizeof *j->types);
    for (size_t i = 0; i < n; i++) {
        const nce_status status = choose_type(j, nce_gguf_tensor_at(j->gguf, i), &j->types[i]);
        if (status != NCE_OK) return status;
        j->total += new_bytes(j, i);
    }
    return NCE_OK;
}

/* Keys that describe the old file, not the model. */
static bool is_dropped(nce_str key)
{
    static const char *const dropped[] = {
        "general.file_type",   "general.quantization_version",  "general.alignment", "split.no", "split.count",
        "split.tensors.count", "quantize.imatrix.entries_count"};
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (nce_str_equal(key, dropped[i])) return true;
    return false;
}

static nce_status put_metadata(job *j)
{
    for (size_t i = 0; i < nce_gguf_n_kv(j->gguf); i++)
        if (!is_dropped(nce_gguf_kv_at(j->gguf, i)->key)) nce_gguf_put_kv(j->writer, nce_gguf_kv_at(j->gguf, i));
    nce_gguf_put_u32(j->writer, "general.quantization_version", 2);
    if (nce_mix_file_type(j->mix) != NCE_MIX_NO_FILE_TYPE)
        nce_gguf_put_u32(j->writer, "general.file_type", (uint32_t)nce_mix_file_type(j->mix));
    if (j->imatrix != NULL)
        nce_gguf_put_u32(j->writer, "quantize.imatrix.entries_count", (uint32_t)nce_imatrix_count(j->imatrix));
    for (size_t i = 0; i < nce_gguf_n_tensors(j->gguf); i++) {
        const nce_gguf_tensor *t = nce_gguf_tensor_at(j->gguf, i);
        nce_gguf_put_tensor(j->writer, t->name, j->types[i], t->n_dims, t->ne);
    }
    return nce_gguf_writer_begin(j->writer);
}

static nce_status wrote(void *user, uint64_t bytes)
{
    job *j = user;
    j->done += bytes;
    if (j->options.progress == NULL || j->options.progress(j->options.progress_user, j->done, j->total)) return NCE_OK;
    return nce_fail(j->ctx, NCE_ERR_CANCELLED, "%s: quantizing was cancelled", j->in);
}

static nce_status write_tensors(job *j)
{
    nce_status status = nce_gguf_check_size(j->gguf);
    bool lossy = false;
    for (size_t i = 0; i < nce_gguf_writer_kept(j->writer); i++)
        j->done += new_bytes(j, i);
    for (size_t i = nce_gguf_writer_kept(j->writer); status == NCE_OK && i < nce_gguf_n_tensors(j->gguf); i++) {
        const nce_gguf_tensor *t = nce_gguf_tensor_at(j->gguf, i);
        const nce_tensor_job one = {.ctx = j->ctx,
                                    .file = j->in,
                                    .tensor = t,
                                    .from = nce_type_info_of(t->type),
                                    .to = nce_type_info_of(j->types[i]),
                                    .imatrix = j->imatrix,
                                    .absmean = j->options.absmean != 0,
                                    .writer = j->writer,
                                    .wrote = wrote,
                                    .user = j};
        if (!lossy && one.from->decode != NULL && one.from != one.to) {
            nce_log(j->ctx, NCE_LOG_WARNING, "%s: tensor '%.*s' is %s already; quantizing it again adds to the error",
                    j->in, (int)t->name.size, t->name.data, one.from->name);
            lossy = true;
        }
        status = nce_tensor_quantize(&one);
    }
    return status;
}

/* A name for everything the data depends on: files as they are now, options, and the arithmetic of this version.  It
 * only has to tell apart the jobs that somebody starts for one output file. */
static void job_name(const job *j, char *out, size_t size)
{
    struct stat info;
    const char *const files[2] = {j->in, j->options.imatrix};
    XXH64_hash_t h = XXH64(nce_version_string(), strlen(nce_version_string()), j->options.absmean);
    for (size_t i = 0; i < 2; i++)
        if (files[i] != NULL && stat(files[i], &info) == 0) {
            h = XXH64(files[i], strlen(files[i]), h);
            h = XXH64(&info.st_size, sizeof info.st_size, h);
            h = XXH64(&info.st_mtim, sizeof info.st_mtim, h);
        }
    snprintf(out, size, "%016llx", (unsigned long long)h);
}

/* Writing to a temporary name and renaming would leave the input mapped and intact, but also gone: surely a mistake. */
static nce_status refuse_same_file(job *j)
{
    struct stat a, b;
    if (stat(j->in, &a) != 0 || stat(j->out, &b) != 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino) return NCE_OK;
    return nce_fail(j->ctx, NCE_ERR_INVALID, "%s and %s are the same file", j->in, j->out);
}

static nce_status run(job *j, const nce_quantize_options *options)
{
    char name[32];
    nce_status status = nce_read_options(j->ctx, &j->options, sizeof j->options, options, "nce_quantize_options");
    if (status == NCE_OK && j->options.n_tensor_types > 0 && j->options.tensor_types == NULL)
        status = nce_fail(j->ctx, NCE_ERR_INVALID, "tensor_types is NULL, n_tensor_types is not 0");
    if (status == NCE_OK) status = find_mix(j);
    if (status == NCE_OK) status = refuse_same_file(j);
    if (status == NCE_OK) status = nce_gguf_open(j->ctx, j->in, NULL, &j->gguf);
    if (status == NCE_OK && j->options.imatrix != NULL)
        status = nce_imatrix_open(j->ctx, j->options.imatrix, &j->imatrix);
    if (status == NCE_OK) status = plan(j);
    job_name(j, name, sizeof name);
    if (status == NCE_OK)
        status = j->options.resume ? nce_gguf_writer_create_resumable(j->ctx, j->out, name, &j->writer)
                                   : nce_gguf_writer_create(j->ctx, j->out, 0, &j->writer);
    if (status == NCE_OK) status = put_metadata(j);
    if (status == NCE_OK) status = write_tensors(j);
    if (status == NCE_ERR_FORMAT && j->writer != NULL) nce_gguf_writer_discard(j->writer); /* it would fail again */
    return status == NCE_OK ? nce_gguf_writer_finish(j->writer) : status;
}

nce_status nce_gguf_quantize(nce_context *ctx, const char *in, const char *out, const nce_quantize_options *options)
{
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (in == NULL || out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "%s is NULL", in == NULL ? "in" : "out");
    job j = {.ctx = ctx, .options = NCE_QUANTIZE_OPTIONS_INIT, .in = in, .out = out};
    const nce_status status = run(&j, options);
    nce_gguf_writer_destroy(j.writer);
    nce_imatrix_close(j.imatrix);
    nce_gguf_close(j.gguf);
    nce_free(ctx, j.types);
    return status;
}
