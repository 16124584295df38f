/* Down projections behind ReLU or ReLU^2: which ones, their weights by columns, and whether a token is worth it.
 *
 * The copies belong to the device, so all sessions of a model share them; a copy costs two bits a weight.  No memory for one
 * is no failure: the product stays dense. */
#include "src/hal/cpu/exec.h"

struct nce_cpu_sparse {
    nce_sparse_weight s;
    const nce_weight *of;
    struct nce_cpu_sparse *next;
};

/* Slots that hold exact zeros in numbers after op, one bit each. */
static uint32_t zeros_after(const nce_op *op, uint32_t zeros)
{
    const bool relu = (op->kind == NCE_OP_ACT || op->kind == NCE_OP_GLU) && (op->f == NCE_ACT_RELU || op->f == NCE_ACT_RELU2);
    const bool keeps = (op->kind == NCE_OP_NORM && op->norm == NCE_NORM_RMS) || op->kind == NCE_OP_SCALE;
    uint32_t after = zeros;
    for (uint32_t i = 0; op->kind == NCE_OP_MATMUL && i < op->n_matrices; i++)
        after &= ~(1u << op->matrix[i].out.slot);
    if (op->kind == NCE_OP_MATMUL) return after;
    after &= ~(1u << op->out.slot);
    return relu || (keeps && (zeros >> op->in.slot & 1)) ? after | 1u << op->out.slot : after;
}

static bool suits(const nce_op *op, uint32_t zeros)
{
    return op->kind == NCE_OP_MATMUL && op->n_matrices == 1 && (zeros >> op->in.slot & 1) && op->matrix[0].w->n_experts == 1 &&
           nce_sparse_type(op->matrix[0].w->type);
}

static void drop(nce_context *ctx, nce_cpu_sparse *c)
{
    if (c == NULL) return;
    nce_free(ctx, c->s.codes);
    nce_free(ctx, c->s.d);
    nce_free(ctx, c);
}

typedef struct filling {
    const nce_sparse_weight *s;
    const nce_weight *w;
} filling;

/* This thread's share of the rows, whole tiles of them. */
static void fill(void *user, size_t thread, size_t n_threads)
{
    const filling *f = user;
    const size_t tiles = (f->w->n_rows + NCE_SPARSE_ROWS - 1) / NCE_SPARSE_ROWS;
    const size_t from = tiles * thread / n_threads * NCE_SPARSE_ROWS, to = tiles * (thread + 1) / n_threads * NCE_SPARSE_ROWS;
    nce_sparse_fill(f->s, f->w->buffer->address + f->w->offset, f->w->row_bytes, from, to < f->w->n_rows ? to : f->w->n_rows);
}

static nce_cpu_sparse *make(nce_cpu_device *d, const nce_weight *w, size_t n_threads)
{
    nce_context *ctx = d->base.ctx;
    const size_t codes = nce_sparse_codes_bytes(w->n_rows, w->k), scales = nce_sparse_d_bytes(w->type, w->n_rows, w->k);
    nce_cpu_sparse *c = nce_alloc_zero(ctx, sizeof *c);
    if (c == NULL || codes == 0) {
        drop(ctx, c);
        return NULL;
    }
    c->of = w;
    c->s = (nce_sparse_weight){w->type, w->n_rows, w->k, nce_alloc(ctx, codes), scales ? nce_alloc(ctx, scales) : NULL};
    if (c->s.codes == NULL || (scales != 0 && c->s.d == NULL)) {
        drop(ctx, c);
        return NULL;
    }
    nce_team team;
    nce_team_init(&team, n_threads, NULL);
    nce_team_run(&team, fill, &(filling){&c->s, w});
    return c;
}

/* The copy of w, made if there is none. */
static const nce_sparse_weight *copy_of(nce_cpu_device *d, const nce_weight *w, size_t n_threads)
{
    pthread_mutex_lock(&d->sparse_mutex);
    nce_cpu_sparse *c = d->sparse;
    while (c != NULL && c->of != w)
        c = c->next;
    if (c == NULL && (c = make(d, w, n_threads)) != NULL) {
        c->next = d->sparse;
        d->sparse = c;
    }
    pthread_mutex_unlock(&d->sparse_mutex);
    return c == NULL ? NULL : &c->s;
}

bool nce_cpu_sparse_take(nce_exec *e)
{
    const nce_program *p = e->program;
    nce_cpu_device *d = e->device;
    size_t act = 0;
    uint32_t zeros = 0;
    if (e->o.dense_only || d->product != NULL) return true;
    e->sparse = nce_alloc_array(d->base.ctx, p->n_ops, sizeof *e->sparse);
    if (e->sparse == NULL) return false;
    for (size_t i = 0; i < p->n_ops; i++) {
        const nce_op *op = &p->ops[i];
        const nce_weight *w = op->matrix[0].w;
        e->sparse[i] = suits(op, zeros) ? copy_of(d, w, e->o.n_threads) : NULL;
        zeros = zeros_after(op, zeros);
        if (e->sparse[i] == NULL) continue;
        const size_t bytes = nce_sparse_act_bytes(w->type->act_block, w->k);
        act = bytes > act ? bytes : act;
    }
    e->sparse_memory = act == 0 ? NULL : nce_alloc(d->base.ctx, act);
    e->bytes += p->n_ops * sizeof *e->sparse + act;
    return act == 0 || e->sparse_memory != NULL;
}

void nce_cpu_sparse_release(nce_cpu_device *d)
{
    while (d->sparse != NULL) {
        nce_cpu_sparse *next = d->sparse->next;
        drop(d->base.ctx, d->sparse);
        d->sparse = next;
    }
    pthread_mutex_destroy(&d->sparse_mutex);
}

/* Above this share of columns that are not zero, the product stays dense: bench/sparse found the break-even at 40 to 45 % for
 * TQ1_0 and TQ2_0, 30 to 40 % for I2_S. */
enum { MOST_USED_PERCENT = 40 };

bool nce_cpu_sparse_pack(nce_exec *e, size_t op, const float *x)
{
    const nce_sparse_weight *s = e->sparse == NULL ? NULL : e->sparse[op];
    e->sparse_now = NULL;
    if (s == NULL) return false;
    nce_sparse_pack(&e->sparse_act, s->type->act_block, s->k, x, e->sparse_memory);
    e->columns += s->k;
    e->zero_columns += s->k - e->sparse_act.n_used;
    if (e->sparse_act.n_used * 100 <= s->k * MOST_USED_PERCENT) e->sparse_now = s;
    return e->sparse_now != NULL;
}

void nce_cpu_exec_sparsity(const nce_exec *e, uint64_t *columns, uint64_t *zero)
{
    *columns = e->columns;
    *zero = e->zero_columns;
}
