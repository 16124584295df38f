/* The public face: a parsed template, and the variables of one rendering. */
#include "nce/template.h"
#include "src/core/text/jinja/jinja.h"
#include <string.h>

_Static_assert(sizeof(nce_template_options) == 80, "ABI: grows only at the end");
_Static_assert(sizeof(nce_template_message) == 48, "ABI: never changes; extra is where new members go");

enum { MAX_TEMPLATE = 1 << 20, MAX_DEPTH = 200, MIB = 1 << 20 };

struct nce_template {
    nce_jinja j; /* its arena holds the tree */
    const jnode *tree;
    const char *text; /* during create */
    size_t n_bytes;
};

typedef struct rendering {
    const nce_template *t;
    const nce_template_message *messages;
    size_t n_messages;
    const nce_template_options *options;
} rendering;

/* ---- create ---- */
static void parse(nce_jinja *j, void *arg)
{
    nce_template *t = arg;
    t->tree = nce_jinja_parse(j, t->text, t->n_bytes);
}

nce_status nce_template_create(nce_context *ctx, const char *text, size_t n_bytes, nce_template **out)
{
    if (out != NULL) *out = NULL;
    if (ctx == NULL || out == NULL || (text == NULL && n_bytes > 0)) return NCE_ERR_INVALID;
    if (n_bytes > MAX_TEMPLATE)
        return nce_fail(ctx, NCE_ERR_LIMIT, "chat template: %zu bytes, the limit is %d", n_bytes, MAX_TEMPLATE);
    nce_template *t = nce_alloc_zero(ctx, sizeof *t);
    if (t == NULL) return nce_fail_nomem(ctx, sizeof *t);
    t->j = (nce_jinja){.ctx = ctx,
                       .what = "chat template",
                       .fuel = UINT64_MAX,
                       .max_memory = (size_t)256 * MIB,
                       .max_depth = MAX_DEPTH};
    t->text = text, t->n_bytes = n_bytes;
    const nce_status status = nce_jinja_protect(&t->j, parse, t);
    if (status != NCE_OK) {
        nce_template_destroy(t);
        return status;
    }
    *out = t;
    return NCE_OK;
}

void nce_template_destroy(nce_template *t)
{
    if (t == NULL) return;
    nce_jinja_finish(&t->j);
    nce_free(t->j.ctx, t);
}

/* ---- render ---- */
static void add(nce_jinja *j, jvalue map, const char *key, jvalue v)
{
    nce_jinja_map_set(j, map.u.map, nce_jinja_string(key), v);
}

static void add_text(nce_jinja *j, jvalue map, const char *key, const char *text)
{
    if (text != NULL) add(j, map, key, nce_jinja_string(text));
}

static jvalue json(nce_jinja *j, const char *text, const char *what)
{
    const char *before = j->what;
    const uint32_t line = j->line;
    const jvalue v = nce_jinja_read_json(j, text, strlen(text), what);
    j->what = before, j->line = line;
    return v;
}

static jvalue json_object(nce_jinja *j, const char *text, const char *what)
{
    const jvalue v = json(j, text, what);
    if (v.kind != J_MAP) nce_jinja_fail(j, NCE_ERR_FORMAT, "%s is %s, not a JSON object", what, nce_jinja_kind_name(v));
    return v;
}

static jvalue message(nce_jinja *j, const nce_template_message *m)
{
    const jvalue v = nce_jinja_map(j);
    if (m->role == NULL) nce_jinja_fail(j, NCE_ERR_INVALID, "a message has no role");
    add_text(j, v, "role", m->role);
    add(j, v, "content", m->content != NULL ? nce_jinja_string(m->content) : jnone());
    add_text(j, v, "name", m->name);
    if (m->tool_calls != NULL) add(j, v, "tool_calls", json(j, m->tool_calls, "tool_calls of a message"));
    add_text(j, v, "tool_call_id", m->tool_call_id);
    if (m->extra != NULL) {
        const jvalue extra = json_object(j, m->extra, "extra of a message");
        for (size_t i = 0; i < extra.u.map->n; i++)
            nce_jinja_map_set(j, v.u.map, extra.u.map->entries[i].key, extra.u.map->entries[i].value);
    }
    return v;
}

static void set(nce_jinja *j, const char *name, jvalue v)
{
    nce_jinja_set(j, (jstring){name, strlen(name)}, v);
}

static void render(nce_jinja *j, void *arg)
{
    const rendering *r = arg;
    const nce_template_options *o = r->options;
    nce_jinja_push_scope(j, NULL);
    const jvalue messages = nce_jinja_list(j, r->n_messages);
    for (size_t i = 0; i < r->n_messages; i++)
        nce_jinja_list_add(j, messages.u.list, message(j, &r->messages[i]));
    set(j, "messages", messages);
    set(j, "tools", o->tools != NULL ? json(j, o->tools, "tools") : jnone());
    set(j, "documents", jnone());
    set(j, "add_generation_prompt", jbool(o->add_generation_prompt != 0));
    set(j, "bos_token", nce_jinja_string(o->bos_token != NULL ? o->bos_token : ""));
    set(j, "eos_token", nce_jinja_string(o->eos_token != NULL ? o->eos_token : ""));
    if (o->variables != NULL) {
        const jvalue more = json_object(j, o->variables, "variables");
        for (size_t i = 0; i < more.u.map->n; i++)
            nce_jinja_set(j, (jstring){more.u.map->entries[i].key.u.s, more.u.map->entries[i].key.n},
                          more.u.map->entries[i].value);
    }
    nce_jinja_run(j, r->t->tree);
    nce_jinja_write(j, "", 1); /* the terminator, so that there is always a text */
}

static size_t length(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

static size_t conversation_bytes(const rendering *r)
{
    size_t n = length(r->options->tools) + length(r->options->variables);
    for (size_t i = 0; i < r->n_messages; i++) {
        const nce_template_message *m = &r->messages[i];
        n += length(m->content) + length(m->tool_calls) + length(m->extra) + length(m->name) + length(m->tool_call_id);
    }
    return n;
}

nce_status nce_template_render(const nce_template *t, const nce_template_message *messages, size_t n_messages,
                               const nce_template_options *options, char **text, size_t *n_bytes)
{
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    if (text != NULL) *text = NULL;
    if (n_bytes != NULL) *n_bytes = 0;
    if (t == NULL || text == NULL || (messages == NULL && n_messages > 0)) return NCE_ERR_INVALID;
    nce_status status = nce_read_options(t->j.ctx, &o, sizeof o, options, "nce_template_options");
    if (status != NCE_OK) return status;
    rendering r = {t, messages, n_messages, &o};
    const size_t bytes = conversation_bytes(&r);
    nce_jinja j = {.ctx = t->j.ctx,
                   .what = "chat template",
                   .max_depth = MAX_DEPTH,
                   .now = o.now,
                   .fuel = o.max_steps != 0 ? o.max_steps : 500000 + 2000 * (uint64_t)n_messages + 4 * (uint64_t)bytes,
                   .max_memory = o.max_memory != 0 ? o.max_memory : (size_t)64 * MIB + 64 * bytes,
                   .max_out = o.max_output != 0 ? o.max_output : (size_t)16 * MIB + 4 * bytes};
    status = nce_jinja_protect(&j, render, &r);
    if (status == NCE_OK) {
        *text = j.out;
        if (n_bytes != NULL) *n_bytes = j.n_out - 1;
        j.out = NULL;
    }
    nce_jinja_finish(&j);
    return status;
}

void nce_template_text_destroy(const nce_template *t, char *text)
{
    if (t != NULL) nce_free(t->j.ctx, text);
}
