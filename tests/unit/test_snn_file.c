/* Network files: a loaded network goes on bit for bit; damage is named. */
#include "tests/unit/snn_test.h"
#include "tests/unit/faulty_alloc.h"
#include <unistd.h>
#include <xxhash.h>

static nce_context *ctx;
static void setup(void)
{
    ctx = snn_context(NCE_ISA_AUTO);
}
static void teardown(void)
{
    nce_context_destroy(ctx);
}
TestSuite(snn_file, .init = setup, .fini = teardown);

/* Something of everything: sources, sleepers, conductances, per-neuron parameters, plasticity, precise neurons. */
static nce_snn *varied(nce_context *c, nce_snn_precision precision, uint32_t threads)
{
    nce_snn *snn = snn_create(c, 0.1, precision, threads);
    nce_snn_population_options poisson = NCE_SNN_POISSON_INIT, source = NCE_SNN_SOURCE_INIT, o = NCE_SNN_LIF_INIT;
    nce_snn_connection conn = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    uint32_t p[6];
    double tau[70];
    poisson.n = 60;
    poisson.rate_hz = 30;
    cr_assert_eq(nce_snn_population_add(snn, &poisson, &p[0]), NCE_OK);
    source.n = 5;
    cr_assert_eq(nce_snn_population_add(snn, &source, &p[1]), NCE_OK);
    o.n = 70;
    o.flags = NCE_SNN_RECORD;
    o.name = "sleepy";
    o.drive = NCE_SNN_EVENT;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p[2]), NCE_OK);
    o.name = NULL;
    o.drive = NCE_SNN_AUTO;
    o.synapse = NCE_SNN_CURRENT;
    o.t_ref = 1;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p[3]), NCE_OK);
    o.synapse = NCE_SNN_CONDUCTANCE;
    o.e_rev[0] = 5;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p[4]), NCE_OK);
    o.synapse = NCE_SNN_HOLD;
    o.flags |= precision == NCE_SNN_F64 ? NCE_SNN_PRECISE : 0;
    o.i_e = 1.3;
    cr_assert_eq(nce_snn_population_add(snn, &o, &p[5]), NCE_OK);
    for (int i = 0; i < 70; i++)
        tau[i] = 10 + i * 0.1;
    cr_assert_eq(nce_snn_population_set(snn, p[3], NCE_SNN_PARAM_TAU_M, tau, 70), NCE_OK);
    r.p = 0.3;
    r.delay_sd = 0.5;
    conn.delay = 1;
    for (int k = 2; k < 6; k++) {
        conn.pre = p[k - 2];
        conn.post = p[k];
        conn.weight = k == 3 ? 3 : k == 5 ? 20 : 0.4;
        conn.receptor = k == 4;
        conn.stdp = (nce_snn_stdp){20, 20, 0.01, 0.012, 0, 30, 0, k == 3 || k == 5};
        cr_assert_eq(nce_snn_connect_random(snn, &conn, &r), NCE_OK);
    }
    cr_assert_eq(nce_snn_poisson_add(snn, p[3], 1, 200, 2), NCE_OK);
    for (uint32_t i = 0; i < 5; i++)
        for (int k = 0; k < 40; k++) {
            const double at = 2.3 * k + i;
            cr_assert_eq(nce_snn_source_add(snn, p[1], 1, &i, &at), NCE_OK);
        }
    cr_assert_eq(nce_snn_build(snn, NULL, NULL), NCE_OK, "%s", nce_context_error(c));
    return snn;
}

static void temporary(char path[64])
{
    strcpy(path, "/tmp/nce_snn_XXXXXX");
    close(mkstemp(path));
}

Test(snn_file, goes_on_bit_for_bit)
{
    for (int k = 0; k < 4; k++) {
        const nce_snn_precision precision = k & 1 ? NCE_SNN_F64 : NCE_SNN_F32;
        nce_snn *a = varied(ctx, precision, 1 + (k & 2)), *b;
        nce_snn_options o = NCE_SNN_OPTIONS_INIT;
        nce_snn_statistics s = NCE_SNN_STATISTICS_INIT, t = s;
        char path[64];
        temporary(path);
        OK(nce_snn_run(a, 457, NULL, NULL));
        OK(nce_snn_save(a, path));
        o.n_threads = 3; /* whatever the writer had */
        OK(nce_snn_load(ctx, path, &o, &b));
        cr_assert_eq(nce_snn_step(b), 457);
        cr_assert_eq(nce_snn_n_synapses(b), nce_snn_n_synapses(a));
        OK(nce_snn_spikes_clear(a));
        OK(nce_snn_run(a, 500, NULL, NULL));
        OK(nce_snn_run(b, 500, NULL, NULL));
        cr_assert_eq(snn_hash(ctx, a), snn_hash(ctx, b), "case %d", k);
        OK(nce_snn_statistics_read(a, &s));
        OK(nce_snn_statistics_read(b, &t));
        cr_assert_eq(s.spikes, t.spikes);
        cr_assert_gt(s.spikes, 100);
        cr_assert_eq(s.synaptic_events, t.synaptic_events);
        cr_assert_eq(s.updates_skipped, t.updates_skipped);
        /* learned weights went along */
        double w[5000], x[5000];
        size_t n, m;
        OK(nce_snn_synapses_read(a, 1, 3, 5000, NULL, NULL, w, NULL, &n));
        OK(nce_snn_synapses_read(b, 1, 3, 5000, NULL, NULL, x, NULL, &m));
        cr_assert_eq(n, m);
        cr_assert_gt(n, 10);
        cr_assert_eq(memcmp(w, x, n * sizeof *w), 0);
        nce_snn_destroy(a);
        nce_snn_destroy(b);
        unlink(path);
    }
}

static unsigned char *file_of(size_t *size)
{
    nce_snn *snn = varied(ctx, NCE_SNN_F64, 1);
    char path[64];
    temporary(path);
    OK(nce_snn_run(snn, 150, NULL, NULL));
    OK(nce_snn_save(snn, path));
    nce_snn_destroy(snn);
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*size);
    cr_assert_eq(fread(bytes, 1, *size, f), *size);
    fclose(f);
    unlink(path);
    return bytes;
}

Test(snn_file, damage_is_named)
{
    size_t size;
    unsigned char *bytes = file_of(&size);
    nce_snn *snn = (nce_snn *)bytes;
    for (size_t cut = 0; cut < size; cut += 1 + size / 200) {
        cr_assert_eq(nce_snn_load_memory(ctx, "cut.snn", bytes, cut, NULL, &snn), NCE_ERR_FORMAT);
        cr_assert_null(snn);
        cr_assert_not_null(strstr(nce_context_error(ctx), "cut.snn"));
    }
    bytes[size / 2] ^= 1;
    cr_assert_eq(nce_snn_load_memory(ctx, "flip.snn", bytes, size, NULL, &snn), NCE_ERR_FORMAT);
    cr_assert_not_null(strstr(nce_context_error(ctx), "checksum"));
    bytes[8] = 99;
    cr_assert_eq(nce_snn_load_memory(ctx, "new.snn", bytes, size, NULL, &snn), NCE_ERR_UNSUPPORTED);
    free(bytes);
    cr_assert_eq(nce_snn_load(ctx, "/nonexistent/x", NULL, &snn), NCE_ERR_IO);
}

/* Damage behind a right checksum: refused or harmless, never a crash. */
Test(snn_file, forged_checksums)
{
    size_t size;
    unsigned char *bytes = file_of(&size), *copy = malloc(size);
    uint64_t state = 1;
    int loaded = 0, refused = 0;
    for (int k = 0; k < 400; k++) {
        memcpy(copy, bytes, size);
        for (int m = 0; m < 3; m++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            const size_t range = k % 2 ? size - 32 : 2000; /* half of them among the options */
            copy[32 + (state >> 33) % range] = (unsigned char)(state >> 20);
        }
        const uint64_t hash = XXH64(copy + 32, size - 32, 0);
        memcpy(copy + 24, &hash, sizeof hash);
        nce_snn *snn;
        const nce_status status = nce_snn_load_memory(ctx, "forged.snn", copy, size, NULL, &snn);
        if (status == NCE_OK) {
            const nce_status run = nce_snn_run(snn, 30, NULL, NULL);
            cr_assert(run == NCE_OK, "%s", nce_status_name(run));
            nce_snn_destroy(snn);
            loaded++;
        } else {
            refused++;
        }
    }
    cr_assert(loaded > 0 && refused > 0, "%d loaded, %d refused", loaded, refused);
    free(bytes);
    free(copy);
}

/* A network that is built with plenty of memory is saved with requests failing; one that fails leaves no file behind that
 * would load. */
Test(snn_file, failing_allocations_of_save)
{
    char path[64];
    temporary(path);
    for (long n = 1;; n++) {
        faulty_alloc f = {0};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        o.allocator = faulty_allocator(&f);
        cr_assert_eq(nce_context_create(&o, &c), NCE_OK);
        nce_snn *snn = varied(c, NCE_SNN_F32, 1), *again;
        cr_assert_eq(nce_snn_run(snn, 40, NULL, NULL), NCE_OK);
        unlink(path);
        f.fail_at = f.requests + n;
        const nce_status status = nce_snn_save(snn, path);
        cr_assert(status == NCE_OK || status == NCE_ERR_NOMEM, "%s", nce_context_error(c));
        f.fail_at = 0;
        cr_assert_eq(nce_snn_load(c, path, NULL, &again) == NCE_OK, status == NCE_OK);
        nce_snn_destroy(again);
        cr_assert_eq(nce_snn_run(snn, 40, NULL, NULL), NCE_OK, "goes on whether it was saved or not");
        nce_snn_destroy(snn);
        nce_context_destroy(c);
        cr_assert_eq(f.live, 0, "request %ld leaks", n);
        if (!f.failed) break;
        cr_assert_lt(n, 2000);
    }
    unlink(path);
}

Test(snn_file, failing_allocations)
{
    size_t size;
    unsigned char *bytes = file_of(&size);
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *c;
        o.allocator = faulty_allocator(&f);
        if (nce_context_create(&o, &c) == NCE_OK) {
            nce_snn *snn;
            const nce_status status = nce_snn_load_memory(c, "x", bytes, size, NULL, &snn);
            cr_assert(status == NCE_OK || status == NCE_ERR_NOMEM, "%s: %s", nce_status_name(status),
                      nce_context_error(c));
            nce_snn_destroy(snn);
            nce_context_destroy(c);
        }
        cr_assert_eq(f.live, 0, "request %ld leaks", n);
        if (!f.failed) break;
    }
    free(bytes);
}
