/* Chat: turns of a conversation over one sequence of a session.
 *
 * A chat renders messages with the model's own template (built-in names: llama2, llama3, chatml, zephyr, mistral, gemma,
 * phi3; any other template is run by the interpreter of template.h) and evaluates only what the sequence does not already
 * hold, so a turn costs its own tokens only.  (A Jinja template may rewrite earlier turns; then what follows the change is
 * evaluated again.)
 *
 * When the conversation no longer fits n_ctx, the oldest turns (a user message and its reply) are dropped, the system
 * prompt and the newest turns stay, until the prompt leaves room for max_tokens or a quarter of n_ctx, whichever is less.
 * A single message that does not fit is NCE_ERR_LIMIT. */
#ifndef NCE_CHAT_H
#define NCE_CHAT_H
#include "generate.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_chat nce_chat;

typedef struct nce_chat_options {
    size_t struct_size;
    const char *system_prompt;        /* copied; NULL: none */
    const char *template_name;        /* NULL: the model's own, else chatml; a built-in name; or "jinja": the model's own
                                         template by the interpreter (template.h), even where a built-in format fits */
    const nce_sampler_options *sampler; /* copied; NULL: preset "default" */
    uint32_t seq;                     /* sequence of the session that the chat owns */
    uint32_t max_tokens;              /* of a reply; 0: 1024 */
    const char *template_text;        /* a Jinja template to use in place of the model's own; NULL: the model's */
    const char *template_variables;   /* JSON object of variables for a Jinja template; copied; NULL: none */
    const char *tools;                /* JSON array of what may be called, as nce_template_options.tools; copied; NULL: none.
                                         Selects the interpreter */
    int64_t now;                      /* local time in seconds since 1970, for templates that print the date; kept for the
                                         whole chat; 0: not told.  Selects the interpreter where the model has a template */
} nce_chat_options;
#define NCE_CHAT_OPTIONS_INIT { sizeof(nce_chat_options), 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Create a chat over a sequence, which is emptied.
 * NCE_ERR_INVALID (an argument; tools with a built-in format); NCE_ERR_NOTFOUND (template_name); NCE_ERR_FORMAT, NCE_ERR_UNSUPPORTED or
 * NCE_ERR_LIMIT (the template is none, or beyond the interpreter: the message names the line; give a template_name); NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_chat_create(nce_session *session, const nce_chat_options *options, nce_chat **out);
NCE_API void nce_chat_destroy(nce_chat *chat); /* NULL is allowed; before its session.  Since 0.1. */

/* Say something and stream the reply.
 *
 * text     UTF-8, terminated.   on_text  may be NULL.   reason  why the reply ended; may be NULL.
 * Returns NCE_OK (the reply, also a partial one, is part of the conversation), or as nce_generate: the conversation is
 * then as before the call, except that oldest turns may have been dropped to make room.  Since 0.1. */
NCE_API nce_status nce_chat_send(nce_chat *chat, const char *text, nce_text_fn *on_text, void *user,
                                 nce_stop_reason *reason);

/* Stream a reply to the conversation as it stands, after nce_chat_append: to a message restored, or to a tool's result.
 *
 * With tools a reply may be a call (nce_tool_calls_parse says); run it, append its result in the role "tool", ask for the
 * reply.  The call stays in the conversation as the text that the model wrote.
 * Returns as nce_chat_send; NCE_ERR_INVALID if nobody has spoken since the last reply.  Since 0.1. */
NCE_API nce_status nce_chat_reply(nce_chat *chat, nce_text_fn *on_text, void *user, nce_stop_reason *reason);

/* Drop all turns; the system prompt stays.  Since 0.1. */
NCE_API void nce_chat_reset(nce_chat *chat);
/* Replace the system prompt (NULL: none) and drop all turns.  NCE_ERR_NOMEM: nothing changed.  Since 0.1. */
NCE_API nce_status nce_chat_set_system(nce_chat *chat, const char *text);
/* Name of the template in use ("chatml"; "jinja" for one that the interpreter runs).  Since 0.1. */
NCE_API const char *nce_chat_template(const nce_chat *chat);

/* ---- the conversation ---- */
NCE_API size_t nce_chat_n_messages(const nce_chat *chat);
/* Role ("system", "user", "assistant", "tool") and text of a message; borrowed until the next change.
 * NCE_ERR_INVALID beyond the last.  Since 0.1. */
NCE_API nce_status nce_chat_message(const nce_chat *chat, size_t i, const char **role, const char **text);
/* Append a message without a reply (to restore a saved conversation, to give a tool's result).  role: "user", "assistant",
 * or "tool" where the interpreter runs the template.  NCE_ERR_INVALID; NCE_ERR_NOMEM.  Since 0.1. */
NCE_API nce_status nce_chat_append(nce_chat *chat, const char *role, const char *text);

#ifdef __cplusplus
}
#endif
#endif
