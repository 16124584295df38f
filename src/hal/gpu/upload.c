/* Weights on their way to a device: through two halves of pinned memory, so that one is filled (which reads the file) while
 * the other is copied.  Vendors' drivers copy pinned memory without a part of the host in it; Level Zero's queue runs when it is
 * waited for, so there the halves take turns only. */
#include "src/hal/gpu/exec.h"
#include <string.h>

enum { HALF = 8 << 20, SMALL = 1 << 20 };

/* Without pinned memory it goes the plain way: that is slower, but no failure. */
static bool has_halves(nce_gpu_device *d)
{
    void *p;
    if (d->halves == NULL && !d->no_halves) {
        d->no_halves = d->gpu->ops->host_alloc(d->gpu, 2 * (size_t)HALF, &p) != NCE_OK;
        if (!d->no_halves) d->halves = p;
    }
    return d->halves != NULL;
}

nce_status nce_gpu_send(nce_gpu_device *d, nce_gpu_address to, const void *host, size_t bytes)
{
    const nce_gpu_ops *ops = d->gpu->ops;
    nce_status status = NCE_OK;
    if (bytes <= SMALL || !has_halves(d)) {
        status = ops->upload(d->gpu, to, host, bytes);
        return status == NCE_OK ? ops->sync(d->gpu) : status;
    }
    for (size_t done = 0, n; done < bytes && status == NCE_OK; done += n) {
        uint8_t *half = d->halves + (d->odd_half ? HALF : 0);
        n = bytes - done < HALF ? bytes - done : HALF;
        memcpy(half, (const uint8_t *)host + done, n); /* at most the other half is under way */
        status = ops->sync(d->gpu);
        if (status == NCE_OK) status = ops->upload(d->gpu, to + done, half, n);
        d->odd_half = !d->odd_half;
    }
    return status;
}

void nce_gpu_send_end(nce_gpu_device *d)
{
    if (d->halves == NULL) return;
    if (!d->gpu->lost) d->gpu->ops->sync(d->gpu);
    d->gpu->ops->host_free(d->gpu, d->halves);
    d->halves = NULL;
}
