/* The photonic device as a device for models: products of quantized weights become exact block dot products of light, all
 * else is the CPU's.  The float part of a product follows matmul.h word by word, so the logits have the CPU's bits. */
#include "nce/photonic.h"
#include "src/hal/cpu/exec.h"
#include <math.h>
#include <string.h>

enum { ROWS = 32 }; /* decoded together */

typedef struct photonic_device {
    nce_cpu_device cpu;
    nce_device_ops ops; /* the CPU's, but for destroy */
    nce_photonic *photonic;
} photonic_device;

/* Working memory of one product. */
typedef struct workspace {
    nce_plain_block *plain; /* [ROWS][pieces of a segment] */
    int8_t *codes;          /* [ROWS][NCE_SEGMENT] */
    int32_t *dots;          /* [ROWS][NCE_SEGMENT / 16] */
} workspace;

static void decode_rows(const nce_type_info *type, const uint8_t *w, size_t row_bytes, size_t rows, size_t first, size_t n,
                        const workspace *ws)
{
    const size_t per_block = type->block / type->act_block;
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p < n; p++) {
            nce_plain_block *plain = &ws->plain[r * n + p];
            type->decode(w + r * row_bytes + (first + p) / per_block * type->block_bytes, (first + p) % per_block, plain);
            memcpy(ws->codes + (r * n + p) * type->act_block, plain->code, type->act_block);
        }
}

/* The longest run of elements that share one integer scale in every piece: fewer, longer dots. */
static uint32_t dot_length(const nce_type_info *type, const nce_plain_block *plain, size_t n)
{
    uint32_t length = type->half_scales ? 16 : type->act_block;
    for (size_t i = 0; i < n && length > 16; i++)
        for (uint32_t s = 0; s < type->act_block / 16; s++)
            while (length > 16 && plain[i].scale[s] != plain[i].scale[s * 16 / length * length / 16])
                length = length > 32 ? 32 : 16;
    return length;
}

static float add_piece(float acc, const nce_type_info *type, const nce_plain_block *w, const int32_t *dots, uint32_t length,
                       const int8_t *q, float da)
{
    if (type->half_scales) {
        acc = fmaf(w->d[0] * da, (float)(w->scale[0] * dots[0]), acc);
        return fmaf(w->d[1] * da, (float)(w->scale[1] * dots[1]), acc);
    }
    int32_t isum = 0, msum = 0;
    for (uint32_t i = 0; i < type->act_block; i += length)
        isum += w->scale[i / 16] * dots[i / length];
    acc = fmaf(w->d[0] * da, (float)isum, acc);
    if (!type->has_min) return acc;
    for (uint32_t i = 0; i < type->act_block; i++)
        msum += w->min[i / 16] * q[i];
    return fmaf(-(w->dmin * da), (float)msum, acc);
}

/* One segment of K for a few rows and all columns: y = the segment's sum, or y += it. */
static nce_status segment(photonic_device *d, const nce_type_info *type, size_t rows, const nce_act *a, size_t first, size_t n,
                          const workspace *ws, float *y, size_t ld_y)
{
    const int8_t *codes;
    const float *scales;
    const uint32_t block = type->act_block, length = dot_length(type, ws->plain, rows * n);
    const size_t n_dots = n * block / length, per_piece = block / length;
    nce_matmul_reference_act(a, &codes, &scales);
    for (size_t c = 0; c < a->n_cols; c++) {
        const int8_t *q = codes + c * a->k + first * block;
        const float *da = scales + c * (a->k / block) + first;
        const nce_status status = nce_photonic_block_dots(d->photonic, rows, n_dots, length, ws->codes, n * block, q, ws->dots);
        if (status != NCE_OK) return status;
        for (size_t r = 0; r < rows; r++) {
            float acc = 0.0f;
            for (size_t p = 0; p < n; p++)
                acc = add_piece(acc, type, &ws->plain[r * n + p], ws->dots + r * n_dots + p * per_piece, length, q + p * block, da[p]);
            float *to = y + c * ld_y + r;
            *to = first == 0 ? acc : *to + acc;
        }
    }
    return NCE_OK;
}

static nce_status product(void *user, const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows, const nce_act *a,
                          float *y, size_t ld_y)
{
    photonic_device *d = user;
    nce_context *ctx = d->cpu.base.ctx;
    const size_t n_pieces = a->k / type->act_block, per_segment = NCE_SEGMENT / type->act_block;
    workspace ws = {nce_alloc(ctx, ROWS * per_segment * sizeof *ws.plain), nce_alloc(ctx, ROWS * NCE_SEGMENT),
                    nce_alloc(ctx, ROWS * (NCE_SEGMENT / 16) * sizeof *ws.dots)};
    nce_status status = ws.plain && ws.codes && ws.dots ? NCE_OK : NCE_ERR_NOMEM;
    for (size_t r = 0; r < n_rows && status == NCE_OK; r += ROWS) {
        const size_t rows = n_rows - r < ROWS ? n_rows - r : ROWS;
        for (size_t p = 0; p < n_pieces && status == NCE_OK; p += per_segment) {
            const size_t n = n_pieces - p < per_segment ? n_pieces - p : per_segment;
            decode_rows(type, (const uint8_t *)w + r * row_bytes, row_bytes, rows, p, n, &ws);
            status = segment(d, type, rows, a, p, n, &ws, y + r, ld_y);
        }
    }
    nce_free(ctx, ws.plain);
    nce_free(ctx, ws.codes);
    nce_free(ctx, ws.dots);
    return status;
}

/* What the light did, for the log: the model's results do not show it. */
static void report(photonic_device *d)
{
    nce_photonic_stats s = NCE_PHOTONIC_STATS_INIT;
    double energy = 0.0;
    if (nce_photonic_stats_get(d->photonic, &s) != NCE_OK) return;
    for (int i = 0; i < NCE_PHOTONIC_PARTS; i++)
        energy += (double)s.energy_pj[i] * 1e-12;
    nce_log(d->cpu.base.ctx, NCE_LOG_INFO,
            "photonic: %llu dots, %llu by light, %llu retries, %llu corrected, %llu by the CPU, lanes 0x%x, %.6f s, %.6f J",
            (unsigned long long)s.dots, (unsigned long long)s.device_dots, (unsigned long long)s.retries,
            (unsigned long long)s.corrected, (unsigned long long)s.fallbacks, s.lanes, (double)s.busy_ns * 1e-9, energy);
}

static void photonic_destroy(nce_device *device)
{
    photonic_device *d = (photonic_device *)device;
    report(d);
    nce_photonic_destroy(d->photonic);
    nce_cpu_sparse_release(&d->cpu);
    nce_free(device->ctx, d);
}

static nce_status photonic_create(nce_context *ctx, const char *argument, nce_device **out)
{
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
    char transport[64];
    nce_status status = nce_photonic_options_parse(ctx, *argument != '\0' ? argument : "sim", &o, transport, sizeof transport);
    if (status != NCE_OK) return status;
    photonic_device *d = nce_alloc_zero(ctx, sizeof *d);
    if (d == NULL) return nce_fail_nomem(ctx, sizeof *d);
    nce_cpu_device_init(&d->cpu, ctx, ctx->cpu);
    nce_matmul_ops_init(&d->cpu.k.matmul, 0); /* the reference's activations are plain codes and scales */
    d->ops = nce_cpu_ops;
    d->ops.destroy = photonic_destroy;
    d->cpu.base.ops = &d->ops;
    d->cpu.product = product;
    d->cpu.product_user = d;
    status = nce_photonic_create(ctx, &o, &d->photonic);
    if (status != NCE_OK) {
        nce_cpu_sparse_release(&d->cpu);
        nce_free(ctx, d);
        return status;
    }
    *out = &d->cpu.base;
    return NCE_OK;
}

const nce_device_driver nce_photonic_driver = {
    "photonic", "exact products of light: photonic:sim[,seed=N,noise=X,adc=B,fault=LANE:KIND:RATE...] or photonic:vfio:ADDRESS", photonic_create, NULL};
