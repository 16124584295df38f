/* A whole model on simulated light has the CPU's bits, also with faulty lanes. */
#include "tests/unit/fixture.h"

enum { N = 5, VOCAB = 512 };

static void logits_on(nce_context *ctx, const char *path, const char *device, float *logits)
{
    nce_model_options mo = NCE_MODEL_OPTIONS_INIT;
    nce_session_options so = NCE_SESSION_OPTIONS_INIT;
    nce_model *m;
    nce_session *s;
    int32_t ids[N];
    fixture_tokens(ids, N);
    mo.device = device;
    so.n_ctx = 64;
    cr_assert_eq(nce_model_load(ctx, path, &mo, &m), NCE_OK, "%s: %s", device, nce_context_error(ctx));
    cr_assert_eq(nce_session_create(m, &so, &s), NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_eq(fixture_eval(s, 0, ids, N, NCE_LOGITS_ALL, logits), NCE_OK, "%s: %s", device, nce_context_error(ctx));
    nce_session_destroy(s);
    nce_model_destroy(m);
}

static void same_on_light(const char *type, const char *device)
{
    static float cpu[N * VOCAB], light[N * VOCAB];
    nce_context *ctx;
    char path[64];
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    fixture_file(ctx, "tiny", type, path);
    logits_on(ctx, path, "cpu", cpu);
    logits_on(ctx, path, device, light);
    cr_assert_eq(memcmp(cpu, light, sizeof cpu), 0, "%s on %s", type, device);
    unlink(path);
    nce_context_destroy(ctx);
}

Test(photonic_model, q8_0) { same_on_light("q8_0", "photonic:sim"); }
Test(photonic_model, q4_k_m_noisy_6_bit) { same_on_light("q4_k_m", "photonic:sim,noise=0.0164,adc=6"); }
Test(photonic_model, q4_0_with_a_faulty_lane) { same_on_light("q4_0", "photonic:sim,fault=3:random:0.01"); }
Test(photonic_model, nvfp4) { same_on_light("nvfp4", "photonic:sim"); }
