/* OpenCL devices: finding and opening them.
 *
 * A device is taken if the arithmetic contract can hold on it (denormals, fma and correctly rounded division in single
 * precision) and it has 64-bit addresses and shared virtual memory. */
#include "src/hal/device.h"
#include "src/hal/gpu/exec.h"
#include "src/hal/gpu/opencl/api.h"
#include <stdio.h>

enum { MAX_PLATFORMS = 16, MAX_DEVICES = 16 };

/* NULL if the device will do, else what it lacks. */
static const char *lacking(const nce_cl *cl, nce_cl_object *device)
{
    const uint64_t fp_wanted = NCE_CL_FP_DENORM | NCE_CL_FP_FMA | NCE_CL_FP_CORRECT_DIVIDE;
    uint64_t fp = 0, svm = 0;
    uint32_t bits = 0;
    cl->clGetDeviceInfo(device, NCE_CL_DEVICE_SINGLE_FP, sizeof fp, &fp, NULL);
    cl->clGetDeviceInfo(device, NCE_CL_DEVICE_SVM, sizeof svm, &svm, NULL);
    cl->clGetDeviceInfo(device, NCE_CL_DEVICE_ADDRESS_BITS, sizeof bits, &bits, NULL);
    if (bits != 64) return "64-bit addresses";
    if (!(svm & NCE_CL_SVM_COARSE)) return "shared virtual memory";
    if ((fp & fp_wanted) != fp_wanted) return "denormals, fma or correctly rounded division";
    return NULL;
}

/* Usable devices of all platforms, at most MAX_DEVICES.  Without one, why names the last refusal. */
static uint32_t find(const nce_cl *cl, nce_cl_object *out[MAX_DEVICES], char *why, size_t why_bytes)
{
    nce_cl_object *platforms[MAX_PLATFORMS], *devices[MAX_DEVICES];
    uint32_t n_platforms = 0, n = 0;
    const int code = cl->clGetPlatformIDs(MAX_PLATFORMS, platforms, &n_platforms);
    snprintf(why, why_bytes, "%s", code == 0 ? "no device" : nce_cl_error_name(code));
    if (code != 0) return 0;
    for (uint32_t p = 0; p < n_platforms && p < MAX_PLATFORMS; p++) {
        uint32_t n_devices = 0;
        const uint64_t all_types = UINT32_MAX;
        if (cl->clGetDeviceIDs(platforms[p], all_types, MAX_DEVICES, devices, &n_devices) != 0) continue;
        for (uint32_t i = 0; i < n_devices && i < MAX_DEVICES && n < MAX_DEVICES; i++) {
            const char *lack = lacking(cl, devices[i]);
            char name[96] = "";
            cl->clGetDeviceInfo(devices[i], NCE_CL_DEVICE_NAME, sizeof name - 1, name, NULL);
            if (lack == NULL)
                out[n++] = devices[i];
            else
                snprintf(why, why_bytes, "%s lacks %s", name, lack);
        }
    }
    return n;
}

static nce_status cl_count(nce_context *ctx, uint32_t *out)
{
    nce_cl cl;
    nce_cl_object *devices[MAX_DEVICES];
    char why[192];
    *out = 0;
    const nce_status status = nce_cl_load(ctx, &cl);
    if (status != NCE_OK) return status;
    *out = find(&cl, devices, why, sizeof why);
    return *out != 0 ? NCE_OK : nce_fail(ctx, NCE_ERR_NOTFOUND, "opencl: %s", why);
}

static void cl_close(nce_gpu *g)
{
    nce_cl_device *d = (nce_cl_device *)g;
    if (d->queue != NULL) d->api.clFinish(d->queue);
    nce_gpu_kernels_free(g);
    for (size_t i = 0; i < d->n_blocks; i++)
        d->api.clSVMFree(d->context, d->blocks[i]);
    if (d->program != NULL) d->api.clReleaseProgram(d->program);
    if (d->queue != NULL) d->api.clReleaseCommandQueue(d->queue);
    if (d->context != NULL) d->api.clReleaseContext(d->context);
    nce_free(g->ctx, d->blocks);
    nce_free(g->ctx, d);
}

static void read_info(nce_cl_device *d)
{
    nce_gpu_info *info = &d->base.info;
    uint64_t memory = 0, local = 0;
    size_t group = 0;
    uint32_t units = 0;
    d->api.clGetDeviceInfo(d->device, NCE_CL_DEVICE_NAME, sizeof info->name - 1, info->name, NULL);
    d->api.clGetDeviceInfo(d->device, NCE_CL_DEVICE_MEMORY, sizeof memory, &memory, NULL);
    d->api.clGetDeviceInfo(d->device, NCE_CL_DEVICE_LOCAL_MEMORY, sizeof local, &local, NULL);
    d->api.clGetDeviceInfo(d->device, NCE_CL_DEVICE_MAX_GROUP, sizeof group, &group, NULL);
    d->api.clGetDeviceInfo(d->device, NCE_CL_DEVICE_UNITS, sizeof units, &units, NULL);
    snprintf(info->arch, sizeof info->arch, "opencl");
    info->memory_bytes = info->memory_free = memory; /* OpenCL does not tell what is free */
    info->shared_bytes = (uint32_t)(local < UINT32_MAX ? local : UINT32_MAX);
    info->max_group = (uint32_t)group;
    info->n_units = units;
}

static void kernel_release(nce_gpu *g, void *kernel)
{
    ((nce_cl_device *)g)->api.clReleaseKernel(kernel);
}

static const nce_gpu_ops cl_ops = {.close = cl_close, .kernel_release = kernel_release, NCE_GPU_TABLE(nce_cl)};

static nce_status start(nce_cl_device *d, uint32_t index)
{
    nce_cl_object *devices[MAX_DEVICES];
    char why[192];
    const nce_status status = nce_cl_load(d->base.ctx, &d->api);
    if (status != NCE_OK) return status;
    const uint32_t n = find(&d->api, devices, why, sizeof why);
    if (n == 0) return nce_fail(d->base.ctx, NCE_ERR_NOTFOUND, "opencl: %s", why);
    if (index >= n)
        return nce_fail(d->base.ctx, NCE_ERR_NOTFOUND, "opencl: there is no device %u, the last is %u", index, n - 1);
    int code;
    d->device = devices[index];
    d->context = d->api.clCreateContext(NULL, 1, &d->device, NULL, NULL, &code);
    if (code != 0) return nce_cl_failed(d, "clCreateContext", code);
    d->queue = d->api.clCreateCommandQueueWithProperties(d->context, d->device, NULL, &code);
    if (code != 0) return nce_cl_failed(d, "clCreateCommandQueueWithProperties", code);
    read_info(d);
    return NCE_OK;
}

static nce_status cl_open(nce_context *ctx, uint32_t index, nce_gpu **out)
{
    nce_cl_device *d = nce_alloc_zero(ctx, sizeof *d);
    *out = NULL;
    if (d == NULL) return nce_fail_nomem(ctx, sizeof *d);
    d->base.ops = &cl_ops;
    d->base.ctx = ctx;
    d->base.vendor = "opencl";
    const nce_status status = start(d, index);
    if (status != NCE_OK) {
        cl_close(&d->base);
        return status;
    }
    *out = &d->base;
    return NCE_OK;
}

const nce_gpu_vendor nce_gpu_opencl = {"opencl", cl_count, cl_open};

static nce_status driver_create(nce_context *ctx, const char *argument, nce_device **out)
{
    return nce_gpu_driver_create(&nce_gpu_opencl, ctx, argument, out);
}

const nce_device_driver nce_opencl_driver = {
    "opencl", "an OpenCL device, opencl:0 the first: PoCL on the CPU, for checking GPU kernels", driver_create,
    &nce_gpu_opencl};
