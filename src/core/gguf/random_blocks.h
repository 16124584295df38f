/* Random weights, made directly as blocks of a tensor type.
 *
 * A filler turns (key, block number) into the bytes of a block: no state, so any part of a tensor can be made by any
 * thread in any order.  The values it stands for have the mean and standard deviation asked for. */
#ifndef NCE_SRC_GGUF_RANDOM_BLOCKS_H
#define NCE_SRC_GGUF_RANDOM_BLOCKS_H
#include "src/core/runtime/context.h"
#include "src/kernels/types/type.h"

enum { NCE_FILLER_SCALES = 8 };

typedef struct nce_filler {
    const nce_type_info *type;
    uint64_t key;
    float mean, deviation;
    uint16_t d[NCE_FILLER_SCALES]; /* block scales to choose from, as half floats (MXFP4, NVFP4: scale bytes) */
    uint16_t m[NCE_FILLER_SCALES]; /* the offsets that go with them */
} nce_filler;

/* A word that looks random and is a function of key and counter only: SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t nce_mix_bits(uint64_t key, uint64_t counter)
{
    uint64_t x = key + (counter + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* NCE_ERR_UNSUPPORTED: a type that holds no weights (integers, F64, activations, I2_S).  mean is for F32, F16 and BF16;
 * the others are centred on 0. */
nce_status nce_filler_init(nce_context *ctx, nce_filler *f, nce_type type, uint64_t key, float mean, float deviation);
void nce_filler_run(const nce_filler *f, uint64_t first_block, size_t n_blocks, uint8_t *dst);

#endif
