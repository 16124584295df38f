/* Calls in a reply.  A model writes them in the format of its training; each format here is a mark and JSON behind it, so
 * one reader of calls serves them all. */
#include "nce/template.h"
#include "src/core/text/jinja/jinja.h"
#include <string.h>

typedef struct call {
    const char *name, *arguments, *id;
} call;

struct nce_tool_calls {
    nce_jinja j; /* its arena holds everything */
    call *calls;
    size_t n, capacity;
    const char *rest, *json;
    const char *text; /* during parse */
    size_t n_bytes, at;
    const char *format;
};

static const char hermes_mark[] = "<tool_call>", hermes_end[] = "</tool_call>", mistral_mark[] = "[TOOL_CALLS]",
                  mistral_args[] = "[ARGS]", llama_mark[] = "<|python_tag|>";

/* ---- reading ---- */
static bool take(nce_tool_calls *c, const char *mark)
{
    const size_t n = strlen(mark);
    if (c->n_bytes - c->at < n || memcmp(c->text + c->at, mark, n) != 0) return false;
    c->at += n;
    return true;
}

static bool has(const nce_tool_calls *c, const char *mark)
{
    return c->n_bytes > 0 && memmem(c->text, c->n_bytes, mark, strlen(mark)) != NULL;
}

static void skip_space(nce_tool_calls *c)
{
    size_t n;
    while (nce_jinja_is_space(c->text + c->at, c->n_bytes - c->at, &n))
        c->at += n;
}

static _Noreturn void malformed(nce_tool_calls *c, const char *why)
{
    nce_jinja_fail(&c->j, NCE_ERR_FORMAT, "byte %zu: %s", c->at, why);
}

static const char *terminated(nce_jinja *j, jvalue v)
{
    char *s = nce_jinja_alloc(j, v.n + 1);
    if (v.n > 0) memcpy(s, v.u.s, v.n);
    return s;
}

static jvalue to_json(nce_jinja *j, jvalue v)
{
    const jjson_style style = {.indent = -1, .item_separator = {", ", 2}, .key_separator = {": ", 2}};
    const size_t start = j->n_out;
    nce_jinja_write_json(j, v, &style);
    return nce_jinja_capture(j, start);
}

static void add_call(nce_tool_calls *c, jvalue name, jvalue arguments, jvalue id)
{
    nce_jinja *j = &c->j;
    jvalue inner;
    size_t used;
    if (arguments.kind == J_STRING && nce_jinja_read_json_prefix(j, arguments.u.s, arguments.n, &inner, &used) &&
        used == arguments.n)
        arguments = inner; /* OpenAI's form: JSON in a string */
    if (name.kind != J_STRING || name.n == 0) malformed(c, "a call without a name");
    if (arguments.kind != J_MAP) malformed(c, "a call whose arguments are not an object");
    if (c->n == c->capacity) {
        const size_t capacity = c->capacity == 0 ? 4 : 2 * c->capacity;
        call *grown = nce_jinja_alloc(j, capacity * sizeof *grown);
        if (c->n > 0) memcpy(grown, c->calls, c->n * sizeof *grown);
        c->calls = grown, c->capacity = capacity;
    }
    c->calls[c->n++] =
        (call){terminated(j, name), terminated(j, to_json(j, arguments)), id.kind == J_STRING ? terminated(j, id) : ""};
}

static jvalue member(nce_tool_calls *c, jvalue v, const char *key)
{
    const jvalue *found = v.kind == J_MAP ? nce_jinja_map_find_text(&c->j, v.u.map, key, strlen(key)) : NULL;
    return found != NULL ? *found : jundefined("", 0);
}

/* {"name", "arguments" or "parameters", "id"}, also inside of {"function": ...}. */
static void add_object(nce_tool_calls *c, jvalue v)
{
    const jvalue function = member(c, v, "function"), id = member(c, v, "id");
    if (function.kind == J_MAP) v = function;
    jvalue arguments = member(c, v, "arguments");
    if (arguments.kind == J_UNDEFINED) arguments = member(c, v, "parameters");
    if (arguments.kind == J_UNDEFINED) arguments = nce_jinja_map(&c->j);
    add_call(c, member(c, v, "name"), arguments, id);
}

static bool read_json(nce_tool_calls *c, jvalue *v)
{
    size_t used;
    const bool ok = nce_jinja_read_json_prefix(&c->j, c->text + c->at, c->n_bytes - c->at, v, &used);
    if (ok) c->at += used;
    return ok;
}

/* ---- the formats ---- */
static void parse_hermes(nce_tool_calls *c)
{
    while (c->at < c->n_bytes) {
        const char *mark = memmem(c->text + c->at, c->n_bytes - c->at, hermes_mark, strlen(hermes_mark));
        const size_t until = mark != NULL ? (size_t)(mark - c->text) : c->n_bytes;
        jvalue v;
        nce_jinja_write(&c->j, c->text + c->at, until - c->at);
        c->at = until;
        if (!take(c, hermes_mark)) return;
        if (!read_json(c, &v)) malformed(c, "a tool call that is not JSON");
        add_object(c, v);
        if (c->at < c->n_bytes && !take(c, hermes_end)) malformed(c, "a tool call without its end mark");
        skip_space(c);
    }
}

static void parse_mistral(nce_tool_calls *c)
{
    while (c->at < c->n_bytes) {
        const char *mark = memmem(c->text + c->at, c->n_bytes - c->at, mistral_mark, strlen(mistral_mark));
        const size_t until = mark != NULL ? (size_t)(mark - c->text) : c->n_bytes;
        jvalue v;
        nce_jinja_write(&c->j, c->text + c->at, until - c->at);
        c->at = until;
        if (!take(c, mistral_mark)) return;
        skip_space(c);
        const bool array = c->at < c->n_bytes && c->text[c->at] == '['; /* then args of a later call are not looked for */
        const char *args =
            array ? NULL : memmem(c->text + c->at, c->n_bytes - c->at, mistral_args, strlen(mistral_args));
        if (args != NULL) {
            const jstring name =
                nce_jinja_strip((jstring){c->text + c->at, (size_t)(args - c->text) - c->at}, false, true, NULL);
            c->at = (size_t)(args - c->text) + strlen(mistral_args);
            if (!read_json(c, &v)) malformed(c, "arguments that are not JSON");
            add_call(c, jtext(name.s, name.n), v, jundefined("", 0));
            continue;
        }
        if (!read_json(c, &v) || v.kind != J_LIST) malformed(c, "calls that are not a JSON array");
        for (size_t i = 0; i < v.u.list->n; i++)
            add_object(c, v.u.list->items[i]);
    }
}

/* tool.call(name="value", ...) */
static void parse_python_call(nce_tool_calls *c)
{
    const char *open = memmem(c->text + c->at, c->n_bytes - c->at, ".call(", 6);
    if (open == NULL) malformed(c, "neither JSON nor tool.call(...)");
    const jvalue name = jtext(c->text + c->at, (size_t)(open - c->text) - c->at), arguments = nce_jinja_map(&c->j);
    c->at = (size_t)(open - c->text) + 6;
    for (skip_space(c); !take(c, ")"); skip_space(c)) {
        const char *equals = c->at < c->n_bytes ? memchr(c->text + c->at, '=', c->n_bytes - c->at) : NULL;
        jvalue v;
        if (equals == NULL) malformed(c, "an argument name and '=' expected");
        const jstring key =
            nce_jinja_strip((jstring){c->text + c->at, (size_t)(equals - c->text) - c->at}, true, true, NULL);
        c->at = (size_t)(equals - c->text) + 1;
        if (!read_json(c, &v)) malformed(c, "an argument that is not a JSON value");
        nce_jinja_map_set(&c->j, arguments.u.map, jtext(key.s, key.n), v);
        take(c, ",");
    }
    add_call(c, name, arguments, jundefined("", 0));
}

/* Without the mark a reply is a call only if it is one object with a name and arguments, and nothing else. */
static void parse_llama3(nce_tool_calls *c, bool certain)
{
    skip_space(c);
    if (take(c, llama_mark)) certain = true;
    skip_space(c);
    for (bool first = true;; first = false) {
        jvalue v;
        if (c->at >= c->n_bytes && !first) return;
        if (!read_json(c, &v)) {
            if (first && certain && has(c, ".call(")) {
                parse_python_call(c);
                return;
            }
            if (certain || !first) malformed(c, "a call that is not JSON");
            break;
        }
        const bool is_call = member(c, v, "name").kind == J_STRING &&
                             (member(c, v, "parameters").kind == J_MAP || member(c, v, "arguments").kind == J_MAP);
        if (first && !certain && (!is_call || (c->at < c->n_bytes && c->text[c->at] != ';' && c->text[c->at] != '<')))
            break;
        add_object(c, v);
        if (take(c, "<|eom_id|>") || take(c, "<|eot_id|>")) skip_space(c);
        if (c->at >= c->n_bytes) return;
        if (!take(c, ";")) malformed(c, "text behind the call");
        skip_space(c);
    }
    nce_jinja_write(&c->j, c->text, c->n_bytes);
}

static jvalue calls_json(nce_tool_calls *c)
{
    nce_jinja *j = &c->j;
    const jvalue all = nce_jinja_list(j, 0);
    for (size_t i = 0; i < c->n; i++) {
        const jvalue one = nce_jinja_map(j), function = nce_jinja_map(j);
        if (c->calls[i].id[0] != '\0')
            nce_jinja_map_set(j, one.u.map, nce_jinja_string("id"), nce_jinja_string(c->calls[i].id));
        nce_jinja_map_set(j, one.u.map, nce_jinja_string("type"), nce_jinja_string("function"));
        nce_jinja_map_set(j, one.u.map, nce_jinja_string("function"), function);
        nce_jinja_map_set(j, function.u.map, nce_jinja_string("name"), nce_jinja_string(c->calls[i].name));
        nce_jinja_map_set(j, function.u.map, nce_jinja_string("arguments"),
                          nce_jinja_read_json(j, c->calls[i].arguments, strlen(c->calls[i].arguments), "tool call"));
        nce_jinja_list_add(j, all.u.list, one);
    }
    return to_json(j, all);
}

static void parse(nce_jinja *j, void *arg)
{
    nce_tool_calls *c = arg;
    const char *format = c->format;
    if (format == NULL) format = has(c, hermes_mark) ? "hermes" : has(c, mistral_mark) ? "mistral" : "llama3";
    if (strcmp(format, "hermes") == 0)
        parse_hermes(c);
    else if (strcmp(format, "mistral") == 0)
        parse_mistral(c);
    else
        parse_llama3(c, false);
    const jvalue rest = nce_jinja_capture(j, 0);
    const jstring text = nce_jinja_strip((jstring){rest.u.s, rest.n}, c->n > 0, c->n > 0, NULL);
    c->rest = terminated(j, jtext(text.s, text.n));
    c->json = terminated(j, calls_json(c));
}

/* ---- public ---- */
nce_status nce_tool_calls_parse(nce_context *ctx, const char *text, size_t n_bytes, const char *format,
                                nce_tool_calls **out)
{
    static const char *const formats[] = {"hermes", "mistral", "llama3", "qwen"};
    bool known = format == NULL;
    if (out != NULL) *out = NULL;
    if (ctx == NULL || out == NULL || (text == NULL && n_bytes > 0)) return NCE_ERR_INVALID;
    for (size_t i = 0; i < sizeof formats / sizeof *formats && !known; i++)
        known = strcmp(format, formats[i]) == 0;
    if (!known)
        return nce_fail(ctx, NCE_ERR_NOTFOUND, "tool call format '%s': known are hermes (qwen), mistral, llama3",
                        format);
    nce_tool_calls *c = nce_alloc_zero(ctx, sizeof *c);
    if (c == NULL) return nce_fail_nomem(ctx, sizeof *c);
    c->j = (nce_jinja){.ctx = ctx,
                       .what = "tool calls",
                       .line = 1,
                       .fuel = 1000000 + 16 * (uint64_t)n_bytes,
                       .max_memory = (size_t)64 << 20,
                       .max_out = (size_t)64 << 20,
                       .max_depth = 200};
    c->text = text != NULL ? text : "";
    c->n_bytes = n_bytes;
    c->format = format != NULL && strcmp(format, "qwen") == 0 ? "hermes" : format;
    const nce_status status = nce_jinja_protect(&c->j, parse, c);
    if (status != NCE_OK) {
        nce_tool_calls_destroy(c);
        return status;
    }
    *out = c;
    return NCE_OK;
}

void nce_tool_calls_destroy(nce_tool_calls *c)
{
    if (c == NULL) return;
    nce_jinja_finish(&c->j);
    nce_free(c->j.ctx, c);
}

size_t nce_tool_calls_count(const nce_tool_calls *c)
{
    return c != NULL ? c->n : 0;
}
const char *nce_tool_calls_text(const nce_tool_calls *c)
{
    return c != NULL ? c->rest : "";
}
const char *nce_tool_calls_json(const nce_tool_calls *c)
{
    return c != NULL ? c->json : "[]";
}

nce_status nce_tool_calls_get(const nce_tool_calls *c, size_t i, const char **name, const char **arguments,
                              const char **id)
{
    if (c == NULL) return NCE_ERR_INVALID;
    if (i >= c->n) return nce_fail(c->j.ctx, NCE_ERR_INVALID, "tool call %zu of %zu", i, c->n);
    if (name != NULL) *name = c->calls[i].name;
    if (arguments != NULL) *arguments = c->calls[i].arguments;
    if (id != NULL) *id = c->calls[i].id;
    return NCE_OK;
}
