/* Header, metadata and tensor table of one file.
 *
 * Nothing in the file is believed: every count is compared with the bytes that are left before anything is allocated,
 * tables grow with the entries really read, and products are computed with overflow detection first and looked at
 * after. Reading stops at the first fault, with a message that names it. */
#include "src/core/gguf/file.h"

typedef struct reader {
    nce_gguf *g;
    size_t at;
    const char *kind; /* "header", "key", "tensor": what is being read, for messages */
    nce_str name;
} reader;

#define BAD(r, ...) nce_gguf_bad((r)->g, NCE_ERR_FORMAT, (r)->kind, (r)->name, __VA_ARGS__)

static size_t left(const reader *r)
{
    return r->g->source.size - r->at;
}

/* The next n bytes, which stay where they are. */
static nce_status take(reader *r, uint64_t n, const uint8_t **p)
{
    nce_source *s = &r->g->source;
    if (n > left(r))
        return BAD(r, "%llu bytes wanted at byte %zu, the file ends after %zu more (truncated?)", (unsigned long long)n,
                   r->at, left(r));
    const nce_status status = nce_source_need(s, r->at + (size_t)n);
    *p = s->data + r->at;
    if (status == NCE_OK) r->at += (size_t)n;
    return status;
}

static nce_status take_u32(reader *r, uint32_t *v)
{
    const uint8_t *p = NULL;
    const nce_status status = take(r, 4, &p);
    if (status == NCE_OK) *v = nce_load_u32(p);
    return status;
}

static nce_status take_u64(reader *r, uint64_t *v)
{
    const uint8_t *p = NULL;
    const nce_status status = take(r, 8, &p);
    if (status == NCE_OK) *v = nce_load_u64(p);
    return status;
}

/* A name: 1..max printable characters. */
static nce_status take_name(reader *r, size_t max, nce_str *name)
{
    uint64_t size = 0;
    const uint8_t *p = NULL;
    r->name = (nce_str){0};
    nce_status status = take_u64(r, &size);
    if (status != NCE_OK) return status;
    if (size == 0 || size > max)
        return BAD(r, "name of %llu bytes at byte %zu, must have 1..%zu", (unsigned long long)size, r->at, max);
    status = take(r, size, &p);
    if (status != NCE_OK) return status;
    *name = (nce_str){(const char *)p, (size_t)size};
    if (!nce_gguf_name_ok(*name)) return BAD(r, "name at byte %zu is not printable ASCII", r->at - (size_t)size);
    r->name = *name;
    return NCE_OK;
}

/* ---- metadata ---- */

static nce_status skip_strings(reader *r, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t size;
        const uint8_t *p;
        nce_status status = take_u64(r, &size);
        if (status == NCE_OK) status = take(r, size, &p);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

static nce_status check_bools(const reader *r, const uint8_t *p, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (p[i] > 1) return BAD(r, "bool has value %u, must be 0 or 1", p[i]);
    return NCE_OK;
}

static nce_status read_values(reader *r, nce_gguf_kv *kv, nce_gguf_value_type type)
{
    const size_t start = r->at, size = nce_gguf_value_bytes(type), least = type == NCE_GGUF_STRING ? 8 : size;
    const uint8_t *p = NULL;
    if (kv->count > left(r) / least)
        return BAD(r, "%llu values of type %s, the %zu bytes left hold at most %zu", (unsigned long long)kv->count,
                   nce_gguf_value_name(type), left(r), left(r) / least);
    nce_status status = type == NCE_GGUF_STRING ? skip_strings(r, kv->count) : take(r, kv->count * size, &p);
    if (status == NCE_OK && type == NCE_GGUF_BOOL) status = check_bools(r, p, kv->count);
    kv->data = r->g->source.data + start;
    kv->bytes = r->at - start;
    return status;
}

static nce_status read_kv(reader *r, nce_gguf_kv *kv)
{
    uint32_t type = 0, element = 0;
    *kv = (nce_gguf_kv){.count = 1};
    nce_status status = take_name(r, NCE_GGUF_MAX_KEY, &kv->key);
    if (status == NCE_OK) status = take_u32(r, &type);
    if (status != NCE_OK) return status;
    if (type > NCE_GGUF_F64) return BAD(r, "value type %u is unknown, the last known is %d", type, NCE_GGUF_F64);
    kv->type = kv->element_type = (nce_gguf_value_type)type;
    if (type != NCE_GGUF_ARRAY) return read_values(r, kv, kv->type);
    status = take_u32(r, &element);
    if (status == NCE_OK) status = take_u64(r, &kv->count);
    if (status != NCE_OK) return status;
    if (element == NCE_GGUF_ARRAY) return BAD(r, "arrays of arrays are not supported");
    if (element > NCE_GGUF_F64)
        return BAD(r, "element type %u is unknown, the last known is %d", element, NCE_GGUF_F64);
    kv->element_type = (nce_gguf_value_type)element;
    return read_values(r, kv, kv->element_type);
}

static const nce_str *kv_name(const void *items, size_t i)
{
    return &((const nce_gguf_kv *)items)[i].key;
}

static nce_status read_metadata(reader *r, uint64_t n_kv)
{
    nce_gguf *g = r->g;
    int64_t duplicate;
    r->kind = "key";
    for (; g->n_kv < n_kv; g->n_kv++) {
        nce_status status = nce_grow(g->ctx, (void **)&g->kv, &g->kv_capacity, g->n_kv + 1, sizeof *g->kv);
        if (status == NCE_OK) status = read_kv(r, &g->kv[g->n_kv]);
        if (status != NCE_OK) return status;
    }
    const nce_status status = nce_index_build(g->ctx, &g->kv_index, g->kv, g->n_kv, kv_name, &duplicate);
    if (status != NCE_OK || duplicate == NCE_INDEX_NONE) return status;
    r->name = g->kv[duplicate].key;
    return BAD(r, "appears twice");
}

/* ---- tensors ---- */

static nce_status read_dims(reader *r, nce_gguf_tensor *t)
{
    nce_status status = take_u32(r, &t->n_dims);
    if (status != NCE_OK) return status;
    if (t->n_dims == 0 || t->n_dims > NCE_GGUF_MAX_DIMS)
        return BAD(r, "%u dimensions, must be 1..%d", t->n_dims, NCE_GGUF_MAX_DIMS);
    for (uint32_t i = 0; i < NCE_GGUF_MAX_DIMS; i++) {
        t->ne[i] = 1;
        if (i < t->n_dims) status = take_u64(r, &t->ne[i]);
        if (status != NCE_OK) return status;
        if (t->ne[i] == 0) return BAD(r, "dimension %u is 0", i);
    }
    return NCE_OK;
}

static nce_status read_tensor(reader *r, nce_str architecture, nce_gguf_tensor *t)
{
    uint32_t type = 0;
    *t = (nce_gguf_tensor){0};
    nce_status status = take_name(r, NCE_GGUF_MAX_TENSOR_NAME, &t->name);
    if (status == NCE_OK) status = read_dims(r, t);
    if (status == NCE_OK) status = take_u32(r, &type);
    if (status == NCE_OK) status = take_u64(r, &t->offset); /* in the data section, until place() */
    if (status == NCE_OK) status = nce_gguf_tensor_bytes(r->g, architecture, type, t);
    return status;
}

static nce_status read_tensors(reader *r, uint64_t n_tensors, nce_str architecture)
{
    nce_gguf *g = r->g;
    r->kind = "tensor";
    for (; g->n_tensors < n_tensors; g->n_tensors++) {
        nce_status status =
            nce_grow(g->ctx, (void **)&g->tensors, &g->tensor_capacity, g->n_tensors + 1, sizeof *g->tensors);
        if (status == NCE_OK) status = read_tensor(r, architecture, &g->tensors[g->n_tensors]);
        if (status != NCE_OK) return status;
    }
    return NCE_OK;
}

/* Turn the offset in the data section into one in the file, inside of it. */
static nce_status place(reader *r, nce_gguf_tensor *t)
{
    const nce_gguf *g = r->g;
    uint64_t from, to;
    r->name = t->name;
    if (t->offset % g->alignment != 0)
        return BAD(r, "offset %llu is not a multiple of the alignment %u", (unsigned long long)t->offset, g->alignment);
    if (__builtin_add_overflow(t->offset, (uint64_t)g->data_start, &from) ||
        __builtin_add_overflow(from, t->bytes, &to) || to > g->source.size)
        return BAD(r, "%llu bytes at offset %llu of the data, which starts at byte %zu of a file of %zu (truncated?)",
                   (unsigned long long)t->bytes, (unsigned long long)t->offset, g->data_start, g->source.size);
    t->offset = from;
    t->data = g->source.data + from;
    return NCE_OK;
}

/* ---- the file ---- */

static nce_status read_header(reader *r, uint64_t *n_tensors, uint64_t *n_kv)
{
    nce_gguf *g = r->g;
    const uint8_t *p = NULL;
    r->name = nce_str_of("magic");
    nce_status status = take(r, 4, &p);
    if (status != NCE_OK) return status;
    if (memcmp(p, "GGUF", 4) != 0) return BAD(r, "the file does not start with \"GGUF\", it is not a GGUF file");
    r->name = nce_str_of("version");
    status = take_u32(r, &g->version);
    if (status != NCE_OK) return status;
    if (g->version == 2u << 24 || g->version == 3u << 24) return BAD(r, "big-endian files are not supported");
    if (g->version != 2 && g->version != 3) return BAD(r, "%u is not supported, must be 2 or 3", g->version);
    r->name = nce_str_of("counts");
    status = take_u64(r, n_tensors);
    if (status == NCE_OK) status = take_u64(r, n_kv);
    if (status != NCE_OK) return status;
    if (*n_kv > left(r) / NCE_GGUF_MIN_KV_BYTES)
        return BAD(r, "%llu metadata entries cannot fit in the %zu bytes left", (unsigned long long)*n_kv, left(r));
    if (*n_tensors > left(r) / NCE_GGUF_MIN_TENSOR_BYTES || *n_tensors > INT32_MAX)
        return BAD(r, "%llu tensors cannot fit in the %zu bytes left", (unsigned long long)*n_tensors, left(r));
    return NCE_OK;
}

static nce_status read_alignment(nce_gguf *g)
{
    static const char key[] = "general.alignment";
    g->alignment = NCE_GGUF_DEFAULT_ALIGNMENT;
    const nce_status status = nce_gguf_u32(g, key, NCE_GGUF_MIN_ALIGNMENT, NCE_GGUF_MAX_ALIGNMENT, &g->alignment);
    if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    if ((g->alignment & (g->alignment - 1)) == 0) return NCE_OK;
    return nce_gguf_bad(g, NCE_ERR_FORMAT, "key", nce_str_of(key), "%u is not a power of two", g->alignment);
}

nce_status nce_gguf_parse(nce_gguf *g, nce_str architecture)
{
    reader r = {.g = g, .kind = "header"};
    uint64_t n_tensors = 0, n_kv = 0;
    nce_status status = read_header(&r, &n_tensors, &n_kv);
    if (status == NCE_OK) status = read_metadata(&r, n_kv);
    if (status == NCE_OK) status = read_alignment(g);
    if (status != NCE_OK) return status;
    if (architecture.data == NULL) {
        status = nce_gguf_string(g, "general.architecture", &architecture);
        if (status != NCE_OK && status != NCE_ERR_NOTFOUND) return status;
    }
    status = read_tensors(&r, n_tensors, architecture);
    g->data_start = (r.at + g->alignment - 1) / g->alignment * g->alignment;
    for (size_t i = 0; status == NCE_OK && i < g->n_tensors; i++)
        status = place(&r, &g->tensors[i]);
    return status == NCE_OK ? nce_gguf_check_layout(g, architecture) : status;
}
