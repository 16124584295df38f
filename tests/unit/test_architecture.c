/* Architectures that a program registers: a row of its own runs like the library's, and bad rows are refused. */
#include "nce/architecture.h"
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/fixture.h"
#include <math.h>

enum { N_TOKENS = 24, N_VOCAB = 512 };

/* The bytes of a model file with its architecture called otherwise, by a name as long as "llama". */
static char *renamed(const fixture *f, const char *name, size_t *n)
{
    FILE *file = fopen(f->path, "rb");
    cr_assert_not_null(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    char *data = aligned_alloc(64, (*n + 63) / 64 * 64);
    cr_assert_eq(fread(data, 1, *n, file), *n);
    fclose(file);
    static const char value[] = "general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llama";
    char *at = memmem(data, *n, value, sizeof value - 1);
    cr_assert_not_null(at);
    memcpy(at + sizeof value - 6, name, 5);
    for (at = data; (at = memmem(at, *n - (size_t)(at - data), "llama.", 6)) != NULL; at += 6)
        memcpy(at, name, 5);
    return data;
}

static nce_status evaluate(nce_context *ctx, const void *data, size_t n, float *logits)
{
    nce_model *model;
    nce_session *session = NULL;
    int32_t ids[N_TOKENS];
    fixture_tokens(ids, N_TOKENS);
    nce_status status = nce_model_load_memory(ctx, data, n, NULL, &model);
    if (status == NCE_OK) status = nce_session_create(model, NULL, &session);
    if (status == NCE_OK) status = fixture_eval(session, 0, ids, N_TOKENS, NCE_LOGITS_ALL, logits);
    nce_session_destroy(session);
    nce_model_destroy(model);
    return status;
}

static float far_apart(const float *a, const float *b, size_t from, size_t to)
{
    float most = 0.0f;
    for (size_t i = from * N_VOCAB; i < to * N_VOCAB; i++)
        most = fmaxf(most, fabsf(a[i] - b[i]));
    return most;
}

Test(architecture, a_row_of_the_programs_own_runs)
{
    static float llama[N_TOKENS * N_VOCAB], own[N_TOKENS * N_VOCAB];
    fixture f;
    size_t n;
    int32_t ids[N_TOKENS];
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, NULL));
    fixture_tokens(ids, N_TOKENS);
    cr_assert_eq(fixture_eval(f.session, 0, ids, N_TOKENS, NCE_LOGITS_ALL, llama), NCE_OK);
    nce_architecture_traits t = NCE_ARCHITECTURE_TRAITS_INIT;

    char *data = renamed(&f, "lhama", &n);
    cr_assert_eq(evaluate(f.ctx, data, n, own), NCE_ERR_UNSUPPORTED);
    t.name = "lhama";
    cr_assert_eq(nce_architecture_register(f.ctx, &t), NCE_OK);
    cr_assert_eq(evaluate(f.ctx, data, n, own), NCE_OK, "%s", nce_context_error(f.ctx));
    cr_assert_arr_eq(own, llama, sizeof llama, "llama's traits are all zero");
    free(data);

    data = renamed(&f, "other", &n);
    t.name = "other", t.rope = NCE_ARCHITECTURE_ROPE_NEOX;
    cr_assert_eq(nce_architecture_register(f.ctx, &t), NCE_OK);
    cr_assert_eq(evaluate(f.ctx, data, n, own), NCE_OK);
    cr_assert_eq(far_apart(own, llama, 0, 1), 0.0f, "position 0 is not rotated");
    cr_assert_gt(far_apart(own, llama, 1, N_TOKENS), 1e-3f);
    free(data);

    data = renamed(&f, "short", &n);
    t = (nce_architecture_traits)NCE_ARCHITECTURE_TRAITS_INIT;
    t.name = "short", t.window = 4, t.window_period = t.window_layers = 1;
    cr_assert_eq(nce_architecture_register(f.ctx, &t), NCE_OK);
    cr_assert_eq(evaluate(f.ctx, data, n, own), NCE_OK);
    cr_assert_eq(far_apart(own, llama, 0, 4), 0.0f, "four positions fit the window");
    cr_assert_gt(far_apart(own, llama, 4, N_TOKENS), 1e-3f);
    free(data);

    data = renamed(&f, "norot", &n);
    t = (nce_architecture_traits)NCE_ARCHITECTURE_TRAITS_INIT;
    t.name = "norot", t.rope_period = 1; /* no layer of the pattern rotates */
    cr_assert_eq(nce_architecture_register(f.ctx, &t), NCE_OK);
    cr_assert_eq(evaluate(f.ctx, data, n, own), NCE_OK);
    cr_assert_gt(far_apart(own, llama, 1, N_TOKENS), 1e-3f);
    free(data);
    fixture_close(&f);
}

Test(architecture, unknown_names_are_refused_with_the_known_ones)
{
    fixture f;
    size_t n;
    nce_model *m;
    cr_assert(fixture_open(&f, "tiny", "q8_0", NCE_ISA_AUTO, NULL));
    char *data = renamed(&f, "wrong", &n);
    nce_architecture_traits t = NCE_ARCHITECTURE_TRAITS_INIT;
    t.name = "mine";
    cr_assert_eq(nce_architecture_register(f.ctx, &t), NCE_OK);
    cr_assert_eq(nce_model_load_memory(f.ctx, data, n, NULL, &m), NCE_ERR_UNSUPPORTED);
    const char *text = nce_context_error(f.ctx);
    cr_assert(strstr(text, "'wrong'") && strstr(text, "deepseek2") && strstr(text, "starcoder2") && strstr(text, ", mine"), "%s", text);
    free(data);
    fixture_close(&f);
}

Test(architecture, bad_traits)
{
    nce_context *ctx;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    const nce_architecture_traits good = {sizeof good, .name = "mine"};
    struct { nce_architecture_traits t; const char *says; } cases[] = {
        {good, "name"}, {good, "name"}, {good, "ASCII"}, {good, "known"}, {good, "norm"}, {good, "rope"}, {good, "activation"},
        {good, "flags"}, {good, "window_layers"}, {good, "rope_layers"}, {good, "rope_period"}, {good, "reserved"}, {good, "rotation"},
    };
    cases[0].t.name = NULL, cases[1].t.name = "", cases[2].t.name = "a b", cases[3].t.name = "llama";
    cases[4].t.norm = 2, cases[5].t.rope = 3, cases[6].t.activation = 6, cases[7].t.flags = 1 << 20;
    cases[8].t.window_layers = 1, cases[9].t.rope_layers = 1, cases[10].t.rope_period = 5000, cases[11].t.reserved = 1;
    cases[12].t.flags = NCE_ARCHITECTURE_LATENT, cases[12].t.rope = NCE_ARCHITECTURE_ROPE_NONE;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(nce_architecture_register(ctx, &cases[i].t), NCE_ERR_INVALID, "case %zu", i);
        cr_assert_not_null(strstr(nce_context_error(ctx), cases[i].says), "case %zu: %s", i, nce_context_error(ctx));
    }
    cr_assert_eq(nce_architecture_register(NULL, &good), NCE_ERR_INVALID);
    cr_assert_eq(nce_architecture_register(ctx, NULL), NCE_ERR_INVALID);
    cr_assert_eq(nce_architecture_register(ctx, &good), NCE_OK);
    cr_assert_eq(nce_architecture_register(ctx, &good), NCE_ERR_INVALID, "twice");
    nce_context_destroy(ctx);
}

Test(architecture, every_allocation_may_fail)
{
    for (long at = 1;; at++) {
        faulty_alloc a = {.fail_at = at};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_architecture_traits t = NCE_ARCHITECTURE_TRAITS_INIT;
        nce_context *ctx;
        o.allocator = faulty_allocator(&a);
        t.name = "mine";
        nce_status status = nce_context_create(&o, &ctx);
        if (status == NCE_OK) {
            status = nce_architecture_register(ctx, &t);
            nce_context_destroy(ctx);
        }
        cr_assert_eq(atomic_load(&a.live), 0);
        if (!atomic_load(&a.failed)) {
            cr_assert_eq(status, NCE_OK);
            break;
        }
        cr_assert_eq(status, NCE_ERR_NOMEM);
    }
}
