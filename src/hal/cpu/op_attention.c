/* Attention of a step: the runs (sequences) a few at a time, each in the two phases of the kernels. */
#include "src/hal/cpu/exec.h"

static void prepare(nce_cpu_thread *t, const nce_op *op, size_t first, size_t n)
{
    const nce_step *s = t->step;
    for (size_t i = 0; i < n; i++) {
        const nce_step_run *run = &s->runs[first + i];
        nce_attn_call *c = &t->e->calls[i];
        c->shape = op->shape;
        c->kv = (nce_attn_pages){run->pages, op->k_offset, op->v_offset};
        c->q = nce_cpu_row(t, op->in, run->row0);
        c->ld_q = nce_cpu_ld(t, op->in);
        c->out = nce_cpu_row(t, op->out, run->row0);
        c->ld_out = nce_cpu_ld(t, op->out);
        c->n_rows = run->n_rows;
        c->pos0 = run->pos0;
        c->parts = t->e->parts + i * t->e->parts_floats;
        atomic_store_explicit(&c->next_unit, 0, memory_order_relaxed);
    }
}

bool nce_cpu_attention(nce_cpu_thread *t, const nce_op *op, size_t index)
{
    (void)index;
    void *scratch = t->e->scratch[t->id];
    const size_t n_runs = t->step->n_runs;
    for (size_t first = 0; first < n_runs; first += NCE_CPU_ATTN_GROUP) {
        const size_t n = n_runs - first < NCE_CPU_ATTN_GROUP ? n_runs - first : NCE_CPU_ATTN_GROUP;
        if (first != 0 && nce_team_barrier(&t->e->team, t->id)) return true; /* calls and parts are used again */
        if (t->id == 0) prepare(t, op, first, n);
        if (nce_team_barrier(&t->e->team, t->id)) return true;
        for (size_t i = 0; i < n; i++)
            t->k->attn.phase1(&t->e->calls[i], t->id, t->n, scratch);
        if (nce_team_barrier(&t->e->team, t->id)) return true;
        for (size_t i = 0; i < n; i++)
            t->k->attn.phase2(&t->e->calls[i], t->id, t->n, scratch);
    }
    return false;
}
