/* Vectors of 16 floats in AVX-512: the primitives that vec_simd.h and attention_simd.h are written in. */
#ifndef NCE_SRC_X86_VEC_LANES_AVX512_H
#define NCE_SRC_X86_VEC_LANES_AVX512_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VL 16
typedef __m512 vf;
typedef __m512i vi;
#define v_zero() _mm512_setzero_ps()
#define v_set1(x) _mm512_set1_ps(x)
#define v_load(p) _mm512_load_ps(p)
#define v_loadu(p) _mm512_loadu_ps(p)
#define v_store(p, x) _mm512_store_ps(p, x)
#define v_storeu(p, x) _mm512_storeu_ps(p, x)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_div(a, b) _mm512_div_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_fmaddsub(a, b, c) _mm512_fmaddsub_ps(a, b, c)
/* a > b ? a : b, so a NaN in b stays; likewise min */
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_min(a, b) _mm512_min_ps(a, b)
#define v_hmax(a) _mm512_reduce_max_ps(a)
#define v_first(a) _mm512_cvtss_f32(a)
#define v_dup_even(a) _mm512_moveldup_ps(a)
#define v_dup_odd(a) _mm512_movehdup_ps(a)
#define v_neg(x) _mm512_xor_ps(x, _mm512_set1_ps(-0.0f))
#define v_neg_abs(x) _mm512_or_ps(x, _mm512_set1_ps(-0.0f))
#define v_copysign(y, s) _mm512_or_ps(y, _mm512_and_ps(s, _mm512_set1_ps(-0.0f))) /* y has no sign */
/* nearest even to half precision and back */
#define v_half_grid(x) _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
/* the low bits of t as an exponent: see exp2neg */
#define v_exponent(t) _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(t), 23))
#define v_zero_below(x, min, y) _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, min, _CMP_NLT_UQ), y)
#define v_if_not_negative(x, a, b) _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, v_zero(), _CMP_GE_OQ), a)

static inline __mmask16 v_mask_n(size_t n) /* lanes 0 .. n-1, n <= 16 */
{
    return (__mmask16)((1u << n) - 1);
}

static inline vf v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_mask_n(n), p);
}

static inline void v_store_n(float *p, size_t n, vf x)
{
    _mm512_mask_storeu_ps(p, v_mask_n(n), x);
}

/* lanes below n from x, the others from y */
static inline vf v_first_n(size_t n, vf x, vf y)
{
    return _mm512_mask_mov_ps(y, v_mask_n(n), x);
}

/* lanes j.. with lo <= j < hi from x, the others from y */
static inline vf v_keep(vf x, int j, int lo, int hi, vf y)
{
    const int b = lo > j ? (lo < j + 16 ? lo - j : 16) : 0, e = hi < j + 16 ? (hi > j ? hi - j : 0) : 16;
    return _mm512_mask_mov_ps(y, (__mmask16)(((1u << e) - 1) & ~((1u << b) - 1)), x);
}

/* the fold of the contract: 16 lanes, then 8, 4, 2, 1 */
static inline float v_fold16(const vf *sum)
{
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(sum[0]), 1));
    const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(sum[0]), high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/* a0 b0 a1 b1 ...: half a register of each */
static inline vf v_pairs(const float *a, const float *b)
{
    const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(_mm512_castps256_ps512(_mm256_loadu_ps(a)), order,
                                  _mm512_castps256_ps512(_mm256_loadu_ps(b)));
}

#endif
