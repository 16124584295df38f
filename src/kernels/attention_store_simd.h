/* Storing keys and values, and making a query row ready, in vectors: the same bits as attention_page.c and the
 * contract. Included after attention_simd.h by each instruction set. */
#include "src/kernels/half.h"
#include <string.h>

#define KV_TINY 0x1p-120f
#define BELOW_HALF 0.49999997f /* the float before 0.5: trunc(|x| + it) rounds half away from zero, exactly */
#define B32 NCE_KV_BLOCK

/* Largest magnitude of 32 floats as bits: anything not finite is at least 0x7f800000. */
INL uint32_t largest_bits(const float *x)
{
    vi top = v_abs_bits(v_loadu(x));
    for (int i = VL; i < B32; i += VL)
        top = v_max_int(top, v_abs_bits(v_loadu(x + i)));
    return v_hmax_int(top);
}

static uint16_t quantize_q8_0(const float *x, int8_t *code)
{
    const uint32_t bits = largest_bits(x);
    memset(code, 0, B32);
    if (bits >= 0x7f800000) return 0x7e00;
    const float amax = nce_f32_from_bits(bits);
    if (amax < KV_TINY) return 0;
    const float d = amax / 127.0f, inverse = 1.0f / d;
    for (int i = 0; i < B32; i += VL) {
        const vf t = v_mul(v_loadu(x + i), v_set1(inverse));
        v_store_s8(code + i, v_truncate(v_add(t, v_copysign(v_set1(BELOW_HALF), t))));
    }
    return nce_f16_from_f32(d);
}

static uint16_t quantize_q4_0(const float *x, int8_t *code)
{
    const uint32_t bits = largest_bits(x);
    memset(code, 0, B32);
    if (bits >= 0x7f800000) return 0x7e00;
    const float amax = nce_f32_from_bits(bits);
    if (amax < KV_TINY) return 0;
    int first = 0; /* the first element that large gives the sign */
    while ((nce_bits_from_f32(x[first]) & 0x7fffffff) != bits)
        first++;
    const float d = x[first] / -8.0f, inverse = 1.0f / d;
    for (int i = 0; i < B32; i += VL) {
        const vi up = v_truncate(v_add(v_mul(v_loadu(x + i), v_set1(inverse)), v_set1(8.5f)));
        v_store_s8(code + i, v_add_int(v_min_int(up, v_set1_int(15)), v_set1_int(-8)));
    }
    return nce_f16_from_f32(d);
}

static void prepare(const float *q, float c, size_t n_dk, int offset, float *x, int8_t *code, float *d, int32_t *fix)
{
    const size_t padded = nce_kv_padded(n_dk);
    for (size_t i = 0; i < padded; i += VL) {
        const size_t left = i < n_dk ? n_dk - i : 0, n = left < VL ? left : VL;
        v_storeu(x + i, v_first_n(n, v_mul(v_load_n(q + i, n), v_set1(c)), v_zero()));
    }
    for (size_t b = 0; offset != 0 && b < padded / B32; b++, x += B32, code += B32) {
        const uint32_t bits = largest_bits(x);
        const float amax = nce_f32_from_bits(bits);
        memset(code, 0, B32);
        fix[b] = 0;
        d[b] = bits >= 0x7f800000 ? NAN : amax / 127.0f;
        if (bits < 0x7f800000 && amax < KV_TINY) d[b] = 0.0f;
        if (bits >= 0x7f800000 || amax < KV_TINY) continue;
        const vf inverse = v_set1(127.0f / amax);
        int32_t sum = 0;
        for (int i = 0; i < B32; i += VL)
            v_store_s8(code + i, v_round(v_mul(v_loadu(x + i), inverse)));
        for (int i = 0; i < B32; i++)
            sum += code[i];
        fix[b] = -offset * sum;
    }
}

/* A row of n floats as halves (F16, BF16), n rounded up to whole vectors with zeros. */
INL void halves_row(nce_type type, const float *x, size_t n, uint16_t *dst)
{
    for (size_t i = 0; i < n; i += VL) {
        const vf a = v_load_n(x + i, n - i < VL ? n - i : VL);
        if (type == NCE_TYPE_F16)
            v_store_f16(dst + i, a);
        else
            v_store_bf16(dst + i, a);
    }
}

static void store_k(nce_type type, size_t n_dk, uint8_t *page, size_t slot, const float *k)
{
    const size_t padded = nce_kv_padded(n_dk);
    if (type == NCE_TYPE_F32) {
        for (size_t i = 0; i < padded; i++)
            ((float *)page)[i * NCE_KV_PAGE + slot] = i < n_dk ? k[i] : 0.0f;
        return;
    }
    if (!is_quantized(type)) {
        uint16_t row[NCE_KV_HEAD_MAX];
        memset(row + padded - B32, 0, B32 * sizeof *row);
        halves_row(type, k, n_dk, row);
        for (size_t i = 0; i < padded; i++)
            ((uint16_t *)page)[i * NCE_KV_PAGE + slot] = row[i];
        return;
    }
    const int q8 = type == NCE_TYPE_Q8_0, groups = q8 ? 8 : 4;
    for (size_t b = 0; b < padded / B32; b++, page += q8 ? NCE_KV_Q8_K_BLOCK : NCE_KV_Q4_K_BLOCK) {
        const size_t left = n_dk - b * B32;
        float x[B32] = {0};
        int8_t code[B32];
        uint8_t byte[B32];
        memcpy(x, k + b * B32, (left < B32 ? left : B32) * sizeof *x);
        const uint16_t d = q8 ? quantize_q8_0(x, code) : quantize_q4_0(x, code);
        for (int i = 0; i < 4 * groups; i++)
            byte[i] = (uint8_t)(q8 ? code[i] + 128 : (code[i] + 8) | (code[i + 16] + 8) << 4);
        for (int g = 0; g < groups; g++)
            memcpy(page + (g * NCE_KV_PAGE + (int)slot) * 4, byte + 4 * g, 4);
        memcpy(page + groups * 4 * NCE_KV_PAGE + 2 * slot, &d, sizeof d);
    }
}

static void store_v(nce_type type, size_t n_dv, uint8_t *page, size_t slot, const float *v)
{
    const size_t padded = nce_kv_padded(n_dv), row_bytes = nce_kv_v_row_bytes(type, padded);
    uint8_t *row = page + slot * row_bytes, *scale = page + NCE_KV_PAGE * row_bytes + 2 * slot * (padded / B32);
    if (!is_quantized(type)) {
        const size_t element = type == NCE_TYPE_F32 ? 4 : 2, tail = padded - B32;
        memset(row + tail * element, 0, B32 * element);
        if (type == NCE_TYPE_F32)
            memcpy(row, v, n_dv * sizeof *v);
        else
            halves_row(type, v, n_dv, (uint16_t *)row);
        return;
    }
    for (size_t b = 0; b < padded / B32; b++) {
        const size_t left = n_dv - b * B32;
        float x[B32] = {0};
        int8_t code[B32];
        memcpy(x, v + b * B32, (left < B32 ? left : B32) * sizeof *x);
        const uint16_t d = type == NCE_TYPE_Q8_0 ? quantize_q8_0(x, code) : quantize_q4_0(x, code);
        if (type == NCE_TYPE_Q8_0)
            memcpy(row + b * B32, code, B32);
        else
            for (int i = 0; i < 16; i++)
                row[b * 16 + (size_t)i] = (uint8_t)((code[i] + 8) | (code[i + 16] + 8) << 4);
        memcpy(scale + 2 * b, &d, sizeof d);
    }
}

static void store(const nce_attn_shape *shape, uint8_t *page_k, uint8_t *page_v, size_t slot, const float *k,
                  const float *v)
{
    const size_t k_bytes = nce_kv_k_bytes(shape->type_k, shape->n_dk),
                 v_bytes = nce_kv_v_bytes(shape->type_v, shape->n_dv);
    for (size_t h = 0; h < shape->n_kv_heads; h++) {
        store_k(shape->type_k, shape->n_dk, page_k + h * k_bytes, slot, k + h * shape->n_dk);
        store_v(shape->type_v, shape->n_dv, page_v + h * v_bytes, slot, v + h * shape->n_dv);
    }
}
