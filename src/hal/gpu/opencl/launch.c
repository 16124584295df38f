/* Compiling the embedded kernel text, when the first kernel is asked for, and launching. */
#include "src/hal/gpu/image.h"
#include "src/hal/gpu/opencl/api.h"
#include <stdio.h>
#include <string.h>

static nce_status build(nce_cl_device *d)
{
    size_t n;
    const nce_gpu_image *image = nce_gpu_images(&n);
    for (; n > 0 && strcmp(image->vendor, "opencl") != 0; n--)
        image++;
    if (n == 0) return nce_fail(d->base.ctx, NCE_ERR_UNSUPPORTED, "opencl: this build has no kernel text");
    int code;
    const char *text = image->data;
    d->program = d->api.clCreateProgramWithSource(d->context, 1, &text, &image->bytes, &code);
    if (code != 0) return nce_cl_failed(d, "clCreateProgramWithSource", code);
    code = d->api.clBuildProgram(d->program, 1, &d->device, "-cl-std=CL2.0 -cl-fp32-correctly-rounded-divide-sqrt",
                                 NULL, NULL);
    if (code == 0) return NCE_OK;
    char log[256] = "";
    d->api.clGetProgramBuildInfo(d->program, d->device, NCE_CL_PROGRAM_LOG, sizeof log - 1, log, NULL);
    nce_log(d->base.ctx, NCE_LOG_ERROR, "opencl: %s", log);
    return nce_cl_failed(d, "clBuildProgram", code);
}

nce_status nce_cl_kernel(nce_gpu *g, const char *name, void **out)
{
    nce_cl_device *d = (nce_cl_device *)g;
    if (g->lost) return nce_cl_lost(g);
    const nce_status status = d->program == NULL ? build(d) : NCE_OK;
    if (status != NCE_OK) return status;
    int code;
    *out = d->api.clCreateKernel(d->program, name, &code);
    if (code == NCE_CL_INVALID_KERNEL_NAME) return nce_fail(g->ctx, NCE_ERR_NOTFOUND, "opencl: no kernel %s", name);
    return code == 0 ? NCE_OK : nce_cl_failed(d, "clCreateKernel", code);
}

static nce_status set_args(nce_cl_device *d, nce_gpu_kernel *k, const nce_gpu_arg *args, uint32_t n_args)
{
    for (uint32_t i = 0; i < n_args; i++) {
        nce_gpu_address address = 0;
        if (args[i].address) memcpy(&address, args[i].value, sizeof address);
        const int code = args[i].address
                             ? d->api.clSetKernelArgSVMPointer(k->handle, i, (const void *)(uintptr_t)address)
                             : d->api.clSetKernelArg(k->handle, i, args[i].bytes, args[i].value);
        if (code != 0) return nce_cl_failed(d, args[i].address ? "clSetKernelArgSVMPointer" : "clSetKernelArg", code);
    }
    if (k->remembers == d->generation) return NCE_OK;
    const int code =
        d->api.clSetKernelExecInfo(k->handle, NCE_CL_EXEC_SVM_POINTERS, d->n_blocks * sizeof *d->blocks, d->blocks);
    if (code != 0) return nce_cl_failed(d, "clSetKernelExecInfo", code);
    k->remembers = d->generation;
    return NCE_OK;
}

nce_status nce_cl_launch(nce_gpu *g, nce_gpu_kernel *k, const uint32_t groups[3], uint32_t group,
                         const nce_gpu_arg *args, uint32_t n_args)
{
    nce_cl_device *d = (nce_cl_device *)g;
    const size_t global[3] = {(size_t)groups[0] * group, groups[1], groups[2]}, local[3] = {group, 1, 1};
    if (g->lost) return nce_cl_lost(g);
    const nce_status status = set_args(d, k, args, n_args);
    if (status != NCE_OK) return status;
    const int code = d->api.clEnqueueNDRangeKernel(d->queue, k->handle, 3, NULL, global, local, 0, NULL, NULL);
    return code == 0 ? NCE_OK : nce_cl_failed(d, "clEnqueueNDRangeKernel", code);
}
