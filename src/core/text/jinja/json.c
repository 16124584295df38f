/* JSON to values, strictly by RFC 8259: no comments, no trailing commas, no second value.  Of a repeated key the last
 * counts.  Integers have 64 bits; one that does not fit is refused, not rounded. */
#include "src/core/text/jinja/jinja.h"
#include "src/core/text/unicode.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    nce_jinja *j;
    const char *s;
    size_t n, at;
    const char *what; /* of messages; NULL: a mistake is no failure, bad is set */
    bool bad;
} reader;

static jvalue read_value(reader *r);

static jvalue mistake(reader *r, const char *text)
{
    if (r->what != NULL) {
        r->j->what = r->what;
        r->j->line = 1;
        for (size_t i = 0; i < r->at && i < r->n; i++)
            r->j->line += r->s[i] == '\n';
        nce_jinja_fail(r->j, NCE_ERR_FORMAT, "JSON, byte %zu: %s", r->at, text);
    }
    r->bad = true;
    return jnone();
}

static void skip_space(reader *r)
{
    while (r->at < r->n && r->s[r->at] != '\0' && strchr(" \t\n\r", r->s[r->at]) != NULL)
        r->at++;
}

static bool take(reader *r, const char *text)
{
    const size_t n = strlen(text);
    if (r->n - r->at < n || memcmp(r->s + r->at, text, n) != 0) return false;
    r->at += n;
    return true;
}

static bool digit(const reader *r, size_t at)
{
    return at < r->n && r->s[at] >= '0' && r->s[at] <= '9';
}

static jvalue read_number(reader *r)
{
    char text[64];
    const size_t from = r->at;
    bool whole = true;
    r->at += r->s[r->at] == '-';
    if (!digit(r, r->at) || (r->s[r->at] == '0' && digit(r, r->at + 1))) return mistake(r, "not a number");
    while (digit(r, r->at))
        r->at++;
    if (r->at < r->n && r->s[r->at] == '.' && digit(r, r->at + 1)) {
        whole = false;
        for (r->at++; digit(r, r->at);)
            r->at++;
    }
    if (r->at < r->n && (r->s[r->at] | 32) == 'e') {
        whole = false;
        r->at++;
        r->at += r->at < r->n && (r->s[r->at] == '+' || r->s[r->at] == '-');
        if (!digit(r, r->at)) return mistake(r, "an exponent without digits");
        while (digit(r, r->at))
            r->at++;
    }
    if (r->at - from >= sizeof text) return mistake(r, "a number of more than 63 characters");
    memcpy(text, r->s + from, r->at - from);
    text[r->at - from] = '\0';
    errno = 0;
    if (!whole) return jfloat(strtod(text, NULL));
    const long long i = strtoll(text, NULL, 10);
    return errno == 0 ? jint(i) : mistake(r, "an integer beyond 64 bits");
}

static uint32_t read_hex(reader *r)
{
    uint32_t c = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        const char h = r->at < r->n ? r->s[r->at] : 'x';
        const int d = h >= '0' && h <= '9' ? h - '0' : (h | 32) >= 'a' && (h | 32) <= 'f' ? (h | 32) - 'a' + 10 : -1;
        if (d < 0) mistake(r, "a \\u escape without four digits");
        if (r->bad) return 0;
        c = c << 4 | (uint32_t)d;
    }
    return c;
}

/* After the backslash. */
static size_t read_escape(reader *r, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = r->at < r->n ? r->s[r->at++] : '\0';
    const char *known = c != '\0' ? strchr(from, c) : NULL;
    if (known != NULL) {
        *out = to[known - from];
        return 1;
    }
    if (c != 'u') {
        mistake(r, "an unknown escape");
        return 0;
    }
    uint32_t u = read_hex(r);
    if (u >= 0xD800 && u < 0xDC00 && r->n - r->at >= 6 && r->s[r->at] == '\\' && r->s[r->at + 1] == 'u') {
        const size_t back = r->at;
        r->at += 2;
        const uint32_t low = read_hex(r);
        if (low >= 0xDC00 && low < 0xE000)
            u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
        else
            r->at = back;
    }
    return nce_utf8_encode(u, out);
}

static jvalue read_text(reader *r)
{
    size_t end = r->at + 1, n = 0;
    while (end < r->n && r->s[end] != '"')
        end += r->s[end] == '\\' ? 2 : 1;
    if (end >= r->n) return mistake(r, "a string without end");
    char *text = nce_jinja_alloc(r->j, end - r->at);
    for (r->at++; r->at < end && !r->bad;) {
        const char c = r->s[r->at];
        if ((unsigned char)c < 0x20) return mistake(r, "a control character in a string");
        r->at++;
        if (c == '\\')
            n += read_escape(r, text + n);
        else
            text[n++] = c;
    }
    r->at = end + 1;
    return jtext(text, n);
}

static jvalue read_list(reader *r)
{
    jvalue v = nce_jinja_list(r->j, 0);
    r->at++;
    skip_space(r);
    if (take(r, "]")) return v;
    do {
        nce_jinja_list_add(r->j, v.u.list, read_value(r));
        if (r->bad) return v;
    } while (take(r, ","));
    return take(r, "]") ? v : mistake(r, "',' or ']' expected");
}

static jvalue read_map(reader *r)
{
    const jvalue v = nce_jinja_map(r->j);
    r->at++;
    skip_space(r);
    if (take(r, "}")) return v;
    do {
        skip_space(r);
        if (r->at >= r->n || r->s[r->at] != '"') return mistake(r, "a key expected");
        const jvalue key = read_text(r);
        skip_space(r);
        if (!r->bad && !take(r, ":")) return mistake(r, "':' expected");
        if (r->bad) return v;
        nce_jinja_map_set(r->j, v.u.map, key, read_value(r));
        if (r->bad) return v;
    } while (take(r, ","));
    return take(r, "}") ? v : mistake(r, "',' or '}' expected");
}

static jvalue read_one(reader *r)
{
    const char c = r->at < r->n ? r->s[r->at] : '\0';
    if (c == '{') return read_map(r);
    if (c == '[') return read_list(r);
    if (c == '"') return read_text(r);
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(r);
    if (take(r, "true")) return jbool(true);
    if (take(r, "false")) return jbool(false);
    if (take(r, "null")) return jnone();
    return mistake(r, "a value expected");
}

static jvalue read_value(reader *r)
{
    nce_jinja_enter(r->j);
    nce_jinja_burn(r->j, 1);
    skip_space(r);
    const jvalue v = read_one(r);
    if (!r->bad) skip_space(r);
    r->j->depth--;
    return v;
}

jvalue nce_jinja_read_json(nce_jinja *j, const char *text, size_t n, const char *what)
{
    reader r = {.j = j, .s = text, .n = n, .what = what};
    const jvalue v = read_value(&r);
    if (r.at < n) mistake(&r, "more text behind the value");
    return v;
}

bool nce_jinja_read_json_prefix(nce_jinja *j, const char *text, size_t n, jvalue *out, size_t *n_used)
{
    reader r = {.j = j, .s = text, .n = n};
    *out = read_value(&r);
    *n_used = r.at;
    return !r.bad;
}
