/* The table of tensor types, and a block as plain integers.
 *
 * Every block format is defined once, by its decode function, which turns a piece of a block into small integers and
 * float scales.  Both uses follow from it: expansion to float (nce_type_to_f32) and the integer matrix products, whose
 * fast panel expanders must equal it.  Adding a type is a row here and a decode function. */
#ifndef NCE_SRC_TYPES_TYPE_H
#define NCE_SRC_TYPES_TYPE_H
#include "nce/quant.h"

/* One piece of a block: the 32 or 256 neighbouring elements (nce_type_info.act_block) that share one float scale and
 * meet one block of quantized activations.  With s = i / 16,
 *
 *   value[i] = (d * scale[s]) * code[i] - dmin * min[s]      each product and the difference rounded once,
 *
 * where d is d[0], or d[s] if the type has half_scales (NVFP4).  A product with integer activations therefore is
 * d * (exact integer sum) - dmin * (exact integer sum).  Only the first act_block / 16 scales and mins, and the first
 * act_block codes, are meaningful; min is all 0 and dmin 0 for a type without has_min.
 *
 * |scale * code| <= 4096, so a sum of 256 products with int8 fits int32 (2^12 * 2^7 * 2^8). */
typedef struct nce_plain_block {
    float d[2];
    float dmin;
    int16_t scale[16], min[16];
    int8_t code[256];
} nce_plain_block;

/* Decode piece number `piece` (0 .. block / act_block - 1) of the block; defined for every bit pattern. */
typedef void nce_decode_fn(const uint8_t *block, size_t piece, nce_plain_block *out);

typedef struct nce_type_info {
    const char *name; /* lower case */
    nce_type id;
    uint32_t block; /* elements of a block; 1 for plain numbers */
    uint32_t block_bytes;
    uint32_t act_block;     /* elements of a block of quantized activations in a product: 32 or 256; 0: float */
    bool has_min;           /* dmin and min are used */
    bool half_scales;       /* d[0] and d[1] scale the two halves of a piece of 32 */
    bool tensor_scale;      /* I2_S: d is 1; one F32 that scales the whole tensor follows its last row */
    uint32_t trailer_bytes; /* bytes of a tensor after its last row; I2_S: that F32 and 28 bytes of padding */
    nce_decode_fn *decode;  /* NULL for plain numbers */
    void (*to_f32)(const uint8_t *src, float *dst, size_t n); /* plain numbers only; NULL for blocks */
} nce_type_info;

/* The highest id with a row; ids between may be unknown. */
enum { NCE_TYPE_LAST = NCE_TYPE_Q2_0 };

const nce_type_info *nce_type_info_of(nce_type id); /* NULL for an unknown id */

/* Expand n elements, a multiple of the block.  A tensor_scale type comes out unscaled (-1, 0, 1). */
void nce_type_to_f32(const nce_type_info *type, const void *src, float *dst, size_t n);

/* The formula above, for a decoded piece. */
void nce_plain_to_f32(const nce_type_info *type, const nce_plain_block *p, float *dst);

/* Bytes of a whole tensor of n_rows rows of n elements, trailer included; 0 if n is no multiple of the block or the
 * result overflows. */
size_t nce_type_tensor_bytes(const nce_type_info *type, size_t n_rows, size_t n);

#endif
