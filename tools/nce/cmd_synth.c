/* nce synth: a model of random weights in a real shape. */
#include "tools/nce/command.h"
#include "nce/model_tools.h"
#include <stdio.h>

static void print_names(const char *title, const char *(*name)(size_t))
{
    printf("%s:", title);
    for (size_t i = 0; name(i) != NULL; i++)
        printf(" %s", name(i));
    putchar('\n');
}

int nce_cmd_synth(int argc, char **argv)
{
    const char *path = NULL;
    bool list = false, quiet = false;
    nce_context_options c = NCE_CONTEXT_OPTIONS_INIT;
    nce_synth_options o = NCE_SYNTH_OPTIONS_INIT;
    const nce_arg table[] = {
        {"--shape", NCE_ARG_TEXT, &o.shape, 0, 0, "NAME  shape to copy (tiny)"},
        {"--type", NCE_ARG_TEXT, &o.type, 0, 0, "NAME  tensor type or mix (q4_k_m)"},
        {"--seed", NCE_ARG_U64, &o.seed, 0, 0, "N  of the weights (0)"},
        {"--layers", NCE_ARG_U32, &o.n_layers, 1, 1024, "N  instead of the shape's"},
        {"--vocab", NCE_ARG_U32, &o.n_vocab, 512, 1 << 20, "N  instead of the shape's"},
        {"--threads", NCE_ARG_U32, &c.n_threads, 1, 1024, "N  threads to use"},
        {"--quiet", NCE_ARG_FLAG, &quiet, 0, 0, "no progress"},
        {"--list", NCE_ARG_FLAG, &list, 0, 0, "print the shapes and types"},
    };
    const int code = nce_args_parse("synth OUT [--shape NAME] [--type NAME] [--seed N]", table,
                                    sizeof table / sizeof *table, argc, argv, &path, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (list) {
        print_names("shapes", nce_synth_shape);
        print_names("types", nce_synth_type);
        return NCE_EXIT_OK;
    }
    if (path == NULL) return nce_cmd_usage("synth needs a file to write; see nce synth --help");
    nce_context *ctx;
    nce_bar bar = {"weights", quiet, 0};
    o.progress = nce_bar_progress;
    o.progress_user = &bar;
    nce_status status = nce_context_create(&c, &ctx);
    if (status != NCE_OK) return nce_cmd_failed("%s", nce_status_name(status));
    status = nce_gguf_synthesize(ctx, path, &o);
    nce_bar_finish(&bar);
    const int result = status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
    nce_context_destroy(ctx);
    return result;
}
