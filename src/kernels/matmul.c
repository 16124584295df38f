/* Matrix products: the scalar reference, which is the contract of matmul.h in executable form, and the chooser.
 *
 * The reference keeps activations as plain codes and scales.  A row's segment is decoded once to small integers and
 * reused by all columns; everything else follows the contract word by word. */
#include "src/kernels/matmul.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/matmul_panel.h"
#include "src/kernels/types/bits.h"
#include <math.h>

enum { FLOAT_COLUMNS = 8, FLOAT_CHUNK = 1024 }; /* tiling only: no effect on results */

/* Layout of nce_act.data here: codes int8 [n_cols][k], padded to 64 bytes, then scales float [n_cols][k / block]; or,
 * for block 0, float [n_cols][k]. */
static size_t codes_bytes(const nce_act *a)
{
    return (a->n_cols * a->k + 63) / 64 * 64;
}

static size_t act_bytes_ref(uint32_t block, size_t n_cols, size_t k)
{
    if (k != 0 && n_cols > SIZE_MAX / 8 / k) return 0;
    const size_t n = n_cols * k, bytes = block == 0 ? n * 4 : (n + 63) / 64 * 64 + n / block * 4;
    return (bytes + 64) / 64 * 64; /* 0 means overflow */
}

void nce_matmul_reference_act(const nce_act *a, const int8_t **codes, const float **scales)
{
    *codes = a->data;
    *scales = (const float *)((const char *)a->data + codes_bytes(a));
}

float nce_quantize_block_ref(const float *x, size_t n, int8_t *q)
{
    uint32_t amax_bits = 0;
    for (size_t i = 0; i < n; i++) {
        const uint32_t magnitude = nce_bits_from_f32(x[i]) & 0x7fffffff;
        amax_bits = magnitude > amax_bits ? magnitude : amax_bits;
    }
    const float amax = nce_f32_from_bits(amax_bits);
    if (amax_bits >= 0x7f800000 || amax < 0x1p-120f) { /* not finite; or 127 / amax would overflow */
        memset(q, 0, n);
        return amax_bits >= 0x7f800000 ? NAN : 0;
    }
    const float inverse = 127.0f / amax;
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)lrintf(x[i] * inverse);
    return amax / 127.0f;
}

static void pack_ref(const nce_act *a, const float *x, size_t ld_x, size_t part, size_t n_parts)
{
    const size_t from = a->n_cols * part / n_parts, to = a->n_cols * (part + 1) / n_parts;
    for (size_t c = from; c < to; c++) {
        if (a->block == 0) {
            memcpy((float *)a->data + c * a->k, x + c * ld_x, a->k * 4);
            continue;
        }
        int8_t *q = (int8_t *)a->data + c * a->k;
        float *d = (float *)((char *)a->data + codes_bytes(a)) + c * (a->k / a->block);
        for (size_t i = 0; i < a->k; i += a->block)
            *d++ = nce_quantize_block_ref(x + c * ld_x + i, a->block, q + i);
    }
}

static int32_t dot16(const int8_t *w, const int8_t *q)
{
    int32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += w[i] * q[i];
    return sum;
}

static int32_t sum16(const int8_t *q)
{
    int32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += q[i];
    return sum;
}

static float add_piece(float acc, const nce_type_info *type, const nce_plain_block *w, const int8_t *q, float da)
{
    const uint32_t n_sub = type->act_block / 16;
    if (type->half_scales) {
        acc = fmaf(w->d[0] * da, (float)(w->scale[0] * dot16(w->code, q)), acc);
        return fmaf(w->d[1] * da, (float)(w->scale[1] * dot16(w->code + 16, q + 16)), acc);
    }
    int32_t isum = 0, msum = 0;
    for (uint32_t s = 0; s < n_sub; s++)
        isum += w->scale[s] * dot16(w->code + 16 * s, q + 16 * s);
    acc = fmaf(w->d[0] * da, (float)isum, acc);
    if (!type->has_min) return acc;
    for (uint32_t s = 0; s < n_sub; s++)
        msum += w->min[s] * sum16(q + 16 * s);
    return fmaf(-(w->dmin * da), (float)msum, acc);
}

static void decode_segment(const nce_type_info *type, const uint8_t *w, size_t first, size_t n, nce_plain_block *out)
{
    const size_t per_block = type->block / type->act_block; /* a segment may start inside no block: blocks divide it */
    for (size_t p = first; p < first + n; p++)
        type->decode(w + p / per_block * type->block_bytes, p % per_block, out++);
}

static void product_quantized(const nce_type_info *type, const uint8_t *w, const nce_act *a, float *y, size_t ld_y,
                              nce_plain_block *plain)
{
    const size_t n_pieces = a->k / a->block, per_segment = NCE_SEGMENT / a->block;
    for (size_t p0 = 0; p0 < n_pieces; p0 += per_segment) {
        const size_t n = n_pieces - p0 < per_segment ? n_pieces - p0 : per_segment;
        decode_segment(type, w, p0, n, plain);
        for (size_t c = 0; c < a->n_cols; c++) {
            const int8_t *q = (const int8_t *)a->data + c * a->k + p0 * a->block;
            const float *da = (const float *)((const char *)a->data + codes_bytes(a)) + c * n_pieces + p0;
            float acc = 0;
            for (size_t p = 0; p < n; p++)
                acc = add_piece(acc, type, plain + p, q + p * a->block, da[p]);
            y[c * ld_y] = p0 == 0 ? acc : y[c * ld_y] + acc;
        }
    }
}

static float fold16(float lane[16])
{
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static void product_float(const nce_type_info *type, const uint8_t *w, const nce_act *a, float *y, size_t ld_y,
                          float *row)
{
    for (size_t c0 = 0; c0 < a->n_cols; c0 += FLOAT_COLUMNS) {
        const size_t n = a->n_cols - c0 < FLOAT_COLUMNS ? a->n_cols - c0 : FLOAT_COLUMNS;
        float lane[FLOAT_COLUMNS][16] = {{0}};
        for (size_t k0 = 0; k0 < a->k; k0 += FLOAT_CHUNK) {
            const size_t chunk = a->k - k0 < FLOAT_CHUNK ? a->k - k0 : FLOAT_CHUNK;
            nce_type_to_f32(type, w + k0 * type->block_bytes, row, chunk);
            for (size_t c = 0; c < n; c++) {
                const float *x = (const float *)a->data + (c0 + c) * a->k + k0;
                for (size_t i = 0; i < chunk; i++)
                    lane[c][i % 16] = fmaf(row[i], x[i], lane[c][i % 16]);
            }
        }
        for (size_t c = 0; c < n; c++)
            y[(c0 + c) * ld_y] = fold16(lane[c]);
    }
}

static void product_ref(const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                        float *y, size_t ld_y, void *scratch)
{
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + r * row_bytes;
        if (a->block == 0)
            product_float(type, row, a, y + r, ld_y, scratch);
        else
            product_quantized(type, row, a, y + r, ld_y, scratch);
    }
}

#if NCE_HAVE_AVX2 || NCE_HAVE_NEON
/* What all variants that work through panels share. */
static void set_panels(nce_matmul_ops *ops)
{
    ops->act_bytes = nce_act_bytes;
    ops->scratch_bytes = 2 * NCE_PANEL_BYTES; /* a panel and a padded segment of the file */
    ops->row_granule = NCE_PANEL_ROWS;
}
#endif

void nce_matmul_ops_init(nce_matmul_ops *ops, uint32_t cpu)
{
    ops->act_bytes = act_bytes_ref;
    ops->pack = pack_ref;
    ops->product = product_ref;
    ops->scratch_bytes = NCE_SEGMENT / 32 * sizeof(nce_plain_block);
    ops->row_granule = 1;
#if NCE_HAVE_NEON
    if (cpu & NCE_CPU_NEON) {
        set_panels(ops);
        ops->pack = nce_act_pack_neon;
        ops->product = nce_product_neon;
    }
#endif
#if NCE_HAVE_I8MM
    if (cpu & NCE_CPU_I8MM) ops->product = nce_product_i8mm; /* implies NEON */
#endif
#if NCE_HAVE_AVX2
    if (cpu & NCE_CPU_AVX2) {
        set_panels(ops);
        ops->pack = nce_act_pack_avx2;
        ops->product = nce_product_avx2;
    }
#endif
#if NCE_HAVE_AVX512
    if (cpu & NCE_CPU_AVX512) { /* implies AVX2: sizes and granule as above */
        ops->pack = nce_act_pack_avx512;
        ops->product = nce_product_avx512;
    }
#endif
#if NCE_HAVE_AMX
    if (cpu & NCE_CPU_AMX) {
        ops->act_bytes = nce_act_bytes_amx;
        ops->pack = nce_act_pack_amx;
        ops->product = nce_product_amx;
        ops->scratch_bytes = NCE_AMX_SCRATCH;
    }
#endif
    (void)cpu;
}
