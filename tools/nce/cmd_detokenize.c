/* nce detokenize: the text of token ids. */
#include "tools/nce/command.h"
#include "nce/nce.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids separated by white space or commas; *ids is owned by the caller. */
static int parse_ids(const char *text, int32_t **ids, size_t *n)
{
    *ids = malloc((strlen(text) / 2 + 1) * sizeof **ids);
    *n = 0;
    if (*ids == NULL) return nce_cmd_failed("no memory for the ids");
    for (;;) {
        text += strspn(text, " \t\r\n,");
        if (*text == '\0') return NCE_EXIT_OK;
        char *end;
        errno = 0;
        const long value = strtol(text, &end, 10);
        if (end == text || errno != 0 || value < 0 || value > INT32_MAX)
            return nce_cmd_usage("--ids: '%.20s' is not a token id", text);
        (*ids)[(*n)++] = (int32_t)value;
        text = end;
    }
}

static int print_text(nce_context *ctx, const nce_tokenizer *t, const int32_t *ids, size_t n, uint32_t flags)
{
    const size_t capacity = n * (nce_tokenizer_max_piece(t) + 8) + 1;
    size_t n_bytes;
    char *text = malloc(capacity);
    if (text == NULL) return nce_cmd_failed("no memory for %zu bytes of text", capacity);
    const nce_status status = nce_tokenizer_decode(t, ids, n, flags, text, capacity, &n_bytes);
    if (status == NCE_OK) fwrite(text, 1, n_bytes, stdout);
    free(text);
    return status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
}

int nce_cmd_detokenize(int argc, char **argv)
{
    const char *model = NULL, *text = NULL;
    bool special = false;
    int32_t *ids = NULL;
    size_t n;
    const nce_arg table[] = {
        {"--ids", NCE_ARG_TEXT, &text, 0, 0, "\"1 2 3\"  the tokens"},
        {"--special", NCE_ARG_FLAG, &special, 0, 0, "write control tokens as their text"},
    };
    int code = nce_args_parse("detokenize MODEL --ids \"1 2 3\" [--special]", table, sizeof table / sizeof *table, argc,
                              argv, &model, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (model == NULL || text == NULL) return nce_cmd_usage("detokenize needs MODEL and --ids");
    nce_context *ctx = NULL;
    nce_tokenizer *t = NULL;
    code = parse_ids(text, &ids, &n);
    if (code == NCE_EXIT_OK) {
        if (nce_context_create(NULL, &ctx) != NCE_OK)
            code = nce_cmd_failed("no memory for a context");
        else if (nce_tokenizer_open(ctx, model, &t) != NCE_OK)
            code = nce_cmd_failed("%s", nce_context_error(ctx));
        else
            code = print_text(ctx, t, ids, n, special ? NCE_DECODE_SPECIAL : 0);
    }
    nce_tokenizer_destroy(t);
    nce_context_destroy(ctx);
    free(ids);
    return code;
}
