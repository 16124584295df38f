/* Attention in AVX2, FMA and F16C: 16 registers, up to 6 rows together; the bodies are in attention_simd.h. */
#include "src/kernels/x86/vec_lanes_avx2.h"
#include "src/kernels/attention_tiled.h"

/* Codes of 8 positions, 4 dimensions each.  Multiplying bytes adds pairs in 16 bits and saturates, so codes of 8 bits
 * go as magnitudes (at most 127) with their sign moved to q; codes of 4 bits are small enough as they are. */
typedef struct vk {
    __m256i code, magnitude;
} vk;
#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define v_load_f16(p) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define v_load_s8(p) _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p))))
#define v_from_int(i) _mm256_cvtepi32_ps(i)
#define v_bcast4(p) _mm256_set1_epi32(*(const int32_t *)(const void *)(p))
#define v_dot_start(type, fix) _mm256_set1_epi32((type) == NCE_TYPE_Q4_0 ? (fix) : 0)
#define v_abs_bits(x) _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff))
#define v_max_int(a, b) _mm256_max_epi32(a, b)
#define v_min_int(a, b) _mm256_min_epi32(a, b)
#define v_add_int(a, b) _mm256_add_epi32(a, b)
#define v_set1_int(x) _mm256_set1_epi32(x)
#define v_truncate(x) _mm256_cvttps_epi32(x)
#define v_round(x) _mm256_cvtps_epi32(x)
#define v_store_f16(p, x) _mm_storeu_si128((__m128i *)(void *)(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT))

static inline vk v_codes8(const uint8_t *p)
{
    const __m256i c = _mm256_xor_si256(_mm256_load_si256((const __m256i *)(const void *)p), _mm256_set1_epi8(-128));
    return (vk){c, _mm256_abs_epi8(c)};
}

static inline vk v_codes4(const uint8_t *p, int high)
{
    const __m256i pair = _mm256_load_si256((const __m256i *)(const void *)p);
    const __m256i c = _mm256_and_si256(high ? _mm256_srli_epi16(pair, 4) : pair, _mm256_set1_epi8(15));
    return (vk){c, c};
}

static inline __m256i v_dot4(nce_type type, __m256i acc, vk k, __m256i q)
{
    const __m256i x = type == NCE_TYPE_Q8_0 ? _mm256_sign_epi8(q, k.code) : q;
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(k.magnitude, x), _mm256_set1_epi16(1)));
}

static inline uint32_t v_hmax_int(__m256i a)
{
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}

static inline void v_store_s8(int8_t *p, __m256i i)
{
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}

static inline vf v_load_bf16(const uint16_t *p)
{
    const __m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
}

static inline void v_store_bf16(uint16_t *p, vf x)
{
    const __m256i bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i near =
        _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i h = _mm256_blendv_epi8(near, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    _mm_storeu_si128((__m128i *)(void *)p, packed);
}

static inline vf v_load_s4(const uint8_t *p, int high)
{
    const __m256i byte = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    const __m256i code = high ? _mm256_srli_epi32(byte, 4) : _mm256_and_si256(byte, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(code, _mm256_set1_epi32(8)));
}

#include "src/kernels/attention_simd.h"
#include "src/kernels/attention_store_simd.h"

#define NAME nce_attn_ops_avx2
#define ROWS 6
#define CASES(M) M(1, 4, 1, 4) M(2, 2, 1, 2) M(3, 2, 1, 2) M(4, 1, 1, 1) M(5, 1, 1, 1) M(6, 1, 1, 1)
#define QK_ROWS 6
#define PV_ROWS                                                                                                        \
    {                                                                                                                  \
        0, 6, 6, 6, 6                                                                                                  \
    }
#include "src/kernels/attention_variant.inc"
