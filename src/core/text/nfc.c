/* Most text is in NFC: it is looked over for characters that could change anything, and copied only if there is one.  Such a
 * character forms a cluster with the one before it and the careful ones after it; the cluster is decomposed, its marks are
 * put in canonical order (a stable counting sort, so a million marks in a row do no harm), and it is composed again. */
#include "src/core/text/nfc.h"
#include "src/core/text/unicode.h"
#include <string.h>

typedef struct cluster {
    uint32_t *cp; /* [n], decomposed */
    uint8_t *ccc; /* [n] */
    uint32_t *sorted;
    size_t n, capacity, ccc_capacity, sorted_capacity;
} cluster;

typedef struct output {
    char *text;
    size_t n, capacity;
} output;

/* The next careful character at or after from; *before: where the character in front of it begins (its own place if that
 * is ill-formed or there is none). */
static size_t find_careful(const char *text, size_t n, size_t from, size_t *before)
{
    const uint8_t *s = (const uint8_t *)text;
    size_t last = SIZE_MAX;
    for (size_t i = from, length; i < n; i += length) {
        if (s[i] < 0xCC) { /* below U+0300 nothing is */
            length = nce_utf8_length(s[i]);
            if (length > n - i) length = n - i;
            if (length == 2 && (s[i + 1] & 0xC0) != 0x80) length = 1;
            last = s[i] >= 0x80 && length == 1 ? SIZE_MAX : i;
            continue;
        }
        const uint32_t cp = nce_utf8_decode(s + i, n - i, &length);
        if (nce_unicode_is_careful(cp)) {
            *before = last != SIZE_MAX ? last : i;
            return i;
        }
        last = length == 1 ? SIZE_MAX : i;
    }
    return n;
}

static nce_status add(nce_context *ctx, cluster *c, uint32_t cp)
{
    uint32_t parts[4];
    const size_t n = nce_unicode_decompose(cp, parts);
    nce_status status = nce_grow(ctx, (void **)&c->cp, &c->capacity, c->n + n, sizeof *c->cp);
    if (status == NCE_OK) status = nce_grow(ctx, (void **)&c->ccc, &c->ccc_capacity, c->n + n, sizeof *c->ccc);
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        c->cp[c->n] = parts[i];
        c->ccc[c->n++] = (uint8_t)nce_unicode_combining_class(parts[i]);
    }
    return status;
}

/* Marks [from, to), none of class 0, by class, equal ones as they were. */
static void order(cluster *c, size_t from, size_t to)
{
    size_t place[257] = {0};
    bool ordered = true;
    for (size_t i = from; i < to; i++) {
        place[c->ccc[i] + 1]++;
        ordered = ordered && (i == from || c->ccc[i - 1] <= c->ccc[i]);
    }
    if (ordered) return;
    for (int k = 0; k < 256; k++)
        place[k + 1] += place[k];
    for (size_t i = from; i < to; i++)
        c->sorted[place[c->ccc[i]]++] = c->cp[i];
    memcpy(c->cp + from, c->sorted, (to - from) * sizeof *c->cp);
    for (size_t i = from; i < to; i++)
        c->ccc[i] = (uint8_t)nce_unicode_combining_class(c->cp[i]);
}

static nce_status order_all(nce_context *ctx, cluster *c)
{
    const nce_status status = nce_grow(ctx, (void **)&c->sorted, &c->sorted_capacity, c->n, sizeof *c->sorted);
    if (status != NCE_OK) return status;
    for (size_t from = 0, to; from < c->n; from = to) {
        for (to = from + 1; c->ccc[from] != 0 && to < c->n && c->ccc[to] != 0; to++) {
        }
        if (c->ccc[from] != 0) order(c, from, to);
    }
    return NCE_OK;
}

/* A character joins the last starter unless something of its own class or a higher one stands between. */
static void compose(cluster *c)
{
    size_t starter = SIZE_MAX, n = 0;
    int between = -1; /* class of the last character kept behind the starter; -1: none */
    for (size_t i = 0; i < c->n; i++) {
        const int ccc = c->ccc[i];
        const uint32_t joined =
            starter != SIZE_MAX && between < ccc ? nce_unicode_compose(c->cp[starter], c->cp[i]) : 0;
        if (joined != 0) {
            c->cp[starter] = joined;
            continue;
        }
        if (ccc == 0)
            starter = n, between = -1;
        else
            between = ccc;
        c->cp[n++] = c->cp[i];
    }
    c->n = n;
}

/* A cluster from text[begin] on, careful characters from text[at] on; returns in *end where it ends. */
static nce_status read_cluster(nce_context *ctx, cluster *c, const char *text, size_t n, size_t begin, size_t at,
                               size_t *end)
{
    nce_status status = NCE_OK;
    size_t length;
    c->n = 0;
    for (size_t i = begin; i < n && status == NCE_OK; i += length) {
        const uint32_t cp = nce_utf8_decode((const uint8_t *)text + i, n - i, &length);
        if (i > at && !nce_unicode_is_careful(cp)) break;
        status = add(ctx, c, cp);
        *end = i + length;
    }
    if (status == NCE_OK) status = order_all(ctx, c);
    if (status == NCE_OK) compose(c);
    return status;
}

static nce_status put(nce_context *ctx, output *o, const char *text, size_t n)
{
    const nce_status status = nce_grow(ctx, (void **)&o->text, &o->capacity, o->n + n, 1);
    if (status == NCE_OK && n > 0) memcpy(o->text + o->n, text, n), o->n += n;
    return status;
}

static nce_status put_cluster(nce_context *ctx, output *o, const cluster *c)
{
    const nce_status status = nce_grow(ctx, (void **)&o->text, &o->capacity, o->n + 4 * c->n, 1);
    for (size_t i = 0; i < c->n && status == NCE_OK; i++)
        o->n += nce_utf8_encode(c->cp[i], o->text + o->n);
    return status;
}

nce_status nce_nfc(nce_context *ctx, const char *text, size_t n, const char **out, size_t *n_out, char **owned)
{
    size_t before = 0, at = find_careful(text, n, 0, &before), done = 0;
    *out = text, *n_out = n, *owned = NULL;
    if (at == n) return NCE_OK;
    cluster c = {0};
    output o = {0};
    nce_status status = NCE_OK;
    while (at < n && status == NCE_OK) {
        size_t end = n;
        status = put(ctx, &o, text + done, before - done);
        if (status == NCE_OK) status = read_cluster(ctx, &c, text, n, before, at, &end);
        if (status == NCE_OK) status = put_cluster(ctx, &o, &c);
        done = end;
        at = find_careful(text, n, done, &before);
    }
    if (status == NCE_OK) status = put(ctx, &o, text + done, n - done);
    nce_free(ctx, c.cp);
    nce_free(ctx, c.ccc);
    nce_free(ctx, c.sorted);
    if (status != NCE_OK) {
        nce_free(ctx, o.text);
        *out = NULL, *n_out = 0;
        return status;
    }
    *out = *owned = o.text, *n_out = o.n;
    return NCE_OK;
}
