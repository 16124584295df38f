/* Expanders of the codebook types.  A row's words are gathered from the book, eight at a time, into a scratch of plain
 * signed bytes [16 rows][256]; the usual transposing loads then make a panel of it.  The gathers cost about as much as
 * ten columns of the product and are paid once for all columns. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/kernels/x86/matmul_avx512.h"

/* One block of 16 rows as plain integers. */
typedef struct codes16 {
    _Alignas(64) int8_t code[16][256];
    _Alignas(64) int32_t scale[16][16]; /* [sub-block][row] */
    _Alignas(64) float d[16];
} codes16;

INLINE __m512i words8(const uint64_t *book, __m256i index)
{
    return _mm512_i32gather_epi64(index, book, 8);
}
INLINE __m512i words16(const uint32_t *book, __m512i index)
{
    return _mm512_i32gather_epi32(index, book, 4);
}
INLINE __m512i negate(__m512i v, uint64_t signs)
{
    return _mm512_mask_sub_epi8(v, (__mmask64)signs, _mm512_setzero_si512(), v);
}
INLINE void put_codes(codes16 *o, size_t row, size_t at, __m512i v)
{
    _mm512_store_si512(o->code[row] + at, v);
}
INLINE int32_t odd(uint32_t s)
{
    return (int32_t)(2 * s + 1);
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

INLINE __m128i load4x2(const uint8_t *a, const uint8_t *b)
{
    return _mm_unpacklo_epi32(_mm_loadu_si32(a), _mm_loadu_si32(b));
}

INLINE void iq2_xxs(const uint8_t *b, codes16 *o, size_t row)
{
    o->d[row] = _cvtsh_ss((uint16_t)nce_load_u16(b)) * 0.125f;
    UNROLL for (size_t j = 0; j < 4; j++)
    { /* 64 elements */
        const uint8_t *q = b + 2 + 16 * j;
        const uint32_t first = nce_load_u32(q + 4), second = nce_load_u32(q + 12);
        const uint64_t signs = signs64(first, second);
        put_codes(o, row, 64 * j, negate(words8(nce_iq2_xxs_words, _mm256_cvtepu8_epi32(load4x2(q, q + 8))), signs));
        o->scale[2 * j][row] = odd(first >> 28);
        o->scale[2 * j + 1][row] = odd(second >> 28);
    }
}

INLINE void iq2_xs(const uint8_t *b, codes16 *o, size_t row)
{
    o->d[row] = _cvtsh_ss((uint16_t)nce_load_u16(b)) * 0.125f;
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const uint8_t *q = b + 2 + 16 * j;
        const __m256i field = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)q));
        const __m128i top = _mm_srli_epi16(_mm_loadu_si128((const __m128i *)q), 9);
        const uint64_t signs = even_signs((uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(top, top)));
        const __m256i index = _mm256_and_si256(field, _mm256_set1_epi32(511));
        put_codes(o, row, 64 * j, negate(words8(nce_iq2_xs_words, index), signs));
    }
}

INLINE void iq2_s(const uint8_t *b, codes16 *o, size_t row)
{
    o->d[row] = _cvtsh_ss((uint16_t)nce_load_u16(b)) * 0.125f;
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(b + 2 + 8 * j)));
        const __m256i fields = _mm256_set1_epi32((int)nce_load_u16(b + 66 + 2 * j)); /* two bits for each of 8 */
        const __m256i high = _mm256_and_si256(_mm256_srlv_epi32(fields, _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14)),
                                              _mm256_set1_epi32(3));
        const __m256i index = _mm256_or_si256(low, _mm256_slli_epi32(high, 8));
        put_codes(o, row, 64 * j, negate(words8(nce_iq2_s_words, index), nce_load_u64(b + 34 + 8 * j)));
    }
}

INLINE void iq3_xxs(const uint8_t *b, codes16 *o, size_t row)
{
    o->d[row] = _cvtsh_ss((uint16_t)nce_load_u16(b)) * 0.25f;
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const uint32_t first = nce_load_u32(b + 66 + 8 * j), second = nce_load_u32(b + 70 + 8 * j);
        const uint64_t signs = signs64(first, second);
        const __m512i index = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(b + 2 + 16 * j)));
        put_codes(o, row, 64 * j, negate(words16(nce_iq3_xxs_words, index), signs));
        o->scale[2 * j][row] = odd(first >> 28);
        o->scale[2 * j + 1][row] = odd(second >> 28);
    }
}

INLINE void iq3_s(const uint8_t *b, codes16 *o, size_t row)
{
    o->d[row] = _cvtsh_ss((uint16_t)nce_load_u16(b));
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(b + 2 + 16 * j)));
        const __mmask16 high = (__mmask16)nce_load_u16(b + 66 + 2 * j); /* the ninth bit of each of 16 */
        const __m512i index = _mm512_mask_or_epi32(low, high, low, SET32(256));
        put_codes(o, row, 64 * j, negate(words16(nce_iq3_s_words, index), nce_load_u64(b + 74 + 8 * j)));
    }
}

/* 8 * word, then +1, or -1 in the bytes of down. */
INLINE __m512i shifted(__m512i words, uint64_t down)
{
    const __m512i eight = and8(_mm512_slli_epi16(words, 3), 0xf8);
    return _mm512_mask_sub_epi8(_mm512_add_epi8(eight, SET8(1)), (__mmask64)down, eight, SET8(1));
}

INLINE void iq1_s(const uint8_t *b, codes16 *o, size_t row)
{
    o->d[row] = _cvtsh_ss((uint16_t)nce_load_u16(b)) * 0.125f;
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const uint32_t first = nce_load_u16(b + 34 + 4 * j), second = nce_load_u16(b + 36 + 4 * j);
        const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(b + 2 + 8 * j)));
        const __m256i fields = _mm256_setr_epi32((int)first, (int)first, (int)first, (int)first, (int)second,
                                                 (int)second, (int)second, (int)second);
        const __m256i high = _mm256_and_si256(_mm256_srlv_epi32(fields, _mm256_setr_epi32(0, 3, 6, 9, 0, 3, 6, 9)),
                                              _mm256_set1_epi32(7));
        const __m256i index = _mm256_or_si256(low, _mm256_slli_epi32(high, 8));
        const uint64_t down = (first >> 15 ? 0xffffffffu : 0) | (uint64_t)(second >> 15 ? 0xffffffffu : 0) << 32;
        put_codes(o, row, 64 * j, shifted(words8(nce_iq1_words, index), down));
        o->scale[2 * j][row] = odd(first >> 12 & 7);
        o->scale[2 * j + 1][row] = odd(second >> 12 & 7);
    }
}

INLINE void iq1_m(const uint8_t *b, codes16 *o, size_t row)
{
    const uint64_t fields = nce_load_u64(b + 48);
    const uint32_t d = (uint32_t)(fields >> 12 & 15) | (uint32_t)(fields >> 28 & 15) << 4 |
                       (uint32_t)(fields >> 44 & 15) << 8 | (uint32_t)(fields >> 60) << 12;
    o->d[row] = _cvtsh_ss((uint16_t)d) * 0.125f;
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(b + 8 * j)));
        const __m256i nibbles = _mm256_srlv_epi32(_mm256_set1_epi32((int)nce_load_u32(b + 32 + 4 * j)),
                                                  _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
        const __m256i index =
            _mm256_or_si256(low, _mm256_slli_epi32(_mm256_and_si256(nibbles, _mm256_set1_epi32(7)), 8));
        const __mmask8 down = _mm256_test_epi32_mask(nibbles, _mm256_set1_epi32(8));
        put_codes(o, row, 64 * j,
                  shifted(words8(nce_iq1_words, index), (uint64_t)_mm512_movepi8_mask(_mm512_movm_epi64(down))));
    }
}

/* 2 s + 1 for the n_sub fields s of all rows: mask at bit (i % per_word) * step of word i / per_word from off on. */
INLINE void odd_scales(codes16 *o, const uint8_t *w, size_t row_bytes, size_t off, int n_sub, int per_word, int step,
                       int mask)
{
    __m512i word = _mm512_setzero_si512();
    for (int i = 0; i < n_sub; i++) {
        if (i % per_word == 0) {
            uint32_t words[16] __attribute__((aligned(64)));
            for (size_t row = 0; row < 16; row++)
                memcpy(words + row, w + row * row_bytes + off + (size_t)(i / per_word) * 4, 4);
            word = _mm512_load_si512(words);
        }
        const __m512i field = _mm512_and_si512(_mm512_srli_epi32(word, (unsigned)(i % per_word * step)), SET32(mask));
        _mm512_store_si512(o->scale[i], _mm512_add_epi32(_mm512_add_epi32(field, field), SET32(1)));
    }
}
INLINE void scales_in_rows(codes16 *o, const uint8_t *w, size_t row_bytes)
{
    (void)o, (void)w, (void)row_bytes;
}
INLINE void iq2_xs_scales(codes16 *o, const uint8_t *w, size_t s)
{
    odd_scales(o, w, s, 66, 16, 8, 4, 15);
}
INLINE void iq2_s_scales(codes16 *o, const uint8_t *w, size_t s)
{
    odd_scales(o, w, s, 74, 16, 8, 4, 15);
}
INLINE void iq3_s_scales(codes16 *o, const uint8_t *w, size_t s)
{
    odd_scales(o, w, s, 106, 8, 8, 4, 15);
}
/* Four of three bits in each 16. */
INLINE void iq1_m_scales(codes16 *o, const uint8_t *w, size_t row_bytes)
{
    for (int i = 0; i < 4; i++) {
        uint32_t fields[16] __attribute__((aligned(64)));
        for (size_t row = 0; row < 16; row++)
            fields[row] = nce_load_u16(w + row * row_bytes + 48 + 2 * (size_t)i);
        const __m512i v = _mm512_load_si512(fields);
        for (int j = 0; j < 4; j++) {
            const __m512i field = _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(3 * j)), SET32(7));
            _mm512_store_si512(o->scale[4 * i + j], _mm512_add_epi32(_mm512_add_epi32(field, field), SET32(1)));
        }
    }
}

INLINE void put_panel(const codes16 *o, size_t n_sub, uint8_t *p)
{
    const rows16 r = rows_at((const uint8_t *)o->code[0], 256);
    _mm512_store_ps(p, _mm512_load_ps(o->d));
    for (size_t i = 0; i < n_sub; i++)
        _mm512_store_si512(p + 64 * (1 + i), _mm512_load_si512(o->scale[i]));
    for (size_t j = 0; j < 16; j++) {
        __m512i t[4];
        load_t(&r, 16 * j, t);
        UNROLL for (size_t i = 0; i < 4; i++)
            _mm512_store_si512(p + 64 * (1 + n_sub + 4 * j + i), _mm512_xor_si512(t[i], SET8(128)));
    }
}

#define EXPAND(name, bytes, n_sub, scales)                                                                             \
    void nce_expand_##name##_avx512(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)               \
    {                                                                                                                  \
        codes16 o;                                                                                                     \
        for (size_t b = 0; b < n_blocks; b++, w += bytes, panel += 64 * (1 + (n_sub) + 64)) {                          \
            for (size_t row = 0; row < 16; row++)                                                                      \
                name(w + row * row_bytes, &o, row);                                                                    \
            scales(&o, w, row_bytes);                                                                                  \
            put_panel(&o, n_sub, panel);                                                                               \
        }                                                                                                              \
    }
EXPAND(iq2_xxs, 66, 8, scales_in_rows)
EXPAND(iq2_xs, 74, 16, iq2_xs_scales)
EXPAND(iq2_s, 82, 16, iq2_s_scales)
EXPAND(iq3_xxs, 98, 8, scales_in_rows)
EXPAND(iq3_s, 110, 8, iq3_s_scales)
EXPAND(iq1_s, 50, 8, scales_in_rows)
EXPAND(iq1_m, 56, 16, iq1_m_scales)
