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
INLINE void tile32(const uint8_t *p, const int32_t *x, size_t n_blocks, size_t ld, int n, nce_panel_kind kind,
                   float *out)
{
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
INLINE void tile256(const uint8_t *p, const int32_t *x, size_t words, size_t n_blocks, size_t ld, int n, int n_sub,
                    int n_min, float *out)
{
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

typedef void tile_fn(const uint8_t *p, const int32_t *x, size_t words, size_t n_blocks, size_t ld, float *out);
#define TILE32(name, n, kind)                                                                                          \
    static void name##n(const uint8_t *p, const int32_t *x, size_t words, size_t nb, size_t ld, float *out)            \
    {                                                                                                                  \
        (void)words;                                                                                                   \
        tile32(p, x, nb, ld, n, kind, out);                                                                            \
    }
#define TILE256(name, n, n_sub, n_min)                                                                                 \
    static void name##n(const uint8_t *p, const int32_t *x, size_t words, size_t nb, size_t ld, float *out)            \
    {                                                                                                                  \
        tile256(p, x, words, nb, ld, n, n_sub, n_min, out);                                                            \
    }
#define TILES(n)                                                                                                       \
    TILE32(flat32_, n, NCE_PANEL_FLAT32)                                                                               \
    TILE32(flat32_min_, n, NCE_PANEL_FLAT32_MIN)                                                                       \
    TILE32(half32_, n, NCE_PANEL_HALF32)                                                                               \
    TILE256(flat256_, n, 1, 0)                                                                                         \
    TILE256(flat256_min_, n, 1, 16)                                                                                    \
    TILE256(sub32_, n, 8, 0)                                                                                           \
    TILE256(sub32_min_, n, 8, 8)                                                                                       \
    TILE256(sub16_, n, 16, 0)
TILES(1)
TILES(2)
TILES(3)
TILES(4)
#define ROW(n)                                                                                                         \
    {                                                                                                                  \
        flat32_##n, flat32_min_##n, half32_##n, flat256_##n, flat256_min_##n, sub32_##n, sub32_min_##n, sub16_##n      \
    }
static tile_fn *const tiles[COLUMNS + 1][NCE_PANEL_KINDS] = {{0}, ROW(1), ROW(2), ROW(3), ROW(4)};

static void store(float *y, size_t ld_y, const float *acc, size_t n, size_t n_rows, bool first)
{
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < n_rows; i++)
            y[c * ld_y + i] = first ? acc[ROWS * c + i] : y[c * ld_y + i] + acc[ROWS * c + i];
}

/* All columns over one panel of n_rows rows. */
static void product_panel(const nce_type_info *type, const uint8_t *panel, size_t n_rows, const nce_act *a,
                          size_t piece, size_t n_pieces, float *y, size_t ld_y)
{
    const size_t words = nce_act_words(a->block, a->n_cols), n_groups = nce_act_groups(a->n_cols);
    const nce_panel_kind kind = nce_panel_kind_of(type);
    float acc[COLUMNS * ROWS];
    for (size_t g = 0; g < n_groups; g++) {
        const size_t c0 = nce_act_group_start(a->n_cols, g), ld = nce_act_group_start(a->n_cols, g + 1) - c0;
        const int32_t *const x = nce_act_at(a, c0, ld, piece);
        for (size_t c = 0; c < ld; c += COLUMNS)
            for (size_t r = 0; r < n_rows; r += ROWS) {
                const size_t n = ld - c < COLUMNS ? ld - c : COLUMNS, left = n_rows - r < ROWS ? n_rows - r : ROWS;
                tiles[n][kind](panel + 4 * r, x + c, words, n_pieces, ld, acc);
                store(y + (c0 + c) * ld_y + r, ld_y, acc, n, left, piece == 0);
            }
    }
}

void PRODUCT(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a, float *y,
             size_t ld_y, void *scratch)
{
    if (a->block == 0) {
        nce_product_float_neon(type, w, row_bytes, n_rows, a, y, ld_y);
        return;
    }
    uint8_t *const panel = scratch, *const pad = panel + NCE_PANEL_BYTES;
    const size_t bytes = type->block_bytes, n_blocks = a->k / type->block, per_segment = NCE_SEGMENT / type->block;
    const size_t pieces = type->block / a->block;
    for (size_t b = 0; b < n_blocks; b += per_segment) {
        const size_t nb = n_blocks - b < per_segment ? n_blocks - b : per_segment;
        for (size_t r = 0; r < n_rows; r += NCE_PANEL_ROWS) {
            const size_t left = n_rows - r < NCE_PANEL_ROWS ? n_rows - r : NCE_PANEL_ROWS;
            const uint8_t *src = (const uint8_t *)w + r * row_bytes + b * bytes;
            size_t stride = row_bytes;
            if (left < NCE_PANEL_ROWS) {
                src = nce_pad_rows(pad, src, row_bytes, left, nb * bytes);
                stride = nb * bytes;
            }
            nce_expand_neon(type, src, stride, nb, panel);
            product_panel(type, panel, left, a, b * pieces, nb * pieces, y + r, ld_y);
        }
    }
}
