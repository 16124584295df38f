/* Models by name.  A path always wins: only a name without '/' for which there is no file is looked up, so no program that
 * opens files changes its meaning when models are installed.  A name of other characters than letters, digits, '.', '_'
 * and '-', or one that ends in ".gguf", is never looked up; it cannot leave the folders. */
#include "src/core/gguf/locate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
enum { MAX_NAME = 128 };

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool nce_model_is_name(const char *name)
{
    const size_t n = strlen(name), n_end = sizeof ".gguf" - 1;
    if (n > n_end && strcmp(name + n - n_end, ".gguf") == 0) return false;
    return n > 0 && n <= MAX_NAME && name[0] != '.' && strspn(name, name_characters) == n && !is_file(name);
}

/* FOLDER/NAME.gguf if it exists, else NULL with *status NCE_OK or NCE_ERR_NOMEM. */
static char *try_folder(nce_context *ctx, const char *folder, size_t n, const char *name, nce_status *status)
{
    const size_t size = n + strlen(name) + sizeof "/.gguf";
    char *path = nce_alloc(ctx, size);
    if (path == NULL) {
        *status = nce_fail_nomem(ctx, size);
        return NULL;
    }
    snprintf(path, size, "%.*s/%s.gguf", (int)n, folder, name);
    if (is_file(path)) return path;
    nce_free(ctx, path);
    return NULL;
}

static char *try_folders(nce_context *ctx, const char *folders, const char *name, nce_status *status)
{
    for (const char *at = folders; *status == NCE_OK && *at != '\0';) {
        const size_t n = strcspn(at, ":");
        char *path = n > 0 && n < 4096 ? try_folder(ctx, at, n, name, status) : NULL;
        if (path != NULL) return path;
        at += n + (at[n] == ':');
    }
    return NULL;
}

nce_status nce_model_locate(nce_context *ctx, const char *name, nce_location *out)
{
    *out = (nce_location){0};
    nce_status status = NCE_OK;
    const char *variable = secure_getenv("NCE_MODEL_PATH"); /* NULL in a program that runs with another user's rights */
    if (variable != NULL) out->path = try_folders(ctx, variable, name, &status);
    if (status == NCE_OK && out->path == NULL) out->path = try_folders(ctx, NCE_MODEL_DIR, name, &status);
    if (status != NCE_OK || out->path != NULL) return status;
    out->data = nce_builtin_model(name, &out->size);
    if (out->data != NULL) return NCE_OK;
    return nce_fail(ctx, NCE_ERR_NOTFOUND, "%s: no such file, and no %s.gguf in NCE_MODEL_PATH (%s) or %s%s", name,
                    name, variable != NULL ? variable : "not set", NCE_MODEL_DIR,
                    nce_builtin_name(0) != NULL ? "; built in: tiny" : "; no model is built in");
}
