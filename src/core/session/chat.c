/* Conversations: their creation, their list of messages, and questions about them. */
#include "src/core/session/chat.h"
#include <string.h>

_Static_assert(sizeof(nce_chat_options) == 72, "ABI: grows only at the end");

const char *const nce_chat_role_names[4] = {"system", "user", "assistant", "tool"};

/* ---- messages ---- */
static void message_finish(nce_context *ctx, nce_chat_entry *m)
{
    nce_free(ctx, m->text);
    nce_free(ctx, m->tokens);
    memset(m, 0, sizeof *m);
}

nce_status nce_chat_add(nce_chat *c, nce_chat_role r, const char *text, size_t n)
{
    const nce_status status = nce_grow(c->ctx, (void **)&c->messages, &c->capacity, c->n_messages + 1, sizeof *c->messages);
    if (status != NCE_OK) return status;
    nce_chat_entry *m = &c->messages[c->n_messages];
    *m = (nce_chat_entry){.role = r, .text = nce_strndup(c->ctx, text, n)};
    if (m->text == NULL) return nce_fail_nomem(c->ctx, n + 1);
    c->n_messages++;
    return NCE_OK;
}

size_t nce_chat_n_system(const nce_chat *c)
{
    return c->n_messages > 0 && c->messages[0].role == NCE_CHAT_SYSTEM ? 1 : 0;
}

void nce_chat_remove(nce_chat *c, size_t from, size_t to)
{
    if (from == to) return; /* there may be no list yet */
    for (size_t i = from; i < to; i++)
        message_finish(c->ctx, &c->messages[i]);
    memmove(&c->messages[from], &c->messages[to], (c->n_messages - to) * sizeof *c->messages);
    c->n_messages -= to - from;
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
    if (status == NCE_OK && o.system_prompt != NULL) status = nce_chat_add(c, NCE_CHAT_SYSTEM, o.system_prompt, strlen(o.system_prompt));
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
    nce_chat_remove(c, 0, c->n_messages);
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
    nce_chat_remove(c, nce_chat_n_system(c), c->n_messages);
    nce_sampler_reset(c->sampler);
}

nce_status nce_chat_set_system(nce_chat *c, const char *text)
{
    if (text == NULL) {
        nce_chat_remove(c, 0, c->n_messages);
        return NCE_OK;
    }
    const size_t before = c->n_messages;
    const nce_status status = nce_chat_add(c, NCE_CHAT_SYSTEM, text, strlen(text));
    if (status != NCE_OK) return status;
    nce_chat_remove(c, 0, before);
    return NCE_OK;
}

/* ---- the conversation ---- */
const char *nce_chat_template(const nce_chat *c) { return c->format->name; }
size_t nce_chat_n_messages(const nce_chat *c) { return c->n_messages; }

nce_status nce_chat_message(const nce_chat *c, size_t i, const char **role_name, const char **text)
{
    if (c == NULL || role_name == NULL || text == NULL) return NCE_ERR_INVALID;
    if (i >= c->n_messages) return nce_fail(c->ctx, NCE_ERR_INVALID, "message %zu of %zu", i, c->n_messages);
    *role_name = nce_chat_role_names[c->messages[i].role];
    *text = c->messages[i].text;
    return NCE_OK;
}

nce_status nce_chat_append(nce_chat *c, const char *role_name, const char *text)
{
    if (c == NULL) return NCE_ERR_INVALID;
    if (role_name == NULL || text == NULL) return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_append: no role or text");
    for (nce_chat_role r = NCE_CHAT_USER; r <= (c->jinja != NULL ? NCE_CHAT_TOOL : NCE_CHAT_ASSISTANT); r++)
        if (strcmp(role_name, nce_chat_role_names[r]) == 0) return nce_chat_add(c, r, text, strlen(text));
    return nce_fail(c->ctx, NCE_ERR_INVALID, "nce_chat_append: role '%s' is not user or assistant%s", role_name,
                    c->jinja != NULL ? " or tool" : "; tool needs a Jinja template");
}
