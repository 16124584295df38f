/* Mixture of experts: choose experts per token, then run each expert once over all tokens that chose it.
 *
 * Results do not depend on the grouping: a column of a product does not depend on its neighbours, and the outputs of a
 * token's experts are combined in ascending expert order. */
#include "src/hal/cpu/exec.h"
#include <math.h>
#include <string.h>

/* Largest score not yet taken; ties go to the lower index. */
static int32_t take_best(float *score, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (score[i] > score[best]) best = i;
    score[best] = -INFINITY;
    return (int32_t)best;
}

/* Group-limited choice (DeepSeek-V2/V3): only the best groups stay; a group counts by its two best scores, or its best. */
static void limit_groups(float *score, const nce_op_route *r)
{
    const uint32_t size = r->n_experts / r->n_groups;
    float group[64];
    bool keep[64] = {false};
    for (uint32_t g = 0; g < r->n_groups; g++) {
        float a = -INFINITY, b = -INFINITY;
        for (uint32_t i = 0; i < size; i++) {
            const float s = score[g * size + i];
            if (s > a) b = a, a = s;
            else if (s > b) b = s;
        }
        group[g] = r->bias != NULL && size > 1 ? a + b : a;
    }
    for (uint32_t i = 0; i < r->n_groups_used; i++)
        keep[take_best(group, r->n_groups)] = true;
    for (uint32_t i = 0; i < r->n_experts; i++)
        if (!keep[i / size]) score[i] = -INFINITY;
}

static void sort_ascending(int32_t *ids, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && ids[j] < ids[j - 1]; j--) {
            const int32_t x = ids[j];
            ids[j] = ids[j - 1];
            ids[j - 1] = x;
        }
}

static void route_row(const nce_vec_ops *vec, const nce_op_route *r, float *logits, float *choice, int32_t *ids, float *weights)
{
    if (r->kind == NCE_ROUTE_SOFTMAX) vec->softmax(logits, logits, r->n_experts);
    if (r->kind == NCE_ROUTE_SIGMOID) vec->act(logits, logits, r->n_experts, NCE_ACT_SIGMOID);
    if (r->bias != NULL) vec->add(choice, logits, r->bias, r->n_experts);
    else memcpy(choice, logits, r->n_experts * sizeof *choice);
    if (r->n_groups > 1) limit_groups(choice, r);
    for (uint32_t i = 0; i < r->n_used; i++)
        ids[i] = take_best(choice, r->n_experts);
    sort_ascending(ids, r->n_used);
    float sum = 0.0f;
    for (uint32_t i = 0; i < r->n_used; i++)
        weights[i] = logits[ids[i]];
    if (r->kind == NCE_ROUTE_SOFTMAX_CHOSEN) vec->softmax(weights, weights, r->n_used);
    for (uint32_t i = 0; i < r->n_used; i++)
        sum += weights[i];
    for (uint32_t i = 0; i < r->n_used && r->normalise; i++)
        weights[i] /= sum;
    for (uint32_t i = 0; i < r->n_used && r->scale != 1.0f; i++)
        weights[i] *= r->scale;
}

bool nce_cpu_route(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    nce_cpu_experts *x = &t->e->experts;
    float *choice = (float *)t->e->scratch[t->id];
    size_t from, to;
    nce_cpu_share(t, t->step->n_rows, &from, &to);
    for (size_t r = from; r < to; r++)
        route_row(&t->k->vec, &op->route, nce_cpu_row(t, op->in, r), choice, x->ids + r * op->route.n_used,
                  x->weights + r * op->route.n_used);
    return false;
}

/* Counting sort of the (token, expert) pairs by expert, tokens ascending. */
static void sort_pairs(nce_cpu_experts *x, size_t n_rows, uint32_t n_used, uint32_t n_experts)
{
    memset(x->first, 0, (n_experts + 1) * sizeof *x->first);
    for (size_t i = 0; i < n_rows * n_used; i++)
        x->first[x->ids[i] + 1]++;
    for (uint32_t e = 0; e < n_experts; e++)
        x->first[e + 1] += x->first[e];
    for (size_t i = 0; i < n_rows * n_used; i++) {
        const uint32_t at = x->first[x->ids[i]]++;
        x->pair_row[at] = (uint32_t)(i / n_used);
        x->pair_slot[i] = at;
    }
    for (uint32_t e = n_experts; e > 0; e--)
        x->first[e] = x->first[e - 1];
    x->first[0] = 0;
}

/* Where each expert's packed activations of this width begin. */
static void place_acts(nce_cpu_thread *t, uint32_t n_experts, uint32_t block, size_t k)
{
    nce_cpu_experts *x = &t->e->experts;
    size_t at = 0;
    for (uint32_t e = 0; e < n_experts; e++) {
        const uint32_t n = x->first[e + 1] - x->first[e];
        x->act_at[e] = at;
        if (n > 0) at += (t->k->matmul.act_bytes(block, n, k) + 63) & ~(size_t)63;
    }
}

static nce_act expert_act(const nce_cpu_experts *x, uint32_t e, uint32_t block, size_t k)
{
    return (nce_act){block, x->first[e + 1] - x->first[e], k, x->act + x->act_at[e]};
}

/* Rows of gate and up (or of down) of all experts, in chunks from a counter. */
static void products(nce_cpu_thread *t, atomic_size_t *next, const nce_weight *const w[2], const float *const bias[2],
                     float *const y[2], size_t granule)
{
    const nce_cpu_experts *x = &t->e->experts;
    const size_t n_experts = w[1]->n_experts, n_chunks = (w[1]->n_rows + granule - 1) / granule;
    const size_t total = n_experts * n_chunks * 2;
    for (size_t unit; (unit = atomic_fetch_add_explicit(next, 1, memory_order_relaxed)) < total;) {
        const size_t e = unit / (2 * n_chunks), which = unit / n_chunks % 2, from = unit % n_chunks * granule;
        if (w[which] == NULL || x->first[e] == x->first[e + 1]) continue;
        const nce_weight *m = w[which];
        const size_t to = from + granule < m->n_rows ? from + granule : m->n_rows;
        const nce_act a = expert_act(x, (uint32_t)e, m->type->act_block, m->k);
        const nce_op_matrix matrix = {.w = m, .scale = 1.0f};
        nce_cpu_product(t, &matrix, m->buffer->address + m->offset + e * m->expert_bytes,
                        bias[which] ? bias[which] + e * m->n_rows : NULL, &a, NULL, from, to, y[which] + x->first[e] * m->n_rows,
                        m->n_rows);
    }
}

static void gather_and_pack(nce_cpu_thread *t, const nce_op *op, const nce_weight *up)
{
    nce_cpu_experts *x = &t->e->experts;
    for (uint32_t e = (uint32_t)t->id; e < up->n_experts; e += (uint32_t)t->n) {
        const nce_act a = expert_act(x, e, up->type->act_block, up->k);
        if (a.n_cols == 0) continue;
        float *dst = x->x + x->first[e] * up->k;
        for (size_t i = 0; i < a.n_cols; i++)
            memcpy(dst + i * up->k, nce_cpu_row(t, op->in, x->pair_row[x->first[e] + i]), up->k * sizeof *dst);
        t->k->matmul.pack(&a, dst, up->k, 0, 1);
        nce_cpu_observe(&op->seen, e, dst, up->k, a.n_cols, up->k, 0, up->k);
    }
}

static void activate_and_pack(nce_cpu_thread *t, const nce_op *op)
{
    nce_cpu_experts *x = &t->e->experts;
    const nce_op_experts *o = &op->experts;
    const size_t width = o->down->k;
    for (uint32_t e = (uint32_t)t->id; e < o->down->n_experts; e += (uint32_t)t->n) {
        const nce_act a = expert_act(x, e, o->down->type->act_block, width);
        if (a.n_cols == 0) continue;
        float *up = x->up + x->first[e] * width, *gate = x->gate + x->first[e] * width;
        for (size_t i = 0; i < a.n_cols; i++)
            if (o->gate != NULL) t->k->vec.glu(up + i * width, gate + i * width, up + i * width, width, o->f);
            else t->k->vec.act(up + i * width, up + i * width, width, o->f);
        t->k->matmul.pack(&a, up, width, 0, 1);
        nce_cpu_observe(&op->seen_down, e, up, width, a.n_cols, width, 0, width);
    }
}

static void combine(nce_cpu_thread *t, const nce_op *op)
{
    const nce_cpu_experts *x = &t->e->experts;
    const uint32_t n_used = op->experts.n_used;
    const size_t width = op->experts.down->n_rows;
    size_t from, to;
    nce_cpu_share(t, t->step->n_rows, &from, &to);
    for (size_t r = from; r < to; r++) {
        float *out = nce_cpu_row(t, op->out, r);
        for (uint32_t i = 0; i < n_used; i++) {
            const float *y = x->y + x->pair_slot[r * n_used + i] * width, w = x->weights[r * n_used + i];
            if (i == 0) t->k->vec.scale(out, y, width, w);
            else t->k->vec.axpy(out, y, width, w);
        }
    }
}

bool nce_cpu_experts_run(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    nce_cpu_experts *x = &t->e->experts;
    nce_team *team = &t->e->team;
    const nce_op_experts *o = &op->experts;
    const uint32_t n_experts = (uint32_t)o->up->n_experts;
    const size_t chunk = t->step->n_rows <= NCE_CPU_DECODE_COLS ? (o->up->n_rows + t->n - 1) / t->n : NCE_CPU_CHUNK_ROWS;
    const size_t chunk_down = t->step->n_rows <= NCE_CPU_DECODE_COLS ? (o->down->n_rows + t->n - 1) / t->n : NCE_CPU_CHUNK_ROWS;
    if (nce_team_barrier(team, t->id)) return true;
    if (t->id == 0) {
        sort_pairs(x, t->step->n_rows, o->n_used, n_experts);
        place_acts(t, n_experts, o->up->type->act_block, o->up->k);
        nce_cpu_prefetch_experts(&t->e->prefetch, o, x->first);
    }
    if (nce_team_barrier(team, t->id)) return true;
    gather_and_pack(t, op, o->up);
    if (nce_team_barrier(team, t->id)) return true;
    products(t, &t->e->next[2 * index], (const nce_weight *[]){o->gate, o->up}, (const float *[]){o->gate_bias, o->up_bias},
             (float *[]){x->gate, x->up}, (chunk + 63) / 64 * 64);
    if (nce_team_barrier(team, t->id)) return true;
    if (t->id == 0) place_acts(t, n_experts, o->down->type->act_block, o->down->k);
    if (nce_team_barrier(team, t->id)) return true;
    activate_and_pack(t, op);
    if (nce_team_barrier(team, t->id)) return true;
    products(t, &t->e->next[2 * index + 1], (const nce_weight *[]){NULL, o->down}, (const float *[]){NULL, o->down_bias},
             (float *[]){NULL, x->y}, (chunk_down + 63) / 64 * 64);
    if (nce_team_barrier(team, t->id)) return true;
    combine(t, op);
    return false;
}
