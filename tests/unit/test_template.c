/* Templates: the sandbox's limits, messages that name the line, options, failing allocations, calls in replies. */
#include "nce/template.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nce_context *context(void)
{
    nce_context *ctx;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    return ctx;
}

static const nce_template_message hello = {.role = "user", .content = "hello"};

/* Render source over one message; *out is cut to its size. */
static nce_status render(nce_context *ctx, const char *source, const nce_template_options *o, char *out, size_t n_out)
{
    nce_template *t;
    char *text = NULL;
    nce_status status = nce_template_create(ctx, source, strlen(source), &t);
    if (status == NCE_OK) status = nce_template_render(t, &hello, 1, o, &text, NULL);
    snprintf(out, n_out, "%s", text != NULL ? text : "");
    nce_template_text_destroy(t, text);
    nce_template_destroy(t);
    return status;
}

Test(template, renders_a_conversation)
{
    nce_context *ctx = context();
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    char text[256];
    o.bos_token = "<s>";
    o.variables = "{\"mood\": \"calm\"}";
    o.add_generation_prompt = 1;
    cr_assert_eq(render(ctx,
                        "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ mood }}{% "
                        "if add_generation_prompt %}>{% endif %}",
                        &o, text, sizeof text),
                 NCE_OK, "%s", nce_context_error(ctx));
    cr_assert_str_eq(text, "<s>user: hello\ncalm>");
    cr_assert_eq(render(ctx, "{{ strftime_now is defined }} {{ tools is none }}", NULL, text, sizeof text), NCE_OK);
    cr_assert_str_eq(text, "False True");
    cr_assert_eq(render(ctx, "", NULL, text, sizeof text), NCE_OK, "an empty template gives an empty text");
    cr_assert_str_eq(text, "");
    nce_context_destroy(ctx);
}

Test(template, messages_name_line_and_reason)
{
    static const struct {
        const char *source;
        nce_status status;
        const char *line, *words;
    } cases[] = {
        {"a\n{% if x %}", NCE_ERR_FORMAT, "line 2", "elif"},
        {"\n\n{{ x | frob }}", NCE_ERR_UNSUPPORTED, "line 3", "frob"},
        {"\n{{ 1 +\n 'a' }}", NCE_ERR_FORMAT, "line 3", "'+'"},
        {"{{ missing.thing }}", NCE_ERR_FORMAT, "line 1", "missing"},
        {"{% include 'x' %}", NCE_ERR_UNSUPPORTED, "line 1", "include"},
        {"\n{{ raise_exception('roles must alternate') }}", NCE_ERR_INVALID, "line 2", "roles must alternate"},
        {"{% for i in [1] %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", NCE_ERR_FORMAT, "line 1", "loop"},
        {"{{ 9223372036854775807 + 1 }}", NCE_ERR_LIMIT, "line 1", "64 bits"},
        {"{{ 'a'.__class__ }}{{ 'a'.__class__() }}", NCE_ERR_FORMAT, "line 1", "__class__"},
    };
    nce_context *ctx = context();
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(render(ctx, cases[i].source, NULL, text, sizeof text), cases[i].status, "%s", cases[i].source);
        cr_expect_not_null(strstr(nce_context_error(ctx), cases[i].line), "%s: %s", cases[i].source,
                           nce_context_error(ctx));
        cr_expect_not_null(strstr(nce_context_error(ctx), cases[i].words), "%s: %s", cases[i].source,
                           nce_context_error(ctx));
    }
    nce_context_destroy(ctx);
}

/* What a hostile template may try; each must end in a limit. */
static const char *const hostile[] = {
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}",
    "{{ range(999999999999) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{{ m(n + 1) ~ m(n + 2) }}{% endmacro %}{{ m(0) }}",
    "{{ 'a' * 99999999999 }}",
    "{{ 'abcdefgh' * 3000000 * 3 }}",
    "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(99999) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
    "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l | tojson }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == "
    "ns.l.copy }}{{ ns.l }}",
    "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, "
    "ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
    "{% set ns = namespace(s='x') %}{% for i in range(99999) %}{% set ns.s = ns.s | replace('x', 'xxxxxxxxxx') %}{% "
    "endfor %}",
    "{% set s = 'y' * 500000 %}{% for i in range(99999) %}{{ s | length }}{{ s[400000] }}{{ 'z' in s }}{{ s | upper | "
    "trim }}{% endfor %}",
    "{% set s = ' ' * 1000000 %}{% for i in range(99999) %}{{ s | trim }}{{ s.split() }}{{ s.isspace() }}{% endfor %}",
    "{% set s = '\\u00ff' * 300000 %}{% for i in range(99999) %}{{ s | upper | length }}{% endfor %}",
    "{% set s = 'ab' * 100000 %}{% for i in range(99999) %}{{ s.split('a') | join('b') | length }}{{ s | list | unique "
    "| list | length }}{% endfor %}",
    "{% set s = 'a\\n' * 100000 %}{{ s | indent(1000000) }}",
    "{{ 'x' | indent(9223372036854775807, true) }}",
    "{{ {'a': [1, 2]} | tojson(indent=9999999) }}",
    "{{ range(90000) | list | sort | reverse | unique | list }}",
    "{% set d = namespace(d={}) %}{% for i in range(99999) %}{% set d.d = dict(d.d, k=d.d) %}{% endfor %}{{ d.d | "
    "tojson }}",
    "{% for i in range(99999) %}{{ '0123456789012345678901234567890123456789' * 1000 }}{% endfor %}",
    "{{ 2 ** 9223372036854775807 }}",
    "{{ ('a' * 400000).strip('b' * 400000 ~ 'a') }}",
    "{{ ('a' * 400000) | trim('b' * 400000 ~ 'a') }}",
    "{% set a = 'a' * 1000000 %}{{ a.rfind('a' * 500000 ~ 'b') }}",
};

Test(template, hostile_templates_end)
{
    nce_context *ctx = context();
    char text[64];
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        const nce_status status = render(ctx, hostile[i], NULL, text, sizeof text);
        cr_expect_eq(status, NCE_ERR_LIMIT, "%s: %s %s", hostile[i], nce_status_name(status), nce_context_error(ctx));
    }
    nce_context_destroy(ctx);
}

Test(template, deep_sources_end)
{
    static const char *const units[][4] = {/* before, again and again, as often after, at the end */
                                           {"{{ ", "(", ")", " }}"},
                                           {"{{ ", "[", "]", " }}"},
                                           {"{{ ", "-", "", "1 }}"},
                                           {"{{ ", "not ", "", "1 }}"},
                                           {"{{ x", ".x", "", " }}"},
                                           {"{{ x", "|e", "", " }}"},
                                           {"{{ 1", "+1", "", " }}"},
                                           {"{{ 1", " if 1 else 1", "", " }}"},
                                           {"", "{% if x %}", "{% endif %}", ""},
                                           {"{{ x", "[1]", "", " }}"},
                                           {"{{ x", "()", "", " }}"},
                                           {"{% for ", "(", ")", " in x %}{% endfor %}"},
                                           {"{{ 1", " if 1", "", " }}"},
                                           {"{{ ", "x(", ")", " }}"},
                                           {"{{ x", "[x", "]", " }}"},
                                           {"{{ ", "{1:", "}", " }}"}};
    enum { N = 50000 };
    nce_context *ctx = context();
    char *source = malloc(N * 24), text[64];
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = (size_t)sprintf(source, "%s", units[i][0]);
        for (size_t k = 0; k < 2 * N; k++)
            n += (size_t)sprintf(source + n, "%s", units[i][k < N ? 1 : 2]);
        sprintf(source + n, "%s", units[i][3]);
        cr_expect_eq(render(ctx, source, NULL, text, sizeof text), NCE_ERR_LIMIT, "%.20s: %s", source,
                     nce_context_error(ctx));
    }
    free(source);
    nce_context_destroy(ctx);
}

Test(template, limits_are_options)
{
    nce_context *ctx = context();
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    char text[64];
    o.max_steps = 100;
    cr_expect_eq(render(ctx, "{% for i in range(200) %}{% endfor %}", &o, text, sizeof text), NCE_ERR_LIMIT);
    o.max_steps = 0, o.max_output = 10;
    cr_expect_eq(render(ctx, "12345678901", &o, text, sizeof text), NCE_ERR_LIMIT);
    cr_expect_not_null(strstr(nce_context_error(ctx), "output"));
    o.max_output = 0, o.max_memory = 8192;
    cr_expect_eq(render(ctx, "{{ range(5000) }}", &o, text, sizeof text), NCE_ERR_LIMIT);
    cr_expect_not_null(strstr(nce_context_error(ctx), "memory"));
    nce_context_destroy(ctx);
}

Test(template, json_is_read_strictly)
{
    static const char *const bad[] = {
        "",           "{",   "[1,]",    "{\"a\" 1}", "{a: 1}", "[1] 2",    "01",
        "1.",         "+1",  "\"\\x\"", "\"a",       "tru",    "[\"\t\"]", "99999999999999999999",
        "{\"a\":1,}", "'a'", "nan",     "\"\\u12\"", "1e",     "/**/1"};
    nce_context *ctx = context();
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    char text[256];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.tools = bad[i];
        cr_expect_eq(render(ctx, "{{ tools | tojson }}", &o, text, sizeof text), NCE_ERR_FORMAT, "%s", bad[i]);
    }
    o.tools =
        " { \"k\" : [ 1 , -2.5e3, \"\\u00e9\\ud83d\\ude42\\n\", null, true, {} ], \"k2\":0 , \"k2\" : \"last\" } ";
    cr_expect_eq(render(ctx, "{{ tools | tojson }}", &o, text, sizeof text), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(text, "{\"k\": [1, -2500.0, \"\xc3\xa9\xf0\x9f\x99\x82\\n\", null, true, {}], \"k2\": \"last\"}");
    o.tools = NULL, o.variables = "[]";
    cr_expect_eq(render(ctx, "x", &o, text, sizeof text), NCE_ERR_FORMAT);
    nce_context_destroy(ctx);
}

Test(template, refuses_wrong_arguments)
{
    nce_context *ctx = context();
    nce_template *t;
    nce_template_message nobody = {.content = "x"};
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    char *text = (char *)1;
    cr_assert_eq(nce_template_create(ctx, NULL, 3, &t), NCE_ERR_INVALID);
    cr_assert_null(t);
    cr_assert_eq(nce_template_create(ctx, "x", 1, &t), NCE_OK);
    cr_assert_eq(nce_template_render(t, &nobody, 1, NULL, &text, NULL), NCE_ERR_INVALID);
    cr_assert_null(text);
    cr_assert_eq(nce_template_render(t, NULL, 1, NULL, &text, NULL), NCE_ERR_INVALID);
    o.struct_size = 3;
    cr_assert_eq(nce_template_render(t, &hello, 1, &o, &text, NULL), NCE_ERR_INVALID);
    nce_template_destroy(t);
    nce_template_destroy(NULL);
    nce_context_destroy(ctx);
}

static nce_status whole_use(nce_context *ctx)
{
    static const char source[] =
        "{% macro m(a) %}{{ a | upper }}{% endmacro %}{% for t in tools %}{{ m(t.name) ~ t | tojson(indent=2) }}"
        "{% endfor %}{% set ns = namespace(a=[1, 2]) %}{{ ns.a | sort | join(', ') }}{{ 'x' * 9000 }}{{ "
        "messages[0].content }}";
    static const char reply[] = "text <tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1, 2, 3]}}</tool_call>";
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    nce_template *t;
    nce_tool_calls *calls = NULL;
    char *text = NULL;
    o.tools = "[{\"name\": \"a\", \"b\": [1, 2, {\"c\": null}]}]";
    nce_status status = nce_template_create(ctx, source, strlen(source), &t);
    if (status == NCE_OK) status = nce_template_render(t, &hello, 1, &o, &text, NULL);
    if (status == NCE_OK) status = nce_tool_calls_parse(ctx, reply, strlen(reply), NULL, &calls);
    nce_tool_calls_destroy(calls);
    nce_template_text_destroy(t, text);
    nce_template_destroy(t);
    return status;
}

Test(template, failing_allocations)
{
    for (long n = 1;; n++) {
        faulty_alloc f = {.fail_at = 0};
        nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
        nce_context *ctx;
        o.allocator = faulty_allocator(&f);
        cr_assert_eq(nce_context_create(&o, &ctx), NCE_OK);
        const long before = f.live;
        f.fail_at = f.requests + n;
        const nce_status status = whole_use(ctx);
        cr_assert_eq(status, f.failed ? NCE_ERR_NOMEM : NCE_OK, "allocation %ld: %s", n, nce_context_error(ctx));
        cr_assert_eq(f.live, before, "allocation %ld leaks", n);
        nce_context_destroy(ctx);
        if (!f.failed) {
            cr_assert_gt(n, 5);
            break;
        }
    }
}

/* ---- calls in replies ---- */
typedef struct reply {
    const char *text, *format;
    size_t n;
    const char *name, *arguments, *id, *rest; /* of the last call */
} reply;

Test(tool_calls, formats)
{
    static const reply replies[] = {
        {"<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>", NULL, 1, "add", "{\"a\": 1}", "",
         ""},
        {"Let me see.\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>\n{\"name\": \"g\", "
         "\"arguments\": "
         "{\"q\": \"</x> \\\"\"}}\n</tool_call> ",
         "qwen", 2, "g", "{\"q\": \"</x> \\\"\"}", "", "Let me see."},
        {"<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 2}\"}", "hermes", 1, "f", "{\"a\": 2}", "", ""},
        {"[TOOL_CALLS] [{\"name\": \"w\", \"arguments\": {\"c\": \"Z\"}, \"id\": \"abc123def\"}]</s>", NULL, 1, "w",
         "{\"c\": \"Z\"}", "abc123def", "</s>"},
        {"[TOOL_CALLS][{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {\"x\": [1, 2]}}]",
         "mistral", 2, "b", "{\"x\": [1, 2]}", "", ""},
        {"Sure[TOOL_CALLS]get[ARGS]{\"a\": true}[TOOL_CALLS]put[ARGS]{\"b\": null}", NULL, 2, "put", "{\"b\": null}",
         "", "Sure"},
        {"{\"name\": \"w\", \"parameters\": {\"city\": \"Z\\u00fcrich\"}}", NULL, 1, "w",
         "{\"city\": \"Z\xc3\xbcrich\"}", "", ""},
        {"<|python_tag|>{\"type\": \"function\", \"name\": \"w\", \"parameters\": {}}; {\"name\": \"v\", "
         "\"parameters\": {\"k\": 1.5}}<|eom_id|>",
         NULL, 2, "v", "{\"k\": 1.5}", "", ""},
        {"<|python_tag|>brave_search.call(query=\"a (b)\", n=3)", "llama3", 1, "brave_search",
         "{\"query\": \"a (b)\", \"n\": 3}", "", ""},
        {" Just text with {\"json\": 1}.", NULL, 0, NULL, NULL, NULL, " Just text with {\"json\": 1}."},
        {"{\"name\": \"x\"}", NULL, 0, NULL, NULL, NULL, "{\"name\": \"x\"}"},
        {"{\"name\": \"x\", \"parameters\": {}} is how one calls it", NULL, 0, NULL, NULL, NULL,
         "{\"name\": \"x\", \"parameters\": {}} is how one calls it"},
        {"", NULL, 0, NULL, NULL, NULL, ""},
        {"plain", "hermes", 0, NULL, NULL, NULL, "plain"},
    };
    nce_context *ctx = context();
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        const reply *r = &replies[i];
        nce_tool_calls *calls;
        const char *name, *arguments, *id;
        cr_assert_eq(nce_tool_calls_parse(ctx, r->text, strlen(r->text), r->format, &calls), NCE_OK, "%s: %s", r->text,
                     nce_context_error(ctx));
        cr_expect_eq(nce_tool_calls_count(calls), r->n, "%s", r->text);
        cr_expect_str_eq(nce_tool_calls_text(calls), r->rest, "%s", r->text);
        if (r->n > 0) {
            cr_assert_eq(nce_tool_calls_get(calls, r->n - 1, &name, &arguments, &id), NCE_OK);
            cr_expect_str_eq(name, r->name);
            cr_expect_str_eq(arguments, r->arguments);
            cr_expect_str_eq(id, r->id);
        }
        cr_expect_eq(nce_tool_calls_get(calls, r->n, NULL, NULL, NULL), NCE_ERR_INVALID);
        nce_tool_calls_destroy(calls);
    }
    nce_context_destroy(ctx);
}

Test(tool_calls, malformed)
{
    static const char *const bad[] = {"<tool_call>{\"name\": ",
                                      "<tool_call>{\"arguments\": {}}</tool_call>",
                                      "<tool_call>{\"name\": \"f\", \"arguments\": 3}</tool_call>",
                                      "<tool_call>{\"name\": \"f\"} and more",
                                      "[TOOL_CALLS] soon",
                                      "[TOOL_CALLS]{}",
                                      "[TOOL_CALLS]f[ARGS]x",
                                      "<|python_tag|>print(1)",
                                      "<|python_tag|>a.call(b",
                                      "<|python_tag|>{\"name\": \"a\", \"parameters\": {}} {"};
    nce_context *ctx = context();
    nce_tool_calls *calls;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(nce_tool_calls_parse(ctx, bad[i], strlen(bad[i]), NULL, &calls), NCE_ERR_FORMAT, "%s", bad[i]);
        cr_expect_null(calls);
        cr_expect_not_null(strstr(nce_context_error(ctx), "byte"), "%s", nce_context_error(ctx));
    }
    cr_expect_eq(nce_tool_calls_parse(ctx, "x", 1, "esperanto", &calls), NCE_ERR_NOTFOUND);
    nce_context_destroy(ctx);
}

/* What was called goes back into the conversation. */
Test(tool_calls, json_renders_again)
{
    static const char source[] =
        "{{ messages[0].tool_calls[0].function.name }}({{ messages[0].tool_calls[0].function.arguments.a }})";
    static const char text[] = "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}]";
    nce_context *ctx = context();
    nce_tool_calls *calls;
    nce_template *t;
    char *out;
    cr_assert_eq(nce_tool_calls_parse(ctx, text, strlen(text), NULL, &calls), NCE_OK);
    cr_expect_str_eq(nce_tool_calls_json(calls), "[{\"id\": \"123456789\", \"type\": \"function\", \"function\": "
                                                 "{\"name\": \"f\", \"arguments\": {\"a\": 1}}}]");
    const nce_template_message m = {.role = "assistant", .tool_calls = nce_tool_calls_json(calls)};
    cr_assert_eq(nce_template_create(ctx, source, strlen(source), &t), NCE_OK);
    cr_assert_eq(nce_template_render(t, &m, 1, NULL, &out, NULL), NCE_OK, "%s", nce_context_error(ctx));
    cr_expect_str_eq(out, "f(1)");
    nce_template_text_destroy(t, out);
    nce_template_destroy(t);
    nce_tool_calls_destroy(calls);
    nce_context_destroy(ctx);
}
