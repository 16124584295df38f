/* Intel GPUs through Level Zero: finding the loader, and opening a device.
 *
 * The 1.8 loader crashes in any call after a failed zeInit, so nothing is called then. */
#include "src/hal/gpu/exec.h"
#include "src/hal/gpu/level_zero/api.h"
#include "src/hal/library.h"
#include <stdio.h>
#include <string.h>

enum { MOST_DRIVERS = 8, MOST_DEVICES = 64, A_GPU = 1 };

static nce_status load(nce_context *ctx, nce_ze *z)
{
    static const char *const usual[] = {"libze_loader.so.1", NULL};
    static const nce_symbol symbols[] = {
#define X(field, args, name) {name, offsetof(nce_ze_api, field), true},
        NCE_ZE_FUNCTIONS(X)
#undef X
    };
    memset(z, 0, sizeof *z);
    z->base.ctx = ctx;
    nce_status status = nce_library_open(ctx, "oneapi", usual, symbols, NCE_ZE_CALLS, &z->api, &z->library);
    if (status != NCE_OK) return status;
    const uint32_t code = z->api.init(0);
    status = nce_ze_check(z, NCE_ZE_init, code);
    if (status == NCE_OK) return NCE_OK;
    nce_library_close(z->library);
    z->library = NULL;
    return code == NCE_ZE_UNINITIALIZED ? NCE_ERR_NOTFOUND : status;
}

/* Asked for their number first: drivers do not all correct a number that is too large. */
static nce_status drivers_of(nce_ze *z, uint32_t *n, void *drivers[MOST_DRIVERS])
{
    *n = 0;
    nce_status status = nce_ze_check(z, NCE_ZE_drivers, z->api.drivers(n, NULL));
    if (*n > MOST_DRIVERS) *n = MOST_DRIVERS;
    if (status == NCE_OK && *n > 0) status = nce_ze_check(z, NCE_ZE_drivers, z->api.drivers(n, drivers));
    return status;
}

static nce_status devices_of(nce_ze *z, void *driver, uint32_t *n, void *devices[MOST_DEVICES])
{
    *n = 0;
    nce_status status = nce_ze_check(z, NCE_ZE_devices, z->api.devices(driver, n, NULL));
    if (*n > MOST_DEVICES) *n = MOST_DEVICES;
    if (status == NCE_OK && *n > 0) status = nce_ze_check(z, NCE_ZE_devices, z->api.devices(driver, n, devices));
    return status;
}

/* The GPUs of all drivers, in the loader's order; device and driver number wanted, if there are so many. */
static nce_status find(nce_ze *z, uint32_t wanted, uint32_t *n_gpus)
{
    void *drivers[MOST_DRIVERS], *devices[MOST_DEVICES];
    uint32_t n_drivers, n;
    *n_gpus = 0;
    nce_status status = drivers_of(z, &n_drivers, drivers);
    for (uint32_t i = 0; status == NCE_OK && i < n_drivers; i++) {
        status = devices_of(z, drivers[i], &n, devices);
        for (uint32_t j = 0; status == NCE_OK && j < n; j++) {
            nce_ze_device_properties p = {.type = NCE_ZE_DEVICE_PROPERTIES};
            status = nce_ze_check(z, NCE_ZE_properties, z->api.properties(devices[j], &p));
            if (status != NCE_OK || p.kind != A_GPU || (*n_gpus)++ != wanted) continue;
            z->driver = drivers[i];
            z->device = devices[j];
            snprintf(z->base.info.name, sizeof z->base.info.name, "%.127s", p.name);
            snprintf(z->base.info.arch, sizeof z->base.info.arch, "0x%04x", p.id);
            z->base.info.n_units = p.slices * p.subslices;
            z->most_bytes = p.most_bytes;
        }
    }
    return status;
}

static nce_status count(nce_context *ctx, uint32_t *out)
{
    nce_ze z;
    *out = 0;
    nce_status status = load(ctx, &z);
    if (status != NCE_OK) return status;
    uint32_t n = 0;
    status = find(&z, UINT32_MAX, &n);
    if (status == NCE_OK && n == 0) status = nce_fail(ctx, NCE_ERR_NOTFOUND, "oneapi: the drivers have no GPU");
    nce_library_close(z.library);
    if (status == NCE_OK) *out = n;
    return status;
}

static nce_status read_facts(nce_ze *z)
{
    nce_gpu_info *info = &z->base.info;
    nce_ze_compute_properties c = {.type = NCE_ZE_COMPUTE_PROPERTIES};
    nce_ze_memory_properties m = {.type = NCE_ZE_MEMORY_PROPERTIES};
    nce_ze_pci_properties p = {.type = NCE_ZE_PCI_PROPERTIES};
    uint32_t n = 1;
    nce_status status = nce_ze_check(z, NCE_ZE_compute_properties, z->api.compute_properties(z->device, &c));
    if (status == NCE_OK) status = nce_ze_check(z, NCE_ZE_memory_properties, z->api.memory_properties(z->device, &n, &m));
    if (status != NCE_OK) return status;
    info->max_group = c.max_group;
    info->shared_bytes = c.local_bytes;
    info->memory_bytes = info->memory_free = m.bytes; /* what is free cannot be asked here */
    info->graphs = true;
    const uint32_t code = z->api.pci_properties(z->device, &p);
    if (code >= NCE_ZE_UNINITIALIZED) return NCE_OK; /* an extension, refused in several ways: then there is no address */
    snprintf(info->pci, sizeof info->pci, "%04x:%02x:%02x.%x", p.domain & 0xffff, p.bus & 0xff, p.device & 0xff, p.function & 0xf);
    return nce_ze_check(z, NCE_ZE_pci_properties, code);
}

static nce_status take(nce_ze *z)
{
    const nce_ze_description c = {.type = NCE_ZE_CONTEXT_DESC}, q = {.type = NCE_ZE_QUEUE_DESC};
    void *p;
    nce_status status = nce_ze_check(z, NCE_ZE_context_create, z->api.context_create(z->driver, &c, &z->context));
    if (status == NCE_OK) status = nce_ze_check(z, NCE_ZE_queue_create, z->api.queue_create(z->context, z->device, &q, &z->queue));
    if (status == NCE_OK) status = nce_ze_list_create(z, &z->list);
    if (status == NCE_OK) status = nce_ze_host_alloc(&z->base, NCE_ZE_STAGE_BYTES, &p);
    if (status == NCE_OK) z->stage = p;
    return status;
}

static void close_device(nce_gpu *g)
{
    nce_ze *z = (nce_ze *)g;
    if (!g->lost && z->list != NULL) nce_ze_sync(g);
    nce_gpu_kernels_free(g);
    nce_ze_host_free(g, z->stage);
    if (z->captured != NULL) nce_ze_note(z, NCE_ZE_list_destroy, z->api.list_destroy(z->captured));
    if (z->module != NULL) nce_ze_note(z, NCE_ZE_module_destroy, z->api.module_destroy(z->module));
    if (z->list != NULL) nce_ze_note(z, NCE_ZE_list_destroy, z->api.list_destroy(z->list));
    if (z->queue != NULL) nce_ze_note(z, NCE_ZE_queue_destroy, z->api.queue_destroy(z->queue));
    if (z->context != NULL) nce_ze_note(z, NCE_ZE_context_destroy, z->api.context_destroy(z->context));
    nce_library_close(z->library);
    nce_free(g->ctx, z);
}

static void kernel_release(nce_gpu *g, void *kernel)
{
    nce_ze *z = (nce_ze *)g;
    nce_ze_note(z, NCE_ZE_kernel_destroy, z->api.kernel_destroy(kernel));
}

static const nce_gpu_ops ops = {.close = close_device, .kernel_release = kernel_release, NCE_GPU_TABLE(nce_ze),
                                NCE_GPU_GRAPH_TABLE(nce_ze)};

static nce_status open_device(nce_context *ctx, uint32_t index, nce_gpu **out)
{
    nce_ze *z = nce_alloc(ctx, sizeof *z);
    uint32_t n = 0;
    *out = NULL;
    if (z == NULL) return nce_fail_nomem(ctx, sizeof *z);
    nce_status status = load(ctx, z);
    if (status != NCE_OK) {
        nce_free(ctx, z);
        return status;
    }
    z->base.ops = &ops;
    z->base.vendor = "oneapi";
    status = find(z, index, &n);
    if (status == NCE_OK && z->device == NULL) status = nce_fail(ctx, NCE_ERR_NOTFOUND, "oneapi:%u: the drivers have %u GPUs", index, n);
    if (status == NCE_OK) status = read_facts(z);
    if (status == NCE_OK) status = take(z);
    if (status != NCE_OK) {
        close_device(&z->base);
        return status;
    }
    *out = &z->base;
    return NCE_OK;
}

const nce_gpu_vendor nce_gpu_oneapi = {"oneapi", count, open_device};

static nce_status oneapi_create(nce_context *ctx, const char *argument, nce_device **out)
{
    return nce_gpu_driver_create(&nce_gpu_oneapi, ctx, argument, out);
}

const nce_device_driver nce_oneapi_driver = {"oneapi", "an Intel GPU, oneapi:0 the first", oneapi_create, &nce_gpu_oneapi};
