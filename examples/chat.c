/* A conversation with a GGUF model in the terminal: streams answers, Ctrl-C stops an answer and keeps the program.
 *
 * usage: chat [MODEL] [--system TEXT] [--template NAME] [--preset NAME] [--ctx N] [--threads N] [--seed N] */
#include "chat.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *model, *system, *template_name, *preset;
    unsigned ctx, threads, max_tokens;
    unsigned long long seed;
} settings;

static nce_session *volatile answering; /* what Ctrl-C stops */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (answering != NULL) nce_session_cancel(answering);
}

void chat_complain(const chat_program *p, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, nce_context_error(p->ctx));
}

static bool show_progress(void *user, uint64_t done, uint64_t total)
{
    int *last = user;
    const int percent = total ? (int)(done * 100 / total) : 100;
    if (!isatty(STDERR_FILENO) || percent == *last) return true;
    *last = percent;
    fprintf(stderr, "\rloading [%-40.*s] %3d%%", percent * 40 / 100, "########################################", percent);
    if (percent == 100) fputs("\r\033[K", stderr);
    return true;
}

static bool show_text(void *user, const char *text, size_t n)
{
    (void)user;
    return fwrite(text, 1, n, stdout) == n && fflush(stdout) == 0;
}

static bool parse(int argc, char **argv, settings *s)
{
    *s = (settings){.model = "tiny", .preset = "default"};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (name[0] != '-') {
            s->model = name;
            continue;
        }
        if (value == NULL || strcmp(name, "--help") == 0) return false;
        if (strcmp(name, "--system") == 0) s->system = value;
        else if (strcmp(name, "--template") == 0) s->template_name = value;
        else if (strcmp(name, "--preset") == 0) s->preset = value;
        else if (strcmp(name, "--ctx") == 0) s->ctx = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--threads") == 0) s->threads = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--max-tokens") == 0) s->max_tokens = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--seed") == 0) s->seed = strtoull(value, NULL, 10);
        else return false;
        i++;
    }
    return true;
}

static bool open_chat(chat_program *p, const settings *s)
{
    int last = -1;
    nce_context_options context = NCE_CONTEXT_OPTIONS_INIT;
    nce_model_options model = NCE_MODEL_OPTIONS_INIT;
    nce_session_options session = NCE_SESSION_OPTIONS_INIT;
    nce_sampler_options sampler = NCE_SAMPLER_OPTIONS_INIT;
    nce_chat_options chat = NCE_CHAT_OPTIONS_INIT;
    context.n_threads = s->threads;
    model.progress = show_progress;
    model.progress_user = &last;
    session.n_ctx = s->ctx;
    sampler.seed = s->seed;
    chat.system_prompt = s->system;
    chat.template_name = s->template_name;
    chat.sampler = &sampler;
    chat.max_tokens = s->max_tokens;
    if (nce_sampler_preset(s->preset, &sampler) != NCE_OK) {
        fprintf(stderr, "--preset %s: use greedy, precise, default or creative\n", s->preset);
        return false;
    }
    const nce_status status = nce_context_create(&context, &p->ctx);
    if (status != NCE_OK) fprintf(stderr, "cannot start: %s\n", nce_status_name(status));
    if (status != NCE_OK) return false;
    if (nce_model_load(p->ctx, s->model, &model, &p->model) == NCE_OK &&
        nce_session_create(p->model, &session, &p->session) == NCE_OK && nce_chat_create(p->session, &chat, &p->chat) == NCE_OK)
        return true;
    chat_complain(p, s->model);
    return false;
}

static void answer(chat_program *p, const char *line)
{
    nce_stop_reason reason;
    answering = p->session;
    const nce_status status = nce_chat_send(p->chat, line, show_text, NULL, &reason);
    answering = NULL;
    putchar('\n');
    fflush(stdout);
    if (status == NCE_ERR_CANCELLED) fputs("(stopped)\n", stderr);
    else if (status != NCE_OK) chat_complain(p, "no answer");
    else if (reason == NCE_STOP_CANCELLED) fputs("(stopped)\n", stderr);
    else if (reason == NCE_STOP_CONTEXT) fputs("(the context is full)\n", stderr);
}

static void converse(chat_program *p)
{
    char *line = NULL;
    size_t capacity = 0;
    while (!p->done) {
        if (p->interactive) fputs("> ", stdout), fflush(stdout);
        const ssize_t n = getline(&line, &capacity, stdin);
        if (n < 0) {
            if (p->interactive && !feof(stdin)) { /* Ctrl-C at the prompt */
                clearerr(stdin);
                putchar('\n');
                continue;
            }
            break;
        }
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '/') chat_command(p, line);
        else if (line[0] != '\0') answer(p, line);
    }
    free(line);
}

int main(int argc, char **argv)
{
    settings s;
    chat_program p = {.interactive = isatty(STDIN_FILENO)};
    if (!parse(argc, argv, &s)) {
        fprintf(stderr, "usage: %s [MODEL] [--system TEXT] [--template NAME] [--preset NAME] [--ctx N] [--max-tokens N] [--threads N] [--seed N]\n", argv[0]);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART: Ctrl-C also wakes the prompt */
    sigaction(SIGINT, &action, NULL);
    const bool ok = open_chat(&p, &s);
    if (ok && p.interactive) printf("%s, template %s. /help lists the commands.\n", nce_model_architecture(p.model), nce_chat_template(p.chat));
    if (ok) converse(&p);
    nce_chat_destroy(p.chat);
    nce_session_destroy(p.session);
    nce_model_destroy(p.model);
    nce_context_destroy(p.ctx);
    return ok ? 0 : 1;
}
