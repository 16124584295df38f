/* The GPU executor over a driver that keeps books instead of computing: what it allocates, uploads, launches and captures, and
 * what it leaves behind when something fails.  What the kernels compute is checked elsewhere (tests/gpu). */
#include "src/hal/gpu/exec.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 200, EMBD = 32, VOCAB = 64, PAGE_BYTES = 4096, MEMORY = 1 << 30, WAITING = 16 };

/* Device memory is host memory; a graph is a count of launches.  Uploads happen as late as they may: host memory that changes
 * before is found out. */
typedef struct driver {
    nce_gpu base;
    int n_kernels, calls, fail_at; /* calls that can fail, and which one does */
    int n_blocks, n_launches, n_captured, n_replayed, n_graphs, n_downloads;
    size_t downloaded[8];
    struct {
        void *to;
        const void *host;
        size_t bytes;
    } waiting[WAITING];
    int n_waiting;
    bool capturing, closed, no_pinned;
} driver;

static driver *driver_of(nce_gpu *g)
{
    return (driver *)g;
}

static nce_status step(nce_gpu *g, const char *call)
{
    driver *d = driver_of(g);
    if (g->lost) return nce_fail(g->ctx, NCE_ERR_BACKEND, "lost");
    if (++d->calls != d->fail_at) return NCE_OK;
    g->lost = true;
    return nce_fail(g->ctx, NCE_ERR_BACKEND, "%s failed", call);
}

static void do_uploads(driver *d)
{
    for (int i = 0; i < d->n_waiting; i++)
        memcpy(d->waiting[i].to, d->waiting[i].host, d->waiting[i].bytes);
    d->n_waiting = 0;
}

static void d_close(nce_gpu *g)
{
    nce_gpu_kernels_free(g);
    driver_of(g)->closed = true;
}
static nce_status d_alloc(nce_gpu *g, size_t bytes, nce_gpu_address *out)
{
    *out = 0;
    if (step(g, "alloc") != NCE_OK) return NCE_ERR_BACKEND;
    *out = (nce_gpu_address)(uintptr_t)aligned_alloc(256, (bytes + 256) / 256 * 256);
    driver_of(g)->n_blocks++;
    return NCE_OK;
}
static void d_free(nce_gpu *g, nce_gpu_address at)
{
    if (at == 0) return;
    if (!g->lost) do_uploads(driver_of(g));
    free((void *)(uintptr_t)at);
    driver_of(g)->n_blocks--;
}
static nce_status d_host_alloc(nce_gpu *g, size_t bytes, void **out)
{
    *out = NULL;
    if (step(g, "host_alloc") != NCE_OK) return NCE_ERR_BACKEND;
    if (driver_of(g)->no_pinned && bytes > MEMORY / 128) return nce_fail(g->ctx, NCE_ERR_NOMEM, "no pinned memory");
    *out = malloc(bytes);
    driver_of(g)->n_blocks++;
    return NCE_OK;
}
static void d_host_free(nce_gpu *g, void *p)
{
    free(p);
    driver_of(g)->n_blocks--;
}
static nce_status d_upload(nce_gpu *g, nce_gpu_address to, const void *host, size_t bytes)
{
    driver *d = driver_of(g);
    cr_assert(!d->capturing);
    if (step(g, "upload") != NCE_OK) return NCE_ERR_BACKEND;
    if (d->n_waiting == WAITING) do_uploads(d);
    d->waiting[d->n_waiting].to = (void *)(uintptr_t)to;
    d->waiting[d->n_waiting].host = host;
    d->waiting[d->n_waiting++].bytes = bytes;
    return NCE_OK;
}
static nce_status d_download(nce_gpu *g, void *host, nce_gpu_address from, size_t bytes)
{
    driver *d = driver_of(g);
    cr_assert(!d->capturing);
    if (step(g, "download") != NCE_OK) return NCE_ERR_BACKEND;
    do_uploads(d);
    memcpy(host, (const void *)(uintptr_t)from, bytes);
    d->downloaded[d->n_downloads++ % 8] = bytes;
    return NCE_OK;
}
static nce_status d_copy(nce_gpu *g, nce_gpu_address to, nce_gpu_address from, size_t bytes)
{
    return d_upload(g, to, (const void *)(uintptr_t)from, bytes);
}
static nce_status d_zero(nce_gpu *g, nce_gpu_address to, size_t bytes)
{
    if (step(g, "zero") != NCE_OK) return NCE_ERR_BACKEND;
    do_uploads(driver_of(g));
    memset((void *)(uintptr_t)to, 0, bytes);
    return NCE_OK;
}
static nce_status d_sync(nce_gpu *g)
{
    driver *d = driver_of(g);
    cr_assert(!d->capturing);
    if (step(g, "sync") != NCE_OK) return NCE_ERR_BACKEND;
    do_uploads(d);
    return NCE_OK;
}
static nce_status d_kernel(nce_gpu *g, const char *name, void **out)
{
    driver *d = driver_of(g);
    *out = NULL;
    if (step(g, "kernel") != NCE_OK) return NCE_ERR_BACKEND;
    cr_assert(!d->capturing, "kernels are loaded before a capture");
    cr_assert_eq(strncmp(name, "nce_gpu_", 8), 0);
    d->n_kernels++;
    *out = d;
    return NCE_OK;
}
static nce_status d_launch(nce_gpu *g, nce_gpu_kernel *k, const uint32_t groups[3], uint32_t group,
                           const nce_gpu_arg *args, uint32_t n)
{
    (void)args, (void)n, (void)k;
    cr_assert(groups[0] > 0 && groups[1] > 0 && groups[1] < 65536 && group > 0 && group <= 256);
    if (step(g, "launch") != NCE_OK) return NCE_ERR_BACKEND;
    driver_of(g)->n_launches++;
    return NCE_OK;
}
static nce_status d_capture_begin(nce_gpu *g)
{
    if (step(g, "capture_begin") != NCE_OK) return NCE_ERR_BACKEND;
    driver_of(g)->capturing = true;
    return NCE_OK;
}
static nce_status d_capture_end(nce_gpu *g, nce_gpu_graph **out)
{
    driver *d = driver_of(g);
    *out = NULL;
    d->capturing = false;
    if (step(g, "capture_end") != NCE_OK) return NCE_ERR_BACKEND;
    *out = malloc(1);
    d->n_graphs++, d->n_captured++;
    return NCE_OK;
}
static nce_status d_replay(nce_gpu *g, nce_gpu_graph *graph)
{
    cr_assert_not_null(graph);
    driver_of(g)->n_replayed++;
    return step(g, "replay");
}
static void d_graph_destroy(nce_gpu *g, nce_gpu_graph *graph)
{
    free(graph);
    driver_of(g)->n_graphs--;
}
static const nce_gpu_ops ops = {.close = d_close, NCE_GPU_TABLE(d), NCE_GPU_GRAPH_TABLE(d)};

/* ---- a model of one look-up, one norm and a head ---- */
typedef struct model {
    nce_context *ctx;
    driver gpu;
    nce_device *device;
    nce_buffer *buffer, *page;
    nce_weight table;
    nce_program program;
    nce_op op[4];
    nce_exec *exec;
    float norm[EMBD];
} model;

static nce_status open_model(model *m)
{
    static const float weights[VOCAB * EMBD];
    m->gpu.base =
        (nce_gpu){.ops = &ops, .ctx = m->ctx, .info = {.memory_bytes = MEMORY, .memory_free = MEMORY, .graphs = true}};
    nce_status status = nce_gpu_device_create(&m->gpu.base, &m->device);
    if (status == NCE_OK) status = m->device->ops->buffer_import(m->device, weights, sizeof weights, &m->buffer);
    if (status == NCE_OK) status = m->device->ops->buffer_create(m->device, PAGE_BYTES, &m->page);
    if (status != NCE_OK) return status;
    m->table = (nce_weight){.type = nce_type_info_of(NCE_TYPE_F32),
                            .buffer = m->buffer,
                            .row_bytes = EMBD * 4,
                            .n_rows = VOCAB,
                            .k = EMBD,
                            .n_experts = 1,
                            .expert_bytes = sizeof weights,
                            .scale = 1.0f};
    m->op[0] = (nce_op){.kind = NCE_OP_EMBED, .n_groups = 1, .scale = 1.0f, .table = &m->table};
    m->op[1] = (nce_op){.kind = NCE_OP_NORM, .n_groups = 1, .width = EMBD, .weight = m->norm, .eps = 1e-5f};
    m->op[2] = (nce_op){.kind = NCE_OP_SELECT, .head = true, .out = {1, 0, 0}, .width = EMBD};
    m->op[3] = (nce_op){.kind = NCE_OP_MATMUL, .head = true, .in = {1, 0, 0}, .n_matrices = 1};
    m->op[3].matrix[0] = (nce_op_matrix){.w = &m->table, .out = {2, 0, 0}, .scale = 1.0f};
    m->program = (nce_program){.ops = m->op,
                               .n_ops = 4,
                               .slot_width = {EMBD, EMBD, VOCAB},
                               .slot_head = {false, true, true},
                               .n_slots = 3,
                               .logits_slot = 2,
                               .n_vocab = VOCAB};
    const nce_exec_options o = {
        .max_rows = ROWS, .max_selected = ROWS, .max_runs = 2, .max_positions = 640, .n_threads = 1};
    return m->device->ops->exec_create(m->device, &m->program, &o, &m->exec);
}

static nce_status run(model *m, size_t n_rows, size_t pos0, size_t n_selected, atomic_bool *cancel)
{
    static float logits[ROWS * VOCAB];
    int32_t tokens[ROWS];
    uint32_t selected[ROWS];
    uint8_t *pages[10];
    for (int i = 0; i < ROWS; i++)
        tokens[i] = i % VOCAB, selected[i] = (uint32_t)(n_rows - n_selected) + (uint32_t)i;
    for (int i = 0; i < 10; i++)
        pages[i] = m->page->address + i;
    const nce_step_run runs[2] = {{pages, 0, n_rows - 1, pos0}, {pages + 3, n_rows - 1, 1, 65}};
    const nce_step s = {.tokens = tokens,
                        .n_rows = n_rows,
                        .runs = n_rows == 1 ? runs + 1 : runs,
                        .n_runs = n_rows == 1 ? 1 : 2,
                        .selected = selected,
                        .logits = logits,
                        .n_selected = n_selected,
                        .cancel = cancel};
    nce_event *event;
    const nce_status status = m->device->ops->submit(m->exec, &s, &event);
    return status == NCE_OK ? m->device->ops->wait(event) : status;
}

static void close_model(model *m)
{
    if (m->device != NULL) {
        m->device->ops->exec_destroy(m->exec);
        nce_buffer_destroy(m->buffer);
        nce_buffer_destroy(m->page);
        if (!m->gpu.base.lost) cr_assert_eq(m->device->caps.memory_free, MEMORY);
        nce_device_destroy(m->device);
    }
    cr_assert_eq(m->gpu.n_blocks, 0);
    cr_assert_eq(m->gpu.n_graphs, 0);
}

static void with_model(void (*body)(model *m))
{
    model m = {0};
    cr_assert_eq(nce_context_create(NULL, &m.ctx), NCE_OK);
    cr_assert_eq(open_model(&m), NCE_OK, "%s", nce_context_error(m.ctx));
    body(&m);
    close_model(&m);
    cr_assert(m.gpu.closed);
    nce_context_destroy(m.ctx);
}

static void staged(model *m)
{
    cr_assert_eq(run(m, 7, 60, 2, NULL), NCE_OK);
    const int32_t *row = (const int32_t *)(uintptr_t)m->exec->rows;
    const nce_gpu_address *pages = (const nce_gpu_address *)(uintptr_t)m->exec->pages;
    for (int i = 0; i < 7; i++, row += NCE_GPU_ROW_INTS) {
        cr_assert_eq(row[NCE_GPU_ROW_TOKEN], i);
        cr_assert_eq(row[NCE_GPU_ROW_POSITION], i < 6 ? 60 + i : 65);
        cr_assert_eq(row[NCE_GPU_ROW_PAGES], i < 6 ? 0 : 2);
        if (i < 2) cr_assert_eq(row[NCE_GPU_ROW_SELECTED], 5 + i);
    }
    const nce_gpu_address base = (nce_gpu_address)(uintptr_t)m->page->address;
    for (nce_gpu_address i = 0; i < 4; i++)
        cr_assert_eq(pages[i], base + (i < 2 ? i : i + 1));
}
Test(gpu_exec, rows_and_pages_are_staged)
{
    with_model(staged);
}

static void in_pieces(model *m)
{
    cr_assert_eq(run(m, ROWS, 0, 150, NULL), NCE_OK);
    cr_assert_eq(m->gpu.n_downloads, 3);
    cr_assert_eq(m->gpu.downloaded[0], 64 * VOCAB * sizeof(float));
    cr_assert_eq(m->gpu.downloaded[2], 22 * VOCAB * sizeof(float));
    cr_assert_eq(run(m, ROWS, 0, 0, NULL), NCE_OK);
    cr_assert_eq(m->gpu.n_downloads, 3);
}
Test(gpu_exec, a_long_head_runs_in_pieces)
{
    with_model(in_pieces);
}

static void graphs(model *m)
{
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(run(m, 2, 10 + i, 1, NULL), NCE_OK); /* once as it is, then captured, then replayed */
    cr_assert_eq(m->gpu.n_captured, 1);
    cr_assert_eq(m->gpu.n_replayed, 4);
    const int launched = m->gpu.n_launches;
    cr_assert_eq(launched, 2 * 4);
    cr_assert_eq(run(m, 2, 300, 1, NULL), NCE_OK); /* another number of splits is another shape */
    cr_assert_eq(m->gpu.n_launches, launched + 4);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(run(m, 40, 10, 1, NULL), NCE_OK); /* too large to be worth it */
    cr_assert_eq(m->gpu.n_captured, 1);
    for (size_t n = 2; n < 2 + 2 * NCE_GPU_GRAPHS; n++) /* more shapes than are kept */
        for (int i = 0; i < 2; i++)
            cr_assert_eq(run(m, n, 10, 1, NULL), NCE_OK);
    cr_assert_leq(m->gpu.n_graphs, NCE_GPU_GRAPHS);
}
Test(gpu_exec, small_steps_become_graphs)
{
    with_model(graphs);
}

static void cancelled(model *m)
{
    atomic_bool cancel = true;
    cr_assert_eq(run(m, 3, 0, 1, &cancel), NCE_ERR_CANCELLED);
    cancel = false;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(run(m, 3, 0, 1, &cancel), NCE_OK);
    cancel = true;
    cr_assert_eq(run(m, 3, 0, 1, &cancel), NCE_ERR_CANCELLED);
    cancel = false;
    cr_assert_eq(run(m, 3, 0, 1, &cancel), NCE_OK);
}
Test(gpu_exec, a_step_can_be_cancelled)
{
    with_model(cancelled);
}

/* Everything once; the first failure ends it. */
static nce_status scenario(model *m)
{
    nce_status status = open_model(m);
    float rows[EMBD] = {0};
    uint8_t byte = 0;
    for (int i = 0; i < 3 && status == NCE_OK; i++)
        status = run(m, 2, (size_t)i, 1, NULL);
    if (status == NCE_OK) status = run(m, ROWS, 0, 100, NULL);
    if (status == NCE_OK) status = m->device->ops->exec_write(m->exec, 0, 1, rows);
    if (status == NCE_OK) status = m->device->ops->exec_read(m->exec, 0, 1, rows);
    if (status == NCE_OK) status = m->device->ops->buffer_write(m->page, 1, &byte, 1);
    if (status == NCE_OK) status = m->device->ops->buffer_read(m->page, 1, &byte, 1);
    if (status == NCE_OK) status = m->device->ops->buffer_copy(m->page, m->buffer, 16);
    return status;
}

/* Three tensors, the host's memory gone after each: one small, one of a few pieces, one that ends inside of a piece. */
static void tensors(bool no_pinned)
{
    const size_t bytes[] = {1000, 48 << 20, (20 << 20) + 123};
    model m = {.gpu.no_pinned = no_pinned};
    cr_assert_eq(nce_context_create(NULL, &m.ctx), NCE_OK);
    cr_assert_eq(open_model(&m), NCE_OK);
    nce_buffer *buffers[3];
    for (size_t i = 0; i < 3; i++) {
        uint8_t *host = malloc(bytes[i]);
        for (size_t j = 0; j < bytes[i]; j++)
            host[j] = (uint8_t)(j * 7 + (j >> 13) + i);
        cr_assert_eq(m.device->ops->buffer_import(m.device, host, bytes[i], &buffers[i]), NCE_OK);
        memset(host, 0, bytes[i]);
        free(host);
    }
    for (size_t i = 0; i < 3; i++) {
        uint8_t *host = malloc(bytes[i]);
        size_t n_wrong = 0;
        cr_assert_eq(m.device->ops->buffer_read(buffers[i], 0, host, bytes[i]), NCE_OK);
        for (size_t j = 0; j < bytes[i]; j++)
            n_wrong += host[j] != (uint8_t)(j * 7 + (j >> 13) + i);
        cr_assert_eq(n_wrong, 0, "tensor %zu: %zu bytes are wrong", i, n_wrong);
        free(host);
        nce_buffer_destroy(buffers[i]);
    }
    close_model(&m);
    nce_context_destroy(m.ctx);
}

Test(gpu_exec, large_tensors_go_through_pinned_memory) { tensors(false); }
Test(gpu_exec, large_tensors_go_without_pinned_memory) { tensors(true); }

Test(gpu_exec, any_driver_call_for_a_large_tensor_may_fail)
{
    const size_t bytes = 17 << 20;
    uint8_t *host = calloc(1, bytes);
    for (int n = 1;; n++) {
        model m = {.gpu.fail_at = n};
        nce_buffer *buffer = NULL;
        cr_assert_eq(nce_context_create(NULL, &m.ctx), NCE_OK);
        nce_status status = open_model(&m);
        if (status == NCE_OK) status = m.device->ops->buffer_import(m.device, host, bytes, &buffer);
        const bool failed = m.gpu.base.lost;
        cr_assert_eq(status, failed ? NCE_ERR_BACKEND : NCE_OK, "call %d", n);
        cr_assert_eq(buffer == NULL, failed, "call %d", n);
        nce_buffer_destroy(buffer);
        close_model(&m);
        nce_context_destroy(m.ctx);
        if (!failed) break;
    }
    free(host);
}

Test(gpu_exec, any_driver_call_may_fail)
{
    for (int n = 1;; n++) {
        model m = {.gpu.fail_at = n};
        cr_assert_eq(nce_context_create(NULL, &m.ctx), NCE_OK);
        const nce_status status = scenario(&m);
        const bool failed = m.gpu.base.lost;
        cr_assert_eq(status, failed ? NCE_ERR_BACKEND : NCE_OK, "call %d", n);
        if (failed)
            cr_assert_not_null(strstr(nce_context_error(m.ctx), "failed"), "call %d: %s", n, nce_context_error(m.ctx));
        close_model(&m);
        nce_context_destroy(m.ctx);
        if (!failed) break;
    }
}

Test(gpu_exec, any_allocation_may_fail)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        model m = {0};
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &m.ctx) == NCE_OK) {
            cr_assert_eq(scenario(&m), f.failed ? NCE_ERR_NOMEM : NCE_OK, "allocation %ld", n);
            close_model(&m);
            nce_context_destroy(m.ctx);
        }
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
    }
}

Test(gpu_exec, names_of_devices)
{
    nce_context *ctx;
    nce_device *d;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    const char *const bad[] = {"x", "-1", "1x", " 1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(nce_gpu_driver_create(&nce_gpu_opencl, ctx, bad[i], &d), NCE_ERR_INVALID, "%s", bad[i]);
    nce_context_destroy(ctx);
}
