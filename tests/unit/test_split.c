/* A model split over devices: the same bits, states that travel between splits, nothing left behind. */
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/fixture.h"
#include <glob.h>

enum { N = 70, VOCAB = 512 }; /* more than a page */

static nce_status open_model(nce_context *ctx, const char *path, const char *device, uint32_t gpu_layers, nce_model **m)
{
    nce_model_options o = NCE_MODEL_OPTIONS_INIT;
    o.device = device;
    o.gpu_layers = gpu_layers;
    return nce_model_load(ctx, path, &o, m);
}

static nce_session *new_session(nce_model *m, nce_context *ctx, nce_type kv)
{
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    nce_session *s;
    o.n_ctx = 128;
    o.n_seq = 3;
    o.n_batch = 32;
    o.kv_types_set = 1;
    o.kv_type_k = o.kv_type_v = (uint32_t)kv;
    cr_assert_eq(nce_session_create(m, &o, &s), NCE_OK, "%s", nce_context_error(ctx));
    return s;
}

/* Several sequences, a fork, a saved state loaded again: the last logits of each. */
static void drive(nce_session *s, nce_context *ctx, float logits[3 * VOCAB])
{
    int32_t ids[N];
    fixture_tokens(ids, N);
    cr_assert_eq(fixture_eval(s, 0, ids, N, NCE_LOGITS_LAST, logits), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_session_fork(s, 0, 1), NCE_OK);
    cr_assert_eq(fixture_eval(s, 1, ids, 7, NCE_LOGITS_LAST, logits + VOCAB), NCE_OK, "%s", nce_context_error(ctx));
    const size_t bytes = nce_session_state_bytes(s, 1);
    size_t n;
    void *state = malloc(bytes);
    cr_assert_eq(nce_session_save(s, 1, state, bytes, &n), NCE_OK);
    cr_assert_eq(nce_session_load(s, 2, state, n), NCE_OK, "%s", nce_context_error(ctx));
    free(state);
    const nce_run runs[2] = {{.tokens = ids, .n_tokens = 3, .seq = 0, .want = NCE_LOGITS_NONE},
                             {.tokens = ids, .n_tokens = 2, .logits = logits + 2 * VOCAB, .seq = 2, .want = NCE_LOGITS_LAST}};
    cr_assert_eq(nce_session_eval(s, runs, 2), NCE_OK, "%s", nce_context_error(ctx));
}

static void same_split(const char *shape, const char *type, const char *device, uint32_t gpu_layers)
{
    static float whole[3 * VOCAB], split[3 * VOCAB];
    nce_context *ctx;
    nce_model *m[2];
    char path[64];
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    fixture_file(ctx, shape, type, path);
    cr_assert_eq(open_model(ctx, path, "cpu", 0, &m[0]), NCE_OK);
    cr_assert_eq(open_model(ctx, path, device, gpu_layers, &m[1]), NCE_OK, "%s: %s", device, nce_context_error(ctx));
    const nce_type kv[2] = {NCE_TYPE_F16, NCE_TYPE_Q8_0}; /* two sessions of one model cut their pages differently */
    nce_session *s[2][2];
    for (int i = 0; i < 4; i++)
        s[i / 2][i % 2] = new_session(m[i / 2], ctx, kv[i % 2]);
    for (int i = 0; i < 2; i++) {
        drive(s[0][i], ctx, whole);
        drive(s[1][i], ctx, split);
        cr_assert_eq(memcmp(whole, split, sizeof whole), 0, "%s %s on %s, %u layers", shape, type, device, gpu_layers);
    }
    for (int i = 0; i < 4; i++)
        nce_session_destroy(s[i / 2][i % 2]);
    nce_model_destroy(m[1]);
    nce_model_destroy(m[0]);
    unlink(path);
    nce_context_destroy(ctx);
}

Test(split, one_layer_each) { same_split("tiny", "q4_k_m", "cpu,cpu", 1); }
Test(split, all_on_the_first) { same_split("tiny", "q4_0", "cpu,cpu", 99); }
Test(split, as_many_as_fit) { same_split("tiny", "q4_0", "cpu,cpu", 0); }
Test(split, three_devices_for_two_layers) { same_split("tiny", "q8_0", "cpu,cpu,cpu", 1); }
Test(split, experts) { same_split("moe-16x2", "q4_0", "cpu,cpu", 1); }
#if NCE_WITH_PHOTONIC
Test(split, with_light) { same_split("tiny", "q8_0", "photonic:sim,seed=3,cpu", 1); }
Test(split, light_last) { same_split("tiny", "q8_0", "cpu,photonic:sim,seed=3", 1); }
#endif

Test(split, states_move_between_splits)
{
    static float a[VOCAB], b[VOCAB];
    nce_context *ctx;
    nce_model *m[2];
    nce_session *s[2];
    char path[64];
    int32_t ids[N];
    size_t n;
    fixture_tokens(ids, N);
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    fixture_file(ctx, "tiny", "q4_0", path);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(open_model(ctx, path, i == 0 ? "cpu" : "cpu,cpu", i, &m[i]), NCE_OK, "%s", nce_context_error(ctx));
        s[i] = new_session(m[i], ctx, NCE_TYPE_F16);
    }
    cr_assert_eq(fixture_eval(s[1], 0, ids, N, NCE_LOGITS_NONE, NULL), NCE_OK);
    const size_t bytes = nce_session_state_bytes(s[1], 0);
    void *state = malloc(bytes);
    cr_assert_eq(nce_session_save(s[1], 0, state, bytes, &n), NCE_OK);
    cr_assert_eq(nce_session_load(s[0], 0, state, n), NCE_OK, "%s", nce_context_error(ctx));
    free(state);
    cr_assert_eq(fixture_eval(s[0], 0, ids, 1, NCE_LOGITS_LAST, a), NCE_OK);
    cr_assert_eq(fixture_eval(s[1], 0, ids, 1, NCE_LOGITS_LAST, b), NCE_OK);
    cr_assert_eq(memcmp(a, b, sizeof a), 0);
    for (int i = 0; i < 2; i++) {
        nce_session_destroy(s[i]);
        nce_model_destroy(m[i]);
    }
    unlink(path);
    nce_context_destroy(ctx);
}

Test(split, bad_lists)
{
    nce_context *ctx;
    nce_model *m;
    char path[64];
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    fixture_file(ctx, "tiny", "q4_0", path);
    cr_assert_eq(open_model(ctx, path, "cpu,cpu:3", 1, &m), NCE_ERR_INVALID);
    cr_assert_null(m);
    cr_assert_eq(open_model(ctx, path, "abacus,cpu", 1, &m), NCE_ERR_NOTFOUND);
    cr_assert_not_null(strstr(nce_context_error(ctx), "abacus"));
    cr_assert_eq(open_model(ctx, path, "cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu,cpu", 1, &m), NCE_ERR_LIMIT);
    unlink(path);
    nce_context_destroy(ctx);
}

Test(split, memory_fails_anywhere)
{
    nce_context *plain;
    char path[64];
    float logits[VOCAB];
    const int32_t ids[2] = {5, 6};
    cr_assert_eq(nce_context_create(NULL, &plain), NCE_OK);
    fixture_file(plain, "tiny", "q4_0", path);
    for (long n = 1;; n += n < 600 ? 7 : 1) { /* most of the early ones are the loader's, which has its own test */
        faulty_alloc f = {.fail_at = n};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_session_options so = NCE_SESSION_OPTIONS_INIT;
        nce_context *ctx;
        nce_model *m = NULL;
        nce_session *s = NULL;
        o.allocator = faulty_allocator(&f);
        so.n_ctx = 64;
        so.n_batch = 4;
        if (nce_context_create(&o, &ctx) == NCE_OK && open_model(ctx, path, "cpu,cpu", 1, &m) == NCE_OK &&
            nce_session_create(m, &so, &s) == NCE_OK)
            cr_assert_eq(fixture_eval(s, 0, ids, 2, NCE_LOGITS_LAST, logits), f.failed ? NCE_ERR_NOMEM : NCE_OK);
        nce_session_destroy(s);
        nce_model_destroy(m);
        nce_context_destroy(ctx);
        cr_assert_eq(f.live, 0, "allocation %ld", n);
        if (!f.failed) break;
    }
    unlink(path);
    nce_context_destroy(plain);
}

static void file_logits(nce_context *ctx, const char *path, uint32_t gpu_layers, float **logits, size_t *n)
{
    nce_model *m;
    nce_session *s;
    nce_session_options o = NCE_SESSION_OPTIONS_INIT;
    int32_t ids[20];
    fixture_tokens(ids, 20);
    o.n_ctx = 64;
    cr_assert_eq(open_model(ctx, path, gpu_layers == 0 ? "cpu" : "cpu,cpu", gpu_layers, &m), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(nce_session_create(m, &o, &s), NCE_OK, "%s", nce_context_error(ctx));
    for (int i = 0; i < 20; i++)
        ids[i] %= (int32_t)nce_model_n_vocab(m);
    *n = 20 * (size_t)nce_model_n_vocab(m);
    *logits = malloc(*n * sizeof **logits);
    cr_assert_eq(fixture_eval(s, 0, ids, 20, NCE_LOGITS_ALL, *logits), NCE_OK, "%s: %s", path, nce_context_error(ctx));
    nce_session_destroy(s);
    nce_model_destroy(m);
}

Test(split, every_architecture)
{
    const char *data = getenv("NCE_TEST_DATA");
    char pattern[512];
    glob_t files;
    nce_context *ctx;
    snprintf(pattern, sizeof pattern, "%s/golden/arch/*.gguf", data != NULL ? data : "/nowhere");
    if (glob(pattern, 0, NULL, &files) != 0) cr_skip_test("no models in NCE_TEST_DATA/golden/arch");
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        float *whole, *split;
        size_t n;
        file_logits(ctx, files.gl_pathv[i], 0, &whole, &n);
        file_logits(ctx, files.gl_pathv[i], 1, &split, &n);
        cr_assert_eq(memcmp(whole, split, n * sizeof *whole), 0, "%s", files.gl_pathv[i]);
        free(whole);
        free(split);
    }
    globfree(&files);
    nce_context_destroy(ctx);
}
