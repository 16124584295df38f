/* Weights to measure with: random blocks, the first few thousand of them repeated. */
#include "bench/kernels.h"
#include <stdbool.h>
#include <string.h>

enum { PATTERN = 4096 };

/* A scale like a model's: products are neither infinite nor denormal, which would be slow. */
static bool plausible(float f)
{
    return f == 0 || (f > -64 && f < 64 && (f > 0x1p-20f || f < -0x1p-20f));
}

static bool plausible_block(const nce_type_info *type, const uint8_t *block)
{
    nce_plain_block p;
    float f;
    if (type->decode == NULL)
        type->to_f32(block, &f, 1);
    else
        type->decode(block, 0, &p);
    return type->decode == NULL ? plausible(f) : plausible(p.d[0]) && plausible(p.d[1]) && plausible(p.dmin);
}

void bench_fill_weights(const nce_type_info *type, uint8_t *w, size_t bytes)
{
    const size_t pattern = (size_t)PATTERN * type->block_bytes;
    uint64_t state = 1;
    for (size_t b = 0; b < PATTERN; b++)
        do {
            for (size_t i = 0; i < type->block_bytes; i++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                w[b * type->block_bytes + i] = (uint8_t)(state >> 56);
            }
        } while (!plausible_block(type, w + b * type->block_bytes));
    for (size_t i = pattern; i < bytes; i += pattern)
        memcpy(w + i, w, bytes - i < pattern ? bytes - i : pattern);
}
