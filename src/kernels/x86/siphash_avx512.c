/* SipHash of eight messages at a time. */
#include "src/kernels/siphash.h"
#include <immintrin.h>

#define VEC __m512i
#define LANES 8
#define SET1(x) _mm512_set1_epi64((long long)(x))
#define ADD(x, y) _mm512_add_epi64(x, y)
#define XOR(x, y) _mm512_xor_si512(x, y)
#define ROL(x, n) _mm512_rol_epi64(x, n)
#define STORE(p, x) _mm512_storeu_si512(p, x)
#define AT(p, i) ((long long)nce_sip_load((p) + 8 * (i)))
/* No gather: processors that are patched against data sampling run it slowly. */
#define WORDS(p, i)                                                                                                    \
    _mm512_set_epi64(AT(p[7], i), AT(p[6], i), AT(p[5], i), AT(p[4], i), AT(p[3], i), AT(p[2], i), AT(p[1], i),        \
                     AT(p[0], i))
#include "src/kernels/siphash_simd.h"

void nce_sip_many_avx512(const uint64_t key[2], const void *messages, size_t n_words, size_t n, uint64_t (*out)[2])
{
    sip_many(key, messages, n_words, n, out);
}
