/* A conversation through a model's own Jinja template, to tokens. */
#ifndef NCE_SRC_CHAT_RENDER_H
#define NCE_SRC_CHAT_RENDER_H
#include "nce/template.h"
#include "nce/tokenizer.h"

/* Render and encode, ending where the assistant is to speak.  ids: [*n_ids], from nce_alloc, the caller's; NULL on failure.
 * variables: JSON or NULL.  Errors of nce_template_render and nce_tokenizer_encode. */
nce_status nce_chat_render(nce_context *ctx, const nce_tokenizer *t, const nce_template *jinja,
                           const nce_template_message *messages, size_t n_messages, const char *variables,
                           int32_t **ids, size_t *n_ids);

#endif
