/* The CUDA, HIP and Level Zero hosts against fake drivers: memory, kernels, graphs, and every way to fail. */
#include "tests/gpu/gpu_test.h"

static const char kernels[] =
    "__kernel void add(__global float *y, __global const float *x, float a, int n)\n"
    "{ int i = get_global_id(0); if (i < n) y[i] = x[i] + a + (float)get_group_id(1); }\n";

typedef struct setup {
    const nce_gpu_vendor *vendor;
    fake_control *fake;
    nce_context *ctx;
    char image[64], paths[512];
} setup;

static setup start(const nce_gpu_vendor *vendor, faulty_alloc *allocator)
{
    setup s = {.vendor = vendor};
    const char *library = gpu_test_library(vendor->name);
    s.fake = gpu_test_control(library);
    gpu_test_file(kernels, s.image);
    snprintf(s.paths, sizeof s.paths, "%s=%s,%s-image=%s", vendor->name, library, vendor->name, s.image);
    s.ctx = gpu_test_context(s.paths, allocator);
    return s;
}

static void finish(setup *s)
{
    nce_context_destroy(s->ctx);
    unlink(s->image);
    cr_assert_eq(s->fake->live, 0, "%ld objects of the driver are left", s->fake->live);
}

enum { N = 100 };

/* Uses every function once; *y: [N] results, where there is room. */
static nce_status use(nce_gpu *g, bool graph, float *y)
{
    float x[N];
    nce_gpu_address dx = 0, dy = 0;
    void *staging = NULL;
    nce_gpu_kernel *k;
    nce_gpu_graph *replayed = NULL;
    const float a = 0.5f;
    const int32_t n = N;
    for (int i = 0; i < N; i++)
        x[i] = (float)i;
    nce_status status = g->ops->alloc(g, sizeof x, &dx);
    if (status == NCE_OK) status = g->ops->alloc(g, sizeof x, &dy);
    if (status == NCE_OK) status = g->ops->host_alloc(g, sizeof x, &staging);
    if (status == NCE_OK) memcpy(staging, x, sizeof x);
    if (status == NCE_OK) status = nce_gpu_kernel_find(g, "add", &k);
    if (status == NCE_OK) status = g->ops->zero(g, dy, sizeof x);
    const nce_gpu_arg args[] = {{&dy, 8, true}, {&dx, 8, true}, {&a, 4, false}, {&n, 4, false}};
    if (status == NCE_OK && graph) status = g->ops->capture_begin(g);
    if (status == NCE_OK) status = g->ops->upload(g, dx, staging, sizeof x);
    if (status == NCE_OK) status = g->ops->launch(g, k, (const uint32_t[3]){2, 1, 1}, 64, args, 4);
    if (status == NCE_OK) status = g->ops->copy(g, dx, dy, sizeof x);
    if (status == NCE_OK) status = g->ops->download(g, staging, dx, sizeof x);
    if (graph && staging != NULL && k != NULL && status == NCE_OK) {
        status = g->ops->capture_end(g, &replayed);
        if (status == NCE_OK) status = g->ops->sync(g);
        for (int i = 0; status == NCE_OK && i < 2; i++)
            status = g->ops->replay(g, replayed);
    }
    if (status == NCE_OK) status = g->ops->sync(g);
    if (status == NCE_OK) memcpy(y, staging, sizeof x);
    g->ops->graph_destroy(g, replayed);
    g->ops->host_free(g, staging);
    g->ops->free(g, dy);
    g->ops->free(g, dx);
    return status;
}

static nce_status open_and_use(setup *s, bool graph, float *y)
{
    nce_gpu *g;
    nce_status status = s->vendor->open(s->ctx, 0, &g);
    if (status != NCE_OK) return status;
    status = use(g, graph, y);
    g->ops->close(g);
    return status;
}

static void runs_kernels(const nce_gpu_vendor *vendor, const char *arch)
{
    setup s = start(vendor, NULL);
    uint32_t n;
    nce_gpu *g;
    float y[N];
    cr_assert_eq(vendor->count(s.ctx, &n), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(n, 1);
    cr_assert_eq(vendor->open(s.ctx, 0, &g), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_str_eq(g->info.name, "fake");
    cr_assert_str_eq(g->info.arch, arch);
    cr_assert_str_eq(g->info.pci, "0000:41:00.0");
    cr_assert_eq(g->info.n_units, 4);
    cr_assert_eq(g->info.max_group, 1024);
    cr_assert_eq(g->info.shared_bytes, 48 << 10);
    cr_assert_eq(g->info.memory_bytes, (uint64_t)1 << 32);
    cr_assert(g->info.graphs);
    const nce_status status = use(g, false, y);
    if (s.fake->no_opencl) cr_skip_test("no OpenCL to run the kernels of the fake driver");
    cr_assert_eq(status, NCE_OK, "%s", nce_context_error(s.ctx));
    for (int i = 0; i < N; i++)
        cr_assert_eq(y[i], (float)i + 0.5f);
    cr_assert_eq(use(g, true, y), NCE_OK, "%s", nce_context_error(s.ctx));
    for (int i = 0; i < N; i++) /* the replay's upload comes from the first replay's download */
        cr_assert_eq(y[i], (float)i + 1.0f);
    g->ops->close(g);
    finish(&s);
}

Test(gpu_host, cuda) { runs_kernels(&nce_gpu_cuda, "sm_90"); }
Test(gpu_host, hip) { runs_kernels(&nce_gpu_hip, "gfx9.4"); }
Test(gpu_host, oneapi) { runs_kernels(&nce_gpu_oneapi, "0x0bd5"); }

/* Each driver call of a run fails once, with each kind of code: a status, a message that names it, nothing left behind. */
static void fails_everywhere(const nce_gpu_vendor *vendor, int code, bool for_good)
{
    long n = 1;
    for (bool failed = true; failed; n++) {
        setup s = start(vendor, NULL);
        float y[N];
        s.fake->skip_kernels = true;
        s.fake->fail_at = n;
        s.fake->fail_code = code;
        s.fake->fail_for_good = for_good;
        const nce_status status = open_and_use(&s, true, y);
        const char *call = s.fake->failed;
        failed = call != NULL;
        if (!failed) cr_assert_eq(status, NCE_OK);
        if (status != NCE_OK) {
            cr_assert_eq(status, gpu_test_no_memory(code) ? NCE_ERR_NOMEM : NCE_ERR_BACKEND, "call %ld, %s: %d", n, call, status);
            cr_assert_not_null(strstr(nce_context_error(s.ctx), call), "%s: '%s'", call, nce_context_error(s.ctx));
        }
        cr_assert_eq(s.fake->calls_after_init_failed, 0);
        finish(&s);
    }
    cr_assert_gt(n, 50);
}

Test(gpu_host, cuda_out_of_memory_anywhere) { fails_everywhere(&nce_gpu_cuda, 2, false); }
Test(gpu_host, cuda_illegal_address_anywhere) { fails_everywhere(&nce_gpu_cuda, 700, true); }
Test(gpu_host, hip_unknown_anywhere) { fails_everywhere(&nce_gpu_hip, 999, true); }
Test(gpu_host, oneapi_device_lost_anywhere) { fails_everywhere(&nce_gpu_oneapi, 0x70000001, true); }
Test(gpu_host, oneapi_out_of_memory_anywhere) { fails_everywhere(&nce_gpu_oneapi, 0x70000003, false); }

static void library_memory_fails(const nce_gpu_vendor *vendor)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        setup s = start(vendor, &f);
        float y[N];
        s.fake->skip_kernels = true;
        if (s.ctx != NULL && open_and_use(&s, true, y) != NCE_OK) cr_assert(f.failed);
        finish(&s);
        cr_assert_eq(f.live, 0);
        if (!f.failed) break;
    }
}

Test(gpu_host, cuda_memory_of_the_library_fails_anywhere) { library_memory_fails(&nce_gpu_cuda); }
Test(gpu_host, oneapi_memory_of_the_library_fails_anywhere) { library_memory_fails(&nce_gpu_oneapi); }

Test(gpu_host, out_of_memory_says_how_much_and_the_device_stays)
{
    setup s = start(&nce_gpu_cuda, NULL);
    nce_gpu *g;
    nce_gpu_address at;
    s.fake->memory_bytes = 1000;
    cr_assert_eq(s.vendor->open(s.ctx, 0, &g), NCE_OK);
    cr_assert_eq(g->ops->alloc(g, 1001, &at), NCE_ERR_NOMEM);
    cr_assert_str_eq(nce_context_error(s.ctx), "cuda: cuMemAlloc_v2: out of memory (2): asked 1001, free 1000");
    cr_assert_eq(at, 0);
    cr_assert_eq(g->ops->alloc(g, 1000, &at), NCE_OK);
    g->ops->free(g, at);
    g->ops->close(g);
    finish(&s);
}

Test(gpu_host, a_lost_device_stays_lost)
{
    setup s = start(&nce_gpu_hip, NULL);
    nce_gpu *g;
    nce_gpu_address at, other;
    cr_assert_eq(s.vendor->open(s.ctx, 0, &g), NCE_OK);
    cr_assert_eq(g->ops->alloc(g, 10, &at), NCE_OK);
    s.fake->fail_at = s.fake->calls + 2; /* after the context was pushed */
    s.fake->fail_code = 700;
    s.fake->fail_for_good = true;
    cr_assert_eq(g->ops->sync(g), NCE_ERR_BACKEND);
    cr_assert_str_eq(nce_context_error(s.ctx), "hip: hipStreamSynchronize: illegal address (700)");
    cr_assert(g->lost);
    const long calls = s.fake->calls;
    cr_assert_eq(g->ops->alloc(g, 10, &other), NCE_ERR_BACKEND);
    cr_assert_str_eq(nce_context_error(s.ctx), "hip: the device was lost: hipStreamSynchronize: illegal address (700)");
    cr_assert_eq(s.fake->calls, calls);
    g->ops->free(g, at);
    g->ops->close(g);
    finish(&s);
}

Test(gpu_host, wrong_architecture)
{
    setup s = start(&nce_gpu_cuda, NULL);
    nce_gpu *g;
    nce_gpu_kernel *k;
    s.fake->wrong_arch = true;
    cr_assert_eq(s.vendor->open(s.ctx, 0, &g), NCE_OK);
    cr_assert_eq(nce_gpu_kernel_find(g, "add", &k), NCE_ERR_UNSUPPORTED);
    cr_assert_null(k);
    cr_assert_not_null(strstr(nce_context_error(s.ctx), "no image for this device (209): fake is sm_90"), "%s", nce_context_error(s.ctx));
    g->ops->close(g);
    finish(&s);
}

Test(gpu_host, a_module_that_does_not_build)
{
    setup s = start(&nce_gpu_oneapi, NULL);
    nce_gpu *g;
    nce_gpu_kernel *k;
    nce_gpu_address at;
    s.fake->wrong_arch = true;
    cr_assert_eq(s.vendor->open(s.ctx, 0, &g), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(nce_gpu_kernel_find(g, "add", &k), NCE_ERR_UNSUPPORTED);
    cr_assert_str_eq(nce_context_error(s.ctx), "oneapi: zeModuleCreate: the module does not build (0x70000004): fake: not for this device");
    cr_assert_eq(g->ops->alloc(g, (size_t)1 << 31, &at), NCE_ERR_NOMEM);
    cr_assert_not_null(strstr(nce_context_error(s.ctx), "asked 2147483648, the device has 4294967296, 1073741824 at a time"), "%s", nce_context_error(s.ctx));
    g->ops->close(g);
    finish(&s);
}

Test(gpu_host, large_copies_of_any_memory)
{
    enum { BYTES = 9 << 20 }; /* more than twice the staging buffer */
    setup s = start(&nce_gpu_oneapi, NULL);
    uint8_t *from = malloc(BYTES), *to = calloc(1, BYTES);
    nce_gpu *g;
    nce_gpu_address at;
    for (size_t i = 0; i < BYTES; i++)
        from[i] = (uint8_t)(i * 7 + (i >> 13));
    cr_assert_eq(s.vendor->open(s.ctx, 0, &g), NCE_OK);
    cr_assert_eq(g->ops->alloc(g, BYTES, &at), NCE_OK);
    cr_assert_eq(g->ops->upload(g, at, from, BYTES), NCE_OK);
    cr_assert_eq(g->ops->download(g, to, at, BYTES), NCE_OK);
    cr_assert_eq(g->ops->sync(g), NCE_OK);
    cr_assert_eq(memcmp(from, to, BYTES), 0);
    g->ops->free(g, at);
    g->ops->close(g);
    free(from);
    free(to);
    finish(&s);
}

Test(gpu_host, no_driver)
{
    nce_context *ctx = gpu_test_context("cuda=/nowhere/libcuda.so.1,hip=libm.so.6", NULL);
    uint32_t n = 1;
    nce_gpu *g;
    cr_assert_eq(nce_gpu_cuda.count(ctx, &n), NCE_ERR_NOTFOUND);
    cr_assert_eq(n, 0);
    cr_assert_not_null(strstr(nce_context_error(ctx), "cuda: /nowhere/libcuda.so.1"), "%s", nce_context_error(ctx));
    cr_assert_eq(nce_gpu_hip.open(ctx, 0, &g), NCE_ERR_BACKEND);
    cr_assert_null(g);
    cr_assert_not_null(strstr(nce_context_error(ctx), "has no hipInit"), "%s", nce_context_error(ctx));
    nce_context_destroy(ctx);
}

Test(gpu_host, nothing_is_called_after_a_failed_start)
{
    setup s = start(&nce_gpu_hip, NULL);
    uint32_t n = 1;
    s.fake->fail_at = 1;
    s.fake->fail_code = 100;
    cr_assert_eq(s.vendor->count(s.ctx, &n), NCE_ERR_NOTFOUND);
    cr_assert_eq(n, 0);
    cr_assert_str_eq(nce_context_error(s.ctx), "hip: hipInit: no device (100)");
    cr_assert_eq(s.fake->calls, 1);
    finish(&s);
}

Test(gpu_host, unknown_kernels_and_devices)
{
    setup s = start(&nce_gpu_cuda, NULL);
    nce_gpu *g;
    nce_gpu_kernel *k;
    cr_assert_eq(s.vendor->open(s.ctx, 7, &g), NCE_ERR_NOTFOUND);
    cr_assert_str_eq(nce_context_error(s.ctx), "cuda:7: the driver has 1 devices");
    cr_assert_eq(s.vendor->open(s.ctx, 0, &g), NCE_OK);
    const nce_status status = nce_gpu_kernel_find(g, "nobody", &k);
    if (s.fake->no_opencl) cr_skip_test("no OpenCL to compile the kernels of the fake driver");
    cr_assert_eq(status, NCE_ERR_NOTFOUND, "%s", nce_context_error(s.ctx));
    cr_assert_not(g->lost);
    g->ops->close(g);
    finish(&s);
}
