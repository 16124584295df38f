/* Quantizers: error against recorded blocks and against fixed limits, weights, extremes, refusals; the word search. */
#include "src/kernels/types/codebooks.h"
#include "src/kernels/types/type.h"
#include "src/quant/words.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1024 };

static uint32_t next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static float uniform(uint32_t *state)
{
    return (float)(next(state) >> 8) * 0x1p-24f;
}

/* Nearly Gaussian, variance 1. */
static void fill_normal(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = -6;
        for (int k = 0; k < 12; k++)
            x[i] += uniform(&seed);
    }
}

static double error_of(const float *x, const float *y, const float *w, size_t n)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)x[i] - y[i], wi = w ? w[i] : 1;
        error += wi * e * e;
        norm += wi * x[i] * x[i];
    }
    return sqrt(error / norm);
}

static double round_trip(nce_type type, const float *x, const float *importance, const float *w, float *y)
{
    uint8_t blocks[8 * N];
    cr_assert_eq(nce_quantize(type, x, blocks, 1, N, importance), NCE_OK, "%s", nce_type_name(type));
    cr_assert_eq(nce_dequantize(type, blocks, y, N), NCE_OK);
    return error_of(x, y, w, N);
}

/* Relative error of unit normal numbers: the limits are the errors measured when the quantizers were written, plus 2 %,
 * far below what a slip in packing or fitting would give. */
static const struct {
    nce_type type;
    double limit;
} normal_errors[] = {
    {NCE_TYPE_F32, 0},         {NCE_TYPE_F64, 0},          {NCE_TYPE_F16, 0.00022},    {NCE_TYPE_BF16, 0.0017},
    {NCE_TYPE_Q4_0, 0.0780},   {NCE_TYPE_Q4_1, 0.0699},    {NCE_TYPE_Q5_0, 0.0402},    {NCE_TYPE_Q5_1, 0.0333},
    {NCE_TYPE_Q8_0, 0.0051},   {NCE_TYPE_Q8_1, 0.0051},    {NCE_TYPE_Q2_K, 0.2582},    {NCE_TYPE_Q3_K, 0.1428},
    {NCE_TYPE_Q4_K, 0.0703},   {NCE_TYPE_Q5_K, 0.0341},    {NCE_TYPE_Q6_K, 0.0174},    {NCE_TYPE_Q8_K, 0.0065},
    {NCE_TYPE_IQ1_S, 0.4398},  {NCE_TYPE_IQ1_M, 0.4092},   {NCE_TYPE_IQ2_XXS, 0.3336}, {NCE_TYPE_IQ2_XS, 0.2927},
    {NCE_TYPE_IQ2_S, 0.2397},  {NCE_TYPE_IQ3_XXS, 0.1800}, {NCE_TYPE_IQ3_S, 0.1283},   {NCE_TYPE_IQ4_NL, 0.0731},
    {NCE_TYPE_IQ4_XS, 0.0734}, {NCE_TYPE_TQ1_0, 0.4398},   {NCE_TYPE_TQ2_0, 0.4398},   {NCE_TYPE_MXFP4, 0.1106},
    {NCE_TYPE_NVFP4, 0.0858},  {NCE_TYPE_Q1_0, 0.6047},    {NCE_TYPE_Q2_0, 0.3594},
};
enum { N_TYPES = sizeof normal_errors / sizeof *normal_errors };

Test(quantize, error_on_normal_numbers)
{
    static float x[N], y[N];
    fill_normal(x, N, 1);
    for (size_t i = 0; i < N_TYPES; i++) {
        const double error = round_trip(normal_errors[i].type, x, NULL, NULL, y);
        cr_assert_leq(error, normal_errors[i].limit, "%s: %.5f", nce_type_name(normal_errors[i].type), error);
    }
}

Test(quantize, equal_weights_change_nothing)
{
    static float x[N], ones[N];
    static uint8_t a[8 * N], b[8 * N];
    fill_normal(x, N, 2);
    for (int i = 0; i < N; i++)
        ones[i] = 7;
    for (size_t i = 0; i < N_TYPES; i++) {
        const nce_type type = normal_errors[i].type;
        nce_quantize(type, x, a, 1, N, NULL);
        nce_quantize(type, x, b, 1, N, ones);
        cr_assert_arr_eq(a, b, nce_type_row_bytes(type, N), "%s", nce_type_name(type));
    }
}

/* Rows do not touch each other, so they may be spread over threads. */
Test(quantize, rows_are_independent)
{
    static float x[4 * N];
    static uint8_t together[4 * 8 * N], apart[8 * N];
    fill_normal(x, 4 * N, 3);
    for (size_t i = 0; i < N_TYPES; i++) {
        const nce_type type = normal_errors[i].type;
        const size_t bytes = nce_type_row_bytes(type, N);
        nce_quantize(type, x, together, 4, N, NULL);
        for (size_t row = 0; row < 4; row++) {
            nce_quantize(type, x + row * N, apart, 1, N, NULL);
            cr_assert_arr_eq(apart, together + row * bytes, bytes, "%s", nce_type_name(type));
        }
    }
}

/* With weights on a quarter of the columns their error falls, in every type that has anything to choose. */
Test(quantize, weights_shift_the_error)
{
    static float x[N], w[N], plain[N], weighted[N];
    fill_normal(x, N, 4);
    for (int i = 0; i < N; i++)
        w[i] = i % 4 == 1 ? 1 : 0.01f;
    for (size_t i = 4; i < N_TYPES; i++) {
        const double without = (round_trip(normal_errors[i].type, x, NULL, w, plain), error_of(x, plain, w, N));
        const double with = round_trip(normal_errors[i].type, x, w, w, weighted);
        cr_assert_leq(with, without * 1.002, "%s", nce_type_name(normal_errors[i].type));
        if (normal_errors[i].limit > 0.05)
            cr_assert_lt(with, without * 0.99, "%s: %g, %g", nce_type_name(normal_errors[i].type), with, without);
    }
}

/* Weights that are ternary already, as in BitNet, come back without loss. */
Test(quantize, ternary_weights_are_kept)
{
    static float x[N], y[N];
    uint32_t seed = 5;
    for (int i = 0; i < N; i++)
        x[i] = 0.01171875f * (float)((int)(next(&seed) % 3) - 1);
    cr_assert_eq(round_trip(NCE_TYPE_TQ1_0, x, NULL, NULL, y), 0);
    cr_assert_eq(round_trip(NCE_TYPE_TQ2_0, x, NULL, NULL, y), 0);
    cr_assert_eq(round_trip(NCE_TYPE_Q2_0, x, NULL, NULL, y), 0);
}

/* Zero, tiny, huge, one-sided and mixed blocks give finite values, and zeroes stay small. */
Test(quantize, extremes)
{
    static float x[N], y[N], w[N];
    for (size_t i = 0; i < N_TYPES; i++)
        for (int kind = 0; kind < 7; kind++) {
            const nce_type type = normal_errors[i].type;
            uint32_t seed = 6;
            for (int k = 0; k < N; k++) {
                const float v[7] = {0, 1e-42f, 3.4e38f, 1 + uniform(&seed), k % 7 ? 1e-30f : 1e30f, -65504, k == 300};
                x[k] = k % 2 && kind < 3 ? -v[kind] : v[kind];
                w[k] = kind == 5 ? 0 : k % 3 ? 3e38f : 1e-40f;
            }
            (void)round_trip(type, x, w, NULL, y);
            for (int k = 0; k < N; k++) {
                const bool whole = isfinite(y[k]) && (kind > 1 || fabsf(y[k]) < 1e-5f);
                cr_assert(whole, "%s, kind %d, element %d: %g", nce_type_name(type), kind, k, (double)y[k]);
            }
        }
}

Test(quantize, refuses)
{
    static float x[256], w[256];
    static uint8_t out[2048], untouched[2048];
    memset(out, 0xa5, sizeof out);
    memset(untouched, 0xa5, sizeof untouched);
    cr_assert_eq(nce_quantize((nce_type)5, x, out, 1, 256, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantize(NCE_TYPE_I2_S, x, out, 1, 256, NULL), NCE_ERR_UNSUPPORTED);
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, x, out, 1, 128, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, NULL, out, 1, 256, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, x, NULL, 1, 256, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, x, out, SIZE_MAX / 8, 256, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, NULL, NULL, 0, 256, NULL), NCE_OK);
    x[255] = NAN;
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, x, out, 1, 256, NULL), NCE_ERR_INVALID);
    x[255] = -INFINITY;
    cr_assert_eq(nce_quantize(NCE_TYPE_F16, x, out, 1, 256, NULL), NCE_ERR_INVALID);
    x[255] = 0;
    w[3] = -1;
    cr_assert_eq(nce_quantize(NCE_TYPE_Q4_K, x, out, 1, 256, w), NCE_ERR_INVALID);
    cr_assert_arr_eq(out, untouched, sizeof out);
}

Test(quantize, numbers_are_rounded_and_saturate)
{
    const float x[6] = {2.5f, -3.5f, 1e9f, -1e30f, 70000, 0.1f};
    int8_t i8[6];
    int64_t i64[6];
    float y[6];
    uint8_t f16[12];
    cr_assert_eq(nce_quantize(NCE_TYPE_I8, x, i8, 1, 6, NULL), NCE_OK);
    cr_assert(i8[0] == 2 && i8[1] == -4 && i8[2] == 127 && i8[3] == -128 && i8[5] == 0);
    cr_assert_eq(nce_quantize(NCE_TYPE_I64, x, i64, 1, 6, NULL), NCE_OK);
    cr_assert(i64[0] == 2 && i64[2] == 1000000000 && i64[3] == INT64_MIN && i64[4] == 70000);
    cr_assert_eq(nce_quantize(NCE_TYPE_F16, x, f16, 1, 6, NULL), NCE_OK);
    cr_assert_eq(nce_dequantize(NCE_TYPE_F16, f16, y, 6), NCE_OK);
    cr_assert(y[4] == 65504 && y[3] == -65504 && y[0] == 2.5f);
}

/* The decoded integers mean what expansion gives, for any bytes: the formula of type.h in double, within its rounding. */
Test(quantize, decode_and_expansion_agree)
{
    uint32_t seed = 7;
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *t = nce_type_info_of((nce_type)id);
        if (t == NULL || t->decode == NULL) continue;
        for (int round = 0; round < 200; round++) {
            uint8_t block[292];
            float y[256];
            for (size_t i = 0; i < sizeof block; i++)
                block[i] = (uint8_t)next(&seed);
            nce_type_to_f32(t, block, y, t->block);
            for (uint32_t i = 0; i < t->block; i++) {
                nce_plain_block p;
                t->decode(block, i / t->act_block, &p);
                const uint32_t k = i % t->act_block, s = k / 16;
                const double first = (double)p.d[t->half_scales ? s : 0] * p.scale[s] * p.code[k];
                const double second = (double)p.dmin * p.min[s], size = fabs(first) + fabs(second);
                cr_assert(t->has_min || second == 0);
                cr_assert_leq(abs(p.scale[s] * p.code[k]), 4096);
                if (!(size < 1e37)) continue; /* beyond float, or a NaN scale */
                cr_assert_leq(fabs(first - second - y[i]), 2e-7 * size + 1e-44, "%s, element %u", t->name, i);
            }
        }
    }
}

/* Branch and bound finds the cheapest word: compared with trying all of them. */
static void check_search(const void *words, int n, int n_dims)
{
    nce_words b;
    uint32_t seed = 8;
    if (n_dims == 8)
        nce_words_init_8(&b, words, n);
    else
        nce_words_init_4(&b, words, n);
    for (int round = 0; round < 200; round++) {
        float cost[8][NCE_WORDS_LEVELS], least = INFINITY;
        uint8_t level[8], trial[8];
        int best = -1;
        for (int k = 0; k < n_dims; k++)
            for (int l = 0; l < b.n_levels; l++)
                cost[k][l] = (float)(next(&seed) % 4096) - 2048; /* integers: sums are exact in any order */
        for (int i = 0; i < n; i++) {
            const uint64_t word = n_dims == 8 ? ((const uint64_t *)words)[i] : ((const uint32_t *)words)[i];
            float total = 0;
            for (int k = 0; k < n_dims; k++) {
                trial[k] = 0;
                while (b.level[trial[k]] != (int8_t)(word >> (8 * k) & 255))
                    trial[k]++;
                total += cost[k][trial[k]];
            }
            cr_assert_eq(nce_words_number(&b, trial), i);
            best = total < least ? i : best;
            least = total < least ? total : least;
        }
        cr_assert_eq(nce_words_nearest(&b, cost, level), least);
        float found = 0;
        for (int k = 0; k < n_dims; k++)
            found += cost[k][level[k]];
        cr_assert_eq(found, least);
        cr_assert_lt(nce_words_number(&b, level), n);
        cr_assert_geq(best, 0);
    }
}

Test(quantize, word_search_is_exact)
{
    check_search(nce_iq2_xxs_words, 256, 8);
    check_search(nce_iq2_xs_words, 512, 8);
    check_search(nce_iq2_s_words, 1024, 8);
    check_search(nce_iq1_words, 2048, 8);
    check_search(nce_iq3_xxs_words, 256, 4);
    check_search(nce_iq3_s_words, 512, 4);
}

static float *read_floats(const char *folder, const char *name)
{
    char path[1024];
    float *x = malloc(4 * N * sizeof *x);
    snprintf(path, sizeof path, "%s/golden/quant/%s.f32", folder, name);
    FILE *f = fopen(path, "rb");
    const bool whole = f != NULL && fread(x, sizeof *x, 4 * N, f) == 4 * N;
    if (f != NULL) fclose(f);
    if (whole) return x;
    free(x);
    return NULL;
}

/* No worse than the blocks another program wrote for the same numbers. */
Test(quantize, recorded_blocks)
{
    const char *folder = getenv("NCE_TEST_DATA");
    float *x = folder ? read_floats(folder, "input") : NULL;
    if (x == NULL) cr_skip_test("no recorded blocks: NCE_TEST_DATA is unset or lacks golden/quant");
    static float y[4 * N];
    static uint8_t blocks[32 * N];
    for (size_t i = 4; i < N_TYPES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s", nce_type_name(normal_errors[i].type));
        if (strlen(name) == 4 && name[3] == 'k') name[3] = 'K';
        float *theirs = read_floats(folder, name);
        if (theirs == NULL) continue; /* Q8_1, Q8_K: not recorded */
        cr_assert_eq(nce_quantize(normal_errors[i].type, x, blocks, 4, N, NULL), NCE_OK);
        cr_assert_eq(nce_dequantize(normal_errors[i].type, blocks, y, 4 * N), NCE_OK);
        const double ours = error_of(x, y, NULL, 4 * N), peer = error_of(x, theirs, NULL, 4 * N);
        cr_assert_leq(ours, 1.02 * peer, "%s: %g, recorded %g", name, ours, peer);
        free(theirs);
    }
    free(x);
}
