/* nce logits: the logits of every token of a list, and their hash: the tool behind every "same bits" claim. */
#include "tools/nce/common.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static int write_logits(const char *path, const float *logits, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL) return nce_cmd_failed("%s: cannot write", path);
    const bool ok = fwrite(logits, sizeof *logits, n, f) == n;
    return fclose(f) == 0 && ok ? NCE_EXIT_OK : nce_cmd_failed("%s: write failed", path);
}

static int evaluate(nce_engine *e, const int32_t *ids, size_t n, const char *out)
{
    const size_t n_vocab = nce_model_n_vocab(e->model);
    float *logits = malloc(n * n_vocab * sizeof *logits);
    if (logits == NULL) return nce_cmd_failed("no memory for %zu x %zu logits", n, n_vocab);
    const nce_run run = {.tokens = ids, .n_tokens = n, .logits = logits, .want = NCE_LOGITS_ALL};
    const nce_status status = nce_session_eval(e->session, &run, 1);
    int code = status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(e, status);
    if (code == NCE_EXIT_OK && out != NULL) code = write_logits(out, logits, n * n_vocab);
    if (code == NCE_EXIT_OK) {
        const XXH128_hash_t h = XXH3_128bits(logits, n * n_vocab * sizeof *logits);
        printf("xxh3-128: %016llx%016llx\n", (unsigned long long)h.high64, (unsigned long long)h.low64);
    }
    free(logits);
    return code;
}

int nce_cmd_logits(int argc, char **argv)
{
    nce_common c = {0};
    const char *model = NULL, *tokens = NULL, *out = NULL;
    const nce_arg table[] = {
        {"--tokens", NCE_ARG_TEXT, &tokens, 0, 0, "FILE  token ids separated by white space"},
        {"--out", NCE_ARG_TEXT, &out, 0, 0, "FILE  raw little-endian float32 [tokens][vocabulary]"},
        NCE_COMMON_ARGS(c),
    };
    int code = nce_args_parse("logits MODEL --tokens FILE [--out FILE] [options]", table, sizeof table / sizeof *table, argc, argv, &model, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (model == NULL || tokens == NULL) return nce_cmd_usage("logits needs MODEL and --tokens");
    size_t n;
    int32_t *ids = nce_read_tokens(tokens, &n);
    if (ids == NULL) return NCE_EXIT_FAILED;
    nce_engine e = {0};
    if (c.ctx == 0) c.ctx = n < 64 ? 64 : n > 1048576 ? 1048576 : (uint32_t)n;
    code = n == 0 ? nce_cmd_failed("%s holds no tokens", tokens) : nce_engine_model(&c, model, &e);
    if (code == NCE_EXIT_OK) code = nce_engine_session(&c, &e);
    if (code == NCE_EXIT_OK) code = evaluate(&e, ids, n, out);
    nce_engine_close(&e);
    free(ids);
    return code;
}
