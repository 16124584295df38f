/* Finding the driver at run time: no library is needed to start, one binary runs with any driver or none. */
#include "src/hal/gpu/cuda_hip/api.h"
#include <dlfcn.h>
#include <string.h>

static const struct {
    size_t at;
    bool needed;
} table[] = {
#define X(field, args, cuda, hip, needed) {offsetof(nce_cu_api, field), needed},
    NCE_CU_FUNCTIONS(X)
#undef X
};

static nce_status find_functions(nce_cu *c, const char *path)
{
    for (size_t i = 0; i < NCE_CU_CALLS; i++) {
        void *symbol = dlsym(c->library, c->vendor->calls[i]);
        if (symbol == NULL && table[i].needed)
            return nce_fail(c->base.ctx, NCE_ERR_BACKEND, "%s: %s has no %s: the driver is too old", c->vendor->name, path,
                            c->vendor->calls[i]);
        memcpy((char *)&c->api + table[i].at, &symbol, sizeof symbol);
    }
    return NCE_OK;
}

/* Drivers leave threads and handlers behind: once opened they stay in the process (NODELETE), which costs nothing when
 * they are opened again. */
static const char *open_library(nce_cu *c)
{
    const char *path = nce_path(c->base.ctx, c->vendor->name, NULL);
    if (path != NULL) {
        c->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        return path;
    }
    for (size_t i = 0; c->library == NULL && c->vendor->libraries[i] != NULL; i++)
        c->library = dlopen(path = c->vendor->libraries[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return path;
}

nce_status nce_cu_load(nce_context *ctx, const nce_cu_vendor *vendor, nce_cu *c)
{
    memset(c, 0, sizeof *c);
    c->base.ctx = ctx;
    c->vendor = vendor;
    const char *path = open_library(c);
    if (c->library == NULL) return nce_fail(ctx, NCE_ERR_NOTFOUND, "%s: %s", vendor->name, dlerror());
    nce_status status = find_functions(c, path);
    if (status == NCE_OK) {
        const int code = c->api.init(0);
        status = nce_cu_check(c, NCE_CU_init, code);
        if (code == NCE_CU_NO_DEVICE) status = NCE_ERR_NOTFOUND;
    }
    if (status != NCE_OK) nce_cu_unload(c);
    return status;
}

void nce_cu_unload(nce_cu *c)
{
    if (c->library != NULL) dlclose(c->library);
    c->library = NULL;
}
