/* Layout of the pages of keys and values, private to the attention kernels.
 *
 * A page holds 64 positions of one head.  Keys are transposed, so that a register holds one dimension of neighbouring
 * positions and a score needs no horizontal sum; values are rows.  n_dk, n_dv below are padded to a multiple of 32.
 *   K  F32, F16, BF16  [n_dk][64]
 *      Q8_0            [n_dk / 32] blocks of { u8 code + 128 [8][64][4], f16 scale [64] }: dimension 4 g + i of a block
 *                      is byte i of group g, so four neighbouring bytes meet four dimensions of the query
 *      Q4_0            [n_dk / 32] blocks of { u8 [4][64][4], f16 scale [64] }: byte (g, i) holds dimension 4 g + i in
 *                      its low and dimension 16 + 4 g + i in its high half; codes are 0..15, meaning code - 8
 *   V  F32, F16, BF16  [64][n_dv]
 *      Q8_0            s8 code [64][n_dv], then f16 scale [64][n_dv / 32]
 *      Q4_0            [64][n_dv / 2], blocks of 16 bytes as in GGUF (element i low, element 16 + i high), then the
 *                      scales as in Q8_0
 * Scales lie beside the codes of their block in K because a decode reads them together (measured: 24 against 15 GB/s).
 */
#ifndef NCE_SRC_ATTENTION_PAGE_H
#define NCE_SRC_ATTENTION_PAGE_H
#include "src/kernels/attention.h"

enum {
    NCE_KV_BLOCK = 32,                          /* elements of a quantized block, and the padding of a head */
    NCE_KV_Q8_K_BLOCK = (32 + 2) * NCE_KV_PAGE, /* bytes of a block of 32 dimensions of a Q8_0 K page */
    NCE_KV_Q4_K_BLOCK = (16 + 2) * NCE_KV_PAGE,
    NCE_KV_HEAD_MAX = 1024 /* largest head size */
};

static inline size_t nce_kv_padded(size_t n)
{
    return (n + NCE_KV_BLOCK - 1) / NCE_KV_BLOCK * NCE_KV_BLOCK;
}

static inline int nce_kv_is_quantized(nce_type type)
{
    return type == NCE_TYPE_Q8_0 || type == NCE_TYPE_Q4_0;
}

/* Bytes of the codes of one row of a V page, and where its scales start. */
static inline size_t nce_kv_v_row_bytes(nce_type type, size_t n_dv_padded)
{
    switch (type) {
    case NCE_TYPE_F32:
        return 4 * n_dv_padded;
    case NCE_TYPE_Q8_0:
        return n_dv_padded;
    case NCE_TYPE_Q4_0:
        return n_dv_padded / 2;
    default:
        return 2 * n_dv_padded;
    }
}

/* One element of a page as a float; scores of quantized keys use the codes instead. */
float nce_kv_k_element(nce_type type, const uint8_t *page, size_t slot, size_t d);
float nce_kv_v_element(nce_type type, const uint8_t *page, size_t n_dv_padded, size_t slot, size_t i);
/* Integer code (already without its offset) and scale of an element of a quantized K page. */
int nce_kv_k_code(nce_type type, const uint8_t *page, size_t slot, size_t d);
float nce_kv_k_scale(nce_type type, const uint8_t *page, size_t slot, size_t block);

/* Numbers of a head row into a type: what store writes.  block: 32 floats, code: 32 signed codes. */
uint16_t nce_kv_quantize_q8_0(const float *block, int8_t *code);
uint16_t nce_kv_quantize_q4_0(const float *block, int8_t *code);

/* The reference of nce_attn_ops.store. */
void nce_kv_store_ref(const nce_attn_shape *shape, uint8_t *page_k, uint8_t *page_v, size_t slot, const float *k,
                      const float *v);

#endif
