/* Methods of strings, mappings and loops.  What would change a value (append, update, pop) does not exist, as in Jinja's
 * immutable sandbox. */
#include "src/core/text/jinja/filters.h"
#include "src/core/text/unicode.h"
#include <string.h>

static jstring self(const jargs *a)
{
    return (jstring){a->v[0].u.s, a->v[0].n};
}

static bool absent(jvalue v)
{
    return !jgiven(v) || v.kind == J_NONE;
}

/* ---- strings ---- */
static jvalue strip(nce_jinja *j, const jargs *a, bool left, bool right)
{
    const jstring chars = absent(a->v[1]) ? (jstring){NULL, 0} : nce_jinja_to_text(j, a->v[1], "strip's characters");
    return nce_jinja_trim(j, self(a), left, right, absent(a->v[1]) ? NULL : &chars);
}

static jvalue m_strip(nce_jinja *j, const jargs *a)
{
    return strip(j, a, true, true);
}
static jvalue m_lstrip(nce_jinja *j, const jargs *a)
{
    return strip(j, a, true, false);
}
static jvalue m_rstrip(nce_jinja *j, const jargs *a)
{
    return strip(j, a, false, true);
}
static jvalue m_upper(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, self(a), J_UPPER);
}
static jvalue m_lower(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, self(a), J_LOWER);
}
static jvalue m_title(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, self(a), J_TITLE);
}
static jvalue m_capitalize(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, self(a), J_CAPITALIZE);
}

static jvalue m_split(nce_jinja *j, const jargs *a)
{
    const jstring by = absent(a->v[1]) ? (jstring){NULL, 0} : nce_jinja_to_text(j, a->v[1], "split's separator");
    return nce_jinja_split(j, self(a), absent(a->v[1]) ? NULL : &by,
                           jgiven(a->v[2]) ? nce_jinja_to_int(j, a->v[2], "split's count") : -1);
}

/* From the right: split wholly, then join what was too much. */
static jvalue m_rsplit(nce_jinja *j, const jargs *a)
{
    const int64_t most = jgiven(a->v[2]) ? nce_jinja_to_int(j, a->v[2], "rsplit's count") : -1;
    if (most < 0) return m_split(j, a);
    const jstring by = nce_jinja_to_text(j, a->v[1], "rsplit's separator");
    const jlist *all = nce_jinja_split(j, self(a), &by, -1).u.list;
    const size_t keep = (uint64_t)most < all->n ? (size_t)most : all->n - 1;
    const jvalue last = all->items[all->n - 1 - keep], out = nce_jinja_list(j, 0);
    nce_jinja_list_add(j, out.u.list, jtext(a->v[0].u.s, (size_t)(last.u.s + last.n - a->v[0].u.s)));
    for (size_t i = all->n - keep; i < all->n; i++)
        nce_jinja_list_add(j, out.u.list, all->items[i]);
    return out;
}

static jvalue m_splitlines(nce_jinja *j, const jargs *a)
{
    const jstring newline = {"\n", 1};
    jvalue lines = nce_jinja_split(j, self(a), &newline, -1);
    jlist *l = lines.u.list;
    if (l->n > 0 && l->items[l->n - 1].n == 0) l->n--;
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].n > 0 && l->items[i].u.s[l->items[i].n - 1] == '\r') l->items[i].n--;
    return lines;
}

static jvalue m_replace(nce_jinja *j, const jargs *a)
{
    const int64_t most = jgiven(a->v[3]) ? nce_jinja_to_int(j, a->v[3], "replace's count") : -1;
    return nce_jinja_replace(j, self(a), nce_jinja_to_text(j, a->v[1], "what to replace"),
                             nce_jinja_to_text(j, a->v[2], "the replacement"), most);
}

static bool has_end(jstring s, jvalue end, bool front)
{
    return end.kind == J_STRING && s.n >= end.n &&
           (end.n == 0 || memcmp(front ? s.s : s.s + s.n - end.n, end.u.s, end.n) == 0);
}

static jvalue any_end(nce_jinja *j, const jargs *a, bool front)
{
    const jvalue end = a->v[1];
    if (end.kind != J_STRING && end.kind != J_TUPLE)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "startswith or endswith of %s", nce_jinja_kind_name(end));
    bool yes = has_end(self(a), end, front);
    for (size_t i = 0; end.kind == J_TUPLE && i < end.u.list->n && !yes; i++)
        yes = has_end(self(a), end.u.list->items[i], front);
    return jbool(yes);
}

static jvalue m_startswith(nce_jinja *j, const jargs *a)
{
    return any_end(j, a, true);
}
static jvalue m_endswith(nce_jinja *j, const jargs *a)
{
    return any_end(j, a, false);
}

static jvalue m_removeprefix(nce_jinja *j, const jargs *a)
{
    const size_t n = nce_jinja_to_text(j, a->v[1], "a prefix").n;
    return has_end(self(a), a->v[1], true) ? jtext(a->v[0].u.s + n, a->v[0].n - n) : a->v[0];
}

static jvalue m_removesuffix(nce_jinja *j, const jargs *a)
{
    const size_t n = nce_jinja_to_text(j, a->v[1], "a suffix").n;
    return has_end(self(a), a->v[1], false) ? jtext(a->v[0].u.s, a->v[0].n - n) : a->v[0];
}

/* In code points, -1 if absent. */
static jvalue m_find(nce_jinja *j, const jargs *a)
{
    const jstring s = self(a), what = nce_jinja_to_text(j, a->v[1], "what to find");
    nce_jinja_burn(j, s.n / 64);
    const char *hit = what.n == 0 ? s.s : s.n > 0 ? memmem(s.s, s.n, what.s, what.n) : NULL;
    return jint(hit != NULL ? (int64_t)nce_jinja_length(s.s, (size_t)(hit - s.s)) : -1);
}

static jvalue m_rfind(nce_jinja *j, const jargs *a)
{
    const jstring s = self(a), what = nce_jinja_to_text(j, a->v[1], "what to find");
    if (what.n == 0) return jint((int64_t)nce_jinja_length(s.s, s.n));
    nce_jinja_burn(j, s.n / 16);
    for (size_t at = s.n < what.n ? 0 : s.n - what.n + 1; at-- > 0;) {
        if (s.s[at] != what.s[0]) continue;
        nce_jinja_burn(j, 1 + what.n / 64);
        if (memcmp(s.s + at, what.s, what.n) == 0) return jint((int64_t)nce_jinja_length(s.s, at));
    }
    return jint(-1);
}

static jvalue m_count(nce_jinja *j, const jargs *a)
{
    const jstring what = nce_jinja_to_text(j, a->v[1], "what to count");
    if (what.n == 0) return jint((int64_t)nce_jinja_length(a->v[0].u.s, a->v[0].n) + 1);
    return jint((int64_t)nce_jinja_split(j, self(a), &what, -1).u.list->n - 1);
}

static jvalue m_join(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[1]);
    const size_t start = j->n_out;
    for (size_t i = 0; i < l->n; i++) {
        const jstring s = nce_jinja_to_text(j, l->items[i], "what join joins");
        nce_jinja_burn(j, 1);
        if (i > 0) nce_jinja_write(j, a->v[0].u.s, a->v[0].n);
        nce_jinja_write(j, s.s, s.n);
    }
    return nce_jinja_capture(j, start);
}

/* Are all characters, at least one, of these classes? */
static jvalue all_of(nce_jinja *j, const jargs *a, uint32_t classes)
{
    bool yes = a->v[0].n > 0;
    nce_jinja_burn(j, a->v[0].n / 8);
    for (size_t i = 0, n; i < a->v[0].n && yes; i += n)
        yes = (nce_class_of(nce_utf8_decode((const uint8_t *)a->v[0].u.s + i, a->v[0].n - i, &n)) & classes) != 0;
    return jbool(yes);
}

static jvalue m_isdigit(nce_jinja *j, const jargs *a)
{
    return all_of(j, a, NCE_CLASS_ND);
}
static jvalue m_isalpha(nce_jinja *j, const jargs *a)
{
    return all_of(j, a, NCE_CLASS_L);
}
static jvalue m_isalnum(nce_jinja *j, const jargs *a)
{
    return all_of(j, a, NCE_CLASS_L | NCE_CLASS_N);
}
static jvalue m_isspace(nce_jinja *j, const jargs *a)
{
    return all_of(j, a, NCE_CLASS_WS);
}

static jvalue in_case(nce_jinja *j, const jargs *a, jcase c, jcase other)
{
    const bool same = nce_jinja_equal(j, a->v[0], nce_jinja_recase(j, self(a), c));
    return jbool(same && !nce_jinja_equal(j, a->v[0], nce_jinja_recase(j, self(a), other)));
}

static jvalue m_isupper(nce_jinja *j, const jargs *a)
{
    return in_case(j, a, J_UPPER, J_LOWER);
}
static jvalue m_islower(nce_jinja *j, const jargs *a)
{
    return in_case(j, a, J_LOWER, J_UPPER);
}

static jvalue format_field(nce_jinja *j, const jargs *a, jstring name, size_t *next)
{
    size_t index = 0;
    for (size_t k = 0; k < a->n_named; k++)
        if (a->names[k].n == name.n && name.n > 0 && memcmp(a->names[k].u.s, name.s, name.n) == 0) return a->named[k];
    for (size_t i = 0; i < name.n; i++) {
        if (name.s[i] < '0' || name.s[i] > '9' || name.n > 4)
            nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "the format field '{%.*s}'", (int)name.n, name.s);
        index = index * 10 + (size_t)(name.s[i] - '0');
    }
    if (name.n == 0) index = (*next)++;
    if (index + 1 >= a->n) nce_jinja_fail(j, NCE_ERR_FORMAT, "a format with more places than values");
    return a->v[index + 1];
}

/* "{} {0} {name}".format(...), without format specifications. */
static jvalue m_format(nce_jinja *j, const jargs *a)
{
    const jstring s = self(a);
    const size_t start = j->n_out;
    size_t next = 0;
    for (size_t i = 0; i < s.n; i++) {
        const bool brace = s.s[i] == '{' || s.s[i] == '}';
        if (brace && i + 1 < s.n && s.s[i + 1] == s.s[i])
            i++;
        else if (brace) {
            const char *end = s.s[i] == '{' ? memchr(s.s + i, '}', s.n - i) : NULL;
            if (end == NULL) nce_jinja_fail(j, NCE_ERR_FORMAT, "a format with a single brace");
            const jstring name = {s.s + i + 1, (size_t)(end - s.s) - i - 1};
            nce_jinja_print(j, format_field(j, a, name, &next));
            i = (size_t)(end - s.s);
            continue;
        }
        nce_jinja_write(j, s.s + i, 1);
    }
    return nce_jinja_capture(j, start);
}

/* ---- mappings ---- */
static jvalue m_get(nce_jinja *j, const jargs *a)
{
    const jvalue *v = nce_jinja_map_find(j, a->v[0].u.map, a->v[1]);
    return v != NULL ? *v : jgiven(a->v[2]) ? a->v[2] : jnone();
}

static jvalue m_keys(nce_jinja *j, const jargs *a)
{
    return nce_jinja_f_list(j, a);
}

static jvalue m_values(nce_jinja *j, const jargs *a)
{
    const jvalue out = nce_jinja_list(j, a->v[0].u.map->n);
    for (size_t i = 0; i < a->v[0].u.map->n; i++)
        nce_jinja_list_add(j, out.u.list, a->v[0].u.map->entries[i].value);
    return out;
}

static jvalue m_copy(nce_jinja *j, const jargs *a)
{
    const jvalue out = nce_jinja_map(j);
    for (size_t i = 0; i < a->v[0].u.map->n; i++)
        nce_jinja_map_set(j, out.u.map, a->v[0].u.map->entries[i].key, a->v[0].u.map->entries[i].value);
    return out;
}

static jvalue m_refused(nce_jinja *j, const jargs *a)
{
    nce_jinja_fail(j, NCE_ERR_FORMAT, "a method that would change %s", nce_jinja_kind_name(a->v[0]));
}

/* ---- loops ---- */
static jvalue m_cycle(nce_jinja *j, const jargs *a)
{
    if (a->n < 2) nce_jinja_fail(j, NCE_ERR_FORMAT, "cycle needs values");
    return a->v[1 + a->v[0].u.loop->at % (a->n - 1)];
}

static jvalue m_changed(nce_jinja *j, const jargs *a)
{
    jloop *l = a->v[0].u.loop;
    const jvalue now = nce_jinja_list(j, 0);
    for (size_t i = 1; i < a->n; i++)
        nce_jinja_list_add(j, now.u.list, a->v[i]);
    const bool changed = !jgiven(l->changed) || !nce_jinja_equal(j, l->changed, now);
    l->changed = now;
    return jbool(changed);
}

static const jbuiltin string_methods[] = {{"capitalize", m_capitalize, "self"},
                                          {"count", m_count, "self sub"},
                                          {"endswith", m_endswith, "self suffix"},
                                          {"find", m_find, "self sub"},
                                          {"format", m_format, NULL},
                                          {"isalnum", m_isalnum, "self"},
                                          {"isalpha", m_isalpha, "self"},
                                          {"isdigit", m_isdigit, "self"},
                                          {"islower", m_islower, "self"},
                                          {"isspace", m_isspace, "self"},
                                          {"isupper", m_isupper, "self"},
                                          {"join", m_join, "self iterable"},
                                          {"lower", m_lower, "self"},
                                          {"lstrip", m_lstrip, "self chars"},
                                          {"removeprefix", m_removeprefix, "self prefix"},
                                          {"removesuffix", m_removesuffix, "self suffix"},
                                          {"replace", m_replace, "self old new count"},
                                          {"rfind", m_rfind, "self sub"},
                                          {"rsplit", m_rsplit, "self sep maxsplit"},
                                          {"rstrip", m_rstrip, "self chars"},
                                          {"split", m_split, "self sep maxsplit"},
                                          {"splitlines", m_splitlines, "self"},
                                          {"startswith", m_startswith, "self prefix"},
                                          {"strip", m_strip, "self chars"},
                                          {"title", m_title, "self"},
                                          {"upper", m_upper, "self"}};
static const jbuiltin map_methods[] = {{"clear", m_refused, NULL},         {"copy", m_copy, "self"},
                                       {"get", m_get, "self key default"}, {"items", nce_jinja_f_items, "self"},
                                       {"keys", m_keys, "self"},           {"pop", m_refused, NULL},
                                       {"popitem", m_refused, NULL},       {"setdefault", m_refused, NULL},
                                       {"update", m_refused, NULL},        {"values", m_values, "self"}};
static const jbuiltin list_methods[] = {
    {"append", m_refused, NULL}, {"clear", m_refused, NULL},  {"extend", m_refused, NULL},  {"insert", m_refused, NULL},
    {"pop", m_refused, NULL},    {"remove", m_refused, NULL}, {"reverse", m_refused, NULL}, {"sort", m_refused, NULL}};
static const jbuiltin loop_methods[] = {{"changed", m_changed, NULL}, {"cycle", m_cycle, NULL}};

const jbuiltin *nce_jinja_find_method(jvalue v, jstring name)
{
#define FIND(table) nce_jinja_find_in(table, sizeof table / sizeof *table, name)
    if (v.kind == J_STRING) return FIND(string_methods);
    if (v.kind == J_MAP) return FIND(map_methods);
    if (jis_list(v)) return FIND(list_methods);
    return v.kind == J_LOOP ? FIND(loop_methods) : NULL;
#undef FIND
}
