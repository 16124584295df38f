/* Byte identity with the Jinja2 package: the cases of tests/templates/cases.json, which generate.py there writes. */
#include "nce/template.h"
#include "src/core/text/jinja/jinja.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct cases {
    nce_jinja j; /* holds what the file says */
    char *text;
    size_t n;
    jvalue root;
} cases;

static char *read_file(const char *name, size_t *n)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", NCE_TEMPLATES, name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*n + 1);
    cr_assert_eq(fread(text, 1, *n, f), *n);
    text[*n] = '\0';
    fclose(f);
    return text;
}

static void read_cases(nce_jinja *j, void *arg)
{
    cases *c = arg;
    c->root = nce_jinja_read_json(j, c->text, c->n, "cases.json");
}

static void open_cases(cases *c)
{
    memset(c, 0, sizeof *c);
    c->j = (nce_jinja){.max_memory = (size_t)1 << 28, .max_out = (size_t)1 << 28, .fuel = UINT64_MAX, .max_depth = 100};
    cr_assert_eq(nce_context_create(NULL, &c->j.ctx), NCE_OK);
    c->text = read_file("cases.json", &c->n);
    cr_assert_eq(nce_jinja_protect(&c->j, read_cases, c), NCE_OK, "%s", nce_context_error(c->j.ctx));
}

static void close_cases(cases *c)
{
    nce_context *ctx = c->j.ctx;
    nce_jinja_finish(&c->j);
    nce_context_destroy(ctx);
    free(c->text);
}

static jvalue get(cases *c, jvalue map, const char *key)
{
    const jvalue *v = nce_jinja_map_find_text(&c->j, map.u.map, key, strlen(key));
    return v != NULL ? *v : jnone();
}

/* Terminated; NULL for null. */
static const char *text_of(cases *c, jvalue v)
{
    const jjson_style style = {.indent = -1, .item_separator = {", ", 2}, .key_separator = {": ", 2}};
    if (v.kind == J_NONE) return NULL;
    if (v.kind != J_STRING) {
        nce_jinja_write_json(&c->j, v, &style);
        v = nce_jinja_capture(&c->j, 0);
    }
    char *s = nce_jinja_alloc(&c->j, v.n + 1);
    if (v.n > 0) memcpy(s, v.u.s, v.n);
    return s;
}

/* One case: the text must be the expected one, or both must refuse. */
static bool check(cases *c, const char *name, const char *source, size_t n_source, jvalue conversation, jvalue one,
                  const nce_template_options *o)
{
    nce_template_message messages[16] = {{0}};
    const size_t n = conversation.kind == J_LIST ? conversation.u.list->n : 0;
    nce_template *t = NULL;
    char *got = NULL;
    size_t n_got = 0;
    bool good;
    cr_assert_leq(n, 16);
    for (size_t i = 0; i < n; i++) {
        messages[i].role = text_of(c, get(c, conversation.u.list->items[i], "role"));
        messages[i].extra = text_of(c, conversation.u.list->items[i]);
    }
    nce_status status = nce_template_create(c->j.ctx, source, n_source, &t);
    if (status == NCE_OK) status = nce_template_render(t, messages, n, o, &got, &n_got);
    const jvalue expected = get(c, one, "expected");
    if (expected.kind == J_NONE) {
        good = status != NCE_OK;
        if (!good)
            fprintf(stderr, "%s: not refused: %.100s\n", name, got);
        else
            cr_expect_not_null(strstr(nce_context_error(c->j.ctx), "line "), "%s: %s", name,
                               nce_context_error(c->j.ctx));
    } else {
        good = status == NCE_OK && n_got == expected.n && memcmp(got, expected.u.s, n_got) == 0;
        if (!good)
            fprintf(stderr, "%s\n--- got %s %s\n%s\n--- expected\n%.*s\n", name, nce_status_name(status),
                    status ? nce_context_error(c->j.ctx) : "", got ? got : "", (int)expected.n, expected.u.s);
    }
    nce_template_text_destroy(t, got);
    nce_template_destroy(t);
    return good;
}

Test(template_families, language)
{
    cases c;
    open_cases(&c);
    nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
    const jvalue snippets = get(&c, c.root, "snippets");
    size_t bad = 0;
    o.now = get(&c, c.root, "now").u.i;
    o.variables = text_of(&c, get(&c, c.root, "variables"));
    cr_assert_geq(snippets.u.list->n, 50);
    for (size_t i = 0; i < snippets.u.list->n; i++) {
        const jvalue one = snippets.u.list->items[i], source = get(&c, one, "template");
        char name[120];
        snprintf(name, sizeof name, "snippet %zu: %.*s", i, (int)(source.n < 90 ? source.n : 90), source.u.s);
        bad += !check(&c, name, source.u.s, source.n, jnone(), one, &o);
    }
    cr_expect_eq(bad, 0, "%zu of %zu snippets differ", bad, snippets.u.list->n);
    close_cases(&c);
}

Test(template_families, conversations)
{
    cases c;
    open_cases(&c);
    const jvalue all = get(&c, c.root, "cases");
    size_t bad = 0;
    cr_assert_geq(all.u.list->n, 200);
    for (size_t i = 0; i < all.u.list->n; i++) {
        nce_template_options o = NCE_TEMPLATE_OPTIONS_INIT;
        const jvalue one = all.u.list->items[i];
        const char *family = text_of(&c, get(&c, one, "family")),
                   *conversation = text_of(&c, get(&c, one, "conversation"));
        char file[128], name[200];
        size_t n;
        snprintf(file, sizeof file, "families/%s.jinja", family);
        snprintf(name, sizeof name, "case %zu: %s, %s", i, family, conversation);
        char *source = read_file(file, &n);
        o.now = get(&c, c.root, "now").u.i;
        o.tools = text_of(&c, get(&c, one, "tools"));
        o.variables = text_of(&c, get(&c, one, "variables"));
        o.bos_token = text_of(&c, get(&c, one, "bos"));
        o.eos_token = text_of(&c, get(&c, one, "eos"));
        o.add_generation_prompt = get(&c, one, "add_generation_prompt").u.b;
        bad += !check(&c, name, source, n, get(&c, get(&c, c.root, "conversations"), conversation), one, &o);
        free(source);
    }
    cr_expect_eq(bad, 0, "%zu of %zu cases differ", bad, all.u.list->n);
    close_cases(&c);
}
