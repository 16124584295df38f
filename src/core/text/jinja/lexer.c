/* Template text to tokens, with the white-space rules chat templates are written for: trim_blocks (a newline right after
 * a block tag goes), lstrip_blocks (blanks before a block tag at the start of a line go), '-' and '+' marks. */
#include "src/core/text/jinja/jinja.h"
#include "src/core/text/unicode.h"
#include <string.h>

typedef struct lexer {
    nce_jinja *j;
    const char *s;
    size_t n, at;
    jtoken *tokens;
    size_t n_tokens, capacity;
    bool line_starts; /* the tag before ended with a newline */
} lexer;

static void emit(lexer *x, jtoken_type type, const char *s, size_t n)
{
    if (x->n_tokens == x->capacity) {
        const size_t capacity = x->capacity == 0 ? 256 : x->capacity * 2;
        jtoken *grown = nce_jinja_alloc(x->j, capacity * sizeof *grown);
        if (x->n_tokens > 0) memcpy(grown, x->tokens, x->n_tokens * sizeof *grown);
        x->tokens = grown, x->capacity = capacity;
    }
    x->tokens[x->n_tokens++] = (jtoken){.type = type, .line = x->j->line, .text = {s, n}};
}

static void skip(lexer *x, size_t to)
{
    for (; x->at < to; x->at++)
        if (x->s[x->at] == '\n') x->j->line++;
}

static bool starts(const lexer *x, size_t at, const char *mark)
{
    const size_t n = strlen(mark);
    return x->n - at >= n && memcmp(x->s + at, mark, n) == 0;
}

static size_t skip_space(const lexer *x, size_t at)
{
    size_t n;
    while (at < x->n && nce_jinja_is_space(x->s + at, x->n - at, &n))
        at += n;
    return at;
}

/* One newline form, and without the last newline. */
static void normalize(lexer *x, const char *text, size_t n)
{
    char *s = nce_jinja_alloc(x->j, n + 1);
    for (size_t i = 0; i < n; i++) {
        s[x->n++] = text[i] == '\r' ? '\n' : text[i];
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n') i++;
    }
    if (x->n > 0 && s[x->n - 1] == '\n') x->n--;
    x->s = s;
}

/* The text before a tag; sign is the '-' or '+' after the tag's opening, or 0. */
static void emit_data(lexer *x, size_t end, char sign, bool is_print)
{
    jstring d = {x->s + x->at, end - x->at};
    if (sign == '-') {
        d = nce_jinja_strip(d, false, true, NULL);
    } else if (sign != '+' && !is_print) {
        const char *newline = d.n > 0 ? memrchr(d.s, '\n', d.n) : NULL;
        const size_t from = newline != NULL ? (size_t)(newline - d.s) + 1 : 0;
        const jstring last = {d.s + from, d.n - from};
        if ((newline != NULL || x->line_starts) && nce_jinja_strip(last, true, false, NULL).n == 0) d.n = from;
    }
    if (d.n > 0) emit(x, T_DATA, d.s, d.n);
    skip(x, end);
}

/* Where the tag's end at `at` leaves off, past its mark and the white space it takes; sign as above. */
static void end_tag(lexer *x, size_t at, char sign, bool is_print)
{
    size_t to = at + 2;
    if (sign == '-')
        to = skip_space(x, to);
    else if (sign != '+' && !is_print && to < x->n && x->s[to] == '\n')
        to++;
    skip(x, to);
    x->line_starts = x->s[to - 1] == '\n';
}

static void lex_comment(lexer *x, size_t from)
{
    const char *end = memmem(x->s + from, x->n - from, "#}", 2);
    if (end == NULL) nce_jinja_fail(x->j, NCE_ERR_FORMAT, "a comment without end");
    const size_t at = (size_t)(end - x->s);
    end_tag(x, at, at > from && (end[-1] == '-' || end[-1] == '+') ? end[-1] : 0, false);
}

/* "{% name %}" at `at`?  *to is where it ends, *first and *last its signs. */
static bool is_tag(const lexer *x, size_t at, const char *name, size_t *to, char *first, char *last)
{
    if (!starts(x, at, "{%")) return false;
    at += 2;
    *first = at < x->n && (x->s[at] == '-' || x->s[at] == '+') ? x->s[at++] : 0;
    at = skip_space(x, at);
    if (!starts(x, at, name)) return false;
    at = skip_space(x, at + strlen(name));
    *last = at < x->n && (x->s[at] == '-' || x->s[at] == '+') ? x->s[at++] : 0;
    *to = at;
    return starts(x, at, "%}");
}

static bool lex_raw(lexer *x, size_t at)
{
    size_t to;
    char first, last;
    if (!is_tag(x, at, "raw", &to, &first, &last)) return false;
    emit_data(x, at, first, false);
    skip(x, last == '-' ? skip_space(x, to + 2) : to + 2);
    x->line_starts = x->s[x->at - 1] == '\n';
    for (size_t i = x->at; i < x->n; i++) {
        if (!is_tag(x, i, "endraw", &to, &first, &last)) continue;
        emit_data(x, i, first, false);
        end_tag(x, to, last, false);
        return true;
    }
    nce_jinja_fail(x->j, NCE_ERR_FORMAT, "raw without endraw");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One escape of a string, after the backslash at s[i]; returns the bytes read. */
static size_t unescape(lexer *x, const char *s, size_t n, char *out, size_t *n_out)
{
    static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *known = s[0] != '\0' ? strchr(from, s[0]) : NULL;
    const size_t digits = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : s[0] == 'U' ? 8 : 0;
    uint32_t c = 0;
    size_t i = 1;
    if (s[0] == '\n') return 1;
    if (known != NULL) {
        out[(*n_out)++] = to[known - from];
        return 1;
    }
    if (digits > 0) {
        for (; i <= digits; i++) {
            if (i >= n || hex_digit(s[i]) < 0)
                nce_jinja_fail(x->j, NCE_ERR_FORMAT, "a string with a bad \\%c escape", s[0]);
            c = c << 4 | (uint32_t)hex_digit(s[i]);
        }
    } else if (s[0] >= '0' && s[0] <= '7') {
        for (i = 0; i < 3 && i < n && s[i] >= '0' && s[i] <= '7'; i++)
            c = c << 3 | (uint32_t)(s[i] - '0');
    } else {
        out[(*n_out)++] = '\\';
        return 0;
    }
    *n_out += nce_utf8_encode(c, out + *n_out);
    return i;
}

static void lex_string(lexer *x)
{
    const char quote = x->s[x->at];
    size_t end = x->at + 1, n = 0;
    while (end < x->n && x->s[end] != quote)
        end += x->s[end] == '\\' ? 2 : 1;
    if (end >= x->n) nce_jinja_fail(x->j, NCE_ERR_FORMAT, "a string without end");
    char *text = nce_jinja_alloc(x->j, end - x->at); /* escapes are never shorter than what they stand for */
    for (size_t i = x->at + 1; i < end;) {
        if (x->s[i] == '\\')
            i += 1 + unescape(x, x->s + i + 1, end - i - 1, text, &n);
        else
            text[n++] = x->s[i++];
    }
    emit(x, T_STRING, text, n);
    skip(x, end + 1);
}

static bool is_digit(const lexer *x, size_t at)
{
    return at < x->n && x->s[at] >= '0' && x->s[at] <= '9';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static void lex_number(lexer *x)
{
    const bool after_dot =
        x->n_tokens > 0 && x->tokens[x->n_tokens - 1].type == T_OPERATOR && x->tokens[x->n_tokens - 1].text.s[0] == '.';
    size_t end = x->at;
    jtoken_type type = T_INT;
    while (is_digit(x, end) || (end < x->n && x->s[end] == '_' && is_digit(x, end + 1)))
        end++;
    if (!after_dot && end < x->n && x->s[end] == '.' && is_digit(x, end + 1)) {
        type = T_FLOAT;
        for (end++; is_digit(x, end);)
            end++;
    }
    if (!after_dot && end < x->n && (x->s[end] | 32) == 'e') {
        const size_t sign = end + 1 < x->n && (x->s[end + 1] == '+' || x->s[end + 1] == '-');
        if (is_digit(x, end + 1 + sign)) {
            type = T_FLOAT;
            for (end += 1 + sign; is_digit(x, end);)
                end++;
        }
    }
    emit(x, type, x->s + x->at, end - x->at);
    x->at = end;
}

static void lex_operator(lexer *x, size_t *brackets)
{
    static const char *const pairs[] = {"//", "**", "==", "!=", ">=", "<="};
    const char c = x->s[x->at];
    size_t n = c != '\0' && strchr("+-/*%~[](){}<>=.:|,;", c) != NULL;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (starts(x, x->at, pairs[i])) n = 2;
    if (n == 0) nce_jinja_fail(x->j, NCE_ERR_FORMAT, "unexpected byte 0x%02x", (unsigned char)c);
    if (strchr("([{", c) != NULL) ++*brackets;
    if (strchr(")]}", c) != NULL) *brackets -= *brackets > 0;
    emit(x, T_OPERATOR, x->s + x->at, n);
    x->at += n;
}

/* The inside of a tag, through its end. */
static void lex_inside(lexer *x, bool is_print)
{
    const char *end = is_print ? "}}" : "%}";
    size_t brackets = 0;
    for (;;) {
        skip(x, skip_space(x, x->at));
        if (x->at >= x->n) nce_jinja_fail(x->j, NCE_ERR_FORMAT, "a tag without '%s'", end);
        const char c = x->s[x->at];
        const bool sign = c == '-' || (c == '+' && !is_print);
        if (brackets == 0 && starts(x, x->at + sign, end)) {
            emit(x, is_print ? T_PRINT_END : T_BLOCK_END, x->s + x->at, 2);
            end_tag(x, x->at + sign, sign ? c : 0, is_print);
            return;
        }
        if (c == '"' || c == '\'') {
            lex_string(x);
        } else if (is_digit(x, x->at)) {
            lex_number(x);
        } else if (is_name(c)) {
            size_t to = x->at;
            while (to < x->n && (is_name(x->s[to]) || is_digit(x, to)))
                to++;
            emit(x, T_NAME, x->s + x->at, to - x->at);
            x->at = to;
        } else {
            lex_operator(x, &brackets);
        }
    }
}

const jtoken *nce_jinja_lex(nce_jinja *j, const char *text, size_t n)
{
    lexer x = {.j = j, .line_starts = true};
    j->line = 1;
    normalize(&x, text, n);
    while (x.at < x.n) {
        size_t tag = x.at;
        while (tag < x.n &&
               !(x.s[tag] == '{' && tag + 1 < x.n && strchr("{%#", x.s[tag + 1]) != NULL && x.s[tag + 1] != '\0'))
            tag++;
        if (tag >= x.n) {
            emit(&x, T_DATA, x.s + x.at, x.n - x.at);
            skip(&x, x.n);
            break;
        }
        if (lex_raw(&x, tag)) continue;
        const char kind = x.s[tag + 1];
        const char sign = tag + 2 < x.n && (x.s[tag + 2] == '-' || x.s[tag + 2] == '+') ? x.s[tag + 2] : 0;
        emit_data(&x, tag, sign, kind == '{');
        skip(&x, tag + 2 + (sign != 0));
        if (kind == '#') {
            lex_comment(&x, x.at);
            continue;
        }
        emit(&x, kind == '{' ? T_PRINT : T_BLOCK, x.s + tag, 2);
        lex_inside(&x, kind == '{');
    }
    emit(&x, T_END, "", 0);
    return x.tokens;
}
