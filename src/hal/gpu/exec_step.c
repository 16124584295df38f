/* Running a step: staging, launches, logits; and replaying the launches of a step of the same shape as a graph. */
#include "src/hal/gpu/exec.h"
#include <string.h>

static nce_gpu_op_fn *const op_functions[NCE_OP_KINDS] = {
    [NCE_OP_EMBED] = nce_gpu_embed,       [NCE_OP_NORM] = nce_gpu_norm,
    [NCE_OP_MATMUL] = nce_gpu_matmul,     [NCE_OP_ROPE] = nce_gpu_rope,
    [NCE_OP_KV_STORE] = nce_gpu_kv_store, [NCE_OP_ATTENTION] = nce_gpu_attention,
    [NCE_OP_ACT] = nce_gpu_act,           [NCE_OP_GLU] = nce_gpu_glu,
    [NCE_OP_ADD] = nce_gpu_add,           [NCE_OP_SCALE] = nce_gpu_scale,
    [NCE_OP_SOFTCAP] = nce_gpu_softcap,   [NCE_OP_SELECT] = nce_gpu_select,
    [NCE_OP_ROUTE] = nce_gpu_route,       [NCE_OP_EXPERTS] = nce_gpu_experts,
    [NCE_OP_SCALE_BY] = nce_gpu_scale_by, [NCE_OP_POSITION] = nce_gpu_position,
    [NCE_OP_COPY] = nce_gpu_copy,         [NCE_OP_MATMUL_HEADS] = nce_gpu_matmul_heads,
};

bool nce_gpu_runs(nce_op_kind kind)
{
    return kind < NCE_OP_KINDS && op_functions[kind] != NULL;
}

static bool cancelled(const nce_step *s)
{
    return s->cancel != NULL && atomic_load_explicit(s->cancel, memory_order_relaxed);
}

static void *staged(nce_exec *e, nce_gpu_address at)
{
    return e->stage + (at - e->memory);
}

/* Rows and pages into the staging block; returns the number of pages. */
static size_t stage_rows(nce_exec *e, const nce_step *s)
{
    int32_t *row = staged(e, e->rows);
    nce_gpu_address *pages = staged(e, e->pages);
    size_t n_pages = 0, furthest = 0;
    for (size_t i = 0; i < s->n_runs; i++) {
        const nce_step_run *run = &s->runs[i];
        const size_t n = nce_gpu_groups(run->pos0 + run->n_rows, NCE_GPU_PAGE);
        for (size_t j = 0; j < run->n_rows; j++) {
            int32_t *r = row + (run->row0 + j) * NCE_GPU_ROW_INTS;
            r[NCE_GPU_ROW_TOKEN] = s->tokens[run->row0 + j];
            r[NCE_GPU_ROW_POSITION] = (int32_t)(run->pos0 + j);
            r[NCE_GPU_ROW_PAGES] = (int32_t)n_pages;
        }
        for (size_t j = 0; j < n; j++)
            pages[n_pages + j] = (nce_gpu_address)(uintptr_t)run->pages[j];
        n_pages += n;
        furthest = run->pos0 + run->n_rows > furthest ? run->pos0 + run->n_rows : furthest;
    }
    for (size_t i = 0; i < s->n_selected; i++)
        row[i * NCE_GPU_ROW_INTS + NCE_GPU_ROW_SELECTED] = (int32_t)s->selected[i];
    e->shape = (nce_gpu_shape){(uint32_t)s->n_rows, (uint32_t)s->n_selected,
                               (uint32_t)nce_gpu_groups(furthest, NCE_GPU_SPLIT)};
    return n_pages;
}

static nce_status upload_stage(nce_exec *e, nce_gpu_address at, size_t bytes)
{
    nce_gpu *gpu = e->device->gpu;
    return bytes != 0 ? gpu->ops->upload(gpu, at, staged(e, at), bytes) : NCE_OK;
}

static nce_status stage(nce_exec *e, const nce_step *s)
{
    const size_t n_pages = stage_rows(e, s);
    nce_status status = upload_stage(e, e->rows, s->n_rows * NCE_GPU_ROW_INTS * sizeof(int32_t));
    if (status == NCE_OK) status = upload_stage(e, e->pages, n_pages * sizeof(nce_gpu_address));
    for (int i = 0; i < NCE_MAX_ROPE && status == NCE_OK; i++) {
        const size_t bytes = s->n_rows * e->rope_width[i] * sizeof(float);
        if (bytes == 0) continue;
        memcpy(staged(e, e->rope[i]), s->rope[i], bytes);
        status = upload_stage(e, e->rope[i], bytes);
    }
    return status;
}

/* Operations [from, to) on the rows of s. */
static nce_status run_ops(nce_exec *e, size_t from, size_t to, nce_gpu_span s)
{
    nce_status status = NCE_OK;
    e->packed = NULL;
    for (size_t i = from; i < to && status == NCE_OK; i += 1 + e->n_done) {
        const nce_op *op = &e->program->ops[i];
        if (cancelled(e->step)) return NCE_ERR_CANCELLED;
        e->n_done = 0;
        status = op_functions[op->kind](e, op, s);
    }
    return status;
}

static nce_status run_body(nce_exec *e)
{
    return run_ops(e, 0, e->first_head, (nce_gpu_span){0, e->step->n_rows});
}

/* Launches of a step whose head fits in one piece; otherwise only the body. */
static nce_status run_launches(nce_exec *e)
{
    const size_t n = e->step->n_selected;
    nce_status status = run_body(e);
    if (status == NCE_OK && n > 0 && n <= NCE_GPU_HEAD_ROWS)
        status = run_ops(e, e->first_head, e->program->n_ops, (nce_gpu_span){0, n});
    return status;
}

static nce_status read_logits(nce_exec *e, size_t row0, size_t n)
{
    nce_gpu *gpu = e->device->gpu;
    const size_t n_vocab = e->program->n_vocab;
    return gpu->ops->download(gpu, e->step->logits + row0 * n_vocab, e->slot[e->program->logits_slot],
                              n * n_vocab * sizeof(float));
}

static nce_status run_head(nce_exec *e)
{
    nce_status status = NCE_OK;
    const size_t all = e->step->n_selected;
    if (all <= NCE_GPU_HEAD_ROWS) return all > 0 ? read_logits(e, 0, all) : NCE_OK; /* launched already */
    for (size_t r = 0; r < all && status == NCE_OK; r += NCE_GPU_HEAD_ROWS) {
        const size_t n = all - r < NCE_GPU_HEAD_ROWS ? all - r : NCE_GPU_HEAD_ROWS;
        status = run_ops(e, e->first_head, e->program->n_ops, (nce_gpu_span){r, n});
        if (status == NCE_OK) status = read_logits(e, r, n);
    }
    return status;
}

/* ---- graphs ---- */
static nce_gpu_replay *find_replay(nce_exec *e)
{
    for (int i = 0; i < NCE_GPU_GRAPHS; i++)
        if (memcmp(&e->replay[i].shape, &e->shape, sizeof e->shape) == 0) return &e->replay[i];
    return NULL;
}

/* The shape of a step that went well, in the place of the oldest. */
static void remember(nce_exec *e)
{
    nce_gpu_replay *r = &e->replay[e->next_replay++ % NCE_GPU_GRAPHS];
    if (r->graph != NULL) e->device->gpu->ops->graph_destroy(e->device->gpu, r->graph);
    *r = (nce_gpu_replay){e->shape, NULL};
}

static nce_status capture(nce_exec *e, nce_gpu_replay *r)
{
    nce_gpu *gpu = e->device->gpu;
    nce_gpu_graph *graph = NULL;
    nce_status status = gpu->ops->capture_begin(gpu);
    if (status != NCE_OK) return status;
    const nce_status launched = run_launches(e);
    if (gpu->lost) return launched;              /* its message stays */
    status = gpu->ops->capture_end(gpu, &graph); /* ends the capture whatever happened in it */
    if (launched != NCE_OK && graph != NULL) gpu->ops->graph_destroy(gpu, graph);
    if (launched != NCE_OK) return launched;
    r->graph = graph;
    return status;
}

/* A small step is launched as it comes the first time, which also loads its kernels, and captured the second time. */
static nce_status launch(nce_exec *e)
{
    nce_gpu *gpu = e->device->gpu;
    const bool small = e->step->n_rows <= NCE_GPU_SPLIT_ROWS && e->step->n_selected <= NCE_GPU_HEAD_ROWS;
    if (!gpu->info.graphs || !small) return run_launches(e);
    nce_gpu_replay *r = find_replay(e);
    nce_status status = NCE_OK;
    if (r == NULL) {
        status = run_launches(e);
        if (status == NCE_OK) remember(e);
        return status;
    }
    if (r->graph == NULL) status = capture(e, r);
    if (status != NCE_OK) return status;
    return cancelled(e->step) ? NCE_ERR_CANCELLED : gpu->ops->replay(gpu, r->graph);
}

nce_status nce_gpu_submit(nce_exec *e, const nce_step *step, nce_event **out)
{
    nce_gpu_device *d = e->device;
    e->step = step;
    pthread_mutex_lock(&d->lock);
    nce_status status = stage(e, step);
    if (status == NCE_OK) status = launch(e);
    if (status == NCE_OK) status = run_head(e);
    /* What is queued reads the step's memory: it must be over before anything is reported. */
    if (status != NCE_OK && !d->gpu->lost) d->gpu->ops->sync(d->gpu);
    pthread_mutex_unlock(&d->lock);
    if (status == NCE_ERR_CANCELLED) return nce_fail(d->base.ctx, status, "cancelled");
    *out = (nce_event *)e; /* one step at a time: the event is the exec itself */
    return status;
}

nce_status nce_gpu_wait(nce_event *event)
{
    nce_exec *e = (nce_exec *)event;
    pthread_mutex_lock(&e->device->lock);
    const nce_status status = e->device->gpu->ops->sync(e->device->gpu);
    pthread_mutex_unlock(&e->device->lock);
    return status;
}

/* ---- rows for and from other devices ---- */
nce_status nce_gpu_exec_read(nce_exec *e, uint32_t slot, size_t n_rows, float *host)
{
    nce_gpu *gpu = e->device->gpu;
    pthread_mutex_lock(&e->device->lock);
    nce_status status =
        gpu->ops->download(gpu, host, e->slot[slot], n_rows * e->program->slot_width[slot] * sizeof(float));
    if (status == NCE_OK) status = gpu->ops->sync(gpu);
    pthread_mutex_unlock(&e->device->lock);
    return status;
}

nce_status nce_gpu_exec_write(nce_exec *e, uint32_t slot, size_t n_rows, const float *host)
{
    nce_gpu *gpu = e->device->gpu;
    pthread_mutex_lock(&e->device->lock);
    nce_status status =
        gpu->ops->upload(gpu, e->slot[slot], host, n_rows * e->program->slot_width[slot] * sizeof(float));
    if (status == NCE_OK) status = gpu->ops->sync(gpu);
    pthread_mutex_unlock(&e->device->lock);
    return status;
}
