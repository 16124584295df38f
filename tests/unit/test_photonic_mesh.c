/* Meshes: reconstruction, depth, rounding goldens, crosstalk calibration, imperfect splitters; the analog product. */
#include "nce/photonic.h"
#include "src/photonic/mesh.h"
#include "src/photonic/optics.h"
#include "src/photonic/random.h"
#include "src/photonic/svd.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { MAX = 64 };
static double complex unitary[MAX * MAX], copy[MAX * MAX], made[MAX * MAX];
static nce_mzi mzi[MAX * (MAX - 1) / 2];
static double phase[MAX];

/* A random (Haar) unitary: normal complex entries, Gram-Schmidt on the rows, twice. */
static void haar(size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n * n; i++) {
        double z[2];
        nce_normal_pair(seed, i, n, z);
        unitary[i] = z[0] + I * z[1];
    }
    for (size_t r = 0; r < n; r++)
        for (int pass = 0; pass < 2; pass++) {
            double length = 0.0;
            for (size_t q = 0; q < r; q++) {
                double complex share = 0.0;
                for (size_t j = 0; j < n; j++)
                    share += unitary[r * n + j] * conj(unitary[q * n + j]);
                for (size_t j = 0; j < n; j++)
                    unitary[r * n + j] -= share * unitary[q * n + j];
            }
            for (size_t j = 0; j < n; j++)
                length += creal(unitary[r * n + j] * conj(unitary[r * n + j]));
            for (size_t j = 0; j < n; j++)
                unitary[r * n + j] /= sqrt(length);
        }
}

/* Relative Frobenius distance between what the mesh makes and the unitary. */
static double distance(size_t n, const nce_mesh_defects *d)
{
    double sum = 0.0;
    nce_mesh_build(n, mzi, n * (n - 1) / 2, phase, d, made);
    for (size_t i = 0; i < n * n; i++)
        sum += creal((made[i] - unitary[i]) * conj(made[i] - unitary[i]));
    return sqrt(sum / (double)n);
}

static void decompose(size_t n, int reck)
{
    memcpy(copy, unitary, n * n * sizeof *copy);
    (reck ? nce_mesh_reck : nce_mesh_clements)(n, copy, mzi, phase);
}

Test(photonic_mesh, decompositions_rebuild_the_matrix)
{
    static const size_t sizes[] = {2, 3, 4, 5, 8, 16, 32, 64};
    const nce_mesh_defects ideal = {0};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int reck = 0; reck < 2; reck++) {
            const size_t n = sizes[k];
            haar(n, 7);
            decompose(n, reck);
            const double error = distance(n, &ideal);
            cr_assert_lt(error, 1e-14, "n %zu reck %d: %g", n, reck, error);
            const uint32_t depth = nce_mesh_depth(n, mzi, n * (n - 1) / 2);
            cr_assert_eq(depth,
                         reck && n > 2 ? 2 * n - 3
                         : reck        ? 1
                         : n > 2       ? n
                                       : 1,
                         "n %zu reck %d: depth %u", n, reck, depth);
        }
}

Test(photonic_mesh, special_matrices)
{
    const nce_mesh_defects ideal = {0};
    for (int reck = 0; reck < 2; reck++)
        for (int kind = 0; kind < 2; kind++) {
            for (size_t i = 0; i < 64; i++) /* identity, or the cyclic shift */
                unitary[i] = i % 8 == (i / 8 + (size_t)kind) % 8 ? 1.0 : 0.0;
            decompose(8, reck);
            cr_assert_lt(distance(8, &ideal), 1e-14);
        }
}

Test(photonic_mesh, golden_errors_of_rounded_phases)
{
    /* Relative Frobenius error of a Haar unitary: size, bits, golden.  One draw differs from the mean by some 20 %. */
    static const struct {
        size_t n;
        uint32_t bits;
        double error;
    } golden[] = {{8, 12, 1.05e-3}, {8, 14, 2.7e-4},  {8, 16, 7.8e-5},  {16, 12, 1.35e-3},
                  {16, 14, 4.0e-4}, {16, 16, 1.0e-4}, {32, 12, 2.1e-3}, {32, 14, 5.9e-4},
                  {32, 16, 1.3e-4}, {64, 12, 3.3e-3}, {64, 14, 7.6e-4}, {64, 16, 1.9e-4}};
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        const nce_mesh_defects d = {.phase_bits = golden[k].bits};
        const size_t n = golden[k].n;
        double sum = 0.0;
        for (uint64_t seed = 0; seed < 4; seed++) {
            haar(n, seed);
            decompose(n, 0);
            nce_mesh_set_phases(n, mzi, n * (n - 1) / 2, phase, &d);
            sum += distance(n, &d) / 4.0;
        }
        cr_assert(sum > 0.7 * golden[k].error && sum < 1.4 * golden[k].error, "n %zu, %u bits: %g, golden %g", n,
                  golden[k].bits, sum, golden[k].error);
    }
}

Test(photonic_mesh, crosstalk_is_calibrated_to_below_a_converter_step)
{
    const nce_mesh_defects d = {.crosstalk = 0.1, .phase_bits = 14};
    const size_t n = 16, count = n * (n - 1) / 2;
    static nce_mzi wanted[MAX * MAX];
    haar(n, 3);
    decompose(n, 0);
    memcpy(wanted, mzi, count * sizeof *mzi);
    nce_mesh_set_phases(n, mzi, count, phase, &d);
    for (size_t k = 0; k < count; k++) {
        double error = fmod(fabs(2.0 * (mzi[k].theta - wanted[k].theta)), 2.0 * 3.14159265358979323846);
        error = fmin(error, 2.0 * 3.14159265358979323846 - error);
        cr_assert_lt(error, nce_dac_step(14), "interferometer %zu: %g", k, error);
    }
}

Test(photonic_mesh, imperfect_splitters_leak_as_the_formula_says)
{
    /* A cross state (theta such that the bar port is dark) of one interferometer with both splitters off by delta. */
    nce_mesh_defects d = {.seed = 1, .splitter_sigma = 0.02};
    double sum = 0.0;
    phase[0] = phase[1] = 0.0;
    for (d.seed = 0; d.seed < 4000; d.seed++) {
        mzi[0] = (nce_mzi){0, 1.57079632679489661923, 0.0};
        nce_mesh_build(2, mzi, 1, phase, &d, made);
        sum += creal(made[0] * conj(made[0])) / 4000;
    }
    /* Independent errors a, b leak (a + b)^2; its mean is 2 sigma^2, half of the 4 delta^2 of equal ones. */
    cr_assert_float_eq(sum, nce_mzi_leakage(0.02) / 2.0, 0.1 * nce_mzi_leakage(0.02), "%g", sum);
}

Test(photonic_mesh, loss_is_that_of_the_path)
{
    const nce_mesh_defects d = {.loss_db = 0.3};
    haar(8, 5);
    decompose(8, 0);
    nce_mesh_build(8, mzi, 28, phase, &d, made);
    double power = 0.0;
    for (size_t i = 0; i < 64; i++)
        power += creal(made[i] * conj(made[i])) / 8.0;
    cr_assert_lt(power, pow(10.0, -0.1 * 0.3 * 3));
    cr_assert_gt(power, pow(10.0, -0.1 * 0.3 * 8));
}

Test(photonic_mesh, singular_values)
{
    double a[9] = {1, 2, 3, 2, 4, 6, 0, 0, 5}, original[9], s[3], v[9];
    memcpy(original, a, sizeof a);
    nce_svd(3, a, s, v);
    cr_assert(s[0] >= s[1] && s[1] >= s[2] && s[2] < 1e-12, "rank two");
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double back = 0.0, uu = 0.0, vv = 0.0;
            for (int k = 0; k < 3; k++) {
                back += a[3 * i + k] * s[k] * v[3 * j + k];
                uu += a[3 * k + i] * a[3 * k + j];
                vv += v[3 * k + i] * v[3 * k + j];
            }
            cr_assert_float_eq(back, original[3 * i + j], 1e-12);
            cr_assert_float_eq(uu, i == j, 1e-12);
            cr_assert_float_eq(vv, i == j, 1e-12);
        }
}

static void integers(float *w, size_t n, int low, int high, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t r[4];
        nce_philox(seed, i, 77, r);
        w[i] = (float)(low + (int)((uint64_t)r[0] * (uint32_t)(high - low + 1) >> 32));
    }
}

/* Largest error of W x for bits x, in units of the last place of the integer result. */
static double bit_error(nce_context *ctx, size_t n, int low, int high, uint32_t bits)
{
    static float w[64 * 64];
    nce_photonic_mesh_options o = NCE_PHOTONIC_MESH_OPTIONS_INIT;
    nce_photonic_mesh *mesh;
    double worst = 0.0;
    o.phase_bits = bits;
    o.adc_bits = 32;
    integers(w, n * n, low, high, 5);
    cr_assert_eq(nce_photonic_mesh_create(ctx, w, n, &o, &mesh), NCE_OK, "%s", nce_context_error(ctx));
    for (uint64_t t = 0; t < 400; t++) {
        float x[64], y[64];
        integers(x, n, 0, 1, 1000 + t);
        cr_assert_eq(nce_photonic_mesh_apply(mesh, t, x, y), NCE_OK);
        for (size_t i = 0; i < n; i++) {
            double exact = 0.0;
            for (size_t j = 0; j < n; j++)
                exact += w[i * n + j] * x[j];
            worst = fmax(worst, fabs(y[i] - exact));
        }
    }
    nce_photonic_mesh_destroy(mesh);
    return worst;
}

Test(photonic_mesh, bit_sliced_integer_products_err_as_measured)
{
    nce_context *ctx;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    /* Golden: 8 int8 12 bit 0.44; 16 int8 14 bit 0.24, 16 bit 0.083; 64 int4 14 bit 0.108. */
    const double a = bit_error(ctx, 8, -128, 127, 12), b = bit_error(ctx, 16, -128, 127, 14);
    const double c = bit_error(ctx, 16, -128, 127, 16), e = bit_error(ctx, 64, -8, 7, 14);
    cr_assert(a > 0.2 && a < 0.9, "%g", a);
    cr_assert(b > 0.1 && b < 0.5, "%g", b);
    cr_assert(c > 0.03 && c < 0.17, "%g", c);
    cr_assert(e > 0.05 && e < 0.22, "%g", e);
    nce_context_destroy(ctx);
}

Test(photonic_mesh, analog_products_are_near_and_their_noise_repeats)
{
    nce_context *ctx;
    nce_photonic_mesh *mesh;
    nce_photonic_mesh_options o = NCE_PHOTONIC_MESH_OPTIONS_INIT;
    float w[256], x[16], y[16], again[16], other[16];
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    integers(w, 256, -100, 100, 1);
    integers(x, 16, -100, 100, 2);
    o.noise = 0.001;
    o.loss_db = 0.1;
    o.splitter_sigma = 0.005;
    o.crosstalk = 0.05;
    for (uint32_t layout = 0; layout < 2; layout++) {
        o.layout = layout;
        cr_assert_eq(nce_photonic_mesh_create(ctx, w, 16, &o, &mesh), NCE_OK);
        cr_assert_eq(nce_photonic_mesh_interferometers(mesh), 240);
        cr_assert_eq(nce_photonic_mesh_depth(mesh), layout ? 58 : 32);
        cr_assert(nce_photonic_mesh_error(mesh) > 0.001 && nce_photonic_mesh_error(mesh) < 0.3, "%g",
                  nce_photonic_mesh_error(mesh));
        nce_photonic_mesh_apply(mesh, 4, x, y);
        nce_photonic_mesh_apply(mesh, 4, x, again);
        nce_photonic_mesh_apply(mesh, 5, x, other);
        cr_assert_arr_eq(y, again, sizeof y);
        cr_assert_neq(memcmp(y, other, sizeof y), 0);
        nce_photonic_mesh_destroy(mesh);
    }
    nce_context_destroy(ctx);
}

Test(photonic_mesh, wrong_arguments_and_failing_allocations)
{
    float w[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options co = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        nce_photonic_mesh *mesh;
        co.allocator = faulty_allocator(&f);
        if (nce_context_create(&co, &ctx) == NCE_OK) {
            const nce_status status = nce_photonic_mesh_create(ctx, w, 4, NULL, &mesh);
            cr_assert(status == NCE_OK ? mesh != NULL : status == NCE_ERR_NOMEM && mesh == NULL);
            nce_photonic_mesh_destroy(mesh);
            cr_assert_eq(nce_photonic_mesh_create(ctx, w, 1, NULL, &mesh), NCE_ERR_INVALID);
            cr_assert_eq(nce_photonic_mesh_create(ctx, w, 129, NULL, &mesh), NCE_ERR_INVALID);
            cr_assert_eq(nce_photonic_mesh_create(ctx, NULL, 4, NULL, &mesh), NCE_ERR_INVALID);
            nce_photonic_mesh_options o = NCE_PHOTONIC_MESH_OPTIONS_INIT;
            o.phase_bits = 5;
            cr_assert_eq(nce_photonic_mesh_create(ctx, w, 4, &o, &mesh), NCE_ERR_INVALID);
            o.phase_bits = 0;
            o.noise = NAN;
            cr_assert_eq(nce_photonic_mesh_create(ctx, w, 4, &o, &mesh), NCE_ERR_INVALID);
            float bad[4] = {1, INFINITY, 0, 1};
            cr_assert_eq(nce_photonic_mesh_create(ctx, bad, 2, NULL, &mesh), NCE_ERR_INVALID);
            const float zero[4] = {0};
            const nce_status of_zero = nce_photonic_mesh_create(ctx, zero, 2, NULL, &mesh);
            if (of_zero == NCE_OK) cr_assert_eq(nce_photonic_mesh_error(mesh), 0.0);
            nce_photonic_mesh_destroy(mesh);
            nce_context_destroy(ctx);
        }
        cr_assert_eq(f.live, 0);
        if (!f.failed) break;
    }
}
