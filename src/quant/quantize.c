/* nce_quantize: checks, the table of quantizers, and the walk over rows and blocks. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/quant/quantize.h"
#include "src/kernels/types/type.h"
#include <math.h>

typedef struct nce_quantizer {
    nce_quantize_fn *block;
    const void *book; /* code words of the type */
    int n_words, n_dims;
} nce_quantizer;

static const nce_quantizer quantizers[NCE_TYPE_LAST + 1] = {
    [NCE_TYPE_Q4_0] = {.block = nce_quantize_q4_0},
    [NCE_TYPE_Q4_1] = {.block = nce_quantize_q4_1},
    [NCE_TYPE_Q5_0] = {.block = nce_quantize_q5_0},
    [NCE_TYPE_Q5_1] = {.block = nce_quantize_q5_1},
    [NCE_TYPE_Q8_0] = {.block = nce_quantize_q8_0},
    [NCE_TYPE_Q8_1] = {.block = nce_quantize_q8_1},
    [NCE_TYPE_Q2_K] = {.block = nce_quantize_q2_k},
    [NCE_TYPE_Q3_K] = {.block = nce_quantize_q3_k},
    [NCE_TYPE_Q4_K] = {.block = nce_quantize_q4_k},
    [NCE_TYPE_Q5_K] = {.block = nce_quantize_q5_k},
    [NCE_TYPE_Q6_K] = {.block = nce_quantize_q6_k},
    [NCE_TYPE_Q8_K] = {.block = nce_quantize_q8_k},
    [NCE_TYPE_IQ1_S] = {nce_quantize_iq1_s, nce_iq1_words, 2048, 8},
    [NCE_TYPE_IQ1_M] = {nce_quantize_iq1_m, nce_iq1_words, 2048, 8},
    [NCE_TYPE_IQ2_XXS] = {nce_quantize_iq2_xxs, nce_iq2_xxs_words, 256, 8},
    [NCE_TYPE_IQ2_XS] = {nce_quantize_iq2_xs, nce_iq2_xs_words, 512, 8},
    [NCE_TYPE_IQ2_S] = {nce_quantize_iq2_s, nce_iq2_s_words, 1024, 8},
    [NCE_TYPE_IQ3_XXS] = {nce_quantize_iq3_xxs, nce_iq3_xxs_words, 256, 4},
    [NCE_TYPE_IQ3_S] = {nce_quantize_iq3_s, nce_iq3_s_words, 512, 4},
    [NCE_TYPE_IQ4_NL] = {.block = nce_quantize_iq4_nl},
    [NCE_TYPE_IQ4_XS] = {.block = nce_quantize_iq4_xs},
    [NCE_TYPE_TQ1_0] = {.block = nce_quantize_tq1_0},
    [NCE_TYPE_TQ2_0] = {.block = nce_quantize_tq2_0},
    [NCE_TYPE_MXFP4] = {.block = nce_quantize_mxfp4},
    [NCE_TYPE_NVFP4] = {.block = nce_quantize_nvfp4},
    [NCE_TYPE_Q1_0] = {.block = nce_quantize_q1_0},
    [NCE_TYPE_Q2_0] = {.block = nce_quantize_q2_0},
};

static const float largest_bf16 = 0x1.fep127f;

/* Nearest representable number; all saturate. */
static void store_number(nce_type type, float v, uint8_t *p)
{
    const double whole = rint((double)v);
    int64_t integer = whole >= 0x1p63 ? INT64_MAX : whole < -0x1p63 ? INT64_MIN : (int64_t)whole;
    const int bits = type == NCE_TYPE_I8 ? 8 : type == NCE_TYPE_I16 ? 16 : type == NCE_TYPE_I32 ? 32 : 64;
    const int64_t top = bits == 64 ? INT64_MAX : ((int64_t)1 << (bits - 1)) - 1;
    uint64_t word = (uint64_t)(integer > top ? top : integer < -top - 1 ? -top - 1 : integer);
    size_t n = (size_t)bits / 8;
    if (type == NCE_TYPE_F32) {
        word = nce_bits_from_f32(v);
        n = 4;
    } else if (type == NCE_TYPE_F16) {
        word = nce_f16_from_f32(v > 65504 ? 65504 : v < -65504 ? -65504 : v);
        n = 2;
    } else if (type == NCE_TYPE_BF16) {
        word = nce_bf16_from_f32(v > largest_bf16 ? largest_bf16 : v < -largest_bf16 ? -largest_bf16 : v);
        n = 2;
    } else if (type == NCE_TYPE_F64) {
        const double d = v;
        memcpy(&word, &d, sizeof word);
    }
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(word >> (8 * i));
}

/* What fit.h asks for: |x| <= 2^30, weights 2^-20 .. 1 relative to the block's largest. */
static void prepare(const float *src, const float *importance, size_t n, float *x, float *w)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = src[i] > 0x1p30f ? 0x1p30f : src[i] < -0x1p30f ? -0x1p30f : src[i];
        if (importance != NULL) largest = fmaxf(largest, importance[i]);
    }
    for (size_t i = 0; i < n; i++)
        w[i] = largest > 0 ? fmaxf(importance[i] / largest, 0x1p-20f) : 1;
}

static bool all_finite(const float *v, size_t n, float lowest)
{
    bool ok = true;
    for (size_t i = 0; i < n; i++)
        ok &= v[i] >= lowest && v[i] <= 0x1.fffffep127f; /* false for a NaN */
    return ok;
}

static void quantize_row(const nce_type_info *t, const nce_quantizer *q, const nce_words *words, const float *src,
                         const float *importance, size_t n, uint8_t *dst)
{
    float x[256], w[256];
    for (size_t i = 0; i < n; i += t->block, dst += t->block_bytes) {
        prepare(src + i, importance != NULL ? importance + i : NULL, t->block, x, w);
        q->block(x, w, words, dst);
    }
}

nce_status nce_quantize(nce_type type, const float *src, void *dst, size_t n_rows, size_t n_per_row,
                        const float *importance)
{
    const nce_type_info *t = nce_type_info_of(type);
    uint8_t *out = dst;
    nce_words words;
    if (t == NULL || n_per_row % t->block != 0 || (n_per_row != 0 && n_rows > SIZE_MAX / sizeof *src / n_per_row))
        return NCE_ERR_INVALID;
    if (t->tensor_scale) return NCE_ERR_UNSUPPORTED;
    const size_t n = n_rows * n_per_row;
    if (n == 0) return NCE_OK;
    if (src == NULL || dst == NULL || !all_finite(src, n, -0x1.fffffep127f)) return NCE_ERR_INVALID;
    if (importance != NULL && !all_finite(importance, n_per_row, 0)) return NCE_ERR_INVALID;
    if (t->decode == NULL) {
        for (size_t i = 0; i < n; i++)
            store_number(type, src[i], out + i * t->block_bytes);
        return NCE_OK;
    }
    const nce_quantizer *q = &quantizers[type];
    if (q->n_dims == 8) nce_words_init_8(&words, q->book, q->n_words);
    if (q->n_dims == 4) nce_words_init_4(&words, q->book, q->n_words);
    for (size_t row = 0; row < n_rows; row++)
        quantize_row(t, q, q->n_dims ? &words : NULL, src + row * n_per_row, importance, n_per_row,
                     out + row * (n_per_row / t->block * t->block_bytes));
    return NCE_OK;
}
