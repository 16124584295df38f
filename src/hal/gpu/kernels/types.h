/* The quantized types, for kernels and executor alike: preprocessor text only.
 *   X(name, number of the type (nce/quant.h), elements of a block, bytes of a block, elements of an activation block,
 *     second float of a piece: 0 none, 1 a minimum, 2 a scale of its own for the second half,
 *     elements that share a scale: 32 or 16; types whose activation block is 32 have no integer scales, or 1) */
#ifndef NCE_SRC_GPU_TYPES_H
#define NCE_SRC_GPU_TYPES_H

/* clang-format off */
#define NCE_GPU_TYPES(X) \
    X(q4_0, 2, 32, 18, 32, 0, 32)    \
    X(q4_1, 3, 32, 20, 32, 1, 32)    \
    X(q5_0, 6, 32, 22, 32, 0, 32)    \
    X(q5_1, 7, 32, 24, 32, 1, 32)    \
    X(q8_0, 8, 32, 34, 32, 0, 32)    \
    X(q2_k, 10, 256, 84, 256, 1, 16) \
    X(q3_k, 11, 256, 110, 256, 0, 16) \
    X(q4_k, 12, 256, 144, 256, 1, 32) \
    X(q5_k, 13, 256, 176, 256, 1, 32) \
    X(q6_k, 14, 256, 210, 256, 0, 16) \
    X(iq2_xxs, 16, 256, 66, 256, 0, 32) \
    X(iq2_xs, 17, 256, 74, 256, 0, 16) \
    X(iq3_xxs, 18, 256, 98, 256, 0, 32) \
    X(iq1_s, 19, 256, 50, 256, 0, 32) \
    X(iq4_nl, 20, 32, 18, 32, 0, 32) \
    X(iq3_s, 21, 256, 110, 256, 0, 32) \
    X(iq2_s, 22, 256, 82, 256, 0, 16) \
    X(iq4_xs, 23, 256, 136, 256, 0, 32) \
    X(iq1_m, 29, 256, 56, 256, 0, 16) \
    X(tq1_0, 34, 256, 54, 256, 0, 32) \
    X(tq2_0, 35, 256, 66, 256, 0, 32) \
    X(i2_s, 36, 128, 32, 32, 0, 32)  \
    X(mxfp4, 39, 32, 17, 32, 0, 32)  \
    X(nvfp4, 40, 64, 36, 32, 2, 16)  \
    X(q1_0, 41, 128, 18, 32, 0, 32)  \
    X(q2_0, 42, 64, 18, 32, 0, 32)

/* Classes of types that tensor kernels are compiled for: X(name, activation block, second float, elements of a scale). */
#define NCE_GPU_CLASSES(X)     \
    X(flat, 32, 0, 32)         \
    X(flat_min, 32, 1, 32)     \
    X(pair, 32, 2, 16)         \
    X(wide, 256, 0, 32)        \
    X(wide_min, 256, 1, 32)    \
    X(fine, 256, 0, 16)        \
    X(fine_min, 256, 1, 16)
/* clang-format on */

#define NCE_GPU_TYPE_F32 0
#define NCE_GPU_TYPE_F16 1
#define NCE_GPU_TYPE_BF16 30

#endif
