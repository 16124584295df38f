/* Opening and closing: one file, a set of split files, or memory.
 *
 * The parts of a set are found by the name of the first ("x-00001-of-00003.gguf"), never by anything written inside of
 * a file, and each must say itself which part it is. */
#include "src/core/gguf/file.h"
#include "src/core/gguf/locate.h"
#include <stdio.h>
#include <sys/stat.h>

enum { SPLIT_TAIL = sizeof "-00001-of-00003.gguf" - 1, MAX_SPLITS = 99999, READ_STEP = 8 << 20 };

typedef struct reading {
    nce_gguf_options options;
    uint64_t done, total; /* bytes of all files */
} reading;

void nce_gguf_close(nce_gguf *g)
{
    if (g == NULL) return;
    nce_context *ctx = g->ctx;
    for (size_t i = 0; i < g->n_others; i++)
        nce_gguf_close(g->others[i]);
    nce_free(ctx, g->others);
    nce_index_finish(ctx, &g->kv_index);
    nce_index_finish(ctx, &g->tensor_index);
    nce_free(ctx, g->kv);
    nce_free(ctx, g->tensors);
    nce_source_finish(&g->source);
    nce_free(ctx, g);
}

static const nce_str *tensor_name(const void *items, size_t i)
{
    return &((const nce_gguf_tensor *)items)[i].name;
}

nce_status nce_gguf_index_tensors(nce_gguf *g)
{
    int64_t duplicate;
    const nce_status status =
        nce_index_build(g->ctx, &g->tensor_index, g->tensors, g->n_tensors, tensor_name, &duplicate);
    if (status != NCE_OK || duplicate == NCE_INDEX_NONE) return status;
    return nce_gguf_bad(g, NCE_ERR_FORMAT, "tensor", g->tensors[duplicate].name, "appears twice");
}

static nce_status report(nce_gguf *g, const reading *r)
{
    if (r->options.progress == NULL || r->options.progress(r->options.progress_user, r->done, r->total)) return NCE_OK;
    return nce_fail(g->ctx, NCE_ERR_CANCELLED, "%s: loading was cancelled", g->source.path);
}

/* What the parser did not touch: nothing to do in a mapped file, the weights in the others. */
static nce_status read_rest(nce_gguf *g, reading *r)
{
    const uint64_t before = r->done;
    nce_source *s = &g->source;
    nce_status status = NCE_OK;
    while (status == NCE_OK && !s->mapped && s->ready < s->size) {
        status = nce_source_need(s, s->size - s->ready > READ_STEP ? s->ready + READ_STEP : s->size);
        r->done = before + s->ready;
        if (status == NCE_OK) status = report(g, r);
    }
    r->done = before + s->size;
    return status == NCE_OK && s->mapped ? report(g, r) : status;
}

static nce_status open_part(nce_context *ctx, const char *path, nce_str architecture, reading *r, nce_gguf **out)
{
    nce_gguf *g = nce_alloc_zero(ctx, sizeof *g);
    if (g == NULL) return nce_fail_nomem(ctx, sizeof *g);
    g->ctx = ctx;
    nce_status status = nce_source_open(ctx, path, r->options.no_mmap, &g->source);
    if (status == NCE_OK && r->total < g->source.size) r->total = g->source.size;
    if (status == NCE_OK) status = report(g, r);
    if (status == NCE_OK) status = nce_gguf_parse(g, architecture);
    if (status == NCE_OK) status = read_rest(g, r);
    if (status == NCE_OK) {
        *out = g;
        return NCE_OK;
    }
    nce_gguf_close(g);
    return status;
}

/* ---- split sets ---- */

/* The part's number and the number of parts in a file name; false if it has another form. */
static bool split_name(const char *path, uint32_t *part, uint32_t *n_parts)
{
    const size_t size = strlen(path);
    unsigned i, n;
    char again[SPLIT_TAIL + 16];
    if (size < SPLIT_TAIL || sscanf(path + size - SPLIT_TAIL, "-%5u-of-%5u.gguf", &i, &n) != 2) return false;
    snprintf(again, sizeof again, "-%05u-of-%05u.gguf", i, n);
    *part = i;
    *n_parts = n;
    return strcmp(again, path + size - SPLIT_TAIL) == 0 && i >= 1 && i <= n;
}

static char *part_path(nce_context *ctx, const char *first, uint32_t part, uint32_t n_parts)
{
    char tail[SPLIT_TAIL + 16];
    const size_t size = strlen(first);
    char *path = nce_strndup(ctx, first, size);
    snprintf(tail, sizeof tail, "-%05u-of-%05u.gguf", part, n_parts);
    if (path != NULL) memcpy(path + size - SPLIT_TAIL, tail, SPLIT_TAIL);
    return path;
}

/* Bytes of all parts, for progress; parts that cannot be seen count nothing here and fail later. */
static uint64_t set_bytes(nce_context *ctx, const char *path)
{
    uint32_t part, n_parts;
    uint64_t total = 0;
    if (!split_name(path, &part, &n_parts) || part != 1) return 0;
    for (uint32_t i = 1; i <= n_parts; i++) {
        struct stat st;
        char *name = part_path(ctx, path, i, n_parts);
        if (name == NULL || stat(name, &st) != 0)
            i = n_parts; /* the set ends here */
        else
            total += (uint64_t)st.st_size;
        nce_free(ctx, name);
    }
    return total;
}

/* Is this file part `part` of `n_parts`? */
static nce_status check_part(const nce_gguf *g, uint32_t part, uint32_t n_parts)
{
    uint32_t no = 0, count = 0;
    nce_status status = nce_gguf_u32(g, "split.count", 1, MAX_SPLITS, &count);
    if (status == NCE_OK) status = nce_gguf_u32(g, "split.no", 0, count - 1, &no);
    if (status == NCE_ERR_NOTFOUND)
        return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: keys split.no and split.count are missing", g->source.path);
    if (status == NCE_OK && (no != part - 1 || count != n_parts))
        return nce_fail(g->ctx, NCE_ERR_FORMAT,
                        "%s: says it is part %u of %u, its name and the first part say %u of %u", g->source.path,
                        no + 1, count, part, n_parts);
    return status;
}

static nce_status append_tensors(nce_gguf *g, const nce_gguf *part, uint32_t split)
{
    const size_t total = g->n_tensors + part->n_tensors;
    const nce_status status = nce_grow(g->ctx, (void **)&g->tensors, &g->tensor_capacity, total, sizeof *g->tensors);
    if (status != NCE_OK) return status;
    for (size_t i = 0; i < part->n_tensors; i++) {
        nce_gguf_tensor *t = &g->tensors[g->n_tensors + i];
        *t = part->tensors[i];
        t->split = split;
    }
    g->n_tensors = total;
    return NCE_OK;
}

static nce_status open_others(nce_gguf *g, uint32_t n_parts, reading *r)
{
    nce_str architecture = {"", 0};
    nce_status status = nce_gguf_string(g, "general.architecture", &architecture);
    if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    g->others = nce_alloc_array(g->ctx, n_parts - 1, sizeof *g->others);
    if (g->others == NULL) return nce_fail_nomem(g->ctx, (n_parts - 1) * sizeof *g->others);
    status = NCE_OK;
    for (uint32_t i = 2; status == NCE_OK && i <= n_parts; i++) {
        char *path = part_path(g->ctx, g->source.path, i, n_parts);
        if (path == NULL) return nce_fail_nomem(g->ctx, strlen(g->source.path));
        status = open_part(g->ctx, path, architecture, r, &g->others[g->n_others]);
        nce_free(g->ctx, path);
        if (status != NCE_OK) return status;
        const nce_gguf *part = g->others[g->n_others++];
        status = check_part(part, i, n_parts);
        if (status == NCE_OK) status = append_tensors(g, part, i - 1);
    }
    return status;
}

/* The rest of the set, if the first file says there is one. */
static nce_status open_set(nce_gguf *g, reading *r)
{
    uint32_t count = 1, part, n_parts;
    uint64_t n_tensors = 0;
    nce_status status = nce_gguf_u32(g, "split.count", 0, MAX_SPLITS, &count);
    if (status == NCE_ERR_NOTFOUND || (status == NCE_OK && count <= 1)) return NCE_OK;
    if (status != NCE_OK) return status;
    if (g->source.fd < 0)
        return nce_fail(g->ctx, NCE_ERR_UNSUPPORTED, "%s: part of a set of %u files, cannot be opened from memory",
                        g->source.path, count);
    if (!split_name(g->source.path, &part, &n_parts) || n_parts != count)
        return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: part of a set of %u files, must be named NAME-00001-of-%05u.gguf",
                        g->source.path, count, count);
    if (part != 1)
        return nce_fail(g->ctx, NCE_ERR_INVALID, "%s: part %u of %u; open the first part", g->source.path, part,
                        n_parts);
    status = check_part(g, 1, n_parts);
    if (status == NCE_OK) status = open_others(g, n_parts, r);
    if (status != NCE_OK) return status;
    status = nce_gguf_u64(g, "split.tensors.count", 0, UINT32_MAX, &n_tensors);
    if (status == NCE_ERR_NOTFOUND) return NCE_OK;
    if (status == NCE_OK && n_tensors != g->n_tensors)
        return nce_fail(g->ctx, NCE_ERR_FORMAT, "%s: key split.tensors.count is %llu, the %u parts have %zu tensors",
                        g->source.path, (unsigned long long)n_tensors, n_parts, g->n_tensors);
    return status;
}

/* ---- entry points ---- */

static nce_status finish_open(nce_gguf *g, reading *r, nce_gguf **out)
{
    nce_status status = open_set(g, r);
    if (status == NCE_OK) status = nce_gguf_index_tensors(g);
    if (status == NCE_OK) {
        *out = g;
        return NCE_OK;
    }
    nce_gguf_close(g);
    return status;
}

static nce_status open_path(nce_context *ctx, const char *path, const nce_gguf_options *options, nce_gguf **out)
{
    nce_gguf *g;
    reading r = {.options = options != NULL ? *options : (nce_gguf_options){0}, .total = set_bytes(ctx, path)};
    const nce_status status = open_part(ctx, path, (nce_str){0}, &r, &g);
    return status == NCE_OK ? finish_open(g, &r, out) : status;
}

nce_status nce_gguf_open(nce_context *ctx, const char *path, const nce_gguf_options *options, nce_gguf **out)
{
    nce_location at;
    *out = NULL;
    if (!nce_model_is_name(path)) return open_path(ctx, path, options, out);
    nce_status status = nce_model_locate(ctx, path, &at);
    if (status == NCE_OK)
        status = at.path != NULL ? open_path(ctx, at.path, options, out) : nce_gguf_open_memory(ctx, path, at.data, at.size, out);
    nce_free(ctx, at.path);
    return status;
}

nce_status nce_gguf_open_memory(nce_context *ctx, const char *name, const void *data, size_t size, nce_gguf **out)
{
    *out = NULL;
    nce_gguf *g = nce_alloc_zero(ctx, sizeof *g);
    if (g == NULL) return nce_fail_nomem(ctx, sizeof *g);
    g->ctx = ctx;
    reading r = {0};
    nce_status status = nce_source_borrow(ctx, name, data, size, &g->source);
    if (status == NCE_OK) status = nce_gguf_parse(g, (nce_str){0});
    if (status == NCE_OK) return finish_open(g, &r, out);
    nce_gguf_close(g);
    return status;
}

nce_status nce_gguf_check_size(const nce_gguf *g)
{
    nce_status status = nce_source_check_size(&g->source);
    for (size_t i = 0; status == NCE_OK && i < g->n_others; i++)
        status = nce_source_check_size(&g->others[i]->source);
    return status;
}

const char *nce_gguf_name(const nce_gguf *g)
{
    return g->source.path;
}

uint32_t nce_gguf_version(const nce_gguf *g)
{
    return g->version;
}

uint32_t nce_gguf_n_splits(const nce_gguf *g)
{
    return (uint32_t)g->n_others + 1;
}

uint64_t nce_gguf_file_bytes(const nce_gguf *g)
{
    uint64_t bytes = g->source.size;
    for (size_t i = 0; i < g->n_others; i++)
        bytes += g->others[i]->source.size;
    return bytes;
}

nce_context *nce_gguf_context(const nce_gguf *g)
{
    return g->ctx;
}

size_t nce_gguf_n_kv(const nce_gguf *g)
{
    return g->n_kv;
}

const nce_gguf_kv *nce_gguf_kv_at(const nce_gguf *g, size_t i)
{
    return &g->kv[i];
}

const nce_gguf_kv *nce_gguf_find(const nce_gguf *g, const char *key)
{
    const int64_t i = nce_index_find(&g->kv_index, key, strlen(key));
    return i != NCE_INDEX_NONE ? &g->kv[i] : NULL;
}

size_t nce_gguf_n_tensors(const nce_gguf *g)
{
    return g->n_tensors;
}

const nce_gguf_tensor *nce_gguf_tensor_at(const nce_gguf *g, size_t i)
{
    return &g->tensors[i];
}

const nce_gguf_tensor *nce_gguf_find_tensor(const nce_gguf *g, const char *name)
{
    const int64_t i = nce_index_find(&g->tensor_index, name, strlen(name));
    return i != NCE_INDEX_NONE ? &g->tensors[i] : NULL;
}
