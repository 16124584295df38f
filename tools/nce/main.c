/* The nce command: finds the sub-command in a table and runs it. */
#include "tools/nce/command.h"
#include "nce/nce.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    nce_command_fn *run;
    const char *help;
} commands[] = {
#define NCE_COMMAND(name, help) {#name, nce_cmd_##name, help},
#include "tools/nce/commands.h"
#undef NCE_COMMAND
};

int nce_cmd_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) return nce_cmd_usage("version takes no arguments");
    printf("libnce %s\n", nce_version_string());
    return NCE_EXIT_OK;
}

static int say(int code, const char *format, va_list args)
{
    fflush(stdout);
    fputs("nce: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    return code;
}

int nce_cmd_failed(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int code = say(NCE_EXIT_FAILED, format, args);
    va_end(args);
    return code;
}

int nce_cmd_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int code = say(NCE_EXIT_USAGE, format, args);
    va_end(args);
    return code;
}

static void help(FILE *to)
{
    fputs("usage: nce COMMAND [ARGUMENTS]   (nce COMMAND --help says more)\n\n", to);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char name[32];
        size_t n = 0;
        for (const char *c = commands[i].name; *c != '\0' && n + 1 < sizeof name; c++)
            name[n++] = *c == '_' ? '-' : *c;
        name[n] = '\0';
        fprintf(to, "  %-16s %s\n", name, commands[i].help);
    }
}

/* "train-tokenizer" is the command train_tokenizer. */
static bool same_name(const char *given, const char *name)
{
    for (; *given != '\0' && (*given == *name || (*given == '-' && *name == '_')); given++)
        name++;
    return *given == '\0' && *name == '\0';
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return NCE_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return NCE_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) argv[1] = "version";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (same_name(argv[1], commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    return nce_cmd_usage("no command '%s'; nce --help lists them", argv[1]);
}
