/* The scanner behind splitter.h.
 *
 * Each shape is a function from a position to the end of its longest match by the rules of a backtracking engine, or to
 * 0. Backtracking is replaced by remembering the one place it could stop at: the last newline of a white-space run, the
 * last character that both halves of a cased word accept.  A run that may fail to match and be tried again from its
 * second character is measured once and remembered in the level (memo_end): that keeps every row linear. */
#include "src/core/text/splitter.h"
#include <string.h>

typedef struct cursor {
    const uint8_t *text;
    size_t end;
    nce_split_level *level;
} cursor;

static inline bool in_set(uint32_t classes, nce_set set)
{
    return (classes & set.want) != 0 && (classes & set.deny) == 0;
}

/* Classes of the character at i < end and its length. */
static inline uint32_t class_at(const cursor *c, size_t i, size_t *length)
{
    if (c->text[i] < 0x80) {
        *length = 1;
        return nce_unicode_ascii[c->text[i]];
    }
    const uint32_t cp = nce_utf8_decode_long(c->text + i, c->end - i, length);
    return nce_class_of(cp);
}

static inline size_t run_end(const cursor *c, size_t i, nce_set set)
{
    while (i < c->end) {
        size_t length;
        if (!in_set(class_at(c, i, &length), set)) break;
        i += length;
    }
    return i;
}

/* How many of the 8 bytes at s are ASCII letters, up to the first that is none: arithmetic on all at once, because a
 * loop over the letters of a word mispredicts its end for nearly every word. */
static inline size_t ascii_letters(const uint8_t *s)
{
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
    uint64_t x;
    memcpy(&x, s, 8);
    const uint64_t y = (x | ones * 0x20) & ~high;
    const uint64_t other = ~((y + ones * (0x80 - 'a')) & ~(y + ones * (0x7F - 'z')) & ~x) & high;
    return other == 0 ? 8 : (size_t)__builtin_ctzll(other) / 8;
}

/* The same for a set that holds every letter and, of ASCII, nothing else. */
static inline size_t letter_run_end(const cursor *c, size_t i, nce_set set)
{
    while (c->end - i >= 8) {
        const size_t n = ascii_letters(c->text + i);
        i += n;
        if (n == 8) continue;
        if (c->text[i] < 0x80) return i;
        break;
    }
    return run_end(c, i, set);
}

static inline bool is_letters(nce_set set)
{
    return set.deny == 0 && (set.want & ~(uint32_t)NCE_CLASS_M) == NCE_CLASS_L;
}

/* body{min,max} suffix from i; 0 if there are fewer than min. */
static inline size_t match_body(const cursor *c, size_t i, const nce_alternative *a)
{
    size_t count = 0, length;
    if (a->min <= 1 && a->max == 0) {
        const size_t start = i;
        i = is_letters(a->body) ? letter_run_end(c, i, a->body) : run_end(c, i, a->body);
        count = i > start;
    } else {
        for (; i < c->end && (a->max == 0 || count < a->max); count++, i += length)
            if (!in_set(class_at(c, i, &length), a->body)) break;
    }
    if (count < a->min) return 0;
    if (a->suffix_mode == NCE_SUFFIX_ANY) return run_end(c, i, a->suffix);
    if (a->suffix_mode == NCE_SUFFIX_ONE && i < c->end && in_set(class_at(c, i, &length), a->suffix)) i += length;
    return i;
}

static inline size_t match_run(const cursor *c, size_t i, uint32_t first, size_t length, const nce_alternative *a)
{
    if (a->prefix_mode != NCE_PREFIX_NONE && in_set(first, a->prefix)) {
        const size_t end = match_body(c, i + length, a);
        if (end != 0) return end;
    }
    if (a->prefix_mode == NCE_PREFIX_REQUIRED || !in_set(first, a->body)) return 0;
    return match_body(c, i, a);
}

/* The contraction at i: 's 't 'm 'd 're 've 'll.  Without case, U+017F (long s) folds to s as well. */
static size_t match_contraction(const cursor *c, size_t i, bool nocase)
{
    const uint8_t *t = c->text + i;
    const size_t n = c->end - i;
    if (n < 2 || t[0] != '\'') return 0;
    const uint8_t fold = nocase ? 0x20 : 0;
    const uint8_t x = t[1] | (t[1] >= 'A' && t[1] <= 'Z' ? fold : 0);
    if (x == 's' || x == 't' || x == 'm' || x == 'd') return i + 2;
    if (nocase && n >= 3 && t[1] == 0xC5 && t[2] == 0xBF) return i + 3;
    if (n < 3) return 0;
    const uint8_t y = t[2] | (t[2] >= 'A' && t[2] <= 'Z' ? fold : 0);
    return ((x == 'r' || x == 'v') && y == 'e') || (x == 'l' && y == 'l') ? i + 3 : 0;
}

/* body* suffix+ from i: body takes all it can and gives back up to the last character that suffix accepts too. */
static size_t cased_lower(const cursor *c, size_t i, const nce_alternative *a)
{
    size_t both_end = 0, length;
    for (; i < c->end; i += length) {
        const uint32_t classes = class_at(c, i, &length);
        if (!in_set(classes, a->body)) break;
        if (in_set(classes, a->suffix)) both_end = i + length;
    }
    const size_t end = run_end(c, i, a->suffix);
    return end > i ? end : both_end;
}

/* body+ suffix* from i. */
static size_t cased_upper(const cursor *c, size_t i, const nce_alternative *a)
{
    const size_t end = run_end(c, i, a->body);
    return end > i ? run_end(c, end, a->suffix) : 0;
}

static size_t match_cased(const cursor *c, size_t i, uint32_t first, size_t length, const nce_alternative *a)
{
    const bool prefix = in_set(first, a->prefix);
    size_t end = prefix ? cased_lower(c, i + length, a) : 0;
    if (end == 0) end = cased_lower(c, i, a);
    if (end == 0 && prefix) end = cased_upper(c, i + length, a);
    if (end == 0) end = cased_upper(c, i, a);
    if (end == 0 || !a->flag) return end;
    const size_t longer = match_contraction(c, end, true);
    return longer != 0 ? longer : end;
}

static size_t spaced_letters(const cursor *c, size_t i)
{
    const nce_set letter = {NCE_CLASS_L, 0}, mark = {NCE_CLASS_M, 0};
    size_t end = 0, length;
    while (i < c->end) {
        if (end != 0 && c->text[i] == ' ' && ++i == c->end) break;
        if (!in_set(class_at(c, i, &length), letter)) break;
        end = i = run_end(c, i + length, mark);
    }
    return end;
}

static size_t match_spaced_letters(const cursor *c, size_t i, uint32_t first, size_t length, const nce_alternative *a)
{
    const size_t end = in_set(first, a->prefix) ? spaced_letters(c, i + length) : 0;
    return end != 0 ? end : spaced_letters(c, i);
}

static const nce_set white = {NCE_CLASS_WS, 0};

/* \s*[\r\n]+ : up to the last newline of the white-space run. */
static size_t match_newlines(const cursor *c, size_t i)
{
    size_t end = 0, length;
    for (; i < c->end; i += length) {
        const uint32_t classes = class_at(c, i, &length);
        if (!(classes & NCE_CLASS_WS)) break;
        if (classes & NCE_CLASS_NL) end = i + length;
    }
    return end;
}

/* \s+(?!\S) : all of the run but its last character, unless the text ends there. */
static size_t match_keep_one(const cursor *c, size_t i)
{
    size_t last = i, length;
    const size_t start = i;
    for (; i < c->end; i += length) {
        if (!(class_at(c, i, &length) & NCE_CLASS_WS)) return last > start ? last : 0;
        last = i;
    }
    return i;
}

static size_t match_at_end(const cursor *c, size_t i)
{
    if (i >= c->level->memo_end) c->level->memo_end = run_end(c, i, white);
    return c->level->memo_end == c->end ? c->end : 0;
}

static size_t match_cascade(const cursor *c, size_t i)
{
    size_t ends[513], n = 0, length; /* ends[k]: after k + 1 characters */
    const size_t start = i;
    while (i < c->end && n < 513 && (class_at(c, i, &length) & NCE_CLASS_WS)) {
        i += length;
        ends[n++] = i;
    }
    const bool at_end = n > 0 && n < 513 && ends[n - 1] == c->end;
    for (size_t k = 512; k >= 4; k /= 2)
        if (n > k || (n == k && at_end)) return ends[k - 1];
    if (n > 2 || (n == 2 && at_end)) return ends[1];
    return n > 0 ? ends[0] : start;
}

/* Characters that make \b at the end of a digit run fail. */
static const nce_set word = {NCE_CLASS_L | NCE_CLASS_M | NCE_CLASS_N | NCE_CLASS_PC, 0};

static size_t count_to(const cursor *c, size_t i, size_t end)
{
    size_t count = 0, length;
    for (; i < end; i += length, count++)
        class_at(c, i, &length);
    return count;
}

/* The first group of a run is found by counting it once; the rest of the run is then cut in threes. */
static size_t match_digit_groups(const cursor *c, size_t i, const nce_alternative *a)
{
    size_t take = 3, length;
    if (i >= c->level->memo_end) {
        const size_t end = run_end(c, i, a->body);
        c->level->memo_end = end;
        if (a->flag && end < c->end && in_set(class_at(c, end, &length), word)) return 0;
        take = (count_to(c, i, end) + 2) % 3 + 1;
    } else if (a->flag && c->level->memo_end < c->end && in_set(class_at(c, c->level->memo_end, &length), word)) {
        return 0;
    }
    for (; take > 0; take--, i += length)
        class_at(c, i, &length);
    return i;
}

/* From i to the next place that a multiple of three digits of a run follows. */
static size_t match_digit_cuts(const cursor *c, size_t i, const nce_alternative *a)
{
    nce_split_level *v = c->level;
    size_t length;
    for (size_t p = i; p < c->end; p += length) {
        const bool digit = in_set(class_at(c, p, &length), a->body);
        if (digit && p >= v->memo_end) {
            v->memo_end = run_end(c, p, a->body);
            v->memo_left = count_to(c, p, v->memo_end);
        }
        if (!digit) continue;
        if (p > i && v->memo_left % 3 == 0) return p;
        v->memo_left--;
    }
    return c->end;
}

static size_t match_indent(const cursor *c, size_t i)
{
    const uint8_t *t = c->text + i;
    const size_t n = c->end - i;
    if (t[0] == '\t' || t[0] == '\n') return i + 1;
    if (n < 2 || t[0] != ' ' || t[1] != ' ') return 0;
    return n >= 4 && t[2] == ' ' && t[3] == ' ' ? i + 4 : i + 2;
}

/* The rarer shapes. */
static size_t match_shape(const cursor *c, size_t i, uint32_t first, size_t length, const nce_alternative *a)
{
    const bool at_white = (first & NCE_CLASS_WS) != 0;
    switch ((nce_split_op)a->op) {
    case NCE_SPLIT_CONTRACTION:
        return match_contraction(c, i, false);
    case NCE_SPLIT_CONTRACTION_NOCASE:
        return match_contraction(c, i, true);
    case NCE_SPLIT_CASED:
        return match_cased(c, i, first, length, a);
    case NCE_SPLIT_SPACED_LETTERS:
        return match_spaced_letters(c, i, first, length, a);
    case NCE_SPLIT_DIGIT_GROUPS:
        return in_set(first, a->body) ? match_digit_groups(c, i, a) : 0;
    case NCE_SPLIT_DIGIT_CUTS:
        return match_digit_cuts(c, i, a);
    case NCE_SPLIT_INDENT:
        return match_indent(c, i);
    case NCE_SPLIT_NEWLINES:
        return at_white ? match_newlines(c, i) : 0;
    case NCE_SPLIT_SPACES_KEEP_ONE:
        return at_white ? match_keep_one(c, i) : 0;
    case NCE_SPLIT_SPACES_AT_END:
        return at_white ? match_at_end(c, i) : 0;
    case NCE_SPLIT_SPACES_CASCADE:
        return at_white ? match_cascade(c, i) : 0;
    default:
        return at_white ? run_end(c, i, white) : 0;
    }
}

/* End of the match at i, or 0; *length becomes the length of the character at i. */
static inline size_t match_pass(const cursor *c, size_t i, const nce_split_pass *pass, size_t *length)
{
    const uint32_t first = class_at(c, i, length);
    for (size_t k = 0; k < pass->n; k++) {
        const nce_alternative *a = &pass->alternatives[k];
        size_t end;
        if (a->op == NCE_SPLIT_RUN)
            end = match_run(c, i, first, *length, a);
        else if (a->op <= NCE_SPLIT_CONTRACTION_NOCASE && c->text[i] != '\'')
            continue;
        else
            end = match_shape(c, i, first, *length, a);
        if (end > i) return end;
    }
    return 0;
}

/* The next piece of one level: a waiting match, a match, or the gap before the next match. */
static bool level_next(nce_split_level *v, const uint8_t *text, const nce_split_pass *pass, size_t *begin, size_t *end)
{
    const cursor c = {text, v->end, v};
    *begin = v->pos;
    if (v->match_end != 0) {
        *end = v->pos = v->match_end;
        v->match_end = 0;
        return true;
    }
    size_t i = v->pos, length;
    for (; i < v->end; i += length) {
        const size_t match = match_pass(&c, i, pass, &length);
        if (match == 0) continue;
        if (i == *begin) {
            *end = v->pos = match;
        } else {
            *end = v->pos = i;
            v->match_end = match;
        }
        return true;
    }
    *end = v->pos = v->end;
    return *begin < *end;
}

/* The row's alternative for ordinary words, if what comes before it only matters at an apostrophe. */
static const nce_alternative *words_of(const nce_split_rule *rule)
{
    const nce_alternative *a = rule->passes[0].alternatives, *end = a + rule->passes[0].n;
    while (a < end && (a->op == NCE_SPLIT_CONTRACTION || a->op == NCE_SPLIT_CONTRACTION_NOCASE))
        a++;
    const bool words = rule->n_passes == 1 && a < end && a->op == NCE_SPLIT_RUN && is_letters(a->body) && a->min <= 1 &&
                       a->max == 0 && a->prefix_mode == NCE_PREFIX_OPTIONAL && a->suffix_mode == NCE_SUFFIX_NONE;
    return words ? a : NULL;
}

void nce_splitter_init(nce_splitter *s, const nce_split_rule *rule, const void *text, size_t n)
{
    s->rule = rule;
    s->words = words_of(rule);
    s->text = text;
    s->depth = 0;
    s->levels[0] = (nce_split_level){0, n, 0, 0, 0};
}

bool nce_splitter_next(nce_splitter *s, size_t *begin, size_t *end)
{
    if (s->rule->n_passes == 1) return level_next(&s->levels[0], s->text, s->rule->passes, begin, end);
    for (;;) {
        if (!level_next(&s->levels[s->depth], s->text, &s->rule->passes[s->depth], begin, end)) {
            if (s->depth == 0) return false;
            s->depth--;
        } else if (s->depth + 1 == s->rule->n_passes) {
            return true;
        } else {
            s->levels[++s->depth] = (nce_split_level){*begin, *end, 0, 0, 0};
        }
    }
}

/* End of the word at i if it is one prefix character at most and 1 to 15 letters, all of them ASCII and what follows
 * as well: nearly all words of English, in a few operations.  Otherwise 0. */
static inline size_t plain_word_end(const uint8_t *text, size_t i, size_t end, const nce_alternative *words)
{
    if (end - i < 18 || text[i] >= 0x80 || text[i] == '\'') return 0;
    i += in_set(nce_unicode_ascii[text[i]], words->prefix);
    size_t n = ascii_letters(text + i);
    if (n == 8) n += ascii_letters(text + i + 8);
    return n > 0 && n < 16 && text[i + n] < 0x80 ? i + n : 0;
}

size_t nce_splitter_fill(nce_splitter *s, size_t *ends, size_t max)
{
    nce_split_level *v = &s->levels[0];
    size_t n = 0, begin;
    while (n < max) {
        const size_t end =
            s->words != NULL && v->match_end == 0 ? plain_word_end(s->text, v->pos, v->end, s->words) : 0;
        if (end != 0)
            ends[n++] = v->pos = end;
        else if (nce_splitter_next(s, &begin, &ends[n]))
            n++;
        else
            break;
    }
    return n;
}
