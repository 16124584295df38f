/* nce imatrix: run a text through a model and write how large the inputs of each weight matrix were, column by column.
 * nce quantize --imatrix makes use of it. */
#include "nce/importance.h"
#include "tools/nce/common.h"
#include <stdlib.h>
#include <string.h>

/* The text in windows of the context, each from the beginning-of-text token on where the model has one. */
static nce_status all_windows(nce_engine *e, int32_t *ids, size_t n, nce_bar *bar)
{
    const nce_tokenizer *t = nce_model_tokenizer(e->model);
    const size_t n_ctx = nce_session_n_ctx(e->session);
    nce_status status = NCE_OK;
    for (size_t at = 0; at < n && status == NCE_OK; at += n_ctx) {
        const nce_run run = {.tokens = ids + at, .n_tokens = n - at < n_ctx ? n - at : n_ctx, .want = NCE_LOGITS_NONE};
        if (nce_tokenizer_adds_bos(t)) ids[at] = nce_tokenizer_bos(t);
        nce_session_trim(e->session, 0, 0);
        status = nce_session_eval(e->session, &run, 1);
        nce_bar_progress(bar, at + run.n_tokens, n);
    }
    return status;
}

static int collect(const nce_common *c, nce_engine *e, const char *file, const char *out)
{
    nce_importance_options o = NCE_IMPORTANCE_OPTIONS_INIT;
    nce_bar bar = {.label = "imatrix", .quiet = c->quiet, .last = -1};
    size_t n_bytes, n;
    char *text = nce_read_file(file, &n_bytes);
    if (text == NULL) return NCE_EXIT_FAILED;
    int32_t *ids = nce_encode_text(e, text, n_bytes, NCE_ENCODE_BOS, &n);
    free(text);
    if (ids == NULL) return NCE_EXIT_FAILED;
    const char *slash = strrchr(file, '/');
    o.dataset = slash != NULL ? slash + 1 : file;
    nce_status status = all_windows(e, ids, n, &bar);
    nce_bar_finish(&bar);
    free(ids);
    if (status == NCE_OK) status = nce_session_importance_save(e->session, out, &o);
    return status == NCE_OK ? NCE_EXIT_OK : nce_engine_failed(e, status);
}

int nce_cmd_imatrix(int argc, char **argv)
{
    nce_common c = {.ctx = 512, .importance = true};
    const char *names[2] = {NULL, NULL}, *file = NULL, *out = NULL;
    const nce_arg table[] = {
        {"--file", NCE_ARG_TEXT, &file, 0, 0, "FILE  the text, if it is not the second argument"},
        {"--out", NCE_ARG_TEXT, &out, 0, 0, "FILE  importance matrix to write"},
        {"-o", NCE_ARG_TEXT, &out, 0, 0, NULL},
        NCE_COMMON_ARGS(c),
    };
    int code = nce_args_parse("imatrix MODEL TEXT -o FILE [--ctx N] [options]", table, sizeof table / sizeof *table,
                              argc, argv, names, 2);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (file == NULL) file = names[1];
    if (names[0] == NULL || file == NULL || out == NULL) return nce_cmd_usage("imatrix needs MODEL, a text and -o");
    nce_engine e = {0};
    code = nce_engine_model(&c, names[0], &e);
    if (code == NCE_EXIT_OK) code = nce_engine_session(&c, &e);
    if (code == NCE_EXIT_OK) code = collect(&c, &e, file, out);
    nce_engine_close(&e);
    return code;
}
