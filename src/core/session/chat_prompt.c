/* From the messages of a conversation to the tokens of a prompt: around each message what its built-in format says, or all
 * at once by the model's own template, and the oldest turns left out when it gets too long. */
#include "src/core/session/chat.h"
#include <string.h>

nce_status nce_tokens_add(nce_context *ctx, nce_token_list *list, const int32_t *ids, size_t n)
{
    const nce_status status = nce_grow(ctx, (void **)&list->ids, &list->capacity, list->n + n, sizeof *list->ids);
    if (status == NCE_OK && n > 0) memcpy(list->ids + list->n, ids, n * sizeof *ids), list->n += n;
    return status;
}

static nce_status encode(nce_chat *c, nce_token_list *list, const char *text, size_t n_bytes, bool special)
{
    size_t n;
    if (n_bytes == 0) return NCE_OK;
    nce_status status = nce_grow(c->ctx, (void **)&list->ids, &list->capacity, list->n + n_bytes + 4, sizeof *list->ids);
    if (status != NCE_OK) return status;
    const uint32_t flags = (list->n > 0 ? NCE_ENCODE_CONTINUE : 0) | (special ? NCE_ENCODE_SPECIAL : 0);
    status = nce_tokenizer_encode(c->t, text, n_bytes, flags, list->ids + list->n, n_bytes + 4, &n);
    if (status == NCE_OK) list->n += n;
    return status;
}

/* Does text that a user wrote look like control tokens?  Then it must not be encoded together with the format's. */
static nce_status has_control(nce_chat *c, const char *text, bool *yes)
{
    nce_token_list plain = {0}, parsed = {0};
    nce_status status = encode(c, &plain, text, strlen(text), false);
    if (status == NCE_OK) status = encode(c, &parsed, text, strlen(text), true);
    *yes = status != NCE_OK || plain.n != parsed.n || (plain.n > 0 && memcmp(plain.ids, parsed.ids, plain.n * sizeof *plain.ids) != 0);
    nce_free(c->ctx, plain.ids);
    nce_free(c->ctx, parsed.ids);
    return status;
}

/* before + system part + text + after: in one piece where that is safe, because that is how models were trained. */
static nce_status add_wrapped(nce_chat *c, nce_token_list *list, const char *const parts[6], const bool theirs[6])
{
    bool control = false;
    size_t n = 0;
    for (int i = 0; i < 6; i++) {
        bool one = false;
        if (theirs[i] && *parts[i] != '\0') {
            const nce_status status = has_control(c, parts[i], &one);
            if (status != NCE_OK) return status;
        }
        control = control || one;
        n += strlen(parts[i]);
    }
    nce_status status = NCE_OK;
    for (int i = 0; control && i < 6 && status == NCE_OK; i++)
        status = encode(c, list, parts[i], strlen(parts[i]), !theirs[i]);
    if (control) return status;
    char *joined = nce_alloc(c->ctx, n + 1);
    if (joined == NULL) return nce_fail_nomem(c->ctx, n + 1);
    joined[0] = '\0';
    for (size_t i = 0, at = 0; i < 6; at += strlen(parts[i]), i++)
        memcpy(joined + at, parts[i], strlen(parts[i]) + 1);
    status = encode(c, list, joined, n, true);
    nce_free(c->ctx, joined);
    return status;
}

static nce_status add_message(nce_chat *c, nce_token_list *list, const nce_chat_entry *m, const char *system)
{
    static const bool theirs[6] = {false, false, true, false, true, false};
    const nce_chat_format *f = c->format;
    if (m->role == NCE_CHAT_USER) {
        const char *const parts[6] = {f->user_before, system ? f->system_before : "", system ? system : "",
                                      system ? f->system_after : "", m->text, f->user_after};
        return add_wrapped(c, list, parts, theirs);
    }
    if (m->role == NCE_CHAT_SYSTEM)
        return add_wrapped(c, list, (const char *const[6]){f->system_before, "", "", "", m->text, f->system_after}, theirs);
    if (m->tokens == NULL)
        return add_wrapped(c, list, (const char *const[6]){f->reply_before, "", "", "", m->text, f->reply_after}, theirs);
    nce_status status = encode(c, list, f->reply_before, strlen(f->reply_before), true);
    if (status == NCE_OK) status = nce_tokens_add(c->ctx, list, m->tokens, m->n_tokens);
    if (status == NCE_OK) status = encode(c, list, f->reply_after, strlen(f->reply_after), true);
    return status;
}

/* By the interpreter: replies keep their tokens as long as the text goes on from what is known. */
static nce_status render_prompt(nce_chat *c, nce_token_list *list)
{
    const nce_chat_setting setting = {c->variables, c->tools, c->now};
    nce_template_message *m = nce_alloc_array(c->ctx, c->n_messages + 1, sizeof *m);
    if (m == NULL) return nce_fail_nomem(c->ctx, c->n_messages * sizeof *m);
    for (size_t i = 0; i < c->n_messages; i++)
        m[i] = (nce_template_message){.role = nce_chat_role_names[c->messages[i].role], .content = c->messages[i].text};
    nce_chat_known_finish(c->ctx, &c->rendered);
    const nce_status status = nce_chat_render(c->ctx, c->t, c->jinja, m, c->n_messages, &setting, &c->known, &c->rendered);
    nce_free(c->ctx, m);
    list->n = 0;
    return status == NCE_OK ? nce_tokens_add(c->ctx, list, c->rendered.ids, c->rendered.n_ids) : status;
}

/* The whole conversation, ending where the assistant is to speak. */
static nce_status build_prompt(nce_chat *c, nce_token_list *list)
{
    const char *system = NULL;
    nce_status status = NCE_OK;
    if (c->jinja != NULL) return render_prompt(c, list);
    const int32_t bos = nce_tokenizer_bos(c->t);
    const bool own_bos = strncmp(c->format->user_before, "<s>", 3) == 0; /* the format writes it */
    list->n = 0;
    if (nce_tokenizer_adds_bos(c->t) && bos >= 0 && !own_bos) status = nce_tokens_add(c->ctx, list, &bos, 1);
    for (size_t i = 0; i < c->n_messages && status == NCE_OK; i++) {
        const nce_chat_entry *m = &c->messages[i];
        if (m->role == NCE_CHAT_SYSTEM && c->format->system_in_user) {
            system = m->text;
            continue;
        }
        status = add_message(c, list, m, m->role == NCE_CHAT_USER ? system : NULL);
        if (m->role == NCE_CHAT_USER) system = NULL;
    }
    return status == NCE_OK ? encode(c, list, c->format->reply_before, strlen(c->format->reply_before), true) : status;
}

nce_status nce_chat_fit_prompt(nce_chat *c, nce_token_list *list)
{
    const size_t n_ctx = nce_session_n_ctx(c->s), quarter = n_ctx / 4, room = c->max_tokens < quarter ? c->max_tokens : quarter;
    for (;;) {
        const nce_status status = build_prompt(c, list);
        if (status != NCE_OK || list->n + room <= n_ctx) return status;
        const size_t first = nce_chat_n_system(c);
        size_t end = first + 1;
        while (end < c->n_messages && c->messages[end].role != NCE_CHAT_USER)
            end++;
        if (end >= c->n_messages)
            return nce_fail(c->ctx, NCE_ERR_LIMIT, "the message needs %zu tokens and %zu for the reply, the context has %zu", list->n, room, n_ctx);
        nce_chat_remove(c, first, end);
    }
}
