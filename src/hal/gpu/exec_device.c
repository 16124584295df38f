/* A GPU as a device for models: its buffers, and making one from a vendor's device. */
#include "src/hal/gpu/exec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nce_gpu_device *device_of(const nce_buffer *b)
{
    return (nce_gpu_device *)b->device;
}

static nce_gpu_address address_of(const nce_buffer *b)
{
    return (nce_gpu_address)(uintptr_t)b->address;
}

/* How often products took which way, for those who ask why a device is as quick as it is. */
static void log_work(const nce_gpu_device *d)
{
    uint64_t n[NCE_GPU_PATHS] = {0};
    for (int i = 0; i <= NCE_TYPE_LAST; i++)
        for (int p = 0; p < NCE_GPU_PATHS; p++)
            n[p] += d->taken[i][p];
    if (d->n_launches == 0) return;
    nce_log(d->base.ctx, NCE_LOG_INFO,
            "%s: %llu launches; products: %llu by %s, %llu by %s, %llu by %s, %llu by %s%s%s%s", d->gpu->vendor,
            0ull + d->n_launches, 0ull + n[0], nce_gpu_path_names[0], 0ull + n[1], nce_gpu_path_names[1], 0ull + n[2],
            nce_gpu_path_names[2], 0ull + n[3], nce_gpu_path_names[3], d->tensor != NULL ? " (" : "",
            d->tensor != NULL ? d->tensor : "", d->tensor != NULL ? ")" : "");
}

static void gpu_destroy(nce_device *base)
{
    nce_gpu_device *d = (nce_gpu_device *)base;
    log_work(d);
    nce_gpu_send_end(d);
    d->gpu->ops->close(d->gpu);
    pthread_mutex_destroy(&d->lock);
    nce_free(base->ctx, d);
}

nce_status nce_gpu_take(nce_gpu_device *d, size_t bytes, nce_gpu_address *out)
{
    uint64_t *free = &d->base.caps.memory_free;
    const nce_status status = d->gpu->ops->alloc(d->gpu, bytes, out);
    if (status == NCE_OK) *free -= bytes < *free ? bytes : *free;
    return status;
}

void nce_gpu_give(nce_gpu_device *d, nce_gpu_address at, size_t bytes)
{
    if (at == 0) return;
    d->gpu->ops->free(d->gpu, at);
    d->base.caps.memory_free += bytes;
}

/* A buffer, zeroed (host NULL: saved states must not hold old memory) or filled. */
static nce_status new_buffer(nce_device *base, const void *host, size_t bytes, nce_buffer **out)
{
    nce_gpu_device *d = (nce_gpu_device *)base;
    const nce_gpu_ops *ops = d->gpu->ops;
    nce_gpu_address at = 0;
    nce_buffer *b = nce_alloc_zero(base->ctx, sizeof *b);
    *out = NULL;
    if (b == NULL) return nce_fail_nomem(base->ctx, sizeof *b);
    pthread_mutex_lock(&d->lock);
    nce_status status = nce_gpu_take(d, bytes, &at);
    if (status == NCE_OK && host == NULL) status = ops->zero(d->gpu, at, bytes);
    if (status == NCE_OK && host != NULL) status = nce_gpu_send(d, at, host, bytes);
    if (status != NCE_OK) nce_gpu_give(d, at, bytes);
    pthread_mutex_unlock(&d->lock);
    if (status != NCE_OK) {
        nce_free(base->ctx, b);
        return status;
    }
    *b = (nce_buffer){base, (uint8_t *)(uintptr_t)at, bytes, true};
    *out = b;
    return NCE_OK;
}

static nce_status buffer_create(nce_device *d, size_t bytes, nce_buffer **out)
{
    return new_buffer(d, NULL, bytes, out);
}

static nce_status buffer_import(nce_device *d, const void *host, size_t bytes, nce_buffer **out)
{
    return new_buffer(d, host, bytes, out);
}

static void buffer_destroy(nce_buffer *b)
{
    nce_gpu_device *d = device_of(b);
    pthread_mutex_lock(&d->lock);
    nce_gpu_give(d, address_of(b), b->bytes);
    pthread_mutex_unlock(&d->lock);
    nce_free(d->base.ctx, b);
}

static nce_status buffer_write(nce_buffer *b, size_t offset, const void *host, size_t bytes)
{
    nce_gpu_device *d = device_of(b);
    pthread_mutex_lock(&d->lock);
    nce_status status = d->gpu->ops->upload(d->gpu, address_of(b) + offset, host, bytes);
    if (status == NCE_OK) status = d->gpu->ops->sync(d->gpu);
    pthread_mutex_unlock(&d->lock);
    return status;
}

static nce_status buffer_read(const nce_buffer *b, size_t offset, void *host, size_t bytes)
{
    nce_gpu_device *d = device_of(b);
    pthread_mutex_lock(&d->lock);
    nce_status status = d->gpu->ops->download(d->gpu, host, address_of(b) + offset, bytes);
    if (status == NCE_OK) status = d->gpu->ops->sync(d->gpu);
    pthread_mutex_unlock(&d->lock);
    return status;
}

static nce_status buffer_copy(nce_buffer *dst, const nce_buffer *src, size_t bytes)
{
    nce_gpu_device *d = device_of(dst);
    pthread_mutex_lock(&d->lock);
    const nce_status status = d->gpu->ops->copy(d->gpu, address_of(dst), address_of(src), bytes);
    pthread_mutex_unlock(&d->lock);
    return status;
}

static const nce_device_ops gpu_ops = {
    .destroy = gpu_destroy,
    .buffer_create = buffer_create,
    .buffer_import = buffer_import,
    .buffer_destroy = buffer_destroy,
    .buffer_write = buffer_write,
    .buffer_read = buffer_read,
    .buffer_copy = buffer_copy,
    .exec_create = nce_gpu_exec_create,
    .exec_destroy = nce_gpu_exec_destroy,
    .exec_bytes = nce_gpu_exec_bytes,
    .exec_read = nce_gpu_exec_read,
    .exec_write = nce_gpu_exec_write,
    .submit = nce_gpu_submit,
    .wait = nce_gpu_wait,
};

nce_gpu_device *nce_gpu_device_of(nce_device *d)
{
    return d->ops == &gpu_ops ? (nce_gpu_device *)d : NULL;
}

nce_status nce_gpu_device_create(nce_gpu *gpu, struct nce_device **out)
{
    nce_gpu_device *d = nce_alloc_zero(gpu->ctx, sizeof *d);
    *out = NULL;
    if (d == NULL) {
        nce_context *ctx = gpu->ctx;
        gpu->ops->close(gpu);
        return nce_fail_nomem(ctx, sizeof *d);
    }
    d->base =
        (nce_device){&gpu_ops,
                     gpu->ctx,
                     {.memory_bytes = gpu->info.memory_bytes, .memory_free = gpu->info.memory_free, .exact = true}};
    d->gpu = gpu;
    if (gpu->info.pci[0] != '\0')
        snprintf(d->base.caps.meters, sizeof d->base.caps.meters, "cpu,%s@%s", gpu->vendor, gpu->info.pci);
    pthread_mutex_init(&d->lock, NULL);
    *out = &d->base;
    return NCE_OK;
}

nce_status nce_gpu_driver_create(const nce_gpu_vendor *vendor, nce_context *ctx, const char *argument, nce_device **out)
{
    char *end;
    const unsigned long index = strtoul(argument, &end, 10);
    nce_gpu *gpu;
    *out = NULL;
    if (*end != '\0' || index > 1000 || strspn(argument, "0123456789") != strlen(argument))
        return nce_fail(ctx, NCE_ERR_INVALID, "device '%s:%s': the part after ':' must be a number", vendor->name,
                        argument);
    const nce_status status = vendor->open(ctx, (uint32_t)index, &gpu);
    return status == NCE_OK ? nce_gpu_device_create(gpu, out) : status;
}
