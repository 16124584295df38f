/* Meters: trees of files as the kernel makes them, and fake management libraries. */
#include "src/hal/meters/meters.h"
#include "tests/gpu/fake_meters.h"
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/fixture.h"
#include <dlfcn.h>
#include <ftw.h>
#include <sys/stat.h>

typedef struct tree {
    char root[64], paths[512];
} tree;

static tree new_tree(const char *kind)
{
    tree t;
    snprintf(t.root, sizeof t.root, "/tmp/nce-test-XXXXXX");
    cr_assert_not_null(mkdtemp(t.root));
    snprintf(t.paths, sizeof t.paths, "powercap=/nowhere,hwmon=/nowhere,%s=%s", kind, t.root);
    if (strcmp(kind, "powercap") == 0) snprintf(t.paths, sizeof t.paths, "powercap=%s,hwmon=/nowhere", t.root);
    if (strcmp(kind, "hwmon") == 0) snprintf(t.paths, sizeof t.paths, "hwmon=%s,powercap=/nowhere", t.root);
    return t;
}

static void put(const tree *t, const char *folder, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", t->root, folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", t->root, folder, file);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fprintf(f, "%s\n", text);
    fclose(f);
}

static int drop(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    return remove(path);
}

static void zone(const tree *t, const char *folder, const char *name, const char *energy)
{
    put(t, folder, "name", name);
    put(t, folder, "energy_uj", energy);
    put(t, folder, "max_energy_range_uj", "10000000");
}

static nce_context *context(const char *paths, faulty_alloc *allocator)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    o.paths = paths;
    o.meters = 1;
    if (allocator != NULL) o.allocator = faulty_allocator(allocator);
    return nce_context_create(&o, &ctx) == NCE_OK ? ctx : NULL;
}

static double joules(nce_meters *m)
{
    double j = -1.0;
    cr_assert(nce_meters_joules(m, &j));
    return j;
}

static tree rapl_tree(void)
{
    tree t = new_tree("powercap");
    zone(&t, "intel-rapl:0", "package-0", "1000000");
    zone(&t, "intel-rapl:0:0", "core", "1000000");
    zone(&t, "intel-rapl:0:1", "dram", "9000000");
    zone(&t, "intel-rapl:1", "psys", "1000000");
    zone(&t, "intel-rapl-mmio:0", "package-0", "1000000");
    return t;
}

Test(meters, rapl_counts_packages_and_memory_and_sees_a_wrap)
{
    const tree t = rapl_tree();
    nce_context *ctx = context(t.paths, NULL);
    nce_meters *m;
    double share;
    cr_assert_eq(nce_meters_open(ctx, "cpu", &m), NCE_OK);
    cr_assert_float_eq(joules(m), 0.0, 1e-9);
    zone(&t, "intel-rapl:0", "package-0", "3500000");
    zone(&t, "intel-rapl:0:0", "core", "2000000");
    zone(&t, "intel-rapl:1", "psys", "9000000");
    cr_assert_float_eq(joules(m), 2.5, 1e-9);
    zone(&t, "intel-rapl:0:1", "dram", "500000"); /* 1 J to the end of the range, and a half */
    cr_assert_float_eq(joules(m), 4.0, 1e-9);
    cr_assert_not(nce_meters_busy(m, &share));
    nce_meters_close(m);
    nce_context_destroy(ctx);
    nftw(t.root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

Test(meters, nothing_there_is_absent)
{
    nce_context *ctx = context("powercap=/nowhere,hwmon=/nowhere,nvml=/nowhere,rocm_smi=/nowhere,sysman=/nowhere", NULL);
    nce_meters *m;
    double j;
    cr_assert_eq(nce_meters_open(ctx, "cpu,cuda@0000:41:00.0,hip@0000:41:00.0,oneapi@0000:41:00.0,opencl@0000:41:00.0", &m), NCE_OK);
    cr_assert_not(nce_meters_joules(m, &j));
    cr_assert_not(nce_meters_busy(m, &j));
    nce_meters_close(m);
    nce_context_destroy(ctx);
}

Test(meters, amd_sockets)
{
    const tree t = new_tree("hwmon");
    nce_context *ctx = context(t.paths, NULL);
    nce_meters *m;
    put(&t, "hwmon0", "name", "coretemp");
    put(&t, "hwmon1", "name", "amd_energy");
    put(&t, "hwmon1", "energy1_label", "Ecore000");
    put(&t, "hwmon1", "energy1_input", "77000000");
    put(&t, "hwmon1", "energy2_label", "Esocket0");
    put(&t, "hwmon1", "energy2_input", "5000000");
    cr_assert_eq(nce_meters_open(ctx, "cpu", &m), NCE_OK);
    put(&t, "hwmon1", "energy1_input", "99000000");
    put(&t, "hwmon1", "energy2_input", "8000000");
    cr_assert_float_eq(joules(m), 3.0, 1e-9);
    nce_meters_close(m);
    nce_context_destroy(ctx);
    nftw(t.root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

Test(meters, amd_gpu_power_is_integrated)
{
    const tree t = new_tree("hwmon");
    char link_at[128], paths[640];
    snprintf(paths, sizeof paths, "%s,rocm_smi=/nowhere", t.paths);
    nce_context *ctx = context(paths, NULL);
    nce_meters *m;
    put(&t, "hwmon3", "name", "amdgpu");
    put(&t, "hwmon3", "power1_average", "100000000");
    snprintf(link_at, sizeof link_at, "%s/hwmon3/device", t.root);
    cr_assert_eq(symlink("../../../0000:41:00.0", link_at), 0);
    cr_assert_eq(nce_meters_open(ctx, "hip@0000:41:00.0", &m), NCE_OK);
    const double first = joules(m), t0 = nce_meter_now();
    usleep(20000);
    const double second = joules(m), t1 = nce_meter_now();
    cr_assert_gt(second - first, 1.9, "20 ms at 100 W");
    cr_assert_leq(second - first, 100.0 * (t1 - t0) + 1.0);
    nce_meters_close(m);
    cr_assert_eq(nce_meters_open(ctx, "hip@0000:42:00.0", &m), NCE_OK);
    double j;
    cr_assert_not(nce_meters_joules(m, &j), "another GPU");
    nce_meters_close(m);
    nce_context_destroy(ctx);
    nftw(t.root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static const char libraries[] = "powercap=/nowhere,hwmon=/nowhere,nvml=" NCE_FAKE_METERS ",rocm_smi=" NCE_FAKE_METERS ",sysman=" NCE_FAKE_METERS;

static fake_meters *library(void)
{
    void *handle = dlopen(NCE_FAKE_METERS, RTLD_NOW | RTLD_LOCAL);
    fake_meters_fn *get;
    cr_assert_not_null(handle, "%s", dlerror());
    *(void **)&get = dlsym(handle, "nce_fake_meters");
    *get() = (fake_meters){0};
    return get();
}

static void vendor(const char *source, const char *other, bool has_busy, bool stops)
{
    fake_meters *f = library();
    nce_context *ctx = context(libraries, NULL);
    nce_meters *m;
    double before, after, share;
    cr_assert_eq(nce_meters_open(ctx, source, &m), NCE_OK);
    before = joules(m);
    after = joules(m);
    cr_assert_float_eq(after - before, 1.0, 1e-4);
    cr_assert_eq(nce_meters_busy(m, &share), has_busy);
    if (has_busy) cr_assert(share == 0.75 || share == 0.5);
    nce_meters_close(m);
    if (stops) cr_assert_eq(f->running, 0);
    cr_assert_eq(nce_meters_open(ctx, other, &m), NCE_OK);
    cr_assert_not(nce_meters_joules(m, &before), "no such device");
    nce_meters_close(m);
    if (stops) cr_assert_eq(f->running, 0);
    *f = (fake_meters){.fail_init = true};
    cr_assert_eq(nce_meters_open(ctx, source, &m), NCE_OK);
    cr_assert_not(nce_meters_joules(m, &before));
    nce_meters_close(m);
    cr_assert_eq(f->wrong_calls, 0, "nothing is called after a failed start");
    nce_context_destroy(ctx);
}

Test(meters, nvml) { vendor("cuda@0000:41:00.0", "cuda@0000:01:00.0", true, true); }
Test(meters, rocm_smi) { vendor("hip@0000:41:00.0", "hip@0000:02:00.0", true, true); }
Test(meters, sysman) { vendor("oneapi@0000:41:00.0", "oneapi@0000:01:00.0", false, false); }

Test(meters, power_where_there_is_no_counter)
{
    const char *sources[] = {"cuda@0000:41:00.0", "hip@0000:41:00.0"};
    for (int i = 0; i < 2; i++) {
        library()->no_counter = true;
        nce_context *ctx = context(libraries, NULL);
        nce_meters *m;
        cr_assert_eq(nce_meters_open(ctx, sources[i], &m), NCE_OK);
        const double before = joules(m);
        usleep(10000);
        cr_assert_gt(joules(m) - before, 2.4, "10 ms at 250 W or more");
        nce_meters_close(m);
        nce_context_destroy(ctx);
    }
}

Test(meters, memory_fails_anywhere)
{
    const tree t = rapl_tree();
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = n};
        library();
        nce_context *ctx = context(libraries, &f);
        nce_meters *m = NULL;
        if (ctx != NULL) cr_assert_eq(nce_meters_open(ctx, "cpu,cuda@0000:41:00.0,hip@0000:41:00.0", &m), f.failed ? NCE_ERR_NOMEM : NCE_OK);
        nce_meters_close(m);
        nce_context_destroy(ctx);
        cr_assert_eq(f.live, 0);
        if (!f.failed) break;
    }
    nftw(t.root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

Test(meters, sessions_tell_joules_per_token)
{
    const tree t = rapl_tree();
    nce_context *ctx = context(t.paths, NULL), *plain;
    char path[64];
    fixture_file(ctx, "tiny", "q4_0", path);
    nce_model *m;
    nce_session *s;
    float logits[512];
    double v;
    int32_t ids[4];
    fixture_tokens(ids, 4);
    cr_assert_eq(nce_model_load(ctx, path, NULL, &m), NCE_OK);
    cr_assert_eq(nce_session_create(m, NULL, &s), NCE_OK);
    cr_assert_eq(nce_session_metric(s, NCE_METRIC_JOULES_PER_TOKEN, &v), NCE_ERR_NOTFOUND, "no token yet");
    cr_assert_eq(fixture_eval(s, 0, ids, 4, NCE_LOGITS_LAST, logits), NCE_OK);
    zone(&t, "intel-rapl:0", "package-0", "4000000"); /* between steps: nobody's */
    cr_assert_eq(fixture_eval(s, 0, ids, 1, NCE_LOGITS_LAST, logits), NCE_OK);
    cr_assert_eq(nce_session_metric(s, NCE_METRIC_PROMPT_JOULES, &v), NCE_OK);
    cr_assert_float_eq(v, 0.0, 1e-12);
    cr_assert_eq(nce_session_metric(s, NCE_METRIC_JOULES_PER_TOKEN, &v), NCE_OK);
    cr_assert_float_eq(v, 0.0, 1e-12);
    cr_assert_eq(nce_session_metric(s, NCE_METRIC_TOKENS_PER_JOULE, &v), NCE_ERR_NOTFOUND);
    nce_session_destroy(s);
    nce_model_destroy(m);
    cr_assert_eq(nce_context_create(NULL, &plain), NCE_OK);
    cr_assert_eq(nce_model_load(plain, path, NULL, &m), NCE_OK);
    cr_assert_eq(nce_session_create(m, NULL, &s), NCE_OK);
    cr_assert_eq(nce_session_metric(s, NCE_METRIC_DECODE_JOULES, &v), NCE_ERR_NOTFOUND, "not asked for");
    nce_session_destroy(s);
    nce_model_destroy(m);
    nce_context_destroy(plain);
    nce_context_destroy(ctx);
    unlink(path);
    nftw(t.root, drop, 8, FTW_DEPTH | FTW_PHYS);
}
