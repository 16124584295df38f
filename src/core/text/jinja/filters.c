/* Filters on single values, and the table of all filters.  v[0] is what stands before the bar. */
#include "src/core/text/jinja/filters.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jstring subject(nce_jinja *j, const jargs *a)
{
    const jvalue v = nce_jinja_str(j, a->v[0]);
    return (jstring){v.u.s, v.n};
}

/* ---- text ---- */
static jvalue f_upper(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, subject(j, a), J_UPPER);
}
static jvalue f_lower(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, subject(j, a), J_LOWER);
}
static jvalue f_title(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, subject(j, a), J_WORDS);
}
static jvalue f_capitalize(nce_jinja *j, const jargs *a)
{
    return nce_jinja_recase(j, subject(j, a), J_CAPITALIZE);
}
static jvalue f_string(nce_jinja *j, const jargs *a)
{
    return nce_jinja_str(j, a->v[0]);
}

static jvalue f_trim(nce_jinja *j, const jargs *a)
{
    const bool given = jgiven(a->v[1]) && a->v[1].kind != J_NONE;
    const jstring chars = given ? nce_jinja_to_text(j, a->v[1], "trim's characters") : (jstring){NULL, 0};
    return nce_jinja_trim(j, subject(j, a), true, true, given ? &chars : NULL);
}

static jvalue f_replace(nce_jinja *j, const jargs *a)
{
    const int64_t most =
        jgiven(a->v[3]) && a->v[3].kind != J_NONE ? nce_jinja_to_int(j, a->v[3], "replace's count") : -1;
    if (!jgiven(a->v[1]) || !jgiven(a->v[2])) nce_jinja_fail(j, NCE_ERR_FORMAT, "replace needs what and by what");
    const jvalue from = nce_jinja_str(j, a->v[1]), to = nce_jinja_str(j, a->v[2]);
    return nce_jinja_replace(j, subject(j, a), (jstring){from.u.s, from.n}, (jstring){to.u.s, to.n}, most);
}

static jvalue f_indent(nce_jinja *j, const jargs *a)
{
    const size_t start = j->n_out;
    const bool first = jgiven(a->v[2]) && nce_jinja_truth(a->v[2]), blank = jgiven(a->v[3]) && nce_jinja_truth(a->v[3]);
    const int64_t width = !jgiven(a->v[1])           ? 4
                          : a->v[1].kind == J_STRING ? 0
                                                     : nce_jinja_to_int(j, a->v[1], "indent's width");
    jstring s = subject(j, a);
    for (bool is_first = true;; is_first = false) {
        const char *end = s.n > 0 ? memchr(s.s, '\n', s.n) : NULL;
        const size_t n = end != NULL ? (size_t)(end - s.s) : s.n;
        if (is_first ? first : n > 0 || blank) {
            for (int64_t i = 0; i < width; i++)
                nce_jinja_write(j, " ", 1), nce_jinja_burn(j, 1);
            if (a->v[1].kind == J_STRING) nce_jinja_write(j, a->v[1].u.s, a->v[1].n);
        }
        nce_jinja_burn(j, 1);
        nce_jinja_write(j, s.s, n + (end != NULL));
        if (end == NULL) return nce_jinja_capture(j, start);
        s.s += n + 1, s.n -= n + 1;
    }
}

static jvalue f_escape(nce_jinja *j, const jargs *a)
{
    static const char from[] = "&<>\"'";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    const jstring s = subject(j, a);
    const size_t start = j->n_out;
    for (size_t i = 0; i < s.n; i++) {
        const char *known = s.s[i] != '\0' ? strchr(from, s.s[i]) : NULL;
        if (known != NULL)
            nce_jinja_write(j, to[known - from], strlen(to[known - from]));
        else
            nce_jinja_write(j, s.s + i, 1);
        if (i % 16 == 0) nce_jinja_burn(j, 1);
    }
    return nce_jinja_capture(j, start);
}

/* "%s has %d"|format(...): s, d, i, f, x with a precision, which is what templates use. */
static jvalue f_format(nce_jinja *j, const jargs *a)
{
    const jstring s = nce_jinja_to_text(j, a->v[0], "a format");
    const size_t start = j->n_out;
    size_t next = 1;
    for (size_t i = 0; i < s.n; i++) {
        char text[400];
        int precision = 6;
        if (s.s[i] != '%' || ++i == s.n) {
            nce_jinja_write(j, s.s + i - (i == s.n), 1);
            continue;
        }
        if (s.s[i] == '.' && i + 2 < s.n && s.s[i + 1] >= '0' && s.s[i + 1] <= '9')
            precision = s.s[i + 1] - '0', i += 2;
        if (s.s[i] == '%') {
            nce_jinja_write(j, "%", 1);
            continue;
        }
        if (next >= a->n) nce_jinja_fail(j, NCE_ERR_FORMAT, "a format with more places than values");
        const jvalue v = a->v[next++];
        if (s.s[i] == 's')
            nce_jinja_print(j, v);
        else if ((s.s[i] == 'd' || s.s[i] == 'i') && v.kind == J_FLOAT && fabs(v.u.f) < 9e18)
            nce_jinja_print(j, jint((int64_t)v.u.f));
        else if ((s.s[i] == 'd' || s.s[i] == 'i') && v.kind != J_FLOAT)
            nce_jinja_print(j, jint(nce_jinja_to_int(j, v, "%d")));
        else if (s.s[i] == 'f' && jis_number(v))
            nce_jinja_write(j, text, (size_t)snprintf(text, sizeof text, "%.*f", precision, nce_jinja_to_float(v)));
        else if (s.s[i] == 'x')
            nce_jinja_write(
                j, text, (size_t)snprintf(text, sizeof text, "%llx", (unsigned long long)nce_jinja_to_int(j, v, "%x")));
        else
            nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "the format '%%%c' of %s", s.s[i], nce_jinja_kind_name(v));
    }
    if (next < a->n && !jis_map(a->v[next])) nce_jinja_fail(j, NCE_ERR_FORMAT, "a format with more values than places");
    return nce_jinja_capture(j, start);
}

/* ---- numbers ---- */
static bool parse_number(jvalue v, double *f, int64_t *i, bool *whole)
{
    char text[64], *end;
    *whole = v.kind != J_FLOAT;
    if (v.kind == J_INT || v.kind == J_BOOL) *i = v.kind == J_INT ? v.u.i : v.u.b;
    if (jis_number(v)) return *f = nce_jinja_to_float(v), true;
    if (v.kind != J_STRING) return false;
    const jstring s = nce_jinja_strip((jstring){v.u.s, v.n}, true, true, NULL);
    if (s.n == 0 || s.n >= sizeof text) return false;
    for (size_t k = 0; k < s.n; k++)
        if (strchr("0123456789+-.eE", s.s[k]) == NULL || s.s[k] == '\0') return false;
    memcpy(text, s.s, s.n);
    text[s.n] = '\0';
    *whole = strpbrk(text, ".eE") == NULL;
    *i = strtoll(text, &end, 10);
    if (*whole && *end != '\0') return false;
    *f = strtod(text, &end);
    return *end == '\0';
}

static jvalue f_int(nce_jinja *j, const jargs *a)
{
    double f;
    int64_t i = 0;
    bool whole;
    if (!parse_number(a->v[0], &f, &i, &whole)) return jgiven(a->v[1]) ? a->v[1] : jint(0);
    if (whole) return jint(i);
    if (!(fabs(f) < 9.2e18)) nce_jinja_fail(j, NCE_ERR_LIMIT, "a number beyond 64 bits");
    return jint((int64_t)f);
}

static jvalue f_float(nce_jinja *j, const jargs *a)
{
    double f;
    int64_t i;
    bool whole;
    (void)j;
    if (parse_number(a->v[0], &f, &i, &whole)) return jfloat(f);
    return jgiven(a->v[1]) ? a->v[1] : jfloat(0);
}

static jvalue f_abs(nce_jinja *j, const jargs *a)
{
    if (a->v[0].kind == J_FLOAT) return jfloat(fabs(a->v[0].u.f));
    const int64_t i = nce_jinja_to_int(j, a->v[0], "abs");
    if (i == INT64_MIN) nce_jinja_fail(j, NCE_ERR_LIMIT, "a number beyond 64 bits");
    return jint(i < 0 ? -i : i);
}

static jvalue f_round(nce_jinja *j, const jargs *a)
{
    const int64_t precision = jgiven(a->v[1]) ? nce_jinja_to_int(j, a->v[1], "round's precision") : 0;
    char text[400];
    if (!jis_number(a->v[0])) nce_jinja_fail(j, NCE_ERR_FORMAT, "round of %s", nce_jinja_kind_name(a->v[0]));
    if (precision < 0 || precision > 15)
        nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "round to %lld places", (long long)precision);
    const double f = nce_jinja_to_float(a->v[0]), scale = pow(10, (double)precision);
    if (jgiven(a->v[2]) && nce_jinja_is(a->v[2], "ceil")) return jfloat(ceil(f * scale) / scale);
    if (jgiven(a->v[2]) && nce_jinja_is(a->v[2], "floor")) return jfloat(floor(f * scale) / scale);
    if (a->v[0].kind != J_FLOAT) return a->v[0];
    snprintf(text, sizeof text, "%.*f", (int)precision, f); /* rounds the exact value, half to even, as Python does */
    return jfloat(strtod(text, NULL));
}

/* ---- anything ---- */
static jvalue f_default(nce_jinja *j, const jargs *a)
{
    (void)j;
    const bool absent =
        a->v[0].kind == J_UNDEFINED || (jgiven(a->v[2]) && nce_jinja_truth(a->v[2]) && !nce_jinja_truth(a->v[0]));
    return !absent ? a->v[0] : jgiven(a->v[1]) ? a->v[1] : jtext("", 0);
}

static jvalue f_attr(nce_jinja *j, const jargs *a)
{
    return nce_jinja_attribute(j, a->v[0], nce_jinja_to_text(j, a->v[1], "attr's name"));
}

static jvalue f_tojson(nce_jinja *j, const jargs *a)
{
    jjson_style style = {.indent = -1, .item_separator = {", ", 2}, .key_separator = {": ", 2}};
    const size_t start = j->n_out;
    if (jgiven(a->v[1]) && a->v[1].kind != J_NONE) {
        style.indent = nce_jinja_to_int(j, a->v[1], "tojson's indent");
        style.item_separator.n = 1; /* a newline follows */
        if (style.indent < 0 || style.indent > 64) nce_jinja_fail(j, NCE_ERR_LIMIT, "tojson's indent is not in 0..64");
    }
    style.ascii = jgiven(a->v[2]) && nce_jinja_truth(a->v[2]);
    style.sort_keys = jgiven(a->v[4]) && nce_jinja_truth(a->v[4]);
    if (jgiven(a->v[3]) && a->v[3].kind != J_NONE) {
        if (!jis_list(a->v[3]) || a->v[3].u.list->n != 2)
            nce_jinja_fail(j, NCE_ERR_FORMAT, "tojson's separators are a pair");
        style.item_separator = nce_jinja_to_text(j, a->v[3].u.list->items[0], "a separator");
        style.key_separator = nce_jinja_to_text(j, a->v[3].u.list->items[1], "a separator");
    }
    nce_jinja_write_json(j, a->v[0], &style);
    return nce_jinja_capture(j, start);
}

const jbuiltin *nce_jinja_find_filter(jstring name)
{
    static const jbuiltin filters[] = {{"abs", f_abs, "value"},
                                       {"attr", f_attr, "value name"},
                                       {"capitalize", f_capitalize, "value"},
                                       {"count", nce_jinja_f_length, "value"},
                                       {"d", f_default, "value default_value boolean"},
                                       {"default", f_default, "value default_value boolean"},
                                       {"dictsort", nce_jinja_f_dictsort, "value case_sensitive by reverse"},
                                       {"e", f_escape, "value"},
                                       {"escape", f_escape, "value"},
                                       {"first", nce_jinja_f_first, "value"},
                                       {"float", f_float, "value default"},
                                       {"format", f_format, NULL},
                                       {"indent", f_indent, "value width first blank"},
                                       {"int", f_int, "value default"},
                                       {"items", nce_jinja_f_items, "value"},
                                       {"join", nce_jinja_f_join, "value d attribute"},
                                       {"last", nce_jinja_f_last, "value"},
                                       {"length", nce_jinja_f_length, "value"},
                                       {"list", nce_jinja_f_list, "value"},
                                       {"lower", f_lower, "value"},
                                       {"map", nce_jinja_f_map, NULL},
                                       {"max", nce_jinja_f_max, "value case_sensitive attribute"},
                                       {"min", nce_jinja_f_min, "value case_sensitive attribute"},
                                       {"reject", nce_jinja_f_reject, NULL},
                                       {"rejectattr", nce_jinja_f_rejectattr, NULL},
                                       {"replace", f_replace, "value old new count"},
                                       {"reverse", nce_jinja_f_reverse, "value"},
                                       {"round", f_round, "value precision method"},
                                       {"safe", f_string, "value"},
                                       {"select", nce_jinja_f_select, NULL},
                                       {"selectattr", nce_jinja_f_selectattr, NULL},
                                       {"sort", nce_jinja_f_sort, "value reverse case_sensitive attribute"},
                                       {"string", f_string, "value"},
                                       {"sum", nce_jinja_f_sum, "value attribute start"},
                                       {"title", f_title, "value"},
                                       {"tojson", f_tojson, "value indent ensure_ascii separators sort_keys"},
                                       {"trim", f_trim, "value chars"},
                                       {"unique", nce_jinja_f_unique, "value case_sensitive attribute"},
                                       {"upper", f_upper, "value"}};
    return nce_jinja_find_in(filters, sizeof filters / sizeof *filters, name);
}
