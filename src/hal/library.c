/* dlopen and dlsym by table. */
#include "src/hal/library.h"
#include <dlfcn.h>
#include <string.h>

enum { MODE = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };

nce_status nce_library_open(nce_context *ctx, const char *what, const char *const *usual, const nce_symbol *symbols, size_t n,
                            void *table, void **out)
{
    const char *path = nce_path(ctx, what, NULL);
    void *library = NULL;
    *out = NULL;
    if (path != NULL) library = dlopen(path, MODE);
    else
        for (; library == NULL && *usual != NULL; usual++)
            library = dlopen(path = *usual, MODE);
    if (library == NULL) return nce_fail(ctx, NCE_ERR_NOTFOUND, "%s: %s", what, dlerror());
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(library, symbols[i].name);
        if (symbol == NULL && symbols[i].needed) {
            dlclose(library);
            return nce_fail(ctx, NCE_ERR_BACKEND, "%s: %s has no %s: it is too old, or no such driver", what, path, symbols[i].name);
        }
        memcpy((char *)table + symbols[i].at, &symbol, sizeof symbol);
    }
    *out = library;
    return NCE_OK;
}

void nce_library_close(void *library)
{
    if (library != NULL) dlclose(library);
}
