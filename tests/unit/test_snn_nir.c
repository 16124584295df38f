/* NIR import: the reference files of the paper, and files that are none.  Needs NCE_TEST_DATA for the former. */
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/snn_test.h"
#include <unistd.h>
#if NCE_HAVE_HDF5
#include "tests/fuzz/nir_samples.h"
#endif

static nce_context *ctx;
static void setup(void)
{
    ctx = snn_context(NCE_ISA_AUTO);
}
static void teardown(void)
{
    nce_context_destroy(ctx);
}
TestSuite(snn_nir, .init = setup, .fini = teardown);

/* Path of a data file; skips the test where there is none, or where the build reads no NIR. */
static const char *data(const char *name)
{
    static char path[4096];
    const char *root = getenv("NCE_TEST_DATA");
    nce_snn *snn;
    snprintf(path, sizeof path, "%s/snn/%s", root != NULL ? root : "", name);
    if (root == NULL || access(path, R_OK) != 0) cr_skip_test("no file %s: set NCE_TEST_DATA", path);
    if (nce_snn_load_nir(ctx, "/nonexistent", NULL, &snn) == NCE_ERR_UNSUPPORTED) cr_skip_test("built without HDF5");
    return path;
}

/* Column 0 of lif_exact.csv as spikes of a source. */
static void feed(nce_snn *snn, uint32_t source, const char *csv)
{
    FILE *f = fopen(csv, "r");
    double x, v, z;
    cr_assert_not_null(f);
    for (int k = 0; fscanf(f, "%lf,%lf,%lf", &x, &v, &z) == 3; k++) {
        const uint32_t zero = 0;
        const double at = 0.1 * k;
        if (x != 0) OK(nce_snn_source_add(snn, source, 1, &zero, &at));
    }
    fclose(f);
}

Test(snn_nir, lif_norse_spike_times)
{
    const double expected[] = {46.0844, 51.0898, 71.0920, 76.0909};
    nce_snn_nir_options o = NCE_SNN_NIR_OPTIONS_INIT;
    nce_snn *snn;
    uint32_t input, lif;
    double time[16], trace[1001];
    size_t n;
    char csv[4096];
    snprintf(csv, sizeof csv, "%s", data("nir/01_lif/lif_exact.csv"));
    o.reset = NCE_SNN_RESET_SUBTRACT;
    o.precise = 1;
    o.precision = NCE_SNN_F64;
    OK(nce_snn_load_nir(ctx, data("nir/01_lif/lif_norse.nir"), &o, &snn));
    OK(nce_snn_population_find(snn, "input", &input));
    OK(nce_snn_population_find(snn, "1", &lif));
    feed(snn, input, csv);
    uint32_t probe;
    OK(nce_snn_probe_add(snn, lif, 0, NCE_SNN_PARAM_V, 1, &probe));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 1001, NULL, NULL));
    OK(nce_snn_spikes_read(snn, lif, 0, 16, NULL, time, &n));
    cr_assert_eq(n, 4, "%zu spikes", n);
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(time[i], expected[i], 5e-5, "spike %d at %.6f ms", i, time[i]);
    OK(nce_snn_probe_read(snn, probe, 0, 1001, trace, &n));
    FILE *f = fopen(csv, "r");
    double x, v, z;
    for (int k = 0; k < 1000 && fscanf(f, "%lf,%lf,%lf", &x, &v, &z) == 3; k++)
        cr_assert_float_eq(trace[k + 1], v, 1e-8, "step %d: %.12g, reference %.12g", k, trace[k + 1], v);
    fclose(f);
    nce_snn_destroy(snn);
}

Test(snn_nir, lif_norse_on_the_grid)
{
    const int bins[] = {460, 510, 710, 760};
    nce_snn_nir_options o = NCE_SNN_NIR_OPTIONS_INIT;
    nce_snn *snn;
    uint32_t input, lif;
    double time[16];
    size_t n;
    char csv[4096];
    snprintf(csv, sizeof csv, "%s", data("nir/01_lif/lif_exact.csv"));
    o.reset = NCE_SNN_RESET_SUBTRACT;
    OK(nce_snn_load_nir(ctx, data("nir/01_lif/lif_norse.nir"), &o, &snn));
    OK(nce_snn_population_find(snn, "input", &input));
    OK(nce_snn_population_find(snn, "1", &lif));
    feed(snn, input, csv);
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 1001, NULL, NULL));
    OK(nce_snn_spikes_read(snn, lif, 0, 16, NULL, time, &n));
    cr_assert_eq(n, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(lround(time[i] / 0.1) - 1, bins[i]);
    nce_snn_destroy(snn);
}

/* The trained braille networks: recurrent, once with a subgraph.  Both forms of one network must fire alike. */
static void run_braille(const char *name, nce_snn_reset reset, size_t counts[2], uint64_t *hash)
{
    nce_snn_nir_options o = NCE_SNN_NIR_OPTIONS_INIT;
    nce_snn *snn;
    uint32_t input, hidden, out;
    o.dt = 0.1;
    o.reset = reset;
    o.method = NCE_SNN_EULER;
    o.precision = NCE_SNN_F64;
    OK(nce_snn_load_nir(ctx, data(name), &o, &snn));
    OK(nce_snn_population_find(snn, "input", &input));
    cr_assert_eq(nce_snn_population_size(snn, input), 12);
    if (nce_snn_population_find(snn, "lif1.lif", &hidden) != NCE_OK)
        OK(nce_snn_population_find(snn, "lif1.lif1", &hidden));
    OK(nce_snn_population_find(snn, "lif2", &out));
    cr_assert_eq(nce_snn_population_size(snn, out), 7);
    for (uint32_t k = 0; k < 256; k++)
        for (uint32_t i = 0; i < 12; i++) {
            const double at = 0.1 * k;
            if ((k * 7 + i * 5) % 11 < 3) OK(nce_snn_source_add(snn, input, 1, &i, &at));
        }
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 260, NULL, NULL));
    uint32_t id[10000];
    double time[10000];
    OK(nce_snn_spikes_read(snn, hidden, 0, 10000, id, time, &counts[0]));
    *hash = 0;
    for (size_t i = 0; i < counts[0]; i++)
        *hash = (*hash ^ id[i] ^ (uint64_t)llround(time[i] * 10) << 8) * 1099511628211u;
    OK(nce_snn_spikes_read(snn, out, 0, 0, NULL, NULL, &counts[1]));
    nce_snn_destroy(snn);
}

Test(snn_nir, braille)
{
    const struct {
        const char *flat, *nested;
        nce_snn_reset reset;
    } cases[] = {{"nir/03_rnn/braille_noDelay_bias_zero.nir", "nir/03_rnn/braille_noDelay_bias_zero_subgraph.nir",
                  NCE_SNN_RESET_TO},
                 {"nir/03_rnn/braille_noDelay_noBias_subtract.nir",
                  "nir/03_rnn/braille_noDelay_noBias_subtract_subgraph.nir", NCE_SNN_RESET_SUBTRACT}};
    for (int k = 0; k < 2; k++) {
        size_t a[2], b[2];
        uint64_t hash_a, hash_b;
        run_braille(cases[k].flat, cases[k].reset, a, &hash_a);
        run_braille(cases[k].nested, cases[k].reset, b, &hash_b);
        cr_assert_gt(a[0], 10, "hidden spikes %zu", a[0]);
        cr_assert_eq(a[0], b[0]);
        cr_assert_eq(a[1], b[1]);
        cr_assert_eq(hash_a, hash_b);
    }
}

Test(snn_nir, more_files_load)
{
    const char *names[] = {"nir/01_lif/lif_rockpool.nir", "nir/01_lif/debug_spike_representation/two_lif_neurons.nir"};
    for (int k = 0; k < 2; k++) {
        nce_snn *snn;
        OK(nce_snn_load_nir(ctx, data(names[k]), NULL, &snn));
        OK(nce_snn_build(snn, NULL, NULL));
        OK(nce_snn_run(snn, 1000, NULL, NULL));
        nce_snn_destroy(snn);
    }
}

Test(snn_nir, two_lif_fires_by_its_leak)
{
    nce_snn *snn;
    uint32_t lif;
    size_t n;
    double time[64];
    OK(nce_snn_load_nir(ctx, data("nir/01_lif/debug_spike_representation/two_lif_neurons.nir"), NULL, &snn));
    OK(nce_snn_population_find(snn, "lif1", &lif));
    OK(nce_snn_build(snn, NULL, NULL));
    OK(nce_snn_run(snn, 1001, NULL, NULL));
    OK(nce_snn_spikes_read(snn, lif, 0, 64, NULL, time, &n));
    /* v_leak 1.2, threshold 1, tau 10 ms: every 10 ln 6 = 17.918 ms, on the grid 18.0 */
    cr_assert_eq(n, 5);
    cr_assert_float_eq(time[0], 18.0, 1e-9);
    cr_assert_float_eq(time[4], 90.0, 1e-9);
    nce_snn_destroy(snn);
}

Test(snn_nir, refuses_damage)
{
    nce_snn *snn = (nce_snn *)ctx;
    char path[] = "/tmp/nce_nir_XXXXXX";
    if (nce_snn_load_nir(ctx, "/nonexistent", NULL, &snn) == NCE_ERR_UNSUPPORTED) cr_skip_test("built without HDF5");
    cr_assert_eq(nce_snn_load_nir(ctx, "/nonexistent", NULL, &snn), NCE_ERR_IO);
    cr_assert_null(snn);
    const int fd = mkstemp(path);
    FILE *f = fdopen(fd, "wb");
    fputs("not an HDF5 file", f);
    fclose(f);
    cr_assert_eq(nce_snn_load_nir(ctx, path, NULL, &snn), NCE_ERR_FORMAT);
    cr_assert_not_null(strstr(nce_context_error(ctx), path), "%s", nce_context_error(ctx));
    /* a real file, cut at every 500th byte */
    FILE *in = fopen(data("nir/01_lif/lif_norse.nir"), "rb");
    static unsigned char bytes[20000];
    const size_t n = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    for (size_t cut = 0; cut < n; cut += 500) {
        f = fopen(path, "wb");
        fwrite(bytes, 1, cut, f);
        fclose(f);
        const nce_status status = nce_snn_load_nir(ctx, path, NULL, &snn);
        cr_assert_eq(status, NCE_ERR_FORMAT, "cut at %zu: %s", cut, nce_status_name(status));
        cr_assert_null(snn);
    }
    unlink(path);
}

#if NCE_HAVE_HDF5
Test(snn_nir, names_all_unsupported_nodes)
{
    const uint8_t bytes[] = {2, 19, 0, 19, 0, 0, 0, 0, 0}; /* three nodes without parameters, no edges */
    nce_snn *snn;
    char path[64];
    snprintf(path, sizeof path, "test_snn_nir_types_%ld.nir", (long)getpid());
    cr_assert(nir_write(path, bytes, sizeof bytes));
    cr_assert_eq(nce_snn_load_nir(ctx, path, NULL, &snn), NCE_ERR_UNSUPPORTED);
    cr_assert_null(snn);
    const char *error = nce_context_error(ctx);
    cr_assert_not_null(strstr(error, "2 nodes of types that are not supported: 'n0' (Nonsense), 'n1' (Nonsense)"), "%s",
                       error);
    unlink(path);
}

/* ---- failing allocations ---- */

/* Load and build, with each request for memory failing in turn. */
static void load_with_failures(const char *path)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) == NCE_OK) {
            nce_snn *snn;
            nce_status status = nce_snn_load_nir(c, path, NULL, &snn);
            cr_assert(status == NCE_OK || (status == NCE_ERR_NOMEM && snn == NULL), "request %ld: %s", n,
                      nce_context_error(c));
            if (status == NCE_OK) status = nce_snn_build(snn, NULL, NULL);
            cr_assert(status == NCE_OK || status == NCE_ERR_NOMEM, "request %ld: %s", n, nce_context_error(c));
            nce_snn_destroy(snn);
            nce_context_destroy(c);
        }
        cr_assert_eq(f.live, 0, "request %ld leaks", n);
        if (!f.failed) break;
        cr_assert_lt(n, 2000);
    }
}

Test(snn_nir, failing_allocations)
{
    static const char *const seeds[] = {"affine_lif_cuba", "subgraph", "conv2d_pool"};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char path[4096];
        uint8_t bytes[512];
        snprintf(path, sizeof path, "%s/%s", NCE_NIR_SEEDS, seeds[i]);
        FILE *f = fopen(path, "rb");
        cr_assert_not_null(f, "%s", path);
        const size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        snprintf(path, sizeof path, "test_snn_nir_%ld.nir", (long)getpid());
        cr_assert(n > 2 && nir_write(path, bytes + 2, n - 2));
        load_with_failures(path);
        unlink(path);
    }
}
#endif
