/* The writer: the head is collected in memory, the data goes straight to the file.  See writer.h. */
#include "src/core/gguf/writer.h"
#include "src/core/gguf/file.h"
#include "src/kernels/types/type.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct buffer {
    uint8_t *data;
    size_t size, capacity;
} buffer;

typedef struct name_list { /* copies, for the search for duplicates */
    nce_str *names;
    size_t n, capacity;
} name_list;

struct nce_gguf_writer {
    nce_context *ctx;
    char *path, *temporary; /* NULL: to memory */
    int fd;
    uint32_t alignment;
    nce_status status; /* the first failure */
    bool begun, finished;
    buffer kv, infos, out; /* out: the whole file, when it goes to memory */
    name_list keys, tensors;
    uint64_t *tensor_bytes;
    size_t tensor_bytes_capacity, current; /* tensor being written */
    uint64_t written;                      /* of the current one */
    uint64_t data_size;                    /* declared so far, padded */
    bool resumable;                        /* the temporary file outlives an unfinished writer */
    size_t n_kept;                         /* tensors found in it */
};

#define FAIL(w, status_, ...) ((w)->status = nce_fail((w)->ctx, status_, __VA_ARGS__))

static const char *path_of(const nce_gguf_writer *w)
{
    return w->path != NULL ? w->path : "memory";
}

static nce_status append(nce_gguf_writer *w, buffer *b, const void *data, size_t bytes)
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

static nce_status append_u32(nce_gguf_writer *w, buffer *b, uint32_t v)
{
    return append(w, b, &v, sizeof v);
}

static nce_status append_u64(nce_gguf_writer *w, buffer *b, uint64_t v)
{
    return append(w, b, &v, sizeof v);
}

static nce_status append_string(nce_gguf_writer *w, buffer *b, nce_str s)
{
    append_u64(w, b, s.size);
    return append(w, b, s.data, s.size);
}

/* ---- create, destroy ---- */

/* mkstemp would give a private file and only umask(), which is the whole process's, tells the mode to correct it to. */
static nce_status open_temporary(nce_gguf_writer *w, const char *path)
{
    enum { TAIL = 24, ATTEMPTS = 100 };
    char text[128];
    const size_t size = strlen(path);
    w->path = nce_strndup(w->ctx, path, size);
    w->temporary = nce_alloc(w->ctx, size + TAIL);
    if (w->path == NULL || w->temporary == NULL) return nce_fail_nomem(w->ctx, size);
    for (unsigned attempt = 0; w->fd < 0 && attempt < ATTEMPTS; attempt++) {
        snprintf(w->temporary, size + TAIL, "%s.%ld-%u.tmp", path, (long)getpid(), attempt);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd < 0 && errno != EEXIST) break;
    }
    if (w->fd >= 0) return NCE_OK;
    const int error = errno;
    nce_free(w->ctx, w->temporary); /* not ours to remove */
    w->temporary = NULL;
    return nce_fail(w->ctx, NCE_ERR_IO, "%s: cannot create: %s", path, strerror_r(error, text, sizeof text));
}

/* The lock lasts as long as the descriptor.  A file that lost its name before we got the lock was just completed. */
static nce_status open_partial(nce_gguf_writer *w, const char *path, const char *job)
{
    static const char form[] = "%s.%s.partial";
    const size_t size = strlen(path) + strlen(job) + sizeof form;
    char text[128];
    struct stat info;
    w->resumable = true;
    w->path = nce_strndup(w->ctx, path, strlen(path));
    w->temporary = nce_alloc(w->ctx, size);
    if (w->path == NULL || w->temporary == NULL) return nce_fail_nomem(w->ctx, size);
    snprintf(w->temporary, size, form, path, job);
    w->fd = open(w->temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (w->fd < 0)
        return nce_fail(w->ctx, NCE_ERR_IO, "%s: cannot create: %s", path, strerror_r(errno, text, sizeof text));
    if (flock(w->fd, LOCK_EX | LOCK_NB) != 0 || fstat(w->fd, &info) != 0 || info.st_nlink == 0)
        return nce_fail(w->ctx, NCE_ERR_BUSY, "%s: another process is writing it", w->temporary);
    return NCE_OK;
}

nce_status nce_gguf_writer_create_resumable(nce_context *ctx, const char *path, const char *job, nce_gguf_writer **out)
{
    *out = NULL;
    nce_gguf_writer *w = nce_alloc_zero(ctx, sizeof *w);
    if (w == NULL) return nce_fail_nomem(ctx, sizeof *w);
    w->ctx = ctx;
    w->fd = -1;
    w->alignment = NCE_GGUF_DEFAULT_ALIGNMENT;
    const nce_status status = open_partial(w, path, job);
    if (status == NCE_OK)
        *out = w;
    else
        nce_gguf_writer_destroy(w);
    return status;
}

size_t nce_gguf_writer_kept(const nce_gguf_writer *w)
{
    return w->n_kept;
}

void nce_gguf_writer_discard(nce_gguf_writer *w)
{
    w->resumable = false;
}

nce_status nce_gguf_writer_create(nce_context *ctx, const char *path, uint32_t alignment, nce_gguf_writer **out)
{
    *out = NULL;
    if (alignment == 0) alignment = NCE_GGUF_DEFAULT_ALIGNMENT;
    if (alignment < NCE_GGUF_MIN_ALIGNMENT || alignment > NCE_GGUF_MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return nce_fail(ctx, NCE_ERR_INVALID, "alignment %u: must be a power of two from %d to %d", alignment,
                        NCE_GGUF_MIN_ALIGNMENT, NCE_GGUF_MAX_ALIGNMENT);
    nce_gguf_writer *w = nce_alloc_zero(ctx, sizeof *w);
    if (w == NULL) return nce_fail_nomem(ctx, sizeof *w);
    w->ctx = ctx;
    w->fd = -1;
    w->alignment = alignment;
    nce_status status = path != NULL ? open_temporary(w, path) : NCE_OK;
    if (status == NCE_OK && alignment != NCE_GGUF_DEFAULT_ALIGNMENT)
        status = nce_gguf_put_u32(w, "general.alignment", alignment);
    if (status == NCE_OK) {
        *out = w;
        return NCE_OK;
    }
    nce_gguf_writer_destroy(w);
    return status;
}

static void free_names(nce_context *ctx, name_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        nce_free(ctx, (void *)(uintptr_t)l->names[i].data);
    nce_free(ctx, l->names);
}

void nce_gguf_writer_destroy(nce_gguf_writer *w)
{
    if (w == NULL) return;
    nce_context *ctx = w->ctx;
    if (w->fd >= 0) close(w->fd);
    if (w->temporary != NULL && !w->finished && !w->resumable) unlink(w->temporary);
    free_names(ctx, &w->keys);
    free_names(ctx, &w->tensors);
    nce_free(ctx, w->kv.data);
    nce_free(ctx, w->infos.data);
    nce_free(ctx, w->out.data);
    nce_free(ctx, w->tensor_bytes);
    nce_free(ctx, w->path);
    nce_free(ctx, w->temporary);
    nce_free(ctx, w);
}

/* ---- metadata ---- */

static nce_status add_name(nce_gguf_writer *w, name_list *l, const char *kind, nce_str name, size_t max)
{
    if (w->status != NCE_OK) return w->status;
    if (w->begun) return FAIL(w, NCE_ERR_INVALID, "%s: %s after the head was written", path_of(w), kind);
    if (name.size > max || !nce_gguf_name_ok(name))
        return FAIL(w, NCE_ERR_INVALID, "%s: %s name of %zu bytes: must be 1..%zu printable ASCII characters",
                    path_of(w), kind, name.size, max);
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
    append_string(w, &w->kv, key);
    append_u32(w, &w->kv, type);
}

static void begin_array(nce_gguf_writer *w, nce_str key, nce_gguf_value_type element, uint64_t count)
{
    begin_kv(w, key, NCE_GGUF_ARRAY);
    append_u32(w, &w->kv, element);
    append_u64(w, &w->kv, count);
}

nce_status nce_gguf_put_value(nce_gguf_writer *w, const char *key, nce_gguf_value_type type, const void *data)
{
    const size_t bytes = nce_gguf_value_bytes(type);
    if (w->status == NCE_OK && bytes == 0)
        return FAIL(w, NCE_ERR_INVALID, "%s: key '%s': type %d has no fixed size", path_of(w), key, (int)type);
    begin_kv(w, nce_str_of(key), type);
    return append(w, &w->kv, data, bytes);
}

nce_status nce_gguf_put_array(nce_gguf_writer *w, const char *key, nce_gguf_value_type element, const void *data,
                              uint64_t count)
{
    size_t bytes = nce_gguf_value_bytes(element);
    if (w->status == NCE_OK && (bytes == 0 || __builtin_mul_overflow(bytes, count, &bytes)))
        return FAIL(w, NCE_ERR_INVALID, "%s: key '%s': %llu values of type %d have no size", path_of(w), key,
                    (unsigned long long)count, (int)element);
    begin_array(w, nce_str_of(key), element, count);
    return append(w, &w->kv, data, bytes);
}

nce_status nce_gguf_put_string(nce_gguf_writer *w, const char *key, nce_str value)
{
    begin_kv(w, nce_str_of(key), NCE_GGUF_STRING);
    return append_string(w, &w->kv, value);
}

nce_status nce_gguf_put_strings(nce_gguf_writer *w, const char *key, const nce_str *values, uint64_t count)
{
    begin_array(w, nce_str_of(key), NCE_GGUF_STRING, count);
    for (uint64_t i = 0; w->status == NCE_OK && i < count; i++)
        append_string(w, &w->kv, values[i]);
    return w->status;
}

nce_status nce_gguf_put_kv(nce_gguf_writer *w, const nce_gguf_kv *kv)
{
    if (kv->type == NCE_GGUF_ARRAY)
        begin_array(w, kv->key, kv->element_type, kv->count);
    else
        begin_kv(w, kv->key, kv->type);
    return append(w, &w->kv, kv->data, kv->bytes);
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

/* ---- tensors ---- */

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
        return FAIL(w, NCE_ERR_INVALID, "%s: tensor '%.*s': %u dimensions, rows of %llu, type %d: impossible",
                    path_of(w), (int)name.size, name.data, n_dims, n_dims > 0 ? (unsigned long long)ne[0] : 0ULL,
                    (int)type);
    const size_t n = w->tensors.n;
    w->status = nce_grow(w->ctx, (void **)&w->tensor_bytes, &w->tensor_bytes_capacity, n, sizeof *w->tensor_bytes);
    if (w->status != NCE_OK) return w->status;
    w->tensor_bytes[n - 1] = bytes;
    append_string(w, &w->infos, name);
    append_u32(w, &w->infos, n_dims);
    append(w, &w->infos, ne, n_dims * sizeof *ne);
    append_u32(w, &w->infos, type);
    append_u64(w, &w->infos, w->data_size);
    w->data_size = padded / w->alignment * w->alignment;
    return w->status;
}

/* ---- output ---- */

static nce_status emit(nce_gguf_writer *w, const void *data, size_t bytes)
{
    if (w->path == NULL) return append(w, &w->out, data, bytes);
    const uint8_t *p = data;
    while (w->status == NCE_OK && bytes > 0) {
        const ssize_t n = write(w->fd, p, bytes < (1u << 30) ? bytes : 1u << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            char text[128];
            return FAIL(w, NCE_ERR_IO, "%s: cannot write: %s", w->path, strerror_r(errno, text, sizeof text));
        }
        p += n;
        bytes -= (size_t)n;
    }
    return w->status;
}

static nce_status emit_padding(nce_gguf_writer *w, uint64_t size)
{
    static const uint8_t zeroes[4096] = {0};
    uint64_t missing = (w->alignment - size % w->alignment) % w->alignment;
    for (; w->status == NCE_OK && missing > 0; missing -= missing < sizeof zeroes ? missing : sizeof zeroes)
        emit(w, zeroes, missing < sizeof zeroes ? (size_t)missing : sizeof zeroes);
    return w->status;
}

static const nce_str *listed_name(const void *items, size_t i)
{
    return &((const nce_str *)items)[i];
}

static void check_duplicates(nce_gguf_writer *w, const name_list *l, const char *kind)
{
    nce_index index = {0};
    int64_t duplicate;
    if (w->status != NCE_OK) return;
    w->status = nce_index_build(w->ctx, &index, l->names, l->n, listed_name, &duplicate);
    if (w->status == NCE_OK && duplicate != NCE_INDEX_NONE)
        FAIL(w, NCE_ERR_INVALID, "%s: %s '%s' given twice", path_of(w), kind, l->names[duplicate].data);
    nce_index_finish(w->ctx, &index);
}

/* Does the file begin with these bytes? */
static bool begins_with(int fd, const uint8_t *bytes, size_t n)
{
    uint8_t there[4096];
    for (size_t done = 0; done < n;) {
        const ssize_t got = pread(fd, there, n - done < sizeof there ? n - done : sizeof there, (off_t)done);
        if (got <= 0 || memcmp(there, bytes + done, (size_t)got) != 0) return false;
        done += (size_t)got;
    }
    return true;
}

/* Cut a partial file after its last whole tensor, padding included; false if there is nothing to continue. */
static bool continue_partial(nce_gguf_writer *w, const buffer *head)
{
    struct stat info;
    uint64_t end = head->size;
    if (fstat(w->fd, &info) != 0 || !begins_with(w->fd, head->data, head->size)) return false;
    for (; w->current < w->tensors.n; w->current++) {
        const uint64_t next = end + (w->tensor_bytes[w->current] + w->alignment - 1) / w->alignment * w->alignment;
        if (next > (uint64_t)info.st_size) break;
        end = next;
    }
    w->n_kept = w->current;
    return ftruncate(w->fd, (off_t)end) == 0 && lseek(w->fd, (off_t)end, SEEK_SET) == (off_t)end;
}

/* The head, padded, at the start of the file; or nothing to do, if the file continues another's work. */
static nce_status emit_head(nce_gguf_writer *w, const buffer *head)
{
    char text[128];
    if (w->status != NCE_OK || !w->resumable) return emit(w, head->data, head->size);
    if (continue_partial(w, head)) return NCE_OK;
    w->n_kept = w->current = 0;
    if (ftruncate(w->fd, 0) != 0 || lseek(w->fd, 0, SEEK_SET) != 0)
        return FAIL(w, NCE_ERR_IO, "%s: cannot write: %s", w->temporary, strerror_r(errno, text, sizeof text));
    return emit(w, head->data, head->size);
}

nce_status nce_gguf_writer_begin(nce_gguf_writer *w)
{
    static const uint8_t zeroes[NCE_GGUF_DEFAULT_ALIGNMENT] = {0};
    buffer head = {0};
    if (w->status == NCE_OK && w->begun) return FAIL(w, NCE_ERR_INVALID, "%s: begin called twice", path_of(w));
    check_duplicates(w, &w->keys, "key");
    check_duplicates(w, &w->tensors, "tensor");
    append(w, &head, "GGUF", 4);
    append_u32(w, &head, 3);
    append_u64(w, &head, w->tensors.n);
    append_u64(w, &head, w->keys.n);
    append(w, &head, w->kv.data, w->kv.size);
    append(w, &head, w->infos.data, w->infos.size);
    while (w->status == NCE_OK && w->tensors.n > 0 && head.size % w->alignment != 0) {
        const size_t missing = w->alignment - head.size % w->alignment;
        append(w, &head, zeroes, missing < sizeof zeroes ? missing : sizeof zeroes);
    }
    emit_head(w, &head);
    nce_free(w->ctx, head.data);
    w->begun = true;
    return w->status;
}

nce_status nce_gguf_write(nce_gguf_writer *w, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    if (w->status == NCE_OK && !w->begun) return FAIL(w, NCE_ERR_INVALID, "%s: data before begin", path_of(w));
    while (w->status == NCE_OK && bytes > 0) {
        if (w->current == w->tensors.n)
            return FAIL(w, NCE_ERR_INVALID, "%s: %zu bytes more than the tensors have", path_of(w), bytes);
        const uint64_t missing = w->tensor_bytes[w->current] - w->written;
        const size_t part = bytes < missing ? bytes : (size_t)missing;
        emit(w, p, part);
        p += part;
        bytes -= part;
        w->written += part;
        if (part < missing) continue;
        emit_padding(w, w->written);
        w->current++;
        w->written = 0;
    }
    return w->status;
}

nce_status nce_gguf_writer_finish(nce_gguf_writer *w)
{
    if (w->status == NCE_OK && !w->begun) nce_gguf_writer_begin(w);
    if (w->status != NCE_OK) return w->status;
    if (w->current != w->tensors.n)
        return FAIL(w, NCE_ERR_INVALID, "%s: tensor '%s' has %llu of its %llu bytes", path_of(w),
                    w->tensors.names[w->current].data, (unsigned long long)w->written,
                    (unsigned long long)w->tensor_bytes[w->current]);
    if (w->path != NULL) {
        const int closed = close(w->fd);
        w->fd = -1;
        if (closed != 0 || rename(w->temporary, w->path) != 0) {
            char text[128];
            return FAIL(w, NCE_ERR_IO, "%s: cannot complete: %s", w->path, strerror_r(errno, text, sizeof text));
        }
    }
    w->finished = true;
    return NCE_OK;
}

void nce_gguf_writer_take(nce_gguf_writer *w, void **data, size_t *size)
{
    *data = w->out.data;
    *size = w->out.size;
    w->out = (buffer){0};
}
