/* Device memory, pinned memory, copies, and the queue. */
#include "src/hal/gpu/level_zero/api.h"
#include <string.h>

nce_status nce_ze_list_create(nce_ze *z, void **out)
{
    const nce_ze_description d = {.type = NCE_ZE_LIST_DESC};
    *out = NULL;
    return nce_ze_check(z, NCE_ZE_list_create, z->api.list_create(z->context, z->device, &d, out));
}

nce_status nce_ze_appended(nce_ze *z, nce_ze_call call, uint32_t code)
{
    const nce_status status = nce_ze_check(z, call, code);
    if (z->captured == NULL) z->queued = true;
    if (status != NCE_OK) return status;
    return nce_ze_check(z, NCE_ZE_barrier, z->api.barrier(nce_ze_list(z), NULL, 0, NULL));
}

nce_status nce_ze_run(nce_ze *z, void *list)
{
    return nce_ze_check(z, NCE_ZE_queue_run, z->api.queue_run(z->queue, 1, &list, NULL));
}

/* Whatever fails, the list is empty and open again if that can be had. */
nce_status nce_ze_sync(nce_gpu *g)
{
    nce_ze *z = (nce_ze *)g;
    nce_status status = nce_ze_usable(z);
    if (status != NCE_OK) return status;
    const bool queued = z->queued;
    if (queued) {
        status = nce_ze_check(z, NCE_ZE_list_close, z->api.list_close(z->list));
        if (status == NCE_OK) status = nce_ze_run(z, z->list);
    }
    if (!z->base.lost) {
        const uint32_t code = z->api.queue_sync(z->queue, UINT64_MAX);
        if (status == NCE_OK) status = nce_ze_check(z, NCE_ZE_queue_sync, code);
        else nce_ze_note(z, NCE_ZE_queue_sync, code);
    }
    if (!queued || z->base.lost) return status;
    const uint32_t code = z->api.list_reset(z->list);
    z->queued = false;
    if (status == NCE_OK) return nce_ze_check(z, NCE_ZE_list_reset, code);
    nce_ze_note(z, NCE_ZE_list_reset, code);
    return status;
}

nce_status nce_ze_alloc(nce_gpu *g, size_t bytes, nce_gpu_address *out)
{
    nce_ze *z = (nce_ze *)g;
    const nce_ze_description d = {.type = NCE_ZE_DEVICE_ALLOC_DESC};
    void *p = NULL;
    *out = 0;
    nce_status status = nce_ze_usable(z);
    if (status != NCE_OK) return status;
    uint32_t code = NCE_ZE_UNSUPPORTED_SIZE;
    if (bytes <= z->most_bytes) code = z->api.device_alloc(z->context, &d, bytes != 0 ? bytes : 1, 64, z->device, &p);
    if (code == NCE_ZE_OUT_OF_DEVICE_MEMORY || code == NCE_ZE_OUT_OF_HOST_MEMORY || code == NCE_ZE_UNSUPPORTED_SIZE)
        return nce_fail(g->ctx, NCE_ERR_NOMEM, "oneapi: %s: %s (0x%x): asked %zu, the device has %llu, %llu at a time",
                        nce_ze_calls[NCE_ZE_device_alloc], nce_ze_error_text(code), code, bytes,
                        (unsigned long long)g->info.memory_bytes, (unsigned long long)z->most_bytes);
    status = nce_ze_check(z, NCE_ZE_device_alloc, code);
    if (status == NCE_OK) *out = (nce_gpu_address)(uintptr_t)p;
    return status;
}

/* Level Zero frees at once: what is queued may still use it. */
void nce_ze_free(nce_gpu *g, nce_gpu_address address)
{
    nce_ze *z = (nce_ze *)g;
    if (address == 0) return;
    if (!g->lost && z->queued) nce_ze_sync(g);
    nce_ze_note(z, NCE_ZE_memory_free, z->api.memory_free(z->context, (void *)(uintptr_t)address));
}

nce_status nce_ze_host_alloc(nce_gpu *g, size_t bytes, void **out)
{
    nce_ze *z = (nce_ze *)g;
    const nce_ze_description d = {.type = NCE_ZE_HOST_ALLOC_DESC};
    void *p = NULL;
    *out = NULL;
    nce_status status = nce_ze_usable(z);
    if (status != NCE_OK) return status;
    nce_ze_pinned *block = nce_alloc(g->ctx, sizeof *block);
    if (block == NULL) return nce_fail_nomem(g->ctx, sizeof *block);
    status = nce_ze_check(z, NCE_ZE_host_alloc, z->api.host_alloc(z->context, &d, bytes != 0 ? bytes : 1, 64, &p));
    if (status != NCE_OK) {
        nce_free(g->ctx, block);
        return status;
    }
    *block = (nce_ze_pinned){z->pinned, p, bytes};
    z->pinned = block;
    *out = p;
    return NCE_OK;
}

void nce_ze_host_free(nce_gpu *g, void *p)
{
    nce_ze *z = (nce_ze *)g;
    if (p == NULL) return;
    if (!g->lost && z->queued) nce_ze_sync(g);
    nce_ze_pinned **at = &z->pinned;
    while (*at != NULL && (*at)->at != p)
        at = &(*at)->next;
    nce_ze_pinned *block = *at;
    if (block != NULL) *at = block->next;
    nce_ze_note(z, NCE_ZE_memory_free, z->api.memory_free(z->context, p));
    nce_free(g->ctx, block);
}

static bool pinned(const nce_ze *z, const void *p, size_t bytes)
{
    const uint8_t *at = p;
    for (const nce_ze_pinned *b = z->pinned; b != NULL; b = b->next)
        if (at >= b->at && bytes <= b->bytes && at + bytes <= b->at + b->bytes) return true;
    return false;
}

static nce_status append_copy(nce_ze *z, void *to, const void *from, size_t bytes)
{
    return nce_ze_appended(z, NCE_ZE_copy, z->api.copy(nce_ze_list(z), to, from, bytes, NULL, 0, NULL));
}

/* Piece by piece through the pinned buffer, each one waited for. */
static nce_status staged(nce_ze *z, uint8_t *device, const uint8_t *from, uint8_t *to, size_t bytes)
{
    nce_status status = nce_ze_sync(&z->base); /* the buffer may be in use */
    for (size_t i = 0; status == NCE_OK && i < bytes; i += NCE_ZE_STAGE_BYTES) {
        const size_t n = bytes - i < NCE_ZE_STAGE_BYTES ? bytes - i : NCE_ZE_STAGE_BYTES;
        if (from != NULL) memcpy(z->stage, from + i, n);
        status = from != NULL ? append_copy(z, device + i, z->stage, n) : append_copy(z, z->stage, device + i, n);
        if (status == NCE_OK) status = nce_ze_sync(&z->base);
        if (status == NCE_OK && to != NULL) memcpy(to + i, z->stage, n);
    }
    return status;
}

nce_status nce_ze_upload(nce_gpu *g, nce_gpu_address to, const void *host, size_t bytes)
{
    nce_ze *z = (nce_ze *)g;
    const nce_status status = nce_ze_usable(z);
    if (status != NCE_OK || bytes == 0) return status;
    if (pinned(z, host, bytes)) return append_copy(z, (void *)(uintptr_t)to, host, bytes);
    return staged(z, (uint8_t *)(uintptr_t)to, host, NULL, bytes);
}

nce_status nce_ze_download(nce_gpu *g, void *host, nce_gpu_address from, size_t bytes)
{
    nce_ze *z = (nce_ze *)g;
    const nce_status status = nce_ze_usable(z);
    if (status != NCE_OK || bytes == 0) return status;
    if (pinned(z, host, bytes)) return append_copy(z, host, (const void *)(uintptr_t)from, bytes);
    return staged(z, (uint8_t *)(uintptr_t)from, NULL, host, bytes);
}

nce_status nce_ze_copy(nce_gpu *g, nce_gpu_address to, nce_gpu_address from, size_t bytes)
{
    nce_ze *z = (nce_ze *)g;
    const nce_status status = nce_ze_usable(z);
    if (status != NCE_OK || bytes == 0) return status;
    return append_copy(z, (void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
}

nce_status nce_ze_zero(nce_gpu *g, nce_gpu_address to, size_t bytes)
{
    nce_ze *z = (nce_ze *)g;
    const uint8_t zero = 0;
    const nce_status status = nce_ze_usable(z);
    if (status != NCE_OK || bytes == 0) return status;
    return nce_ze_appended(z, NCE_ZE_fill, z->api.fill(nce_ze_list(z), (void *)(uintptr_t)to, &zero, 1, bytes, NULL, 0, NULL));
}
