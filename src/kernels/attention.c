/* Reference of attention, one query row at a time and one position at a time, straight from the contract in
 * attention.h, and the chooser.
 *
 * The variants (attention_tiled.c over the micro-kernels of an instruction set) share nothing with the reference but
 * the layout of the pages.  Baseline flags only: fmaf is the C library's, slow but exact. */
#include "src/kernels/attention.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/attention_page.h"
#include "src/kernels/attention_tiled.h"
#include "src/kernels/vec_isa.h"
#include <math.h>
#include <string.h>

/* Query row ready for scores: multiplied by c, padded, and for quantized keys in codes. */
typedef struct query {
    float x[NCE_KV_HEAD_MAX], d[NCE_KV_HEAD_MAX / 32];
    int8_t code[NCE_KV_HEAD_MAX];
} query;

/* What a run of positions adds up to. */
typedef struct partial {
    float m, l, o[NCE_KV_HEAD_MAX];
} partial;

static void prepare(const nce_attn_shape *shape, const float *q, query *out)
{
    const double log2e = 1.4426950408889634, scale = (double)shape->scale;
    const float c = (float)(shape->cap != 0.0f ? 2.0 * scale * log2e / (double)shape->cap : scale * log2e);
    memset(out, 0, sizeof *out);
    for (size_t d = 0; d < shape->n_dk; d++)
        out->x[d] = q[d] * c;
    for (size_t b = 0; nce_kv_is_quantized(shape->type_k) && b < nce_kv_padded(shape->n_dk) / 32; b++) {
        const float *x = out->x + 32 * b;
        float amax = 0.0f;
        int finite = 1;
        for (int i = 0; i < 32; i++) {
            finite &= isfinite(x[i]) != 0;
            amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        }
        out->d[b] = finite ? amax / 127.0f : NAN;
        if (!finite) continue;
        if (amax < 0x1p-120f)
            out->d[b] = 0.0f;
        else
            for (int i = 0; i < 32; i++)
                out->code[32 * b + (size_t)i] = (int8_t)rintf(x[i] * (127.0f / amax));
    }
}

static float score(const nce_attn_shape *shape, const uint8_t *page, size_t slot, const query *q)
{
    const size_t padded = nce_kv_padded(shape->n_dk);
    float s = 0.0f;
    if (!nce_kv_is_quantized(shape->type_k)) {
        for (size_t d = 0; d < padded; d++)
            s = fmaf(q->x[d], nce_kv_k_element(shape->type_k, page, slot, d), s);
    } else {
        for (size_t b = 0; b < padded / 32; b++) {
            int32_t sum = 0;
            for (size_t d = 32 * b; d < 32 * b + 32; d++)
                sum += q->code[d] * nce_kv_k_code(shape->type_k, page, slot, d);
            s = fmaf(q->d[b] * nce_kv_k_scale(shape->type_k, page, slot, b), (float)sum, s);
        }
    }
    if (shape->cap == 0.0f) return s;
    return nce_tanh_base2_ref(s) * (float)((double)shape->cap * 1.4426950408889634);
}

/* Live positions lo..hi-1 of the split that starts at position base. */
static void attend_split(const nce_attn_call *call, size_t head, size_t base, size_t lo, size_t hi, const query *q,
                         partial *out)
{
    const nce_attn_shape *shape = call->shape;
    const size_t k_at = call->kv.k_offset + head * nce_kv_k_bytes(shape->type_k, shape->n_dk);
    const size_t v_at = call->kv.v_offset + head * nce_kv_v_bytes(shape->type_v, shape->n_dv);
    const size_t padded = nce_kv_padded(shape->n_dv);
    float w[NCE_ATTN_SPLIT], lane[16] = {0};
    out->m = -INFINITY;
    memset(out->o, 0, sizeof out->o);
    for (size_t p = lo; p < hi; p++) {
        w[p - base] = score(shape, call->kv.pages[p / NCE_KV_PAGE] + k_at, p % NCE_KV_PAGE, q);
        out->m = w[p - base] > out->m ? w[p - base] : out->m;
    }
    for (size_t j = lo - base; j < hi - base; j++) {
        w[j] = nce_exp2neg_ref(w[j] - out->m);
        lane[j % 16] += w[j];
    }
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    out->l = lane[0];
    for (size_t p = lo; p < hi; p++)
        for (size_t i = 0; i < shape->n_dv; i++) {
            const uint8_t *page = call->kv.pages[p / NCE_KV_PAGE] + v_at;
            const float v = nce_kv_v_element(shape->type_v, page, padded, p % NCE_KV_PAGE, i);
            out->o[i] = fmaf(w[p - base], v, out->o[i]);
        }
}

static void merge(partial *sum, const partial *part, size_t n)
{
    const float m = sum->m > part->m ? sum->m : part->m;
    const float a = nce_exp2neg_ref(sum->m - m), b = nce_exp2neg_ref(part->m - m);
    sum->m = m;
    sum->l = fmaf(sum->l, a, part->l * b);
    for (size_t i = 0; i < n; i++)
        sum->o[i] = fmaf(sum->o[i], a, part->o[i] * b);
}

static void attend_row(const nce_attn_call *call, size_t row, size_t q_head)
{
    const nce_attn_shape *shape = call->shape;
    const size_t p = call->pos0 + row, window = shape->window, n_dv = shape->n_dv;
    const size_t from = window != 0 && p >= window ? p - window + 1 : 0;
    query q;
    partial sum, part;
    prepare(shape, call->q + row * call->ld_q + q_head * shape->n_dk, &q);
    for (size_t base = from / NCE_ATTN_SPLIT * NCE_ATTN_SPLIT; base <= p; base += NCE_ATTN_SPLIT) {
        const size_t lo = from > base ? from : base, end = base + NCE_ATTN_SPLIT, hi = p + 1 < end ? p + 1 : end;
        const int first = base <= from;
        attend_split(call, q_head / shape->n_group, base, lo, hi, &q, first ? &sum : &part);
        if (!first) merge(&sum, &part, n_dv);
    }
    if (shape->sinks != NULL) {
        part.m = shape->sinks[q_head] * NCE_LOG2E;
        part.l = 1.0f;
        memset(part.o, 0, n_dv * sizeof *part.o);
        merge(&sum, &part, n_dv);
    }
    const float inverse = 1.0f / sum.l;
    for (size_t i = 0; i < n_dv; i++)
        call->out[row * call->ld_out + q_head * n_dv + i] = sum.o[i] * inverse;
}

static void phase1_ref(nce_attn_call *call, size_t thread, size_t n_threads, void *scratch)
{
    const size_t n_heads = (size_t)call->shape->n_kv_heads * call->shape->n_group, n_units = call->n_rows * n_heads;
    (void)thread, (void)n_threads, (void)scratch;
    for (;;) {
        const size_t unit = atomic_fetch_add_explicit(&call->next_unit, 1, memory_order_relaxed);
        if (unit >= n_units) return;
        attend_row(call, unit / n_heads, unit % n_heads);
    }
}

static void phase2_ref(nce_attn_call *call, size_t thread, size_t n_threads, void *scratch)
{
    (void)call, (void)thread, (void)n_threads, (void)scratch; /* phase 1 finished every row */
}

void nce_attn_ops_init(nce_attn_ops *ops, uint32_t cpu)
{
    *ops = (nce_attn_ops){.store = nce_kv_store_ref, .phase1 = phase1_ref, .phase2 = phase2_ref};
#if NCE_HAVE_AVX2
    if (cpu & NCE_CPU_AVX2) *ops = nce_attn_ops_avx2;
#endif
#if NCE_HAVE_AVX512
    if (cpu & NCE_CPU_AVX512) *ops = nce_attn_ops_avx512;
#endif
#if NCE_HAVE_NEON
    if (cpu & NCE_CPU_NEON) *ops = nce_attn_ops_neon;
#endif
    (void)cpu;
}
