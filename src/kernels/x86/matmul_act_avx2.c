/* The activation quantizer of AVX2, the same bits as the reference. */
#include "src/kernels/matmul_panel.h"
#include <immintrin.h>

static uint32_t largest(__m256i v)
{
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1)));
}

static void quantize(const float *x, size_t n, nce_act_block *out)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8)
        most = _mm256_max_epu32(most, _mm256_and_si256(magnitude, _mm256_loadu_si256((const __m256i *)(x + i))));
    if (!nce_act_scale(out, largest(most), n)) return;
    const __m256 inverse = _mm256_set1_ps(out->inverse);
    for (size_t i = 0; i < n; i += 16) {
        const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse)); /* nearest even */
        const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), inverse));
        const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
        const __m128i q = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        const __m128i pairs = _mm_maddubs_epi16(_mm_set1_epi8(1), q);
        _mm_store_si128((__m128i *)(out->q + i), q);
        _mm_store_si128((__m128i *)(out->sum4 + i / 4), _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
    }
}

void nce_act_pack_avx2(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    nce_act_pack_with(a, x, ld_x, part, n_parts, quantize);
}
