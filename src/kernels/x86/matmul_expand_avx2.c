/* Expanders on AVX2: the main types 8 rows at once (matmul_expand.inc), every other through its decode function and the
 * same transposing loads. */
#include "src/kernels/x86/matmul_avx2.h"

typedef rows8 vec_rows;
#define OFFSET 0 /* signed codes */
#define OFFSET_FLAT 0

INLINE void put(uint8_t *line, int i, __m256i v)
{
    _mm256_store_si256((__m256i *)(line + 64 * i), v);
}
INLINE void put_ps(uint8_t *line, int i, __m256 v)
{
    _mm256_store_ps((float *)(void *)(line + 64 * i), v);
}
/* The low 16 bits of 8 words, as floats. */
INLINE void put_half_lo(uint8_t *line, int i, __m256i v)
{
    const __m256i low = v_and(v, v_set32(0xffff));
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0xd8);
    put_ps(line, i, _mm256_cvtph_ps(_mm256_castsi256_si128(packed)));
}
INLINE void put_half_hi(uint8_t *line, int i, __m256i v)
{
    put_half_lo(line, i, v_srl32(v, 16));
}
INLINE void put_half_at(uint8_t *line, int i, const rows8 *r, size_t off)
{
    uint16_t h[8] __attribute__((aligned(16)));
    for (size_t row = 0; row < 8; row++)
        memcpy(h + row, r->p + off + row * r->s, 2);
    put_ps(line, i, _mm256_cvtph_ps(_mm_load_si128((const __m128i *)h)));
}

#include "src/kernels/matmul_expand.inc"

/* Sixteen sub-scales of six bits, less 32; the third bit of a code lies apart, inverted. */
INLINE void q3_k(const rows8 *r, uint8_t *p)
{
    __m256i t[4], hm[8], s[4], six[4];
    put_half_at(p, 0, r, 108);
    load_t(r, 94, s); /* 2 bytes early, to stay inside the block */
    scales_3k(s, six);
    UNROLL for (int j = 0; j < 16; j++) put(p, 1 + j, sbyte_of(six[j / 4], j % 4));
    load_t(r, 0, hm);
    load_t(r, 16, hm + 4);
    UNROLL for (int c = 0; c < 4; c++)
    {
        load_t(r, 32 + 16 * (size_t)c, t);
        UNROLL for (int k = 0; k < 4; k++)
        {
            const int sub = c / 2 * 8 + c % 2 + 2 * k;
            UNROLL for (int j = 0; j < 4; j++)
            {
                const __m256i bit = and8(v_srl16(hm[c % 2 * 4 + j], c / 2 * 4 + k), 1);
                const __m256i code = v_or(bits2(t[j], 2 * k), v_sll16(bit, 2));
                put(p, 17 + 4 * sub + j, v_sub8(code, v_set8(4)));
            }
        }
    }
}

#define SHARE 8
#define EXPAND_PANEL nce_expand_avx2
#define EXPAND_MORE [NCE_TYPE_Q3_K] = expand_q3_k,
static void expand_q3_k(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *to);
#include "src/kernels/matmul_expand_any.inc"
EXPAND(q3_k, 110, NCE_PANEL_SUB16, q3_k(&r, panel))
