/* The AVX2 product: panels of signed codes and tiles of 8 rows x up to 4 columns.
 *
 * maddubs (unsigned x signed bytes, pairs added, saturated to int16) is exact only while nothing can leave int16.
 * Signed codes go in as maddubs(|w|, sign(x, w)), at most 2 * 128 * 127 = 32512, exact because activations never are
 * -128.  Small codes leave room to add several such vectors before widening to int32: 8 of codes up to 15, 4 up to 31,
 * 2 up to 64. */
#include "src/kernels/x86/matmul_avx2.h"

#define COLS UNROLL for (int c = 0; c < n; c++)

enum { ROWS = 8, COLUMNS = 4 };

INLINE __m256i word(const int32_t *p)
{
    return _mm256_set1_epi32(*p);
}
INLINE __m256 word_ps(const int32_t *p)
{
    return _mm256_castsi256_ps(_mm256_set1_epi32(*p));
}
INLINE __m256 line_ps(const uint8_t *p)
{
    return _mm256_load_ps((const float *)(const void *)p);
}
INLINE __m256i line(const uint8_t *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

/* sum[c] = codes . x over n_lines (a multiple of room) lines; ld: columns in the group. */
INLINE void dot(__m256i *sum, const uint8_t *codes, const int32_t *x, size_t ld, int n_lines, int room, int n)
{
    COLS sum[c] = _mm256_setzero_si256();
    for (int j = 0; j < n_lines; j += room) {
        __m256i pairs[COLUMNS];
        COLS pairs[c] = _mm256_setzero_si256();
        for (int i = 0; i < room; i++, codes += 64, x += ld) {
            const __m256i w = line(codes), size = _mm256_abs_epi8(w);
            COLS pairs[c] = _mm256_add_epi16(pairs[c], _mm256_maddubs_epi16(size, _mm256_sign_epi8(word(x + c), w)));
        }
        COLS sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(pairs[c], _mm256_set1_epi16(1)));
    }
}

/* acc = fma(dw * da, (float)isum, acc) */
INLINE __m256 add_block(__m256 acc, __m256 dw, const int32_t *da, __m256i isum)
{
    return _mm256_fmadd_ps(_mm256_mul_ps(dw, word_ps(da)), _mm256_cvtepi32_ps(isum), acc);
}
/* acc = fma(-(dmin * da), (float)msum, acc) */
INLINE __m256 sub_block(__m256 acc, __m256 dmin, const int32_t *da, __m256i msum)
{
    return _mm256_fnmadd_ps(_mm256_mul_ps(dmin, word_ps(da)), _mm256_cvtepi32_ps(msum), acc);
}

/* 8 rows x n columns of one segment; acc: [n][8].  room: as in dot, at most 8. */
INLINE void tile32(const uint8_t *p, const int32_t *x, size_t n_blocks, size_t ld, int room, int n, nce_panel_kind kind,
                   float *out)
{
    const size_t head = kind == NCE_PANEL_FLAT32 ? 1 : 2;
    __m256 acc[COLUMNS];
    COLS acc[c] = _mm256_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, p += 64 * (head + 8), x += NCE_X32_WORDS * ld) {
        const int32_t *const da = x + NCE_X32_DA * ld;
        const uint8_t *const codes = p + 64 * head;
        __m256i sum[COLUMNS];
        if (kind == NCE_PANEL_HALF32) {
            dot(sum, codes, x, ld, 4, room < 4 ? room : 4, n);
            COLS acc[c] = add_block(acc[c], line_ps(p), da + c, sum[c]);
            dot(sum, codes + 4 * 64, x + 4 * ld, ld, 4, room < 4 ? room : 4, n);
            COLS acc[c] = add_block(acc[c], line_ps(p + 64), da + c, sum[c]);
            continue;
        }
        dot(sum, codes, x, ld, 8, room, n);
        COLS acc[c] = add_block(acc[c], line_ps(p), da + c, sum[c]);
        if (kind == NCE_PANEL_FLAT32_MIN)
            COLS acc[c] = _mm256_fnmadd_ps(_mm256_mul_ps(line_ps(p + 64), word_ps(da + c)),
                                           word_ps(x + NCE_X32_SUM * ld + c), acc[c]);
    }
    COLS _mm256_store_ps(out + 8 * c, acc[c]);
}

INLINE void tile256(const uint8_t *p, const int32_t *x, size_t words, size_t n_blocks, size_t ld, int room, int n,
                    int n_sub, int n_min, float *out)
{
    const int head = n_min ? 2 + n_min / 2 : 1, steps = 64 / n_sub, codes_at = head + (n_sub > 1 ? n_sub : 0);
    const int fit = n_sub == 16 && room > 4 ? 4 : room;
    __m256 acc[COLUMNS];
    COLS acc[c] = _mm256_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++, p += 64 * (codes_at + 64), x += words * ld) {
        const int32_t *const da = x + NCE_X256_DA * ld;
        __m256i total[COLUMNS], sum[COLUMNS];
        COLS total[c] = _mm256_setzero_si256();
        for (int i = 0; i < n_sub; i++) {
            dot(sum, p + 64 * (codes_at + i * steps), x + (size_t)(i * steps) * ld, ld, steps, fit, n);
            if (n_sub == 1)
                COLS total[c] = sum[c];
            else
                COLS total[c] = _mm256_add_epi32(total[c], _mm256_mullo_epi32(sum[c], line(p + 64 * (head + i))));
        }
        COLS acc[c] = add_block(acc[c], line_ps(p), da + c, total[c]);
        if (n_min) {
            const int32_t *const pairs = x + (n_min == 8 ? NCE_X256_PAIR32 : NCE_X256_PAIR16) * ld;
            COLS sum[c] = _mm256_setzero_si256();
            for (int i = 0; i < n_min / 2; i++)
                COLS sum[c] = _mm256_add_epi32(
                    sum[c], _mm256_madd_epi16(line(p + 64 * (2 + i)), word(pairs + (size_t)i * ld + c)));
            COLS acc[c] = sub_block(acc[c], line_ps(p + 64), da + c, sum[c]);
        }
    }
    COLS _mm256_store_ps(out + 8 * c, acc[c]);
}

typedef void tile_fn(const uint8_t *p, const int32_t *x, size_t words, size_t n_blocks, size_t ld, int room,
                     float *out);
#define TILE32(name, n, kind)                                                                                          \
    static void name##n(const uint8_t *p, const int32_t *x, size_t words, size_t nb, size_t ld, int room, float *out)  \
    {                                                                                                                  \
        (void)words;                                                                                                   \
        tile32(p, x, nb, ld, room, n, kind, out);                                                                      \
    }
#define TILE256(name, n, n_sub, n_min)                                                                                 \
    static void name##n(const uint8_t *p, const int32_t *x, size_t words, size_t nb, size_t ld, int room, float *out)  \
    {                                                                                                                  \
        tile256(p, x, words, nb, ld, room, n, n_sub, n_min, out);                                                      \
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

/* Lines whose pair sums fit int16 together, by the largest code of the type. */
static int room_of(nce_type id)
{
    switch (id) {
    case NCE_TYPE_Q8_0:
    case NCE_TYPE_Q8_1:
    case NCE_TYPE_Q8_K:
    case NCE_TYPE_IQ4_NL:
    case NCE_TYPE_IQ4_XS:
        return 1;
    case NCE_TYPE_Q2_K: /* 45, sub-scales included */
    case NCE_TYPE_IQ2_XXS:
    case NCE_TYPE_IQ2_XS:
    case NCE_TYPE_IQ2_S: /* 43 */
    case NCE_TYPE_IQ3_XXS:
        return 2; /* 62 */
    case NCE_TYPE_Q5_0:
    case NCE_TYPE_Q5_1:
    case NCE_TYPE_Q5_K:
    case NCE_TYPE_Q6_K:
        return id == NCE_TYPE_Q6_K ? 2 : 4;
    default:
        return 8; /* 15 */
    }
}

static void store(float *y, size_t ld_y, const float *acc, size_t n, size_t n_rows, bool first)
{
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < n_rows; i++)
            y[c * ld_y + i] = first ? acc[8 * c + i] : y[c * ld_y + i] + acc[8 * c + i];
}

/* All columns over one panel of n_rows rows. */
static void product_panel(const nce_type_info *type, const uint8_t *panel, size_t n_rows, const nce_act *a,
                          size_t piece, size_t n_pieces, float *y, size_t ld_y)
{
    const size_t words = nce_act_words(a->block, a->n_cols), n_groups = nce_act_groups(a->n_cols);
    const nce_panel_kind kind = nce_panel_kind_of(type);
    const int room = room_of(type->id);
    _Alignas(32) float acc[COLUMNS * ROWS];
    for (size_t g = 0; g < n_groups; g++) {
        const size_t c0 = nce_act_group_start(a->n_cols, g), ld = nce_act_group_start(a->n_cols, g + 1) - c0;
        const int32_t *const x = nce_act_at(a, c0, ld, piece);
        for (size_t c = 0; c < ld; c += COLUMNS)
            for (size_t r = 0; r < n_rows; r += ROWS) {
                const size_t n = ld - c < COLUMNS ? ld - c : COLUMNS, left = n_rows - r < ROWS ? n_rows - r : ROWS;
                tiles[n][kind](panel + 4 * r, x + c, words, n_pieces, ld, room, acc);
                store(y + (c0 + c) * ld_y + r, ld_y, acc, n, left, piece == 0);
            }
    }
}

void nce_product_avx2(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                      float *y, size_t ld_y, void *scratch)
{
    if (a->block == 0) {
        nce_product_float_avx2(type, w, row_bytes, n_rows, a, y, ld_y);
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
            nce_expand_avx2(type, src, stride, nb, panel);
            product_panel(type, panel, left, a, b * pieces, nb * pieces, y + r, ld_y);
        }
    }
}
