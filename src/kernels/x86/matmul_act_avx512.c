/* Activations packed for the AVX-512 products, the same bits as the reference quantizer. */
#include "src/kernels/x86/matmul_avx512.h"

typedef struct column_block { /* one block of one column, before it is interleaved with the others of its group */
    int8_t q[256];
} column_block;

/* Sum of each 4 neighbouring codes, as int32: 16 of them for 64 codes. */
INLINE __m512i sums_of_4(const int8_t *q)
{
    return _mm512_dpbusd_epi32(_mm512_setzero_si512(), SET8(1), _mm512_loadu_si512(q));
}

/* n codes (32 or 256) and their scale. */
static float quantize(const float *x, size_t n, int8_t *q)
{
    const __m512i magnitude = SET32(0x7fffffff);
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16)
        most = _mm512_max_epu32(most, _mm512_and_si512(magnitude, _mm512_loadu_si512(x + i)));
    const uint32_t amax_bits = _mm512_reduce_max_epu32(most);
    float amax;
    memcpy(&amax, &amax_bits, 4);
    if (amax_bits >= 0x7f800000 || amax < 0x1p-120f) {
        memset(q, 0, n);
        return amax_bits >= 0x7f800000 ? __builtin_nanf("") : 0;
    }
    const __m512 inverse = _mm512_set1_ps(127.0f / amax);
    for (size_t i = 0; i < n; i += 16) {
        const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse)); /* nearest even */
        _mm_storeu_si128((__m128i *)(q + i), _mm512_cvtepi32_epi8(v));
    }
    return amax / 127.0f;
}

/* The codes of n columns side by side, 4 of a column in a word. */
static void interleave(int32_t *dst, size_t n_words, const column_block *columns, size_t n)
{
    for (size_t c = 0; c < n; c++)
        for (size_t i = 0; i < n_words; i++)
            memcpy(dst + i * n + c, columns[c].q + 4 * i, 4);
}

static void finish32(int32_t *dst, size_t n, const int8_t *q, float d)
{
    const __m256i four =
        _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i *)q));
    __m128i first = _mm256_castsi256_si128(four), second = _mm256_extracti128_si256(four, 1);
    const __m128i both = _mm_hadd_epi32(first, second), sums = _mm_hadd_epi32(both, both);
    const int32_t low = _mm_cvtsi128_si32(sums), high = _mm_extract_epi32(sums, 1);
    dst[NCE_X32_START * n] = -128 * (low + high);
    dst[NCE_X32_START_HALF * n] = -128 * low;
    memcpy(dst + NCE_X32_DA * n, &d, 4);
}

static int32_t pair(int32_t low, int32_t high)
{
    return (int32_t)(((uint32_t)low & 0xffff) | (uint32_t)high << 16);
}

static void finish256(int32_t *dst, size_t n, const int8_t *q, float d, bool few)
{
    static const int16_t field[4] = {-4, -16, -64, -16};
    int32_t four[64], s16[16], s32[8], all = 0;
    for (int i = 0; i < 4; i++)
        _mm512_storeu_si512(four + 16 * i, sums_of_4(q + 64 * i));
    for (int i = 0; i < 16; i++)
        s16[i] = four[4 * i] + four[4 * i + 1] + four[4 * i + 2] + four[4 * i + 3];
    for (int i = 0; i < 8; i++)
        all += s32[i] = s16[2 * i] + s16[2 * i + 1];
    dst[NCE_X256_START * n] = -124 * all;
    memcpy(dst + NCE_X256_DA * n, &d, 4);
    for (size_t i = 0; i < 8; i++)
        dst[(NCE_X256_START32 + i) * n] = -128 * s32[i];
    for (size_t i = 0; i < 16; i++)
        dst[(NCE_X256_START16 + i) * n] = -128 * s16[i];
    for (size_t i = 0; i < 4; i++)
        dst[(NCE_X256_PAIR32 + i) * n] = pair(s32[2 * i], s32[2 * i + 1]);
    for (size_t i = 0; i < 8; i++)
        dst[(NCE_X256_PAIR16 + i) * n] = pair(s16[2 * i], s16[2 * i + 1]);
    if (!few) return;
    dst[NCE_X256_MINUS1 * n] = -all;
    for (size_t i = 0; i < 16; i++) {
        dst[(NCE_X256_MINUS32 + i) * n] = -32 * s16[i];
        dst[(NCE_X256_MINUS4 + i) * n] = field[i % 8 / 2] * s16[i];
    }
}

static void pack_group(const nce_act *a, const float *x, size_t ld_x, size_t c0, size_t n, size_t b)
{
    column_block columns[NCE_GROUP];
    const size_t block = a->block;
    int32_t *dst = (int32_t *)a->data + (nce_act_at(a, c0, n, b) - (const int32_t *)a->data);
    float d[NCE_GROUP];
    for (size_t c = 0; c < n; c++)
        d[c] = quantize(x + (c0 + c) * ld_x + b * block, block, columns[c].q);
    interleave(dst, block / 4, columns, n);
    for (size_t c = 0; c < n; c++) {
        if (block == 32)
            finish32(dst + c, n, columns[c].q, d[c]);
        else
            finish256(dst + c, n, columns[c].q, d[c], a->n_cols <= NCE_FEW);
    }
}

void nce_act_pack_avx512(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    if (a->block == 0) {
        for (size_t c = a->n_cols * part / n_parts; c < a->n_cols * (part + 1) / n_parts; c++)
            memcpy((float *)a->data + c * nce_act_ld(a->k), x + c * ld_x, a->k * sizeof *x);
        return;
    }
    /* One column has as many parts as blocks; the unit is a block of a group. */
    const size_t n_blocks = a->k / a->block, n_units = nce_act_groups(a->n_cols) * n_blocks;
    for (size_t unit = n_units * part / n_parts; unit < n_units * (part + 1) / n_parts; unit++) {
        const size_t g = unit / n_blocks, c0 = nce_act_group_start(a->n_cols, g);
        pack_group(a, x, ld_x, c0, nce_act_group_start(a->n_cols, g + 1) - c0, unit % n_blocks);
    }
}
