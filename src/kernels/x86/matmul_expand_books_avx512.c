/* Expanders of the codebook types.  A row's words are gathered from the book, eight at a time, into a scratch of plain
 * signed bytes [16 rows][256]; the usual transposing loads then make a panel of it.  The gathers cost about as much as
 * ten columns of the product and are paid once for all columns. */
#include "src/kernels/x86/matmul_books_avx512.h"

/* One block of 16 rows as plain integers. */
typedef struct codes16 {
    _Alignas(64) int8_t code[16][256];
    _Alignas(64) int32_t scale[16][16]; /* [row][sub-block] */
    _Alignas(64) float d[16];
} codes16;

INLINE __m512i signed_codes(book_chunk c)
{
    return _mm512_mask_sub_epi8(c.codes, (__mmask64)c.signs, _mm512_setzero_si512(), c.codes);
}

/* n_sub scales of each row as lines of the panel: 16, or every second of them. */
INLINE void put_scales(const codes16 *o, size_t n_sub, uint8_t *p)
{
    const rows16 r = rows_at((const uint8_t *)o->scale[0], 64);
    for (size_t j = 0; j < 4; j++) {
        __m512i t[4];
        load_t(&r, 16 * j, t);
        for (size_t i = 0; i < 4; i += 16 / n_sub)
            _mm512_store_si512(p + 64 * ((4 * j + i) * n_sub / 16), t[i]);
    }
}

INLINE void put_panel(const codes16 *o, size_t n_sub, uint8_t *p)
{
    const rows16 r = rows_at((const uint8_t *)o->code[0], 256);
    _mm512_store_ps(p, _mm512_load_ps(o->d));
    put_scales(o, n_sub, p + 64);
    for (size_t j = 0; j < 16; j++) {
        __m512i t[4];
        load_t(&r, 16 * j, t);
        UNROLL for (size_t i = 0; i < 4; i++)
            _mm512_store_si512(p + 64 * (1 + n_sub + 4 * j + i), _mm512_xor_si512(t[i], SET8(128)));
    }
}

#define EXPAND(name, bytes, n_sub)                                                                                     \
    void nce_expand_##name##_avx512(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel)               \
    {                                                                                                                  \
        codes16 o;                                                                                                     \
        for (size_t b = 0; b < n_blocks; b++, w += bytes, panel += 64 * (1 + (n_sub) + 64)) {                          \
            for (size_t row = 0; row < 16; row++) {                                                                    \
                const uint8_t *const block = w + row * row_bytes;                                                      \
                o.d[row] = name##_d(block);                                                                            \
                _mm512_store_si512(o.scale[row], name##_scales(block));                                                \
                UNROLL for (size_t j = 0; j < 4; j++)                                                                  \
                    _mm512_store_si512(o.code[row] + 64 * j, signed_codes(name##_chunk(block, j)));                    \
            }                                                                                                          \
            put_panel(&o, n_sub, panel);                                                                               \
        }                                                                                                              \
    }
EXPAND(iq2_xxs, 66, 8)
EXPAND(iq2_xs, 74, 16)
EXPAND(iq2_s, 82, 16)
EXPAND(iq3_xxs, 98, 8)
EXPAND(iq3_s, 110, 8)
