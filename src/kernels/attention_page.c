/* Pages of keys and values: sizes, and storing one position in plain C.
 *
 * The quantizers are those of the GGUF format for blocks of 32: Q8_0 rounds x / d half away from zero, Q4_0 takes the
 * sign of its largest element and rounds x / d + 8.5 down.  A block with a value that is not finite gets the scale NaN,
 * so that the damage shows; one smaller than 2^-120 is zero. */
#include "src/kernels/attention_page.h"
#include "src/kernels/half.h"
#include <math.h>
#include <string.h>

enum { F16_NAN = 0x7e00 };
#define KV_TINY 0x1p-120f

size_t nce_kv_k_bytes(nce_type type, uint32_t n_dk)
{
    const size_t n = nce_kv_padded(n_dk);
    switch (type) {
    case NCE_TYPE_F32:
        return n * NCE_KV_PAGE * 4;
    case NCE_TYPE_F16:
    case NCE_TYPE_BF16:
        return n * NCE_KV_PAGE * 2;
    case NCE_TYPE_Q8_0:
        return n / NCE_KV_BLOCK * NCE_KV_Q8_K_BLOCK;
    case NCE_TYPE_Q4_0:
        return n / NCE_KV_BLOCK * NCE_KV_Q4_K_BLOCK;
    default:
        return 0;
    }
}

size_t nce_kv_v_bytes(nce_type type, uint32_t n_dv)
{
    return nce_kv_k_bytes(type, n_dv); /* the same numbers in another order */
}

static const uint8_t *k_block(nce_type type, const uint8_t *page, size_t block)
{
    return page + block * (type == NCE_TYPE_Q8_0 ? NCE_KV_Q8_K_BLOCK : NCE_KV_Q4_K_BLOCK);
}

/* Byte of (slot, dimension d of the block) inside a block of K; Q4_0 folds d and d + 16 into one byte. */
static size_t k_byte(size_t slot, size_t d)
{
    return (d / 4 * NCE_KV_PAGE + slot) * 4 + d % 4;
}

int nce_kv_k_code(nce_type type, const uint8_t *page, size_t slot, size_t d)
{
    const uint8_t *block = k_block(type, page, d / NCE_KV_BLOCK);
    if (type == NCE_TYPE_Q8_0) return block[k_byte(slot, d % 32)] - 128;
    const uint8_t pair = block[k_byte(slot, d % 16)];
    return (d % 32 < 16 ? pair & 15 : pair >> 4) - 8;
}

float nce_kv_k_scale(nce_type type, const uint8_t *page, size_t slot, size_t block)
{
    const size_t codes = (type == NCE_TYPE_Q8_0 ? 32 : 16) * NCE_KV_PAGE;
    uint16_t h;
    memcpy(&h, k_block(type, page, block) + codes + 2 * slot, sizeof h);
    return nce_f32_from_f16(h);
}

static float float_element(nce_type type, const uint8_t *page, size_t at)
{
    float x;
    uint16_t h;
    if (type == NCE_TYPE_F32) {
        memcpy(&x, page + 4 * at, sizeof x);
        return x;
    }
    memcpy(&h, page + 2 * at, sizeof h);
    return type == NCE_TYPE_F16 ? nce_f32_from_f16(h) : nce_f32_from_bf16(h);
}

float nce_kv_k_element(nce_type type, const uint8_t *page, size_t slot, size_t d)
{
    return float_element(type, page, d * NCE_KV_PAGE + slot);
}

float nce_kv_v_element(nce_type type, const uint8_t *page, size_t n_dv_padded, size_t slot, size_t i)
{
    if (!nce_kv_is_quantized(type)) return float_element(type, page, slot * n_dv_padded + i);
    const size_t row_bytes = nce_kv_v_row_bytes(type, n_dv_padded);
    const uint8_t *row = page + slot * row_bytes;
    uint16_t h;
    memcpy(&h, page + row_bytes * NCE_KV_PAGE + 2 * (slot * (n_dv_padded / 32) + i / 32), sizeof h);
    int code = (int8_t)row[type == NCE_TYPE_Q8_0 ? i : 0];
    if (type == NCE_TYPE_Q4_0) {
        const uint8_t pair = row[i / 32 * 16 + i % 16];
        code = (i % 32 < 16 ? pair & 15 : pair >> 4) - 8;
    }
    return (float)code * nce_f32_from_f16(h);
}

/* Largest magnitude of a block and the element that has it first; +inf if something is not finite. */
static float largest(const float *block, float *signed_value)
{
    float amax = 0.0f;
    *signed_value = 0.0f;
    for (int i = 0; i < NCE_KV_BLOCK; i++) {
        if (!isfinite(block[i])) return INFINITY;
        if (fabsf(block[i]) > amax) {
            amax = fabsf(block[i]);
            *signed_value = block[i];
        }
    }
    return amax;
}

uint16_t nce_kv_quantize_q8_0(const float *block, int8_t *code)
{
    float value;
    const float amax = largest(block, &value);
    memset(code, 0, NCE_KV_BLOCK);
    if (isinf(amax)) return F16_NAN;
    if (amax < KV_TINY) return 0;
    const float d = amax / 127.0f, inverse = 1.0f / d;
    for (int i = 0; i < NCE_KV_BLOCK; i++)
        code[i] = (int8_t)roundf(block[i] * inverse);
    return nce_f16_from_f32(d);
}

uint16_t nce_kv_quantize_q4_0(const float *block, int8_t *code)
{
    float value;
    const float amax = largest(block, &value);
    memset(code, 0, NCE_KV_BLOCK);
    if (isinf(amax)) return F16_NAN;
    if (amax < KV_TINY) return 0;
    const float d = value / -8.0f, inverse = 1.0f / d;
    for (int i = 0; i < NCE_KV_BLOCK; i++) {
        const int up = (int)(block[i] * inverse + 8.5f);
        code[i] = (int8_t)((up < 15 ? up : 15) - 8);
    }
    return nce_f16_from_f32(d);
}

static void store_k_block(nce_type type, uint8_t *block, size_t slot, const float *x)
{
    int8_t code[NCE_KV_BLOCK];
    const uint16_t d = type == NCE_TYPE_Q8_0 ? nce_kv_quantize_q8_0(x, code) : nce_kv_quantize_q4_0(x, code);
    if (type == NCE_TYPE_Q8_0) {
        for (size_t i = 0; i < 32; i++)
            block[k_byte(slot, i)] = (uint8_t)(code[i] + 128);
        memcpy(block + 32 * NCE_KV_PAGE + 2 * slot, &d, sizeof d);
    } else {
        for (size_t i = 0; i < 16; i++)
            block[k_byte(slot, i)] = (uint8_t)((code[i] + 8) | (code[i + 16] + 8) << 4);
        memcpy(block + 16 * NCE_KV_PAGE + 2 * slot, &d, sizeof d);
    }
}

static void store_v_block(nce_type type, uint8_t *row, uint8_t *scale, size_t b, const float *x)
{
    int8_t code[NCE_KV_BLOCK];
    const uint16_t d = type == NCE_TYPE_Q8_0 ? nce_kv_quantize_q8_0(x, code) : nce_kv_quantize_q4_0(x, code);
    if (type == NCE_TYPE_Q8_0)
        memcpy(row + 32 * b, code, sizeof code);
    else
        for (size_t i = 0; i < 16; i++)
            row[16 * b + i] = (uint8_t)((code[i] + 8) | (code[i + 16] + 8) << 4);
    memcpy(scale + 2 * b, &d, sizeof d);
}

static void store_float(nce_type type, uint8_t *dst, size_t at, float x)
{
    const uint16_t h = type == NCE_TYPE_F16 ? nce_f16_from_f32(x) : nce_bf16_from_f32(x);
    if (type == NCE_TYPE_F32)
        memcpy(dst + 4 * at, &x, 4);
    else
        memcpy(dst + 2 * at, &h, 2);
}

/* Padding of a head is written too: it takes part in the products as zeros. */
static void store_k(nce_type type, size_t n_dk, uint8_t *page, size_t slot, const float *k)
{
    const size_t padded = nce_kv_padded(n_dk);
    if (!nce_kv_is_quantized(type)) {
        for (size_t d = 0; d < padded; d++)
            store_float(type, page, d * NCE_KV_PAGE + slot, d < n_dk ? k[d] : 0.0f);
        return;
    }
    for (size_t b = 0; b < padded / 32; b++) {
        float x[32] = {0};
        memcpy(x, k + 32 * b, (n_dk - 32 * b < 32 ? n_dk - 32 * b : 32) * sizeof *x);
        store_k_block(type, page + b * (type == NCE_TYPE_Q8_0 ? NCE_KV_Q8_K_BLOCK : NCE_KV_Q4_K_BLOCK), slot, x);
    }
}

static void store_v(nce_type type, size_t n_dv, uint8_t *page, size_t slot, const float *v)
{
    const size_t padded = nce_kv_padded(n_dv), row_bytes = nce_kv_v_row_bytes(type, padded);
    uint8_t *row = page + slot * row_bytes, *scale = page + NCE_KV_PAGE * row_bytes + 2 * slot * (padded / 32);
    if (!nce_kv_is_quantized(type)) {
        for (size_t i = 0; i < padded; i++)
            store_float(type, row, i, i < n_dv ? v[i] : 0.0f);
        return;
    }
    for (size_t b = 0; b < padded / 32; b++) {
        float x[32] = {0};
        memcpy(x, v + 32 * b, (n_dv - 32 * b < 32 ? n_dv - 32 * b : 32) * sizeof *x);
        store_v_block(type, row, scale, b, x);
    }
}

void nce_kv_store_ref(const nce_attn_shape *shape, uint8_t *page_k, uint8_t *page_v, size_t slot, const float *k,
                      const float *v)
{
    const size_t k_bytes = nce_kv_k_bytes(shape->type_k, shape->n_dk),
                 v_bytes = nce_kv_v_bytes(shape->type_v, shape->n_dv);
    for (size_t h = 0; h < shape->n_kv_heads; h++) {
        store_k(shape->type_k, shape->n_dk, page_k + h * k_bytes, slot, k + h * shape->n_dk);
        store_v(shape->type_v, shape->n_dv, page_v + h * v_bytes, slot, v + h * shape->n_dv);
    }
}
