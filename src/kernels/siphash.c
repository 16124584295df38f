/* The reference of hashing many messages, one after the other, and the choice of the fastest variant. */
#include "src/kernels/siphash.h"
#include "src/core/runtime/cpu.h"

static void sip_many_ref(const uint64_t key[2], const void *messages, size_t n_words, size_t n, uint64_t (*out)[2])
{
    const unsigned char *p = messages;
    for (size_t m = 0; m < n; m++, p += 8 * n_words) {
        nce_sip s = nce_sip_init(key);
        for (size_t i = 0; i < n_words; i++)
            nce_sip_word(&s, nce_sip_load(p + 8 * i));
        nce_sip_finish(&s, 8 * n_words, 0, out[m]);
    }
}

void nce_sip_ops_init(nce_sip_ops *ops, uint32_t cpu)
{
    ops->many = sip_many_ref;
#if NCE_HAVE_AVX2
    if (cpu & NCE_CPU_AVX2) ops->many = nce_sip_many_avx2;
#endif
#if NCE_HAVE_AVX512
    if (cpu & NCE_CPU_AVX512) ops->many = nce_sip_many_avx512;
#endif
    (void)cpu;
}
