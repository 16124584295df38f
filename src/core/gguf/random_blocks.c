/* Every byte of a block is random but its scales.  Every bit pattern of a code is a valid one, so what is left to do is to
 * choose scales that give the deviation wanted (measured once per filler on a sample made with unit scales) and offsets
 * that centre the values on 0. */
#include "src/core/gguf/random_blocks.h"
#include "src/kernels/types/bits.h"
#include <math.h>
#include <string.h>

typedef void patch_fn(const nce_filler *f, uint64_t pick, uint8_t *block);

/* Where a type keeps its scales. */
typedef struct layout {
    nce_type type;
    uint8_t d_at, m_at; /* bytes; m_at 0: no offset */
    float centre;       /* offset / scale: the middle of the codes */
    bool any_sign;      /* the codes are lopsided: a random sign of d evens it out */
    patch_fn *patch;    /* after the scales are set */
} layout;

static void store_u16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

/* Int8 codes lie in -127..127. */
static void no_minus_128(uint8_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        codes[i] = codes[i] == 0x80 ? 0x81 : codes[i];
}

static void patch_q8_0(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    (void)f, (void)pick;
    no_minus_128(block + 2, 32);
}

static void patch_q6_k(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    (void)f, (void)pick;
    no_minus_128(block + 192, 16); /* the scales */
}

/* Equal 4-bit scale and min in each byte. */
static void patch_q2_k(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    (void)f, (void)pick;
    for (int i = 0; i < 16; i++)
        block[i] = (uint8_t)((block[i] & 15) * 17);
}

/* Equal 6-bit scales and mins: bytes 0-3 and 4-7 have the first four of each and the high bits of the others. */
static void patch_q45_k(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    (void)f, (void)pick;
    uint8_t *scales = block + 4;
    memcpy(scales + 4, scales, 4);
    for (int i = 8; i < 12; i++)
        scales[i] = (uint8_t)((scales[i] & 15) * 17);
}

/* The scale is spread over the high nibbles of four 16-bit words. */
static void patch_iq1_m(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    const uint16_t d = f->d[pick];
    for (int i = 0; i < 4; i++)
        block[48 + 2 * i + 1] = (uint8_t)((block[48 + 2 * i + 1] & 15) | (d >> 4 * i & 15) << 4);
}

/* Two-bit codes 0, 1, 2 with 1 as the middle: 3 becomes 1. */
static void two_bit_ternary(uint8_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        codes[i] &= (uint8_t) ~(codes[i] << 1 & 0xaa);
}

static void patch_tq2_0(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    (void)f, (void)pick;
    two_bit_ternary(block, 64);
}

static void patch_q2_0(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    (void)f, (void)pick;
    two_bit_ternary(block + 2, 16);
}

static void patch_mxfp4(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    block[0] = (uint8_t)f->d[pick];
}

static void patch_nvfp4(const nce_filler *f, uint64_t pick, uint8_t *block)
{
    for (int i = 0; i < 4; i++)
        block[i] = (uint8_t)f->d[(pick + (unsigned)i) % NCE_FILLER_SCALES];
}

enum { NO_D = 255 };

static const layout layouts[] = {
    {NCE_TYPE_Q4_0, 0, 0, 0, true, NULL},
    {NCE_TYPE_Q4_1, 0, 2, -7.5f, false, NULL},
    {NCE_TYPE_Q5_0, 0, 0, 0, true, NULL},
    {NCE_TYPE_Q5_1, 0, 2, -15.5f, false, NULL},
    {NCE_TYPE_Q8_0, 0, 0, 0, true, patch_q8_0},
    {NCE_TYPE_Q2_K, 80, 82, 1.5f, false, patch_q2_k},
    {NCE_TYPE_Q3_K, 108, 0, 0, true, NULL},
    {NCE_TYPE_Q4_K, 0, 2, 7.5f, false, patch_q45_k},
    {NCE_TYPE_Q5_K, 0, 2, 15.5f, false, patch_q45_k},
    {NCE_TYPE_Q6_K, 208, 0, 0, true, patch_q6_k},
    {NCE_TYPE_IQ2_XXS, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ2_XS, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ2_S, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ3_XXS, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ3_S, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ1_S, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ1_M, NO_D, 0, 0, true, patch_iq1_m},
    {NCE_TYPE_IQ4_NL, 0, 0, 0, true, NULL},
    {NCE_TYPE_IQ4_XS, 0, 0, 0, true, NULL},
    {NCE_TYPE_TQ1_0, 52, 0, 0, true, NULL},
    {NCE_TYPE_TQ2_0, 64, 0, 0, true, patch_tq2_0},
    {NCE_TYPE_MXFP4, NO_D, 0, 0, false, patch_mxfp4},
    {NCE_TYPE_NVFP4, NO_D, 0, 0, false, patch_nvfp4},
    {NCE_TYPE_Q1_0, 0, 0, 0, true, NULL},
    {NCE_TYPE_Q2_0, 0, 0, 0, true, patch_q2_0},
};

static const layout *layout_of(nce_type type)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type) return &layouts[i];
    return NULL;
}

/* ---- blocks ---- */

static void random_bytes(uint64_t key, uint64_t counter, uint8_t *dst, size_t n)
{
    for (; n >= 8; n -= 8, dst += 8) {
        const uint64_t word = nce_mix_bits(key, counter++);
        memcpy(dst, &word, 8);
    }
    const uint64_t last = nce_mix_bits(key, counter);
    memcpy(dst, &last, n);
}

static void fill_blocks(const nce_filler *f, const layout *l, uint64_t first, size_t n, uint8_t *dst)
{
    const size_t bytes = f->type->block_bytes;
    const uint64_t words = bytes / 8 + 2; /* counters of a block; the last one chooses its scale */
    for (size_t i = 0; i < n; i++, dst += bytes) {
        const uint64_t counter = (first + i) * words, pick = nce_mix_bits(f->key, counter + words - 1);
        const uint64_t which = pick % NCE_FILLER_SCALES;
        random_bytes(f->key, counter, dst, bytes);
        if (l->d_at != NO_D)
            store_u16(dst + l->d_at, (uint16_t)(f->d[which] ^ (l->any_sign ? pick >> 32 & 0x8000 : 0)));
        if (l->m_at != 0) store_u16(dst + l->m_at, f->m[which]);
        if (l->patch != NULL) l->patch(f, which, dst);
    }
}

/* The sum of four uniform 16-bit numbers: near enough to a Gaussian, bounded at 3.5 deviations, no libm. */
static float gaussian(uint64_t word)
{
    const int32_t sum = (int32_t)((word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48));
    return (float)(sum - 2 * 65535) * (1.0f / 37836.6f); /* 65536 * sqrt(4 / 12) */
}

static void fill_floats(const nce_filler *f, uint64_t first, size_t n, uint8_t *dst)
{
    const size_t bytes = f->type->block_bytes;
    for (size_t i = 0; i < n; i++) {
        const float v = f->mean + f->deviation * gaussian(nce_mix_bits(f->key, first + i));
        if (f->type->id == NCE_TYPE_F32)
            memcpy(dst + i * bytes, &v, sizeof v);
        else
            store_u16(dst + i * bytes,
                      (uint16_t)(f->type->id == NCE_TYPE_F16 ? nce_f16_from_f32(v) : nce_bf16_from_f32(v)));
    }
}

void nce_filler_run(const nce_filler *f, uint64_t first_block, size_t n_blocks, uint8_t *dst)
{
    const layout *l = layout_of(f->type->id);
    if (l != NULL)
        fill_blocks(f, l, first_block, n_blocks, dst);
    else
        fill_floats(f, first_block, n_blocks, dst);
}

/* ---- scales ---- */

enum { SAMPLE_BLOCKS = 64, SAMPLE_MAX = 256 };

/* Root mean square of a sample of blocks. */
static float measure(const nce_filler *f)
{
    uint8_t block[512];
    float values[SAMPLE_MAX];
    double sum = 0;
    for (uint64_t b = 0; b < SAMPLE_BLOCKS; b++) {
        nce_filler_run(f, b, 1, block);
        nce_type_to_f32(f->type, block, values, f->type->block);
        for (uint32_t i = 0; i < f->type->block; i++)
            sum += (double)values[i] * values[i];
    }
    return (float)sqrt(sum / SAMPLE_BLOCKS / f->type->block);
}

/* Scales spread over 0.75 .. 1.25 of d, so that blocks differ. */
static void set_half_scales(nce_filler *f, float d, float centre)
{
    for (int i = 0; i < NCE_FILLER_SCALES; i++) {
        const float scale = d * (0.75f + 0.5f * (float)i / (NCE_FILLER_SCALES - 1));
        f->d[i] = nce_f16_from_f32(scale);
        f->m[i] = nce_f16_from_f32(nce_f32_from_f16(f->d[i]) * centre);
    }
}

/* Formats with a one-byte scale: the byte whose sample comes nearest, found by halving (the scale grows with the byte). */
static void set_byte_scales(nce_filler *f, int highest)
{
    int low = 1, high = highest;
    while (low < high) {
        const int middle = (low + high) / 2;
        for (int i = 0; i < NCE_FILLER_SCALES; i++)
            f->d[i] = (uint16_t)middle;
        if (measure(f) < f->deviation)
            low = middle + 1;
        else
            high = middle;
    }
    for (int i = 0; i < NCE_FILLER_SCALES; i++)
        f->d[i] = (uint16_t)(i % 2 == 0 && low > 1 ? low - 1 : low);
}

nce_status nce_filler_init(nce_context *ctx, nce_filler *f, nce_type type, uint64_t key, float mean, float deviation)
{
    const nce_type_info *info = nce_type_info_of(type);
    const layout *l = layout_of(type);
    const bool plain = type == NCE_TYPE_F32 || type == NCE_TYPE_F16 || type == NCE_TYPE_BF16;
    if (info == NULL || (l == NULL && !plain))
        return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "type %d (%s) cannot hold random weights", (int)type,
                        info != NULL ? info->name : "unknown");
    *f = (nce_filler){.type = info, .key = key, .mean = mean, .deviation = deviation};
    if (l == NULL) return NCE_OK;
    if (type == NCE_TYPE_MXFP4 || type == NCE_TYPE_NVFP4) {
        set_byte_scales(f, type == NCE_TYPE_MXFP4 ? 254 : 126);
        return NCE_OK;
    }
    set_half_scales(f, 1.0f, l->centre);
    set_half_scales(f, deviation / measure(f), l->centre);
    return NCE_OK;
}
