/* The kernels of a device by name: the driver is asked once for each. */
#include "src/hal/gpu/driver.h"
#include <stdio.h>
#include <string.h>

nce_status nce_gpu_kernel_find(nce_gpu *g, const char *name, nce_gpu_kernel **out)
{
    *out = NULL;
    for (nce_gpu_kernel *k = g->kernels; k != NULL; k = k->next)
        if (strcmp(k->name, name) == 0) {
            *out = k;
            return NCE_OK;
        }
    nce_gpu_kernel *k = nce_alloc_zero(g->ctx, sizeof *k);
    if (k == NULL) return nce_fail_nomem(g->ctx, sizeof *k);
    const nce_status status = g->ops->kernel(g, name, &k->handle);
    if (status != NCE_OK) {
        nce_free(g->ctx, k);
        return status;
    }
    snprintf(k->name, sizeof k->name, "%s", name);
    k->next = g->kernels;
    g->kernels = *out = k;
    return NCE_OK;
}

void nce_gpu_kernels_free(nce_gpu *g)
{
    for (nce_gpu_kernel *k = g->kernels, *next; k != NULL; k = next) {
        next = k->next;
        if (g->ops->kernel_release != NULL) g->ops->kernel_release(g, k->handle);
        nce_free(g->ctx, k);
    }
    g->kernels = NULL;
}
