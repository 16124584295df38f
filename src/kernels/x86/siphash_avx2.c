/* SipHash of four messages at a time; rotations by whole bytes are shuffles. */
#include "src/kernels/siphash.h"
#include <immintrin.h>

static inline __m256i rotate(__m256i x, int n)
{
    if (n == 32) return _mm256_shuffle_epi32(x, 0xb1);
    if (n == 16)
        return _mm256_shuffle_epi8(x, _mm256_set_epi8(13, 12, 11, 10, 9, 8, 15, 14, 5, 4, 3, 2, 1, 0, 7, 6, 13, 12, 11,
                                                      10, 9, 8, 15, 14, 5, 4, 3, 2, 1, 0, 7, 6));
    return _mm256_or_si256(_mm256_slli_epi64(x, n), _mm256_srli_epi64(x, 64 - n));
}

#define VEC __m256i
#define LANES 4
#define SET1(x) _mm256_set1_epi64x((long long)(x))
#define ADD(x, y) _mm256_add_epi64(x, y)
#define XOR(x, y) _mm256_xor_si256(x, y)
#define ROL(x, n) rotate(x, n)
#define STORE(p, x) _mm256_storeu_si256((__m256i *)(void *)(p), x)
#define AT(p, i) ((long long)nce_sip_load((p) + 8 * (i)))
#define WORDS(p, i) _mm256_set_epi64x(AT(p[3], i), AT(p[2], i), AT(p[1], i), AT(p[0], i))
#include "src/kernels/siphash_simd.h"

void nce_sip_many_avx2(const uint64_t key[2], const void *messages, size_t n_words, size_t n, uint64_t (*out)[2])
{
    sip_many(key, messages, n_words, n, out);
}
