/* The codebook types with signs (IQ2, IQ3) on AVX-512: 64 elements of a block as a vector of unsigned codes and the signs
 * of them, and the sub-scales of a block.  Expanders make panels of them, the product in place multiplies them at once. */
#ifndef NCE_SRC_MATMUL_BOOKS_AVX512_H
#define NCE_SRC_MATMUL_BOOKS_AVX512_H
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/kernels/x86/matmul_avx512.h"

/* Elements 64 j .. 64 j + 63: magnitudes and, in signs, a bit for each negative one. */
typedef struct book_chunk {
    __m512i codes;
    uint64_t signs;
} book_chunk;

INLINE __m512i words8(const uint64_t *book, __m256i index)
{
    return _mm512_i32gather_epi64(index, book, 8);
}
INLINE __m512i words16(const uint32_t *book, __m512i index)
{
    return _mm512_i32gather_epi32(index, book, 4);
}

/* Eight signs in the low seven bits of every byte; the eighth makes their number even. */
INLINE uint64_t even_signs(uint64_t x)
{
    uint64_t y = x ^ x >> 4;
    y ^= y >> 2;
    y ^= y >> 1;
    return x | (y & 0x0101010101010101u) << 7;
}

/* Four 7-bit sign fields of each of two words, as 64 sign bits. */
INLINE uint64_t signs64(uint32_t first, uint32_t second)
{
    const uint64_t fields = (first & 0xfffffff) | (uint64_t)(second & 0xfffffff) << 28;
    return even_signs(_pdep_u64(fields, 0x7f7f7f7f7f7f7f7fu));
}

/* ---- 64 elements ---- */

INLINE book_chunk iq2_xxs_chunk(const uint8_t *b, size_t j)
{
    const uint8_t *q = b + 2 + 16 * j;
    const __m128i index = _mm_unpacklo_epi32(_mm_loadu_si32(q), _mm_loadu_si32(q + 8));
    return (book_chunk){words8(nce_iq2_xxs_words, _mm256_cvtepu8_epi32(index)),
                        signs64(nce_load_u32(q + 4), nce_load_u32(q + 12))};
}

INLINE book_chunk iq2_xs_chunk(const uint8_t *b, size_t j)
{
    const __m128i fields = _mm_loadu_si128((const __m128i *)(b + 2 + 16 * j)), top = _mm_srli_epi16(fields, 9);
    const __m256i index = _mm256_and_si256(_mm256_cvtepu16_epi32(fields), _mm256_set1_epi32(511));
    return (book_chunk){words8(nce_iq2_xs_words, index),
                        even_signs((uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(top, top)))};
}

INLINE book_chunk iq2_s_chunk(const uint8_t *b, size_t j)
{
    const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(b + 2 + 8 * j)));
    const __m256i fields = _mm256_set1_epi32((int)nce_load_u16(b + 66 + 2 * j)); /* two bits for each of 8 */
    const __m256i high =
        _mm256_and_si256(_mm256_srlv_epi32(fields, _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)), _mm256_set1_epi32(3));
    return (book_chunk){words8(nce_iq2_s_words, _mm256_or_si256(low, _mm256_slli_epi32(high, 8))),
                        nce_load_u64(b + 34 + 8 * j)};
}

INLINE book_chunk iq3_xxs_chunk(const uint8_t *b, size_t j)
{
    const __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(b + 2 + 16 * j)));
    return (book_chunk){words16(nce_iq3_xxs_words, index),
                        signs64(nce_load_u32(b + 66 + 8 * j), nce_load_u32(b + 70 + 8 * j))};
}

INLINE book_chunk iq3_s_chunk(const uint8_t *b, size_t j)
{
    const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(b + 2 + 16 * j)));
    const __mmask16 high = (__mmask16)nce_load_u16(b + 66 + 2 * j); /* the ninth bit of each of 16 */
    return (book_chunk){words16(nce_iq3_s_words, _mm512_mask_or_epi32(low, high, low, SET32(256))),
                        nce_load_u64(b + 74 + 8 * j)};
}

/* ---- the odd sub-scales 2 s + 1 of 16 times 16 elements ---- */

/* x holds s above bit 28 and anything in bit 27. */
INLINE __m512i odd_on_top(__m512i x)
{
    return _mm512_or_si512(_mm512_srli_epi32(x, 27), SET32(1));
}
INLINE __m512i odd_of_bytes(__m128i s)
{
    const __m512i wide = _mm512_cvtepu8_epi32(s);
    return _mm512_or_si512(_mm512_add_epi32(wide, wide), SET32(1));
}
/* 16 nibbles, low one first. */
INLINE __m512i odd_of_nibbles(const uint8_t *p)
{
    const __m128i v = _mm_loadl_epi64((const __m128i *)p), nibble = _mm_set1_epi8(15);
    return odd_of_bytes(_mm_unpacklo_epi8(_mm_and_si128(v, nibble), _mm_and_si128(_mm_srli_epi16(v, 4), nibble)));
}
/* Every lane of 8 twice. */
INLINE __m512i twice(__m512i v)
{
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), v);
}
INLINE __m512i iq2_xxs_scales(const uint8_t *b)
{
    const __m512i odd_words = _mm512_setr_epi32(1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15);
    return odd_on_top(_mm512_permutexvar_epi32(odd_words, _mm512_loadu_si512(b + 2)));
}
INLINE __m512i iq2_xs_scales(const uint8_t *b)
{
    return odd_of_nibbles(b + 66);
}
INLINE __m512i iq2_s_scales(const uint8_t *b)
{
    return odd_of_nibbles(b + 74);
}
INLINE __m512i iq3_xxs_scales(const uint8_t *b)
{
    return odd_on_top(twice(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(b + 66)))));
}
INLINE __m512i iq3_s_scales(const uint8_t *b)
{
    const __m128i v = _mm_loadu_si32(b + 106), nibble = _mm_set1_epi8(15);
    return twice(
        odd_of_bytes(_mm_unpacklo_epi8(_mm_and_si128(v, nibble), _mm_and_si128(_mm_srli_epi16(v, 4), nibble))));
}

/* ---- the scale of a block ---- */

INLINE float half_at(const uint8_t *b)
{
    return _cvtsh_ss((uint16_t)nce_load_u16(b));
}
#define BOOK_D(name, factor)                                                                                           \
    INLINE float name##_d(const uint8_t *b)                                                                            \
    {                                                                                                                  \
        return half_at(b) * factor;                                                                                    \
    }
BOOK_D(iq2_xxs, 0.125f)
BOOK_D(iq2_xs, 0.125f)
BOOK_D(iq2_s, 0.125f)
BOOK_D(iq3_xxs, 0.25f)
BOOK_D(iq3_s, 1.0f)

#endif
