/* A chat program: its state, and the commands that begin with '/'. */
#ifndef CHAT_H
#define CHAT_H
#include <nce/nce.h>
#include <stdbool.h>

typedef struct chat_program {
    nce_context *ctx;
    nce_model *model;
    nce_session *session;
    nce_chat *chat;
    bool interactive; /* standard input is a terminal */
    bool done;
} chat_program;

/* Run one line that begins with '/'. */
void chat_command(chat_program *p, const char *line);
/* Print what went wrong in the library's last call. */
void chat_complain(const chat_program *p, const char *what);

#endif
