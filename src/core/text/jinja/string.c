/* Text as Python sees it: characters are code points, white space is what str.isspace says, case is Unicode's simple
 * mapping (one character to one; Python's full mapping differs for a few, as the German sharp s). */
#include "src/core/text/jinja/jinja.h"
#include "src/core/text/unicode.h"
#include <string.h>

size_t nce_jinja_length(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((uint8_t)s[i] & 0xC0) != 0x80;
    return count;
}

size_t nce_jinja_char_at(const char *s, size_t n, size_t i)
{
    size_t at = 0;
    for (; at < n; at++)
        if (((uint8_t)s[at] & 0xC0) != 0x80 && i-- == 0) break;
    return at;
}

static bool space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool nce_jinja_is_space(const char *s, size_t n, size_t *n_bytes)
{
    return n > 0 && space(nce_utf8_decode((const uint8_t *)s, n, n_bytes));
}

static bool is_one_of(const char *s, size_t n, const jstring *chars)
{
    return memmem(chars->s, chars->n, s, n) != NULL;
}

/* Where the last character of s begins. */
static size_t last_char(jstring s)
{
    size_t i = s.n - 1;
    while (i > 0 && s.n - i < 4 && ((uint8_t)s.s[i] & 0xC0) == 0x80)
        i--;
    return i;
}

jstring nce_jinja_strip(jstring s, bool left, bool right, const jstring *chars)
{
    size_t n;
    while (left && s.n > 0) {
        const bool blank = space(nce_utf8_decode((const uint8_t *)s.s, s.n, &n));
        if (chars != NULL ? !is_one_of(s.s, n, chars) : !blank) break;
        s.s += n, s.n -= n;
    }
    while (right && s.n > 0) {
        const size_t at = last_char(s);
        const bool blank = space(nce_utf8_decode((const uint8_t *)s.s + at, s.n - at, &n));
        if (chars != NULL ? !is_one_of(s.s + at, s.n - at, chars) : !blank) break;
        s.n = at;
    }
    return s;
}

jvalue nce_jinja_trim(nce_jinja *j, jstring s, bool left, bool right, const jstring *chars)
{
    /* every character may be looked for in all of chars, which must be paid before */
    nce_jinja_burn(j, s.n / 8 * (chars != NULL ? chars->n / 64 : 0));
    const jstring rest = nce_jinja_strip(s, left, right, chars);
    nce_jinja_burn(j, (s.n - rest.n) / 8);
    return jtext(rest.s, rest.n);
}

static uint32_t to_upper(nce_jinja *j, uint32_t c)
{
    if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
    if (!(nce_class_of(c) & (NCE_CLASS_LL | NCE_CLASS_LT))) return c;
    nce_jinja_burn(j, nce_unicode_n_lower / 64); /* the table is sorted the other way: look through it */
    for (size_t i = 0; i < nce_unicode_n_lower; i++)
        if (nce_unicode_lower[i].to == c) return nce_unicode_lower[i].from;
    return c;
}

jvalue nce_jinja_recase(nce_jinja *j, jstring s, jcase to)
{
    char *out = nce_jinja_alloc(j, s.n * 3 + 4); /* a simple mapping at most goes from 1 byte to 3 */
    size_t n = 0;
    bool up = to != J_LOWER;
    for (size_t i = 0, length; i < s.n; i += length) {
        const uint32_t c = nce_utf8_decode((const uint8_t *)s.s + i, s.n - i, &length);
        const bool bad = length == 1 && c >= 0x80;
        if (bad)
            out[n++] = s.s[i];
        else
            n += nce_utf8_encode(up ? to_upper(j, c) : nce_unicode_to_lower(c), out + n);
        if (to == J_TITLE)
            up = (nce_class_of(c) & NCE_CLASS_L) == 0;
        else if (to == J_WORDS)
            up = space(c) || (c < 0x80 && c != 0 && strchr("-({[<", (int)c) != NULL);
        else
            up = to == J_UPPER;
    }
    return jtext(out, n);
}

jvalue nce_jinja_replace(nce_jinja *j, jstring s, jstring from, jstring to, int64_t most)
{
    const size_t start = j->n_out;
    if (from.n == 0) nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "replacing an empty string");
    nce_jinja_burn(j, s.n / 64);
    while (most != 0) {
        const char *hit = s.n > 0 ? memmem(s.s, s.n, from.s, from.n) : NULL;
        if (hit == NULL) break;
        nce_jinja_burn(j, 1);
        nce_jinja_write(j, s.s, (size_t)(hit - s.s));
        nce_jinja_write(j, to.s, to.n);
        s.n -= (size_t)(hit - s.s) + from.n;
        s.s = hit + from.n;
        most -= most > 0;
    }
    nce_jinja_write(j, s.s, s.n);
    return nce_jinja_capture(j, start);
}

static jvalue split_at_space(nce_jinja *j, jstring s, int64_t most)
{
    jvalue parts = nce_jinja_list(j, 0);
    for (;;) {
        size_t at = 0, n;
        const size_t before = s.n;
        s = nce_jinja_strip(s, true, false, NULL);
        nce_jinja_burn(j, (before - s.n) / 8);
        if (s.n == 0) return parts;
        if (most == 0) {
            nce_jinja_list_add(j, parts.u.list, jtext(s.s, s.n));
            return parts;
        }
        while (at < s.n && !nce_jinja_is_space(s.s + at, s.n - at, &n))
            at++;
        nce_jinja_burn(j, 1 + at / 8);
        nce_jinja_list_add(j, parts.u.list, jtext(s.s, at));
        s.s += at, s.n -= at;
        most -= most > 0;
    }
}

jvalue nce_jinja_split(nce_jinja *j, jstring s, const jstring *by, int64_t most)
{
    if (by == NULL) return split_at_space(j, s, most);
    if (by->n == 0) nce_jinja_fail(j, NCE_ERR_FORMAT, "splitting at an empty string");
    jvalue parts = nce_jinja_list(j, 0);
    nce_jinja_burn(j, s.n / 64);
    for (;; most -= most > 0) {
        const char *hit = most != 0 && s.n > 0 ? memmem(s.s, s.n, by->s, by->n) : NULL;
        nce_jinja_burn(j, 1);
        nce_jinja_list_add(j, parts.u.list, jtext(s.s, hit != NULL ? (size_t)(hit - s.s) : s.n));
        if (hit == NULL) return parts;
        s.n -= (size_t)(hit - s.s) + by->n;
        s.s = hit + by->n;
    }
}
