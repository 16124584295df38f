/* Running a program on the CPU: the loop over operations inside one parallel region. */
#include "src/hal/cpu/exec.h"
#include <string.h>

static nce_cpu_op_fn *const op_functions[NCE_OP_KINDS] = {
    [NCE_OP_EMBED] = nce_cpu_embed,       [NCE_OP_NORM] = nce_cpu_norm,         [NCE_OP_MATMUL] = nce_cpu_matmul,
    [NCE_OP_ROPE] = nce_cpu_rope,         [NCE_OP_KV_STORE] = nce_cpu_kv_store, [NCE_OP_ATTENTION] = nce_cpu_attention,
    [NCE_OP_ACT] = nce_cpu_act,           [NCE_OP_GLU] = nce_cpu_glu,           [NCE_OP_ADD] = nce_cpu_add,
    [NCE_OP_SCALE] = nce_cpu_scale,       [NCE_OP_SOFTCAP] = nce_cpu_softcap,   [NCE_OP_SELECT] = nce_cpu_select,
    [NCE_OP_ROUTE] = nce_cpu_route,       [NCE_OP_EXPERTS] = nce_cpu_experts_run,
    [NCE_OP_SCALE_BY] = nce_cpu_scale_by, [NCE_OP_POSITION] = nce_cpu_position, [NCE_OP_COPY] = nce_cpu_copy,
    [NCE_OP_MATMUL_HEADS] = nce_cpu_matmul_heads,
};

/* What a thread needs may have been made by another one: then all meet first.  ATTENTION, EXPERTS and
 * MATMUL_HEADS begin with barriers of their own, MATMUL too unless there is a single row, which thread 0 made if the operation before was row-wise. */
static bool needs_barrier(nce_op_kind before, nce_op_kind kind, size_t n_rows)
{
    const bool own_rows = nce_cpu_row_wise(before) || before == NCE_OP_SELECT || before == NCE_OP_EXPERTS;
    if (kind == NCE_OP_ATTENTION || kind == NCE_OP_EXPERTS || kind == NCE_OP_MATMUL_HEADS) return false;
    if (kind == NCE_OP_MATMUL) return n_rows == 1 && !own_rows;
    return !(own_rows && nce_cpu_row_wise(kind));
}

static void run_thread(void *user, size_t thread, size_t n_threads)
{
    nce_exec *e = user;
    nce_cpu_thread t = {e, &e->device->k, e->step, thread, n_threads};
    const nce_program *p = e->program;
    const nce_fp_env env = nce_fp_enter();
    nce_op_kind before = NCE_OP_EMBED;
    bool stopped = false;
    for (size_t i = 0; i < p->n_ops && !stopped; i++) {
        const nce_op *op = &p->ops[i];
        const size_t rows = nce_cpu_rows(&t, op);
        if (rows == 0) break; /* nobody wants logits: the head is last */
        if (i > 0 && needs_barrier(before, op->kind, rows)) stopped = nce_team_barrier(&e->team, thread);
        if (thread == 0) nce_cpu_prefetch_ahead(&e->prefetch, p, i);
        if (!stopped) stopped = op_functions[op->kind](&t, op, op->kind == NCE_OP_EXPERTS ? i : 2 * i);
        before = op->kind;
    }
    if (stopped && thread == 0) e->status = NCE_ERR_CANCELLED;
    nce_fp_leave(env);
}

nce_status nce_cpu_submit(nce_exec *e, const nce_step *step, nce_event **out)
{
    const nce_program *p = e->program;
    e->step = step;
    e->status = NCE_OK;
    for (size_t i = 0; i < 2 * p->n_ops; i++)
        atomic_store_explicit(&e->next[i], 0, memory_order_relaxed);
    nce_team_init(&e->team, e->o.n_threads, step->cancel);
    nce_cpu_prefetch_begin(&e->prefetch);
    nce_team_run(&e->team, run_thread, e);
    nce_cpu_prefetch_end(&e->prefetch);
    *out = (nce_event *)e; /* done already: the event is the exec itself */
    return NCE_OK;
}

nce_status nce_cpu_wait(nce_event *event)
{
    nce_exec *e = (nce_exec *)event;
    const nce_status status = e->status;
    if (status == NCE_ERR_CANCELLED) return nce_fail(e->device->base.ctx, status, "cancelled");
    if (status != NCE_OK) return nce_fail(e->device->base.ctx, status, "the device could not compute a product: %s", nce_status_name(status));
    return NCE_OK;
}
