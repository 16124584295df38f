/* Tiles of 8 rows x 1 .. 4 columns from panels, on NEON: the file that includes this defines the name of the product and, for
 * processors with matrix instructions (i8mm), WITH_MATRIX.
 *
 * sdot multiplies four codes of each of 4 rows with four activations of a column: lane = row, nothing crosses lanes.  smmla
 * multiplies eight codes of 2 rows with eight activations of 2 columns; its operands are two lines of a panel zipped, and its
 * 2 x 2 results are put in order once per block. */
#include "src/kernels/arm/matmul_neon.h"

enum { ROWS = 8, COLUMNS = 4, VECTORS = ROWS / 4 };
#define COLS UNROLL for (int c = 0; c < n; c++)
#define VECS UNROLL for (int v = 0; v < VECTORS; v++)

typedef struct sums {
    int32x4_t at[COLUMNS][VECTORS];
} sums;

INLINE int32x4_t line_at(const uint8_t *p, int v)
{
    return vreinterpretq_s32_u8(vld1q_u8(p + 16 * v));
}
INLINE float32x4_t floats_at(const uint8_t *p, int v)
{
    return vreinterpretq_f32_u8(vld1q_u8(p + 16 * v));
}

#if WITH_MATRIX
/* Two columns at a time; n is 2 or 4. */
INLINE void dot_matrix(sums *s, const uint8_t *codes, const int32_t *x, size_t ld, int lines, int n)
{
    int32x4_t pair[COLUMNS / 2][VECTORS][2]; /* [rows 2 i, 2 i + 1][columns] */
    UNROLL for (int c = 0; c < n / 2; c++) VECS pair[c][v][0] = pair[c][v][1] = vdupq_n_s32(0);
    for (int j = 0; j < lines; j += 2, codes += 128, x += 2 * ld) {
        int8x16_t w[VECTORS][2];
        VECS
        {
            const int32x4_t a = line_at(codes, v), b = line_at(codes + 64, v);
            w[v][0] = vreinterpretq_s8_s32(vzip1q_s32(a, b));
            w[v][1] = vreinterpretq_s8_s32(vzip2q_s32(a, b));
        }
        UNROLL for (int c = 0; c < n / 2; c++)
        {
            const int32x2_t q0 = vld1_s32(x + 2 * c), q1 = vld1_s32(x + ld + 2 * c);
            const int8x16_t q = vreinterpretq_s8_s32(vcombine_s32(vzip1_s32(q0, q1), vzip2_s32(q0, q1)));
            VECS UNROLL for (int h = 0; h < 2; h++) pair[c][v][h] = vmmlaq_s32(pair[c][v][h], w[v][h], q);
        }
    }
    UNROLL for (int c = 0; c < n / 2; c++) VECS
    {
        s->at[2 * c][v] = vuzp1q_s32(pair[c][v][0], pair[c][v][1]);
        s->at[2 * c + 1][v] = vuzp2q_s32(pair[c][v][0], pair[c][v][1]);
    }
}
#endif

/* Exact sums of `lines` lines of codes times n columns; ld columns lie side by side. */
INLINE void dot(sums *s, const uint8_t *codes, const int32_t *x, size_t ld, int lines, int n)
{
#if WITH_MATRIX
    if (n % 2 == 0) {
        dot_matrix(s, codes, x, ld, lines, n);
        return;
    }
#endif
    COLS VECS s->at[c][v] = vdupq_n_s32(0);
    for (int j = 0; j < lines; j++, codes += 64, x += ld) {
        int8x16_t w[VECTORS];
        VECS w[v] = vreinterpretq_s8_s32(line_at(codes, v));
        COLS
        {
            const int8x16_t q = vreinterpretq_s8_s32(vld1q_dup_s32(x + c));
            VECS s->at[c][v] = vdotq_s32(s->at[c][v], w[v], q);
        }
    }
}

/* acc = fma(dw * da, (float)isum, acc) */
INLINE float32x4_t add_block(float32x4_t acc, float32x4_t dw, float da, int32x4_t isum)
{
    return vfmaq_f32(acc, vmulq_n_f32(dw, da), vcvtq_f32_s32(isum));
}
INLINE float float_at(const int32_t *p)
{
    float f;
    memcpy(&f, p, 4);
    return f;
}

typedef struct accumulators {
    float32x4_t at[COLUMNS][VECTORS];
} accumulators;

INLINE void clear(accumulators *a, int n)
{
    COLS VECS a->at[c][v] = vdupq_n_f32(0);
}
INLINE void store_tile(const accumulators *a, int n, float *out)
{
    COLS VECS vst1q_f32(out + ROWS * c + 4 * v, a->at[c][v]);
}

/* 8 rows x n columns of one segment; out: [n][8]. */
INLINE void tile32(const uint8_t *p, const int32_t *x, size_t n_blocks, size_t ld, int room, int n, nce_panel_kind kind,
                   float *out)
{
    (void)room; /* sums are exact at once */
    const size_t head = kind == NCE_PANEL_FLAT32 ? 1 : 2;
    accumulators acc;
    clear(&acc, n);
    for (size_t b = 0; b < n_blocks; b++, p += 64 * (head + 8), x += NCE_X32_WORDS * ld) {
        const int32_t *const da = x + NCE_X32_DA * ld, *const sum = x + NCE_X32_SUM * ld;
        const uint8_t *const codes = p + 64 * head;
        sums s;
        dot(&s, codes, x, ld, kind == NCE_PANEL_HALF32 ? 4 : 8, n);
        COLS VECS acc.at[c][v] = add_block(acc.at[c][v], floats_at(p, v), float_at(da + c), s.at[c][v]);
        if (kind == NCE_PANEL_HALF32) {
            dot(&s, codes + 4 * 64, x + 4 * ld, ld, 4, n);
            COLS VECS acc.at[c][v] = add_block(acc.at[c][v], floats_at(p + 64, v), float_at(da + c), s.at[c][v]);
        }
        if (kind == NCE_PANEL_FLAT32_MIN)
            COLS VECS acc.at[c][v] = vfmsq_f32(acc.at[c][v], vmulq_n_f32(floats_at(p + 64, v), float_at(da + c)),
                                               vdupq_n_f32(float_at(sum + c)));
    }
    store_tile(&acc, n, out);
}

/* sum += both int16 of a line times both of a word. */
INLINE int32x4_t add_pair(int32x4_t sum, int32x4_t line, int32_t word)
{
    sum = vmlaq_n_s32(sum, vshrq_n_s32(vshlq_n_s32(line, 16), 16), (int16_t)(word & 0xffff));
    return vmlaq_n_s32(sum, vshrq_n_s32(line, 16), word >> 16);
}

/* n_sub sub-blocks with integer scales (1: none); n_min minima. */
INLINE void tile256(const uint8_t *p, const int32_t *x, size_t words, size_t n_blocks, size_t ld, int room, int n,
                    int n_sub, int n_min, float *out)
{
    (void)room; /* sums are exact at once */
    const int head = n_min ? 2 + n_min / 2 : 1, steps = 64 / n_sub, codes_at = head + (n_sub > 1 ? n_sub : 0);
    accumulators acc;
    clear(&acc, n);
    for (size_t b = 0; b < n_blocks; b++, p += 64 * (codes_at + 64), x += words * ld) {
        const int32_t *const da = x + NCE_X256_DA * ld;
        sums total, s;
        COLS VECS total.at[c][v] = vdupq_n_s32(0);
        for (int i = 0; i < n_sub; i++) {
            dot(&s, p + 64 * (codes_at + i * steps), x + (size_t)(i * steps) * ld, ld, steps, n);
            if (n_sub == 1)
                total = s;
            else
                COLS VECS total.at[c][v] = vmlaq_s32(total.at[c][v], s.at[c][v], line_at(p + 64 * (head + i), v));
        }
        COLS VECS acc.at[c][v] = add_block(acc.at[c][v], floats_at(p, v), float_at(da + c), total.at[c][v]);
        if (n_min == 0) continue;
        const int32_t *const pairs = x + (n_min == 8 ? NCE_X256_PAIR32 : NCE_X256_PAIR16) * ld;
        COLS VECS
        {
            int32x4_t msum = vdupq_n_s32(0);
            for (int i = 0; i < n_min / 2; i++)
                msum = add_pair(msum, line_at(p + 64 * (2 + i), v), pairs[(size_t)i * ld + (size_t)c]);
            acc.at[c][v] =
                vfmsq_f32(acc.at[c][v], vmulq_n_f32(floats_at(p + 64, v), float_at(da + c)), vcvtq_f32_s32(msum));
        }
    }
    store_tile(&acc, n, out);
}

#define ROOM(id) 0
#define EXPAND nce_expand_neon
#define PRODUCT_FLOAT nce_product_float_neon
#include "src/kernels/matmul_tiles.inc"
