/* See calendar.h. */
#include "src/snn/calendar.h"
#include <string.h>

static const uint32_t NONE = UINT32_MAX;
enum { LINE = NCE_SNN_CALENDAR_LINE, MIN_BUCKETS = 64, MAX_BUCKETS = 4096 };

nce_status nce_snn_calendar_init(nce_context *ctx, nce_snn_calendar *c, uint32_t capacity)
{
    memset(c, 0, sizeof *c);
    c->capacity = capacity;
    c->n_buckets = capacity < MIN_BUCKETS ? MIN_BUCKETS : capacity < MAX_BUCKETS ? capacity : MAX_BUCKETS;
    c->nodes = nce_alloc_array(ctx, capacity, sizeof *c->nodes);
    c->bucket = nce_alloc_array(ctx, c->n_buckets, sizeof *c->bucket);
    c->line = nce_alloc_array(ctx, c->n_buckets, LINE * sizeof *c->line);
    c->in_line = nce_alloc_array(ctx, c->n_buckets, sizeof *c->in_line);
    if (c->nodes == NULL || c->bucket == NULL || c->line == NULL || c->in_line == NULL)
        return nce_fail_nomem(ctx, capacity * sizeof *c->nodes + c->n_buckets * LINE * sizeof *c->line);
    nce_snn_calendar_clear(c);
    return NCE_OK;
}

void nce_snn_calendar_finish(nce_context *ctx, nce_snn_calendar *c)
{
    nce_free(ctx, c->nodes);
    nce_free(ctx, c->bucket);
    nce_free(ctx, c->line);
    nce_free(ctx, c->in_line);
    memset(c, 0, sizeof *c);
}

void nce_snn_calendar_clear(nce_snn_calendar *c)
{
    for (uint32_t i = 0; i < c->capacity; i++)
        c->nodes[i].next = i + 1 < c->capacity ? i + 1 : NONE;
    for (uint32_t i = 0; i < c->n_buckets; i++)
        c->bucket[i] = NONE;
    memset(c->line, 0xff, (size_t)c->n_buckets * LINE * sizeof *c->line);
    memset(c->in_line, 0, c->n_buckets);
    c->free = 0;
    c->count = 0;
    c->now = 0;
}

static inline nce_snn_event event_of(uint64_t step, uint64_t key)
{
    const uint32_t bits = (uint32_t)key;
    nce_snn_event e = {step, (uint32_t)(key >> 32), 0};
    memcpy(&e.amplitude, &bits, sizeof bits);
    return e;
}

void nce_snn_calendar_spill(nce_snn_calendar *c, const nce_snn_event *event)
{
    const uint32_t i = c->free;
    uint32_t *bucket = &c->bucket[event->step & (c->n_buckets - 1)];
    c->free = c->nodes[i].next;
    c->nodes[i] = (nce_snn_node){*event, *bucket};
    *bucket = i;
}

static inline void order(uint64_t *a, uint64_t *b)
{
    const uint64_t x = *a, y = *b;
    *a = x < y ? x : y;
    *b = x < y ? y : x;
}

/* Sorting networks (Knuth, volume 3, 5.3.4): no branch depends on the keys. */
static inline void sort4(uint64_t k[4])
{
    order(&k[0], &k[1]);
    order(&k[2], &k[3]);
    order(&k[0], &k[2]);
    order(&k[1], &k[3]);
    order(&k[1], &k[2]);
}

static void sort8(uint64_t k[8])
{
    sort4(k);
    sort4(k + 4);
    for (int i = 0; i < 4; i++) /* Batcher's merge */
        order(&k[i], &k[i + 4]);
    order(&k[2], &k[4]);
    order(&k[3], &k[5]);
    order(&k[1], &k[2]);
    order(&k[3], &k[4]);
    order(&k[5], &k[6]);
}

/* The events of a line in order; writes four or eight whatever their number, which nobody can predict. */
static inline size_t take_line(nce_snn_calendar *c, uint64_t step, nce_snn_event *out)
{
    const size_t b = step & (c->n_buckets - 1), n = c->in_line[b];
    uint64_t *const line = &c->line[b * LINE], key[LINE];
    memcpy(key, line, sizeof key);
    memset(line, 0xff, sizeof key);
    c->in_line[b] = 0;
    c->count -= (uint32_t)n;
    if (__builtin_expect(n > 4, 0)) {
        sort8(key);
        for (size_t i = 4; i < 8; i++)
            out[i] = event_of(step, key[i]);
    } else {
        sort4(key);
    }
    for (size_t i = 0; i < 4; i++)
        out[i] = event_of(step, key[i]);
    return n;
}

static size_t take_spilled(nce_snn_calendar *c, uint64_t step, nce_snn_event *out)
{
    size_t n = 0;
    uint32_t *link = &c->bucket[step & (c->n_buckets - 1)];
    while (*link != NONE) {
        const uint32_t i = *link;
        nce_snn_node *node = &c->nodes[i];
        if (node->event.step != step) {
            link = &node->next;
            continue;
        }
        out[n++] = node->event;
        *link = node->next;
        node->next = c->free;
        c->free = i;
        c->count--;
    }
    return n;
}

size_t nce_snn_calendar_take(nce_snn_calendar *c, uint64_t step, nce_snn_event *out)
{
    size_t n = 0;
    if (step >= c->now) {
        n = take_line(c, step, out);
        c->now = step + 1;
    }
    if (__builtin_expect(c->bucket[step & (c->n_buckets - 1)] == NONE, 1)) return n;
    const size_t more = take_spilled(c, step, out + n);
    if (more > 0) nce_snn_sort_events(out, n + more);
    return n + more;
}

/* ---- any number of events ---- */

static bool before(const nce_snn_event *a, const nce_snn_event *b)
{
    return a->step != b->step ? a->step < b->step : nce_snn_calendar_key(a) < nce_snn_calendar_key(b);
}

static void sift(nce_snn_event *e, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(&e[child], &e[child + 1])) child++;
        if (!before(&e[at], &e[child])) return;
        const nce_snn_event t = e[at];
        e[at] = e[child];
        e[child] = t;
    }
}

void nce_snn_sort_events(nce_snn_event *events, size_t n)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            const nce_snn_event t = events[i];
            size_t j = i;
            for (; j > 0 && before(&t, &events[j - 1]); j--)
                events[j] = events[j - 1];
            events[j] = t;
        }
        return;
    }
    for (size_t i = n / 2; i-- > 0;)
        sift(events, i, n);
    for (size_t i = n; i-- > 1;) {
        const nce_snn_event t = events[0];
        events[0] = events[i];
        events[i] = t;
        sift(events, 0, i);
    }
}
