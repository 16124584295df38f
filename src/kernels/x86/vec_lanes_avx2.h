/* Vectors of 8 floats in AVX2, FMA and F16C: the primitives that vec_simd.h and attention_simd.h are written in. */
#ifndef NCE_SRC_X86_VEC_LANES_AVX2_H
#define NCE_SRC_X86_VEC_LANES_AVX2_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VL 8
typedef __m256 vf;
typedef __m256i vi;
#define v_zero() _mm256_setzero_ps()
#define v_set1(x) _mm256_set1_ps(x)
#define v_load(p) _mm256_load_ps(p)
#define v_loadu(p) _mm256_loadu_ps(p)
#define v_store(p, x) _mm256_store_ps(p, x)
#define v_storeu(p, x) _mm256_storeu_ps(p, x)
#define v_add(a, b) _mm256_add_ps(a, b)
#define v_sub(a, b) _mm256_sub_ps(a, b)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_div(a, b) _mm256_div_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_fmaddsub(a, b, c) _mm256_fmaddsub_ps(a, b, c)
/* a > b ? a : b, so a NaN in b stays; likewise min */
#define v_max(a, b) _mm256_max_ps(a, b)
#define v_min(a, b) _mm256_min_ps(a, b)
#define v_first(a) _mm256_cvtss_f32(a)
#define v_dup_even(a) _mm256_moveldup_ps(a)
#define v_dup_odd(a) _mm256_movehdup_ps(a)
#define v_neg(x) _mm256_xor_ps(x, _mm256_set1_ps(-0.0f))
#define v_neg_abs(x) _mm256_or_ps(x, _mm256_set1_ps(-0.0f))
#define v_copysign(y, s) _mm256_or_ps(y, _mm256_and_ps(s, _mm256_set1_ps(-0.0f))) /* y has no sign */
/* nearest even to half precision and back */
#define v_half_grid(x) _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
/* the low bits of t as an exponent: see exp2neg */
#define v_exponent(t) _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(t), 23))
#define v_zero_below(x, min, y) _mm256_and_ps(_mm256_cmp_ps(x, min, _CMP_NLT_UQ), y)
#define v_if_not_negative(x, a, b) _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, v_zero(), _CMP_GE_OQ))

static inline float v_hmax(vf a)
{
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

/* lanes j.. with lo <= j < hi from x, the others from y */
static inline __m256i v_range(int j, int lo, int hi)
{
    const __m256i i = _mm256_add_epi32(_mm256_set1_epi32(j), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(lo), i),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(hi), i));
}

static inline vf v_keep(vf x, int j, int lo, int hi, vf y)
{
    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(v_range(j, lo, hi)));
}

static inline vf v_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, v_range(0, 0, (int)n));
}

static inline void v_store_n(float *p, size_t n, vf x)
{
    _mm256_maskstore_ps(p, v_range(0, 0, (int)n), x);
}

/* lanes below n from x, the others from y */
static inline vf v_first_n(size_t n, vf x, vf y)
{
    return v_keep(x, 0, 0, (int)n, y);
}

/* the fold of the contract: 16 lanes, then 8, 4, 2, 1 */
static inline float v_fold16(const vf *sum)
{
    const __m256 a = _mm256_add_ps(sum[0], sum[1]);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* a0 b0 a1 b1 ...: half a register of each */
static inline vf v_pairs(const float *a, const float *b)
{
    const __m128 x = _mm_loadu_ps(a), y = _mm_loadu_ps(b);
    return _mm256_set_m128(_mm_unpackhi_ps(x, y), _mm_unpacklo_ps(x, y));
}

#endif
