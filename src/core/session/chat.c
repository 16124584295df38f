/* Conversations.  A message keeps the tokens of its text (for a reply: the very tokens that were generated), so that the
 * prompt of the next turn begins with what the sequence already holds and only the new part is evaluated. */
#include "nce/chat.h"
#include "src/core/session/chat_render.h"
#include "src/core/session/chat_template.h"
#include "src/core/session/generate.h"
#include "src/core/session/session.h"
#include <string.h>

_Static_assert(sizeof(nce_chat_options) == 72, "ABI: grows only at the end");

typedef enum role { SYSTEM, USER, ASSISTANT, TOOL } role;
static const char *const role_names[] = {"system", "user", "assistant", "tool"};

typedef struct message {
    role role;
    char *text;
    int32_t *tokens; /* of a reply that was generated; NULL: encode the text */
    size_t n_tokens;
} message;

typedef struct token_list {
    int32_t *ids;
    size_t n, capacity;
} token_list;

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
    message *messages; /* [0] is the system prompt, if there is one */
    size_t n_messages, capacity;
};

typedef struct reply {
    nce_chat *chat;
    nce_text_fn *on_text;
    void *user;
    char *text;
    size_t n_text, text_capacity;
    token_list tokens;
    nce_status status;
} reply;

/* ---- messages ---- */
static void message_finish(nce_context *ctx, message *m)
{
    nce_free(ctx, m->text);
    nce_free(ctx, m->tokens);
    memset(m, 0, sizeof *m);
}

static nce_status append(nce_chat *c, role r, const char *text, size_t n)
{
    const nce_status status = nce_grow(c->ctx, (void **)&c->messages, &c->capacity, c->n_messages + 1, sizeof *c->messages);
    if (status != NCE_OK) return status;
    message *m = &c->messages[c->n_messages];
    *m = (message){.role = r, .text = nce_strndup(c->ctx, text, n)};
    if (m->text == NULL) return nce_fail_nomem(c->ctx, n + 1);
    c->n_messages++;
    return NCE_OK;
}

static size_t n_system(const nce_chat *c)
{
    return c->n_messages > 0 && c->messages[0].role == SYSTEM ? 1 : 0;
}

static void remove_messages(nce_chat *c, size_t from, size_t to)
{
    if (from == to) return; /* there may be no list yet */
    for (size_t i = from; i < to; i++)
        message_finish(c->ctx, &c->messages[i]);
    memmove(&c->messages[from], &c->messages[to], (c->n_messages - to) * sizeof *c->messages);
    c->n_messages -= to - from;
}

/* ---- from messages to tokens ---- */
static nce_status add_tokens(nce_chat *c, token_list *list, const int32_t *ids, size_t n)
{
    const nce_status status = nce_grow(c->ctx, (void **)&list->ids, &list->capacity, list->n + n, sizeof *list->ids);
    if (status == NCE_OK && n > 0) memcpy(list->ids + list->n, ids, n * sizeof *ids), list->n += n;
    return status;
}

static nce_status encode(nce_chat *c, token_list *list, const char *text, size_t n_bytes, bool special)
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
    token_list plain = {0}, parsed = {0};
    nce_status status = encode(c, &plain, text, strlen(text), false);
    if (status == NCE_OK) status = encode(c, &parsed, text, strlen(text), true);
    *yes = status != NCE_OK || plain.n != parsed.n || (plain.n > 0 && memcmp(plain.ids, parsed.ids, plain.n * sizeof *plain.ids) != 0);
    nce_free(c->ctx, plain.ids);
    nce_free(c->ctx, parsed.ids);
    return status;
}

/* before + system part + text + after: in one piece where that is safe, because that is how models were trained. */
static nce_status add_wrapped(nce_chat *c, token_list *list, const char *const parts[6], const bool theirs[6])
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

static nce_status add_message(nce_chat *c, token_list *list, const message *m, const char *system)
{
    static const bool theirs[6] = {false, false, true, false, true, false};
    const nce_chat_format *f = c->format;
    if (m->role == USER) {
        const char *const parts[6] = {f->user_before, system ? f->system_before : "", system ? system : "",
                                      system ? f->system_after : "", m->text, f->user_after};
        return add_wrapped(c, list, parts, theirs);
    }
    if (m->role == SYSTEM)
        return add_wrapped(c, list, (const char *const[6]){f->system_before, "", "", "", m->text, f->system_after}, theirs);
    if (m->tokens == NULL)
        return add_wrapped(c, list, (const char *const[6]){f->reply_before, "", "", "", m->text, f->reply_after}, theirs);
    nce_status status = encode(c, list, f->reply_before, strlen(f->reply_before), true);
    if (status == NCE_OK) status = add_tokens(c, list, m->tokens, m->n_tokens);
    if (status == NCE_OK) status = encode(c, list, f->reply_after, strlen(f->reply_after), true);
    return status;
}

/* By the interpreter: replies keep their tokens as long as the text goes on from what is known. */
static nce_status render_prompt(nce_chat *c, token_list *list)
{
    const nce_chat_setting setting = {c->variables, c->tools, c->now};
    nce_template_message *m = nce_alloc_array(c->ctx, c->n_messages + 1, sizeof *m);
    if (m == NULL) return nce_fail_nomem(c->ctx, c->n_messages * sizeof *m);
    for (size_t i = 0; i < c->n_messages; i++)
        m[i] = (nce_template_message){.role = role_names[c->messages[i].role], .content = c->messages[i].text};
    nce_chat_known_finish(c->ctx, &c->rendered);
    const nce_status status = nce_chat_render(c->ctx, c->t, c->jinja, m, c->n_messages, &setting, &c->known, &c->rendered);
    nce_free(c->ctx, m);
    list->n = 0;
    return status == NCE_OK ? add_tokens(c, list, c->rendered.ids, c->rendered.n_ids) : status;
}

/* The whole conversation, ending where the assistant is to speak. */
static nce_status build_prompt(nce_chat *c, token_list *list)
{
    const char *system = NULL;
    nce_status status = NCE_OK;
    if (c->jinja != NULL) return render_prompt(c, list);
    const int32_t bos = nce_tokenizer_bos(c->t);
    const bool own_bos = strncmp(c->format->user_before, "<s>", 3) == 0; /* the format writes it */
    list->n = 0;
    if (nce_tokenizer_adds_bos(c->t) && bos >= 0 && !own_bos) status = add_tokens(c, list, &bos, 1);
    for (size_t i = 0; i < c->n_messages && status == NCE_OK; i++) {
        const message *m = &c->messages[i];
        if (m->role == SYSTEM && c->format->system_in_user) {
            system = m->text;
            continue;
        }
        status = add_message(c, list, m, m->role == USER ? system : NULL);
        if (m->role == USER) system = NULL;
    }
    return status == NCE_OK ? encode(c, list, c->format->reply_before, strlen(c->format->reply_before), true) : status;
}

/* Drop the oldest turns until the prompt leaves room for a reply. */
static nce_status fit_prompt(nce_chat *c, token_list *list)
{
    const size_t n_ctx = nce_session_n_ctx(c->s), quarter = n_ctx / 4, room = c->max_tokens < quarter ? c->max_tokens : quarter;
    for (;;) {
        const nce_status status = build_prompt(c, list);
        if (status != NCE_OK || list->n + room <= n_ctx) return status;
        const size_t first = n_system(c);
        size_t end = first + 1;
        while (end < c->n_messages && c->messages[end].role != USER)
            end++;
        if (end >= c->n_messages)
            return nce_fail(c->ctx, NCE_ERR_LIMIT, "the message needs %zu tokens and %zu for the reply, the context has %zu", list->n, room, n_ctx);
        remove_messages(c, first, end);
    }
}

/* ---- creation ---- */
static nce_status copy_text(nce_context *ctx, const char *text, char **out)
{
    if (text == NULL) return NCE_OK;
    *out = nce_strndup(ctx, text, strlen(text));
    return *out != NULL ? NCE_OK : nce_fail_nomem(ctx, strlen(text));
}

/* The template that the interpreter is to run; *n 0: a built-in format was chosen. */
static nce_status choose_template(nce_chat *c, const nce_chat_options *o, const char **text, size_t *n)
{
    const bool asked = o->template_name != NULL, needed = asked || o->tools != NULL || o->now != 0;
    if (o->template_text != NULL) {
        *text = o->template_text, *n = strlen(o->template_text);
        return NCE_OK;
    }
    const nce_status status = nce_model_meta_string(nce_session_model(c->s), "tokenizer.chat_template", text, n);
    if (status != NCE_OK && (status != NCE_ERR_NOTFOUND || asked)) return status;
    if (status == NCE_ERR_NOTFOUND) c->format = nce_chat_format_by_name("chatml");
    else if (!needed) c->format = nce_chat_format_by_template(*text, *n);
    return NCE_OK;
}

static nce_status choose_format(nce_chat *c, const nce_chat_options *o)
{
    static const nce_chat_format by_interpreter = {.name = "jinja"};
    const char *text = NULL;
    size_t n = 0;
    nce_status status = NCE_OK;
    const bool own = o->template_name == NULL || strcmp(o->template_name, by_interpreter.name) == 0;
    if (own) status = choose_template(c, o, &text, &n);
    else if ((c->format = nce_chat_format_by_name(o->template_name)) == NULL)
        return nce_fail(c->ctx, NCE_ERR_NOTFOUND, "chat template '%s': known are llama2, llama3, chatml, zephyr, mistral, gemma, phi3, jinja",
                        o->template_name);
    if (status == NCE_OK && c->format != NULL && o->tools != NULL)
        return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_options: tools need a template that the interpreter runs, '%s' is built in", c->format->name);
    if (status != NCE_OK || c->format != NULL) return status;
    c->format = &by_interpreter;
    c->now = o->now;
    status = copy_text(c->ctx, o->template_variables, &c->variables);
    if (status == NCE_OK) status = copy_text(c->ctx, o->tools, &c->tools);
    return status == NCE_OK ? nce_template_create(c->ctx, text, n, &c->jinja) : status;
}

nce_status nce_chat_create(nce_session *session, const nce_chat_options *options, nce_chat **out)
{
    nce_chat_options o = NCE_CHAT_OPTIONS_INIT;
    nce_sampler_options sampling = NCE_SAMPLER_OPTIONS_INIT;
    if (session == NULL || out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    nce_context *ctx = session->ctx;
    nce_status status = nce_read_options(ctx, &o, sizeof o, options, "nce_chat_options");
    if (status == NCE_OK && o.seq >= nce_session_n_seq(session)) status = nce_fail(ctx, NCE_ERR_INVALID, "nce_chat_options: sequence %u of %u", o.seq, nce_session_n_seq(session));
    if (status != NCE_OK) return status;
    nce_chat *c = nce_alloc_zero(ctx, sizeof *c);
    if (c == NULL) return nce_fail_nomem(ctx, sizeof *c);
    *c = (nce_chat){.ctx = ctx, .s = session, .t = nce_model_tokenizer(session->model), .seq = o.seq,
                    .max_tokens = o.max_tokens != 0 ? o.max_tokens : 1024};
    nce_sampler_preset("default", &sampling);
    status = choose_format(c, &o);
    if (status == NCE_OK) status = nce_sampler_create(ctx, session->model->h.n_vocab, o.sampler ? o.sampler : &sampling, &c->sampler);
    if (status == NCE_OK && o.system_prompt != NULL) status = append(c, SYSTEM, o.system_prompt, strlen(o.system_prompt));
    if (status == NCE_OK) status = nce_session_trim(session, o.seq, 0);
    if (status != NCE_OK) {
        nce_chat_destroy(c);
        return status;
    }
    *out = c;
    return NCE_OK;
}

void nce_chat_destroy(nce_chat *c)
{
    if (c == NULL) return;
    remove_messages(c, 0, c->n_messages);
    nce_free(c->ctx, c->messages);
    nce_sampler_destroy(c->sampler);
    nce_template_destroy(c->jinja);
    nce_free(c->ctx, c->variables);
    nce_free(c->ctx, c->tools);
    nce_chat_known_finish(c->ctx, &c->rendered);
    nce_chat_known_finish(c->ctx, &c->known);
    nce_free(c->ctx, c);
}

void nce_chat_reset(nce_chat *c)
{
    remove_messages(c, n_system(c), c->n_messages);
    nce_sampler_reset(c->sampler);
}

nce_status nce_chat_set_system(nce_chat *c, const char *text)
{
    if (text == NULL) {
        remove_messages(c, 0, c->n_messages);
        return NCE_OK;
    }
    const size_t before = c->n_messages;
    const nce_status status = append(c, SYSTEM, text, strlen(text));
    if (status != NCE_OK) return status;
    remove_messages(c, 0, before);
    return NCE_OK;
}

/* ---- a turn ---- */
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
    return ends ? NCE_OK : add_tokens(r->chat, &r->tokens, &token, 1);
}

/* Evaluate what the sequence does not hold yet, and generate. */
static nce_status speak(nce_chat *c, const token_list *prompt, reply *r, nce_stop_reason *reason)
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
    token_list prompt = {0};
    if (c == NULL) return NCE_ERR_INVALID;
    if (reason != NULL) *reason = NCE_STOP_NONE;
    if (c->n_messages == n_system(c) || c->messages[c->n_messages - 1].role == ASSISTANT)
        return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_reply: nobody has spoken since the last reply");
    reply r = {.chat = c, .on_text = on_text, .user = user};
    nce_status status = fit_prompt(c, &prompt);
    if (status == NCE_OK) status = speak(c, &prompt, &r, &why);
    if (status == NCE_OK) status = append(c, ASSISTANT, r.text != NULL ? r.text : "", r.n_text);
    if (status == NCE_OK) remember(c, &r, why);
    if (status == NCE_OK && why != NCE_STOP_STRING) { /* a stop string's tokens are no part of the reply: encode its text later */
        message *m = &c->messages[c->n_messages - 1];
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
    nce_status status = append(c, USER, text, strlen(text));
    if (status != NCE_OK) return status;
    status = nce_chat_reply(c, on_text, user, reason);
    if (status != NCE_OK) remove_messages(c, c->n_messages - 1, c->n_messages);
    return status;
}

/* ---- the conversation ---- */
const char *nce_chat_template(const nce_chat *c) { return c->format->name; }
size_t nce_chat_n_messages(const nce_chat *c) { return c->n_messages; }

nce_status nce_chat_message(const nce_chat *c, size_t i, const char **role_name, const char **text)
{
    if (c == NULL || role_name == NULL || text == NULL) return NCE_ERR_INVALID;
    if (i >= c->n_messages) return nce_fail(c->ctx, NCE_ERR_INVALID, "message %zu of %zu", i, c->n_messages);
    *role_name = role_names[c->messages[i].role];
    *text = c->messages[i].text;
    return NCE_OK;
}

nce_status nce_chat_append(nce_chat *c, const char *role_name, const char *text)
{
    if (c == NULL) return NCE_ERR_INVALID;
    if (role_name == NULL || text == NULL) return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_append: no role or text");
    for (role r = USER; r <= (c->jinja != NULL ? TOOL : ASSISTANT); r++)
        if (strcmp(role_name, role_names[r]) == 0) return append(c, r, text, strlen(text));
    return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_append: role '%s' is not user or assistant%s", role_name,
                    c->jinja != NULL ? " or tool" : "; tool needs a Jinja template");
}
