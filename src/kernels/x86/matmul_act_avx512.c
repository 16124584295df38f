/* The activation quantizer of AVX-512, the same bits as the reference. */
#include "src/kernels/x86/matmul_amx.h"
#include "src/kernels/x86/matmul_avx512.h"

void nce_quantize_block_avx512(const float *x, size_t n, nce_act_block *out)
{
    __m512i most = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16)
        most = _mm512_max_epu32(most, _mm512_and_si512(SET32(0x7fffffff), _mm512_loadu_si512(x + i)));
    if (!nce_act_scale(out, _mm512_reduce_max_epu32(most), n)) return;
    const __m512 inverse = _mm512_set1_ps(out->inverse);
    for (size_t i = 0; i < n; i += 16) {
        const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse)); /* nearest even */
        const __m128i q = _mm512_cvtepi32_epi8(v);
        _mm_store_si128((__m128i *)(out->q + i), q);
        _mm_store_si128((__m128i *)(out->sum4 + i / 4), _mm_dpbusd_epi32(_mm_setzero_si128(), _mm_set1_epi8(1), q));
    }
}

void nce_act_pack_avx512(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    nce_act_pack_with(a, x, ld_x, part, n_parts, nce_quantize_block_avx512);
}
