/* Finding OpenCL's functions, and what its errors mean. */
#include "src/hal/gpu/opencl/api.h"
#include <dlfcn.h>
#include <string.h>

nce_status nce_cl_load(nce_context *ctx, nce_cl *out)
{
    static const struct function {
        const char *name;
        size_t at;
    } functions[] = {
#define ROW(result, name, parameters) {#name, offsetof(nce_cl, name)},
        NCE_CL_FUNCTIONS(ROW)
#undef ROW
    };
    const char *path = nce_path(ctx, "opencl", "libOpenCL.so.1");
    memset(out, 0, sizeof *out);
    out->library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (out->library == NULL) return nce_fail(ctx, NCE_ERR_NOTFOUND, "opencl: %s", dlerror());
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *p = dlsym(out->library, functions[i].name);
        if (p == NULL) return nce_fail(ctx, NCE_ERR_NOTFOUND, "opencl: %s has no function %s", path, functions[i].name);
        memcpy((char *)out + functions[i].at, &p, sizeof p);
    }
    return NCE_OK;
}

const char *nce_cl_error_name(int code)
{
    switch (code) {
    case -1:
        return "device not found";
    case -2:
        return "device not available";
    case -3:
        return "compiler not available";
    case -4:
        return "out of device memory";
    case -5:
        return "out of resources";
    case -6:
        return "out of host memory";
    case -11:
        return "the kernels did not compile";
    case -14:
        return "a command waited for has failed";
    case -30:
        return "invalid value";
    case -38:
        return "invalid memory object";
    case -46:
        return "no such kernel";
    case -51:
        return "invalid argument size";
    case -52:
        return "arguments missing";
    case -54:
        return "invalid work-group size";
    case -1001:
        return "no driver is installed";
    }
    return "unknown error";
}

nce_status nce_cl_failed(nce_cl_device *d, const char *call, int code)
{
    const bool memory = code == NCE_CL_OUT_OF_MEMORY || code == NCE_CL_OUT_OF_HOST_MEMORY;
    if (!memory) d->base.lost = true;
    return nce_fail(d->base.ctx, memory ? NCE_ERR_NOMEM : NCE_ERR_BACKEND, "opencl: %s: %s (%d)", call,
                    nce_cl_error_name(code), code);
}

nce_status nce_cl_lost(nce_gpu *g)
{
    return nce_fail(g->ctx, NCE_ERR_BACKEND, "opencl: the device was lost by an earlier failure");
}
