/* The analog mode: a real matrix as two meshes and a row of attenuators, W = s U diag(sigma) V^T.
 *
 * Light carries x as field amplitudes, the meshes and attenuators multiply, coherent receivers read real parts; so for
 * real input the device is one real matrix W', which is computed once from phases, splitters and losses as they came
 * out. The overall gain is calibrated (one factor, least squares), everything else is error.  Outputs get the
 * receivers' noise and rounding, both relative to the largest output the input can give, s * |x|. */
#include "nce/photonic.h"
#include "src/core/runtime/context.h"
#include "src/photonic/mesh.h"
#include "src/photonic/optics.h"
#include "src/photonic/random.h"
#include "src/photonic/svd.h"
#include <math.h>

_Static_assert(sizeof(nce_photonic_mesh_options) == 64, "ABI: grows only at the end");

enum { MAX_SIZE = 128, EXACT_BITS = 32, STREAM_OUTPUT = 10 };

struct nce_photonic_mesh {
    nce_context *ctx;
    size_t n;
    nce_photonic_mesh_options options; /* resolved */
    double *matrix;                    /* W', n x n */
    double largest;                    /* s: the largest singular value */
    double error;
    uint32_t depth, interferometers;
};

/* Scratch of the construction. */
typedef struct workshop {
    double *u, *v, *s, *phase;
    nce_mzi *mzi;
    double complex *given, *left, *right;
} workshop;

static nce_status resolve(nce_context *ctx, const nce_photonic_mesh_options *given, nce_photonic_mesh_options *o)
{
    *o = (nce_photonic_mesh_options)NCE_PHOTONIC_MESH_OPTIONS_INIT;
    const nce_status status = nce_read_options(ctx, o, sizeof *o, given, "nce_photonic_mesh_options");
    if (status != NCE_OK) return status;
    if (o->phase_bits == 0) o->phase_bits = 14;
    if (o->adc_bits == 0) o->adc_bits = 10;
    const bool phases = (o->phase_bits >= 6 && o->phase_bits <= 24) || o->phase_bits == EXACT_BITS;
    const bool adc = (o->adc_bits >= 4 && o->adc_bits <= 24) || o->adc_bits == EXACT_BITS;
    if (o->layout > NCE_PHOTONIC_RECK || o->reserved != 0 || !phases || !adc)
        return nce_fail(ctx, NCE_ERR_INVALID,
                        "photonic mesh: layout %u, phase bits %u (6..24 or 32), adc bits %u (4..24 or 32)", o->layout,
                        o->phase_bits, o->adc_bits);
    if (!(o->splitter_sigma >= 0.0 && o->splitter_sigma <= 0.2) || !(o->loss_db >= 0.0 && o->loss_db <= 3.0) ||
        !(o->crosstalk >= 0.0 && o->crosstalk <= 0.2) || !(o->noise >= 0.0 && o->noise <= 1.0))
        return nce_fail(
            ctx, NCE_ERR_INVALID,
            "photonic mesh: splitter %g (0..0.2), loss %g dB (0..3), crosstalk %g (0..0.2) or noise %g (0..1)",
            o->splitter_sigma, o->loss_db, o->crosstalk, o->noise);
    return NCE_OK;
}

static void workshop_close(nce_context *ctx, workshop *k)
{
    void *const all[] = {k->u, k->v, k->s, k->phase, k->mzi, k->given, k->left, k->right};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        nce_free(ctx, all[i]);
}

static bool workshop_open(nce_context *ctx, workshop *k, size_t n)
{
    k->u = nce_alloc_array(ctx, n * n, sizeof *k->u);
    k->v = nce_alloc_array(ctx, n * n, sizeof *k->v);
    k->s = nce_alloc_array(ctx, n, sizeof *k->s);
    k->phase = nce_alloc_array(ctx, n, sizeof *k->phase);
    k->mzi = nce_alloc_array(ctx, n * (n - 1) / 2, sizeof *k->mzi);
    k->given = nce_alloc_array(ctx, n * n, sizeof *k->given);
    k->left = nce_alloc_array(ctx, n * n, sizeof *k->left);
    k->right = nce_alloc_array(ctx, n * n, sizeof *k->right);
    return k->u && k->v && k->s && k->phase && k->mzi && k->given && k->left && k->right;
}

/* Program one mesh with an orthogonal matrix and get what it really makes. */
static void program(nce_photonic_mesh *mesh, workshop *k, const double *orthogonal, bool transposed,
                    double complex *made)
{
    const size_t n = mesh->n, n_mzi = n * (n - 1) / 2;
    const nce_photonic_mesh_options *o = &mesh->options;
    const nce_mesh_defects defects = {
        .seed = o->seed + transposed,
        .phase_bits = o->phase_bits == EXACT_BITS ? 0 : o->phase_bits,
        .splitter_sigma = o->splitter_sigma,
        .loss_db = o->loss_db,
        .crosstalk = o->crosstalk,
    };
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            k->given[i * n + j] = transposed ? orthogonal[j * n + i] : orthogonal[i * n + j];
    if (o->layout == NCE_PHOTONIC_RECK)
        nce_mesh_reck(n, k->given, k->mzi, k->phase);
    else
        nce_mesh_clements(n, k->given, k->mzi, k->phase);
    mesh->depth += nce_mesh_depth(n, k->mzi, n_mzi);
    mesh->interferometers += (uint32_t)n_mzi;
    nce_mesh_set_phases(n, k->mzi, n_mzi, k->phase, &defects);
    nce_mesh_build(n, k->mzi, n_mzi, k->phase, &defects, made);
}

/* Attenuators are interferometers too: a share cos(a) with a rounded phase. */
static double attenuate(const nce_photonic_mesh_options *o, double share)
{
    if (o->phase_bits == EXACT_BITS) return share;
    const double step = nce_dac_step(o->phase_bits) / 2.0;
    return cos(step * rint(acos(fmin(1.0, share)) / step));
}

static void multiply(nce_photonic_mesh *mesh, const workshop *k)
{
    const size_t n = mesh->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double complex sum = 0.0;
            for (size_t l = 0; l < n; l++)
                sum += k->left[i * n + l] * k->s[l] * k->right[l * n + j];
            mesh->matrix[i * n + j] = mesh->largest * creal(sum);
        }
}

/* One gain for the whole device, then the error that is left. */
static void calibrate(nce_photonic_mesh *mesh, const float *w)
{
    const size_t n = mesh->n;
    double made_made = 0.0, made_wanted = 0.0, wanted = 0.0, wrong = 0.0;
    for (size_t i = 0; i < n * n; i++) {
        made_made += mesh->matrix[i] * mesh->matrix[i];
        made_wanted += mesh->matrix[i] * w[i];
        wanted += (double)w[i] * w[i];
    }
    const double gain = made_made > 0.0 ? made_wanted / made_made : 1.0;
    for (size_t i = 0; i < n * n; i++) {
        mesh->matrix[i] *= gain;
        wrong += (mesh->matrix[i] - w[i]) * (mesh->matrix[i] - w[i]);
    }
    mesh->error = wanted > 0.0 ? sqrt(wrong / wanted) : 0.0;
}

static void construct(nce_photonic_mesh *mesh, workshop *k, const float *w)
{
    const size_t n = mesh->n;
    for (size_t i = 0; i < n * n; i++)
        k->u[i] = w[i];
    nce_svd(n, k->u, k->s, k->v);
    mesh->largest = k->s[0];
    for (size_t i = 0; i < n; i++)
        k->s[i] = attenuate(&mesh->options, mesh->largest > 0.0 ? k->s[i] / mesh->largest : 0.0);
    program(mesh, k, k->u, false, k->left);
    program(mesh, k, k->v, true, k->right);
    multiply(mesh, k);
    calibrate(mesh, w);
}

nce_status nce_photonic_mesh_create(nce_context *ctx, const float *w, size_t n,
                                    const nce_photonic_mesh_options *options, nce_photonic_mesh **out)
{
    nce_photonic_mesh_options o;
    workshop k = {0};
    if (out != NULL) *out = NULL;
    if (ctx == NULL || out == NULL || w == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "photonic mesh: NULL argument");
    nce_status status = resolve(ctx, options, &o);
    if (status != NCE_OK) return status;
    if (n < 2 || n > MAX_SIZE)
        return nce_fail(ctx, NCE_ERR_INVALID, "photonic mesh: size %zu, allowed: 2..%d", n, MAX_SIZE);
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(w[i])) return nce_fail(ctx, NCE_ERR_INVALID, "photonic mesh: element %zu is not finite", i);
    nce_photonic_mesh *mesh = nce_alloc_zero(ctx, sizeof *mesh);
    if (mesh == NULL) return nce_fail_nomem(ctx, sizeof *mesh);
    *mesh = (nce_photonic_mesh){.ctx = ctx, .n = n, .options = o};
    mesh->matrix = nce_alloc_array(ctx, n * n, sizeof *mesh->matrix);
    status = mesh->matrix != NULL && workshop_open(ctx, &k, n) ? NCE_OK : nce_fail_nomem(ctx, n * n * sizeof(double));
    if (status != NCE_OK) goto fail;
    construct(mesh, &k, w);
    workshop_close(ctx, &k);
    *out = mesh;
    return NCE_OK;
fail:
    workshop_close(ctx, &k);
    nce_photonic_mesh_destroy(mesh);
    return status;
}

void nce_photonic_mesh_destroy(nce_photonic_mesh *mesh)
{
    if (mesh == NULL) return;
    nce_free(mesh->ctx, mesh->matrix);
    nce_free(mesh->ctx, mesh);
}

nce_status nce_photonic_mesh_apply(const nce_photonic_mesh *mesh, uint64_t reading, const float *x, float *y)
{
    if (mesh == NULL || x == NULL || y == NULL) return NCE_ERR_INVALID;
    const nce_photonic_mesh_options *o = &mesh->options;
    double length = 0.0;
    for (size_t i = 0; i < mesh->n; i++)
        length += (double)x[i] * x[i];
    const double full_scale = mesh->largest * sqrt(length);
    const double step = o->adc_bits == EXACT_BITS ? 0.0 : full_scale / (double)((1 << (o->adc_bits - 1)) - 1);
    for (size_t i = 0; i < mesh->n; i++) {
        double sum = 0.0, noise[2];
        for (size_t j = 0; j < mesh->n; j++)
            sum += mesh->matrix[i * mesh->n + j] * x[j];
        nce_normal_pair(o->seed, reading, (uint64_t)STREAM_OUTPUT << 32 | i, noise);
        sum += o->noise * full_scale * noise[0];
        y[i] = (float)(step > 0.0 ? step * rint(sum / step) : sum);
    }
    return NCE_OK;
}

double nce_photonic_mesh_error(const nce_photonic_mesh *mesh)
{
    return mesh->error;
}

uint32_t nce_photonic_mesh_depth(const nce_photonic_mesh *mesh)
{
    return mesh->depth;
}

uint32_t nce_photonic_mesh_interferometers(const nce_photonic_mesh *mesh)
{
    return mesh->interferometers;
}
