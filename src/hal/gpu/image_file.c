/* A kernel image from a file. */
#include "src/hal/gpu/image_file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20 };

static nce_status bad_file(nce_context *ctx, FILE *f, const char *path, const char *why)
{
    if (f != NULL) fclose(f);
    return nce_fail(ctx, NCE_ERR_IO, "%s: %s", path, why);
}

nce_status nce_gpu_image_read(nce_context *ctx, const char *path, char **out, size_t *bytes)
{
    FILE *f = fopen(path, "rbe");
    long size = -1;
    *out = NULL;
    if (f == NULL) return bad_file(ctx, NULL, path, strerror(errno));
    if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0 || size > MOST_BYTES)
        return bad_file(ctx, f, path, "no file of kernels, or over 256 MiB");
    char *data = nce_alloc(ctx, (size_t)size + 1);
    if (data == NULL) {
        fclose(f);
        return nce_fail_nomem(ctx, (size_t)size + 1);
    }
    const size_t got = fread(data, 1, (size_t)size, f);
    if (got != (size_t)size) {
        nce_free(ctx, data);
        return bad_file(ctx, f, path, "could not be read");
    }
    fclose(f);
    data[size] = '\0';
    if (bytes != NULL) *bytes = (size_t)size;
    *out = data;
    return NCE_OK;
}
