/* The driver of the tiled variants: cuts the query rows of a run into blocks and the positions into splits, calls the
 * micro-kernels and merges the partials in ascending order.
 *
 * Two ways through a call, chosen by its shape and the number of threads, with the same bits:
 *  by blocks  a unit is a block of rows of one KV head; it walks all splits and writes its rows.  Prefill, and decode
 *             where there is nothing to share.  A block of at most 8 rows reads the pages in place; a larger one
 * expands each page into a panel in L2 first. by splits  few rows and several threads: a unit is (KV head, split); its
 * partials go to call->parts and phase 2 merges them.  Units are handed out in short runs, so that a page can be
 * prefetched while the previous one is used, and so that a thread that loses its core holds up little. */
#include "src/kernels/attention_tiled.h"
#include "src/kernels/vec_isa.h"
#include <math.h>
#include <string.h>

enum {
    SPLIT_ROWS = 16, /* by splits up to so many rows of a KV head */
    RUNS = 8,        /* runs of units for each thread */
    BLOCKS = 4,      /* blocks wanted for each thread, as long as they keep MIN_ROWS */
    MIN_ROWS = 24,
    PART_TAIL = 16,   /* floats after O in a part: m, l, live, and padding */
    PREFETCH_BYTES = 512 << 10, /* of the next split, at most: it must stay in L2 until it is used */
    DIRECT_CHUNK = 32 /* positions a direct pass over values keeps in L1 for the next columns */
};

typedef struct scratch {
    float *s, *k_panel, *v_panel, *vd, *q, *d, *o, *part;
    int8_t *code;
    int32_t *fix;
    float m[NCE_ATTN_ROWS], l[NCE_ATTN_ROWS], part_m[NCE_ATTN_ROWS], part_l[NCE_ATTN_ROWS];
    int lo[NCE_ATTN_ROWS], hi[NCE_ATTN_ROWS];
    unsigned char started[NCE_ATTN_ROWS];
} scratch;

/* Everything about a call that its units share. */
typedef struct plan {
    const nce_attn_kernels *k;
    const nce_attn_call *call;
    const nce_attn_shape *shape;
    size_t dk, ld_q, ld_o; /* n_dk for the micro-kernel; padded n_dk; n_dv in whole units */
    size_t k_bytes, v_bytes, v_row_bytes;
    size_t n_flat, block_rows; /* rows of a KV head; of a block */
    size_t first_split, n_splits;
    float q_mul, cap_mul;
    int by_splits;
} plan;

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

/* Lay the arrays of a scratch out from base (NULL: only measure); returns the bytes. */
static size_t lay_out(const nce_attn_shape *shape, uint8_t *base, scratch *s)
{
    const size_t rows = max_block_rows(shape), dk = nce_kv_padded(shape->n_dk), dv = nce_kv_padded(shape->n_dv);
    size_t at = round_up(sizeof(scratch), 64);
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
    scratch s;
    return lay_out(shape, NULL, &s);
}

static size_t part_floats(const nce_attn_shape *shape)
{
    return round_up(shape->n_dv, 16) + PART_TAIL;
}

/* Grows with both numbers, so that the bytes of the largest call serve all. */
size_t nce_attn_parts_bytes(const nce_attn_shape *shape, size_t n_rows, size_t n_positions)
{
    const size_t splits = (n_positions + NCE_ATTN_SPLIT - 1) / NCE_ATTN_SPLIT, flat = n_rows * shape->n_group;
    const size_t rows = flat < SPLIT_ROWS ? flat : SPLIT_ROWS;
    return round_up(splits * shape->n_kv_heads * rows * part_floats(shape) * sizeof(float), 64);
}

static size_t first_live(const nce_attn_shape *shape, size_t p)
{
    return shape->window != 0 && p >= shape->window ? p - shape->window + 1 : 0;
}

static plan make_plan(const nce_attn_kernels *k, const nce_attn_call *call, size_t n_threads)
{
    const nce_attn_shape *shape = call->shape;
    const double log2e = 1.4426950408889634, cap = (double)shape->cap, c = (double)shape->scale * log2e;
    plan p = {.k = k, .call = call, .shape = shape};
    p.ld_q = nce_kv_padded(shape->n_dk);
    p.dk = nce_kv_is_quantized(shape->type_k) ? p.ld_q : shape->n_dk; /* fma(0, 0, s) changes no score that is used */
    p.ld_o = round_up(shape->n_dv, 16);
    p.k_bytes = nce_kv_k_bytes(shape->type_k, shape->n_dk);
    p.v_bytes = nce_kv_v_bytes(shape->type_v, shape->n_dv);
    p.v_row_bytes = nce_kv_v_row_bytes(shape->type_v, nce_kv_padded(shape->n_dv));
    p.q_mul = (float)(cap != 0.0 ? 2.0 * c / cap : c);
    p.cap_mul = (float)(cap * log2e);
    p.n_flat = call->n_rows * shape->n_group;
    p.first_split = first_live(shape, call->pos0) / NCE_ATTN_SPLIT;
    p.n_splits = (call->pos0 + call->n_rows - 1) / NCE_ATTN_SPLIT + 1 - p.first_split;
    p.by_splits = n_threads > 1 && p.n_splits > 1 && p.n_flat <= SPLIT_ROWS;
    const size_t wanted = p.n_flat * shape->n_kv_heads / (n_threads * BLOCKS), most = max_block_rows(shape);
    p.block_rows = n_threads == 1 || wanted >= most ? most : wanted > MIN_ROWS ? wanted : MIN_ROWS;
    if (p.by_splits) p.block_rows = SPLIT_ROWS;
    return p;
}

static const uint8_t *k_page(const plan *p, size_t head, size_t page)
{
    return p->call->kv.pages[page] + p->call->kv.k_offset + head * p->k_bytes;
}

static const uint8_t *v_page(const plan *p, size_t head, size_t page)
{
    return p->call->kv.pages[page] + p->call->kv.v_offset + head * p->v_bytes;
}

static void load_queries(const plan *p, scratch *s, size_t head, size_t first, size_t n)
{
    const size_t g = p->shape->n_group, blocks = p->ld_q / NCE_KV_BLOCK;
    const int quantized = nce_kv_is_quantized(p->shape->type_k);
    /* a panel of Q4_0 keys holds codes with the offset of Q8_0 */
    const int offset = p->shape->type_k == NCE_TYPE_Q4_0 && n <= NCE_ATTN_DIRECT_ROWS ? 8 : 128;
    for (size_t r = 0; r < n; r++) {
        const size_t flat = first + r;
        const float *q = p->call->q + flat / g * p->call->ld_q + (head * g + flat % g) * p->shape->n_dk;
        p->k->prepare(q, p->q_mul, p->shape->n_dk, quantized ? offset : 0, s->q + r * p->ld_q, s->code + r * p->ld_q,
                      s->d + r * blocks, s->fix + r * blocks);
    }
}

/* Live positions of n rows from flat row first inside a split: [lo, hi) of all; 0 if there are none. */
static int live_ranges(const plan *p, scratch *s, size_t split, size_t first, size_t n, int *lo, int *hi)
{
    const size_t base = split * NCE_ATTN_SPLIT;
    *lo = NCE_ATTN_SPLIT;
    *hi = 0;
    for (size_t r = 0; r < n; r++) {
        const size_t pos = p->call->pos0 + (first + r) / p->shape->n_group, from = first_live(p->shape, pos);
        const size_t a = from > base ? from - base : 0, b = pos + 1 > base ? pos + 1 - base : 0;
        const size_t end = b < NCE_ATTN_SPLIT ? b : NCE_ATTN_SPLIT;
        if (end <= a) {
            s->lo[r] = s->hi[r] = 0;
            continue;
        }
        s->lo[r] = (int)a;
        s->hi[r] = (int)end;
        if (s->lo[r] < *lo) *lo = s->lo[r];
        if (s->hi[r] > *hi) *hi = s->hi[r];
    }
    return *hi > *lo;
}

/* Range of the live rows among n from r; dead ones get an empty range inside it.  0 if all are dead. */
static int group_range(scratch *s, int r, int n, int *lo, int *hi)
{
    *lo = NCE_ATTN_SPLIT;
    *hi = 0;
    for (int i = r; i < r + n; i++)
        if (s->hi[i] > s->lo[i]) {
            if (s->lo[i] < *lo) *lo = s->lo[i];
            if (s->hi[i] > *hi) *hi = s->hi[i];
        }
    for (int i = r; i<r + n && * hi> * lo; i++)
        if (s->hi[i] == s->lo[i]) s->lo[i] = s->hi[i] = *lo;
    return *hi > *lo;
}

/* Rows of each micro-kernel call when n rows go in groups of at most best, evenly. */
static int step_of(int n, int best)
{
    const int groups = (n + best - 1) / best;
    return (n + groups - 1) / groups;
}

/* One visit of a block to a split. */
typedef struct visit {
    size_t head, first_page;
    int n, direct, lo, hi;
    nce_attn_prefetch ahead; /* pages of the visit after this one */
} visit;

static void queue_page(nce_attn_prefetch *f, const uint8_t *page, size_t bytes)
{
    f->queue[f->n].page = page;
    f->queue[f->n++].bytes = bytes;
}

/* Queue the pages of a split of a head: keys, then values, up to the bytes worth it. */
static void queue_split(const plan *p, size_t head, size_t split, nce_attn_prefetch *f)
{
    const size_t last = (p->call->pos0 + p->call->n_rows - 1) / NCE_KV_PAGE, first = split * NCE_ATTN_TILES;
    const size_t end = first + NCE_ATTN_TILES < last + 1 ? first + NCE_ATTN_TILES : last + 1;
    *f = (nce_attn_prefetch){0};
    /* one row of floats: the core's own look-ahead is best (measured) */
    if (p->n_flat == 1 && !nce_kv_is_quantized(p->shape->type_k)) return;
    for (size_t i = first; i < end && (i - first + 1) * p->k_bytes <= PREFETCH_BYTES; i++)
        queue_page(f, k_page(p, head, i), p->k_bytes);
    for (size_t i = first; i < end && (end - first) * p->k_bytes + (i - first + 1) * p->v_bytes <= PREFETCH_BYTES; i++)
        queue_page(f, v_page(p, head, i), p->v_bytes);
}

static size_t queued_lines(const nce_attn_prefetch *f)
{
    size_t bytes = (size_t)(f->end - f->next);
    for (int i = f->first; i < f->n; i++)
        bytes += f->queue[i].bytes;
    return bytes / 64;
}

/* Spread a share (in 1/16) of what is queued over these steps, evenly: a burst would hold up the loads of the visit. */
static void set_pace(nce_attn_prefetch *f, size_t share, size_t steps)
{
    f->pace = (int)((queued_lines(f) * share + steps - 1) / steps);
    f->credit = 0;
}

/* Calls of a micro-kernel for n rows, and rows of the largest. */
static size_t calls_of(const plan *p, int n, int best, int *rows)
{
    *rows = step_of(n, n <= p->k->rows_max ? p->k->rows_max : best);
    return (size_t)((n + *rows - 1) / *rows);
}

/* Steps of all the micro-kernel calls of a visit: see prefetch_step. */
static size_t score_steps(const plan *p, const visit *v)
{
    const int codes = nce_kv_is_quantized(p->shape->type_k), groups = p->shape->type_k == NCE_TYPE_Q4_0 && v->direct ? 4 : 8;
    int rows;
    const size_t calls = calls_of(p, v->n, p->k->qk_rows, &rows), units = (size_t)((v->hi - v->lo + 15) / 16);
    const size_t width = (size_t)(codes ? p->k->qk_code_units[rows] : p->k->qk_units[rows]);
    return calls * ((units + width - 1) / width) * (codes ? p->dk / NCE_KV_BLOCK * (size_t)groups : p->dk);
}

static size_t value_steps(const plan *p, const visit *v)
{
    int rows;
    const size_t calls = calls_of(p, v->n, p->k->pv_rows[4], &rows), units = p->ld_o / 16;
    const size_t width = (size_t)p->k->pv_units[rows];
    return calls * ((units + width - 1) / width) * (size_t)(v->hi - v->lo);
}

/* Scores of all rows with dims dimensions from d of one page; keys are at k.  The two ranges are prefetched on the way.
 */
static void score_rows(const plan *p, scratch *s, const visit *v, int t, nce_attn_qk a, int d)
{
    const int step = step_of(v->n, v->n <= p->k->rows_max ? p->k->rows_max : p->k->qk_rows), ld = (int)p->ld_q;
    for (int r = 0; r < v->n; r += step) {
        int lo, hi;
        a.n_rows = v->n - r < step ? v->n - r : step;
        if (!group_range(s, r, a.n_rows, &lo, &hi)) continue;
        a.u0 = lo / 16 - t * 4 > 0 ? lo / 16 - t * 4 : 0;
        a.u1 = (hi + 15) / 16 - t * 4 < 4 ? (hi + 15) / 16 - t * 4 : 4;
        if (a.u0 >= a.u1) continue;
        a.q = s->q + r * ld + d;
        a.code = s->code + r * ld + d;
        a.d = s->d + (r * ld + d) / NCE_KV_BLOCK;
        a.fix = s->fix + (r * ld + d) / NCE_KV_BLOCK;
        a.s = s->s + r * NCE_ATTN_SPLIT + t * NCE_KV_PAGE;
        p->k->qk(&a);
    }
}

/* Few rows: pages in place. */
static void score_direct(const plan *p, scratch *s, visit *v, int t)
{
    nce_attn_qk a = {.type = p->shape->type_k, .n_dk = (int)p->dk, .ld_q = (int)p->ld_q, .prefetch = &v->ahead};
    a.k = k_page(p, v->head, v->first_page + (size_t)t);
    score_rows(p, s, v, t, a, 0);
}

/* Many rows: some dimensions at a time, expanded if need be, for all rows while they are in L1. */
static void score_panels(const plan *p, scratch *s, visit *v, int t)
{
    const nce_type type = p->shape->type_k;
    const int codes = nce_kv_is_quantized(type), dims = codes ? NCE_ATTN_CODE_DIMS : NCE_ATTN_DIMS;
    const int expand = type != NCE_TYPE_F32 && type != NCE_TYPE_Q8_0;
    const uint8_t *page = k_page(p, v->head, v->first_page + (size_t)t);
    nce_attn_qk a = {.type = codes ? NCE_TYPE_Q8_0 : NCE_TYPE_F32, .ld_q = (int)p->ld_q, .prefetch = &v->ahead};
    for (int d = 0; d < (int)p->dk; d += dims) {
        const uint8_t *keys =
            page + p->k_bytes / p->ld_q * (size_t)d; /* dimensions, or blocks of them, are contiguous */
        a.n_dk = (int)p->dk - d < dims ? (int)p->dk - d : dims;
        a.more = d > 0;
        a.k = keys;
        if (expand) {
            p->k->expand_k(type, keys, (size_t)a.n_dk, s->k_panel);
            a.k = s->k_panel;
        }
        score_rows(p, s, v, t, a, d);
    }
}

/* Scales of a page of quantized values as floats. */
static void load_scales(const plan *p, scratch *s, const uint8_t *page, int t)
{
    const size_t n = NCE_KV_PAGE * nce_kv_padded(p->shape->n_dv) / NCE_KV_BLOCK;
    if (nce_kv_is_quantized(p->shape->type_v))
        p->k->halfs(page + NCE_KV_PAGE * p->v_row_bytes, s->vd + (size_t)t * n, n);
}

/* Sums over the live positions of every row; a says where the values are, for which columns and positions. */
static void sum_rows(const plan *p, scratch *s, const visit *v, nce_attn_pv a, int best, float *part)
{
    const int step = step_of(v->n, v->n <= p->k->rows_max ? p->k->rows_max : best);
    for (int r = 0; r < v->n; r += step) {
        int lo, hi;
        a.n_rows = v->n - r < step ? v->n - r : step;
        if (!group_range(s, r, a.n_rows, &lo, &hi)) continue;
        if (hi <= a.from || lo >= a.to) continue;
        a.more = lo < a.from; /* otherwise these are the group's first positions */
        a.w = s->s + r * NCE_ATTN_SPLIT;
        a.lo = s->lo + r;
        a.hi = s->hi + r;
        a.o = part + (size_t)r * a.ld_o;
        p->k->pv(&a);
    }
}

static void values_direct(const plan *p, scratch *s, visit *v, float *part, size_t ld_part)
{
    nce_attn_pv a = {.type = p->shape->type_v,
                     .vd = s->vd,
                     .n_blocks = (int)nce_kv_padded(p->shape->n_dv) / NCE_KV_BLOCK,
                     .row_bytes = p->v_row_bytes,
                     .chunk = DIRECT_CHUNK,
                     .u1 = (int)p->ld_o / 16,
                     .to = NCE_ATTN_SPLIT};
    a.from = v->lo / NCE_KV_PAGE * NCE_KV_PAGE;
    a.ld_o = ld_part;
    a.prefetch = &v->ahead;
    for (int t = v->lo / NCE_KV_PAGE; t * NCE_KV_PAGE < v->hi; t++) {
        a.v[t] = v_page(p, v->head, v->first_page + (size_t)t);
        load_scales(p, s, a.v[t], t);
    }
    sum_rows(p, s, v, a, p->k->rows_max, part);
}

/* Many rows: a page at a time, up to 64 columns of it, expanded if need be, for all rows while they are in L1. */
static void values_panels(const plan *p, scratch *s, visit *v, float *part, size_t ld_part)
{
    const nce_type type = p->shape->type_v;
    const int n = (int)p->ld_o, panels = (n + NCE_ATTN_PANEL - 1) / NCE_ATTN_PANEL, expand = type != NCE_TYPE_F32;
    const int width = (n / 16 + panels - 1) / panels * 16, blocks = (int)nce_kv_padded(p->shape->n_dv) / NCE_KV_BLOCK;
    nce_attn_pv a = {.type = NCE_TYPE_F32, .chunk = NCE_ATTN_SPLIT};
    a.ld_o = ld_part;
    a.prefetch = &v->ahead;
    a.row_bytes = expand ? NCE_ATTN_PANEL * sizeof(float) : p->v_row_bytes;
    for (int t = v->lo / NCE_KV_PAGE; t * NCE_KV_PAGE < v->hi; t++) {
        const uint8_t *page = v_page(p, v->head, v->first_page + (size_t)t);
        load_scales(p, s, page, t);
        a.from = t * NCE_KV_PAGE;
        a.to = a.from + NCE_KV_PAGE;
        for (int col = 0; col < n; col += width) {
            const int n_cols = n - col < width ? n - col : width;
            a.u1 = n_cols / 16;
            a.v[t] = expand ? (const uint8_t *)s->v_panel : page + (size_t)col * sizeof(float);
            if (expand)
                p->k->expand_v(type, page, p->v_row_bytes, s->vd + t * NCE_KV_PAGE * blocks, blocks, col, n_cols,
                               NCE_KV_PAGE, s->v_panel);
            sum_rows(p, s, v, a, p->k->pv_rows[a.u1], part + col);
        }
    }
}

/* One split for the n rows loaded in s: partials to s->part_m, part_l and part.  0 if no row lives there. */
static int attend_split(const plan *p, scratch *s, visit *v, size_t split, size_t first, float *part, size_t ld_part)
{
    /* a score of codes costs about a third of a product of floats */
    const size_t work = nce_kv_is_quantized(p->shape->type_k) ? p->dk / 3 : p->dk, share = 16 * work / (work + p->ld_o);
    if (!live_ranges(p, s, split, first, (size_t)v->n, &v->lo, &v->hi)) return 0;
    v->first_page = split * NCE_ATTN_TILES;
    v->direct = v->n <= NCE_ATTN_DIRECT_ROWS;
    set_pace(&v->ahead, share, score_steps(p, v));
    for (int t = v->lo / NCE_KV_PAGE; t * NCE_KV_PAGE < v->hi; t++) {
        if (v->direct)
            score_direct(p, s, v, t);
        else
            score_panels(p, s, v, t);
    }
    p->k->softmax(s->s, v->n, s->lo, s->hi, p->cap_mul, s->part_m, s->part_l);
    set_pace(&v->ahead, 16, value_steps(p, v));
    if (v->direct)
        values_direct(p, s, v, part, ld_part);
    else
        values_panels(p, s, v, part, ld_part);
    return 1;
}

/* The sink of the head, the division, and the row is done. */
static void finish_row(const plan *p, size_t head, size_t flat, float m, float l, float *o)
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
static void accumulate(const plan *p, scratch *s, size_t r)
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
static void attend_block(const plan *p, scratch *s, size_t head, size_t first, size_t n, size_t next_head)
{
    const size_t g = p->shape->n_group, first_pos = p->call->pos0 + first / g;
    const size_t first_split = first_live(p->shape, first_pos) / NCE_ATTN_SPLIT;
    const size_t last = (p->call->pos0 + (first + n - 1) / g) / NCE_ATTN_SPLIT;
    memset(s->started, 0, n);
    load_queries(p, s, head, first, n);
    for (size_t split = first_split; split <= last; split++) {
        visit v = {.head = head, .n = (int)n};
        if (split < last)
            queue_split(p, head, split + 1, &v.ahead);
        else if (next_head < p->shape->n_kv_heads)
            queue_split(p, next_head, first_split, &v.ahead);
        if (!attend_split(p, s, &v, split, first, s->part, p->ld_o)) continue;
        for (size_t r = 0; r < n; r++)
            accumulate(p, s, r);
    }
    for (size_t r = 0; r < n; r++)
        finish_row(p, head, first + r, s->m[r], s->l[r], s->o + r * p->ld_o);
}

static float *part_of(const plan *p, size_t unit)
{
    return p->call->parts + unit * p->n_flat * part_floats(p->shape);
}

static void attend_unit(const plan *p, scratch *s, size_t unit, int reload, int more)
{
    const size_t head = unit / p->n_splits, split = unit % p->n_splits, n = p->n_flat, ld = part_floats(p->shape);
    float *part = part_of(p, unit);
    visit v = {.head = head, .n = (int)n};
    if (reload) load_queries(p, s, head, 0, n);
    if (more) queue_split(p, (unit + 1) / p->n_splits, p->first_split + (unit + 1) % p->n_splits, &v.ahead);
    const int any = attend_split(p, s, &v, p->first_split + split, 0, part, ld);
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
    const plan p = make_plan(k, call, n_threads);
    const size_t heads = call->shape->n_kv_heads;
    scratch *s = memory;
    (void)thread;
    if (call->n_rows == 0) return;
    lay_out(call->shape, memory, s);
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
    const plan p = make_plan(k, call, n_threads);
    if (!p.by_splits) return;
    const size_t n = call->shape->n_kv_heads * p.n_flat, ld = part_floats(p.shape);
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
