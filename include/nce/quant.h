/* Tensor types of GGUF: names, sizes, conversion from and to float.
 *
 * A quantized type stores rows of blocks; a block holds a fixed number of neighbouring elements of one row in a fixed
 * number of bytes.  Layouts are those of the GGUF format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * docs/quantization.md lists the types with their bits, errors and contents.  Whole files: nce_gguf_quantize in
 * model_tools.h.  Nothing here needs a context; a failure is told by the status alone. */
#ifndef NCE_QUANT_H
#define NCE_QUANT_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* GGUF type ids: values are the format's and never change.  Ids missing here were removed from it and are refused. */
typedef enum nce_type {
    NCE_TYPE_F32 = 0,
    NCE_TYPE_F16 = 1,
    NCE_TYPE_Q4_0 = 2,
    NCE_TYPE_Q4_1 = 3,
    NCE_TYPE_Q5_0 = 6,
    NCE_TYPE_Q5_1 = 7,
    NCE_TYPE_Q8_0 = 8,
    NCE_TYPE_Q8_1 = 9,
    NCE_TYPE_Q2_K = 10,
    NCE_TYPE_Q3_K = 11,
    NCE_TYPE_Q4_K = 12,
    NCE_TYPE_Q5_K = 13,
    NCE_TYPE_Q6_K = 14,
    NCE_TYPE_Q8_K = 15,
    NCE_TYPE_IQ2_XXS = 16,
    NCE_TYPE_IQ2_XS = 17,
    NCE_TYPE_IQ3_XXS = 18,
    NCE_TYPE_IQ1_S = 19,
    NCE_TYPE_IQ4_NL = 20,
    NCE_TYPE_IQ3_S = 21,
    NCE_TYPE_IQ2_S = 22,
    NCE_TYPE_IQ4_XS = 23,
    NCE_TYPE_I8 = 24,
    NCE_TYPE_I16 = 25,
    NCE_TYPE_I32 = 26,
    NCE_TYPE_I64 = 27,
    NCE_TYPE_F64 = 28,
    NCE_TYPE_IQ1_M = 29,
    NCE_TYPE_BF16 = 30,
    NCE_TYPE_TQ1_0 = 34,
    NCE_TYPE_TQ2_0 = 35,
    NCE_TYPE_I2_S = 36, /* BitNet's; not a GGUF id upstream: told apart by architecture and size */
    NCE_TYPE_MXFP4 = 39,
    NCE_TYPE_NVFP4 = 40,
    NCE_TYPE_Q1_0 = 41,
    NCE_TYPE_Q2_0 = 42,
    NCE_TYPE_MAX_ = 0x7fffffff /* keeps the enum int-sized */
} nce_type;

/* Name of a type in lower case, "q4_k"; NULL for an unknown id.  Static storage.  Any thread.  Since 0.1. */
NCE_API const char *nce_type_name(nce_type type);

/* Type of a name, any case ("Q4_K", "q4_k", "iq2_xxs").
 *
 * Returns NCE_OK; NCE_ERR_INVALID (NULL argument); NCE_ERR_NOTFOUND (*out unchanged).  Any thread.  Since 0.1. */
NCE_API nce_status nce_type_from_name(const char *name, nce_type *out);

/* Elements in a block (1 for plain numbers) and bytes of a block; 0 for an unknown type.  Any thread.  Since 0.1. */
NCE_API size_t nce_type_block_elements(nce_type type);
NCE_API size_t nce_type_block_bytes(nce_type type);

/* Bytes of a row of n elements; 0 if n is not a multiple of the block or the product overflows.  Since 0.1. */
NCE_API size_t nce_type_row_bytes(nce_type type, size_t n);

/* Expand n elements of blocks to float, exactly as the format defines them (bit for bit, every platform).
 *
 * src  nce_type_row_bytes(type, n) bytes, any alignment, any content.     dst  n floats, not overlapping src.
 * Scales that are not finite give values that are not; integers and F64 are rounded to the nearest float.
 * Returns NCE_OK; NCE_ERR_INVALID (unknown type, n not a multiple of the block, NULL with n > 0);
 *         NCE_ERR_UNSUPPORTED (I2_S: its one scale belongs to the tensor, not to the rows).  On failure dst
 *         is as it was.
 * Any thread.  Since 0.1. */
NCE_API nce_status nce_dequantize(nce_type type, const void *src, float *dst, size_t n);

/* Quantize rows: the least weighted squared error that the search of docs/quantization.md finds.  Equal inputs give
 * equal bytes, on every machine.
 *
 * src         [n_rows][n_per_row], finite.   n_per_row is a multiple of the block.  Values beyond the range of the type
 *             saturate (F16, BF16, integers; block types at the largest scale they can store); integers are rounded to
 *             the nearest, ties to even.
 * dst         [n_rows] rows of nce_type_row_bytes(type, n_per_row) bytes, not overlapping src, written only on NCE_OK.
 * importance  [n_per_row] finite weights >= 0 of the squared error of a column (an importance matrix holds them), or
 *             NULL: all equal.  Only their ratios within a block matter; a weight counts as at least 2^-20 of the block's
 *             largest.  Plain numbers do not use them.
 * Returns NCE_OK; NCE_ERR_INVALID (unknown type, n_per_row not a multiple of the block, NULL with elements, n_rows *
 *         n_per_row overflows, a value that is not finite, a weight that is negative or not finite);
 *         NCE_ERR_UNSUPPORTED (a type that is not written: I2_S).
 * Any thread; allocates nothing, needs less than 32 KiB of stack.  Rows are independent: they may be spread over
 * threads by calling it for parts.  Since 0.1.
 * Method: Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28, 1982, with scales for levels. */
NCE_API nce_status nce_quantize(nce_type type, const float *src, void *dst, size_t n_rows, size_t n_per_row,
                                const float *importance);

#ifdef __cplusplus
}
#endif
#endif
