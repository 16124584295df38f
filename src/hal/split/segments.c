/* Cutting a program into segments and making each ready on its device. */
#include "src/hal/split/split.h"
#include <string.h>

typedef struct importer {
    nce_split_exec *e;
    nce_split_segment *s;
} importer;

/* A weight of a segment's operation: a copy that lies on the segment's device. */
static nce_status place_weight(void *user, const nce_weight **w)
{
    const importer *i = user;
    nce_weight *copy = &i->s->weights[i->s->n_weights++];
    *copy = **w;
    *w = copy;
    return nce_split_import_on(i->e->device, (nce_split_import *)copy->buffer, i->s->device, &copy->buffer);
}

static nce_status count_weight(void *user, const nce_weight **w)
{
    (void)w;
    ++*(size_t *)user;
    return NCE_OK;
}

/* The operations of a segment, their weights, and the part of a page they use. */
static nce_status fill_segment(nce_split_exec *e, nce_split_segment *s, size_t from, size_t to)
{
    nce_context *ctx = e->device->base.ctx;
    nce_program *p = &s->program;
    size_t n_weights = 0;
    *p = *e->program;
    p->n_ops = p->capacity = to - from;
    p->ops = nce_alloc_array(ctx, p->n_ops, sizeof *p->ops);
    s->runs = nce_alloc_array(ctx, e->o.max_runs, sizeof *s->runs);
    if (p->ops == NULL || s->runs == NULL) return nce_fail_nomem(ctx, p->n_ops * sizeof *p->ops);
    memcpy(p->ops, e->program->ops + from, p->n_ops * sizeof *p->ops);
    for (size_t i = 0; i < p->n_ops; i++)
        nce_split_each_weight(&p->ops[i], count_weight, &n_weights);
    s->weights = nce_alloc_array(ctx, n_weights, sizeof *s->weights);
    if (s->weights == NULL) return nce_fail_nomem(ctx, n_weights * sizeof *s->weights);
    importer user = {e, s};
    nce_status status = NCE_OK;
    for (size_t i = 0; status == NCE_OK && i < p->n_ops; i++) {
        nce_op *op = &p->ops[i];
        status = nce_split_each_weight(op, place_weight, &user);
        s->page_to += nce_split_page_bytes(op);
        if (op->kind != NCE_OP_KV_STORE && op->kind != NCE_OP_ATTENTION) continue;
        op->k_offset -= s->page_from;
        op->v_offset -= s->page_from;
    }
    return status;
}

static void reads_of(const nce_op *op, bool slot[NCE_MAX_SLOTS])
{
    const bool two = op->kind == NCE_OP_KV_STORE || op->kind == NCE_OP_GLU || op->kind == NCE_OP_ADD || op->kind == NCE_OP_SCALE_BY;
    memset(slot, 0, NCE_MAX_SLOTS * sizeof *slot);
    if (op->kind != NCE_OP_EMBED) slot[op->in.slot] = true;
    if (two) slot[op->in2.slot] = true;
    for (uint32_t i = 0; op->kind == NCE_OP_MATMUL && i < op->n_matrices; i++)
        if (op->matrix[i].add) slot[op->matrix[i].out.slot] = true;
}

static void writes_of(const nce_op *op, bool slot[NCE_MAX_SLOTS])
{
    memset(slot, 0, NCE_MAX_SLOTS * sizeof *slot);
    if (op->kind == NCE_OP_MATMUL || op->kind == NCE_OP_MATMUL_HEADS) {
        for (uint32_t i = 0; i < op->n_matrices; i++)
            slot[op->matrix[i].out.slot] = true;
    } else if (op->kind != NCE_OP_KV_STORE && op->kind != NCE_OP_ROUTE) {
        slot[op->out.slot] = true;
    }
}

/* What a segment reads before it writes it comes from earlier ones.  Slots it does not touch cost it no memory. */
static void find_reads(nce_split_segment *s)
{
    bool reads[NCE_MAX_SLOTS], writes[NCE_MAX_SLOTS], written[NCE_MAX_SLOTS] = {false}, used[NCE_MAX_SLOTS] = {false};
    nce_program *p = &s->program;
    for (size_t i = 0; i < p->n_ops; i++) {
        reads_of(&p->ops[i], reads);
        writes_of(&p->ops[i], writes);
        for (uint32_t j = 0; j < p->n_slots; j++) {
            s->reads[j] |= reads[j] && !written[j];
            written[j] |= writes[j];
            used[j] |= reads[j] || writes[j];
        }
    }
    for (uint32_t j = 0; j < p->n_slots; j++)
        if (!used[j]) p->slot_width[j] = 1;
    if (!used[p->logits_slot]) p->n_vocab = 1;
}

/* Slots that travel, and host memory for them. */
static nce_status connect(nce_split_exec *e)
{
    nce_context *ctx = e->device->base.ctx;
    for (size_t to = 1; to < e->n; to++)
        for (uint32_t j = 0; j < e->program->n_slots; j++) {
            if (!e->segment[to].reads[j]) continue;
            for (size_t from = 0; from < to; from++)
                e->segment[from].gives[j] |= e->segment[from].program.slot_width[j] == e->program->slot_width[j];
            const size_t bytes = (size_t)e->o.max_rows * e->program->slot_width[j] * sizeof(float);
            if (e->rows[j] != NULL) continue;
            if ((e->rows[j] = nce_alloc(ctx, bytes)) == NULL) return nce_fail_nomem(ctx, bytes);
            e->bytes += bytes;
        }
    memset(e->segment[0].reads, 0, sizeof e->segment[0].reads); /* what nobody wrote before */
    return NCE_OK;
}

static size_t device_of(const nce_op *op, const uint32_t n_layers[NCE_SPLIT_MOST], size_t n)
{
    uint32_t first = 0;
    size_t device = 0;
    for (size_t i = 0; i < n; first += n_layers[i], i++)
        if (n_layers[i] != 0 && (op->head || op->layer >= first)) device = i;
    return device;
}

static nce_status cut(nce_split_exec *e)
{
    uint32_t n_layers[NCE_SPLIT_MOST] = {0};
    size_t page = 0;
    nce_status status = nce_split_plan(e->device, e->program, &e->o, n_layers);
    for (size_t from = 0, to; status == NCE_OK && from < e->program->n_ops; from = to) {
        nce_split_segment *s = &e->segment[e->n++];
        s->device = device_of(&e->program->ops[from], n_layers, e->device->n);
        for (to = from + 1; to < e->program->n_ops && device_of(&e->program->ops[to], n_layers, e->device->n) == s->device;)
            to++;
        s->page_from = s->page_to = page;
        status = fill_segment(e, s, from, to);
        page = s->page_to;
        find_reads(s);
    }
    return status == NCE_OK ? connect(e) : status;
}

nce_status nce_split_exec_create(nce_device *device, const nce_program *p, const nce_exec_options *o, nce_exec **out)
{
    nce_split_exec *e = nce_alloc_zero(device->ctx, sizeof *e);
    *out = NULL;
    if (e == NULL) return nce_fail_nomem(device->ctx, sizeof *e);
    e->device = (nce_split_device *)device;
    e->program = p;
    e->o = *o;
    e->bytes = sizeof *e;
    nce_status status = cut(e);
    for (size_t i = 0; status == NCE_OK && i < e->n; i++) {
        nce_device *part = e->device->part[e->segment[i].device];
        status = part->ops->exec_create(part, &e->segment[i].program, o, &e->segment[i].exec);
    }
    if (status != NCE_OK) {
        nce_split_exec_destroy((nce_exec *)e);
        return status;
    }
    *out = (nce_exec *)e;
    return NCE_OK;
}

void nce_split_exec_destroy(nce_exec *exec)
{
    nce_split_exec *e = (nce_split_exec *)exec;
    if (e == NULL) return;
    nce_context *ctx = e->device->base.ctx;
    for (size_t i = 0; i < e->n; i++) {
        nce_split_segment *s = &e->segment[i];
        if (s->exec != NULL) e->device->part[s->device]->ops->exec_destroy(s->exec);
        nce_free(ctx, s->program.ops);
        nce_free(ctx, s->weights);
        nce_free(ctx, s->runs);
        nce_free(ctx, s->addresses);
    }
    for (uint32_t i = 0; i < NCE_MAX_SLOTS; i++)
        nce_free(ctx, e->rows[i]);
    nce_free(ctx, e);
}
