/* The split device: children, and weights imported when a child first needs them. */
#include "src/hal/split/split.h"
#include <stdio.h>
#include <string.h>

static void split_destroy(nce_device *device)
{
    nce_split_device *d = (nce_split_device *)device;
    for (size_t i = 0; i < d->n; i++)
        nce_device_destroy(d->part[i]);
    pthread_mutex_destroy(&d->import_mutex);
    nce_free(device->ctx, d);
}

static nce_status buffer_import(nce_device *device, const void *host, size_t bytes, nce_buffer **out)
{
    nce_split_import *b = nce_alloc_zero(device->ctx, sizeof *b);
    *out = NULL;
    if (b == NULL) return nce_fail_nomem(device->ctx, sizeof *b);
    b->base = (nce_buffer){device, (uint8_t *)(uintptr_t)host, bytes, false};
    *out = &b->base;
    return NCE_OK;
}

nce_status nce_split_import_on(nce_split_device *d, nce_split_import *b, size_t device, nce_buffer **out)
{
    nce_device *part = d->part[device];
    nce_status status = NCE_OK;
    pthread_mutex_lock(&d->import_mutex);
    if (b->part[device] == NULL) status = part->ops->buffer_import(part, b->base.address, b->base.bytes, &b->part[device]);
    *out = b->part[device];
    pthread_mutex_unlock(&d->import_mutex);
    return status;
}

/* Pages own their memory, imports do not: that tells the two kinds apart. */
static void buffer_destroy(nce_buffer *buffer)
{
    if (buffer->owned) {
        nce_split_page_destroy((nce_split_page *)buffer);
        return;
    }
    nce_split_import *b = (nce_split_import *)buffer;
    for (size_t i = 0; i < NCE_SPLIT_MOST; i++)
        nce_buffer_destroy(b->part[i]);
    nce_free(buffer->device->ctx, b);
}

static size_t exec_bytes(const nce_exec *exec)
{
    const nce_split_exec *e = (const nce_split_exec *)exec;
    size_t bytes = e->bytes;
    for (size_t i = 0; i < e->n; i++) {
        const nce_device *part = e->device->part[e->segment[i].device];
        bytes += part->ops->exec_bytes(e->segment[i].exec);
    }
    return bytes;
}

static void exec_sparsity(const nce_exec *exec, uint64_t *columns, uint64_t *zero)
{
    const nce_split_exec *e = (const nce_split_exec *)exec;
    *columns = *zero = 0;
    for (size_t i = 0; i < e->n; i++) {
        const nce_device_ops *part = e->device->part[e->segment[i].device]->ops;
        uint64_t c = 0, z = 0;
        if (part->exec_sparsity != NULL) part->exec_sparsity(e->segment[i].exec, &c, &z);
        *columns += c;
        *zero += z;
    }
}

/* No buffer_create: pages are all that core makes, and they need to know their program.  No exec_read: nobody splits a
 * split device. */
static const nce_device_ops ops = {
    .destroy = split_destroy,
    .buffer_import = buffer_import,
    .buffer_destroy = buffer_destroy,
    .buffer_write = nce_split_page_write,
    .buffer_read = nce_split_page_read,
    .buffer_copy = nce_split_page_copy,
    .exec_create = nce_split_exec_create,
    .exec_destroy = nce_split_exec_destroy,
    .exec_bytes = exec_bytes,
    .exec_sparsity = exec_sparsity,
    .page_create = nce_split_page_create,
    .submit = nce_split_submit,
    .wait = nce_split_wait,
};

static void add_meters(nce_device_caps *caps, const char *more)
{
    const size_t used = strlen(caps->meters);
    if (used + strlen(more) + 2 > sizeof caps->meters) return; /* then some energy is not counted */
    snprintf(caps->meters + used, sizeof caps->meters - used, "%s%s", used != 0 ? "," : "", more);
}

nce_status nce_split_device_create(nce_context *ctx, nce_device *const *devices, const char *const *names, size_t n,
                                   uint32_t gpu_layers, nce_device **out)
{
    nce_split_device *d = n <= NCE_SPLIT_MOST ? nce_alloc_zero(ctx, sizeof *d) : NULL;
    *out = NULL;
    if (d == NULL) {
        for (size_t i = 0; i < n; i++)
            nce_device_destroy(devices[i]);
        if (n > NCE_SPLIT_MOST) return nce_fail(ctx, NCE_ERR_LIMIT, "%zu devices, %d are possible", n, NCE_SPLIT_MOST);
        return nce_fail_nomem(ctx, sizeof *d);
    }
    d->base = (nce_device){&ops, ctx, {.exact = true}};
    d->n = n;
    d->gpu_layers = gpu_layers;
    pthread_mutex_init(&d->import_mutex, NULL);
    for (size_t i = 0; i < n; i++) {
        d->part[i] = devices[i];
        snprintf(d->name[i], sizeof d->name[i], "%s", names[i]);
        d->base.caps.exact &= devices[i]->caps.exact;
        d->base.caps.memory_bytes += devices[i]->caps.memory_bytes;
        add_meters(&d->base.caps, devices[i]->caps.meters);
    }
    *out = &d->base;
    return NCE_OK;
}
