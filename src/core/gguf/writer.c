/* Creating and removing writers and their temporary files.  See writer.h. */
#include "src/core/gguf/writer_state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void free_names(nce_context *ctx, nce_writer_names *l)
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
