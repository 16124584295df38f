/* Any quantized type by its number.  Where the number is a constant, only that type's code is left. */
#ifndef NCE_SRC_GPU_ANY_TYPE_H
#define NCE_SRC_GPU_ANY_TYPE_H

#define NCE_UNIT_CASE(name, id, block, bytes, act, second, sub)                                                        \
    case id:                                                                                                           \
        return nce_##name##_unit(b, j);
#define NCE_D_CASE(name, id, block, bytes, act, second, sub)                                                           \
    case id:                                                                                                           \
        return nce_##name##_d(b, j);
#define NCE_SECOND_CASE(name, id, block, bytes, act, second, sub)                                                      \
    case id:                                                                                                           \
        return nce_##name##_dmin(b, j);

NCE_DEV nce_unit nce_any_unit(int type, NCE_G const nce_u8 *b, int j)
{
    switch (type) {
        NCE_GPU_TYPES(NCE_UNIT_CASE)
    }
    return nce_q4_0_unit(b, j);
}

NCE_DEV float nce_any_d(int type, NCE_G const nce_u8 *b, int j)
{
    switch (type) {
        NCE_GPU_TYPES(NCE_D_CASE)
    }
    return 0.0f;
}

NCE_DEV float nce_any_second(int type, NCE_G const nce_u8 *b, int j)
{
    switch (type) {
        NCE_GPU_TYPES(NCE_SECOND_CASE)
    }
    return 0.0f;
}

/* Element i of a row of F32, F16 or BF16. */
NCE_DEV float nce_any_float(int type, NCE_G const nce_u8 *row, int i)
{
    if (type == NCE_GPU_TYPE_F32) return ((NCE_G const float *)row)[i];
    const nce_u16 h = ((NCE_G const nce_u16 *)row)[i];
    return type == NCE_GPU_TYPE_F16 ? nce_h2f(h) : nce_b2f(h);
}

#endif
