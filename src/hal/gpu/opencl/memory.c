/* Memory and copies of an OpenCL device: shared virtual memory, of which only addresses are used. */
#include "src/hal/gpu/opencl/api.h"

static void *pointer(nce_gpu_address address)
{
    return (void *)(uintptr_t)address;
}

nce_status nce_cl_alloc(nce_gpu *g, size_t bytes, nce_gpu_address *out)
{
    nce_cl_device *d = (nce_cl_device *)g;
    *out = 0;
    if (g->lost) return nce_cl_lost(g);
    const nce_status status =
        nce_grow(g->ctx, (void **)&d->blocks, &d->blocks_capacity, d->n_blocks + 1, sizeof *d->blocks);
    if (status != NCE_OK) return status;
    void *p = d->api.clSVMAlloc(d->context, 0, bytes != 0 ? bytes : 1, 0);
    if (p == NULL)
        return nce_fail(g->ctx, NCE_ERR_NOMEM, "opencl: clSVMAlloc: no memory for %zu bytes, the device has %llu",
                        bytes, (unsigned long long)g->info.memory_bytes);
    d->blocks[d->n_blocks++] = p;
    d->generation++;
    *out = (nce_gpu_address)(uintptr_t)p;
    return NCE_OK;
}

void nce_cl_free(nce_gpu *g, nce_gpu_address address)
{
    nce_cl_device *d = (nce_cl_device *)g;
    if (address == 0) return;
    d->api.clFinish(d->queue);
    for (size_t i = 0; i < d->n_blocks; i++)
        if (d->blocks[i] == pointer(address)) {
            d->blocks[i] = d->blocks[--d->n_blocks];
            d->generation++;
            break;
        }
    d->api.clSVMFree(d->context, pointer(address));
}

nce_status nce_cl_host_alloc(nce_gpu *g, size_t bytes, void **out)
{
    *out = nce_alloc(g->ctx, bytes);
    return *out != NULL ? NCE_OK : nce_fail_nomem(g->ctx, bytes);
}

void nce_cl_host_free(nce_gpu *g, void *p)
{
    nce_free(g->ctx, p);
}

static nce_status move(nce_gpu *g, void *to, const void *from, size_t bytes)
{
    nce_cl_device *d = (nce_cl_device *)g;
    if (g->lost) return nce_cl_lost(g);
    if (bytes == 0) return NCE_OK;
    const int code = d->api.clEnqueueSVMMemcpy(d->queue, 0, to, from, bytes, 0, NULL, NULL);
    return code == 0 ? NCE_OK : nce_cl_failed(d, "clEnqueueSVMMemcpy", code);
}

nce_status nce_cl_upload(nce_gpu *g, nce_gpu_address to, const void *host, size_t bytes)
{
    return move(g, pointer(to), host, bytes);
}

nce_status nce_cl_download(nce_gpu *g, void *host, nce_gpu_address from, size_t bytes)
{
    return move(g, host, pointer(from), bytes);
}

nce_status nce_cl_copy(nce_gpu *g, nce_gpu_address to, nce_gpu_address from, size_t bytes)
{
    return move(g, pointer(to), pointer(from), bytes);
}

nce_status nce_cl_zero(nce_gpu *g, nce_gpu_address to, size_t bytes)
{
    nce_cl_device *d = (nce_cl_device *)g;
    const uint8_t zero = 0;
    if (g->lost) return nce_cl_lost(g);
    if (bytes == 0) return NCE_OK;
    const int code = d->api.clEnqueueSVMMemFill(d->queue, pointer(to), &zero, 1, bytes, 0, NULL, NULL);
    return code == 0 ? NCE_OK : nce_cl_failed(d, "clEnqueueSVMMemFill", code);
}

nce_status nce_cl_sync(nce_gpu *g)
{
    nce_cl_device *d = (nce_cl_device *)g;
    if (g->lost) return nce_cl_lost(g);
    const int code = d->api.clFinish(d->queue);
    return code == 0 ? NCE_OK : nce_cl_failed(d, "clFinish", code);
}
