/* A GGUF file as text or JSON: see nce_gguf_describe in nce/model_tools.h. */
#include "nce/model_tools.h"
#include "src/core/gguf/file.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(sizeof(nce_describe_options) == 16, "ABI: grows only at the end");

enum { TEXT_ELEMENTS = 8, TEXT_STRING_BYTES = 60, BUFFER_BYTES = 4096 };

/* Output is collected and given on in pieces; after a refusal nothing more is. */
typedef struct printer {
    nce_write_fn *write;
    void *user;
    bool stopped;
    size_t used;
    char buffer[BUFFER_BYTES];
} printer;

static void flush(printer *p)
{
    if (p->used > 0 && !p->stopped) p->stopped = !p->write(p->user, p->buffer, p->used);
    p->used = 0;
}

static void put_bytes(printer *p, const char *text, size_t n)
{
    if (n > BUFFER_BYTES - p->used) flush(p);
    if (n > BUFFER_BYTES) {
        if (!p->stopped) p->stopped = !p->write(p->user, text, n);
        return;
    }
    memcpy(p->buffer + p->used, text, n);
    p->used += n;
}

__attribute__((format(printf, 2, 3))) static void put(printer *p, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_bytes(p, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

/* ---- values ---- */

/* Bytes of the UTF-8 character at text, 0 if there is none. */
static size_t utf8_size(const char *text, size_t n)
{
    const uint8_t *b = (const uint8_t *)text;
    const size_t size = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (size == 0 || size > n) return 0;
    for (size_t i = 1; i < size; i++)
        if ((b[i] & 0xc0) != 0x80) return 0;
    const bool overlong = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
    const bool no_character = (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf4 && b[1] > 0x8f);
    return overlong || no_character ? 0 : size;
}

/* A JSON string; at most `most` bytes of it, then "..." */
static void put_string(printer *p, nce_str s, size_t most)
{
    put_bytes(p, "\"", 1);
    for (size_t i = 0; i < s.size;) {
        const size_t size = utf8_size(s.data + i, s.size - i);
        const char c = s.data[i];
        if (i + size > most) {
            put(p, "...");
            break;
        }
        if (size == 0)
            put(p, "\xef\xbf\xbd"); /* U+FFFD */
        else if (c == '"' || c == '\\')
            put(p, "\\%c", c);
        else if (c == '\n')
            put(p, "\\n");
        else if ((uint8_t)c < 0x20 || c == 0x7f)
            put(p, "\\u%04x", (unsigned)c);
        else
            put_bytes(p, s.data + i, size);
        i += size > 0 ? size : 1;
    }
    put_bytes(p, "\"", 1);
}

/* The fewest digits that give the same number again. */
static void put_float(printer *p, double v, bool is_f32, bool json)
{
    char text[64];
    int n = 0;
    if (json && !isfinite(v)) {
        put(p, "null");
        return;
    }
    for (int digits = 6; digits <= (is_f32 ? 9 : 17); digits++) {
        n = snprintf(text, sizeof text, "%.*g", digits, v);
        const double again = strtod(text, NULL);
        if (is_f32 ? (float)again == (float)v : again == v) break;
    }
    for (int i = 0; i < n; i++) /* the program's locale may have another decimal point */
        if (text[i] == ',') text[i] = '.';
    put_bytes(p, text, (size_t)n);
}

/* One value; data is moved behind it. */
static void put_value(printer *p, nce_gguf_value_type type, const uint8_t **data, bool json)
{
    const nce_gguf_kv one = {.type = type, .data = *data};
    const int64_t integer = type == NCE_GGUF_STRING ? 0 : nce_gguf_element_i64(&one, 0);
    double wide;
    switch (type) {
    case NCE_GGUF_STRING:
        put_string(p, nce_gguf_next_string(data), json ? SIZE_MAX : TEXT_STRING_BYTES);
        return;
    case NCE_GGUF_F32:
        put_float(p, (double)nce_gguf_element_f32(&one, 0), true, json);
        break;
    case NCE_GGUF_F64:
        memcpy(&wide, *data, sizeof wide);
        put_float(p, wide, false, json);
        break;
    case NCE_GGUF_BOOL:
        put(p, integer != 0 ? "true" : "false");
        break;
    case NCE_GGUF_U64:
        put(p, "%" PRIu64, (uint64_t)integer);
        break;
    default:
        put(p, "%" PRId64, integer);
        break;
    }
    *data += nce_gguf_value_bytes(type);
}

static void put_values(printer *p, const nce_gguf_kv *kv, uint64_t most, bool json)
{
    const bool array = kv->type == NCE_GGUF_ARRAY;
    const uint8_t *data = kv->data;
    const uint64_t n = kv->count < most ? kv->count : most;
    if (array) put(p, "[");
    for (uint64_t i = 0; i < n && !p->stopped; i++) {
        if (i > 0) put(p, json ? "," : ", ");
        put_value(p, array ? kv->element_type : kv->type, &data, json);
    }
    if (array && n < kv->count && !json) put(p, "%s...", n > 0 ? ", " : "");
    if (array) put(p, "]");
}

/* ---- text ---- */

static uint64_t n_elements(const nce_gguf_tensor *t)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++)
        n *= t->ne[i];
    return n;
}

static uint64_t n_parameters(const nce_gguf *g)
{
    uint64_t n = 0;
    for (size_t i = 0; i < nce_gguf_n_tensors(g); i++)
        n += n_elements(nce_gguf_tensor_at(g, i));
    return n;
}

static void text_kv(printer *p, const nce_gguf_kv *kv, uint64_t most)
{
    char type[32];
    if (kv->type == NCE_GGUF_ARRAY)
        snprintf(type, sizeof type, "%s[%" PRIu64 "]", nce_gguf_value_name(kv->element_type), kv->count);
    else
        snprintf(type, sizeof type, "%s", nce_gguf_value_name(kv->type));
    put(p, "  ");
    put_bytes(p, kv->key.data, kv->key.size);
    put(p, "%*s %-14s ", kv->key.size < 44 ? 44 - (int)kv->key.size : 0, "", type);
    put_values(p, kv, most, false);
    put(p, "\n");
}

static void text_tensor(printer *p, const nce_gguf_tensor *t)
{
    char shape[96] = "";
    for (uint32_t i = 0; i < t->n_dims; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%" PRIu64, i > 0 ? " x " : "", t->ne[i]);
    put(p, "  %-44.*s %-8s %-24s %12" PRIu64 " bytes\n", (int)t->name.size, t->name.data, nce_type_name(t->type), shape,
        t->bytes);
}

static void put_text(printer *p, const nce_gguf *g, uint32_t max_elements)
{
    const uint64_t most = max_elements > 0 ? max_elements : TEXT_ELEMENTS;
    const char *name = nce_gguf_name(g);
    put_bytes(p, name, strlen(name));
    put(p, ": GGUF version %u, %" PRIu64 " bytes in %u file%s, %" PRIu64 " parameters\n", nce_gguf_version(g),
        nce_gguf_file_bytes(g), nce_gguf_n_splits(g), nce_gguf_n_splits(g) > 1 ? "s" : "", n_parameters(g));
    put(p, "metadata: %zu keys\n", nce_gguf_n_kv(g));
    for (size_t i = 0; i < nce_gguf_n_kv(g) && !p->stopped; i++)
        text_kv(p, nce_gguf_kv_at(g, i), most);
    put(p, "tensors: %zu\n", nce_gguf_n_tensors(g));
    for (size_t i = 0; i < nce_gguf_n_tensors(g) && !p->stopped; i++)
        text_tensor(p, nce_gguf_tensor_at(g, i));
}

/* ---- JSON ---- */

static void json_kv(printer *p, const nce_gguf_kv *kv, uint64_t most)
{
    put_string(p, kv->key, SIZE_MAX);
    put(p, ":{\"type\":\"%s\",", nce_gguf_value_name(kv->type));
    if (kv->type == NCE_GGUF_ARRAY)
        put(p, "\"element\":\"%s\",\"count\":%" PRIu64 ",", nce_gguf_value_name(kv->element_type), kv->count);
    put(p, "\"value\":");
    put_values(p, kv, most, true);
    put(p, "}");
}

static void json_tensor(printer *p, const nce_gguf_tensor *t)
{
    put(p, "{\"name\":");
    put_string(p, t->name, SIZE_MAX);
    put(p, ",\"type\":\"%s\",\"shape\":[", nce_type_name(t->type));
    for (uint32_t i = 0; i < t->n_dims; i++)
        put(p, "%s%" PRIu64, i > 0 ? "," : "", t->ne[i]);
    put(p, "],\"part\":%u,\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", t->split, t->offset, t->bytes);
}

static void put_json(printer *p, const nce_gguf *g, uint32_t max_elements)
{
    const uint64_t most = max_elements > 0 ? max_elements : UINT64_MAX;
    put(p, "{\"file\":");
    put_string(p, nce_str_of(nce_gguf_name(g)), SIZE_MAX);
    put(p, ",\"version\":%u,\"parts\":%u,\"bytes\":%" PRIu64 ",\"parameters\":%" PRIu64 ",\n\"metadata\":{",
        nce_gguf_version(g), nce_gguf_n_splits(g), nce_gguf_file_bytes(g), n_parameters(g));
    for (size_t i = 0; i < nce_gguf_n_kv(g) && !p->stopped; i++) {
        put(p, i > 0 ? ",\n" : "\n");
        json_kv(p, nce_gguf_kv_at(g, i), most);
    }
    put(p, "},\n\"tensors\":[");
    for (size_t i = 0; i < nce_gguf_n_tensors(g) && !p->stopped; i++) {
        put(p, i > 0 ? ",\n" : "\n");
        json_tensor(p, nce_gguf_tensor_at(g, i));
    }
    put(p, "]}\n");
}

nce_status nce_gguf_describe(nce_context *ctx, const char *path, const nce_describe_options *options,
                             nce_write_fn *write, void *user)
{
    nce_describe_options o = NCE_DESCRIBE_OPTIONS_INIT;
    nce_gguf *g;
    if (ctx == NULL) return NCE_ERR_INVALID;
    if (path == NULL || write == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "path or write is NULL");
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_describe_options");
    if (status == NCE_OK && o.json > 1) status = nce_fail(ctx, NCE_ERR_INVALID, "json is %u, must be 0 or 1", o.json);
    if (status == NCE_OK) status = nce_gguf_open(ctx, path, NULL, &g);
    if (status != NCE_OK) return status;
    printer p = {.write = write, .user = user};
    if (o.json)
        put_json(&p, g, o.max_elements);
    else
        put_text(&p, g, o.max_elements);
    flush(&p);
    nce_gguf_close(g);
    return p.stopped ? nce_fail(ctx, NCE_ERR_CANCELLED, "%s: writing the description was stopped", path) : NCE_OK;
}
