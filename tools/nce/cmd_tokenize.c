/* nce tokenize: the token ids of a text or file, on one line. */
#include "tools/nce/command.h"
#include "nce/nce.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole file as it is; *data is owned by the caller. */
static int read_file(const char *path, char **data, size_t *size)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    size_t capacity = 1 << 16, n = 0, got = 0;
    char *buffer = malloc(capacity);
    *data = NULL;
    if (f == NULL) {
        free(buffer);
        return nce_cmd_failed("cannot read %s", path);
    }
    while (buffer != NULL && (got = fread(buffer + n, 1, capacity - n, f)) > 0) {
        n += got;
        if (n < capacity) continue;
        capacity *= 2;
        char *grown = realloc(buffer, capacity);
        if (grown == NULL) free(buffer);
        buffer = grown;
    }
    const bool broken = ferror(f) != 0;
    if (f != stdin) fclose(f);
    if (buffer == NULL) return nce_cmd_failed("no memory for %s", path);
    if (broken) {
        free(buffer);
        return nce_cmd_failed("cannot read %s", path);
    }
    *data = buffer;
    *size = n;
    return NCE_EXIT_OK;
}

static int print_ids(nce_context *ctx, const nce_tokenizer *t, const char *text, size_t n, uint32_t flags)
{
    size_t capacity = n + 16, count;
    int32_t *ids = malloc(capacity * sizeof *ids);
    if (ids == NULL) return nce_cmd_failed("no memory for %zu tokens", capacity);
    nce_status status = nce_tokenizer_encode(t, text, n, flags, ids, capacity, &count);
    if (status == NCE_ERR_LIMIT && count > capacity) {
        capacity = count;
        free(ids);
        ids = malloc(capacity * sizeof *ids);
        if (ids == NULL) return nce_cmd_failed("no memory for %zu tokens", capacity);
        status = nce_tokenizer_encode(t, text, n, flags, ids, capacity, &count);
    }
    for (size_t i = 0; i < count && status == NCE_OK; i++)
        printf(i > 0 ? " %d" : "%d", ids[i]);
    if (status == NCE_OK) putchar('\n');
    free(ids);
    return status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
}

int nce_cmd_tokenize(int argc, char **argv)
{
    const char *model = NULL, *text = NULL, *file = NULL;
    bool bos = false, special = false;
    char *data = NULL;
    size_t n = 0;
    const nce_arg table[] = {
        {"--text", NCE_ARG_TEXT, &text, 0, 0, "T  the text"},
        {"--file", NCE_ARG_TEXT, &file, 0, 0, "F  a file whose bytes are the text; - reads standard input"},
        {"--bos", NCE_ARG_FLAG, &bos, 0, 0, "add the tokens the model wants around a text"},
        {"--special", NCE_ARG_FLAG, &special, 0, 0, "control tokens written in the text become those tokens"},
    };
    int code = nce_args_parse("tokenize MODEL (--text T | --file F) [--bos] [--special]", table,
                              sizeof table / sizeof *table, argc, argv, &model, 1);
    if (code != NCE_EXIT_OK) return code < 0 ? NCE_EXIT_OK : code;
    if (model == NULL || (text == NULL) == (file == NULL))
        return nce_cmd_usage("tokenize needs MODEL and --text or --file");
    nce_context *ctx = NULL;
    nce_tokenizer *t = NULL;
    if (file != NULL && (code = read_file(file, &data, &n)) != NCE_EXIT_OK) return code;
    if (nce_context_create(NULL, &ctx) != NCE_OK)
        code = nce_cmd_failed("no memory for a context");
    else if (nce_tokenizer_open(ctx, model, &t) != NCE_OK)
        code = nce_cmd_failed("%s", nce_context_error(ctx));
    else
        code = print_ids(ctx, t, data != NULL ? data : text, data != NULL ? n : strlen(text),
                         (bos ? NCE_ENCODE_BOS : 0u) | (special ? NCE_ENCODE_SPECIAL : 0u));
    nce_tokenizer_destroy(t);
    nce_context_destroy(ctx);
    free(data);
    return code;
}
