/* Numbers from text.  The digits are collected as one whole number and scaled once by a power of ten. */
#include "src/sched/text.h"
#include <math.h>
#include <string.h>

void nce_text_space(nce_text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\r' || *t->at == '\n'))
        t->line += *t->at++ == '\n';
}

static bool digit(const nce_text *t)
{
    return t->at < t->end && *t->at >= '0' && *t->at <= '9';
}

static bool take(nce_text *t, char c)
{
    if (t->at >= t->end || *t->at != c) return false;
    t->at++;
    return true;
}

/* Digits into the mantissa; those that no longer fit change the exponent only.  Returns how many there were. */
static int digits(nce_text *t, uint64_t *mantissa, int *dropped)
{
    int n = 0;
    for (; digit(t); t->at++, n++) {
        if (*mantissa < 100000000000000000u)
            *mantissa = *mantissa * 10 + (uint64_t)(*t->at - '0');
        else
            *dropped += *dropped < 100000;
    }
    return n;
}

static int exponent(nce_text *t)
{
    const char *start = t->at;
    if (!take(t, 'e') && !take(t, 'E')) return 0;
    const bool minus = take(t, '-');
    if (!minus) take(t, '+');
    if (!digit(t)) {
        t->at = start;
        return 0;
    }
    int value = 0;
    for (; digit(t); t->at++)
        value = value < 100000 ? value * 10 + (*t->at - '0') : value;
    return minus ? -value : value;
}

bool nce_text_number(nce_text *t, double *out)
{
    const nce_text saved = *t;
    const bool minus = take(t, '-');
    if (!minus) take(t, '+');
    uint64_t mantissa = 0;
    int dropped_whole = 0, dropped_fraction = 0, fraction = 0;
    int n = digits(t, &mantissa, &dropped_whole);
    if (take(t, '.')) n += fraction = digits(t, &mantissa, &dropped_fraction);
    if (n == 0) {
        *t = saved;
        return false;
    }
    const int scale = exponent(t) + dropped_whole - (fraction - dropped_fraction);
    const long double value =
        scale < 0 && scale > -4900 ? (long double)mantissa / powl(10, -scale) : (long double)mantissa * powl(10, scale);
    *out = (double)(minus ? -value : value);
    if (isfinite(*out)) return true;
    *t = saved;
    return false;
}

bool nce_text_whole(nce_text *t, uint64_t max, uint64_t *out)
{
    const nce_text saved = *t;
    uint64_t value = 0;
    bool any = false;
    for (; digit(t); t->at++) {
        any = true;
        if (value > (UINT64_MAX - 9) / 10) break;
        value = value * 10 + (uint64_t)(*t->at - '0');
    }
    if (any && !digit(t) && value <= max) {
        *out = value;
        return true;
    }
    *t = saved;
    return false;
}

bool nce_text_word(nce_text *t, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0) return false;
    t->at += n;
    return true;
}
