/* What the AVX-512 files of the matrix product share: lane = row.
 *
 * A tile is 16 rows.  load_t takes 16 bytes of each row and returns four vectors whose 32-bit lane i belongs to row i,
 * still packed: a nibble or 2-bit field of such a vector already is four neighbouring k of one row, so a b-bit type
 * pays b/8 of the shuffles of int8.  Activations come in as vpdpbusd's own 4-byte broadcast operand.  No horizontal
 * addition is left, scales are unpacked for 16 rows at once, and the code is the same for 1 and 8 columns. */
#ifndef NCE_SRC_MATMUL_AVX512_H
#define NCE_SRC_MATMUL_AVX512_H
#include "src/kernels/matmul_panel.h"
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)") /* clang ignores the other one and keeps arrays in memory */
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define SET8(v) _mm512_set1_epi8((char)(v))
#define SET32(v) _mm512_set1_epi32((int)(v))

/* ---- the parts of the product ---- */

/* Panels (matmul_panel.h): expand n_blocks blocks of the file of 16 rows. */
typedef void nce_expand_avx512_fn(const uint8_t *w, size_t row_bytes, size_t n_blocks, uint8_t *panel);
nce_expand_avx512_fn nce_expand_q8_0_avx512, nce_expand_q4_0_avx512, nce_expand_iq4_nl_avx512, nce_expand_q4_k_avx512,
    nce_expand_q5_k_avx512, nce_expand_q6_k_avx512, nce_expand_iq4_xs_avx512, nce_expand_q2_k_avx512,
    nce_expand_q3_k_avx512, nce_expand_tq2_0_avx512;
nce_expand_avx512_fn nce_expand_q4_1_avx512, nce_expand_q5_0_avx512, nce_expand_q5_1_avx512, nce_expand_q8_1_avx512,
    nce_expand_mxfp4_avx512, nce_expand_nvfp4_avx512, nce_expand_q1_0_avx512, nce_expand_q2_0_avx512,
    nce_expand_i2_s_avx512, nce_expand_tq1_0_avx512;
nce_expand_avx512_fn nce_expand_iq2_xxs_avx512, nce_expand_iq2_xs_avx512, nce_expand_iq2_s_avx512,
    nce_expand_iq3_xxs_avx512, nce_expand_iq3_s_avx512, nce_expand_iq1_s_avx512, nce_expand_iq1_m_avx512;

/* One tile of a panel and n columns: y[c * ld_y + row], rows by mask; first: stored, else added to what is there. */
typedef struct nce_tile_args {
    const uint8_t *panel;
    const int32_t *x;
    size_t words, n_blocks; /* words: of one column of one block of activations */
    float *y;
    size_t ld_y;
    __mmask16 rows;
    bool first;
    const uint8_t *ahead, *ahead_end; /* to be fetched into L2 meanwhile; ahead: the start of a line */
} nce_tile_args;
typedef void nce_tile_avx512_fn(const nce_tile_args *a);
extern nce_tile_avx512_fn *const nce_tiles_avx512[NCE_GROUP + 1][NCE_PANEL_KINDS];

/* In place: one segment of 16 rows from w, n columns (1 .. 4; of codebook types 1) from x, acc[column][row] from +0.
 * ahead: an address stream to prefetch, as many bytes as are consumed. */
typedef void nce_inplace_avx512_fn(const uint8_t *w, size_t row_bytes, size_t n_blocks, const int32_t *x,
                                   const uint8_t *ahead, float (*acc)[16]);
/* The same for two groups of activations at once, 5 .. 8 columns. */
typedef void nce_inplace_pair_avx512_fn(const uint8_t *w, size_t row_bytes, size_t n_blocks, const int32_t *x,
                                        const int32_t *x2, const uint8_t *ahead, float (*acc)[16]);
typedef struct nce_inplace_avx512 {
    nce_inplace_avx512_fn *fn[NCE_FEW_GROUP];        /* by columns - 1 */
    nce_inplace_pair_avx512_fn *pair[NCE_FEW_GROUP]; /* by columns - 5; NULL: group by group */
} nce_inplace_avx512;
extern const nce_inplace_avx512 nce_inplace_q8_0_avx512, nce_inplace_q4_0_avx512, nce_inplace_iq4_nl_avx512,
    nce_inplace_q4_k_avx512, nce_inplace_q5_k_avx512, nce_inplace_q6_k_avx512, nce_inplace_iq4_xs_avx512,
    nce_inplace_q2_k_avx512, nce_inplace_q3_k_avx512, nce_inplace_tq2_0_avx512, nce_inplace_q4_1_avx512,
    nce_inplace_q5_0_avx512, nce_inplace_q5_1_avx512, nce_inplace_mxfp4_avx512, nce_inplace_iq2_xxs_avx512,
    nce_inplace_iq2_xs_avx512, nce_inplace_iq2_s_avx512, nce_inplace_iq3_xxs_avx512, nce_inplace_iq3_s_avx512,
    nce_inplace_iq1_s_avx512, nce_inplace_iq1_m_avx512, nce_inplace_tq1_0_avx512, nce_inplace_i2_s_avx512,
    nce_inplace_q1_0_avx512, nce_inplace_q2_0_avx512;

/* In such a segment: every column; word `line` of column c, n1 columns at x and n2 more at x2. */
#define COLS UNROLL for (int c = 0; c < n; c++)
#define NCE_X(line, c) ((c) < n1 ? x + (line)*n1 + (c) : x2 + (line)*n2 + (c)-n1)

/* Compile name##_segment(..., n, n2) for every number of columns and every pair of groups. */
#define NCE_INPLACE_ONE(name, n)                                                                                       \
    static void name##_##n(const uint8_t *w, size_t s, size_t nb, const int32_t *x, const uint8_t *a, float(*acc)[16]) \
    {                                                                                                                  \
        name##_segment(w, s, nb, x, x, a, acc, n, 0);                                                                  \
    }
#define NCE_INPLACE_TWO(name, n, n2)                                                                                   \
    static void name##_##n##n2(const uint8_t *w, size_t s, size_t nb, const int32_t *x, const int32_t *x2,             \
                               const uint8_t *a, float(*acc)[16])                                                      \
    {                                                                                                                  \
        name##_segment(w, s, nb, x, x2, a, acc, n, n2);                                                                \
    }
#define NCE_INPLACE(name)                                                                                              \
    NCE_INPLACE_ONE(name, 1)                                                                                           \
    NCE_INPLACE_ONE(name, 2)                                                                                           \
    NCE_INPLACE_ONE(name, 3)                                                                                           \
    NCE_INPLACE_ONE(name, 4)                                                                                           \
    NCE_INPLACE_TWO(name, 2, 3)                                                                                        \
    NCE_INPLACE_TWO(name, 3, 3)                                                                                        \
    NCE_INPLACE_TWO(name, 3, 4)                                                                                        \
    NCE_INPLACE_TWO(name, 4, 4)                                                                                        \
    const nce_inplace_avx512 nce_inplace_##name##_avx512 = {{name##_1, name##_2, name##_3, name##_4},                  \
                                                            {name##_23, name##_33, name##_34, name##_44}}

void nce_product_float_avx512(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t n_rows,
                              const nce_act *a, float *y, size_t ld_y);

/* ---- 16 rows of packed bytes ---- */

typedef struct rows16 {
    const uint8_t *p[4]; /* row 4l + a is p[l] + a * s: few registers */
    size_t s, s3;
    __m512i at; /* of rows 0 .. 7 */
} rows16;

INLINE rows16 rows_at(const uint8_t *w, size_t s)
{
    const __m512i row = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    return (rows16){
        {w, w + 4 * s, w + 8 * s, w + 12 * s}, s, 3 * s, _mm512_mullo_epi64(row, _mm512_set1_epi64((long long)s))};
}
INLINE void rows_step(rows16 *r, size_t bytes)
{
    for (int l = 0; l < 4; l++)
        r->p[l] += bytes;
}

INLINE __m512i quad(const rows16 *r, size_t off)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(r->p[0] + off)));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(r->p[1] + off)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(r->p[2] + off)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(r->p[3] + off)), 3);
}

/* out[j] lane i = bytes off + 4j .. off + 4j + 3 of row i. */
INLINE void load_t(const rows16 *r, size_t off, __m512i out[4])
{
    const __m512i a = quad(r, off), b = quad(r, off + r->s), c = quad(r, off + 2 * r->s), d = quad(r, off + r->s3);
    const __m512i ab0 = _mm512_unpacklo_epi32(a, b), ab1 = _mm512_unpackhi_epi32(a, b);
    const __m512i cd0 = _mm512_unpacklo_epi32(c, d), cd1 = _mm512_unpackhi_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(ab0, cd0);
    out[1] = _mm512_unpackhi_epi64(ab0, cd0);
    out[2] = _mm512_unpacklo_epi64(ab1, cd1);
    out[3] = _mm512_unpackhi_epi64(ab1, cd1);
}

INLINE __m512 half_lo(__m512i v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
}
INLINE __m512 half_hi(__m512i v)
{
    return half_lo(_mm512_srli_epi32(v, 16));
}

/* Four bytes of each row.  Two gathers take ten cycles; sixteen moves to memory and a load of them, which waits for all
 * of them, twenty-five, and what gcc makes of such moves if it may, forty. */
INLINE __m512i words_at(const rows16 *r, size_t off)
{
    const __m256i low = _mm512_i64gather_epi32(r->at, (const int *)(const void *)(r->p[0] + off), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low),
                              _mm512_i64gather_epi32(r->at, (const int *)(const void *)(r->p[2] + off), 1), 1);
}
/* An F16 of each row, off bytes into a block, with the two bytes beside it that lie in the block for certain. */
INLINE __m512 halves_at(const rows16 *r, size_t off)
{
    return off == 0 ? half_lo(words_at(r, 0)) : half_hi(words_at(r, off - 2));
}

enum { NCE_AHEAD_BYTES = 96 << 10 }; /* weights asked for before they are used */

/* To L2, not L1; volatile, because gcc gathers _mm_prefetch calls into one burst and halves the bandwidth. */
INLINE void prefetch_l2(const uint8_t *p)
{
    __asm__ volatile("prefetcht1 %0" ::"m"(*p));
}

/* Every line from p, the start of one, up to end; returns the next. */
INLINE const uint8_t *prefetch_to(const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p += 64)
        prefetch_l2(p);
    return p;
}

/* Part i of n of the lines of a block of 16 rows.  Every line once, in order: the second-level prefetcher loses the
 * stream when a line is asked for twice.  16 blocks are a whole number of half lines; even blocks take the odd one. */
INLINE void ahead_part(const uint8_t *p, size_t bytes, size_t b, size_t i, size_t n)
{
    const size_t lines = bytes / 4, from = lines * i / n, to = lines * (i + 1) / n;
    p += (bytes & 2) && (b & 1) ? 32 : 0;
    UNROLL for (size_t l = from; l < to; l++) prefetch_l2(p + 64 * l);
    if ((bytes & 2) && i + 1 == n && !(b & 1)) prefetch_l2(p + 64 * lines);
}

/* ---- bit fields ---- */

typedef __m512i vec;
#define v_and _mm512_and_si512
#define v_or _mm512_or_si512
#define v_xor _mm512_xor_si512
#define v_add8 _mm512_add_epi8
#define v_sub8 _mm512_sub_epi8
#define v_sub32 _mm512_sub_epi32
#define v_mul16 _mm512_mullo_epi16
#define v_shuffle8 _mm512_shuffle_epi8
#define v_srl16 _mm512_srli_epi16
#define v_sll16 _mm512_slli_epi16
#define v_srl32 _mm512_srli_epi32
#define v_sll32 _mm512_slli_epi32
#define v_sra32 _mm512_srai_epi32
#define v_set8 SET8
#define v_set32 SET32
#define v_repeat _mm512_broadcast_i32x4
#define v_pattern(...) _mm512_broadcast_i32x4(_mm_setr_epi8(__VA_ARGS__))
#define v_and_or(v, mask, w) _mm512_ternarylogic_epi32(v, SET8(mask), w, 0xea)
#define v_affine(v, matrix, plus) _mm512_gf2p8affine_epi64_epi8(v, _mm512_set1_epi64((long long)(matrix)), plus)
#include "src/kernels/matmul_fields.inc"

/* The 16 levels of IQ4 plus 128, repeated so that vpermb ignores all but the low nibble of an index byte. */
INLINE __m512i iq4_table(void)
{
    return _mm512_broadcast_i32x4(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                                (char)166, (char)181, (char)197, (char)217, (char)241));
}

/* Byte k of every lane = its bits at + k * width and up (garbage above width). */
INLINE __m512i spread(__m512i v, int at, int width)
{
    const char a = (char)at, w = (char)width, b = (char)(32 + at);
    const __m128i ctrl = _mm_setr_epi8(a, (char)(a + w), (char)(a + 2 * w), (char)(a + 3 * w), b, (char)(b + w),
                                       (char)(b + 2 * w), (char)(b + 3 * w), a, (char)(a + w), (char)(a + 2 * w),
                                       (char)(a + 3 * w), b, (char)(b + w), (char)(b + 2 * w), (char)(b + 3 * w));
    return _mm512_multishift_epi64_epi8(_mm512_broadcast_i32x4(ctrl), v);
}

/* The doubled values of E2M1 plus 128. */
INLINE __m512i fp4_table(void)
{
    return _mm512_broadcast_i32x4(_mm_setr_epi8((char)128, (char)129, (char)130, (char)131, (char)132, (char)134,
                                                (char)136, (char)140, (char)128, 127, 126, 125, 124, 122, 120, 116));
}

/* E8M0, halved: 2^(e - 128), a denormal below 2. */
INLINE __m512 e8m0_half(__m512i e)
{
    return _mm512_scalef_ps(_mm512_set1_ps(1), _mm512_cvtepi32_ps(_mm512_sub_epi32(e, SET32(128))));
}

/* ---- products ---- */

/* sum + codes . x, the four activations of a column broadcast from memory.  GCC 12 does not fold the broadcast into
 * vpdpbusd by itself; written so, a code vector costs one instruction per column. */
INLINE __m512i dot4(__m512i sum, __m512i codes, const int32_t *x)
{
#if defined(__GNUC__) && !defined(__clang__)
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(*x));
    return sum;
#else
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(*x));
#endif
}
INLINE __m512i word(const int32_t *p)
{
    return _mm512_set1_epi32(*p);
}
INLINE __m512 word_ps(const int32_t *p)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32(*p));
}
INLINE __m512i mul_add(__m512i sum, __m512i a, __m512i b)
{
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(a, b));
}

/* acc = fma(dw * da, (float)isum, acc) */
INLINE __m512 add_block(__m512 acc, __m512 dw, const int32_t *da, __m512i isum)
{
    return _mm512_fmadd_ps(_mm512_mul_ps(dw, word_ps(da)), _mm512_cvtepi32_ps(isum), acc);
}
/* acc = fma(-(dmin * da), (float)msum, acc) */
INLINE __m512 sub_block(__m512 acc, __m512 dmin, const int32_t *da, __m512i msum)
{
    return _mm512_fnmadd_ps(_mm512_mul_ps(dmin, word_ps(da)), _mm512_cvtepi32_ps(msum), acc);
}

/* The same with accumulators in memory, for blocks of 256 in place: eight columns need the registers for their sums. */
INLINE void clear_out(float (*out)[16], int n)
{
    UNROLL for (int c = 0; c < n; c++) _mm512_storeu_ps(out[c], _mm512_setzero_ps());
}
INLINE void add_out(float *out, __m512 dw, const int32_t *da, __m512i isum)
{
    _mm512_storeu_ps(out, add_block(_mm512_loadu_ps(out), dw, da, isum));
}
INLINE void sub_out(float *out, __m512 dmin, const int32_t *da, __m512i msum)
{
    _mm512_storeu_ps(out, sub_block(_mm512_loadu_ps(out), dmin, da, msum));
}

#endif
