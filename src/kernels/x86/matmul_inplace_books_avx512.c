/* Codebook types and one column: a row at a time, in the order of its elements.
 *
 * Looking words up is most of the work, and turning them so that a lane is a row would double it.  So here a vector is 64
 * neighbouring elements of one row: magnitudes times activations, whose signs take those of the codes, times the sub-scales
 * of their lanes.  The 16 lanes of a block are added up for 16 rows at once. */
#include "src/kernels/x86/matmul_books_avx512.h"

/* Lane i of the result = the sum of the lanes of v[i]. */
INLINE __m512i sum_rows(const __m512i v[16])
{
    __m512i a[8], b[4], c[2];
    UNROLL for (int i = 0; i < 8; i++) /* rows 2 i, 2 i + 1 alternating */
        a[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]),
                                _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
    UNROLL for (int i = 0; i < 4; i++) /* four rows in every quarter */
        b[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(a[2 * i], a[2 * i + 1]),
                                _mm512_unpackhi_epi64(a[2 * i], a[2 * i + 1]));
    UNROLL for (int i = 0; i < 2; i++) c[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(b[2 * i], b[2 * i + 1], 0x88),
                                                               _mm512_shuffle_i32x4(b[2 * i], b[2 * i + 1], 0xdd));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(c[0], c[1], 0x88), _mm512_shuffle_i32x4(c[0], c[1], 0xdd));
}

/* 64 elements times activations, four to a lane. */
INLINE __m512i products(book_chunk c, __m512i x)
{
    const __m512i zero = _mm512_setzero_si512();
    return _mm512_dpbusd_epi32(zero, c.codes, _mm512_mask_sub_epi8(x, (__mmask64)c.signs, zero, x));
}

/* Lanes 4 j .. 4 j + 3 of the scales, each for its four lanes of products. */
INLINE __m512i scales_at(__m512i scales, int j)
{
    const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_permutexvar_epi32(_mm512_add_epi32(lanes, SET32(4 * j)), scales);
}

typedef book_chunk book_chunk_fn(const uint8_t *block, size_t j);
typedef __m512i book_scales_fn(const uint8_t *block);
typedef float book_d_fn(const uint8_t *block);

INLINE __m512i block_sums(const uint8_t *block, const __m512i q[4], book_chunk_fn *chunk, book_scales_fn *scales)
{
    const __m512i s = scales(block);
    __m512i total = _mm512_setzero_si512();
    UNROLL for (int j = 0; j < 4; j++)
    {
        const __m512i p = products(chunk(block, (size_t)j), q[j]);
        total = _mm512_add_epi32(total, _mm512_mullo_epi32(p, scales_at(s, j)));
    }
    return total;
}

INLINE void segment(const uint8_t *w, size_t row_bytes, size_t n_blocks, const int32_t *x, const uint8_t *ahead,
                    float (*out)[16], size_t bytes, book_chunk_fn *chunk, book_scales_fn *scales, book_d_fn *d)
{
    __m512 acc = _mm512_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, w += bytes, ahead += 16 * bytes, x += NCE_X256_WORDS_FEW) {
        __m512i q[4], lanes[16];
        float dw[16] __attribute__((aligned(64)));
        UNROLL for (int j = 0; j < 4; j++) q[j] = _mm512_loadu_si512(x + 16 * j);
        for (size_t row = 0; row < 16; row++) {
            const uint8_t *const block = w + row * row_bytes;
            ahead_part(ahead, bytes, b, row, 16);
            lanes[row] = block_sums(block, q, chunk, scales);
            dw[row] = d(block);
        }
        acc = add_block(acc, _mm512_load_ps(dw), x + NCE_X256_DA, sum_rows(lanes));
    }
    _mm512_storeu_ps(out[0], acc);
}

#define INPLACE_BOOK(name, bytes)                                                                                      \
    static void name##_1(const uint8_t *w, size_t s, size_t nb, const int32_t *x, const uint8_t *a, float(*out)[16])   \
    {                                                                                                                  \
        segment(w, s, nb, x, a, out, bytes, name##_chunk, name##_scales, name##_d);                                    \
    }                                                                                                                  \
    const nce_inplace_avx512 nce_inplace_##name##_avx512 = {{name##_1}}
INPLACE_BOOK(iq2_xxs, 66);
INPLACE_BOOK(iq2_xs, 74);
INPLACE_BOOK(iq2_s, 82);
INPLACE_BOOK(iq3_xxs, 98);
INPLACE_BOOK(iq3_s, 110);
