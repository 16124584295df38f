/* Command-line arguments from a table, and the progress line. */
#include "tools/nce/command.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_help(const char *synopsis, const nce_arg *table, size_t n)
{
    printf("usage: nce %s\n\n", synopsis);
    for (size_t i = 0; i < n; i++)
        if (table[i].help != NULL) printf("  %-20s %s\n", table[i].name, table[i].help);
}

static int store(const nce_arg *a, const char *text)
{
    char *end;
    errno = 0;
    if (a->kind == NCE_ARG_TEXT) {
        *(const char **)a->target = text;
        return NCE_EXIT_OK;
    }
    const bool whole = a->kind != NCE_ARG_F32;
    const double value = whole ? (double)strtoull(text, &end, 10) : strtod(text, &end);
    const bool number = end != text && *end == '\0' && errno == 0 && !isnan(value) && !(whole && strchr(text, '-'));
    if (!number) return nce_cmd_usage("%s: '%s' is not a number", a->name, text);
    const double max = a->kind == NCE_ARG_U32 && a->max == 0 ? 4294967295.0 : a->max;
    if (max != 0 && (value < a->min || value > max))
        return nce_cmd_usage("%s: %s is outside %.10g..%.10g", a->name, text, a->min, max);
    if (a->kind == NCE_ARG_U32) *(uint32_t *)a->target = (uint32_t)value;
    if (a->kind == NCE_ARG_U64) *(uint64_t *)a->target = strtoull(text, NULL, 10);
    if (a->kind == NCE_ARG_F32) *(float *)a->target = (float)value;
    return NCE_EXIT_OK;
}

static const nce_arg *find(const nce_arg *table, size_t n, const char *text, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(table[i].name) == length && strncmp(table[i].name, text, length) == 0) return &table[i];
    return NULL;
}

int nce_args_parse(const char *synopsis, const nce_arg *table, size_t n, int argc, char **argv, const char **positional,
                   size_t n_positional)
{
    size_t n_found = 0;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (strcmp(text, "--help") == 0) {
            print_help(synopsis, table, n);
            return -1;
        }
        if (text[0] != '-' || text[1] == '\0') {
            if (n_found == n_positional) return nce_cmd_usage("unexpected argument '%s'; see nce %s --help", text, argv[0]);
            positional[n_found++] = text;
            continue;
        }
        const char *equals = text[1] == '-' ? strchr(text, '=') : NULL;
        const nce_arg *a = find(table, n, text, equals ? (size_t)(equals - text) : strlen(text));
        if (a == NULL) return nce_cmd_usage("unknown option '%s'; see nce %s --help", text, argv[0]);
        if (a->kind == NCE_ARG_FLAG) {
            if (equals) return nce_cmd_usage("%s takes no value", a->name);
            *(bool *)a->target = true;
            continue;
        }
        if (!equals && i + 1 >= argc) return nce_cmd_usage("%s needs a value", a->name);
        const int code = store(a, equals ? equals + 1 : argv[++i]);
        if (code != NCE_EXIT_OK) return code;
    }
    return NCE_EXIT_OK;
}

bool nce_bar_progress(void *user, uint64_t done, uint64_t total)
{
    enum { WIDTH = 40 };
    nce_bar *bar = user;
    if (bar->quiet || total == 0 || !isatty(STDERR_FILENO)) return true;
    const int percent = (int)((double)done / (double)total * 100.0);
    if (percent == bar->last) return true;
    bar->last = percent;
    char line[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++)
        line[i] = i * 100 < percent * WIDTH ? '#' : '.';
    line[WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %3d%%", bar->label, line, percent);
    return true;
}

void nce_bar_finish(nce_bar *bar)
{
    if (!bar->quiet && bar->last > 0 && isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
}
