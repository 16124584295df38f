/* Which layers go where: a given number, or as many as fit. */
#include "src/hal/split/split.h"

/* What is left free of a device's memory for what cannot be foreseen: the driver's own, fragments. */
enum { RESERVE_BYTES = 128 << 20 };

nce_status nce_split_each_weight(nce_op *op, nce_split_weight_fn *f, void *user)
{
    const nce_weight **const experts[] = {&op->experts.gate, &op->experts.up, &op->experts.down};
    nce_status status = NCE_OK;
    const bool product = op->kind == NCE_OP_MATMUL || op->kind == NCE_OP_MATMUL_HEADS;
    for (uint32_t i = 0; status == NCE_OK && product && i < op->n_matrices; i++)
        status = f(user, &op->matrix[i].w);
    if (status == NCE_OK && (op->kind == NCE_OP_EMBED || op->kind == NCE_OP_POSITION)) status = f(user, &op->table);
    for (int i = 0; status == NCE_OK && op->kind == NCE_OP_EXPERTS && i < 3; i++)
        if (*experts[i] != NULL) status = f(user, experts[i]);
    return status;
}

size_t nce_split_page_bytes(const nce_op *op)
{
    const nce_attn_shape *s = op->shape;
    if (op->kind != NCE_OP_KV_STORE) return 0;
    return s->n_kv_heads * (nce_kv_k_bytes(s->type_k, s->n_dk) + nce_kv_v_bytes(s->type_v, s->n_dv));
}

/* Adds what a device does not hold yet. */
typedef struct sum {
    size_t device;
    uint64_t bytes;
} sum;

static nce_status add_weight(void *user, const nce_weight **w)
{
    sum *s = user;
    const nce_split_import *b = (const nce_split_import *)(*w)->buffer;
    if (b->part[s->device] == NULL) s->bytes += b->base.bytes;
    return NCE_OK;
}

static uint64_t layer_bytes(const nce_program *p, const nce_exec_options *o, uint32_t layer, bool head, size_t device)
{
    sum s = {.device = device};
    const uint64_t pages = (uint64_t)o->max_runs * ((o->max_positions + NCE_KV_PAGE - 1) / NCE_KV_PAGE);
    for (size_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].head != head || (!head && p->ops[i].layer != layer)) continue;
        nce_split_each_weight(&p->ops[i], add_weight, &s); /* changes nothing */
        s.bytes += pages * nce_split_page_bytes(&p->ops[i]);
    }
    return s.bytes;
}

/* Slots, and about as much again for packed activations and attention's partial results. */
static uint64_t working_bytes(const nce_program *p, const nce_exec_options *o)
{
    uint64_t floats = 0;
    for (uint32_t i = 0; i < p->n_slots; i++)
        floats += (uint64_t)p->slot_width[i] * (p->slot_head[i] ? o->max_selected : o->max_rows);
    return 2 * floats * sizeof(float) + RESERVE_BYTES;
}

/* Layers from first that fit on a device; *head: the head fits behind them. */
static uint32_t fitting(nce_split_device *d, size_t device, const nce_program *p, const nce_exec_options *o, uint32_t first,
                        uint32_t n_layers, bool *head)
{
    const nce_device_caps *caps = &d->part[device]->caps;
    uint64_t used = working_bytes(p, o);
    uint32_t n = 0;
    *head = true;
    if (caps->memory_bytes == 0) return n_layers - first;
    for (; first + n < n_layers; n++) {
        used += layer_bytes(p, o, first + n, false, device);
        if (used > caps->memory_free) return n;
    }
    *head = used + layer_bytes(p, o, 0, true, device) <= caps->memory_free;
    return n;
}

static void log_plan(nce_split_device *d, const uint32_t n_layers[NCE_SPLIT_MOST])
{
    uint32_t first = 0, total = 0;
    for (size_t i = 0; i < d->n; i++)
        total += n_layers[i];
    for (size_t i = 0; i < d->n; first += n_layers[i], i++)
        if (n_layers[i] != 0)
            nce_log(d->base.ctx, NCE_LOG_INFO, "layers %u to %u%s on %s", first, first + n_layers[i] - 1,
                    first + n_layers[i] == total ? " and the head" : "", d->name[i]);
}

nce_status nce_split_plan(nce_split_device *d, const nce_program *p, const nce_exec_options *o, uint32_t n_layers[NCE_SPLIT_MOST])
{
    uint32_t total = 0, first = 0;
    const size_t last = d->n - 1;
    bool head;
    for (size_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].layer + 1 > total) total = p->ops[i].layer + 1;
    const uint32_t asked = d->gpu_layers < total ? d->gpu_layers : total;
    pthread_mutex_lock(&d->import_mutex);
    for (size_t i = 0; i < last; first += n_layers[i], i++) {
        n_layers[i] = asked != 0 ? (uint32_t)(asked * (i + 1) / last) - first : fitting(d, i, p, o, first, total, &head);
        if (asked == 0 && n_layers[i] == total - first && n_layers[i] > 0 && !head) n_layers[i]--; /* the head stays with a layer */
    }
    pthread_mutex_unlock(&d->import_mutex);
    n_layers[last] = total - first;
    log_plan(d, n_layers);
    return NCE_OK;
}
