/* Values as JSON, in the form of Python's json.dumps, which the templates of tool calls were trained with. */
#include "src/core/text/jinja/jinja.h"
#include "src/core/text/unicode.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put(nce_jinja *j, const char *s)
{
    nce_jinja_write(j, s, strlen(s));
}

static void write_escape(nce_jinja *j, uint32_t c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    char text[16];
    const char *known = c != 0 && c < 0x80 ? strchr(from, (int)c) : NULL;
    if (known != NULL)
        snprintf(text, sizeof text, "\\%c", to[known - from]);
    else if (c < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", c);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD7C0 + (c >> 10), 0xDC00 + (c & 0x3FF));
    put(j, text);
}

static void write_text(nce_jinja *j, const char *s, size_t n, bool ascii)
{
    size_t plain = 0;
    put(j, "\"");
    for (size_t i = 0, length; i < n; i += length) {
        const uint32_t c = nce_utf8_decode((const uint8_t *)s + i, n - i, &length);
        if (c >= 0x20 && c != '"' && c != '\\' && !(ascii && c >= 0x7F)) continue;
        nce_jinja_write(j, s + plain, i - plain);
        plain = i + length;
        write_escape(j, c);
    }
    nce_jinja_write(j, s + plain, n - plain);
    put(j, "\"");
}

static void new_line(nce_jinja *j, const jjson_style *style, int64_t level)
{
    if (style->indent < 0) return;
    put(j, "\n");
    for (int64_t i = 0; i < style->indent * level; i++)
        put(j, " ");
}

static void write_value(nce_jinja *j, jvalue v, const jjson_style *style, int64_t level);

static void write_key(nce_jinja *j, jvalue key, const jjson_style *style)
{
    if (key.kind == J_STRING) {
        write_text(j, key.u.s, key.n, style->ascii);
        return;
    }
    if (key.kind == J_TUPLE) nce_jinja_fail(j, NCE_ERR_FORMAT, "a tuple cannot be a key in JSON");
    put(j, "\"");
    write_value(j, key, style, 0);
    put(j, "\"");
}

/* The n-th of a map in the order asked for: by selection, for sorting is rare and maps are small. */
static jmap sorted(nce_jinja *j, const jmap *m)
{
    jmap s = {.entries = nce_jinja_alloc(j, m->n * sizeof *s.entries), .n = m->n};
    for (size_t i = 0; i < m->n; i++) {
        size_t k = i;
        for (; k > 0 && nce_jinja_order(j, m->entries[i].key, s.entries[k - 1].key) < 0; k--)
            s.entries[k] = s.entries[k - 1];
        s.entries[k] = m->entries[i];
    }
    return s;
}

static void write_map(nce_jinja *j, jmap m, const jjson_style *style, int64_t level)
{
    if (style->sort_keys && m.n > 0) m = sorted(j, &m);
    put(j, "{");
    for (size_t i = 0; i < m.n; i++) {
        if (i > 0) nce_jinja_write(j, style->item_separator.s, style->item_separator.n);
        new_line(j, style, level + 1);
        write_key(j, m.entries[i].key, style);
        nce_jinja_write(j, style->key_separator.s, style->key_separator.n);
        write_value(j, m.entries[i].value, style, level + 1);
    }
    if (m.n > 0) new_line(j, style, level);
    put(j, "}");
}

static void write_list(nce_jinja *j, const jlist *l, const jjson_style *style, int64_t level)
{
    put(j, "[");
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0) nce_jinja_write(j, style->item_separator.s, style->item_separator.n);
        new_line(j, style, level + 1);
        write_value(j, l->items[i], style, level + 1);
    }
    if (l->n > 0) new_line(j, style, level);
    put(j, "]");
}

static void write_value(nce_jinja *j, jvalue v, const jjson_style *style, int64_t level)
{
    nce_jinja_enter(j);
    nce_jinja_burn(j, 1);
    switch ((jkind)v.kind) {
    case J_NONE:
        put(j, "null");
        break;
    case J_BOOL:
        put(j, v.u.b ? "true" : "false");
        break;
    case J_FLOAT:
        if (isnan(v.u.f))
            put(j, "NaN");
        else if (isinf(v.u.f))
            put(j, v.u.f > 0 ? "Infinity" : "-Infinity");
        else
            nce_jinja_print(j, v);
        break;
    case J_INT:
        nce_jinja_print(j, v);
        break;
    case J_STRING:
        write_text(j, v.u.s, v.n, style->ascii);
        break;
    case J_LIST:
    case J_TUPLE:
        write_list(j, v.u.list, style, level);
        break;
    case J_MAP:
        write_map(j, *v.u.map, style, level);
        break;
    default:
        nce_jinja_fail(j, NCE_ERR_FORMAT, "%s cannot be written as JSON", nce_jinja_kind_name(v));
    }
    j->depth--;
}

void nce_jinja_write_json(nce_jinja *j, jvalue v, const jjson_style *style)
{
    write_value(j, v, style, 0);
}
