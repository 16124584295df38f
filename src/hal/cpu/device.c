/* The CPU as a device: its memory is host memory, imports cost nothing, a submitted step is done when submit returns. */
#include "src/hal/cpu/exec.h"
#include <string.h>

static void cpu_destroy(nce_device *d)
{
    nce_cpu_sparse_release((nce_cpu_device *)d);
    nce_free(d->ctx, d);
}

static nce_status new_buffer(nce_device *d, uint8_t *address, size_t bytes, bool owned, nce_buffer **out)
{
    nce_buffer *b = nce_alloc(d->ctx, sizeof *b);
    *out = b;
    if (b == NULL) return nce_fail_nomem(d->ctx, sizeof *b);
    *b = (nce_buffer){d, address, bytes, owned};
    return NCE_OK;
}

static nce_status buffer_create(nce_device *d, size_t bytes, nce_buffer **out)
{
    *out = NULL;
    uint8_t *p = nce_alloc_zero(d->ctx, bytes); /* saved states must not hold old memory */
    if (p == NULL) return nce_fail_nomem(d->ctx, bytes);
    const nce_status status = new_buffer(d, p, bytes, true, out);
    if (status != NCE_OK) nce_free(d->ctx, p);
    return status;
}

static nce_status buffer_import(nce_device *d, const void *host, size_t bytes, nce_buffer **out)
{
    return new_buffer(d, (uint8_t *)(uintptr_t)host, bytes, false, out);
}

static void buffer_destroy(nce_buffer *b)
{
    nce_context *ctx = b->device->ctx;
    if (b->owned) nce_free(ctx, b->address);
    nce_free(ctx, b);
}

static nce_status buffer_write(nce_buffer *b, size_t offset, const void *host, size_t bytes)
{
    memcpy(b->address + offset, host, bytes);
    return NCE_OK;
}

static nce_status buffer_read(const nce_buffer *b, size_t offset, void *host, size_t bytes)
{
    memcpy(host, b->address + offset, bytes);
    return NCE_OK;
}

static nce_status buffer_copy(nce_buffer *dst, const nce_buffer *src, size_t bytes)
{
    memcpy(dst->address, src->address, bytes);
    return NCE_OK;
}

const nce_device_ops nce_cpu_ops = {
    .destroy = cpu_destroy,
    .buffer_create = buffer_create,
    .buffer_import = buffer_import,
    .buffer_destroy = buffer_destroy,
    .buffer_write = buffer_write,
    .buffer_read = buffer_read,
    .buffer_copy = buffer_copy,
    .exec_create = nce_cpu_exec_create,
    .exec_destroy = nce_cpu_exec_destroy,
    .exec_bytes = nce_cpu_exec_bytes,
    .exec_sparsity = nce_cpu_exec_sparsity,
    .exec_read = nce_cpu_exec_read,
    .exec_write = nce_cpu_exec_write,
    .submit = nce_cpu_submit,
    .wait = nce_cpu_wait,
};

void nce_cpu_device_init(nce_cpu_device *d, nce_context *ctx, uint32_t cpu)
{
    d->base = (nce_device){&nce_cpu_ops, ctx, {.host_memory = true, .exact = true, .observes = true}};
    nce_matmul_ops_init(&d->k.matmul, cpu);
    nce_attn_ops_init(&d->k.attn, cpu);
    nce_vec_ops_init(&d->k.vec, cpu);
    d->k.sparse = nce_sparse_product(cpu);
    pthread_mutex_init(&d->sparse_mutex, NULL);
}

static nce_status cpu_create(nce_context *ctx, const char *argument, nce_device **out)
{
    if (*argument != '\0') return nce_fail(ctx, NCE_ERR_INVALID, "device 'cpu' takes no argument, got '%s'", argument);
    nce_cpu_device *d = nce_alloc_zero(ctx, sizeof *d);
    if (d == NULL) return nce_fail_nomem(ctx, sizeof *d);
    nce_cpu_device_init(d, ctx, ctx->cpu);
    *out = &d->base;
    return NCE_OK;
}

const nce_device_driver nce_cpu_driver = {"cpu", "the processor: scalar, AVX2, AVX-512 or NEON, chosen at run time", cpu_create, NULL};
