/* How a call of the tiled attention is cut up, and what a thread's scratch holds (see attention_tiled.c). */
#include "src/kernels/attention_visit.h"

enum {
    BLOCKS = 4, /* blocks wanted for each thread, as long as they keep MIN_ROWS */
    MIN_ROWS = 24
};

static size_t max_block_rows(const nce_attn_shape *shape)
{
    /* the panels and the block's rows stay within about half a megabyte of L2 */
    return shape->n_dk + shape->n_dv <= 512 ? NCE_ATTN_ROWS : NCE_ATTN_ROWS / 2;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* The next bytes of a scratch; NULL if it is only measured. */
static void *carve(uint8_t *base, size_t *at, size_t bytes)
{
    uint8_t *p = base != NULL ? base + *at : NULL;
    *at += round_up(bytes, 64);
    return p;
}

size_t nce_attn_lay_out(const nce_attn_shape *shape, uint8_t *base, nce_attn_scratch *s)
{
    const size_t rows = max_block_rows(shape), dk = nce_kv_padded(shape->n_dk), dv = nce_kv_padded(shape->n_dv);
    size_t at = round_up(sizeof(nce_attn_scratch), 64);
    s->s = carve(base, &at, rows * NCE_ATTN_SPLIT * 4);
    s->k_panel = carve(base, &at, NCE_ATTN_CODE_DIMS / NCE_KV_BLOCK * NCE_KV_Q8_K_BLOCK);
    s->v_panel = carve(base, &at, NCE_KV_PAGE * NCE_ATTN_PANEL * sizeof(float));
    s->vd = carve(base, &at, NCE_ATTN_SPLIT * dv / NCE_KV_BLOCK * 4);
    s->q = carve(base, &at, rows * dk * 4);
    s->d = carve(base, &at, rows * dk / NCE_KV_BLOCK * 4);
    s->fix = carve(base, &at, rows * dk / NCE_KV_BLOCK * 4);
    s->code = carve(base, &at, rows * dk);
    s->o = carve(base, &at, rows * dv * 4);
    s->part = carve(base, &at, rows * dv * 4);
    return at;
}

size_t nce_attn_scratch_bytes(const nce_attn_shape *shape)
{
    nce_attn_scratch s;
    return nce_attn_lay_out(shape, NULL, &s);
}

size_t nce_attn_part_floats(const nce_attn_shape *shape)
{
    return round_up(shape->n_dv, 16) + NCE_ATTN_PART_TAIL;
}

/* Grows with both numbers, so that the bytes of the largest call serve all. */
size_t nce_attn_parts_bytes(const nce_attn_shape *shape, size_t n_rows, size_t n_positions)
{
    const size_t splits = (n_positions + NCE_ATTN_SPLIT - 1) / NCE_ATTN_SPLIT, flat = n_rows * shape->n_group;
    const size_t rows = flat < NCE_ATTN_SPLIT_ROWS ? flat : NCE_ATTN_SPLIT_ROWS;
    return round_up(splits * shape->n_kv_heads * rows * nce_attn_part_floats(shape) * sizeof(float), 64);
}

size_t nce_attn_first_live(const nce_attn_shape *shape, size_t p)
{
    return shape->window != 0 && p >= shape->window ? p - shape->window + 1 : 0;
}

nce_attn_plan nce_attn_make_plan(const nce_attn_kernels *k, const nce_attn_call *call, size_t n_threads)
{
    const nce_attn_shape *shape = call->shape;
    const double log2e = 1.4426950408889634, cap = (double)shape->cap, c = (double)shape->scale * log2e;
    nce_attn_plan p = {.k = k, .call = call, .shape = shape};
    p.ld_q = nce_kv_padded(shape->n_dk);
    p.dk = nce_kv_is_quantized(shape->type_k) ? p.ld_q : shape->n_dk; /* fma(0, 0, s) changes no score that is used */
    p.ld_o = round_up(shape->n_dv, 16);
    p.k_bytes = nce_kv_k_bytes(shape->type_k, shape->n_dk);
    p.v_bytes = nce_kv_v_bytes(shape->type_v, shape->n_dv);
    p.v_row_bytes = nce_kv_v_row_bytes(shape->type_v, nce_kv_padded(shape->n_dv));
    p.q_mul = (float)(cap != 0.0 ? 2.0 * c / cap : c);
    p.cap_mul = (float)(cap * log2e);
    p.n_flat = call->n_rows * shape->n_group;
    p.first_split = nce_attn_first_live(shape, call->pos0) / NCE_ATTN_SPLIT;
    p.n_splits = (call->pos0 + call->n_rows - 1) / NCE_ATTN_SPLIT + 1 - p.first_split;
    p.by_splits = n_threads > 1 && p.n_splits > 1 && p.n_flat <= NCE_ATTN_SPLIT_ROWS;
    const size_t wanted = p.n_flat * shape->n_kv_heads / (n_threads * BLOCKS), most = max_block_rows(shape);
    p.block_rows = n_threads == 1 || wanted >= most ? most : wanted > MIN_ROWS ? wanted : MIN_ROWS;
    if (p.by_splits) p.block_rows = NCE_ATTN_SPLIT_ROWS;
    return p;
}
