/* One visit of a block of rows to a split: scores a page at a time, soft-max, weighted sum of values, while the pages of the
 * visit after it are prefetched. */
#include "src/kernels/attention_visit.h"

enum {
    PREFETCH_BYTES = 512 << 10, /* of the next split, at most: it must stay in L2 until it is used */
    DIRECT_CHUNK = 32           /* positions a direct pass over values keeps in L1 for the next columns */
};

void nce_attn_load_queries(const nce_attn_plan *p, nce_attn_scratch *s, size_t head, size_t first, size_t n)
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

/* Live positions of the rows of a visit inside a split, from flat row first; 0 if there are none. */
static int live_ranges(const nce_attn_plan *p, nce_attn_scratch *s, size_t split, size_t first, nce_attn_visit *v)
{
    const size_t base = split * NCE_ATTN_SPLIT, n = (size_t)v->n;
    v->lo = NCE_ATTN_SPLIT;
    v->hi = 0;
    for (size_t r = 0; r < n; r++) {
        const size_t pos = p->call->pos0 + (first + r) / p->shape->n_group, from = nce_attn_first_live(p->shape, pos);
        const size_t a = from > base ? from - base : 0, b = pos + 1 > base ? pos + 1 - base : 0;
        const size_t end = b < NCE_ATTN_SPLIT ? b : NCE_ATTN_SPLIT;
        if (end <= a) {
            s->lo[r] = s->hi[r] = 0;
            continue;
        }
        s->lo[r] = (int)a;
        s->hi[r] = (int)end;
        if (s->lo[r] < v->lo) v->lo = s->lo[r];
        if (s->hi[r] > v->hi) v->hi = s->hi[r];
    }
    v->all_live = 1;
    for (size_t r = 0; r < n; r++)
        v->all_live &= s->lo[r] == v->lo && s->hi[r] == v->hi;
    return v->hi > v->lo;
}

/* Range of the live rows among n from r; dead ones get an empty range inside it.  0 if all are dead. */
static int group_range(nce_attn_scratch *s, const nce_attn_visit *v, int r, int n, int *lo, int *hi)
{
    *lo = v->lo;
    *hi = v->hi;
    if (v->all_live) return 1;
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

static void queue_page(nce_attn_prefetch *f, const uint8_t *page, size_t bytes)
{
    f->queue[f->n].page = page;
    f->queue[f->n++].bytes = bytes;
}

void nce_attn_queue_split(const nce_attn_plan *p, size_t head, size_t split, nce_attn_prefetch *f)
{
    const size_t last = (p->call->pos0 + p->call->n_rows - 1) / NCE_KV_PAGE, first = split * NCE_ATTN_TILES;
    const size_t end = first + NCE_ATTN_TILES < last + 1 ? first + NCE_ATTN_TILES : last + 1;
    *f = (nce_attn_prefetch){0};
    /* one row of floats: the core's own look-ahead is best (measured) */
    if (p->n_flat == 1 && !nce_kv_is_quantized(p->shape->type_k)) return;
    for (size_t i = first; i < end && (i - first + 1) * p->k_bytes <= PREFETCH_BYTES; i++)
        queue_page(f, nce_attn_k_page(p, head, i), p->k_bytes);
    for (size_t i = first; i < end && (end - first) * p->k_bytes + (i - first + 1) * p->v_bytes <= PREFETCH_BYTES; i++)
        queue_page(f, nce_attn_v_page(p, head, i), p->v_bytes);
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
static size_t calls_of(const nce_attn_plan *p, int n, int best, int *rows)
{
    *rows = step_of(n, n <= p->k->rows_max ? p->k->rows_max : best);
    return (size_t)((n + *rows - 1) / *rows);
}

/* Steps of all the micro-kernel calls of a visit: see prefetch_step. */
static size_t score_steps(const nce_attn_plan *p, const nce_attn_visit *v)
{
    const int codes = nce_kv_is_quantized(p->shape->type_k), groups = p->shape->type_k == NCE_TYPE_Q4_0 && v->direct ? 4 : 8;
    int rows;
    const size_t calls = calls_of(p, v->n, p->k->qk_rows, &rows), units = (size_t)((v->hi - v->lo + 15) / 16);
    const size_t width = (size_t)(codes ? p->k->qk_code_units[rows] : p->k->qk_units[rows]);
    return calls * ((units + width - 1) / width) * (codes ? p->dk / NCE_KV_BLOCK * (size_t)groups : p->dk);
}

static size_t value_steps(const nce_attn_plan *p, const nce_attn_visit *v)
{
    int rows;
    const size_t calls = calls_of(p, v->n, p->k->pv_rows[4], &rows), units = p->ld_o / 16;
    const size_t width = (size_t)p->k->pv_units[rows];
    return calls * ((units + width - 1) / width) * (size_t)(v->hi - v->lo);
}

/* Scores of all rows with dims dimensions from d of one page; keys are at k.  The two ranges are prefetched on the way.
 */
static void score_rows(const nce_attn_plan *p, nce_attn_scratch *s, const nce_attn_visit *v, int t, nce_attn_qk a, int d)
{
    const int step = step_of(v->n, v->n <= p->k->rows_max ? p->k->rows_max : p->k->qk_rows), ld = (int)p->ld_q;
    for (int r = 0; r < v->n; r += step) {
        int lo, hi;
        a.n_rows = v->n - r < step ? v->n - r : step;
        if (!group_range(s, v, r, a.n_rows, &lo, &hi)) continue;
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
static void score_direct(const nce_attn_plan *p, nce_attn_scratch *s, nce_attn_visit *v, int t)
{
    nce_attn_qk a = {.type = p->shape->type_k, .n_dk = (int)p->dk, .ld_q = (int)p->ld_q, .prefetch = &v->ahead};
    a.k = nce_attn_k_page(p, v->head, v->first_page + (size_t)t);
    score_rows(p, s, v, t, a, 0);
}

/* Many rows: some dimensions at a time, expanded if need be, for all rows while they are in L1. */
static void score_panels(const nce_attn_plan *p, nce_attn_scratch *s, nce_attn_visit *v, int t)
{
    const nce_type type = p->shape->type_k;
    const int codes = nce_kv_is_quantized(type), dims = codes ? NCE_ATTN_CODE_DIMS : NCE_ATTN_DIMS;
    const int expand = type != NCE_TYPE_F32 && type != NCE_TYPE_Q8_0;
    const uint8_t *page = nce_attn_k_page(p, v->head, v->first_page + (size_t)t);
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
static void load_scales(const nce_attn_plan *p, nce_attn_scratch *s, const uint8_t *page, int t)
{
    const size_t n = NCE_KV_PAGE * nce_kv_padded(p->shape->n_dv) / NCE_KV_BLOCK;
    if (nce_kv_is_quantized(p->shape->type_v))
        p->k->halfs(page + NCE_KV_PAGE * p->v_row_bytes, s->vd + (size_t)t * n, n);
}

/* Sums over the live positions of every row; a says where the values are, for which columns and positions. */
static void sum_rows(const nce_attn_plan *p, nce_attn_scratch *s, const nce_attn_visit *v, nce_attn_pv a, int best, float *part)
{
    const int step = step_of(v->n, v->n <= p->k->rows_max ? p->k->rows_max : best);
    for (int r = 0; r < v->n; r += step) {
        int lo, hi;
        a.n_rows = v->n - r < step ? v->n - r : step;
        if (!group_range(s, v, r, a.n_rows, &lo, &hi)) continue;
        if (hi <= a.from || lo >= a.to) continue;
        a.more = lo < a.from; /* otherwise these are the group's first positions */
        a.w = s->s + r * NCE_ATTN_SPLIT;
        a.lo = s->lo + r;
        a.hi = s->hi + r;
        a.o = part + (size_t)r * a.ld_o;
        p->k->pv(&a);
    }
}

static void values_direct(const nce_attn_plan *p, nce_attn_scratch *s, nce_attn_visit *v, float *part, size_t ld_part)
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
        a.v[t] = nce_attn_v_page(p, v->head, v->first_page + (size_t)t);
        load_scales(p, s, a.v[t], t);
    }
    sum_rows(p, s, v, a, p->k->rows_max, part);
}

/* Many rows: a page at a time, up to 64 columns of it, expanded if need be, for all rows while they are in L1. */
static void values_panels(const nce_attn_plan *p, nce_attn_scratch *s, nce_attn_visit *v, float *part, size_t ld_part)
{
    const nce_type type = p->shape->type_v;
    const int n = (int)p->ld_o, panels = (n + NCE_ATTN_PANEL - 1) / NCE_ATTN_PANEL, expand = type != NCE_TYPE_F32;
    const int width = (n / 16 + panels - 1) / panels * 16, blocks = (int)nce_kv_padded(p->shape->n_dv) / NCE_KV_BLOCK;
    nce_attn_pv a = {.type = NCE_TYPE_F32, .chunk = NCE_ATTN_SPLIT};
    a.ld_o = ld_part;
    a.prefetch = &v->ahead;
    a.row_bytes = expand ? NCE_ATTN_PANEL * sizeof(float) : p->v_row_bytes;
    for (int t = v->lo / NCE_KV_PAGE; t * NCE_KV_PAGE < v->hi; t++) {
        const uint8_t *page = nce_attn_v_page(p, v->head, v->first_page + (size_t)t);
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

int nce_attn_visit_split(const nce_attn_plan *p, nce_attn_scratch *s, nce_attn_visit *v, size_t split, size_t first, float *part, size_t ld_part)
{
    /* a score of codes costs about a third of a product of floats */
    const size_t work = nce_kv_is_quantized(p->shape->type_k) ? p->dk / 3 : p->dk, share = 16 * work / (work + p->ld_o);
    if (!live_ranges(p, s, split, first, v)) return 0;
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
