/* UTF-8 by the table of well-formed sequences in the Unicode Standard (3.9), lower case and canonical decomposition by
 * binary search in generated tables. */
#include "src/core/text/unicode.h"
#include <stdbool.h>

static bool is_tail(uint8_t b)
{
    return (b & 0xC0) == 0x80;
}

uint32_t nce_utf8_decode_long(const uint8_t *s, size_t n, size_t *length)
{
    const uint8_t b = s[0];
    const size_t want = nce_utf8_length(b);
    *length = 1;
    if (want == 1) return b < 0x80 ? b : NCE_REPLACEMENT;
    if (n < want || !is_tail(s[1])) return NCE_REPLACEMENT;
    uint32_t cp = b & (want == 2 ? 0x1Fu : want == 3 ? 0x0Fu : 0x07u);
    for (size_t i = 1; i < want; i++) {
        if (!is_tail(s[i])) return NCE_REPLACEMENT;
        cp = cp << 6 | (s[i] & 0x3Fu);
    }
    const bool overlong = (want == 3 && cp < 0x800) || (want == 4 && cp < 0x10000);
    if (overlong || cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) return NCE_REPLACEMENT;
    *length = want;
    return cp;
}

size_t nce_utf8_encode(uint32_t cp, char *out)
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) cp = NCE_REPLACEMENT;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    const size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | cp);
    return n;
}

static const nce_unicode_pair *find(const nce_unicode_pair *table, size_t n, uint32_t cp)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (table[mid].from < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && table[low].from == cp ? &table[low] : NULL;
}

uint32_t nce_unicode_to_lower(uint32_t cp)
{
    const nce_unicode_pair *p = find(nce_unicode_lower, nce_unicode_n_lower, cp);
    return p != NULL ? p->to : cp;
}

/* Hangul syllables are computed (The Unicode Standard, 3.12), the rest is in the tables. */
enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7, N_L = 19, N_V = 21, N_T = 28, N_S = 11172 };

size_t nce_unicode_decompose(uint32_t cp, uint32_t out[4])
{
    if (cp >= S_BASE && cp < S_BASE + N_S) {
        const uint32_t s = cp - S_BASE;
        out[0] = L_BASE + s / (N_V * N_T);
        out[1] = V_BASE + s % (N_V * N_T) / N_T;
        out[2] = T_BASE + s % N_T;
        return s % N_T != 0 ? 3 : 2;
    }
    const nce_unicode_pair *p = find(nce_unicode_nfd, nce_unicode_n_nfd, cp);
    if (p == NULL) {
        out[0] = cp;
        return 1;
    }
    for (size_t i = 0; i < (p->to & 7); i++)
        out[i] = nce_unicode_nfd_pool[(p->to >> 3) + i];
    return p->to & 7;
}

uint32_t nce_unicode_combining_class(uint32_t cp)
{
    const nce_unicode_pair *p = find(nce_unicode_ccc, nce_unicode_n_ccc, cp);
    return p != NULL ? p->to : 0;
}

uint32_t nce_unicode_compose(uint32_t first, uint32_t second)
{
    if (first - L_BASE < N_L && second - V_BASE < N_V) return S_BASE + ((first - L_BASE) * N_V + second - V_BASE) * N_T;
    if (first - S_BASE < N_S && (first - S_BASE) % N_T == 0 && second - T_BASE - 1 < N_T - 1)
        return first + second - T_BASE;
    const nce_unicode_composition *t = nce_unicode_compositions;
    size_t low = 0, high = nce_unicode_n_compositions;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (t[mid].first < first || (t[mid].first == first && t[mid].second < second))
            low = mid + 1;
        else
            high = mid;
    }
    return low < nce_unicode_n_compositions && t[low].first == first && t[low].second == second ? t[low].to : 0;
}

bool nce_unicode_is_careful(uint32_t cp)
{
    if (cp > 0x10FFFF || !(nce_unicode_careful_blocks[cp >> 11] >> (cp >> 8 & 7) & 1)) return false;
    size_t low = 0, high = nce_unicode_n_careful;
    while (low < high) { /* the first range that does not end before cp */
        const size_t mid = (low + high) / 2;
        if (nce_unicode_careful[mid].to < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return low < nce_unicode_n_careful && nce_unicode_careful[low].from <= cp;
}
