/* LIF update with AVX2: 8 floats or 4 doubles at a time.  The formulas are those of snn_lif_body.h. */
#include "src/kernels/snn.h"
#include <immintrin.h>
#include <string.h>

/* Counters that are not 0, as a mask of 16-bit lanes. */
#define BUSY16(r) _mm_xor_si128(_mm_cmpeq_epi16(r, _mm_setzero_si128()), _mm_set1_epi16(-1))

#define REAL float
#define ARGS nce_snn_lif_f32
#define NAME(f) f##_f32
#define VEC __m256
#define WIDTH 8
#define LOAD(p) _mm256_load_ps(p)
#define STORE(p, x) _mm256_store_ps(p, x)
#define SET1(x) _mm256_set1_ps(x)
#define ADD(x, y) _mm256_add_ps(x, y)
#define SUB(x, y) _mm256_sub_ps(x, y)
#define MUL(x, y) _mm256_mul_ps(x, y)
#define DIV(x, y) _mm256_div_ps(x, y)
#define MAX(x, y) _mm256_max_ps(x, y)
#define MASK __m256
#define GT(x, y) _mm256_cmp_ps(x, y, _CMP_GT_OQ)
#define BLEND(m, no, yes) _mm256_blendv_ps(no, yes, m)
#define RVEC __m128i
#define RLOAD(p) _mm_load_si128((const __m128i *)(p))
#define RSTORE(p, old, r) _mm_store_si128((__m128i *)(p), r)
#define RBUSY(r) _mm256_castsi256_ps(_mm256_cvtepi16_epi32(BUSY16(r)))
#define RDOWN(r) _mm_subs_epu16(r, _mm_set1_epi16(1))
#define BITS(m) ((unsigned)_mm256_movemask_ps(m))
#define SCALE(p, t)                                                                                                    \
    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(t), 23)))
#include "src/kernels/snn_real_f32.h"
#include "src/kernels/snn_lif_body.h"
#include "src/kernels/snn_undef.h"

#define REAL double
#define ARGS nce_snn_lif_f64
#define NAME(f) f##_f64
#define VEC __m256d
#define WIDTH 4
#define LOAD(p) _mm256_load_pd(p)
#define STORE(p, x) _mm256_store_pd(p, x)
#define SET1(x) _mm256_set1_pd(x)
#define ADD(x, y) _mm256_add_pd(x, y)
#define SUB(x, y) _mm256_sub_pd(x, y)
#define MUL(x, y) _mm256_mul_pd(x, y)
#define DIV(x, y) _mm256_div_pd(x, y)
#define MAX(x, y) _mm256_max_pd(x, y)
#define MASK __m256d
#define GT(x, y) _mm256_cmp_pd(x, y, _CMP_GT_OQ)
#define BLEND(m, no, yes) _mm256_blendv_pd(no, yes, m)
#define RVEC __m128i
#define RLOAD(p) _mm_loadl_epi64((const __m128i *)(p))
#define RSTORE(p, old, r) _mm_storel_epi64((__m128i *)(p), r)
#define RBUSY(r) _mm256_castsi256_pd(_mm256_cvtepi16_epi64(BUSY16(r)))
#define RDOWN(r) _mm_subs_epu16(r, _mm_set1_epi16(1))
#define BITS(m) ((unsigned)_mm256_movemask_pd(m))
#define SCALE(p, t)                                                                                                    \
    _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(p), _mm256_slli_epi64(_mm256_castpd_si256(t), 52)))
#include "src/kernels/snn_real_f64.h"
#include "src/kernels/snn_lif_body.h"

void nce_snn_lif_f32_avx2(const nce_snn_lif_f32 *a, const nce_snn_sweep *w)
{
    step_f32(a, w);
}

void nce_snn_lif_f64_avx2(const nce_snn_lif_f64 *a, const nce_snn_sweep *w)
{
    step_f64(a, w);
}
