/* LIF update with AVX-512: 16 floats or 8 doubles at a time.  The formulas are those of snn_lif_body.h. */
#include "src/kernels/snn.h"
#include <immintrin.h>
#include <string.h>

#define REAL float
#define ARGS nce_snn_lif_f32
#define NAME(f) f##_f32
#define VEC __m512
#define WIDTH 16
#define LOAD(p) _mm512_load_ps(p)
#define STORE(p, x) _mm512_store_ps(p, x)
#define SET1(x) _mm512_set1_ps(x)
#define ADD(x, y) _mm512_add_ps(x, y)
#define SUB(x, y) _mm512_sub_ps(x, y)
#define MUL(x, y) _mm512_mul_ps(x, y)
#define DIV(x, y) _mm512_div_ps(x, y)
#define MAX(x, y) _mm512_max_ps(x, y)
#define MASK __mmask16
#define GT(x, y) _mm512_cmp_ps_mask(x, y, _CMP_GT_OQ)
#define BLEND(m, no, yes) _mm512_mask_blend_ps(m, no, yes)
#define RVEC __m256i
#define RLOAD(p) _mm256_load_si256((const __m256i *)(p))
#define RSTORE(p, old, r) _mm256_mask_storeu_epi16(p, _mm256_test_epi16_mask(old, old), r)
#define RBUSY(r) _mm256_test_epi16_mask(r, r)
#define RDOWN(r) _mm256_subs_epu16(r, _mm256_set1_epi16(1))
#define BITS(m) ((unsigned)(m))
#define SCALE(p, t)                                                                                                    \
    _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(t), 23)))
#include "src/kernels/snn_real_f32.h"
#include "src/kernels/snn_lif_body.h"
#include "src/kernels/snn_undef.h"

#define REAL double
#define ARGS nce_snn_lif_f64
#define NAME(f) f##_f64
#define VEC __m512d
#define WIDTH 8
#define LOAD(p) _mm512_load_pd(p)
#define STORE(p, x) _mm512_store_pd(p, x)
#define SET1(x) _mm512_set1_pd(x)
#define ADD(x, y) _mm512_add_pd(x, y)
#define SUB(x, y) _mm512_sub_pd(x, y)
#define MUL(x, y) _mm512_mul_pd(x, y)
#define DIV(x, y) _mm512_div_pd(x, y)
#define MAX(x, y) _mm512_max_pd(x, y)
#define MASK __mmask8
#define GT(x, y) _mm512_cmp_pd_mask(x, y, _CMP_GT_OQ)
#define BLEND(m, no, yes) _mm512_mask_blend_pd(m, no, yes)
#define RVEC __m128i
#define RLOAD(p) _mm_load_si128((const __m128i *)(p))
#define RSTORE(p, old, r) _mm_mask_storeu_epi16(p, _mm_test_epi16_mask(old, old), r)
#define RBUSY(r) _mm_test_epi16_mask(r, r)
#define RDOWN(r) _mm_subs_epu16(r, _mm_set1_epi16(1))
#define BITS(m) ((unsigned)(m))
#define SCALE(p, t)                                                                                                    \
    _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p), _mm512_slli_epi64(_mm512_castpd_si512(t), 52)))
#include "src/kernels/snn_real_f64.h"
#include "src/kernels/snn_lif_body.h"

void nce_snn_lif_f32_avx512(const nce_snn_lif_f32 *a, const nce_snn_sweep *w)
{
    step_f32(a, w);
}

void nce_snn_lif_f64_avx512(const nce_snn_lif_f64 *a, const nce_snn_sweep *w)
{
    step_f64(a, w);
}
