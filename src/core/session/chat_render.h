/* A conversation through a model's own Jinja template, to tokens. */
#ifndef NCE_SRC_CHAT_RENDER_H
#define NCE_SRC_CHAT_RENDER_H
#include "nce/template.h"
#include "nce/tokenizer.h"

/* What a template sees besides the messages; strings are JSON or NULL. */
typedef struct nce_chat_setting {
    const char *variables, *tools;
    int64_t now; /* 0: no clock */
} nce_chat_setting;

/* A text, and the tokens that stand for it: of a prompt, or of a prompt and the very tokens of its reply. */
typedef struct nce_chat_known {
    char *text;
    size_t n_text;
    int32_t *ids;
    size_t n_ids;
} nce_chat_known;
void nce_chat_known_finish(nce_context *ctx, nce_chat_known *k);
/* Append a reply.  NCE_ERR_NOMEM: unchanged. */
nce_status nce_chat_known_extend(nce_context *ctx, nce_chat_known *k, const char *text, size_t n_text,
                                 const int32_t *ids, size_t n_ids);

/* Render and encode, ending where the assistant is to speak.  If the text goes on from that of known, its tokens are kept
 * and only the rest is encoded: a reply need not be the tokens that its text would give.  known: may be NULL.
 * out: nce_chat_known_finish frees it; empty on failure.  Errors of nce_template_render and nce_tokenizer_encode. */
nce_status nce_chat_render(nce_context *ctx, const nce_tokenizer *t, const nce_template *jinja,
                           const nce_template_message *messages, size_t n_messages, const nce_chat_setting *setting,
                           const nce_chat_known *known, nce_chat_known *out);

#endif
