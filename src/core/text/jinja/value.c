/* Values: making them, finding what is in them, comparing them with Python's rules (1 == 1.0 == true, order by kind). */
#include "src/core/text/jinja/jinja.h"
#include "src/core/text/unicode.h"
#include <string.h>

jvalue nce_jinja_string(const char *terminated)
{
    return jtext(terminated, strlen(terminated));
}

jvalue nce_jinja_copy(nce_jinja *j, const char *s, size_t n)
{
    char *copy = nce_jinja_alloc(j, n);
    if (n > 0) memcpy(copy, s, n);
    return jtext(copy, n);
}

jvalue nce_jinja_list(nce_jinja *j, size_t capacity)
{
    jlist *l = nce_jinja_alloc(j, sizeof *l);
    if (capacity > j->max_memory / sizeof *l->items) nce_jinja_fail(j, NCE_ERR_LIMIT, "a list of %zu items", capacity);
    if (capacity > 0) l->items = nce_jinja_alloc(j, capacity * sizeof *l->items);
    l->capacity = capacity;
    return (jvalue){.kind = J_LIST, .u.list = l};
}

void nce_jinja_list_add(nce_jinja *j, jlist *l, jvalue v)
{
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity < 4 ? 4 : l->capacity * 2;
        jvalue *grown = nce_jinja_alloc(j, capacity * sizeof *grown);
        if (l->n > 0) memcpy(grown, l->items, l->n * sizeof *grown);
        l->items = grown, l->capacity = capacity;
    }
    l->items[l->n++] = v;
}

jvalue nce_jinja_map(nce_jinja *j)
{
    return (jvalue){.kind = J_MAP, .u.map = nce_jinja_alloc(j, sizeof(jmap))};
}

jvalue *nce_jinja_map_find_text(nce_jinja *j, const jmap *m, const char *s, size_t n)
{
    nce_jinja_burn(j, m->n / 16);
    for (size_t i = 0; i < m->n; i++) {
        const jvalue *key = &m->entries[i].key;
        if (key->kind == J_STRING && key->n == n && (n == 0 || memcmp(key->u.s, s, n) == 0))
            return &m->entries[i].value;
    }
    return NULL;
}

jvalue *nce_jinja_map_find(nce_jinja *j, const jmap *m, jvalue key)
{
    if (key.kind == J_STRING) return nce_jinja_map_find_text(j, m, key.u.s, key.n);
    for (size_t i = 0; i < m->n; i++)
        if (nce_jinja_equal(j, m->entries[i].key, key)) return &m->entries[i].value;
    return NULL;
}

void nce_jinja_map_set(nce_jinja *j, jmap *m, jvalue key, jvalue v)
{
    if (key.kind == J_LIST || jis_map(key))
        nce_jinja_fail(j, NCE_ERR_FORMAT, "%s cannot be a key", nce_jinja_kind_name(key));
    jvalue *old = nce_jinja_map_find(j, m, key);
    if (old != NULL) {
        *old = v;
        return;
    }
    if (m->n == m->capacity) {
        const size_t capacity = m->capacity < 4 ? 4 : m->capacity * 2;
        jentry *grown = nce_jinja_alloc(j, capacity * sizeof *grown);
        if (m->n > 0) memcpy(grown, m->entries, m->n * sizeof *grown);
        m->entries = grown, m->capacity = capacity;
    }
    m->entries[m->n++] = (jentry){key, v};
}

const char *nce_jinja_kind_name(jvalue v)
{
    static const char *const names[] = {
        "nothing", "an undefined value", "none",        "a boolean", "an integer", "a float",    "a string", "a list",
        "a tuple", "a mapping",          "a namespace", "a loop",    "a macro",    "a function", "a method"};
    return names[v.kind];
}

bool nce_jinja_is(jvalue v, const char *text)
{
    return v.kind == J_STRING && v.n == strlen(text) && memcmp(v.u.s, text, v.n) == 0;
}

bool nce_jinja_truth(jvalue v)
{
    switch ((jkind)v.kind) {
    case J_MISSING:
    case J_UNDEFINED:
    case J_NONE:
        return false;
    case J_BOOL:
        return v.u.b;
    case J_INT:
        return v.u.i != 0;
    case J_FLOAT:
        return v.u.f != 0;
    case J_STRING:
        return v.n > 0;
    case J_LIST:
    case J_TUPLE:
        return v.u.list->n > 0;
    case J_MAP:
        return v.u.map->n > 0;
    default:
        return true;
    }
}

double nce_jinja_to_float(jvalue v)
{
    return v.kind == J_FLOAT ? v.u.f : v.kind == J_INT ? (double)v.u.i : (double)v.u.b;
}

static bool equal_maps(nce_jinja *j, const jmap *a, const jmap *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++) {
        const jvalue *other = nce_jinja_map_find(j, b, a->entries[i].key);
        same = other != NULL && nce_jinja_equal(j, a->entries[i].value, *other);
    }
    return same;
}

static bool equal_lists(nce_jinja *j, const jlist *a, const jlist *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; i < a->n && same; i++)
        same = nce_jinja_equal(j, a->items[i], b->items[i]);
    return same;
}

bool nce_jinja_equal(nce_jinja *j, jvalue a, jvalue b)
{
    bool same;
    nce_jinja_burn(j, 1);
    if (jis_number(a) && jis_number(b)) {
        if (a.kind == J_INT && b.kind == J_INT) return a.u.i == b.u.i;
        return nce_jinja_to_float(a) == nce_jinja_to_float(b);
    }
    if (a.kind != b.kind) return false;
    nce_jinja_enter(j);
    switch ((jkind)a.kind) {
    case J_STRING:
        nce_jinja_burn(j, a.n / 256);
        same = a.n == b.n && (a.n == 0 || memcmp(a.u.s, b.u.s, a.n) == 0);
        break;
    case J_LIST:
    case J_TUPLE:
        same = equal_lists(j, a.u.list, b.u.list);
        break;
    case J_MAP:
        same = equal_maps(j, a.u.map, b.u.map);
        break;
    case J_UNDEFINED:
    case J_NONE:
        same = true;
        break;
    default:
        same = a.u.map == b.u.map;
        break;
    }
    j->depth--;
    return same;
}

static int order_lists(nce_jinja *j, const jlist *a, const jlist *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!nce_jinja_equal(j, a->items[i], b->items[i])) return nce_jinja_order(j, a->items[i], b->items[i]);
    return (a->n > b->n) - (a->n < b->n);
}

int nce_jinja_order(nce_jinja *j, jvalue a, jvalue b)
{
    nce_jinja_burn(j, 1);
    if (a.kind == J_INT && b.kind == J_INT) return (a.u.i > b.u.i) - (a.u.i < b.u.i);
    if (jis_number(a) && jis_number(b)) {
        const double x = nce_jinja_to_float(a), y = nce_jinja_to_float(b);
        return (x > y) - (x < y);
    }
    if (a.kind == J_STRING && b.kind == J_STRING) { /* UTF-8 sorts as its code points do */
        const size_t n = a.n < b.n ? a.n : b.n;
        nce_jinja_burn(j, n / 256);
        const int c = n > 0 ? memcmp(a.u.s, b.u.s, n) : 0;
        return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
    }
    if (!jis_list(a) || a.kind != b.kind)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "no order between %s and %s", nce_jinja_kind_name(a), nce_jinja_kind_name(b));
    nce_jinja_enter(j);
    const int order = order_lists(j, a.u.list, b.u.list);
    j->depth--;
    return order;
}

bool nce_jinja_contains(nce_jinja *j, jvalue needle, jvalue hay)
{
    if (hay.kind == J_STRING) {
        if (needle.kind != J_STRING)
            nce_jinja_fail(j, NCE_ERR_FORMAT, "%s is not looked for in a string", nce_jinja_kind_name(needle));
        nce_jinja_burn(j, hay.n / 64);
        return needle.n == 0 || memmem(hay.u.s, hay.n, needle.u.s, needle.n) != NULL;
    }
    if (jis_map(hay)) return nce_jinja_map_find(j, hay.u.map, needle) != NULL;
    if (hay.kind == J_UNDEFINED) return false;
    if (!jis_list(hay)) nce_jinja_fail(j, NCE_ERR_FORMAT, "nothing is 'in' %s", nce_jinja_kind_name(hay));
    for (size_t i = 0; i < hay.u.list->n; i++)
        if (nce_jinja_equal(j, needle, hay.u.list->items[i])) return true;
    return false;
}

const jlist *nce_jinja_iterate(nce_jinja *j, jvalue v)
{
    if (jis_list(v)) return v.u.list;
    jvalue l = nce_jinja_list(j, jis_map(v) ? v.u.map->n : 0);
    if (jis_map(v)) {
        for (size_t i = 0; i < v.u.map->n; i++)
            nce_jinja_list_add(j, l.u.list, v.u.map->entries[i].key);
    } else if (v.kind == J_STRING) {
        for (size_t i = 0, n; i < v.n; i += n) {
            nce_utf8_decode((const uint8_t *)v.u.s + i, v.n - i, &n);
            nce_jinja_list_add(j, l.u.list, jtext(v.u.s + i, n));
        }
    } else if (v.kind != J_UNDEFINED) {
        nce_jinja_fail(j, NCE_ERR_FORMAT, "%s has no items to go over", nce_jinja_kind_name(v));
    }
    return l.u.list;
}

int64_t nce_jinja_to_int(nce_jinja *j, jvalue v, const char *what)
{
    if (v.kind == J_BOOL) return v.u.b;
    if (v.kind != J_INT)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "%s must be an integer, not %s", what, nce_jinja_kind_name(v));
    return v.u.i;
}

jstring nce_jinja_to_text(nce_jinja *j, jvalue v, const char *what)
{
    if (v.kind == J_UNDEFINED && v.n > 0) nce_jinja_fail(j, NCE_ERR_FORMAT, "'%.*s' is undefined", (int)v.n, v.u.s);
    if (v.kind != J_STRING)
        nce_jinja_fail(j, NCE_ERR_FORMAT, "%s must be a string, not %s", what, nce_jinja_kind_name(v));
    return (jstring){v.u.s, v.n};
}
