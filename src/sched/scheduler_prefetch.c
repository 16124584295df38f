/* Predictive prefetch: requests often alternate in fixed patterns (a pipeline's prompts, a batch over templates).  For
 * every chain head the majority of what came next is kept; when a head comes whose usual successor nobody holds, the
 * embedder is advised to bring it to the least busy node.  A wrong guess costs that transfer, never a result. */
#include "src/sched/scheduler.h"
#include <string.h>

static nce_successor *entry_of(nce_scheduler *s, const nce_block_hash *head)
{
    return &s->successors[(head->lo ^ head->hi >> 7) % NCE_SUCCESSORS];
}

static bool same(const nce_block_hash *a, const nce_block_hash *b)
{
    return a->lo == b->lo && a->hi == b->hi;
}

static void learn(nce_scheduler *s, const nce_block_hash *chain, uint32_t n)
{
    nce_successor *e = entry_of(s, &s->last_head);
    if (!same(&e->head, &s->last_head)) *e = (nce_successor){.head = s->last_head};
    if (e->n_next > 0 && same(&e->next[e->n_next - 1], &chain[n - 1])) {
        e->count++;
    } else if (e->count > 0) {
        e->count--;
    } else {
        memcpy(e->next, chain, n * sizeof *chain);
        e->n_next = n;
        e->count = 1;
    }
}

static uint32_t least_busy(const nce_scheduler *s)
{
    uint32_t best = NCE_NO_NODE;
    for (uint32_t k = 0; k < s->n_nodes; k++) {
        const nce_node *n = &s->nodes[k];
        if (n->up && (best == NCE_NO_NODE || n->queued_work_s < s->nodes[best].queued_work_s)) best = k;
    }
    return best;
}

void nce_scheduler_foresee(nce_scheduler *s, const nce_job *j)
{
    const uint32_t n = j->n_blocks < NCE_HEAD_BLOCKS ? (uint32_t)j->n_blocks : NCE_HEAD_BLOCKS;
    if (n == 0) return;
    const nce_block_hash *head = &j->blocks[n - 1];
    if (s->last_head.lo != 0 || s->last_head.hi != 0) learn(s, j->blocks, n);
    s->last_head = *head;
    const nce_successor *e = entry_of(s, head);
    if (!same(&e->head, head) || e->count < 2) return;
    if (nce_kv_directory_holders(s->directory, &e->next[e->n_next - 1]) != 0) return;
    const uint32_t node = least_busy(s);
    nce_note *note = node != NCE_NO_NODE ? nce_scheduler_note(s, NCE_NOTE_PREFETCH) : NULL;
    if (note == NULL) return; /* advice only */
    note->node = node;
    note->n_prefix = e->n_next;
    memcpy(note->prefix, e->next, e->n_next * sizeof *e->next);
}
