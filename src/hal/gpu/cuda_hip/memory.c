/* Device memory, pinned memory and copies, all on the one stream. */
#include "src/hal/gpu/cuda_hip/api.h"

nce_status nce_cu_alloc(nce_gpu *g, size_t bytes, nce_gpu_address *out)
{
    nce_cu *c = (nce_cu *)g;
    nce_gpu_address at = 0;
    *out = 0;
    nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    const int code = c->api.memory_alloc(&at, bytes != 0 ? bytes : 1);
    status = nce_cu_check(c, NCE_CU_memory_alloc, code);
    if (code == NCE_CU_NO_MEMORY) {
        size_t free_bytes = 0, total = 0;
        if (c->api.memory_info(&free_bytes, &total) != 0) free_bytes = 0;
        nce_fail(g->ctx, status, "%s: %s: %s (%d): asked %zu, free %zu", c->vendor->name, c->vendor->calls[NCE_CU_memory_alloc],
                 nce_cu_error_text(code), code, bytes, free_bytes);
    }
    status = nce_cu_leave(c, status);
    if (status == NCE_OK) *out = at;
    else if (at != 0) nce_cu_note(c, NCE_CU_memory_free, c->api.memory_free(at));
    return status;
}

/* Tried on a lost device too: the driver may still give the memory back to other programs. */
void nce_cu_free(nce_gpu *g, nce_gpu_address address)
{
    nce_cu *c = (nce_cu *)g;
    void *ours;
    if (address == 0) return;
    const bool pushed = c->api.push(c->context) == 0;
    nce_cu_note(c, NCE_CU_memory_free, c->api.memory_free(address));
    if (pushed) nce_cu_note(c, NCE_CU_pop, c->api.pop(&ours));
}

nce_status nce_cu_host_alloc(nce_gpu *g, size_t bytes, void **out)
{
    nce_cu *c = (nce_cu *)g;
    void *p = NULL;
    *out = NULL;
    nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    status = nce_cu_check(c, NCE_CU_host_alloc, c->api.host_alloc(&p, bytes != 0 ? bytes : 1, 0));
    status = nce_cu_leave(c, status);
    if (status == NCE_OK) *out = p;
    else if (p != NULL) nce_cu_note(c, NCE_CU_host_free, c->api.host_free(p));
    return status;
}

void nce_cu_host_free(nce_gpu *g, void *p)
{
    nce_cu *c = (nce_cu *)g;
    void *ours;
    if (p == NULL) return;
    const bool pushed = c->api.push(c->context) == 0;
    nce_cu_note(c, NCE_CU_host_free, c->api.host_free(p));
    if (pushed) nce_cu_note(c, NCE_CU_pop, c->api.pop(&ours));
}

nce_status nce_cu_upload(nce_gpu *g, nce_gpu_address to, const void *host, size_t bytes)
{
    nce_cu *c = (nce_cu *)g;
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK || bytes == 0) return status != NCE_OK ? status : nce_cu_leave(c, NCE_OK);
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_upload, c->api.upload(to, host, bytes, c->stream)));
}

nce_status nce_cu_download(nce_gpu *g, void *host, nce_gpu_address from, size_t bytes)
{
    nce_cu *c = (nce_cu *)g;
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK || bytes == 0) return status != NCE_OK ? status : nce_cu_leave(c, NCE_OK);
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_download, c->api.download(host, from, bytes, c->stream)));
}

nce_status nce_cu_copy(nce_gpu *g, nce_gpu_address to, nce_gpu_address from, size_t bytes)
{
    nce_cu *c = (nce_cu *)g;
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK || bytes == 0) return status != NCE_OK ? status : nce_cu_leave(c, NCE_OK);
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_copy, c->api.copy(to, from, bytes, c->stream)));
}

nce_status nce_cu_zero(nce_gpu *g, nce_gpu_address to, size_t bytes)
{
    nce_cu *c = (nce_cu *)g;
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK || bytes == 0) return status != NCE_OK ? status : nce_cu_leave(c, NCE_OK);
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_fill, c->api.fill(to, 0, bytes, c->stream)));
}

nce_status nce_cu_sync(nce_gpu *g)
{
    nce_cu *c = (nce_cu *)g;
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_stream_sync, c->api.stream_sync(c->stream)));
}
