/* Attention in AVX-512 (VNNI): 32 registers, up to 8 rows together; the bodies are in attention_simd.h. */
#include "src/kernels/x86/vec_lanes_avx512.h"
#include "src/kernels/attention_tiled.h"

typedef __m512i vk; /* codes of 16 positions, 4 dimensions each */
#define v_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)
#define v_load_f16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define v_load_s8(p) _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p))))
#define v_from_int(i) _mm512_cvtepi32_ps(i)
#define v_bcast4(p) _mm512_set1_epi32(*(const int32_t *)(const void *)(p))
/* unsigned codes times signed q; the product of their offset and the sum of q is the start value */
#define v_codes8(p) _mm512_load_si512(p)
#define v_dot_start(type, fix) _mm512_set1_epi32(fix)
#define v_dot4(type, acc, k, q) _mm512_dpbusd_epi32(acc, k, q)
#define v_abs_bits(x) _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff))
#define v_max_int(a, b) _mm512_max_epi32(a, b)
#define v_min_int(a, b) _mm512_min_epi32(a, b)
#define v_add_int(a, b) _mm512_add_epi32(a, b)
#define v_set1_int(x) _mm512_set1_epi32(x)
#define v_hmax_int(a) (uint32_t) _mm512_reduce_max_epi32(a)
#define v_truncate(x) _mm512_cvttps_epi32(x)
#define v_round(x) _mm512_cvtps_epi32(x)
#define v_store_s8(p, i) _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtepi32_epi8(i))
#define v_store_f16(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT))

static inline vf v_load_bf16(const uint16_t *p)
{
    const __m512i h = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
}

static inline void v_store_bf16(uint16_t *p, vf x)
{
    const __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i near =
        _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i h = _mm512_mask_or_epi32(near, nan, high, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(h));
}

/* 16 codes of 4 bits: the permutation looks only at the low 4 bits of a lane */
static inline vf v_load_s4(const uint8_t *p, int high)
{
    const __m512i byte = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    const vf code = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    return _mm512_permutexvar_ps(high ? _mm512_srli_epi32(byte, 4) : byte, code);
}

static inline vk v_codes4(const uint8_t *p, int high)
{
    const __m512i pair = _mm512_load_si512(p);
    return _mm512_and_si512(high ? _mm512_srli_epi16(pair, 4) : pair, _mm512_set1_epi8(15));
}

#include "src/kernels/attention_simd.h"
#include "src/kernels/attention_store_simd.h"

#define NAME nce_attn_ops_avx512
#define ROWS 8
#define CASES(M)                                                                                                       \
    M(1, 4, 4, 8) M(2, 4, 4, 8) M(3, 4, 4, 8) M(4, 4, 2, 4) M(5, 4, 2, 4) M(6, 4, 2, 4) M(7, 2, 1, 2) M(8, 2, 1, 2)
#define QK_ROWS 6
#define PV_ROWS                                                                                                        \
    {                                                                                                                  \
        0, 8, 8, 8, 6                                                                                                  \
    }
#include "src/kernels/attention_variant.inc"
