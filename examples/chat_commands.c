/* The chat program's commands.  A conversation is saved as plain text: "role bytes\n", then the bytes and a newline. */
#include "chat.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help(chat_program *p, const char *argument)
{
    (void)p, (void)argument;
    puts("/help            this list\n"
         "/reset           forget the conversation\n"
         "/system TEXT     set the system prompt and start again\n"
         "/stats           tokens, speed, memory\n"
         "/save FILE       write the conversation\n"
         "/load FILE       read a conversation\n"
         "/quit            leave\n"
         "Ctrl-C stops an answer.");
}

static void reset(chat_program *p, const char *argument)
{
    (void)argument;
    nce_chat_reset(p->chat);
}

static void set_system(chat_program *p, const char *argument)
{
    if (nce_chat_set_system(p->chat, *argument ? argument : NULL) != NCE_OK) chat_complain(p, "/system");
}

static void stats(chat_program *p, const char *argument)
{
    (void)argument;
    double v[6] = {0};
    const nce_metric m[6] = {NCE_METRIC_PROMPT_TOKENS, NCE_METRIC_PROMPT_SECONDS, NCE_METRIC_DECODE_TOKENS,
                             NCE_METRIC_DECODE_SECONDS, NCE_METRIC_KV_BYTES, NCE_METRIC_SCRATCH_BYTES};
    for (int i = 0; i < 6; i++)
        nce_session_metric(p->session, m[i], &v[i]);
    printf("prompt: %.0f tokens, %.1f/s   answers: %.0f tokens, %.1f/s   context: %zu of %u\n"
           "keys and values: %.1f MB   working memory: %.1f MB\n",
           v[0], v[1] > 0 ? v[0] / v[1] : 0, v[2], v[3] > 0 ? v[2] / v[3] : 0, nce_session_length(p->session, 0),
           nce_session_n_ctx(p->session), v[4] * 1e-6, v[5] * 1e-6);
}

static void save(chat_program *p, const char *path)
{
    const char *role, *text;
    FILE *f = fopen(path, "wb");
    if (f == NULL) {
        fprintf(stderr, "/save %s: %s\n", path, strerror(errno));
        return;
    }
    for (size_t i = 0; i < nce_chat_n_messages(p->chat) && nce_chat_message(p->chat, i, &role, &text) == NCE_OK; i++)
        fprintf(f, "%s %zu\n%s\n", role, strlen(text), text);
    if (fclose(f) != 0) fprintf(stderr, "/save %s: %s\n", path, strerror(errno));
}

static bool load_message(chat_program *p, const char *role, const char *text)
{
    if (strcmp(role, "system") == 0) return nce_chat_set_system(p->chat, text) == NCE_OK;
    return nce_chat_append(p->chat, role, text) == NCE_OK;
}

static void load(chat_program *p, const char *path)
{
    char role[16];
    size_t n;
    FILE *f = fopen(path, "rb");
    bool ok = f != NULL;
    if (!ok) fprintf(stderr, "/load %s: %s\n", path, strerror(errno));
    if (ok && nce_chat_set_system(p->chat, NULL) != NCE_OK) chat_complain(p, "/load");
    while (ok && fscanf(f, "%15s %zu", role, &n) == 2) {
        char *text = n < 1u << 26 && fgetc(f) == '\n' ? malloc(n + 1) : NULL;
        ok = text != NULL && fread(text, 1, n, f) == n;
        if (ok) text[n] = '\0', ok = load_message(p, role, text);
        free(text);
        if (!ok) fprintf(stderr, "/load %s: damaged near a message of %zu bytes\n", path, n);
    }
    if (f != NULL) fclose(f);
    if (ok) printf("%zu messages\n", nce_chat_n_messages(p->chat));
}

static void quit(chat_program *p, const char *argument)
{
    (void)argument;
    p->done = true;
}

void chat_command(chat_program *p, const char *line)
{
    static const struct { const char *name; void (*run)(chat_program *, const char *); bool needs_argument; } commands[] = {
        {"/help", help, false}, {"/reset", reset, false}, {"/system", set_system, false}, {"/stats", stats, false},
        {"/save", save, true},  {"/load", load, true},    {"/quit", quit, false}};
    const size_t n = strcspn(line, " ");
    const char *argument = line + n + strspn(line + n, " ");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strlen(commands[i].name) == n && memcmp(line, commands[i].name, n) == 0) {
            if (commands[i].needs_argument && *argument == '\0') fprintf(stderr, "%s needs a file name\n", commands[i].name);
            else commands[i].run(p, argument);
            return;
        }
    fprintf(stderr, "%.*s: unknown; /help lists the commands\n", (int)n, line);
}
