/* The bytes of a file, front to back: head, data, padding; and what an earlier run left of it.  See writer.h. */
#include "src/core/gguf/writer_state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static nce_status emit(nce_gguf_writer *w, const void *data, size_t bytes)
{
    if (w->path == NULL) return nce_writer_append(w, &w->out, data, bytes);
    const uint8_t *p = data;
    while (w->status == NCE_OK && bytes > 0) {
        const ssize_t n = write(w->fd, p, bytes < (1u << 30) ? bytes : 1u << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            char text[128];
            return NCE_WRITER_FAIL(w, NCE_ERR_IO, "%s: cannot write: %s", w->path,
                                   strerror_r(errno, text, sizeof text));
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

static void check_duplicates(nce_gguf_writer *w, const nce_writer_names *l, const char *kind)
{
    nce_index index = {0};
    int64_t duplicate;
    if (w->status != NCE_OK) return;
    w->status = nce_index_build(w->ctx, &index, l->names, l->n, listed_name, &duplicate);
    if (w->status == NCE_OK && duplicate != NCE_INDEX_NONE)
        NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: %s '%s' given twice", nce_writer_path(w), kind,
                        l->names[duplicate].data);
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
static bool continue_partial(nce_gguf_writer *w, const nce_writer_buffer *head)
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
static nce_status emit_head(nce_gguf_writer *w, const nce_writer_buffer *head)
{
    char text[128];
    if (w->status != NCE_OK || !w->resumable) return emit(w, head->data, head->size);
    if (continue_partial(w, head)) return NCE_OK;
    w->n_kept = w->current = 0;
    if (ftruncate(w->fd, 0) != 0 || lseek(w->fd, 0, SEEK_SET) != 0)
        return NCE_WRITER_FAIL(w, NCE_ERR_IO, "%s: cannot write: %s", w->temporary,
                               strerror_r(errno, text, sizeof text));
    return emit(w, head->data, head->size);
}

nce_status nce_gguf_writer_begin(nce_gguf_writer *w)
{
    static const uint8_t zeroes[NCE_GGUF_DEFAULT_ALIGNMENT] = {0};
    nce_writer_buffer head = {0};
    if (w->status == NCE_OK && w->begun)
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: begin called twice", nce_writer_path(w));
    check_duplicates(w, &w->keys, "key");
    check_duplicates(w, &w->tensors, "tensor");
    nce_writer_append(w, &head, "GGUF", 4);
    nce_writer_append_u32(w, &head, 3);
    nce_writer_append_u64(w, &head, w->tensors.n);
    nce_writer_append_u64(w, &head, w->keys.n);
    nce_writer_append(w, &head, w->kv.data, w->kv.size);
    nce_writer_append(w, &head, w->infos.data, w->infos.size);
    while (w->status == NCE_OK && w->tensors.n > 0 && head.size % w->alignment != 0) {
        const size_t missing = w->alignment - head.size % w->alignment;
        nce_writer_append(w, &head, zeroes, missing < sizeof zeroes ? missing : sizeof zeroes);
    }
    emit_head(w, &head);
    nce_free(w->ctx, head.data);
    w->begun = true;
    return w->status;
}

nce_status nce_gguf_write(nce_gguf_writer *w, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    if (w->status == NCE_OK && !w->begun)
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: data before begin", nce_writer_path(w));
    while (w->status == NCE_OK && bytes > 0) {
        if (w->current == w->tensors.n)
            return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: %zu bytes more than the tensors have", nce_writer_path(w),
                                   bytes);
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
        return NCE_WRITER_FAIL(w, NCE_ERR_INVALID, "%s: tensor '%s' has %llu of its %llu bytes", nce_writer_path(w),
                               w->tensors.names[w->current].data, (unsigned long long)w->written,
                               (unsigned long long)w->tensor_bytes[w->current]);
    if (w->path != NULL) {
        const int closed = close(w->fd);
        w->fd = -1;
        if (closed != 0 || rename(w->temporary, w->path) != 0) {
            char text[128];
            return NCE_WRITER_FAIL(w, NCE_ERR_IO, "%s: cannot complete: %s", w->path,
                                   strerror_r(errno, text, sizeof text));
        }
    }
    w->finished = true;
    return NCE_OK;
}

void nce_gguf_writer_take(nce_gguf_writer *w, void **data, size_t *size)
{
    *data = w->out.data;
    *size = w->out.size;
    w->out = (nce_writer_buffer){0};
}
