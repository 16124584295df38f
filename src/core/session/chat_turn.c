/* A turn of a conversation: evaluate what the sequence does not hold of the prompt yet, generate, keep the reply.  A reply
 * is kept as the very tokens that were generated, so that the prompt of the next turn begins with what the sequence holds
 * and only the new part is evaluated. */
#include "src/core/session/chat.h"
#include "src/core/session/generate.h"
#include <string.h>

typedef struct reply {
    nce_chat *chat;
    nce_text_fn *on_text;
    void *user;
    char *text;
    size_t n_text, text_capacity;
    nce_token_list tokens;
    nce_status status;
} reply;

static bool on_reply_text(void *user, const char *text, size_t n)
{
    reply *r = user;
    r->status = nce_grow(r->chat->ctx, (void **)&r->text, &r->text_capacity, r->n_text + n + 1, 1);
    if (r->status != NCE_OK) return false;
    memcpy(r->text + r->n_text, text, n);
    r->n_text += n;
    return r->on_text == NULL || r->on_text(r->user, text, n);
}

static nce_status on_reply_token(void *user, int32_t token, bool ends)
{
    reply *r = user;
    return ends ? NCE_OK : nce_tokens_add(r->chat->ctx, &r->tokens, &token, 1);
}

/* Evaluate what the sequence does not hold yet, and generate. */
static nce_status speak(nce_chat *c, const nce_token_list *prompt, reply *r, nce_stop_reason *reason)
{
    const int32_t *held = nce_session_tokens(c->s, c->seq);
    const size_t n_held = nce_session_length(c->s, c->seq);
    size_t same = 0;
    while (same < n_held && same + 1 < prompt->n && held[same] == prompt->ids[same])
        same++;
    nce_status status = nce_session_trim(c->s, c->seq, same);
    if (status != NCE_OK) return status;
    nce_generate_options o = NCE_GENERATE_OPTIONS_INIT;
    o.sampler = c->sampler;
    o.on_text = on_reply_text;
    o.on_text_user = r;
    o.max_tokens = c->max_tokens;
    o.stop_strings = &c->format->stop;
    o.n_stop_strings = c->format->stop != NULL;
    status = nce_generate_to(c->s, c->seq, prompt->ids + same, prompt->n - same, &o, on_reply_token, r, NULL, reason);
    return status == NCE_OK ? r->status : status;
}

/* What the sequence now stands for.  Losing it for lack of memory costs an evaluation, nothing else. */
static void remember(nce_chat *c, const reply *r, nce_stop_reason why)
{
    if (c->jinja == NULL) return;
    nce_chat_known_finish(c->ctx, &c->known);
    c->known = c->rendered;
    c->rendered = (nce_chat_known){0};
    if (why != NCE_STOP_STRING) (void)nce_chat_known_extend(c->ctx, &c->known, r->text, r->n_text, r->tokens.ids, r->tokens.n);
}

nce_status nce_chat_reply(nce_chat *c, nce_text_fn *on_text, void *user, nce_stop_reason *reason)
{
    nce_stop_reason why = NCE_STOP_NONE;
    nce_token_list prompt = {0};
    if (c == NULL) return NCE_ERR_INVALID;
    if (reason != NULL) *reason = NCE_STOP_NONE;
    if (c->n_messages == nce_chat_n_system(c) || c->messages[c->n_messages - 1].role == NCE_CHAT_ASSISTANT)
        return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_reply: nobody has spoken since the last reply");
    reply r = {.chat = c, .on_text = on_text, .user = user};
    nce_status status = nce_chat_fit_prompt(c, &prompt);
    if (status == NCE_OK) status = speak(c, &prompt, &r, &why);
    if (status == NCE_OK) status = nce_chat_add(c, NCE_CHAT_ASSISTANT, r.text != NULL ? r.text : "", r.n_text);
    if (status == NCE_OK) remember(c, &r, why);
    if (status == NCE_OK && why != NCE_STOP_STRING) { /* a stop string's tokens are no part of the reply: encode its text later */
        nce_chat_entry *m = &c->messages[c->n_messages - 1];
        m->tokens = r.tokens.ids, m->n_tokens = r.tokens.n;
        r.tokens.ids = NULL;
    }
    if (reason != NULL) *reason = why;
    nce_free(c->ctx, r.tokens.ids);
    nce_free(c->ctx, r.text);
    nce_free(c->ctx, prompt.ids);
    return status;
}

nce_status nce_chat_send(nce_chat *c, const char *text, nce_text_fn *on_text, void *user, nce_stop_reason *reason)
{
    if (c == NULL) return NCE_ERR_INVALID;
    if (reason != NULL) *reason = NCE_STOP_NONE;
    if (text == NULL) return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_send: no text");
    nce_status status = nce_chat_add(c, NCE_CHAT_USER, text, strlen(text));
    if (status != NCE_OK) return status;
    status = nce_chat_reply(c, on_text, user, reason);
    if (status != NCE_OK) nce_chat_remove(c, c->n_messages - 1, c->n_messages);
    return status;
}
