/* The type table: names and sizes, expansion against recorded blocks of other programs and against the formula. */
#include "src/kernels/types/bits.h"
#include "src/kernels/types/type.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(quant_types, every_row_is_found_by_its_name)
{
    int n = 0;
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *t = nce_type_info_of((nce_type)id);
        nce_type found = NCE_TYPE_F32;
        if (t == NULL) {
            cr_assert_null(nce_type_name((nce_type)id));
            continue;
        }
        n++;
        cr_assert_eq((int)t->id, id);
        cr_assert_eq(nce_type_from_name(t->name, &found), NCE_OK);
        cr_assert_eq((int)found, id);
        cr_assert_eq((t->decode == NULL), t->act_block == 0, "%s", t->name);
        cr_assert_eq((t->decode == NULL), t->to_f32 != NULL, "%s", t->name);
        cr_assert(t->act_block == 0 || t->block % t->act_block == 0, "%s", t->name);
    }
    cr_assert_eq(n, 36);
}

Test(quant_types, names_and_sizes)
{
    nce_type type = NCE_TYPE_F16;
    cr_assert_eq(nce_type_from_name("Q4_K", &type), NCE_OK);
    cr_assert_eq(type, NCE_TYPE_Q4_K);
    cr_assert_eq(nce_type_from_name("q4_kk", &type), NCE_ERR_NOTFOUND);
    cr_assert_eq(nce_type_from_name("q4_", &type), NCE_ERR_NOTFOUND);
    cr_assert_eq(nce_type_from_name(NULL, &type), NCE_ERR_INVALID);
    cr_assert_eq(nce_type_from_name("f32", NULL), NCE_ERR_INVALID);
    cr_assert_eq(type, NCE_TYPE_Q4_K);
    cr_assert_null(nce_type_name((nce_type)4));
    cr_assert_null(nce_type_name((nce_type)-1));
    cr_assert_null(nce_type_name(NCE_TYPE_MAX_));
    cr_assert_eq(nce_type_block_elements(NCE_TYPE_NVFP4), 64);
    cr_assert_eq(nce_type_block_bytes(NCE_TYPE_IQ1_M), 56);
    cr_assert_eq(nce_type_block_bytes((nce_type)5), 0);
    cr_assert_eq(nce_type_row_bytes(NCE_TYPE_Q6_K, 512), 420);
    cr_assert_eq(nce_type_row_bytes(NCE_TYPE_Q6_K, 500), 0);
    cr_assert_eq(nce_type_row_bytes(NCE_TYPE_F64, SIZE_MAX / 4), 0);
    cr_assert_eq(nce_type_tensor_bytes(nce_type_info_of(NCE_TYPE_I2_S), 3, 256), 224);
    cr_assert_eq(nce_type_tensor_bytes(nce_type_info_of(NCE_TYPE_F32), SIZE_MAX / 8, 256), 0);
}

Test(quant_types, dequantize_refuses)
{
    uint8_t block[64] = {0};
    float y[64];
    cr_assert_eq(nce_dequantize((nce_type)4, block, y, 32), NCE_ERR_INVALID);
    cr_assert_eq(nce_dequantize(NCE_TYPE_Q4_0, block, y, 31), NCE_ERR_INVALID);
    cr_assert_eq(nce_dequantize(NCE_TYPE_Q4_0, NULL, y, 32), NCE_ERR_INVALID);
    cr_assert_eq(nce_dequantize(NCE_TYPE_Q4_0, block, NULL, 32), NCE_ERR_INVALID);
    cr_assert_eq(nce_dequantize(NCE_TYPE_Q4_0, NULL, NULL, 0), NCE_OK);
    cr_assert_eq(nce_dequantize(NCE_TYPE_I2_S, block, y, 128), NCE_ERR_UNSUPPORTED);
}

/* Every F16 goes to float and back; floats between two of them go to the nearer, ties to even. */
Test(quant_types, half_precision_round_trip)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float f = nce_f32_from_f16(h);
        const uint32_t quiet = (h & 0x7c00) == 0x7c00 && (h & 0x3ff) ? h | 0x200 : h;
        cr_assert_eq(nce_f16_from_f32(f), quiet, "%04x", h);
        if ((h & 0x7fff) >= 0x7bff) continue;
        const double next = (double)nce_f32_from_f16(h + 1), middle = ((double)f + next) / 2;
        cr_assert_eq(nce_f16_from_f32((float)middle), (h & 1) ? h + 1 : h, "tie above %04x", h);
        cr_assert_eq(nce_f16_from_f32((float)(middle + (next - f) / 64)), h + 1, "above the tie of %04x", h);
        cr_assert_eq(nce_f16_from_f32((float)(middle - (next - f) / 64)), h, "below the tie of %04x", h);
    }
    cr_assert_eq(nce_f16_from_f32(65519.996f), 0x7bff);
    cr_assert_eq(nce_f16_from_f32(65520.0f), 0x7c00);
    cr_assert_eq(nce_bf16_from_f32(nce_f32_from_bits(0x3f808000)), 0x3f80);
    cr_assert_eq(nce_bf16_from_f32(nce_f32_from_bits(0x3f818000)), 0x3f82);
    cr_assert_eq(nce_bf16_from_f32(nce_f32_from_bits(0x7f800001)), 0x7fc0);
}

/* Blocks written by hand from the description of the format, so that the formula is pinned without any file. */
Test(quant_types, hand_made_blocks)
{
    float y[256];
    uint8_t q4_1[20] = {0x00, 0x40, 0x00, 0xbc, 0x1f}; /* d 2, m -1; code 15 for element 0, 1 for element 16 */
    cr_assert_eq(nce_dequantize(NCE_TYPE_Q4_1, q4_1, y, 32), NCE_OK);
    cr_assert(y[0] == 29 && y[16] == 1 && y[1] == -1);

    uint8_t q6_k[210] = {0};
    q6_k[1] = 0x05, q6_k[128 + 1] = 0x01 | 0x20; /* element 1: 5 | 16; element 65: 2 << 4 */
    q6_k[192] = 3, q6_k[192 + 4] = 0xfe;         /* sub-scales 3 and -2 */
    q6_k[209] = 0x38;                            /* d 1/2 */
    cr_assert_eq(nce_dequantize(NCE_TYPE_Q6_K, q6_k, y, 256), NCE_OK);
    cr_assert(y[0] == -48 && y[1] == (21 - 32) * 1.5f && y[65] == 0 && y[64] == 32 && y[255] == 0);

    uint8_t tq1_0[54] = {0};
    tq1_0[0] = 0xff, tq1_0[53] = 0x3c; /* five digits 2 at elements 0, 32, ... 128 */
    cr_assert_eq(nce_dequantize(NCE_TYPE_TQ1_0, tq1_0, y, 256), NCE_OK);
    cr_assert(y[0] == 1 && y[32] == 1 && y[128] == 1 && y[1] == -1 && y[160] == -1);

    uint8_t nvfp4[36] = {0x38, 0x40, 0, 0x7f, [4] = 0x71, [12] = 0x0f, [35] = 0x77}; /* scales 1, 2, 0, NaN as 0 */
    cr_assert_eq(nce_dequantize(NCE_TYPE_NVFP4, nvfp4, y, 64), NCE_OK);
    cr_assert(y[0] == 0.5f && y[8] == 6 && y[16] == -12 && y[63] == 0);

    nce_plain_block p;
    uint8_t i2_s[32] = {0x86, [31] = 2}; /* element 0: 1, 32: -1, 64: 0, 96: 1 */
    nce_type_info_of(NCE_TYPE_I2_S)->decode(i2_s, 0, &p);
    cr_assert(p.code[0] == 1 && p.code[1] == -1 && p.d[0] == 1);
    nce_type_info_of(NCE_TYPE_I2_S)->decode(i2_s, 2, &p);
    cr_assert(p.code[0] == 0);
    nce_type_info_of(NCE_TYPE_I2_S)->decode(i2_s, 3, &p);
    cr_assert(p.code[0] == 1 && p.code[31] == 1);
}

static uint8_t *read_file(const char *folder, const char *name, const char *suffix, size_t *size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/quant/%s%s", folder, name, suffix);
    FILE *f = fopen(path, "rb");
    if (f == NULL) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *data = malloc(*size);
    cr_assert_eq(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

/* Blocks written by ggml 0.21 and their values, bit for bit. */
Test(quant_types, recorded_blocks)
{
    static const char *const names[] = {"f32",    "f16",     "bf16",   "q4_0",  "q4_1",    "q5_0",  "q5_1",
                                        "q8_0",   "q2_K",    "q3_K",   "q4_K",  "q5_K",    "q6_K",  "iq1_s",
                                        "iq1_m",  "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_nl",
                                        "iq4_xs", "tq1_0",   "tq2_0",  "mxfp4", "nvfp4",   "q1_0",  "q2_0"};
    const char *folder = getenv("NCE_TEST_DATA");
    size_t n_bytes, n_want;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint8_t *blocks = folder ? read_file(folder, names[i], ".q", &n_bytes) : NULL;
        if (blocks == NULL) cr_skip_test("no recorded blocks: NCE_TEST_DATA is unset or lacks golden/quant");
        uint8_t *want = read_file(folder, names[i], ".f32", &n_want);
        nce_type type;
        cr_assert_eq(nce_type_from_name(names[i], &type), NCE_OK);
        cr_assert_eq(nce_type_row_bytes(type, n_want / 4), n_bytes);
        float *got = malloc(n_want);
        cr_assert_eq(nce_dequantize(type, blocks, got, n_want / 4), NCE_OK);
        cr_assert_arr_eq(got, want, n_want, "%s", names[i]);
        free(got);
        free(want);
        free(blocks);
    }
}
