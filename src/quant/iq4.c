/* Quantizers of the types with sixteen uneven levels. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/codebooks.h"
#include "src/quant/fit.h"
#include "src/quant/quantize.h"

static uint32_t index_of(int8_t level)
{
    uint32_t k = 0;
    while (nce_iq4_values[k] < level)
        k++;
    return k;
}

static void pack_levels(const int8_t *code, uint8_t *q)
{
    for (int i = 0; i < 16; i++)
        q[i] = (uint8_t)(index_of(code[i]) | index_of(code[i + 16]) << 4);
}

void nce_quantize_iq4_nl(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_iq4, 1, 32, 1, 1, 1, -127, 113, 0.75f, 1.25f, 14, true, 1, NULL};
    nce_plain_block p;
    (void)words;
    nce_fit(&coder, x, w, &p);
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    pack_levels(p.code, block + 2);
}

void nce_quantize_iq4_xs(const float *x, const float *w, const nce_words *words, uint8_t *block)
{
    static const nce_coder coder = {nce_assign_iq4, 8, 32, -32, 31, 1, -127, 113, 0.75f, 1.25f, 14, true, 1, NULL};
    nce_plain_block p;
    uint32_t high = 0;
    (void)words;
    nce_fit(&coder, x, w, &p);
    memset(block, 0, 8);
    for (int j = 0; j < 8; j++) {
        const uint32_t scale = (uint32_t)(p.scale[j] + 32);
        block[4 + j / 2] |= (uint8_t)((scale & 15) << (4 * (j % 2)));
        high |= scale >> 4 << (2 * j);
        pack_levels(p.code + 32 * j, block + 8 + 16 * j);
    }
    nce_store_u16(block, nce_fit_f16(p.d[0]));
    nce_store_u16(block + 2, high);
}
