/* nce quantize: a model file with smaller weights.  An interrupted run leaves OUT.*.partial, from which the same
 * command goes on. */
#include "tools/nce/command.h"
#include "nce/model_tools.h"
#include <stdio.h>
#include <string.h>

/* The argument table knows no option that may come more than once, so the overrides come as one list. */
enum { MAX_OVERRIDES = 64 };

static int split_overrides(const char *list, char *copy, size_t size, const char **items, size_t *n)
{
    *n = 0;
    if (list == NULL) return NCE_EXIT_OK;
    if (strlen(list) >= size) return nce_cmd_usage("--tensor: longer than %zu characters", size - 1);
    strcpy(copy, list);
    for (char *item = copy; item != NULL;) {
        char *comma = strchr(item, ',');
        if (comma != NULL) *comma++ = '\0';
        if (*n == MAX_OVERRIDES) return nce_cmd_usage("--tensor: more than %d items", MAX_OVERRIDES);
        items[(*n)++] = item;
        item = comma;
    }
    return NCE_EXIT_OK;
}

int nce_cmd_quantize(int argc, char **argv)
{
    const char *files[3] = {NULL, NULL, NULL}, *overrides = NULL, *items[MAX_OVERRIDES];
    char copy[4096];
    bool pure = false, absmean = false, quiet = false;
    nce_context_options c = NCE_CONTEXT_OPTIONS_INIT;
    nce_quantize_options o = NCE_QUANTIZE_OPTIONS_INIT;
    const nce_arg table[] = {
        {"--imatrix", NCE_ARG_TEXT, &o.imatrix, 0, 0, "FILE  importance of the columns (nce imatrix)"},
        {"--tensor", NCE_ARG_TEXT, &overrides, 0, 0, "PATTERN=TYPE,...  types of single tensors, * and ? allowed"},
        {"--pure", NCE_ARG_FLAG, &pure, 0, 0, "one type for all matrices"},
        {"--absmean", NCE_ARG_FLAG, &absmean, 0, 0, "ternary by mean |w|, for weights trained so (BitNet b1.58)"},
        {"--threads", NCE_ARG_U32, &c.n_threads, 1, 1024, "N  threads to use"},
        {"--quiet", NCE_ARG_FLAG, &quiet, 0, 0, "no progress"},
    };
    int code = nce_args_parse("quantize IN OUT TYPE [--imatrix FILE] [--tensor PATTERN=TYPE,...] [--pure]", table,
                              sizeof table / sizeof *table, argc, argv, files, 3);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (files[2] == NULL) return nce_cmd_usage("quantize needs IN, OUT and TYPE; see nce quantize --help");
    code = split_overrides(overrides, copy, sizeof copy, items, &o.n_tensor_types);
    if (code != NCE_EXIT_OK) return code;
    nce_context *ctx;
    nce_bar bar = {"quantize", quiet, 0};
    o.type = files[2];
    o.tensor_types = items;
    o.pure = pure;
    o.resume = 1;
    o.absmean = absmean;
    o.progress = nce_bar_progress;
    o.progress_user = &bar;
    nce_status status = nce_context_create(&c, &ctx);
    if (status != NCE_OK) return nce_cmd_failed("%s", nce_status_name(status));
    status = nce_gguf_quantize(ctx, files[0], files[1], &o);
    nce_bar_finish(&bar);
    const int result = status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
    nce_context_destroy(ctx);
    return result;
}
