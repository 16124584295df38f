/* The head of a file, collected in memory: keys, values and declarations of tensors.  See writer.h. */
#include "src/core/gguf/writer_state.h"
#include "src/kernels/types/type.h"
#include <string.h>

nce_status nce_writer_append(nce_gguf_writer *w, nce_writer_buffer *b, const void *data, size_t bytes)
{
    size_t needed;
    if (w->status != NCE_OK) return w->status;
    if (__builtin_add_overflow(b->size, bytes, &needed)) return w->status = nce_fail_nomem(w->ctx, SIZE_MAX);
    w->status = nce_grow(w->ctx, (void **)&b->data, &b->capacity, needed, 1);
    if (w->status != NCE_OK) return w->status;
    if (bytes > 0) memcpy(b->data + b->size, data, bytes);
    b->size = needed;
    return NCE_OK;
}

nce_status nce_writer_append_u32(nce_gguf_writer *w, nce_writer_buffer *b, uint32_t v)
{
    return nce_writer_append(w, b, &v, sizeof v);
}

nce_status nce_writer_append_u64(nce_gguf_writer *w, nce_writer_buffer *b, uint64_t v)
{
    return nce_writer_append(w, b, &v, sizeof v);
}

nce_status nce_writer_append_string(nce_gguf_writer *w, nce_writer_buffer *b, nce_str s)
{
    nce_writer_append_u64(w, b, s.size);
    return nce_writer_append(w, b, s.data, s.size);
}

static nce_status add_name(nce_gguf_writer *w, nce_writer_names *l, const char *kind, nce_str name, size_t max)
{
    if (w->status != NCE_OK) return w->status;
    if (w->begun)
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: %s after the head was written", nce_writer_path(w), kind);
    if (name.size > max || !nce_gguf_name_ok(name))
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID,
                               "%s: %s name of %zu bytes: must be 1..%zu printable ASCII characters",
                               nce_writer_path(w), kind, name.size, max);
    w->status = nce_grow(w->ctx, (void **)&l->names, &l->capacity, l->n + 1, sizeof *l->names);
    if (w->status != NCE_OK) return w->status;
    const char *copy = nce_strndup(w->ctx, name.data, name.size);
    if (copy == NULL) return w->status = nce_fail_nomem(w->ctx, name.size);
    l->names[l->n++] = (nce_str){copy, name.size};
    return NCE_OK;
}

static void begin_kv(nce_gguf_writer *w, nce_str key, nce_gguf_value_type type)
{
    if (add_name(w, &w->keys, "key", key, NCE_GGUF_MAX_KEY) != NCE_OK) return;
    nce_writer_append_string(w, &w->kv, key);
    nce_writer_append_u32(w, &w->kv, type);
}

static void begin_array(nce_gguf_writer *w, nce_str key, nce_gguf_value_type element, uint64_t count)
{
    begin_kv(w, key, NCE_GGUF_ARRAY);
    nce_writer_append_u32(w, &w->kv, element);
    nce_writer_append_u64(w, &w->kv, count);
}

nce_status nce_gguf_put_value(nce_gguf_writer *w, const char *key, nce_gguf_value_type type, const void *data)
{
    const size_t bytes = nce_gguf_value_bytes(type);
    if (w->status == NCE_OK && bytes == 0)
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: key '%s': type %d has no fixed size", nce_writer_path(w), key,
                               (int)type);
    begin_kv(w, nce_str_of(key), type);
    return nce_writer_append(w, &w->kv, data, bytes);
}

nce_status nce_gguf_put_array(nce_gguf_writer *w, const char *key, nce_gguf_value_type element, const void *data,
                              uint64_t count)
{
    size_t bytes = nce_gguf_value_bytes(element);
    if (w->status == NCE_OK && (bytes == 0 || __builtin_mul_overflow(bytes, count, &bytes)))
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: key '%s': %llu values of type %d have no size",
                               nce_writer_path(w), key, (unsigned long long)count, (int)element);
    begin_array(w, nce_str_of(key), element, count);
    return nce_writer_append(w, &w->kv, data, bytes);
}

nce_status nce_gguf_put_string(nce_gguf_writer *w, const char *key, nce_str value)
{
    begin_kv(w, nce_str_of(key), NCE_GGUF_STRING);
    return nce_writer_append_string(w, &w->kv, value);
}

nce_status nce_gguf_put_strings(nce_gguf_writer *w, const char *key, const nce_str *values, uint64_t count)
{
    begin_array(w, nce_str_of(key), NCE_GGUF_STRING, count);
    for (uint64_t i = 0; w->status == NCE_OK && i < count; i++)
        nce_writer_append_string(w, &w->kv, values[i]);
    return w->status;
}

nce_status nce_gguf_put_kv(nce_gguf_writer *w, const nce_gguf_kv *kv)
{
    if (kv->type == NCE_GGUF_ARRAY)
        begin_array(w, kv->key, kv->element_type, kv->count);
    else
        begin_kv(w, kv->key, kv->type);
    return nce_writer_append(w, &w->kv, kv->data, kv->bytes);
}

nce_status nce_gguf_put_u32(nce_gguf_writer *w, const char *key, uint32_t value)
{
    return nce_gguf_put_value(w, key, NCE_GGUF_U32, &value);
}

nce_status nce_gguf_put_u64(nce_gguf_writer *w, const char *key, uint64_t value)
{
    return nce_gguf_put_value(w, key, NCE_GGUF_U64, &value);
}

nce_status nce_gguf_put_i32(nce_gguf_writer *w, const char *key, int32_t value)
{
    return nce_gguf_put_value(w, key, NCE_GGUF_I32, &value);
}

nce_status nce_gguf_put_f32(nce_gguf_writer *w, const char *key, float value)
{
    return nce_gguf_put_value(w, key, NCE_GGUF_F32, &value);
}

nce_status nce_gguf_put_bool(nce_gguf_writer *w, const char *key, bool value)
{
    const uint8_t byte = value;
    return nce_gguf_put_value(w, key, NCE_GGUF_BOOL, &byte);
}

nce_status nce_gguf_put_text(nce_gguf_writer *w, const char *key, const char *text)
{
    return nce_gguf_put_string(w, key, nce_str_of(text));
}

nce_status nce_gguf_put_tensor(nce_gguf_writer *w, nce_str name, nce_type type, uint32_t n_dims, const uint64_t *ne)
{
    if (add_name(w, &w->tensors, "tensor", name, NCE_GGUF_MAX_TENSOR_NAME) != NCE_OK) return w->status;
    const nce_type_info *info = nce_type_info_of(type);
    uint64_t bytes = n_dims >= 1 && n_dims <= NCE_GGUF_MAX_DIMS ? nce_type_row_bytes(type, ne[0]) : 0, padded;
    bool wrong = info == NULL || bytes == 0;
    for (uint32_t i = 1; i < n_dims && !wrong; i++)
        wrong = ne[i] == 0 || __builtin_mul_overflow(bytes, ne[i], &bytes);
    if (wrong || __builtin_add_overflow(bytes, (uint64_t)info->trailer_bytes, &bytes) ||
        __builtin_add_overflow(bytes, w->alignment - 1, &padded) ||
        __builtin_add_overflow(w->data_size, padded, &padded))
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID,
                               "%s: tensor '%.*s': %u dimensions, rows of %llu, type %d: impossible",
                               nce_writer_path(w), (int)name.size, name.data, n_dims,
                               n_dims > 0 ? (unsigned long long)ne[0] : 0ULL, (int)type);
    const size_t n = w->tensors.n;
    w->status = nce_grow(w->ctx, (void **)&w->tensor_bytes, &w->tensor_bytes_capacity, n, sizeof *w->tensor_bytes);
    if (w->status != NCE_OK) return w->status;
    w->tensor_bytes[n - 1] = bytes;
    nce_writer_append_string(w, &w->infos, name);
    nce_writer_append_u32(w, &w->infos, n_dims);
    nce_writer_append(w, &w->infos, ne, n_dims * sizeof *ne);
    nce_writer_append_u32(w, &w->infos, type);
    nce_writer_append_u64(w, &w->infos, w->data_size);
    w->data_size = padded / w->alignment * w->alignment;
    return w->status;
}
