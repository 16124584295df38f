/* Keys and values into their pages (layout: src/kernels/attention_page.h).  A group stores one KV head of one row; before that,
 * if n_rot is not 0, it rotates the keys where they are, and groups beyond the KV heads rotate the queries, a pair an item. */
#ifndef NCE_SRC_GPU_KV_H
#define NCE_SRC_GPU_KV_H

NCE_DEV int nce_padded(int n)
{
    return (n + 31) / 32 * 32;
}

NCE_DEV void nce_store_float(int type, NCE_G nce_u8 *to, int at, float x)
{
    if (type == NCE_GPU_TYPE_F32)
        ((NCE_G float *)to)[at] = x;
    else
        ((NCE_G nce_u16 *)to)[at] = type == NCE_GPU_TYPE_F16 ? nce_f2h(x) : nce_f2b(x);
}

/* The nearest integer, halves away from zero. */
NCE_DEV float nce_round(float x)
{
    const float r = nce_rint(x);
    if (x > 0.0f && x - r == 0.5f) return r + 1.0f;
    if (x < 0.0f && x - r == -0.5f) return r - 1.0f;
    return r;
}

/* Quantize up to 32 floats (n of them, then zeros) as the format does: signed codes, and the bits of the scale. */
NCE_DEV nce_u16 nce_quantize32(int type, NCE_G const float *x, int n, NCE_P int *code)
{
    float amax = 0.0f, value = 0.0f;
    int finite = 1;
    for (int i = 0; i < 32; i++)
        code[i] = 0;
    for (int i = 0; i < n; i++) {
        if (nce_abs(x[i]) > amax) amax = nce_abs(x[i]), value = x[i];
        if ((nce_bits(x[i]) & 0x7f800000u) == 0x7f800000u) finite = 0;
    }
    if (!finite) return 0x7e00;
    if (amax < 7.52316384526264e-37f) return 0;
    const float d = type == 8 ? nce_div(amax, 127.0f) : nce_div(value, -8.0f), inverse = nce_div(1.0f, d);
    for (int i = 0; i < 32; i++) {
        const float v = i < n ? x[i] : 0.0f;
        const int up = type == 8 ? 0 : (int)(v * inverse + 8.5f);
        code[i] = type == 8 ? (int)nce_round(v * inverse) : (up < 15 ? up : 15) - 8;
    }
    return nce_f2h(d);
}

NCE_DEV void nce_store_k_block(int type, NCE_G nce_u8 *page, int slot, int b, NCE_G const float *k, int n_dk)
{
    int code[32];
    const nce_u16 d = nce_quantize32(type, k + 32 * b, n_dk - 32 * b < 32 ? n_dk - 32 * b : 32, code);
    const int n_codes = type == 8 ? 32 : 16;
    NCE_G nce_u8 *block = page + b * (n_codes + 2) * NCE_GPU_PAGE;
    for (int i = 0; i < n_codes; i++)
        block[(i / 4 * NCE_GPU_PAGE + slot) * 4 + i % 4] =
            (nce_u8)(type == 8 ? code[i] + 128 : (code[i] + 8) | (code[(i + 16) % 32] + 8) << 4);
    ((NCE_G nce_u16 *)(block + n_codes * NCE_GPU_PAGE))[slot] = d;
}

NCE_DEV void nce_store_v_block(int type, NCE_G nce_u8 *page, int slot, int b, NCE_G const float *v, int n_dv)
{
    int code[32];
    const nce_u16 d = nce_quantize32(type, v + 32 * b, n_dv - 32 * b < 32 ? n_dv - 32 * b : 32, code);
    const int padded = nce_padded(n_dv), row_bytes = type == 8 ? padded : padded / 2, n_codes = type == 8 ? 32 : 16;
    NCE_G nce_u8 *row = page + slot * row_bytes + n_codes * b;
    for (int i = 0; i < n_codes; i++)
        row[i] = (nce_u8)(type == 8 ? code[i] : (code[i] + 8) | (code[(i + 16) % 32] + 8) << 4);
    ((NCE_G nce_u16 *)(page + row_bytes * NCE_GPU_PAGE))[slot * (padded / 32) + b] = d;
}

/* A head's key and value of one position, by all items of the group. */
NCE_DEV void nce_store_kv(int t, NCE_G nce_u8 *to_k, NCE_G nce_u8 *to_v, int slot, NCE_G const float *k,
                          NCE_G const float *v, int n_dk, int n_dv, int type_k, int type_v)
{
    const int pad_k = nce_padded(n_dk), pad_v = nce_padded(n_dv);
    if (type_k == 2 || type_k == 8) {
        if (t < pad_k / 32) nce_store_k_block(type_k, to_k, slot, t, k, n_dk);
    } else {
        for (int i = t; i < pad_k; i += nce_size)
            nce_store_float(type_k, to_k, i * NCE_GPU_PAGE + slot, i < n_dk ? k[i] : 0.0f);
    }
    if (type_v == 2 || type_v == 8) {
        if (t < pad_v / 32) nce_store_v_block(type_v, to_v, slot, t, v, n_dv);
    } else {
        for (int i = t; i < pad_v; i += nce_size)
            nce_store_float(type_v, to_v, slot * pad_v + i, i < n_dv ? v[i] : 0.0f);
    }
}

NCE_KERNEL void nce_gpu_kv_store(NCE_G const int *rows, NCE_G const nce_u64 *pages, nce_u32 k_at, nce_u32 v_at,
                                 nce_u32 k_bytes, nce_u32 v_bytes, NCE_G float *k, NCE_G const float *v, int ld_k,
                                 int ld_v, int n_dk, int n_dv, int type_k, int type_v, int n_kv_heads, int n_rot,
                                 NCE_G const float *table, int ld_table, int neox, NCE_G float *q, int ld_q,
                                 int n_heads, int head_size)
{
    const int t = nce_tid, head = nce_group_x, row = nce_group_y, pairs = n_rot / 2,
              position = rows[NCE_GPU_ROW_INTS * row + NCE_GPU_ROW_POSITION];
    const int slot = position % NCE_GPU_PAGE;
    NCE_G nce_u8 *page =
        (NCE_G nce_u8 *)pages[rows[NCE_GPU_ROW_INTS * row + NCE_GPU_ROW_PAGES] + position / NCE_GPU_PAGE];
    NCE_G nce_u8 *to_k = page + k_at + (nce_u64)head * k_bytes, *to_v = page + v_at + (nce_u64)head * v_bytes;
    k += (nce_u64)row * ld_k + head * n_dk;
    v += (nce_u64)row * ld_v + head * n_dv;
    table += (nce_u64)row * ld_table;
    for (int i = t; i < pairs && head < n_kv_heads; i += nce_size)
        nce_rotate(k, i, pairs, neox, table);
    if (head >= n_kv_heads) {
        const int i = (head - n_kv_heads) * nce_size + t;
        if (i < n_heads * pairs)
            nce_rotate(q + (nce_u64)row * ld_q + i / pairs * head_size, i % pairs, pairs, neox, table);
    }
    nce_sync();
    if (head < n_kv_heads) nce_store_kv(t, to_k, to_v, slot, k, v, n_dk, n_dv, type_k, type_v);
}

#endif
