/* The driver of the tiled variants: cuts the query rows of a run into blocks and the positions into splits, calls the
 * micro-kernels and merges the partials in ascending order.
 *
 * Two ways through a call, chosen by its shape and the number of threads, with the same bits:
 *  by blocks  a unit is a block of rows of one KV head; it walks all splits and writes its rows.  Prefill, and decode
 *             where there is nothing to share.  A block of at most 8 rows reads the pages in place; a larger one expands
 *             each page into a panel in L2 first.
 *  by splits  few rows and several threads: a unit is (KV head, split); its partials go to call->parts and phase 2 merges
 *             them.
 *
 * Units are handed out in short runs, so that a page can be
 * prefetched while the previous one is used, and so that a thread that loses its core holds up little. */
#include "src/kernels/attention_visit.h"
#include "src/kernels/vec_isa.h"
#include <string.h>

enum { RUNS = 8 }; /* runs of units for each thread */

/* The sink of the head, the division, and the row is done. */
static void finish_row(const nce_attn_plan *p, size_t head, size_t flat, float m, float l, float *o)
{
    const nce_attn_call *call = p->call;
    const size_t g = p->shape->n_group, q_head = head * g + flat % g, n_dv = p->shape->n_dv;
    if (p->shape->sinks != NULL) {
        static const float zeros[NCE_KV_HEAD_MAX];
        p->k->merge(&m, &l, o, p->shape->sinks[q_head] * NCE_LOG2E, 1.0f, zeros, p->ld_o);
    }
    float *out = call->out + flat / g * call->ld_out + q_head * n_dv;
    const float inverse = 1.0f / l;
    for (size_t i = 0; i < n_dv; i++)
        out[i] = o[i] * inverse;
}

/* Take the partial of row r over from s->part, or merge it. */
static void accumulate(const nce_attn_plan *p, nce_attn_scratch *s, size_t r)
{
    float *o = s->o + r * p->ld_o, *po = s->part + r * p->ld_o;
    if (s->hi[r] <= s->lo[r]) return;
    if (s->started[r]) {
        p->k->merge(&s->m[r], &s->l[r], o, s->part_m[r], s->part_l[r], po, p->ld_o);
        return;
    }
    memcpy(o, po, p->ld_o * sizeof *o);
    s->m[r] = s->part_m[r];
    s->l[r] = s->part_l[r];
    s->started[r] = 1;
}

/* next_head: whose same rows come after, or a number too large. */
static void attend_block(const nce_attn_plan *p, nce_attn_scratch *s, size_t head, size_t first, size_t n, size_t next_head)
{
    const size_t g = p->shape->n_group, first_pos = p->call->pos0 + first / g;
    const size_t first_split = nce_attn_first_live(p->shape, first_pos) / NCE_ATTN_SPLIT;
    const size_t last = (p->call->pos0 + (first + n - 1) / g) / NCE_ATTN_SPLIT;
    memset(s->started, 0, n);
    nce_attn_load_queries(p, s, head, first, n);
    for (size_t split = first_split; split <= last; split++) {
        nce_attn_visit v = {.head = head, .n = (int)n};
        if (split < last)
            nce_attn_queue_split(p, head, split + 1, &v.ahead);
        else if (next_head < p->shape->n_kv_heads)
            nce_attn_queue_split(p, next_head, first_split, &v.ahead);
        if (!nce_attn_visit_split(p, s, &v, split, first, s->part, p->ld_o)) continue;
        for (size_t r = 0; r < n; r++)
            accumulate(p, s, r);
    }
    for (size_t r = 0; r < n; r++)
        finish_row(p, head, first + r, s->m[r], s->l[r], s->o + r * p->ld_o);
}

static float *part_of(const nce_attn_plan *p, size_t unit)
{
    return p->call->parts + unit * p->n_flat * nce_attn_part_floats(p->shape);
}

static void attend_unit(const nce_attn_plan *p, nce_attn_scratch *s, size_t unit, int reload, int more)
{
    const size_t head = unit / p->n_splits, split = unit % p->n_splits, n = p->n_flat, ld = nce_attn_part_floats(p->shape);
    float *part = part_of(p, unit);
    nce_attn_visit v = {.head = head, .n = (int)n};
    if (reload) nce_attn_load_queries(p, s, head, 0, n);
    if (more) nce_attn_queue_split(p, (unit + 1) / p->n_splits, p->first_split + (unit + 1) % p->n_splits, &v.ahead);
    const int any = nce_attn_visit_split(p, s, &v, p->first_split + split, 0, part, ld);
    for (size_t r = 0; r < n; r++) {
        float *tail = part + r * ld + p->ld_o;
        tail[0] = s->part_m[r];
        tail[1] = s->part_l[r];
        tail[2] = any && s->hi[r] > s->lo[r] ? 1.0f : 0.0f;
    }
}

static size_t take(nce_attn_call *call, size_t n)
{
    return atomic_fetch_add_explicit(&call->next_unit, n, memory_order_relaxed);
}

void nce_attn_tiled_phase1(const nce_attn_kernels *k, nce_attn_call *call, size_t thread, size_t n_threads,
                           void *memory)
{
    const nce_attn_plan p = nce_attn_make_plan(k, call, n_threads);
    const size_t heads = call->shape->n_kv_heads;
    nce_attn_scratch *s = memory;
    (void)thread;
    if (call->n_rows == 0) return;
    nce_attn_lay_out(call->shape, memory, s);
    if (p.by_splits) {
        const size_t n_units = heads * p.n_splits, share = n_units / (n_threads * RUNS), run = share > 0 ? share : 1;
        for (size_t u = take(call, run); u < n_units; u = take(call, run)) {
            const size_t end = u + run < n_units ? u + run : n_units;
            for (size_t i = u; i < end; i++)
                attend_unit(&p, s, i, i == u || i % p.n_splits == 0, i + 1 < end);
        }
        return;
    }
    const size_t blocks = (p.n_flat + p.block_rows - 1) / p.block_rows;
    for (size_t u = take(call, 1); u < heads * blocks; u = take(call, 1)) {
        const size_t first = u % blocks * p.block_rows, left = p.n_flat - first;
        const size_t next_head = n_threads == 1 && blocks == 1 ? u + 1 : SIZE_MAX;
        attend_block(&p, s, u / blocks, first, left < p.block_rows ? left : p.block_rows, next_head);
    }
}

void nce_attn_tiled_phase2(const nce_attn_kernels *k, nce_attn_call *call, size_t thread, size_t n_threads)
{
    if (call->n_rows == 0) return;
    const nce_attn_plan p = nce_attn_make_plan(k, call, n_threads);
    if (!p.by_splits) return;
    const size_t n = call->shape->n_kv_heads * p.n_flat, ld = nce_attn_part_floats(p.shape);
    for (size_t i = n * thread / n_threads; i < n * (thread + 1) / n_threads; i++) {
        const size_t head = i / p.n_flat, r = i % p.n_flat;
        float *sum = NULL;
        for (size_t split = 0; split < p.n_splits; split++) {
            float *part = part_of(&p, head * p.n_splits + split) + r * ld, *tail = part + p.ld_o;
            if (tail[2] == 0.0f) continue;
            if (sum != NULL)
                k->merge(&sum[p.ld_o], &sum[p.ld_o + 1], sum, tail[0], tail[1], part, p.ld_o);
            else
                sum = part;
        }
        finish_row(&p, head, r, sum[p.ld_o], sum[p.ld_o + 1], sum);
    }
}
