/* A conversation and what its parts share: messages, the prompt made of them, a turn. */
#ifndef NCE_SRC_CHAT_H
#define NCE_SRC_CHAT_H
#include "nce/chat.h"
#include "src/core/session/chat_render.h"
#include "src/core/session/chat_template.h"
#include "src/core/session/session.h"

typedef enum nce_chat_role { NCE_CHAT_SYSTEM, NCE_CHAT_USER, NCE_CHAT_ASSISTANT, NCE_CHAT_TOOL } nce_chat_role;
extern const char *const nce_chat_role_names[4];

typedef struct nce_chat_entry {
    nce_chat_role role;
    char *text;
    int32_t *tokens; /* of a reply that was generated; NULL: encode the text */
    size_t n_tokens;
} nce_chat_entry;

typedef struct nce_token_list {
    int32_t *ids;
    size_t n, capacity;
} nce_token_list;

struct nce_chat {
    nce_context *ctx;
    nce_session *s;
    const nce_tokenizer *t;
    const nce_chat_format *format;
    nce_template *jinja; /* NULL: the format is a built-in one */
    char *variables, *tools; /* of jinja; may be NULL */
    int64_t now;
    nce_chat_known rendered; /* the prompt being answered */
    nce_chat_known known;    /* the last prompt and its reply */
    nce_sampler *sampler;
    uint32_t seq, max_tokens;
    nce_chat_entry *messages; /* [0] is the system prompt, if there is one */
    size_t n_messages, capacity;
};

/* Append a message; the text is copied. */
nce_status nce_chat_add(nce_chat *c, nce_chat_role r, const char *text, size_t n);
/* Remove messages [from, to). */
void nce_chat_remove(nce_chat *c, size_t from, size_t to);
size_t nce_chat_n_system(const nce_chat *c); /* 1 if messages[0] is the system prompt, else 0 */

/* ---- the prompt (chat_prompt.c) ---- */
nce_status nce_tokens_add(nce_context *ctx, nce_token_list *list, const int32_t *ids, size_t n);
/* The whole conversation, ending where the assistant is to speak.  The oldest turns are dropped until it leaves room for a
 * reply; NCE_ERR_LIMIT if the last message alone does not.  list: the caller frees its ids, also after a failure. */
nce_status nce_chat_fit_prompt(nce_chat *c, nce_token_list *list);

#endif
