/* A sub-command of the nce tool: one file cmd_<name>.c and one row of the table in main.c. */
#ifndef NCE_TOOL_COMMAND_H
#define NCE_TOOL_COMMAND_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of every command. */
enum { NCE_EXIT_OK = 0, NCE_EXIT_FAILED = 1, NCE_EXIT_USAGE = 2 };

typedef int nce_command_fn(int argc, char **argv); /* argv[0] is the sub-command's name */

#define NCE_COMMAND(name, help) nce_command_fn nce_cmd_##name;
#include "tools/nce/commands.h"
#undef NCE_COMMAND

/* One line on stderr, "nce: ...", and NCE_EXIT_FAILED (or NCE_EXIT_USAGE). */
int nce_cmd_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
int nce_cmd_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- arguments ----
 * A command describes its options as a table; nce_args_parse fills the targets.  "--name value" and "--name=value" are
 * the same.  What is no option is positional and goes to positional[] in order. */
typedef enum nce_arg_kind { NCE_ARG_FLAG, NCE_ARG_TEXT, NCE_ARG_U32, NCE_ARG_U64, NCE_ARG_F32 } nce_arg_kind;
typedef struct nce_arg {
    const char *name;  /* "--threads", or a short form "-t" in another row with the same target */
    nce_arg_kind kind;
    void *target;      /* bool, const char *, uint32_t, uint64_t, float */
    double min, max;   /* range of a number, inclusive; both 0: any */
    const char *help;  /* "N  threads to use"; NULL hides the row from the help text */
} nce_arg;

/* Returns NCE_EXIT_OK, or NCE_EXIT_USAGE with the message already printed; -1 after printing the help for --help. */
int nce_args_parse(const char *synopsis, const nce_arg *table, size_t n, int argc, char **argv, const char **positional,
                   size_t n_positional);

/* ---- output ---- */
/* A progress line on stderr when it is a terminal and quiet is off; user is a nce_bar.  Fits nce_progress_fn. */
typedef struct nce_bar { const char *label; bool quiet; int last; } nce_bar;
bool nce_bar_progress(void *user, uint64_t done, uint64_t total);
void nce_bar_finish(nce_bar *bar);

#endif
