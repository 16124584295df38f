/* Mapping and reading of files: see source.h for what is guaranteed about which bytes. */
#include "src/core/gguf/source.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP = 256 * 1024, READ_MAX = 1 << 30 };

static nce_status io_error(const nce_source *s, const char *what, int error)
{
    char text[128] = "";
    const nce_status status = error == ENOENT || error == ENOTDIR ? NCE_ERR_NOTFOUND : NCE_ERR_IO;
    return nce_fail(s->ctx, status, "%s: cannot %s: %s", s->path, what, strerror_r(error, text, sizeof text));
}

/* A size of 0 would map nothing and a pipe or a device has none: only regular files are models. */
static nce_status open_file(nce_source *s)
{
    struct stat st;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO without a writer must not block us */
    if (s->fd < 0) return io_error(s, "open", errno);
    if (fstat(s->fd, &st) != 0) return io_error(s, "stat", errno);
    if (!S_ISREG(st.st_mode)) return nce_fail(s->ctx, NCE_ERR_IO, "%s: not a regular file", s->path);
    if (st.st_size == 0) return nce_fail(s->ctx, NCE_ERR_FORMAT, "%s: the file is empty", s->path);
    if ((uint64_t)st.st_size > SIZE_MAX / 2)
        return nce_fail(s->ctx, NCE_ERR_UNSUPPORTED, "%s: %lld bytes do not fit the address space", s->path,
                        (long long)st.st_size);
    s->size = (size_t)st.st_size;
    return NCE_OK;
}

nce_status nce_source_open(nce_context *ctx, const char *path, bool no_mmap, nce_source *s)
{
    *s = (nce_source){.ctx = ctx, .fd = -1};
    nce_status status;
    s->path = nce_strndup(ctx, path, strlen(path));
    if (s->path == NULL) return nce_fail_nomem(ctx, strlen(path));
    status = open_file(s);
    if (status != NCE_OK) goto fail;
    if (!no_mmap) {
        void *p = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, s->fd, 0);
        s->mapped = p != MAP_FAILED; /* some file systems cannot map: read instead */
        s->data = s->mapped ? p : NULL;
    }
    if (s->data == NULL) s->data = nce_alloc(ctx, s->size);
    if (s->data == NULL) {
        status = nce_fail(ctx, NCE_ERR_NOMEM, "%s: no memory for %zu bytes", path, s->size);
        goto fail;
    }
    return NCE_OK;
fail:
    nce_source_finish(s);
    return status;
}

nce_status nce_source_borrow(nce_context *ctx, const char *name, const void *data, size_t size, nce_source *s)
{
    *s = (nce_source){.ctx = ctx, .fd = -1, .data = (uint8_t *)(uintptr_t)data, .size = size, .ready = size};
    s->path = nce_strndup(ctx, name, strlen(name));
    return s->path != NULL ? NCE_OK : nce_fail_nomem(ctx, strlen(name));
}

void nce_source_finish(nce_source *s)
{
    if (s->ctx == NULL) return;
    const bool borrowed = s->fd < 0;
    if (s->mapped) munmap(s->data, s->size);
    if (!s->mapped && !borrowed) nce_free(s->ctx, s->data);
    if (!borrowed) close(s->fd);
    nce_free(s->ctx, s->path);
    *s = (nce_source){.fd = -1};
}

static nce_status read_range(nce_source *s, size_t from, size_t to)
{
    while (from < to) {
        const size_t want = to - from < READ_MAX ? to - from : READ_MAX;
        const ssize_t got = pread(s->fd, s->data + from, want, (off_t)from);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return io_error(s, "read", errno);
        if (got == 0)
            return nce_fail(s->ctx, NCE_ERR_IO, "%s: ends at byte %zu, had %zu bytes when opened", s->path, from,
                            s->size);
        from += (size_t)got;
    }
    return NCE_OK;
}

nce_status nce_source_need(nce_source *s, size_t end)
{
    if (end <= s->ready) return NCE_OK;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t step = s->size - s->ready < STEP ? s->size - s->ready : STEP;
    size_t to = end - s->ready < step ? s->ready + step : end;
    to = (to + page - 1) / page * page; /* so that ready is a page border or the end of the file */
    if (s->mapped) {
        void *p = mmap(s->data + s->ready, to - s->ready, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (p == MAP_FAILED) return nce_fail(s->ctx, NCE_ERR_NOMEM, "%s: no memory for the metadata", s->path);
    }
    if (to > s->size) to = s->size;
    const nce_status status = read_range(s, s->ready, to);
    if (status == NCE_OK) s->ready = to;
    return status;
}

nce_status nce_source_check_size(const nce_source *s)
{
    struct stat st;
    if (s->fd < 0) return NCE_OK;
    if (fstat(s->fd, &st) != 0) return io_error(s, "stat", errno);
    if ((uint64_t)st.st_size < s->size)
        return nce_fail(s->ctx, NCE_ERR_IO, "%s: shrank from %zu to %lld bytes while in use", s->path, s->size,
                        (long long)st.st_size);
    return NCE_OK;
}
