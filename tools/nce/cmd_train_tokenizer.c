/* nce train-tokenizer: a byte-level BPE vocabulary from text files. */
#include "tools/nce/command.h"
#include "nce/nce.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILES = 256, MAX_SPECIAL = 256 };

/* Map a file; an empty one has no mapping. */
static int map_file(const char *path, nce_text *text)
{
    struct stat info;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) != 0) {
        if (fd >= 0) close(fd);
        return nce_cmd_failed("cannot read %s", path);
    }
    text->n_bytes = (size_t)info.st_size;
    text->data = text->n_bytes > 0 ? mmap(NULL, text->n_bytes, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    close(fd);
    if (text->n_bytes > 0 && text->data == MAP_FAILED) {
        *text = (nce_text){NULL, 0};
        return nce_cmd_failed("cannot map %s", path);
    }
    return NCE_EXIT_OK;
}

/* Cut a comma-separated list in place. */
static size_t split_list(char *list, const char **items, size_t most)
{
    size_t n = 0;
    for (char *item = strtok(list, ","); item != NULL && n < most; item = strtok(NULL, ","))
        items[n++] = item;
    return n;
}

static int train(const nce_text *texts, size_t n, const nce_train_options *o, const char *out, bool quiet)
{
    nce_context *ctx;
    nce_tokenizer *t = NULL;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return nce_cmd_failed("no memory for a context");
    nce_status status = nce_tokenizer_train(ctx, texts, n, o, &t);
    const size_t length = strlen(out);
    const bool json = length > 5 && strcmp(out + length - 5, ".json") == 0;
    if (status == NCE_OK) status = json ? nce_tokenizer_save_json(t, out) : nce_tokenizer_save_gguf(t, out);
    if (status == NCE_OK && !quiet) fprintf(stderr, "%s: %zu tokens\n", out, nce_tokenizer_n_tokens(t));
    const int code = status == NCE_OK ? NCE_EXIT_OK : nce_cmd_failed("%s", nce_context_error(ctx));
    nce_tokenizer_destroy(t);
    nce_context_destroy(ctx);
    return code;
}

int nce_cmd_train_tokenizer(int argc, char **argv)
{
    const char *in = NULL, *out = NULL, *special_list = NULL, *split = NULL, *files[MAX_FILES], *special[MAX_SPECIAL];
    nce_train_options o = NCE_TRAIN_OPTIONS_INIT;
    nce_bar bar = {"training", false, -1};
    nce_text texts[MAX_FILES];
    const nce_arg table[] = {
        {"--vocab", NCE_ARG_U32, &o.n_tokens, 257, 1 << 24, "N  tokens wanted, special ones included (32000)"},
        {"--in", NCE_ARG_TEXT, &in, 0, 0, "FILES  text files, separated by commas; more may follow as arguments"},
        {"--out", NCE_ARG_TEXT, &out, 0, 0, "FILE  vocabulary to write: GGUF, or tokenizer.json if it ends in .json"},
        {"--split", NCE_ARG_TEXT, &split, 0, 0, "NAME  pre-tokenizer: llama-bpe (default), gpt-2, qwen2, ..."},
        {"--special", NCE_ARG_TEXT, &special_list, 0, 0, "LIST  special tokens, separated by commas (<|endoftext|>)"},
        {"--min-count", NCE_ARG_U32, &o.min_count, 1, 4294967295.0,
         "N  least occurrences of a pair that is merged (2)"},
        {"--threads", NCE_ARG_U32, &o.n_threads, 1, 1024, "N  threads that count words (all cores)"},
        {"--quiet", NCE_ARG_FLAG, &bar.quiet, 0, 0, "no progress line"},
    };
    size_t n = 0, n_mapped = 0;
    memset(files, 0, sizeof files);
    const int parsed = nce_args_parse("train-tokenizer --vocab N --in FILES --out FILE", table,
                                      sizeof table / sizeof *table, argc, argv, files, MAX_FILES / 2);
    if (parsed != NCE_EXIT_OK) return parsed < 0 ? NCE_EXIT_OK : parsed;
    while (n < MAX_FILES / 2 && files[n] != NULL)
        n++;
    char *in_copy = strdup(in != NULL ? in : ""),
         *special_copy = strdup(special_list != NULL ? special_list : "<|endoftext|>");
    int code = NCE_EXIT_OK;
    if (in_copy == NULL || special_copy == NULL) {
        code = nce_cmd_failed("no memory");
        goto end;
    }
    n += split_list(in_copy, files + n, MAX_FILES - n);
    o.split = split;
    o.n_special = split_list(special_copy, special, MAX_SPECIAL);
    o.special = special;
    o.progress = nce_bar_progress;
    o.progress_user = &bar;
    if (n == 0 || out == NULL) code = nce_cmd_usage("train-tokenizer needs --in and --out");
    for (; n_mapped < n && code == NCE_EXIT_OK; n_mapped++)
        code = map_file(files[n_mapped], &texts[n_mapped]);
    if (code == NCE_EXIT_OK) {
        code = train(texts, n, &o, out, bar.quiet);
        nce_bar_finish(&bar);
    }
end:
    for (size_t i = 0; i < n_mapped; i++)
        if (texts[i].n_bytes > 0 && texts[i].data != NULL) munmap((void *)(uintptr_t)texts[i].data, texts[i].n_bytes);
    free(in_copy);
    free(special_copy);
    return code;
}
