/* Filters on lists and mappings.  Where Jinja gives a generator these give a list: a template sees no difference but that
 * it may be gone over twice. */
#include "src/core/text/jinja/filters.h"
#include <string.h>

/* An attribute path as in map(attribute="function.name"); a number in it is an index. */
static jvalue path(nce_jinja *j, jvalue v, jvalue attribute)
{
    if (!jgiven(attribute) || attribute.kind == J_NONE) return v;
    if (attribute.kind == J_INT) return nce_jinja_item(j, v, attribute);
    const jstring dot = {".", 1};
    const jvalue names = nce_jinja_split(j, nce_jinja_to_text(j, attribute, "an attribute"), &dot, -1);
    for (size_t i = 0; i < names.u.list->n; i++) {
        jvalue name = names.u.list->items[i];
        int64_t index = 0;
        bool digits = name.n > 0 && name.n < 10;
        for (size_t k = 0; k < name.n && digits; k++) {
            digits = name.u.s[k] >= '0' && name.u.s[k] <= '9';
            index = index * 10 + name.u.s[k] - '0';
        }
        v = nce_jinja_item(j, v, digits ? jint(index) : name);
    }
    return v;
}

jvalue nce_jinja_f_length(nce_jinja *j, const jargs *a)
{
    const jvalue v = a->v[0];
    if (v.kind == J_STRING) return nce_jinja_burn(j, v.n / 64), jint((int64_t)nce_jinja_length(v.u.s, v.n));
    if (v.kind == J_UNDEFINED) return jint(0);
    if (jis_list(v)) return jint((int64_t)v.u.list->n);
    if (v.kind == J_MAP) return jint((int64_t)v.u.map->n);
    nce_jinja_fail(j, NCE_ERR_FORMAT, "%s has no length", nce_jinja_kind_name(v));
}

jvalue nce_jinja_f_first(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    return l->n > 0 ? l->items[0] : jundefined("the first of nothing", 20);
}

jvalue nce_jinja_f_last(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    return l->n > 0 ? l->items[l->n - 1] : jundefined("the last of nothing", 19);
}

jvalue nce_jinja_f_list(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    jvalue copy = nce_jinja_list(j, l->n);
    for (size_t i = 0; i < l->n; i++)
        nce_jinja_list_add(j, copy.u.list, l->items[i]);
    return copy;
}

jvalue nce_jinja_f_reverse(nce_jinja *j, const jargs *a)
{
    const jvalue back =
        nce_jinja_slice(j, a->v[0].kind == J_STRING ? a->v[0] : nce_jinja_f_list(j, a), jnone(), jnone(), jint(-1));
    return back;
}

jvalue nce_jinja_f_items(nce_jinja *j, const jargs *a)
{
    jvalue pairs = nce_jinja_list(j, 0);
    if (a->v[0].kind == J_UNDEFINED) return pairs;
    if (!jis_map(a->v[0])) nce_jinja_fail(j, NCE_ERR_FORMAT, "the items of %s", nce_jinja_kind_name(a->v[0]));
    for (size_t i = 0; i < a->v[0].u.map->n; i++) {
        jvalue pair = nce_jinja_list(j, 2);
        nce_jinja_list_add(j, pair.u.list, a->v[0].u.map->entries[i].key);
        nce_jinja_list_add(j, pair.u.list, a->v[0].u.map->entries[i].value);
        pair.kind = J_TUPLE;
        nce_jinja_list_add(j, pairs.u.list, pair);
    }
    return pairs;
}

jvalue nce_jinja_f_join(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    const size_t start = j->n_out;
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && jgiven(a->v[1])) nce_jinja_print(j, a->v[1]);
        nce_jinja_print(j, path(j, l->items[i], a->v[2]));
    }
    return nce_jinja_capture(j, start);
}

/* ---- one filter or test for every item ---- */
/* What is false has no items here, be it a list or not. */
static const jlist *items_of(nce_jinja *j, jvalue v)
{
    return nce_jinja_iterate(j, nce_jinja_truth(v) ? v : jundefined("", 0));
}

static jvalue apply(nce_jinja *j, const jbuiltin *b, jvalue subject, const jargs *a, size_t skip)
{
    jargs with = *a;
    with.n = a->n > skip ? a->n - skip : 0;
    with.v = nce_jinja_alloc(j, (with.n + 1) * sizeof *with.v);
    with.v[0] = subject;
    for (size_t i = 0; i < with.n; i++)
        with.v[i + 1] = a->v[skip + i];
    with.n++;
    return nce_jinja_call_builtin(j, b, &with);
}

static jvalue named_argument(const jargs *a, const char *name)
{
    for (size_t i = 0; i < a->n_named; i++)
        if (nce_jinja_is(a->names[i], name)) return a->named[i];
    return (jvalue){.kind = J_MISSING};
}

jvalue nce_jinja_f_map(nce_jinja *j, const jargs *a)
{
    const jlist *l = items_of(j, a->v[0]);
    const jvalue attribute = named_argument(a, "attribute"), otherwise = named_argument(a, "default");
    const jbuiltin *b = NULL;
    jvalue out = nce_jinja_list(j, l->n);
    if (!jgiven(attribute)) {
        if (a->n < 2) nce_jinja_fail(j, NCE_ERR_FORMAT, "map needs a filter or an attribute");
        b = nce_jinja_find_filter(nce_jinja_to_text(j, a->v[1], "map's filter"));
        if (b == NULL) nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "unknown filter '%.*s'", (int)a->v[1].n, a->v[1].u.s);
    }
    for (size_t i = 0; i < l->n; i++) {
        jvalue v = b != NULL ? apply(j, b, l->items[i], a, 2) : path(j, l->items[i], attribute);
        if (b == NULL && v.kind == J_UNDEFINED && jgiven(otherwise)) v = otherwise;
        nce_jinja_list_add(j, out.u.list, v);
    }
    return out;
}

static jvalue choose(nce_jinja *j, const jargs *a, bool by_attribute, bool wanted)
{
    const jlist *l = items_of(j, a->v[0]);
    const size_t at = by_attribute ? 2 : 1; /* of the test's name */
    const jbuiltin *b = NULL;
    jvalue out = nce_jinja_list(j, 0);
    if (by_attribute && a->n < 2) nce_jinja_fail(j, NCE_ERR_FORMAT, "selectattr needs an attribute");
    if (a->n > at) {
        b = nce_jinja_find_test(nce_jinja_to_text(j, a->v[at], "the name of a test"));
        if (b == NULL) nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "unknown test '%.*s'", (int)a->v[at].n, a->v[at].u.s);
    }
    for (size_t i = 0; i < l->n; i++) {
        const jvalue v = by_attribute ? path(j, l->items[i], a->v[1]) : l->items[i];
        const bool yes = nce_jinja_truth(b != NULL ? apply(j, b, v, a, at + 1) : v);
        if (yes == wanted) nce_jinja_list_add(j, out.u.list, l->items[i]);
    }
    return out;
}

jvalue nce_jinja_f_select(nce_jinja *j, const jargs *a)
{
    return choose(j, a, false, true);
}
jvalue nce_jinja_f_reject(nce_jinja *j, const jargs *a)
{
    return choose(j, a, false, false);
}
jvalue nce_jinja_f_selectattr(nce_jinja *j, const jargs *a)
{
    return choose(j, a, true, true);
}
jvalue nce_jinja_f_rejectattr(nce_jinja *j, const jargs *a)
{
    return choose(j, a, true, false);
}

/* ---- order ---- */
static jvalue sort_key(nce_jinja *j, jvalue v, jvalue attribute, jvalue case_sensitive)
{
    v = path(j, v, attribute);
    const bool fold = !jgiven(case_sensitive) || !nce_jinja_truth(case_sensitive);
    return fold && v.kind == J_STRING ? nce_jinja_recase(j, (jstring){v.u.s, v.n}, J_LOWER) : v;
}

/* Stable merge sort of items by keys: from into to, both [n]. */
static void merge_sort(nce_jinja *j, jentry *items, jentry *room, size_t n, bool reverse)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            const size_t mid = from + width < n ? from + width : n, end = from + 2 * width < n ? from + 2 * width : n;
            for (size_t a = from, b = mid, k = from; k < end; k++) {
                bool left = b >= end;
                if (a < mid && b < end) {
                    const int order = nce_jinja_order(j, items[a].key, items[b].key);
                    left = reverse ? order >= 0 : order <= 0;
                }
                room[k] = left ? items[a++] : items[b++];
            }
        }
        memcpy(items, room, n * sizeof *items);
    }
}

static jvalue sorted(nce_jinja *j, const jlist *l, jvalue reverse, jvalue case_sensitive, jvalue attribute)
{
    jentry *items = nce_jinja_alloc(j, 2 * (l->n + 1) * sizeof *items);
    jvalue out = nce_jinja_list(j, l->n);
    for (size_t i = 0; i < l->n; i++)
        items[i] = (jentry){sort_key(j, l->items[i], attribute, case_sensitive), l->items[i]};
    merge_sort(j, items, items + l->n + 1, l->n, jgiven(reverse) && nce_jinja_truth(reverse));
    for (size_t i = 0; i < l->n; i++)
        nce_jinja_list_add(j, out.u.list, items[i].value);
    return out;
}

jvalue nce_jinja_f_sort(nce_jinja *j, const jargs *a)
{
    return sorted(j, nce_jinja_iterate(j, a->v[0]), a->v[1], a->v[2], a->v[3]);
}

jvalue nce_jinja_f_dictsort(nce_jinja *j, const jargs *a)
{
    const jvalue pairs = nce_jinja_f_items(j, a);
    const bool by_value = jgiven(a->v[2]) && nce_jinja_is(a->v[2], "value");
    return sorted(j, pairs.u.list, a->v[3], a->v[1], jint(by_value));
}

jvalue nce_jinja_f_unique(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    const jvalue keys = nce_jinja_list(j, 0), out = nce_jinja_list(j, 0);
    for (size_t i = 0; i < l->n; i++) {
        const jvalue key = sort_key(j, l->items[i], a->v[2], a->v[1]);
        if (nce_jinja_contains(j, key, keys)) continue;
        nce_jinja_list_add(j, keys.u.list, key);
        nce_jinja_list_add(j, out.u.list, l->items[i]);
    }
    return out;
}

static jvalue extreme(nce_jinja *j, const jargs *a, int sign)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    size_t best = 0;
    if (l->n == 0) return jundefined("the greatest or least of nothing", 32);
    jvalue best_key = sort_key(j, l->items[0], a->v[2], a->v[1]);
    for (size_t i = 1; i < l->n; i++) {
        const jvalue key = sort_key(j, l->items[i], a->v[2], a->v[1]);
        if (nce_jinja_order(j, key, best_key) * sign > 0) best = i, best_key = key;
    }
    return l->items[best];
}

jvalue nce_jinja_f_max(nce_jinja *j, const jargs *a)
{
    return extreme(j, a, 1);
}
jvalue nce_jinja_f_min(nce_jinja *j, const jargs *a)
{
    return extreme(j, a, -1);
}

jvalue nce_jinja_f_sum(nce_jinja *j, const jargs *a)
{
    const jlist *l = nce_jinja_iterate(j, a->v[0]);
    jvalue sum = jgiven(a->v[2]) ? a->v[2] : jint(0);
    for (size_t i = 0; i < l->n; i++) {
        const jvalue v = path(j, l->items[i], a->v[1]);
        if (!jis_number(v) || !jis_number(sum))
            nce_jinja_fail(j, NCE_ERR_FORMAT, "a sum over %s", nce_jinja_kind_name(v));
        if (v.kind == J_FLOAT || sum.kind == J_FLOAT) {
            sum = jfloat(nce_jinja_to_float(sum) + nce_jinja_to_float(v));
        } else {
            int64_t next;
            if (__builtin_add_overflow(nce_jinja_to_int(j, sum, "sum"), nce_jinja_to_int(j, v, "sum"), &next))
                nce_jinja_fail(j, NCE_ERR_LIMIT, "a sum beyond 64 bits");
            sum = jint(next);
        }
    }
    return sum;
}
