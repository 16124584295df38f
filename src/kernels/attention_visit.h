/* Between the files of the tiled driver: what a call is cut into, and one visit of a block of rows to a split. */
#ifndef NCE_SRC_ATTENTION_VISIT_H
#define NCE_SRC_ATTENTION_VISIT_H
#include "src/kernels/attention_tiled.h"

enum {
    NCE_ATTN_SPLIT_ROWS = 16, /* by splits up to so many rows of a KV head */
    NCE_ATTN_PART_TAIL = 16   /* floats after O in a part: m, l, live, and padding */
};

/* Working memory of a thread. */
typedef struct nce_attn_scratch {
    float *s, *k_panel, *v_panel, *vd, *q, *d, *o, *part;
    int8_t *code;
    int32_t *fix;
    float m[NCE_ATTN_ROWS], l[NCE_ATTN_ROWS], part_m[NCE_ATTN_ROWS], part_l[NCE_ATTN_ROWS];
    int lo[NCE_ATTN_ROWS], hi[NCE_ATTN_ROWS];
    unsigned char started[NCE_ATTN_ROWS];
} nce_attn_scratch;

/* Everything about a call that its units share. */
typedef struct nce_attn_plan {
    const nce_attn_kernels *k;
    const nce_attn_call *call;
    const nce_attn_shape *shape;
    size_t dk, ld_q, ld_o; /* n_dk for the micro-kernel; padded n_dk; n_dv in whole units */
    size_t k_bytes, v_bytes, v_row_bytes;
    size_t n_flat, block_rows; /* rows of a KV head; of a block */
    size_t first_split, n_splits;
    float q_mul, cap_mul;
    int by_splits;
} nce_attn_plan;

static inline const uint8_t *nce_attn_k_page(const nce_attn_plan *p, size_t head, size_t page)
{
    return p->call->kv.pages[page] + p->call->kv.k_offset + head * p->k_bytes;
}

static inline const uint8_t *nce_attn_v_page(const nce_attn_plan *p, size_t head, size_t page)
{
    return p->call->kv.pages[page] + p->call->kv.v_offset + head * p->v_bytes;
}

/* One visit of a block to a split. */
typedef struct nce_attn_visit {
    size_t head, first_page;
    int n, direct, lo, hi;
    int all_live; /* every row at every position of [lo, hi) */
    nce_attn_prefetch ahead; /* pages of the visit after this one */
} nce_attn_visit;

/* attention_plan.c */
/* Lay the arrays of a scratch out from base (NULL: only measure); returns the bytes. */
size_t nce_attn_lay_out(const nce_attn_shape *shape, uint8_t *base, nce_attn_scratch *s);
size_t nce_attn_part_floats(const nce_attn_shape *shape); /* of one row of one split, see nce_attn_parts_bytes */
size_t nce_attn_first_live(const nce_attn_shape *shape, size_t p); /* position that position p still sees */
nce_attn_plan nce_attn_make_plan(const nce_attn_kernels *k, const nce_attn_call *call, size_t n_threads);

/* attention_visit.c */
/* The queries of n rows from flat row first of a KV head, as the micro-kernels want them. */
void nce_attn_load_queries(const nce_attn_plan *p, nce_attn_scratch *s, size_t head, size_t first, size_t n);
/* Queue the pages of a split of a head: keys, then values, up to the bytes worth it. */
void nce_attn_queue_split(const nce_attn_plan *p, size_t head, size_t split, nce_attn_prefetch *f);
/* One split for the n rows loaded in s: partials to s->part_m, part_l and part.  0 if no row lives there. */
int nce_attn_visit_split(const nce_attn_plan *p, nce_attn_scratch *s, nce_attn_visit *v, size_t split, size_t first, float *part,
                         size_t ld_part);

#endif
