/* Micro-kernels of attention, compiled once for each instruction set by x86/attention_*.c and arm/attention_*.c, which
 * include the primitives first.  A unit is 16 lanes = NL registers: 16 positions in scores, 16 columns in values.
 *
 * Every accumulator is one chain in the order of the contract; the blocking (nr rows by nu units) only chooses which
 * independent chains run together.  nr, nu and the type are compile-time constants wherever this is inlined. */
/* clang-format off: it does not know UNROLL */
#include "src/kernels/attention_tiled.h"
#include "src/kernels/vec_math.h"
#include <math.h>

enum { MAX_ROWS = 8, MAX_REGS = 16 };

/* One step; returns the credit, which the loops keep in a register.  Inline: a call would save and restore every vector
 * register. */
INL int prefetch_step(nce_attn_prefetch *f, int credit)
{
    for (credit += f->pace; credit >= 16; credit -= 16) {
        if (f->next >= f->end) {
            if (f->first == f->n) {
                f->pace = 0;
                return 0;
            }
            f->next = f->queue[f->first].page;
            f->end = f->next + f->queue[f->first++].bytes;
        }
        v_prefetch(f->next);
        f->next += 64;
    }
    return credit;
}

/* ---- scores ---- */
INL vf float_key(nce_type type, const void *k, size_t i)
{
    if (type == NCE_TYPE_F16) return v_load_f16((const uint16_t *)k + i);
    if (type == NCE_TYPE_BF16) return v_load_bf16((const uint16_t *)k + i);
    return v_load((const float *)k + i);
}

INL void store_scores(const nce_attn_qk *a, int nr, int n, int u, vf acc[MAX_ROWS][MAX_REGS])
{
    UNROLL for (int r = 0; r < nr; r++)
        UNROLL for (int c = 0; c < n; c++)
            v_store(a->s + r * NCE_ATTN_SPLIT + u * 16 + c * VL, acc[r][c]);
}

INL void start_scores(const nce_attn_qk *a, int nr, int n, int u, vf acc[MAX_ROWS][MAX_REGS])
{
    UNROLL for (int r = 0; r < nr; r++)
        UNROLL for (int c = 0; c < n; c++)
            acc[r][c] = a->more ? v_load(a->s + r * NCE_ATTN_SPLIT + u * 16 + c * VL) : v_zero();
}

INL void qk_float(nce_attn_qk *a, nce_type type, int nr, int nu, int u)
{
    vf acc[MAX_ROWS][MAX_REGS];
    const int n = nu * NL;
    start_scores(a, nr, n, u, acc);
    const float *q = a->q;
    const int ld = a->ld_q;
    nce_attn_prefetch *const f = a->prefetch;
    int credit = f->credit;
    for (int d = 0; d < a->n_dk; d++) {
        vf k[MAX_REGS];
        UNROLL for (int c = 0; c < n; c++)
            k[c] = float_key(type, a->k, (size_t)(d * NCE_KV_PAGE + u * 16 + c * VL));
        UNROLL for (int r = 0; r < nr; r++) {
            const vf x = v_set1(q[r * ld + d]);
            UNROLL for (int c = 0; c < n; c++)
                acc[r][c] = v_fma(x, k[c], acc[r][c]);
        }
        credit = prefetch_step(f, credit);
    }
    f->credit = credit;
    store_scores(a, nr, n, u, acc);
}

INL void qk_codes(nce_attn_qk *a, nce_type type, int nr, int nu, int u)
{
    vf acc[MAX_ROWS][MAX_REGS];
    const int n = nu * NL, ld = a->ld_q, ld_d = ld / NCE_KV_BLOCK, q8 = type == NCE_TYPE_Q8_0, groups = q8 ? 8 : 4;
    const int block_bytes = q8 ? NCE_KV_Q8_K_BLOCK : NCE_KV_Q4_K_BLOCK;
    start_scores(a, nr, n, u, acc);
    const uint8_t *codes = a->k;
    nce_attn_prefetch *const f = a->prefetch;
    int credit = f->credit;
    for (int b = 0; b < a->n_dk / NCE_KV_BLOCK; b++, codes += block_bytes) {
        vi sum[MAX_ROWS][MAX_REGS];
        UNROLL for (int r = 0; r < nr; r++)
            UNROLL for (int c = 0; c < n; c++)
                sum[r][c] = v_dot_start(type, a->fix[r * ld_d + b]);
        for (int g = 0; g < groups; g++) {
            const int8_t *x = a->code + b * NCE_KV_BLOCK + g * 4;
            vk low[MAX_REGS], high[MAX_REGS];
            UNROLL for (int c = 0; c < n; c++) {
                const uint8_t *p = codes + (g * NCE_KV_PAGE + u * 16 + c * VL) * 4;
                low[c] = q8 ? v_codes8(p) : v_codes4(p, 0);
                high[c] = q8 ? low[c] : v_codes4(p, 1);
            }
            UNROLL for (int r = 0; r < nr; r++) {
                const vi x0 = v_bcast4(x + r * ld), x1 = v_bcast4(x + r * ld + (q8 ? 0 : 16));
                UNROLL for (int c = 0; c < n; c++) {
                    sum[r][c] = v_dot4(type, sum[r][c], low[c], x0);
                    if (!q8) sum[r][c] = v_dot4(type, sum[r][c], high[c], x1);
                }
            }
            credit = prefetch_step(f, credit);
        }
        UNROLL for (int c = 0; c < n; c++) {
            const vf d = v_load_f16((const uint16_t *)(codes + groups * 4 * NCE_KV_PAGE) + u * 16 + c * VL);
            UNROLL for (int r = 0; r < nr; r++) acc[r][c] =
                v_fma(v_mul(v_set1(a->d[r * ld_d + b]), d), v_from_int(sum[r][c]), acc[r][c]);
        }
    }
    f->credit = credit;
    store_scores(a, nr, n, u, acc);
}

/* All units of the call: nu at a time (nu_codes for quantized keys), then one. */
INL void qk_rows(nce_attn_qk *a, int nr, int nu, int nu_codes)
{
    int u = a->u0;
    switch ((int)a->type) {
    case NCE_TYPE_Q8_0:
        for (; u + nu_codes <= a->u1; u += nu_codes)
            qk_codes(a, NCE_TYPE_Q8_0, nr, nu_codes, u);
        for (; u < a->u1; u++)
            qk_codes(a, NCE_TYPE_Q8_0, nr, 1, u);
        break;
    case NCE_TYPE_Q4_0:
        for (; u + nu_codes <= a->u1; u += nu_codes)
            qk_codes(a, NCE_TYPE_Q4_0, nr, nu_codes, u);
        for (; u < a->u1; u++)
            qk_codes(a, NCE_TYPE_Q4_0, nr, 1, u);
        break;
    case NCE_TYPE_F16:
        for (; u + nu <= a->u1; u += nu)
            qk_float(a, NCE_TYPE_F16, nr, nu, u);
        for (; u < a->u1; u++)
            qk_float(a, NCE_TYPE_F16, nr, 1, u);
        break;
    case NCE_TYPE_BF16:
        for (; u + nu <= a->u1; u += nu)
            qk_float(a, NCE_TYPE_BF16, nr, nu, u);
        for (; u < a->u1; u++)
            qk_float(a, NCE_TYPE_BF16, nr, 1, u);
        break;
    default:
        for (; u + nu <= a->u1; u += nu)
            qk_float(a, NCE_TYPE_F32, nr, nu, u);
        for (; u < a->u1; u++)
            qk_float(a, NCE_TYPE_F32, nr, 1, u);
        break;
    }
}

/* ---- weighted sum of values ---- */
/* VL columns from column i of a row; d: the scale of their block. */
INL vf value(nce_type type, const uint8_t *row, int i, vf d)
{
    switch ((int)type) {
    case NCE_TYPE_F16:
        return v_load_f16((const uint16_t *)row + i);
    case NCE_TYPE_BF16:
        return v_load_bf16((const uint16_t *)row + i);
    case NCE_TYPE_Q8_0:
        return v_mul(v_load_s8((const int8_t *)row + i), d); /* exact: 8 by 11 bits */
    case NCE_TYPE_Q4_0:
        return v_mul(v_load_s4(row + i / 32 * 16 + i % 16, i % 32 >= 16), d);
    default:
        return v_load((const float *)row + i);
    }
}

INL int is_quantized(nce_type type)
{
    return type == NCE_TYPE_Q8_0 || type == NCE_TYPE_Q4_0;
}

/* Columns of nu units from u of nr rows over positions from .. to, at all of which all rows are live. */
INL void pv_pass(nce_attn_pv *a, nce_type type, int nr, int nu, int u, int from, int to, int more)
{
    vf acc[MAX_ROWS][MAX_REGS];
    const int n = nu * NL, column = type == NCE_TYPE_F32 ? 0 : u * 16; /* floats: constant offsets from a moved pointer */
    const float *w = a->w;
    nce_attn_prefetch *const f = a->prefetch;
    int credit = f->credit;
    UNROLL for (int r = 0; r < nr; r++)
        UNROLL for (int c = 0; c < n; c++)
            acc[r][c] = more ? v_loadu(a->o + (size_t)r * a->ld_o + u * 16 + c * VL) : v_zero();
    for (int j = from; j < to;) {
        const int tile = j / NCE_KV_PAGE, end = (tile + 1) * NCE_KV_PAGE, stop = to < end ? to : end;
        const uint8_t *row = a->v[tile] + (size_t)(j % NCE_KV_PAGE) * a->row_bytes;
        row += (u * 16 - column) * 4;
        for (; j < stop; j++, row += a->row_bytes) {
            vf v[MAX_REGS], d = v_zero();
            UNROLL for (int c = 0; c < n; c++) {
                if (is_quantized(type) && c * VL % 32 == 0) d = v_set1(a->vd[j * a->n_blocks + u / 2 + c * VL / 32]);
                v[c] = value(type, row, column + c * VL, d);
            }
            UNROLL for (int r = 0; r < nr; r++) {
                const vf x = v_set1(w[r * NCE_ATTN_SPLIT + j]);
                UNROLL for (int c = 0; c < n; c++)
                    acc[r][c] = v_fma(x, v[c], acc[r][c]);
            }
            credit = prefetch_step(f, credit);
        }
    }
    f->credit = credit;
    UNROLL for (int r = 0; r < nr; r++)
        UNROLL for (int c = 0; c < n; c++)
            v_storeu(a->o + (size_t)r * a->ld_o + u * 16 + c * VL, acc[r][c]);
}

/* nu is 1 or even for quantized values: a pass starts at a block or stays inside one. */
INL void pv_columns(nce_attn_pv *a, nce_type type, int nr, int nu, int from, int to, int more)
{
    int u = a->u0;
    for (; u + nu <= a->u1; u += nu)
        pv_pass(a, type, nr, nu, u, from, to, more);
    for (; nu > 4 && u + 4 <= a->u1; u += 4)
        pv_pass(a, type, nr, 4, u, from, to, more);
    if (type == NCE_TYPE_F32 && nu > 3 && u + 3 <= a->u1) {
        pv_pass(a, type, nr, 3, u, from, to, more);
        u += 3;
    }
    for (; nu > 2 && u + 2 <= a->u1; u += 2)
        pv_pass(a, type, nr, 2, u, from, to, more);
    for (; u < a->u1; u++)
        pv_pass(a, type, nr, 1, u, from, to, more);
}

/* If the columns need several passes, a->chunk positions at a time, so that later passes find them in L1. */
INL void pv_rows(nce_attn_pv *a, int nr, int nu)
{
    const int chunk = a->u1 - a->u0 > nu ? a->chunk : NCE_ATTN_SPLIT;
    int j = a->from, more = a->more;
    do {
        const int to = j + chunk < a->to ? j + chunk : a->to;
        switch ((int)a->type) {
        case NCE_TYPE_F16: pv_columns(a, NCE_TYPE_F16, nr, nu, j, to, more); break;
        case NCE_TYPE_BF16: pv_columns(a, NCE_TYPE_BF16, nr, nu, j, to, more); break;
        case NCE_TYPE_Q8_0: pv_columns(a, NCE_TYPE_Q8_0, nr, nu, j, to, more); break;
        case NCE_TYPE_Q4_0: pv_columns(a, NCE_TYPE_Q4_0, nr, nu, j, to, more); break;
        default: pv_columns(a, NCE_TYPE_F32, nr, nu, j, to, more); break;
        }
        more = 1;
        j += chunk;
    } while (j < a->to); /* once even if there are no positions: that writes zeros */
}

static void pv_call(nce_attn_pv *a); /* pv_rows of a->n_rows, for each instruction set */

/* Rows whose live positions differ are summed one by one where they do, together where all are live.  (A weight of zero
 * would not do: fma(0, v, o) is not o where v is not finite or o is -0.) */
static void pv(nce_attn_pv *all)
{
    nce_attn_pv a = *all;
    int b = all->from, e = all->to; /* live for all rows */
    for (int r = 0; r < all->n_rows; r++) {
        if (all->lo[r] > b) b = all->lo[r];
        if (all->hi[r] < e) e = all->hi[r];
    }
    if (b >= e) b = e = all->to;
    if (b == all->from && e == all->to) {
        pv_call(&a);
        return;
    }
    a.n_rows = 1;
    for (int r = 0; r < all->n_rows; r++) { /* before */
        a.from = all->lo[r] > all->from ? all->lo[r] : all->from;
        a.to = all->hi[r] < b ? all->hi[r] : b;
        a.w = all->w + r * NCE_ATTN_SPLIT;
        a.o = all->o + (size_t)r * all->ld_o;
        if (a.from < a.to || !all->more) pv_call(&a);
    }
    a = *all;
    a.from = b;
    a.to = e;
    a.more = 1;
    if (b < e) pv_call(&a);
    a.n_rows = 1;
    for (int r = 0; r < all->n_rows; r++) { /* after */
        a.from = e;
        a.to = all->hi[r] < all->to ? all->hi[r] : all->to;
        a.w = all->w + r * NCE_ATTN_SPLIT;
        a.o = all->o + (size_t)r * all->ld_o;
        if (a.from < a.to) pv_call(&a);
    }
}

/* ---- weights of one row of one split, and merging ---- */
/* Lanes of b .. e that are not live become -inf: they lose every maximum and their weight is +0, which changes no sum. */
INL void bury_dead(float *s, int b, int e, int lo, int hi)
{
    const vf dead = v_set1(-INFINITY);
    for (int j = b; j < lo; j += VL)
        v_store(s + j, v_keep(v_load(s + j), j, lo, hi, dead));
    for (int j = hi & ~(VL - 1); j < e; j += VL)
        v_store(s + j, v_keep(v_load(s + j), j, lo, hi, dead));
}

/* nr neighbouring live rows together, to hide the latencies of one in the other. */
INL void softmax_rows(float *s, int nr, const int *lo, const int *hi, float cap_mul, float *m, float *l)
{
    vf top[2], max[2], sum[2][NL];
    int first = lo[0], last = hi[0];
    if (nr > 1 && lo[1] < first) first = lo[1];
    if (nr > 1 && hi[1] > last) last = hi[1];
    const int b = first & ~15, e = (last + 15) & ~15;
    UNROLL for (int r = 0; r < nr; r++) {
        float *row = s + r * NCE_ATTN_SPLIT;
        if (cap_mul != 0.0f)
            for (int j = b; j < e; j += VL)
                v_store(row + j, v_mul(tanh_base2(v_load(row + j)), v_set1(cap_mul)));
        bury_dead(row, b, e, lo[r], hi[r]);
        top[r] = v_set1(-INFINITY);
        for (int c = 0; c < NL; c++)
            sum[r][c] = v_zero();
    }
    for (int j = b; j < e; j += VL)
        UNROLL for (int r = 0; r < nr; r++)
            top[r] = v_max(top[r], v_load(s + r * NCE_ATTN_SPLIT + j));
    UNROLL for (int r = 0; r < nr; r++)
        max[r] = v_set1(m[r] = v_hmax(top[r]));
    for (int j = b; j < e; j += 16)
        UNROLL for (int r = 0; r < nr; r++)
            UNROLL for (int c = 0; c < NL; c++) {
                float *at = s + r * NCE_ATTN_SPLIT + j + c * VL;
                const vf w = exp2neg(v_sub(v_load(at), max[r]));
                v_store(at, w);
                sum[r][c] = v_add(sum[r][c], w);
            }
    UNROLL for (int r = 0; r < nr; r++)
        l[r] = v_fold16(sum[r]);
}

static void softmax(float *s, int n, const int *lo, const int *hi, float cap_mul, float *m, float *l)
{
    for (int r = 0; r < n; r++, s += NCE_ATTN_SPLIT) {
        if (hi[r] <= lo[r]) continue;
        if (r + 1 < n && hi[r + 1] > lo[r + 1]) {
            softmax_rows(s, 2, lo + r, hi + r, cap_mul, m + r, l + r);
            r++, s += NCE_ATTN_SPLIT;
        } else {
            softmax_rows(s, 1, lo + r, hi + r, cap_mul, m + r, l + r);
        }
    }
}

static void merge(float *m, float *l, float *o, float pm, float pl, const float *po, size_t n)
{
    const float top = *m > pm ? *m : pm;
    const vf a = exp2neg(v_set1(*m - top)), b = exp2neg(v_set1(pm - top));
    *l = v_first(v_fma(v_set1(*l), a, v_mul(v_set1(pl), b)));
    *m = top;
    for (size_t i = 0; i < n; i += VL)
        v_storeu(o + i, v_fma(v_loadu(o + i), a, v_mul(v_loadu(po + i), b)));
}

/* ---- panels ---- */
static void expand_k(nce_type type, const void *page, size_t n_dk, void *panel)
{
    if (type == NCE_TYPE_Q4_0) { /* the layout of Q8_0, whose codes are biased by 128 and not by 8 */
        const uint8_t *src = page;
        uint8_t *dst = panel;
        for (size_t b = 0; b < n_dk / NCE_KV_BLOCK; b++, src += NCE_KV_Q4_K_BLOCK, dst += NCE_KV_Q8_K_BLOCK) {
            for (int i = 0; i < 16 * NCE_KV_PAGE; i++) {
                dst[i] = (uint8_t)((src[i] & 15) + 120);
                dst[16 * NCE_KV_PAGE + i] = (uint8_t)((src[i] >> 4) + 120);
            }
            for (int i = 0; i < 2 * NCE_KV_PAGE; i++)
                dst[32 * NCE_KV_PAGE + i] = src[16 * NCE_KV_PAGE + i];
        }
        return;
    }
    for (size_t i = 0; i < n_dk * NCE_KV_PAGE; i += VL)
        v_store((float *)panel + i, float_key(type, page, i));
}

INL void expand_v_type(nce_type type, const uint8_t *v, size_t row_bytes, const float *vd, int n_blocks, int col,
                       int n_cols, int n_rows, float *panel)
{
    for (int j = 0; j < n_rows; j++, v += row_bytes)
        for (int c = 0; c < n_cols; c += VL) {
            const vf d = is_quantized(type) ? v_set1(vd[j * n_blocks + (col + c) / 32]) : v_zero();
            v_store(panel + j * NCE_ATTN_PANEL + c, value(type, v, col + c, d));
        }
}

static void expand_v(nce_type type, const uint8_t *v, size_t row_bytes, const float *vd, int n_blocks, int col,
                     int n_cols, int n_rows, float *panel)
{
    switch ((int)type) {
    case NCE_TYPE_F16:
        expand_v_type(NCE_TYPE_F16, v, row_bytes, vd, n_blocks, col, n_cols, n_rows, panel);
        break;
    case NCE_TYPE_BF16:
        expand_v_type(NCE_TYPE_BF16, v, row_bytes, vd, n_blocks, col, n_cols, n_rows, panel);
        break;
    case NCE_TYPE_Q8_0:
        expand_v_type(NCE_TYPE_Q8_0, v, row_bytes, vd, n_blocks, col, n_cols, n_rows, panel);
        break;
    case NCE_TYPE_Q4_0:
        expand_v_type(NCE_TYPE_Q4_0, v, row_bytes, vd, n_blocks, col, n_cols, n_rows, panel);
        break;
    default:
        break; /* F32 is used where it lies */
    }
}

static void halfs(const void *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i += VL)
        v_storeu(dst + i, v_load_f16((const uint16_t *)src + i));
}
