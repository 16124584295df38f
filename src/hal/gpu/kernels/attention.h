/* Attention in the contract's splits of 256 positions (src/kernels/attention.h).  A group takes one query head of one row.
 *
 * Inside a split an item scores two positions, keys lying so that neighbours read neighbours; then weights and their sum; then
 * an item takes a column of the values and adds the positions ascending.  Many rows: a group walks through all splits and
 * merges as it goes.  Few rows: a group per split leaves its partial (m, l, O), and a second kernel merges them ascending: the
 * same operations in the same order, so the same bits. */
#ifndef NCE_SRC_GPU_ATTENTION_H
#define NCE_SRC_GPU_ATTENTION_H

/* What a group knows of its work; the same in all items. */
typedef struct nce_attn {
    int n_dk, n_dv, pad_k, pad_v, type_k, type_v;
    float top; /* of the soft cap; 0: none */
    nce_u64 k_at, v_at;
    NCE_G const nce_u64 *pages;
} nce_attn;

NCE_DEV float nce_attn_score(NCE_P const nce_attn *a, int position, NCE_L const float *q, NCE_L const int *code,
                             NCE_L const float *dq)
{
    const int slot = position % NCE_GPU_PAGE;
    NCE_G const nce_u8 *page = (NCE_G const nce_u8 *)a->pages[position / NCE_GPU_PAGE] + a->k_at;
    float s = 0.0f;
    if (a->type_k != 2 && a->type_k != 8) {
        for (int d = 0; d < a->pad_k; d++)
            s = nce_fma(q[d], nce_any_float(a->type_k, page, d * NCE_GPU_PAGE + slot), s);
    } else {
        const int n_codes = a->type_k == 8 ? 32 : 16;
        for (int b = 0; b < a->pad_k / 32; b++, page += (n_codes + 2) * NCE_GPU_PAGE) {
            NCE_G const nce_u32 *words = (NCE_G const nce_u32 *)page + slot;
            int sum = 0;
            for (int g = 0; g < n_codes / 4; g++) {
                const nce_u32 word = words[g * NCE_GPU_PAGE];
                if (n_codes == 32) {
                    sum = nce_dot4((int)(word ^ 0x80808080u), code[8 * b + g], sum);
                } else {
                    sum = nce_dot4(nce_sub4(word & 0x0f0f0f0fu, 8), code[8 * b + g], sum);
                    sum = nce_dot4(nce_sub4(word >> 4 & 0x0f0f0f0fu, 8), code[8 * b + 4 + g], sum);
                }
            }
            const float dk = nce_h2f(((NCE_G const nce_u16 *)(page + n_codes * NCE_GPU_PAGE))[slot]);
            s = nce_fma(dq[b] * dk, (float)sum, s);
        }
    }
    return a->top == 0.0f ? s : nce_with_sign(nce_tanh_base2(s) * a->top, s);
}

NCE_DEV float nce_attn_value(NCE_P const nce_attn *a, int position, int i)
{
    const int slot = position % NCE_GPU_PAGE;
    NCE_G const nce_u8 *page = (NCE_G const nce_u8 *)a->pages[position / NCE_GPU_PAGE] + a->v_at;
    if (a->type_v != 2 && a->type_v != 8) return nce_any_float(a->type_v, page, slot * a->pad_v + i);
    const int row_bytes = a->type_v == 8 ? a->pad_v : a->pad_v / 2;
    const float d =
        nce_h2f(((NCE_G const nce_u16 *)(page + row_bytes * NCE_GPU_PAGE))[slot * (a->pad_v / 32) + i / 32]);
    int code;
    if (a->type_v == 8) {
        code = (nce_i8)page[slot * row_bytes + i];
    } else {
        const int pair = page[slot * row_bytes + i / 32 * 16 + i % 16];
        code = (i % 32 < 16 ? pair & 15 : pair >> 4) - 8;
    }
    return (float)code * d;
}

/* Query codes of block b, by one item. */
NCE_DEV void nce_attn_codes(NCE_L const float *q, int b, NCE_L int *code, NCE_L float *dq)
{
    nce_u32 amax = 0;
    float inverse;
    for (int i = 0; i < 32; i++) {
        const nce_u32 bits = nce_bits(q[32 * b + i]) & 0x7fffffffu;
        amax = bits > amax ? bits : amax;
    }
    dq[b] = nce_act_scale(amax, &inverse);
    for (int i = 0; i < 8; i++) {
        nce_u32 word = 0;
        for (int j = 0; j < 4 && inverse != 0.0f; j++)
            word |= ((nce_u32)(int)nce_rint(q[32 * b + 4 * i + j] * inverse) & 255u) << (8 * j);
        code[8 * b + i] = (int)word;
    }
}

/* (m, l, O) = merge of it with a later partial; O is the caller's column. */
NCE_DEV float nce_merge_o(float m, float m2, float o, float o2)
{
    const float top = m > m2 ? m : m2;
    return nce_fma(o, nce_exp2neg(m - top), o2 * nce_exp2neg(m2 - top));
}

NCE_KERNEL void nce_gpu_attention(NCE_G const int *rows, NCE_G const nce_u64 *pages, nce_u32 k_at, nce_u32 v_at,
                                  nce_u32 k_bytes, nce_u32 v_bytes, NCE_G const float *q, int ld_q, NCE_G float *out,
                                  int ld_out, NCE_G float *parts, int n_splits, int n_heads, int n_group, int n_dk,
                                  int n_dv, int window, float c, float top, int type_k, int type_v,
                                  NCE_G const float *sinks)
{
    NCE_SHARED(float, x, NCE_GPU_HEAD_MAX);
    NCE_SHARED(float, o, NCE_GPU_HEAD_MAX);
    NCE_SHARED(int, code, NCE_GPU_HEAD_MAX / 4);
    NCE_SHARED(float, dq, NCE_GPU_HEAD_MAX / 32);
    NCE_SHARED(float, w, NCE_GPU_SPLIT);
    NCE_SHARED(float, part, NCE_GPU_GROUP);
    NCE_SHARED(float, lanes, 16);
    const int t = nce_tid, row = nce_group_x / n_heads, head = nce_group_x % n_heads,
              p = rows[NCE_GPU_ROW_INTS * row + NCE_GPU_ROW_POSITION];
    const int from = window != 0 && p >= window ? p - window + 1 : 0, first = from / NCE_GPU_SPLIT;
    int split = first, last = p / NCE_GPU_SPLIT;
    float m = 0.0f, l = 0.0f;
    nce_attn a;
    a.n_dk = n_dk, a.n_dv = n_dv, a.pad_k = nce_padded(n_dk), a.pad_v = nce_padded(n_dv);
    a.type_k = type_k, a.type_v = type_v, a.top = top;
    a.k_at = k_at + (nce_u64)(head / n_group) * k_bytes, a.v_at = v_at + (nce_u64)(head / n_group) * v_bytes;
    a.pages = pages + rows[NCE_GPU_ROW_INTS * row + NCE_GPU_ROW_PAGES];
    if (n_splits != 0) {
        split = first + nce_group_y;
        last = split < last ? split : last; /* beyond the last split nothing is done */
    }
    for (int d = t; d < a.pad_k; d += NCE_GPU_GROUP)
        x[d] = d < n_dk ? q[(nce_u64)row * ld_q + head * n_dk + d] * c : 0.0f;
    nce_sync();
    if ((type_k == 2 || type_k == 8) && t < a.pad_k / 32) nce_attn_codes(x, t, code, dq);
    nce_sync();
    const int begin = split;
    for (; split <= last; split++) {
        const int base = split * NCE_GPU_SPLIT, lo = from > base ? from - base : 0,
                  hi = p + 1 - base < NCE_GPU_SPLIT ? p + 1 - base : NCE_GPU_SPLIT;
        float most = -NCE_INFINITY;
        for (int j = t; j < hi; j += NCE_GPU_GROUP) {
            if (j < lo) continue;
            w[j] = nce_attn_score(&a, base + j, x, code, dq);
            most = w[j] > most ? w[j] : most;
        }
        part[t] = most;
        nce_sync();
        for (int step = NCE_GPU_GROUP / 2; step > 0; step /= 2) {
            if (t < step && part[t + step] > part[t]) part[t] = part[t + step];
            nce_sync();
        }
        most = part[0];
        for (int j = t; j < hi; j += NCE_GPU_GROUP)
            if (j >= lo) w[j] = nce_exp2neg(w[j] - most);
        nce_sync();
        if (t < 16) {
            float lane = 0.0f;
            for (int j = t; j < hi; j += 16)
                if (j >= lo) lane = lane + w[j];
            lanes[t] = lane;
        }
        nce_sync();
        if (t == 0) nce_fold16(lanes);
        nce_sync();
        for (int i = t; i < n_dv; i += NCE_GPU_GROUP) {
            float sum = 0.0f;
            for (int j = lo; j < hi; j++)
                sum = nce_fma(w[j], nce_attn_value(&a, base + j, i), sum);
            o[i] = split == begin ? sum : nce_merge_o(m, most, o[i], sum);
        }
        if (split == begin)
            m = most, l = lanes[0];
        else {
            const float greater = m > most ? m : most;
            l = nce_fma(l, nce_exp2neg(m - greater), lanes[0] * nce_exp2neg(most - greater));
            m = greater;
        }
        nce_sync();
    }
    if (n_splits != 0) {
        parts += ((nce_u64)nce_group_x * n_splits + (begin - first)) * (n_dv + 2);
        if (begin > last) return;
        if (t == 0) parts[0] = m, parts[1] = l;
        for (int i = t; i < n_dv; i += NCE_GPU_GROUP)
            parts[2 + i] = o[i];
        return;
    }
    float sink_l = l;
    if (sinks != 0) {
        const float z = sinks[head] * NCE_LOG2E, greater = m > z ? m : z;
        sink_l = nce_fma(l, nce_exp2neg(m - greater), 1.0f * nce_exp2neg(z - greater));
    }
    const float inverse = nce_div(1.0f, sink_l);
    for (int i = t; i < n_dv; i += NCE_GPU_GROUP) {
        const float sum = sinks != 0 ? nce_merge_o(m, sinks[head] * NCE_LOG2E, o[i], 0.0f) : o[i];
        out[(nce_u64)row * ld_out + head * n_dv + i] = sum * inverse;
    }
}

/* Partials of the splits of one head of one row, merged ascending. */
NCE_KERNEL void nce_gpu_attention_merge(NCE_G const int *rows, NCE_G const float *parts, int n_splits, int n_heads,
                                        int n_dv, int window, NCE_G const float *sinks, NCE_G float *out, int ld_out)
{
    const int t = nce_tid, row = nce_group_x / n_heads, head = nce_group_x % n_heads,
              p = rows[NCE_GPU_ROW_INTS * row + NCE_GPU_ROW_POSITION];
    const int from = window != 0 && p >= window ? p - window + 1 : 0, n = p / NCE_GPU_SPLIT - from / NCE_GPU_SPLIT + 1;
    parts += (nce_u64)nce_group_x * n_splits * (n_dv + 2);
    for (int i = t; i < n_dv; i += NCE_GPU_GROUP) {
        float m = parts[0], l = parts[1], o = parts[2 + i];
        for (int s = 1; s <= n; s++) {
            NCE_G const float *next = parts + (nce_u64)s * (n_dv + 2);
            const int is_sink = s == n;
            if (is_sink && sinks == 0) break;
            const float m2 = is_sink ? sinks[head] * NCE_LOG2E : next[0], l2 = is_sink ? 1.0f : next[1],
                        o2 = is_sink ? 0.0f : next[2 + i], greater = m > m2 ? m : m2;
            o = nce_merge_o(m, m2, o, o2);
            l = nce_fma(l, nce_exp2neg(m - greater), l2 * nce_exp2neg(m2 - greater));
            m = greater;
        }
        out[(nce_u64)row * ld_out + head * n_dv + i] = o * nce_div(1.0f, l);
    }
}

#endif
