/* Attention over paged keys and values, causal, grouped queries, with one result: the order of every float operation is
 * fixed by absolute positions only.
 *
 * THE CONTRACT (docs/numerics.md).  For one query row of one head at position p the live positions are lo..p, lo = 0 or
 * max(0, p - window + 1).  Head sizes are padded with zeros to a multiple of 32, and the padding takes part.
 *  1. c = (float)(scale * log2e), with a soft cap (float)(2 * scale * log2e / cap), in double;  q'[d] = q[d] * c.
 *     Q8_0 and Q4_0 keys: per 32 of q', amax, dq = amax / 127, code = rint_even(q' * (127 / amax)) (0 if amax < 2^-120;
 *     dq = NaN and codes 0 if something is not finite).
 *  2. s = +0; for d ascending s = fma(q'[d], k[d], s), F16 and BF16 widened.  Quantized keys: for blocks of 32 ascending
 *     s = fma(dq * dk, (float)isum, s), isum exact int32.
 *  3. cap: s = tanh2(s) * (float)(cap * log2e).
 *  4. splits [256 i, 256 i + 256) from position 0; in each with a live position: m = max s (order-free);
 *     w_j = exp2neg(s_j - m); lane[j % 16] += w_j, j ascending, folded 8, 4, 2, 1 into l;
 *     O[i] = +0, O[i] = fma(w_j, v_j[i], O[i]), j ascending; quantized values: v = (float)code * d.
 *  5. partials merged ascending from the first live split (copied): M = max(m, m'); a = exp2neg(m - M);
 *     b = exp2neg(m' - M); l = fma(l, a, l' * b); O[i] = fma(O[i], a, O'[i] * b).
 *     A sink z of the head is merged last as a partial with m' = z * (float)log2e, l' = 1, O' = +0.
 *     Result O[i] * (1 / l), one division.
 * exp2neg and tanh2 are defined in vec.h.  Positions that are not live take no part at all (their v may be NaN). */
#ifndef NCE_SRC_ATTENTION_H
#define NCE_SRC_ATTENTION_H
#include "nce/quant.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { NCE_ATTN_SPLIT = 256 /* contract */, NCE_KV_PAGE = 64 /* positions a page; no effect on the bits */ };

/* Shape of one layer's attention. */
typedef struct nce_attn_shape {
    uint32_t n_dk, n_dv;          /* head sizes as the model has them, 1..1024; they may differ */
    uint32_t n_kv_heads, n_group; /* query heads = n_kv_heads * n_group */
    uint32_t window;              /* 0: all positions */
    float scale, cap;             /* cap 0: no soft cap */
    nce_type type_k, type_v;      /* F32, F16, BF16, Q8_0 or Q4_0; they may differ */
    const float *sinks;           /* [query heads] or NULL */
} nce_attn_shape;

/* Bytes of one head's K (V) of one page; layouts are private to the kernels (K is transposed), 64-byte multiples. */
size_t nce_kv_k_bytes(nce_type type, uint32_t n_dk);
size_t nce_kv_v_bytes(nce_type type, uint32_t n_dv);

/* The pages of one sequence.  Page i holds positions [64 i, 64 i + 64) of all layers: head h of this layer has its K at
 * pages[i] + k_offset + h * k_bytes and its V at pages[i] + v_offset + h * v_bytes.  Pages are 64-byte aligned. */
typedef struct nce_attn_pages {
    uint8_t *const *pages;
    size_t k_offset, v_offset;
} nce_attn_pages;

/* One run of rows of one sequence: q [n_rows][query heads][n_dk] at positions pos0, pos0 + 1, ...; out the same with n_dv.
 * ld_q, ld_out: floats between rows. */
typedef struct nce_attn_call {
    const nce_attn_shape *shape;
    nce_attn_pages kv;
    const float *q;
    size_t ld_q;
    float *out;
    size_t ld_out;
    size_t n_rows, pos0;
    float *parts;            /* nce_attn_parts_bytes(shape, n_rows, pos0 + n_rows), 64-byte aligned; partials of a decode */
    atomic_size_t next_unit; /* 0 before the call */
} nce_attn_call;

typedef struct nce_attn_ops {
    /* Write K and V of one position into its page: k [n_kv_heads][n_dk], v [n_kv_heads][n_dv], slot = position % 64.
     * The stored value is what the type rounds to: F16, BF16 nearest even; Q8_0, Q4_0 the format's quantizer of 32
     * (attention_page.c), with the scale NaN for a block that holds something not finite. */
    void (*store)(const nce_attn_shape *shape, uint8_t *page_k, uint8_t *page_v, size_t slot, const float *k, const float *v);
    /* A call in two phases; all threads of the team run phase 1, meet at a barrier, then run phase 2.
     * scratch: scratch_bytes(shape) of this thread, 64-byte aligned. */
    void (*phase1)(nce_attn_call *call, size_t thread, size_t n_threads, void *scratch);
    void (*phase2)(nce_attn_call *call, size_t thread, size_t n_threads, void *scratch);
    const struct nce_attn_kernels *kernels; /* the micro-kernels behind the phases, private */
} nce_attn_ops;

/* Both grow with every number given: the bytes of the largest call serve all. */
size_t nce_attn_scratch_bytes(const nce_attn_shape *shape);
size_t nce_attn_parts_bytes(const nce_attn_shape *shape, size_t n_rows, size_t n_positions);
void nce_attn_ops_init(nce_attn_ops *ops, uint32_t cpu);

#endif
