/* The module, its kernels, launches, and graphs of them.
 *
 * CUDA has one image with code for several architectures, the driver chooses.  HIP has one image per architecture and no
 * way to ask for the device's full name that is the same in all versions: each is tried until the driver takes one. */
#include "src/hal/gpu/cuda_hip/api.h"
#include "src/hal/gpu/image.h"
#include "src/hal/gpu/image_file.h"
#include <stdio.h>
#include <string.h>

enum { MAX_ARGS = 64, CAPTURE_THREAD_LOCAL = 1 };

static bool wrong_image(int code)
{
    return code == NCE_CU_BAD_IMAGE || code == NCE_CU_NO_BINARY || code == NCE_CU_BAD_PTX || code == NCE_CU_NEWER_PTX ||
           code == NCE_CU_BAD_OBJECT;
}

/* No image of ours fits. */
static nce_status refuse(const nce_cu *c, int code, const char *archs)
{
    const char *vendor = c->vendor->name;
    if (*archs == '\0') return nce_fail(c->base.ctx, NCE_ERR_UNSUPPORTED, "%s: this build has no kernels for %s", vendor, vendor);
    return nce_fail(c->base.ctx, NCE_ERR_UNSUPPORTED, "%s: %s: %s (%d): %s is %s, this build has kernels for%s", vendor,
                    c->vendor->calls[NCE_CU_module_load], nce_cu_error_text(code), code, c->base.info.name, c->base.info.arch, archs);
}

static nce_status load_embedded(nce_cu *c)
{
    char archs[160] = "";
    size_t n, used = 0;
    int code = 0;
    const nce_gpu_image *image = nce_gpu_images(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(image[i].vendor, c->vendor->name) != 0) continue;
        code = c->api.module_load(&c->module, image[i].data);
        if (code == 0) {
            if (c->vendor == &nce_cu_hip) snprintf(c->base.info.arch, sizeof c->base.info.arch, "%s", image[i].arch);
            return NCE_OK;
        }
        c->module = NULL;
        if (!wrong_image(code)) return nce_cu_check(c, NCE_CU_module_load, code);
        if (used < sizeof archs) used += (size_t)snprintf(archs + used, sizeof archs - used, " %s", image[i].arch);
    }
    return refuse(c, code, archs);
}

static nce_status load_file(nce_cu *c, const char *path)
{
    char *data;
    nce_status status = nce_gpu_image_read(c->base.ctx, path, &data, NULL);
    if (status != NCE_OK) return status;
    const int code = c->api.module_load(&c->module, data);
    if (code != 0) c->module = NULL;
    status = wrong_image(code) ? refuse(c, code, " what is in the file") : nce_cu_check(c, NCE_CU_module_load, code);
    nce_free(c->base.ctx, data);
    return status;
}

static nce_status load_module(nce_cu *c)
{
    const char *path = nce_path(c->base.ctx, c->vendor->image_path, NULL);
    if (c->module != NULL) return NCE_OK;
    return path != NULL ? load_file(c, path) : load_embedded(c);
}

static nce_status find_kernel(nce_cu *c, const char *name, void **out)
{
    const int code = c->api.module_function(out, c->module, name);
    if (code == NCE_CU_NOT_FOUND)
        return nce_fail(c->base.ctx, NCE_ERR_NOTFOUND, "%s: %s: no kernel '%s'", c->vendor->name,
                        c->vendor->calls[NCE_CU_module_function], name);
    return nce_cu_check(c, NCE_CU_module_function, code);
}

nce_status nce_cu_kernel(nce_gpu *g, const char *name, void **out)
{
    nce_cu *c = (nce_cu *)g;
    nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    status = load_module(c);
    if (status == NCE_OK) status = find_kernel(c, name, out);
    return nce_cu_leave(c, status);
}

nce_status nce_cu_launch(nce_gpu *g, nce_gpu_kernel *k, const uint32_t groups[3], uint32_t group, const nce_gpu_arg *args,
                         uint32_t n_args)
{
    nce_cu *c = (nce_cu *)g;
    void *params[MAX_ARGS];
    if (n_args > MAX_ARGS) return nce_fail(g->ctx, NCE_ERR_INTERNAL, "%s: kernel %s: %u arguments", c->vendor->name, k->name, n_args);
    for (uint32_t i = 0; i < n_args; i++)
        memcpy(&params[i], &args[i].value, sizeof params[i]); /* the driver takes them without const, and only reads */
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    const int code = c->api.launch(k->handle, groups[0], groups[1], groups[2], group, 1, 1, 0, c->stream, params, NULL);
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_launch, code));
}

/* Ends the capture without a graph: for when its beginning or end is reported as failed. */
static void abandon(nce_cu *c)
{
    void *graph = NULL;
    if (c->base.lost) return;
    nce_cu_note(c, NCE_CU_capture_end, c->api.capture_end(c->stream, &graph));
    if (graph != NULL) nce_cu_note(c, NCE_CU_graph_destroy, c->api.graph_destroy(graph));
}

nce_status nce_cu_capture_begin(nce_gpu *g)
{
    nce_cu *c = (nce_cu *)g;
    nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    const int code = c->api.capture_begin(c->stream, CAPTURE_THREAD_LOCAL);
    status = nce_cu_leave(c, nce_cu_check(c, NCE_CU_capture_begin, code));
    if (status != NCE_OK && code == 0) abandon(c);
    return status;
}

nce_status nce_cu_capture_end(nce_gpu *g, nce_gpu_graph **out)
{
    nce_cu *c = (nce_cu *)g;
    void *graph = NULL;
    *out = NULL;
    nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) {
        abandon(c);
        return status;
    }
    nce_gpu_graph *made = nce_alloc_zero(g->ctx, sizeof *made);
    status = nce_cu_check(c, NCE_CU_capture_end, c->api.capture_end(c->stream, &graph)); /* also without memory: it must end */
    if (status == NCE_OK && made == NULL) status = nce_fail_nomem(g->ctx, sizeof *made);
    if (status == NCE_OK) status = nce_cu_check(c, NCE_CU_graph_make, c->api.graph_make(&made->exec, graph, 0));
    if (graph != NULL) nce_cu_note(c, NCE_CU_graph_destroy, c->api.graph_destroy(graph));
    status = nce_cu_leave(c, status);
    if (status == NCE_OK) *out = made;
    else if (made != NULL) nce_cu_graph_destroy(g, made);
    return status;
}

nce_status nce_cu_replay(nce_gpu *g, nce_gpu_graph *graph)
{
    nce_cu *c = (nce_cu *)g;
    const nce_status status = nce_cu_enter(c);
    if (status != NCE_OK) return status;
    return nce_cu_leave(c, nce_cu_check(c, NCE_CU_graph_launch, c->api.graph_launch(graph->exec, c->stream)));
}

void nce_cu_graph_destroy(nce_gpu *g, nce_gpu_graph *graph)
{
    nce_cu *c = (nce_cu *)g;
    if (graph == NULL) return;
    if (graph->exec != NULL) nce_cu_note(c, NCE_CU_graph_free, c->api.graph_free(graph->exec));
    nce_free(g->ctx, graph);
}
