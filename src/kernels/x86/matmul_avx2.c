/* The AVX2 product: panels of signed codes and tiles of 8 rows x up to 4 columns.
 *
 * maddubs (unsigned x signed bytes, pairs added, saturated to int16) is exact only while nothing can leave int16.
 * Signed codes go in as maddubs(|w|, sign(x, w)), at most 2 * 128 * 127 = 32512, exact because activations never are
 * -128.  Small codes leave room to add several such vectors before widening to int32: 8 of codes up to 15, 4 up to 31,
 * 2 up to 64. */
#include "src/kernels/x86/matmul_avx2.h"

enum { ROWS = 8, COLUMNS = 4 };

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

#define ROOM room_of
#define EXPAND nce_expand_avx2
#define PRODUCT nce_product_panels_avx2
#define PRODUCT_FLOAT nce_product_float_avx2
#include "src/kernels/matmul_tiles.inc"
