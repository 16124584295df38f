/* The smallest program: load a model, continue a prompt.  cc embed.c $(pkg-config --cflags --libs nce) */
#include <nce/nce.h>
#include <stdio.h>
#include <string.h>

static bool print(void *user, const char *text, size_t n) { return fwrite(text, 1, n, user) == n; }

int main(int argc, char **argv)
{
    nce_context *ctx = NULL;
    nce_model *model = NULL;
    nce_session *session = NULL;
    nce_sampler *sampler = NULL;
    int32_t prompt[512];
    size_t n;
    const char *text = argc > 2 ? argv[2] : "Once upon a time";
    if (argc < 2 || nce_context_create(NULL, &ctx) != NCE_OK) return 2;
    bool ok = nce_model_load(ctx, argv[1], NULL, &model) == NCE_OK && nce_session_create(model, NULL, &session) == NCE_OK &&
              nce_sampler_create(ctx, nce_model_n_vocab(model), NULL, &sampler) == NCE_OK &&
              nce_tokenizer_encode(nce_model_tokenizer(model), text, strlen(text), NCE_ENCODE_BOS, prompt, 512, &n) == NCE_OK;
    nce_generate_options o = NCE_GENERATE_OPTIONS_INIT;
    o.sampler = sampler;
    o.on_text = print;
    o.on_text_user = stdout;
    o.max_tokens = 64;
    ok = ok && nce_generate(session, 0, prompt, n, &o, NULL, NULL) == NCE_OK;
    if (!ok) fprintf(stderr, "%s\n", nce_context_error(ctx));
    nce_sampler_destroy(sampler);
    nce_session_destroy(session);
    nce_model_destroy(model);
    nce_context_destroy(ctx);
    return ok ? 0 : 1;
}
