/* Finding the driver at run time: no library is needed to start, one binary runs with any driver or none. */
#include "src/hal/gpu/cuda_hip/api.h"
#include "src/hal/library.h"
#include <string.h>

nce_status nce_cu_load(nce_context *ctx, const nce_cu_vendor *vendor, nce_cu *c)
{
    nce_symbol symbols[] = {
#define X(field, args, cuda, hip, needed) {NULL, offsetof(nce_cu_api, field), needed},
        NCE_CU_FUNCTIONS(X)
#undef X
    };
    for (size_t i = 0; i < NCE_CU_CALLS; i++)
        symbols[i].name = vendor->calls[i];
    memset(c, 0, sizeof *c);
    c->base.ctx = ctx;
    c->vendor = vendor;
    nce_status status = nce_library_open(ctx, vendor->name, vendor->libraries, symbols, NCE_CU_CALLS, &c->api, &c->library);
    if (status != NCE_OK) return status;
    const int code = c->api.init(0);
    status = nce_cu_check(c, NCE_CU_init, code);
    if (code == NCE_CU_NO_DEVICE) status = NCE_ERR_NOTFOUND;
    if (status != NCE_OK) nce_cu_unload(c);
    return status;
}

void nce_cu_unload(nce_cu *c)
{
    nce_library_close(c->library);
    c->library = NULL;
}
