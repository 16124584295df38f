/* The SPIR-V module, its kernels, launches, and lists of launches kept as graphs. */
#include "src/hal/gpu/image.h"
#include "src/hal/gpu/image_file.h"
#include "src/hal/gpu/level_zero/api.h"
#include <stdio.h>
#include <string.h>

/* Page tables hold addresses that kernels follow. */
enum { ANY_MEMORY = 7 };

/* The arithmetic contract needs divisions and roots rounded to nearest. */
static const char flags[] = "-cl-fp32-correctly-rounded-divide-sqrt";

/* A driver that does not take our module: for this device we have none. */
static nce_status refuse(nce_ze *z, uint32_t code, void *log)
{
    char text[256] = "";
    size_t n = 0;
    if (log != NULL && z->api.log_text(log, &n, NULL) == 0 && n > 0) {
        char *all = nce_alloc_zero(z->base.ctx, n + 1);
        if (all != NULL && z->api.log_text(log, &n, all) == 0) snprintf(text, sizeof text, "%.200s", all);
        nce_free(z->base.ctx, all);
    }
    return nce_fail(z->base.ctx, NCE_ERR_UNSUPPORTED, "oneapi: %s: %s (0x%x): %s: %s", nce_ze_calls[NCE_ZE_module_create],
                    nce_ze_error_text(code), code, z->base.info.name, text);
}

static nce_status build(nce_ze *z, const void *data, size_t bytes)
{
    const nce_ze_module_description d = {.type = NCE_ZE_MODULE_DESC, .bytes = bytes, .data = data, .flags = flags};
    void *log = NULL;
    const uint32_t code = z->api.module_create(z->context, z->device, &d, &z->module, &log);
    nce_status status = NCE_OK;
    if (code == NCE_ZE_BUILD_FAILED || code == NCE_ZE_BAD_BINARY) status = refuse(z, code, log);
    else status = nce_ze_check(z, NCE_ZE_module_create, code);
    if (code != 0) z->module = NULL;
    if (log != NULL) nce_ze_note(z, NCE_ZE_log_destroy, z->api.log_destroy(log));
    return status == NCE_OK ? nce_ze_usable(z) : status;
}

static nce_status load_module(nce_ze *z)
{
    nce_context *ctx = z->base.ctx;
    const char *path = nce_path(ctx, "oneapi-image", NULL);
    size_t n;
    if (z->module != NULL) return NCE_OK;
    if (path != NULL) {
        char *data;
        nce_status status = nce_gpu_image_read(ctx, path, &data, &n);
        if (status != NCE_OK) return status;
        status = build(z, data, n);
        nce_free(ctx, data);
        return status;
    }
    const nce_gpu_image *image = nce_gpu_images(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(image[i].vendor, "oneapi") == 0) return build(z, image[i].data, image[i].bytes);
    return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "oneapi: this build has no kernels for oneapi");
}

static nce_status find_kernel(nce_ze *z, const char *name, void **out)
{
    const nce_ze_kernel_description d = {.type = NCE_ZE_KERNEL_DESC, .name = name};
    const uint32_t code = z->api.kernel_create(z->module, &d, out);
    if (code == NCE_ZE_NO_KERNEL)
        return nce_fail(z->base.ctx, NCE_ERR_NOTFOUND, "oneapi: %s: no kernel '%s'", nce_ze_calls[NCE_ZE_kernel_create], name);
    nce_status status = nce_ze_check(z, NCE_ZE_kernel_create, code);
    if (status != NCE_OK) return status;
    status = nce_ze_check(z, NCE_ZE_kernel_indirect, z->api.kernel_indirect(*out, ANY_MEMORY));
    if (status != NCE_OK) nce_ze_note(z, NCE_ZE_kernel_destroy, z->api.kernel_destroy(*out));
    return status;
}

nce_status nce_ze_kernel(nce_gpu *g, const char *name, void **out)
{
    nce_ze *z = (nce_ze *)g;
    nce_status status = nce_ze_usable(z);
    if (status == NCE_OK) status = load_module(z);
    return status == NCE_OK ? find_kernel(z, name, out) : status;
}

nce_status nce_ze_launch(nce_gpu *g, nce_gpu_kernel *k, const uint32_t groups[3], uint32_t group, const nce_gpu_arg *args,
                         uint32_t n_args)
{
    nce_ze *z = (nce_ze *)g;
    const nce_ze_group_count count = {groups[0], groups[1], groups[2]};
    nce_status status = nce_ze_usable(z);
    if (status == NCE_OK) status = nce_ze_check(z, NCE_ZE_kernel_group, z->api.kernel_group(k->handle, group, 1, 1));
    for (uint32_t i = 0; status == NCE_OK && i < n_args; i++) {
        nce_gpu_address at = 1;
        if (args[i].address) memcpy(&at, args[i].value, sizeof at);
        /* No memory is said by no value: Intel's driver refuses an address of 0. */
        status = nce_ze_check(z, NCE_ZE_kernel_arg, z->api.kernel_arg(k->handle, i, args[i].bytes, at != 0 ? args[i].value : NULL));
    }
    if (status != NCE_OK) return status;
    return nce_ze_appended(z, NCE_ZE_launch, z->api.launch(nce_ze_list(z), k->handle, &count, NULL, 0, NULL));
}

nce_status nce_ze_capture_begin(nce_gpu *g)
{
    nce_ze *z = (nce_ze *)g;
    const nce_status status = nce_ze_usable(z);
    return status == NCE_OK ? nce_ze_list_create(z, &z->captured) : status;
}

nce_status nce_ze_capture_end(nce_gpu *g, nce_gpu_graph **out)
{
    nce_ze *z = (nce_ze *)g;
    void *list = z->captured;
    *out = NULL;
    z->captured = NULL;
    nce_status status = nce_ze_usable(z);
    nce_gpu_graph *made = nce_alloc_zero(g->ctx, sizeof *made);
    if (status == NCE_OK && made == NULL) status = nce_fail_nomem(g->ctx, sizeof *made);
    if (status == NCE_OK) status = nce_ze_check(z, NCE_ZE_list_close, z->api.list_close(list));
    if (status != NCE_OK) {
        if (list != NULL) nce_ze_note(z, NCE_ZE_list_destroy, z->api.list_destroy(list));
        nce_free(g->ctx, made);
        return status;
    }
    made->list = list;
    *out = made;
    return NCE_OK;
}

/* The list that is open comes first: it is run, and may be appended to again only when it is done. */
nce_status nce_ze_replay(nce_gpu *g, nce_gpu_graph *graph)
{
    nce_ze *z = (nce_ze *)g;
    nce_status status = nce_ze_usable(z);
    if (status == NCE_OK && z->queued) status = nce_ze_sync(g);
    return status == NCE_OK ? nce_ze_run(z, graph->list) : status;
}

void nce_ze_graph_destroy(nce_gpu *g, nce_gpu_graph *graph)
{
    nce_ze *z = (nce_ze *)g;
    if (graph == NULL) return;
    if (!g->lost) nce_ze_note(z, NCE_ZE_queue_sync, z->api.queue_sync(z->queue, UINT64_MAX)); /* it may be running */
    nce_ze_note(z, NCE_ZE_list_destroy, z->api.list_destroy(graph->list));
    nce_free(g->ctx, graph);
}
