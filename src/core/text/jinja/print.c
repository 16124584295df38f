/* Values as text, the way Python's str and repr write them: None, True, 1e+16, ['a', 1], {'k': 'v'}. */
#include "src/core/text/jinja/jinja.h"
#include "src/core/text/unicode.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(nce_jinja *j, const char *s)
{
    nce_jinja_write(j, s, strlen(s));
}

/* The shortest digits that read back as f, in Python's notation. */
size_t nce_jinja_format_float(double f, char out[32])
{
    char e[32];
    if (isnan(f) || isinf(f)) return (size_t)snprintf(out, 32, "%s", isnan(f) ? "nan" : f > 0 ? "inf" : "-inf");
    int digits = 1;
    do
        snprintf(e, sizeof e, "%.*e", digits - 1, f);
    while (strtod(e, NULL) != f && ++digits <= 17);
    const int exponent = atoi(strchr(e, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        const int decimals = digits - 1 - exponent > 1 ? digits - 1 - exponent : 1;
        return (size_t)snprintf(out, 32, "%.*f", decimals, f);
    }
    return (size_t)snprintf(out, 32, "%s", e); /* as C writes it: two digits of exponent at least */
}

static void print_quoted_text(nce_jinja *j, const char *s, size_t n)
{
    const bool single = n > 0 && memchr(s, '\'', n) != NULL;
    const char quote = single && memchr(s, '"', n) == NULL ? '"' : '\'';
    char escape[16];
    size_t plain = 0;
    nce_jinja_write(j, &quote, 1);
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != 0x7F && c != '\\' && c != (unsigned char)quote) continue;
        nce_jinja_write(j, s + plain, i - plain);
        plain = i + 1;
        if (c == '\n' || c == '\r' || c == '\t')
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c == '\\' || c == (unsigned char)quote)
            snprintf(escape, sizeof escape, "\\%c", c);
        else
            snprintf(escape, sizeof escape, "\\x%02x", c);
        put(j, escape);
    }
    nce_jinja_write(j, s + plain, n - plain);
    nce_jinja_write(j, &quote, 1);
}

static void print_list(nce_jinja *j, jvalue v)
{
    const bool tuple = v.kind == J_TUPLE;
    put(j, tuple ? "(" : "[");
    for (size_t i = 0; i < v.u.list->n; i++) {
        if (i > 0) put(j, ", ");
        nce_jinja_print_quoted(j, v.u.list->items[i]);
    }
    put(j, !tuple ? "]" : v.u.list->n == 1 ? ",)" : ")");
}

static void print_map(nce_jinja *j, const jmap *m)
{
    put(j, "{");
    for (size_t i = 0; i < m->n; i++) {
        if (i > 0) put(j, ", ");
        nce_jinja_print_quoted(j, m->entries[i].key);
        put(j, ": ");
        nce_jinja_print_quoted(j, m->entries[i].value);
    }
    put(j, "}");
}

void nce_jinja_print(nce_jinja *j, jvalue v)
{
    char text[32];
    nce_jinja_enter(j);
    nce_jinja_burn(j, 1);
    switch ((jkind)v.kind) {
    case J_MISSING:
    case J_UNDEFINED:
        break;
    case J_NONE:
        put(j, "None");
        break;
    case J_BOOL:
        put(j, v.u.b ? "True" : "False");
        break;
    case J_INT:
        nce_jinja_write(j, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v.u.i));
        break;
    case J_FLOAT:
        nce_jinja_write(j, text, nce_jinja_format_float(v.u.f, text));
        break;
    case J_STRING:
        nce_jinja_write(j, v.u.s, v.n);
        break;
    case J_LIST:
    case J_TUPLE:
        print_list(j, v);
        break;
    case J_MAP:
        print_map(j, v.u.map);
        break;
    default:
        nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "%s cannot be printed", nce_jinja_kind_name(v));
    }
    j->depth--;
}

void nce_jinja_print_quoted(nce_jinja *j, jvalue v)
{
    if (v.kind == J_STRING)
        print_quoted_text(j, v.u.s, v.n);
    else if (v.kind == J_UNDEFINED)
        put(j, "Undefined");
    else
        nce_jinja_print(j, v);
}

jvalue nce_jinja_str(nce_jinja *j, jvalue v)
{
    if (v.kind == J_STRING) return v;
    const size_t start = j->n_out;
    nce_jinja_print(j, v);
    return nce_jinja_capture(j, start);
}
