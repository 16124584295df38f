/* Whole models through the CUDA, HIP and Level Zero hosts and the GPU kernels, on fake drivers: the CPU's bits, also split between a GPU
 * and the CPU; and every driver call of a load-generate-destroy run failing once. */
#include "tests/gpu/gpu_test.h"
#include "src/hal/device.h"
#include "src/hal/gpu/image.h"
#include "src/hal/program.h"
#include "tests/unit/fixture.h"

enum { N = 25, VOCAB = 512 }; /* enough for tensor cores in the first step of the prompt */

typedef struct setup {
    fake_control *fake;
    nce_context *ctx;
    char model[64], image[64], paths[512];
} setup;

static const char *kernel_text(void)
{
    size_t n;
    const nce_gpu_image *images = nce_gpu_images(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(images[i].vendor, "opencl") == 0) return images[i].data;
    return NULL;
}

static setup start(const char *vendor, const char *shape, const char *type)
{
    setup s;
    const char *library = gpu_test_library(vendor);
    s.fake = gpu_test_control(library);
    gpu_test_file(kernel_text(), s.image);
    snprintf(s.paths, sizeof s.paths, "%s=%s,%s-image=%s", vendor, library, vendor, s.image);
    s.ctx = gpu_test_context(s.paths, NULL);
    fixture_file(s.ctx, shape, type, s.model);
    return s;
}

static void finish(setup *s)
{
    nce_context_destroy(s->ctx);
    unlink(s->image);
    unlink(s->model);
    cr_assert_eq(s->fake->live, 0, "%ld objects of the driver are left", s->fake->live);
}

/* A prompt, some single tokens (which are replayed as graphs), a fork and a saved state: the last logits of all. */
static nce_status generate(nce_context *ctx, const char *path, const char *device, uint32_t gpu_layers, float logits[(N + 1) * VOCAB])
{
    nce_model_options mo = NCE_MODEL_OPTIONS_INIT;
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_model *m = NULL;
    nce_session *s = NULL;
    int32_t ids[N];
    fixture_tokens(ids, N);
    mo.device = device;
    mo.gpu_layers = gpu_layers;
    so.n_ctx = 128;
    so.n_seq = 2;
    so.n_batch = 17;
    nce_status status = nce_model_load(ctx, path, &mo, &m);
    if (status == NCE_OK) status = nce_session_create(m, &so, &s);
    if (status == NCE_OK) status = fixture_eval(s, 0, ids, N, NCE_LOGITS_ALL, logits);
    for (int i = 0; status == NCE_OK && i < 4; i++)
        status = fixture_eval(s, 0, ids + i, 1, NCE_LOGITS_LAST, logits + N * VOCAB);
    if (status == NCE_OK) status = nce_session_fork(s, 0, 1);
    if (status == NCE_OK) status = fixture_eval(s, 1, ids, 2, NCE_LOGITS_LAST, logits + N * VOCAB);
    nce_session_destroy(s);
    nce_model_destroy(m);
    return status;
}

static void same_bits(const char *vendor, const char *shape, const char *type, const char *device, uint32_t gpu_layers)
{
    static float cpu[(N + 1) * VOCAB], gpu[(N + 1) * VOCAB];
    setup s = start(vendor, shape, type);
    cr_assert_eq(generate(s.ctx, s.model, "cpu", 0, cpu), NCE_OK);
    const nce_status status = generate(s.ctx, s.model, device, gpu_layers, gpu);
    if (s.fake->no_opencl) cr_skip_test("no OpenCL to run the kernels of the fake driver");
    cr_assert_eq(status, NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_gt(s.fake->calls, 100);
    cr_assert_eq(memcmp(cpu, gpu, sizeof cpu), 0, "%s %s on %s", shape, type, device);
    finish(&s);
}

Test(gpu_model, cuda) { same_bits("cuda", "tiny", "q4_k_m", "cuda:0", 0); }
Test(gpu_model, hip_experts) { same_bits("hip", "moe-16x2", "q4_0", "hip:0", 0); }
Test(gpu_model, a_layer_on_the_gpu) { same_bits("cuda", "tiny", "q8_0", "cuda", 1); }
Test(gpu_model, the_end_on_the_gpu) { same_bits("hip", "tiny", "q6_k", "cpu,hip:0", 1); }
Test(gpu_model, oneapi) { same_bits("oneapi", "tiny", "q5_k_m", "oneapi:0", 0); }
Test(gpu_model, as_much_as_fits) { same_bits("cuda", "tiny", "q4_0", "cuda:0,cpu", 0); }

static void list_has(const nce_context *ctx, const char *name, const char *refusal)
{
    for (size_t i = 0; i < nce_device_count(ctx); i++)
        if (strcmp(nce_device_name(ctx, i), name) == 0) {
            const char *found = nce_device_refusal(ctx, i);
            if (refusal == NULL) cr_assert_null(found, "%s: %s", name, found);
            else cr_assert(found != NULL && strstr(found, refusal) != NULL, "%s: %s", name, found);
            return;
        }
    cr_assert_fail("no %s", name);
}

Test(gpu_model, devices_are_listed)
{
    setup s = start("cuda", "tiny", "q4_0");
    nce_context *ctx = gpu_test_context("cuda=" NCE_FAKE_CUDA ",hip=/nowhere/libamdhip64.so", NULL);
    uint64_t total, unused;
    cr_assert_str_eq(nce_device_name(ctx, 0), "cpu");
    cr_assert_str_eq(nce_device_name(ctx, 1), "cuda:0");
    cr_assert_str_eq(nce_device_description(ctx, 1), "fake");
    cr_assert_str_eq(nce_device_arch(ctx, 1), "sm_90");
    cr_assert_eq(nce_device_memory(ctx, 1, &total, &unused), NCE_OK);
    cr_assert_eq(total, (uint64_t)1 << 32);
    list_has(ctx, "cuda:0", NULL);
    list_has(ctx, "hip", "/nowhere/libamdhip64.so");
    cr_assert_str_eq(nce_context_error(ctx), "", "looking for devices is no failure");
    cr_assert_null(nce_device_name(ctx, nce_device_count(ctx)));
    nce_context_destroy(ctx);
    finish(&s);
}

/* An operation of a later program: said when the session is made, not found out by a step. */
Test(gpu_model, operations_without_kernels_are_refused)
{
    setup s = start("cuda", "tiny", "q4_0");
    const nce_exec_options o = {.max_rows = 1, .max_selected = 1, .max_runs = 1, .max_positions = 64, .n_threads = 1};
    nce_op op = {.kind = NCE_OP_KINDS};
    const nce_program p = {.ops = &op, .n_ops = 1};
    nce_device *d;
    nce_exec *e;
    cr_assert_eq(nce_device_create(s.ctx, "cuda:0", 0, &d), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(d->ops->exec_create(d, &p, &o, &e), NCE_ERR_UNSUPPORTED);
    cr_assert_null(e);
    cr_assert_not_null(strstr(nce_context_error(s.ctx), "has no GPU kernel"), "%s", nce_context_error(s.ctx));
    nce_device_destroy(d);
    finish(&s);
}

Test(gpu_model, too_large_for_the_device)
{
    static float logits[(N + 1) * VOCAB];
    setup s = start("cuda", "tiny", "q8_0");
    s.fake->skip_kernels = true;
    s.fake->memory_bytes = 100000;
    cr_assert_eq(generate(s.ctx, s.model, "cuda:0", 0, logits), NCE_ERR_NOMEM);
    cr_assert_not_null(strstr(nce_context_error(s.ctx), "cuMemAlloc_v2: out of memory (2): asked "), "%s", nce_context_error(s.ctx));
    cr_assert_eq(generate(s.ctx, s.model, "cuda:0,cpu", 0, logits), NCE_OK, "all layers on the CPU: %s", nce_context_error(s.ctx));
    finish(&s);
}

typedef struct upload {
    uint64_t done, total, stop_at;
    int calls, rounds; /* a round begins where done falls */
} upload;

static bool watch_upload(void *user, uint64_t done, uint64_t total)
{
    upload *u = user;
    u->rounds += u->calls++ == 0 || done < u->done;
    u->done = done, u->total = total;
    return u->rounds < 2 || done < u->stop_at;
}

/* The file is checked, then weights are copied, to the last byte; in the middle of which the caller may stop. */
Test(gpu_model, weights_are_uploaded_with_progress)
{
    setup s = start("cuda", "tiny", "q4_0");
    upload u = {.stop_at = UINT64_MAX};
    nce_model_options mo = NCE_MODEL_OPTIONS_INIT;
    nce_model *m;
    mo.device = "cuda:0";
    mo.progress = watch_upload, mo.progress_user = &u;
    cr_assert_eq(nce_model_load(s.ctx, s.model, &mo, &m), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(u.rounds, 2);
    cr_assert_eq(u.done, u.total);
    cr_assert_lt(u.total, nce_model_file_bytes(m));
    nce_model_destroy(m);
    u = (upload){.stop_at = u.total / 2};
    cr_assert_eq(nce_model_load(s.ctx, s.model, &mo, &m), NCE_ERR_CANCELLED);
    cr_assert_null(m);
    cr_assert_lt(u.done, u.total);
    mo.device = "cpu";
    u = (upload){.stop_at = UINT64_MAX};
    cr_assert_eq(nce_model_load(s.ctx, s.model, &mo, &m), NCE_OK);
    cr_assert_eq(u.rounds, 1, "the CPU copies nothing");
    nce_model_destroy(m);
    finish(&s);
}

/* What docs/gpus.md says of the number of launches. */
static long launches_of_a_token(const char *shape, uint32_t layers)
{
    setup s = start("cuda", shape, "q4_0");
    nce_model_options mo = NCE_MODEL_OPTIONS_INIT;
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_model *m;
    nce_session *session;
    static float logits[2 * VOCAB];
    const int32_t ids[] = {1, 2};
    s.fake->skip_kernels = true;
    mo.device = "cuda:0";
    so.n_ctx = 64;
    cr_assert_eq(nce_model_load(s.ctx, s.model, &mo, &m), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(nce_model_n_layers(m), layers);
    cr_assert_eq(nce_session_create(m, &so, &session), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(fixture_eval(session, 0, ids, 1, NCE_LOGITS_LAST, logits), NCE_OK, "%s", nce_context_error(s.ctx));
    const long launches = s.fake->launches;
    nce_session_destroy(session);
    nce_model_destroy(m);
    finish(&s);
    return launches;
}

Test(gpu_model, launches)
{
    const long dense = launches_of_a_token("tiny", 2), experts = launches_of_a_token("moe-16x2", 2);
    cr_assert_eq(dense, 1 + 2 * 10 + 3, "%ld", dense);
    cr_assert_eq(experts, 1 + 2 * 15 + 3, "%ld", experts);
}

/* Pages of keys and values are taken as a sequence grows: when there is no room, the step fails and nothing else. */
Test(gpu_model, a_session_goes_on_after_lack_of_memory)
{
    setup s = start("cuda", "tiny", "q4_0");
    nce_model_options mo = NCE_MODEL_OPTIONS_INIT;
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_model *m;
    nce_session *session;
    int32_t ids[100];
    static float logits[VOCAB];
    fixture_tokens(ids, 100);
    s.fake->skip_kernels = true;
    mo.device = "cuda:0";
    so.n_ctx = 128;
    cr_assert_eq(nce_model_load(s.ctx, s.model, &mo, &m), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(nce_session_create(m, &so, &session), NCE_OK, "%s", nce_context_error(s.ctx));
    cr_assert_eq(fixture_eval(session, 0, ids, 10, NCE_LOGITS_LAST, logits), NCE_OK, "%s", nce_context_error(s.ctx));
    const size_t memory = s.fake->memory_bytes;
    s.fake->memory_bytes = s.fake->used_bytes + 100;
    cr_assert_eq(fixture_eval(session, 0, ids, 100, NCE_LOGITS_LAST, logits), NCE_ERR_NOMEM);
    cr_assert_not_null(strstr(nce_context_error(s.ctx), "free 100"), "%s", nce_context_error(s.ctx));
    cr_assert_eq(nce_session_length(session, 0), 10);
    cr_assert_eq(fixture_eval(session, 0, ids, 1, NCE_LOGITS_LAST, logits), NCE_OK, "the page at hand: %s", nce_context_error(s.ctx));
    s.fake->memory_bytes = memory;
    cr_assert_eq(fixture_eval(session, 0, ids, 100, NCE_LOGITS_LAST, logits), NCE_OK, "%s", nce_context_error(s.ctx));
    nce_session_destroy(session);
    nce_model_destroy(m);
    finish(&s);
}

static void keep_plan(void *user, nce_log_level level, const char *text)
{
    (void)level;
    if (strncmp(text, "layers ", 7) == 0) snprintf(user, 128, "%s", text);
}

/* The last line of the plan for a device with so much memory: what stays on the CPU. */
static void plan_with(setup *s, size_t memory, char last[128])
{
    static float logits[(N + 1) * VOCAB];
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    o.paths = s->paths;
    o.log = keep_plan;
    o.log_user = last;
    o.log_level = NCE_LOG_INFO;
    s->fake->skip_kernels = true;
    s->fake->memory_bytes = memory;
    cr_assert_eq(nce_context_create(&o, &ctx), NCE_OK);
    cr_assert_eq(generate(ctx, s->model, "cuda:0,cpu", 0, logits), NCE_OK, "%s", nce_context_error(ctx));
    nce_context_destroy(ctx);
}

Test(gpu_model, as_many_layers_as_fit)
{
    setup s = start("cuda", "tiny", "f32");
    char last[128] = "";
    bool some = false;
    plan_with(&s, (size_t)1 << 31, last);
    cr_assert_str_eq(last, "layers 0 to 1 and the head on cuda:0");
    plan_with(&s, (size_t)128 << 20, last);
    cr_assert_str_eq(last, "layers 0 to 1 and the head on cpu");
    for (size_t memory = (size_t)128 << 20; memory < (size_t)256 << 20 && !some; memory += 1 << 18) { /* in between, the end stays */
        plan_with(&s, memory, last);
        some = strcmp(last, "layers 1 to 1 and the head on cpu") == 0;
    }
    cr_assert(some);
    finish(&s);
}

static void fails_anywhere(const char *vendor, const char *device, uint32_t gpu_layers, int code, bool for_good)
{
    static float logits[(N + 1) * VOCAB];
    setup s = start(vendor, "tiny", "q4_k_m");
    const long all = (s.fake->skip_kernels = true, generate(s.ctx, s.model, device, gpu_layers, logits) == NCE_OK) ? s.fake->calls : 0;
    cr_assert_gt(all, 500, "%s", nce_context_error(s.ctx));
    for (long n = 1; n <= all; n++) {
        *s.fake = (fake_control){.memory_bytes = (size_t)1 << 32, .skip_kernels = true, .fail_at = n, .fail_code = code, .fail_for_good = for_good};
        const nce_status status = generate(s.ctx, s.model, device, gpu_layers, logits);
        const char *call = s.fake->failed;
        cr_assert_not_null(call);
        if (status != NCE_OK) {
            cr_assert_eq(status, gpu_test_no_memory(code) ? NCE_ERR_NOMEM : NCE_ERR_BACKEND, "call %ld, %s: %d", n, call, status);
            cr_assert_not_null(strstr(nce_context_error(s.ctx), call), "%ld, %s: '%s'", n, call, nce_context_error(s.ctx));
        }
        cr_assert_eq(s.fake->calls_after_init_failed, 0);
        cr_assert_eq(s.fake->live, 0, "call %ld, %s: %ld objects are left", n, call, s.fake->live);
    }
    finish(&s);
}

Test(gpu_model, cuda_loses_the_device_anywhere) { fails_anywhere("cuda", "cuda:0", 0, 700, true); }
Test(gpu_model, hip_loses_the_device_anywhere) { fails_anywhere("hip", "hip:0,cpu", 1, 719, true); }
Test(gpu_model, oneapi_loses_the_device_anywhere) { fails_anywhere("oneapi", "oneapi:0", 0, 0x70000001, true); }
Test(gpu_model, cuda_out_of_memory_anywhere) { fails_anywhere("cuda", "cuda:0", 0, 2, false); }
