/* Models of random weights for tests: small, with a real vocabulary, made once per process in a temporary file. */
#ifndef NCE_TESTS_FIXTURE_H
#define NCE_TESTS_FIXTURE_H
#include "nce/nce.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    nce_context *ctx;
    nce_model *model;
    nce_session *session;
    char path[64];
} fixture;

static inline void fixture_file(nce_context *ctx, const char *shape, const char *type, char path[64])
{
    nce_synth_options o = NCE_SYNTH_OPTIONS_INIT;
    snprintf(path, 64, "/tmp/nce-test-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    o.shape = shape;
    o.type = type;
    o.n_layers = 2;
    o.n_vocab = 512;
    cr_assert_eq(nce_gguf_synthesize(ctx, path, &o), NCE_OK, "%s", nce_context_error(ctx));
}

static inline bool fixture_open(fixture *f, const char *shape, const char *type, nce_isa isa, const nce_session_options *session)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    memset(f, 0, sizeof *f);
    o.isa = isa;
    o.n_threads = 2;
    if (nce_context_create(&o, &f->ctx) == NCE_ERR_UNSUPPORTED) return false;
    fixture_file(f->ctx, shape, type, f->path);
    cr_assert_eq(nce_model_load(f->ctx, f->path, NULL, &f->model), NCE_OK, "%s", nce_context_error(f->ctx));
    cr_assert_eq(nce_session_create(f->model, session, &f->session), NCE_OK, "%s", nce_context_error(f->ctx));
    return true;
}

static inline void fixture_close(fixture *f)
{
    nce_session_destroy(f->session);
    nce_model_destroy(f->model);
    nce_context_destroy(f->ctx);
    if (f->path[0] != '\0') unlink(f->path);
}

/* Tokens of a fixed sequence. */
static inline void fixture_tokens(int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(3 + (i * 131 + 17) % 500);
}

static inline nce_status fixture_eval(nce_session *s, uint32_t seq, const int32_t *ids, size_t n, nce_logits want, float *logits)
{
    const nce_run run = {.tokens = ids, .n_tokens = n, .logits = logits, .seq = seq, .want = want};
    return nce_session_eval(s, &run, 1);
}
#endif
