/* Tensor cores: one product of small integer matrices by all lanes of a wave (a warp, a wavefront).
 *
 * nce_mma: C(16 x N) += A(16 x 32, signed bytes) B(32 x N, signed bytes), or only elements 0..15 or 16..31 of k.  A is rows of
 * weights, B columns of activations.  Each lane brings words of A and B, four neighbouring elements of k each, and keeps words
 * of C; which ones is the layout, the vendor's choice.  l: lane; i: word; q: a word's number in k, 0..7; the first half of a
 * lane's words are elements 0..15.
 *
 *   layout   instructions                 lanes  N   A: row            A: q                     C: row             C: column
 *   mma      mma.m16n8k32, .m16n8k16      32     8   l/4 + 8 (i%2)     l%4 + 4 (i/2)            l/4 + 8 (i/2)      2 (l%4) + i%2
 *   mfma     i32_16x16x16i8, _16x16x32_i8 64     16  l%16              l/16 + 4 i               4 (l/16) + i       l%16
 *   wmma     gfx11: i32_16x16x16_iu8      32     16  l%16, both halves i                        2 i + l/16         l%16
 *   wmma12   gfx12: i32_16x16x16_iu8      32     16  l%16              4 (i/2) + 2 (l/16) + i%2 8 (l/16) + i       l%16
 *
 * B is laid out as A, columns for rows, but in mma, where word i is column l/4, q = l%4 + 4 i.  gfx942 counts the words of its
 * longer instruction the other way round; as it does so for A and B alike, the sums are the same.
 *
 * Where there are no tensor cores the same function is an emulation for tests: lanes put their registers into local memory, and
 * every element is fetched from, or sent to, the lane and word where the vendor's documents say it lives: the inverse of the
 * table above, written down separately, so that a kernel with a wrong idea of a layout gives wrong results there too. */
#ifndef NCE_SRC_GPU_TENSOR_H
#define NCE_SRC_GPU_TENSOR_H

#define NCE_LAYOUT_MMA 0
#define NCE_LAYOUT_MFMA 1
#define NCE_LAYOUT_WMMA 2
#define NCE_LAYOUT_WMMA12 3
#define NCE_MMA_EXCHANGE 24 /* words of an item in the emulation's local memory: 8 of A, of B and of C */

/* The layouts that this module is compiled for. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define NCE_HAS_MMA
#elif defined(__gfx908__) || defined(__gfx90a__) || defined(__gfx940__) || defined(__gfx941__) || defined(__gfx942__)
#define NCE_HAS_MFMA
#elif defined(__HIP__) && defined(__GFX11__)
#define NCE_HAS_WMMA
#elif defined(__HIP__) && defined(__GFX12__)
#define NCE_HAS_WMMA12
#elif defined(NCE_MMA_EMULATED)
#define NCE_HAS_MMA
#define NCE_HAS_MFMA
#define NCE_HAS_WMMA
#define NCE_HAS_WMMA12
#endif
#if defined(NCE_HAS_MMA) || defined(NCE_HAS_MFMA) || defined(NCE_HAS_WMMA) || defined(NCE_HAS_WMMA12)
#define NCE_HAS_TENSOR
#endif

NCE_DEV int nce_wave(const int layout)
{
    return layout == NCE_LAYOUT_MFMA ? 64 : 32;
}
NCE_DEV int nce_mma_columns(const int layout)
{
    return layout == NCE_LAYOUT_MMA ? 8 : 16;
}
NCE_DEV int nce_words_a(const int layout)
{
    return layout == NCE_LAYOUT_MFMA ? 2 : layout == NCE_LAYOUT_WMMA ? 8 : 4;
}
NCE_DEV int nce_words_b(const int layout)
{
    return layout == NCE_LAYOUT_MMA ? 2 : nce_words_a(layout);
}
NCE_DEV int nce_words_c(const int layout)
{
    return layout == NCE_LAYOUT_MMA || layout == NCE_LAYOUT_MFMA ? 4 : 8;
}

/* ---- what a lane holds: the table above ---- */
NCE_DEV int nce_a_row(const int layout, int l, int i)
{
    return layout == NCE_LAYOUT_MMA ? l / 4 + 8 * (i % 2) : l % 16;
}
NCE_DEV int nce_a_q(const int layout, int l, int i)
{
    return layout == NCE_LAYOUT_MMA    ? l % 4 + 4 * (i / 2)
           : layout == NCE_LAYOUT_MFMA ? l / 16 + 4 * i
           : layout == NCE_LAYOUT_WMMA ? i
                                       : 4 * (i / 2) + 2 * (l / 16) + i % 2;
}
NCE_DEV int nce_b_column(const int layout, int l)
{
    return layout == NCE_LAYOUT_MMA ? l / 4 : l % 16;
}
NCE_DEV int nce_b_q(const int layout, int l, int i)
{
    return layout == NCE_LAYOUT_MMA ? l % 4 + 4 * i : nce_a_q(layout, l, i);
}
NCE_DEV int nce_c_row(const int layout, int l, int i)
{
    return layout == NCE_LAYOUT_MMA    ? l / 4 + 8 * (i / 2)
           : layout == NCE_LAYOUT_MFMA ? 4 * (l / 16) + i
           : layout == NCE_LAYOUT_WMMA ? 2 * i + l / 16
                                       : 8 * (l / 16) + i;
}
NCE_DEV int nce_c_column(const int layout, int l, int i)
{
    return layout == NCE_LAYOUT_MMA ? 2 * (l % 4) + i % 2 : l % 16;
}

/* ---- nce_mma(layout, part, a, b, c, exchange): part 0 or 1, a half of k, or 2, all of it; c is an array of words_c ---- */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
NCE_DEV void nce_mma(const int layout, const int part, const int *a, const int *b, int *c, int *exchange)
{
    if (part == 2)
        asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
        asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
            : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
            : "r"(a[2 * part]), "r"(a[2 * part + 1]), "r"(b[part]));
}
#elif defined(__HIP__)
typedef int nce_int2 __attribute__((ext_vector_type(2)));
typedef int nce_int4 __attribute__((ext_vector_type(4)));
typedef int nce_int8 __attribute__((ext_vector_type(8)));
#if defined(__gfx940__) || defined(__gfx941__) || defined(__gfx942__)
NCE_DEV void nce_mma(const int layout, const int part, const int *a, const int *b, int *c, int *exchange)
{
    const nce_int2 av = {part == 1 ? 0 : a[0], part == 0 ? 0 : a[1]}, bv = {b[0], b[1]};
    nce_int4 cv = {c[0], c[1], c[2], c[3]};
    cv = __builtin_amdgcn_mfma_i32_16x16x32_i8(__builtin_bit_cast(long, av), __builtin_bit_cast(long, bv), cv, 0, 0, 0);
    for (int i = 0; i < 4; i++)
        c[i] = cv[i];
}
#elif defined(__gfx908__) || defined(__gfx90a__)
NCE_DEV void nce_mma(const int layout, const int part, const int *a, const int *b, int *c, int *exchange)
{
    nce_int4 cv = {c[0], c[1], c[2], c[3]};
    if (part != 1) cv = __builtin_amdgcn_mfma_i32_16x16x16i8(a[0], b[0], cv, 0, 0, 0);
    if (part != 0) cv = __builtin_amdgcn_mfma_i32_16x16x16i8(a[1], b[1], cv, 0, 0, 0);
    for (int i = 0; i < 4; i++)
        c[i] = cv[i];
}
#elif defined(__GFX11__) || defined(__GFX12__)
NCE_DEV nce_int8 nce_wmma_half(const int half, const int *a, const int *b, nce_int8 c)
{
#if defined(__GFX11__)
    const nce_int4 av = {a[4 * half], a[4 * half + 1], a[4 * half + 2], a[4 * half + 3]};
    const nce_int4 bv = {b[4 * half], b[4 * half + 1], b[4 * half + 2], b[4 * half + 3]};
    return __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32(1, av, 1, bv, c, 0);
#else
    const nce_int2 av = {a[2 * half], a[2 * half + 1]}, bv = {b[2 * half], b[2 * half + 1]};
    return __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32_gfx12(1, av, 1, bv, c, 0);
#endif
}
NCE_DEV void nce_mma(const int layout, const int part, const int *a, const int *b, int *c, int *exchange)
{
    nce_int8 cv = {c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]};
    if (part != 1) cv = nce_wmma_half(0, a, b, cv);
    if (part != 0) cv = nce_wmma_half(1, a, b, cv);
    for (int i = 0; i < 8; i++)
        c[i] = cv[i];
}
#endif
#elif defined(NCE_MMA_EMULATED)
/* Where words of A (row r) and B (column r) live: 32 * lane + word; gfx11 keeps them twice, copy says which to take. */
NCE_DEV int nce_home_ab(const int layout, const int is_b, int r, int q, int copy)
{
    switch (layout) {
    case NCE_LAYOUT_MMA:
        return is_b ? (4 * r + q % 4) * 32 + q / 4 : (4 * (r % 8) + q % 4) * 32 + r / 8 + 2 * (q / 4);
    case NCE_LAYOUT_MFMA:
        return (16 * (q % 4) + r) * 32 + q / 4;
    case NCE_LAYOUT_WMMA:
        return (r + 16 * copy) * 32 + q;
    }
    return (r + 16 * (q % 4 / 2)) * 32 + 2 * (q / 4) + q % 2;
}
NCE_DEV int nce_home_c(const int layout, int r, int column)
{
    switch (layout) {
    case NCE_LAYOUT_MMA:
        return (4 * (r % 8) + column / 2) * 32 + 2 * (r / 8) + column % 2;
    case NCE_LAYOUT_MFMA:
        return (16 * (r / 4) + column) * 32 + r % 4;
    case NCE_LAYOUT_WMMA:
        return (column + 16 * (r % 2)) * 32 + r / 2;
    }
    return (column + 16 * (r / 8)) * 32 + r % 8;
}

/* All items of the group must come by. */
NCE_DEV void nce_mma(const int layout, const int part, NCE_P const int *a, NCE_P const int *b, NCE_P int *c,
                     NCE_L int *exchange)
{
    const int t = nce_tid, lane = t % nce_wave(layout), n = nce_mma_columns(layout), n_c = nce_words_c(layout);
    NCE_L int *wave = exchange + (t - lane) * NCE_MMA_EXCHANGE, *own = exchange + t * NCE_MMA_EXCHANGE;
    for (int i = 0; i < nce_words_a(layout); i++)
        own[i] = a[i];
    for (int i = 0; i < nce_words_b(layout); i++)
        own[8 + i] = b[i];
    nce_sync();
    for (int i = 0; i < n_c; i++) {
        const int r = (lane * n_c + i) / n, column = (lane * n_c + i) % n, home = nce_home_c(layout, r, column);
        int sum = 0;
        for (int q = part == 1 ? 4 : 0; q < (part == 0 ? 4 : 8); q++) {
            const int at = nce_home_ab(layout, 0, r, q, column % 2), bt = nce_home_ab(layout, 1, column, q, r % 2);
            sum = nce_dot4(wave[at / 32 * NCE_MMA_EXCHANGE + at % 32], wave[bt / 32 * NCE_MMA_EXCHANGE + 8 + bt % 32],
                           sum);
        }
        wave[home / 32 * NCE_MMA_EXCHANGE + 16 + home % 32] = sum;
    }
    nce_sync();
    for (int i = 0; i < n_c; i++)
        c[i] += own[16 + i];
}
#endif

#endif
