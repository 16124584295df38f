/* SipHash-1-3 with 128-bit output, over whole 64-bit little-endian words: Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", INDOCRYPT 2012; the variant with one round a word and three at the end that Rust and Python use for
 * keyed hashing: half the time of SipHash-2-4, no attack known on either.  Streaming: init, any number of words, finish
 * with the length in bytes.
 *
 * A round is a chain of dependent operations, so one message at a time leaves most of a core idle.  nce_sip_ops hashes many
 * messages of one length side by side, a message in each lane; all variants give the same hashes. */
#ifndef NCE_SRC_KERNELS_SIPHASH_H
#define NCE_SRC_KERNELS_SIPHASH_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct nce_sip {
    uint64_t v0, v1, v2, v3;
} nce_sip;

static inline uint64_t nce_sip_load(const void *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t nce_sip_rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static inline void nce_sip_round(nce_sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = nce_sip_rotate(s->v1, 13) ^ s->v0;
    s->v3 = nce_sip_rotate(s->v3, 16) ^ s->v2;
    s->v0 = nce_sip_rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = nce_sip_rotate(s->v1, 17) ^ s->v2;
    s->v3 = nce_sip_rotate(s->v3, 21) ^ s->v0;
    s->v2 = nce_sip_rotate(s->v2, 32);
}

static inline nce_sip nce_sip_init(const uint64_t key[2])
{
    return (nce_sip){key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
}

static inline void nce_sip_word(nce_sip *s, uint64_t word)
{
    s->v3 ^= word;
    nce_sip_round(s);
    s->v0 ^= word;
}

/* rest: the n_bytes % 8 bytes after the last word, in the low end. */
static inline void nce_sip_finish(nce_sip *s, uint64_t n_bytes, uint64_t rest, uint64_t out[2])
{
    nce_sip_word(s, n_bytes << 56 | rest);
    s->v2 ^= 0xee;
    for (int i = 0; i < 3; i++)
        nce_sip_round(s);
    out[0] = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    s->v1 ^= 0xdd;
    for (int i = 0; i < 3; i++)
        nce_sip_round(s);
    out[1] = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Hashes of n messages of n_words words each that follow one another in memory. */
typedef void nce_sip_many_fn(const uint64_t key[2], const void *messages, size_t n_words, size_t n, uint64_t (*out)[2]);
typedef struct nce_sip_ops {
    nce_sip_many_fn *many;
} nce_sip_ops;
nce_sip_many_fn nce_sip_many_avx2, nce_sip_many_avx512;
void nce_sip_ops_init(nce_sip_ops *ops, uint32_t cpu); /* cpu: NCE_CPU_* bits, already masked */

#endif
