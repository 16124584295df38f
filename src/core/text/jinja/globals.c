/* Functions every template has.  None of them reaches outside: the time is the caller's. */
#include "src/core/text/jinja/jinja.h"
#include <stdio.h>
#include <string.h>

static jvalue g_raise_exception(nce_jinja *j, const jargs *a)
{
    const jvalue text = nce_jinja_str(j, a->v[0]);
    nce_jinja_fail(j, NCE_ERR_INVALID, "the template refuses the conversation: %.*s",
                   (int)(text.n < 300 ? text.n : 300), text.u.s);
}

static jvalue g_namespace(nce_jinja *j, const jargs *a)
{
    jvalue v = nce_jinja_map(j);
    for (size_t i = 0; i < a->n; i++) {
        if (!jis_map(a->v[i])) nce_jinja_fail(j, NCE_ERR_FORMAT, "a namespace from %s", nce_jinja_kind_name(a->v[i]));
        for (size_t k = 0; k < a->v[i].u.map->n; k++)
            nce_jinja_map_set(j, v.u.map, a->v[i].u.map->entries[k].key, a->v[i].u.map->entries[k].value);
    }
    for (size_t i = 0; i < a->n_named; i++)
        nce_jinja_map_set(j, v.u.map, a->names[i], a->named[i]);
    v.kind = J_NAMESPACE;
    return v;
}

static jvalue g_dict(nce_jinja *j, const jargs *a)
{
    jvalue v = g_namespace(j, a);
    v.kind = J_MAP;
    return v;
}

static jvalue g_range(nce_jinja *j, const jargs *a)
{
    enum { MOST = 100000 }; /* as in Jinja's sandbox */
    const int64_t x = nce_jinja_to_int(j, a->v[0], "range");
    const int64_t from = jgiven(a->v[1]) ? x : 0, to = jgiven(a->v[1]) ? nce_jinja_to_int(j, a->v[1], "range") : x;
    const int64_t step = jgiven(a->v[2]) ? nce_jinja_to_int(j, a->v[2], "range") : 1;
    jvalue v = nce_jinja_list(j, 0);
    if (step == 0) nce_jinja_fail(j, NCE_ERR_FORMAT, "a range with step 0");
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        if (v.u.list->n == MOST) nce_jinja_fail(j, NCE_ERR_LIMIT, "a range of more than %d numbers", MOST);
        nce_jinja_list_add(j, v.u.list, jint(i));
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return v;
}

/* ---- dates ---- */
typedef struct date {
    int64_t year;
    int month, day, yearday, weekday, hour, minute, second; /* from 0, but day from 1; Monday is 0 */
} date;

/* Seconds since 1970 to the proleptic Gregorian calendar.  Years are counted from 1 March, so that the leap day is last. */
static date date_of(int64_t now)
{
    int64_t days = now / 86400 - (now % 86400 < 0);
    const int64_t seconds = now - days * 86400, weekday = ((days + 3) % 7 + 7) % 7;
    days += 719468; /* from 1 March of year 0 */
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    const int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
    date d = {.year = year + era * 400 + (m >= 10),
              .month = (int)((m + 2) % 12),
              .day = (int)(of_year - (153 * m + 2) / 5) + 1};
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    const bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    d.yearday = before[d.month] + d.day - 1 + (leap && d.month > 1);
    d.weekday = (int)weekday;
    d.hour = (int)(seconds / 3600), d.minute = (int)(seconds / 60 % 60), d.second = (int)(seconds % 60);
    return d;
}

/* One conversion of strftime, English names; padded false for "%-d".  Returns false if unknown. */
static bool format_date(const date *d, char c, bool padded, char out[64])
{
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    static const char *const days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    const int hour12 = d->hour % 12 == 0 ? 12 : d->hour % 12, two = padded ? 2 : 1;
    switch (c) {
    case 'Y':
        return snprintf(out, 64, "%04lld", (long long)d->year), true;
    case 'y':
        return snprintf(out, 64, "%0*d", two, (int)(d->year % 100)), true;
    case 'm':
        return snprintf(out, 64, "%0*d", two, d->month + 1), true;
    case 'd':
        return snprintf(out, 64, "%0*d", two, d->day), true;
    case 'e':
        return snprintf(out, 64, "%*d", two, d->day), true;
    case 'H':
        return snprintf(out, 64, "%0*d", two, d->hour), true;
    case 'I':
        return snprintf(out, 64, "%0*d", two, hour12), true;
    case 'M':
        return snprintf(out, 64, "%0*d", two, d->minute), true;
    case 'S':
        return snprintf(out, 64, "%0*d", two, d->second), true;
    case 'j':
        return snprintf(out, 64, "%0*d", padded ? 3 : 1, d->yearday + 1), true;
    case 'B':
        return snprintf(out, 64, "%s", months[d->month]), true;
    case 'b':
        return snprintf(out, 64, "%.3s", months[d->month]), true;
    case 'A':
        return snprintf(out, 64, "%s", days[d->weekday]), true;
    case 'a':
        return snprintf(out, 64, "%.3s", days[d->weekday]), true;
    case 'p':
        return snprintf(out, 64, "%s", d->hour < 12 ? "AM" : "PM"), true;
    case 'F':
        return snprintf(out, 64, "%04lld-%02d-%02d", (long long)d->year, d->month + 1, d->day), true;
    case 'T':
        return snprintf(out, 64, "%02d:%02d:%02d", d->hour, d->minute, d->second), true;
    case '%':
        return snprintf(out, 64, "%%"), true;
    default:
        return false;
    }
}

static jvalue g_strftime_now(nce_jinja *j, const jargs *a)
{
    const jstring f = nce_jinja_to_text(j, a->v[0], "strftime_now's format");
    const date d = date_of(j->now);
    const size_t start = j->n_out;
    char text[64];
    for (size_t i = 0; i < f.n; i++) {
        nce_jinja_burn(j, 1);
        if (f.s[i] != '%' || i + 1 == f.n) {
            nce_jinja_write(j, f.s + i, 1);
            continue;
        }
        const bool padded = f.s[++i] != '-';
        if (!padded && i + 1 < f.n) i++;
        if (!format_date(&d, f.s[i], padded, text))
            nce_jinja_fail(j, NCE_ERR_UNSUPPORTED, "strftime_now with '%%%c'", f.s[i]);
        nce_jinja_write(j, text, strlen(text));
    }
    return nce_jinja_capture(j, start);
}

const jbuiltin *nce_jinja_find_global(jstring name)
{
    static const jbuiltin globals[] = {{"dict", g_dict, NULL},
                                       {"namespace", g_namespace, NULL},
                                       {"raise_exception", g_raise_exception, "message"},
                                       {"range", g_range, "start stop step"},
                                       {"strftime_now", g_strftime_now, "format"}};
    return nce_jinja_find_in(globals, sizeof globals / sizeof *globals, name);
}
