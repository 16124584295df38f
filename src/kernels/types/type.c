/* The rows of the type table and what follows from them for every type alike. */
#include "src/kernels/types/type.h"
#include "src/kernels/types/decode.h"
#include "src/kernels/types/numbers.h"

#define NUMBER(ID, name, bytes) [NCE_TYPE_##ID] = {#name, NCE_TYPE_##ID, 1, bytes, .to_f32 = nce_numbers_##name}
#define BLOCKS(ID, name, n, bytes, act, ...)                                                                           \
    [NCE_TYPE_##ID] = {#name, NCE_TYPE_##ID, n, bytes, act, .decode = nce_decode_##name, __VA_ARGS__}

/* clang-format off */
static const nce_type_info types[NCE_TYPE_LAST + 1] = {
    NUMBER(F32, f32, 4), NUMBER(F16, f16, 2), NUMBER(BF16, bf16, 2), NUMBER(F64, f64, 8),
    NUMBER(I8, i8, 1), NUMBER(I16, i16, 2), NUMBER(I32, i32, 4), NUMBER(I64, i64, 8),
    /*     id       name     block bytes act_block */
    BLOCKS(Q4_0,    q4_0,      32,   18,   32, .has_min = false),
    BLOCKS(Q4_1,    q4_1,      32,   20,   32, .has_min = true),
    BLOCKS(Q5_0,    q5_0,      32,   22,   32, .has_min = false),
    BLOCKS(Q5_1,    q5_1,      32,   24,   32, .has_min = true),
    BLOCKS(Q8_0,    q8_0,      32,   34,   32, .has_min = false),
    BLOCKS(Q8_1,    q8_1,      32,   36,   32, .has_min = false),
    BLOCKS(Q2_K,    q2_k,     256,   84,  256, .has_min = true),
    BLOCKS(Q3_K,    q3_k,     256,  110,  256, .has_min = false),
    BLOCKS(Q4_K,    q4_k,     256,  144,  256, .has_min = true),
    BLOCKS(Q5_K,    q5_k,     256,  176,  256, .has_min = true),
    BLOCKS(Q6_K,    q6_k,     256,  210,  256, .has_min = false),
    BLOCKS(Q8_K,    q8_k,     256,  292,  256, .has_min = false),
    BLOCKS(IQ1_S,   iq1_s,    256,   50,  256, .has_min = false),
    BLOCKS(IQ1_M,   iq1_m,    256,   56,  256, .has_min = false),
    BLOCKS(IQ2_XXS, iq2_xxs,  256,   66,  256, .has_min = false),
    BLOCKS(IQ2_XS,  iq2_xs,   256,   74,  256, .has_min = false),
    BLOCKS(IQ2_S,   iq2_s,    256,   82,  256, .has_min = false),
    BLOCKS(IQ3_XXS, iq3_xxs,  256,   98,  256, .has_min = false),
    BLOCKS(IQ3_S,   iq3_s,    256,  110,  256, .has_min = false),
    BLOCKS(IQ4_NL,  iq4_nl,    32,   18,   32, .has_min = false),
    BLOCKS(IQ4_XS,  iq4_xs,   256,  136,  256, .has_min = false),
    BLOCKS(TQ1_0,   tq1_0,    256,   54,  256, .has_min = false),
    BLOCKS(TQ2_0,   tq2_0,    256,   66,  256, .has_min = false),
    BLOCKS(MXFP4,   mxfp4,     32,   17,   32, .has_min = false),
    BLOCKS(NVFP4,   nvfp4,     64,   36,   32, .half_scales = true),
    BLOCKS(Q1_0,    q1_0,     128,   18,   32, .has_min = false),
    BLOCKS(Q2_0,    q2_0,      64,   18,   32, .has_min = false),
    BLOCKS(I2_S,    i2_s,     128,   32,   32, .tensor_scale = true, .trailer_bytes = 32),
};
/* clang-format on */

const nce_type_info *nce_type_info_of(nce_type id)
{
    const size_t i = (size_t)id;
    return i <= NCE_TYPE_LAST && types[i].name != NULL ? &types[i] : NULL;
}

void nce_plain_to_f32(const nce_type_info *type, const nce_plain_block *p, float *dst)
{
    for (uint32_t s = 0; s < type->act_block / 16; s++) {
        const float scale = p->d[type->half_scales ? s : 0] * (float)p->scale[s], min = p->dmin * (float)p->min[s];
        for (int i = 0; i < 16; i++)
            dst[16 * s + i] = scale * (float)p->code[16 * s + i] - min;
    }
}

void nce_type_to_f32(const nce_type_info *type, const void *src, float *dst, size_t n)
{
    const uint8_t *block = src;
    if (type->to_f32 != NULL) {
        type->to_f32(block, dst, n);
        return;
    }
    for (size_t i = 0; i < n; i += type->block, block += type->block_bytes)
        for (size_t piece = 0; piece < type->block / type->act_block; piece++, dst += type->act_block) {
            nce_plain_block p;
            type->decode(block, piece, &p);
            nce_plain_to_f32(type, &p, dst);
        }
}

size_t nce_type_tensor_bytes(const nce_type_info *type, size_t n_rows, size_t n)
{
    if (n % type->block != 0 || n / type->block > SIZE_MAX / type->block_bytes) return 0;
    const size_t row = n / type->block * type->block_bytes;
    if (row != 0 && n_rows > (SIZE_MAX - type->trailer_bytes) / row) return 0;
    return n_rows * row + type->trailer_bytes;
}
