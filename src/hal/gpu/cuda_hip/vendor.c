/* CUDA and HIP: their names and numbers, and opening a device. */
#include "src/hal/gpu/cuda_hip/api.h"
#include "src/hal/gpu/exec.h"
#include <stdio.h>
#include <string.h>

#define X(field, args, cuda, hip, needed) cuda,
static const char *const cuda_calls[NCE_CU_CALLS] = {NCE_CU_FUNCTIONS(X)};
#undef X
#define X(field, args, cuda, hip, needed) hip,
static const char *const hip_calls[NCE_CU_CALLS] = {NCE_CU_FUNCTIONS(X)};
#undef X

const nce_cu_vendor nce_cu_cuda = {.name = "cuda", .image_path = "cuda-image", .libraries = {"libcuda.so.1"},
                                   .calls = cuda_calls, .max_group = 1, .shared_bytes = 8, .n_units = 16, .major = 75,
                                   .minor = 76, .arch_format = "sm_%d%d"};
/* The numbers are those of ROCm 5 to 7; ROCm 4 had others. */
const nce_cu_vendor nce_cu_hip = {.name = "hip", .image_path = "hip-image",
                                  .libraries = {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"},
                                  .calls = hip_calls, .max_group = 56, .shared_bytes = 74, .n_units = 63, .major = 23,
                                  .minor = 61, .arch_format = "gfx%d.%d"};

static nce_status count(nce_context *ctx, const nce_cu_vendor *vendor, uint32_t *out)
{
    nce_cu c;
    int n = 0;
    *out = 0;
    nce_status status = nce_cu_load(ctx, vendor, &c);
    if (status != NCE_OK) return status;
    status = nce_cu_check(&c, NCE_CU_device_count, c.api.device_count(&n));
    if (status == NCE_OK && n <= 0) status = nce_fail(ctx, NCE_ERR_NOTFOUND, "%s: the driver has no device", vendor->name);
    nce_cu_unload(&c);
    if (status == NCE_OK) *out = (uint32_t)n;
    return status;
}

static void close_device(nce_gpu *g)
{
    nce_cu *c = (nce_cu *)g;
    nce_context *ctx = g->ctx;
    nce_gpu_kernels_free(g);
    if (c->context != NULL) {
        void *before;
        const bool pushed = c->api.push(c->context) == 0;
        if (c->stream != NULL && !g->lost) nce_cu_note(c, NCE_CU_stream_sync, c->api.stream_sync(c->stream));
        if (c->module != NULL) nce_cu_note(c, NCE_CU_module_unload, c->api.module_unload(c->module));
        if (c->stream != NULL) nce_cu_note(c, NCE_CU_stream_destroy, c->api.stream_destroy(c->stream));
        if (pushed) nce_cu_note(c, NCE_CU_pop, c->api.pop(&before));
        nce_cu_note(c, NCE_CU_release, c->api.release(c->device));
    }
    nce_cu_unload(c);
    nce_free(ctx, c);
}

static const nce_gpu_ops ops = {.close = close_device, NCE_GPU_TABLE(nce_cu), NCE_GPU_GRAPH_TABLE(nce_cu)};

static nce_status attribute(nce_cu *c, int number, int *value)
{
    return nce_cu_check(c, NCE_CU_attribute, c->api.attribute(value, number, c->device));
}

/* What can be asked without a context. */
static nce_status read_facts(nce_cu *c)
{
    const nce_cu_vendor *v = c->vendor;
    nce_gpu_info *info = &c->base.info;
    int group = 0, shared = 0, units = 0, major = 0, minor = 0;
    nce_status status = nce_cu_check(c, NCE_CU_device_name, c->api.device_name(info->name, sizeof info->name - 1, c->device));
    if (status == NCE_OK) status = nce_cu_check(c, NCE_CU_device_pci, c->api.device_pci(info->pci, sizeof info->pci - 1, c->device));
    if (status == NCE_OK) status = attribute(c, v->max_group, &group);
    if (status == NCE_OK) status = attribute(c, v->shared_bytes, &shared);
    if (status == NCE_OK) status = attribute(c, v->n_units, &units);
    if (status == NCE_OK) status = attribute(c, v->major, &major);
    if (status == NCE_OK) status = attribute(c, v->minor, &minor);
    if (status != NCE_OK) return status;
    info->max_group = (uint32_t)group;
    info->shared_bytes = (uint32_t)shared;
    info->n_units = (uint32_t)units;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(info->arch, sizeof info->arch, v->arch_format, major, minor);
#pragma GCC diagnostic pop
    return NCE_OK;
}

/* Context, stream, free memory. */
static nce_status take(nce_cu *c)
{
    size_t free_bytes = 0, total = 0;
    void *context = NULL, *before;
    nce_status status = nce_cu_check(c, NCE_CU_retain, c->api.retain(&context, c->device));
    if (status != NCE_OK) return status;
    c->context = context;
    if ((status = nce_cu_enter(c)) != NCE_OK) return status;
    status = nce_cu_check(c, NCE_CU_memory_info, c->api.memory_info(&free_bytes, &total));
    if (status == NCE_OK) status = nce_cu_check(c, NCE_CU_stream_create, c->api.stream_create(&before, 1 /* no implicit waits */));
    if (status == NCE_OK) c->stream = before;
    c->base.info.memory_bytes = total;
    c->base.info.memory_free = free_bytes;
    c->base.info.graphs = c->api.capture_begin && c->api.capture_end && c->api.graph_make && c->api.graph_destroy &&
                          c->api.graph_launch && c->api.graph_free;
    return nce_cu_leave(c, status);
}

static nce_status open_device(nce_context *ctx, const nce_cu_vendor *vendor, uint32_t index, nce_gpu **out)
{
    nce_cu *c = nce_alloc(ctx, sizeof *c);
    int n = 0;
    *out = NULL;
    if (c == NULL) return nce_fail_nomem(ctx, sizeof *c);
    nce_status status = nce_cu_load(ctx, vendor, c);
    if (status != NCE_OK) {
        nce_free(ctx, c);
        return status;
    }
    c->base.ops = &ops;
    c->base.vendor = vendor->name;
    status = nce_cu_check(c, NCE_CU_device_count, c->api.device_count(&n));
    if (status == NCE_OK && index >= (uint32_t)n)
        status = nce_fail(ctx, NCE_ERR_NOTFOUND, "%s:%u: the driver has %d devices", vendor->name, index, n);
    if (status == NCE_OK) status = nce_cu_check(c, NCE_CU_device_get, c->api.device_get(&c->device, (int)index));
    if (status == NCE_OK) status = read_facts(c);
    if (status == NCE_OK) status = take(c);
    if (status != NCE_OK) {
        close_device(&c->base);
        return status;
    }
    *out = &c->base;
    return NCE_OK;
}

static nce_status cuda_count(nce_context *ctx, uint32_t *out) { return count(ctx, &nce_cu_cuda, out); }
static nce_status cuda_open(nce_context *ctx, uint32_t index, nce_gpu **out) { return open_device(ctx, &nce_cu_cuda, index, out); }
static nce_status hip_count(nce_context *ctx, uint32_t *out) { return count(ctx, &nce_cu_hip, out); }
static nce_status hip_open(nce_context *ctx, uint32_t index, nce_gpu **out) { return open_device(ctx, &nce_cu_hip, index, out); }

const nce_gpu_vendor nce_gpu_cuda = {"cuda", cuda_count, cuda_open};
const nce_gpu_vendor nce_gpu_hip = {"hip", hip_count, hip_open};

static nce_status cuda_create(nce_context *ctx, const char *argument, nce_device **out)
{
    return nce_gpu_driver_create(&nce_gpu_cuda, ctx, argument, out);
}

static nce_status hip_create(nce_context *ctx, const char *argument, nce_device **out)
{
    return nce_gpu_driver_create(&nce_gpu_hip, ctx, argument, out);
}

const nce_device_driver nce_cuda_driver = {"cuda", "an NVIDIA GPU, cuda:0 the first", cuda_create, &nce_gpu_cuda};
const nce_device_driver nce_hip_driver = {"hip", "an AMD GPU, hip:0 the first", hip_create, &nce_gpu_hip};
