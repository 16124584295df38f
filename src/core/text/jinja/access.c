/* Getting at what is inside of values: attributes, items, slices, and calling what can be called. */
#include "src/core/text/jinja/jinja.h"
#include <string.h>

enum { MAX_ARGUMENTS = 8 };

const jbuiltin *nce_jinja_find_in(const jbuiltin *table, size_t n, jstring name)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(table[i].name) == name.n && memcmp(table[i].name, name.s, name.n) == 0) return &table[i];
    return NULL;
}

/* ---- calls ---- */
static int parameter_index(const char *parameters, jvalue name)
{
    int i = 0;
    for (const char *p = parameters; *p != '\0'; i++) {
        const size_t n = strcspn(p, " ");
        if (n == name.n && memcmp(p, name.u.s, n) == 0) return i;
        p += n + (p[n] == ' ');
    }
    return -1;
}

static size_t count_parameters(const char *parameters)
{
    size_t n = *parameters != '\0';
    for (; *parameters != '\0'; parameters++)
        n += *parameters == ' ';
    return n;
}

jvalue nce_jinja_call_builtin(nce_jinja *j, const jbuiltin *b, const jargs *a)
{
    jvalue v[MAX_ARGUMENTS] = {{.kind = J_MISSING}};
    nce_jinja_enter(j);
    nce_jinja_burn(j, 1);
    jargs bound = *a;
    if (b->parameters != NULL) {
        const size_t n = count_parameters(b->parameters);
        if (a->n > n) nce_jinja_fail(j, NCE_ERR_FORMAT, "too many arguments for %s", b->name);
        for (size_t i = 0; i < a->n; i++)
            v[i] = a->v[i];
        for (size_t i = 0; i < a->n_named; i++) {
            const int at = parameter_index(b->parameters, a->names[i]);
            if (at < 0 || jgiven(v[at]))
                nce_jinja_fail(j, NCE_ERR_FORMAT, "%s has no argument '%.*s'", b->name, (int)a->names[i].n,
                               a->names[i].u.s);
            v[at] = a->named[i];
        }
        bound = (jargs){.v = v, .n = n};
    }
    const jvalue result = b->call(j, &bound);
    j->depth--;
    return result;
}

static jvalue call_method(nce_jinja *j, const jmethod *m, const jargs *a)
{
    jargs with = *a;
    with.v = nce_jinja_alloc(j, (a->n + 1) * sizeof *with.v);
    with.v[0] = m->self;
    if (a->n > 0) memcpy(with.v + 1, a->v, a->n * sizeof *with.v);
    with.n = a->n + 1;
    return nce_jinja_call_builtin(j, m->builtin, &with);
}

jvalue nce_jinja_call(nce_jinja *j, jvalue callee, const jargs *a)
{
    if (callee.kind == J_MACRO) return nce_jinja_call_macro(j, callee.u.macro, a);
    if (callee.kind == J_BUILTIN) return nce_jinja_call_builtin(j, callee.u.builtin, a);
    if (callee.kind == J_METHOD) return call_method(j, callee.u.method, a);
    nce_jinja_fail(j, NCE_ERR_FORMAT, "%s cannot be called", nce_jinja_kind_name(callee));
}

/* ---- attributes ---- */
static bool named(jstring name, const char *text)
{
    return name.n == strlen(text) && memcmp(name.s, text, name.n) == 0;
}

static jvalue loop_attribute(const jloop *l, jstring name)
{
    const size_t n = l->items->n;
    if (named(name, "index")) return jint((int64_t)l->at + 1);
    if (named(name, "index0")) return jint((int64_t)l->at);
    if (named(name, "revindex")) return jint((int64_t)(n - l->at));
    if (named(name, "revindex0")) return jint((int64_t)(n - l->at) - 1);
    if (named(name, "first")) return jbool(l->at == 0);
    if (named(name, "last")) return jbool(l->at + 1 == n);
    if (named(name, "length")) return jint((int64_t)n);
    if (named(name, "depth")) return jint(1); /* counts the levels of a recursive loop */
    if (named(name, "depth0")) return jint(0);
    if (named(name, "previtem") && l->at > 0) return l->items->items[l->at - 1];
    if (named(name, "nextitem") && l->at + 1 < n) return l->items->items[l->at + 1];
    return jundefined(name.s, name.n);
}

/* Methods come before items, as in Jinja: message.items is the method even if there is a key "items". */
jvalue nce_jinja_attribute(nce_jinja *j, jvalue v, jstring name)
{
    if (v.kind == J_UNDEFINED)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "'%.*s' is undefined: it has no '%.*s'", (int)v.n, v.u.s, (int)name.n,
                       name.s);
    const jbuiltin *b = nce_jinja_find_method(v, name);
    if (b != NULL) {
        jmethod *m = nce_jinja_alloc(j, sizeof *m);
        *m = (jmethod){v, b};
        return (jvalue){.kind = J_METHOD, .u.method = m};
    }
    if (v.kind == J_LOOP) return loop_attribute(v.u.loop, name);
    const jvalue *found = jis_map(v) ? nce_jinja_map_find_text(j, v.u.map, name.s, name.n) : NULL;
    return found != NULL ? *found : jundefined(name.s, name.n);
}

/* ---- items and slices ---- */
static jvalue item_at(nce_jinja *j, jvalue v, int64_t i)
{
    const int64_t n = v.kind == J_STRING ? (int64_t)nce_jinja_length(v.u.s, v.n) : (int64_t)v.u.list->n;
    if (i < 0) i += n;
    if (i < 0 || i >= n) return jundefined("an item out of range", 20);
    if (v.kind != J_STRING) return v.u.list->items[i];
    nce_jinja_burn(j, v.n / 64);
    const size_t from = nce_jinja_char_at(v.u.s, v.n, (size_t)i);
    return jtext(v.u.s + from, nce_jinja_char_at(v.u.s + from, v.n - from, 1));
}

jvalue nce_jinja_item(nce_jinja *j, jvalue v, jvalue key)
{
    if (v.kind == J_UNDEFINED)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "'%.*s' is undefined: it has no items", (int)v.n, v.u.s);
    if (jis_map(v)) {
        const jvalue *found = nce_jinja_map_find(j, v.u.map, key);
        if (found != NULL) return *found;
    } else if ((v.kind == J_STRING || jis_list(v)) && (key.kind == J_INT || key.kind == J_BOOL)) {
        return item_at(j, v, nce_jinja_to_int(j, key, "an index"));
    }
    if (key.kind == J_STRING) return nce_jinja_attribute(j, v, (jstring){key.u.s, key.n});
    return jundefined("an item that is not there", 25);
}

/* A bound of a slice over n items, clipped to [low, high] as Python does. */
static int64_t bound(nce_jinja *j, jvalue v, int64_t n, int64_t low, int64_t high, int64_t absent)
{
    if (v.kind == J_NONE) return absent;
    int64_t i = nce_jinja_to_int(j, v, "a slice bound");
    if (i < 0) i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

jvalue nce_jinja_slice(nce_jinja *j, jvalue v, jvalue from_v, jvalue to_v, jvalue step_v)
{
    const int64_t step = step_v.kind == J_NONE ? 1 : nce_jinja_to_int(j, step_v, "a slice step");
    if (v.kind == J_UNDEFINED)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "'%.*s' is undefined: it has no slices", (int)v.n, v.u.s);
    if (v.kind != J_STRING && !jis_list(v)) return jundefined("a slice of what has none", 24);
    if (step == 0) nce_jinja_fail(j, NCE_ERR_FORMAT, "a slice step of 0");
    const bool text = v.kind == J_STRING, up = step > 0;
    const int64_t n = text ? (int64_t)nce_jinja_length(v.u.s, v.n) : (int64_t)v.u.list->n;
    const int64_t low = up ? 0 : -1, high = up ? n : n - 1;
    const int64_t from = bound(j, from_v, n, low, high, up ? 0 : n - 1), to = bound(j, to_v, n, low, high, up ? n : -1);
    if (text && step == 1) {
        nce_jinja_burn(j, v.n / 64);
        const size_t a = nce_jinja_char_at(v.u.s, v.n, (size_t)from),
                     b = to > from ? nce_jinja_char_at(v.u.s, v.n, (size_t)to) : a;
        return jtext(v.u.s + a, b - a);
    }
    const jlist *items = nce_jinja_iterate(j, v);
    jvalue out = nce_jinja_list(j, 0);
    const size_t start = j->n_out;
    for (int64_t i = from; up ? i < to : i > to;) {
        nce_jinja_burn(j, 1);
        if (text)
            nce_jinja_print(j, items->items[i]);
        else
            nce_jinja_list_add(j, out.u.list, items->items[i]);
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    if (text) return nce_jinja_capture(j, start);
    out.kind = v.kind;
    return out;
}
