/* Values of the metadata: type names and sizes, typed reads with ranges, walking arrays. */
#include "src/core/gguf/file.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name;
    size_t bytes;
} value_types[] = {{"u8", 1},   {"i8", 1},     {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
                   {"bool", 1}, {"string", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8}};

enum { N_VALUE_TYPES = sizeof value_types / sizeof *value_types };

size_t nce_gguf_value_bytes(uint32_t type)
{
    return type < N_VALUE_TYPES ? value_types[type].bytes : 0;
}

const char *nce_gguf_value_name(uint32_t type)
{
    return type < N_VALUE_TYPES ? value_types[type].name : "unknown type";
}

bool nce_str_equal(nce_str a, const char *b)
{
    return strlen(b) == a.size && memcmp(a.data, b, a.size) == 0;
}

bool nce_gguf_name_ok(nce_str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] < 0x20 || name.data[i] > 0x7e) return false;
    return name.size > 0;
}

nce_status nce_gguf_bad(const nce_gguf *g, nce_status status, const char *kind, nce_str name, const char *format, ...)
{
    char text[256];
    const bool shown = nce_gguf_name_ok(name); /* a name that cannot be printed is not printed */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return nce_fail(g->ctx, status, "%s: %s '%.*s%s': %s", g->source.path, kind,
                    shown ? (int)(name.size < 80 ? name.size : 80) : 0, name.data,
                    shown ? (name.size > 80 ? "..." : "") : "?", text);
}

static int64_t load_integer(nce_gguf_value_type type, const uint8_t *p)
{
    int64_t v = 0;
    switch (type) {
    case NCE_GGUF_I8:
        return (int8_t)p[0];
    case NCE_GGUF_U8:
    case NCE_GGUF_BOOL:
        return p[0];
    case NCE_GGUF_U16:
        return (uint16_t)(p[0] | p[1] << 8);
    case NCE_GGUF_I16:
        return (int16_t)(p[0] | p[1] << 8);
    case NCE_GGUF_U32:
        return nce_load_u32(p);
    case NCE_GGUF_I32:
        return (int32_t)nce_load_u32(p);
    default:
        memcpy(&v, p, sizeof v);
        return v;
    }
}

static bool is_integer(nce_gguf_value_type type)
{
    return type <= NCE_GGUF_I32 || type == NCE_GGUF_U64 || type == NCE_GGUF_I64;
}

int64_t nce_gguf_element_i64(const nce_gguf_kv *kv, uint64_t i)
{
    const nce_gguf_value_type type = kv->type == NCE_GGUF_ARRAY ? kv->element_type : kv->type;
    return load_integer(type, kv->data + i * nce_gguf_value_bytes(type));
}

static double load_float(nce_gguf_value_type type, const uint8_t *p)
{
    if (type == NCE_GGUF_F64) {
        double d;
        memcpy(&d, p, sizeof d);
        return d;
    }
    float f;
    memcpy(&f, p, sizeof f);
    return f;
}

float nce_gguf_element_f32(const nce_gguf_kv *kv, uint64_t i)
{
    const nce_gguf_value_type type = kv->type == NCE_GGUF_ARRAY ? kv->element_type : kv->type;
    return (float)load_float(type, kv->data + i * nce_gguf_value_bytes(type));
}

nce_str nce_gguf_next_string(const uint8_t **cursor)
{
    const nce_str s = {(const char *)*cursor + 8, (size_t)nce_load_u64(*cursor)};
    *cursor += 8 + s.size;
    return s;
}

static nce_status wrong_type(const nce_gguf *g, const nce_gguf_kv *kv, const char *wanted)
{
    const bool array = kv->type == NCE_GGUF_ARRAY;
    return nce_gguf_bad(g, NCE_ERR_FORMAT, "key", kv->key, "has type %s%s, must be %s", array ? "array of " : "",
                        nce_gguf_value_name(array ? kv->element_type : kv->type), wanted);
}

nce_status nce_gguf_u64(const nce_gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t *value)
{
    const nce_gguf_kv *kv = nce_gguf_find(g, key);
    if (kv == NULL) return NCE_ERR_NOTFOUND;
    if (!is_integer(kv->type)) return wrong_type(g, kv, "an integer");
    const int64_t v = load_integer(kv->type, kv->data);
    if (v < 0 && kv->type != NCE_GGUF_U64)
        return nce_gguf_bad(g, NCE_ERR_FORMAT, "key", kv->key, "%lld is outside %llu..%llu", (long long)v,
                            (unsigned long long)min, (unsigned long long)max);
    if ((uint64_t)v < min || (uint64_t)v > max)
        return nce_gguf_bad(g, NCE_ERR_FORMAT, "key", kv->key, "%llu is outside %llu..%llu", (unsigned long long)v,
                            (unsigned long long)min, (unsigned long long)max);
    *value = (uint64_t)v;
    return NCE_OK;
}

nce_status nce_gguf_u32(const nce_gguf *g, const char *key, uint32_t min, uint32_t max, uint32_t *value)
{
    uint64_t wide;
    const nce_status status = nce_gguf_u64(g, key, min, max, &wide);
    if (status == NCE_OK) *value = (uint32_t)wide;
    return status;
}

nce_status nce_gguf_f32(const nce_gguf *g, const char *key, float min, float max, float *value)
{
    const nce_gguf_kv *kv = nce_gguf_find(g, key);
    if (kv == NULL) return NCE_ERR_NOTFOUND;
    if (kv->type != NCE_GGUF_F32 && kv->type != NCE_GGUF_F64) return wrong_type(g, kv, "f32 or f64");
    const double v = load_float(kv->type, kv->data);
    if (!isfinite(v) || v < (double)min || v > (double)max)
        return nce_gguf_bad(g, NCE_ERR_FORMAT, "key", kv->key, "%g is outside %g..%g", v, (double)min, (double)max);
    *value = (float)v;
    return NCE_OK;
}

nce_status nce_gguf_bool(const nce_gguf *g, const char *key, bool *value)
{
    const nce_gguf_kv *kv = nce_gguf_find(g, key);
    if (kv == NULL) return NCE_ERR_NOTFOUND;
    if (kv->type != NCE_GGUF_BOOL) return wrong_type(g, kv, "bool");
    *value = kv->data[0] != 0;
    return NCE_OK;
}

nce_status nce_gguf_string(const nce_gguf *g, const char *key, nce_str *value)
{
    const nce_gguf_kv *kv = nce_gguf_find(g, key);
    if (kv == NULL) return NCE_ERR_NOTFOUND;
    if (kv->type != NCE_GGUF_STRING) return wrong_type(g, kv, "string");
    const uint8_t *cursor = kv->data;
    *value = nce_gguf_next_string(&cursor);
    return NCE_OK;
}

nce_status nce_gguf_array(const nce_gguf *g, const char *key, nce_gguf_value_type element, const nce_gguf_kv **kv)
{
    *kv = NULL;
    const nce_gguf_kv *found = nce_gguf_find(g, key);
    if (found == NULL) return NCE_ERR_NOTFOUND;
    if (found->type != NCE_GGUF_ARRAY || found->element_type != element) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "array of %s", nce_gguf_value_name(element));
        return wrong_type(g, found, wanted);
    }
    *kv = found;
    return NCE_OK;
}
