/* nce inspect: metadata and tensor table of a GGUF file. */
#include "tools/nce/command.h"
#include "nce/model_tools.h"
#include <stdio.h>

static bool print(void *user, const char *text, size_t n)
{
    return fwrite(text, 1, n, user) == n;
}

int nce_cmd_inspect(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    nce_describe_options o = NCE_DESCRIBE_OPTIONS_INIT;
    const nce_arg table[] = {
        {"--json", NCE_ARG_FLAG, &json, 0, 0, "one JSON object, arrays in full"},
        {"--elements", NCE_ARG_U32, &o.max_elements, 1, 0xffffffff, "N  show at most N elements of an array"},
    };
    const int code = nce_args_parse("inspect MODEL [--json] [--elements N]", table, sizeof table / sizeof *table, argc,
                                    argv, &path, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (path == NULL) return nce_cmd_usage("inspect needs a model; see nce inspect --help");
    nce_context *ctx;
    o.json = json;
    nce_status status = nce_context_create(NULL, &ctx);
    if (status != NCE_OK) return nce_cmd_failed("%s", nce_status_name(status));
    status = nce_gguf_describe(ctx, path, &o, print, stdout);
    const int result =
        status == NCE_OK && fflush(stdout) == 0 ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
    nce_context_destroy(ctx);
    return result;
}
