/* Unigram (Kudo 2018): the segmentation with the highest sum of scores, by Viterbi over the characters of the
 * normalized text.  A character that no token covers costs ten less than the worst score; neighbours of that kind
 * become one unknown token. */
#include "src/core/text/tokenizer.h"
#include <float.h>
#include <string.h>

/* ---- normalization ---- */

typedef struct normalized {
    char *text;
    size_t n, capacity;
    bool in_word, prefixed;
} normalized;

static nce_status put(nce_encoder *e, normalized *o, const char *bytes, size_t n)
{
    const nce_status status = nce_grow(e->t->ctx, (void **)&o->text, &o->capacity, o->n + n, 1);
    if (status != NCE_OK) return status;
    memcpy(o->text + o->n, bytes, n);
    o->n += n;
    return NCE_OK;
}

/* Append one normalized stretch: spaces are merged if the model says so, and a word may get one in front. */
static nce_status put_spaced(nce_encoder *e, normalized *o, const char *s, size_t n)
{
    const bool merges = e->t->remove_extra_spaces;
    nce_status status = NCE_OK;
    for (size_t i = 0; i < n && status == NCE_OK; i++) {
        if (s[i] == ' ') {
            o->in_word = false;
            if (!merges) status = put(e, o, " ", 1);
            continue;
        }
        if (!o->in_word) {
            o->in_word = true;
            if ((e->t->add_space_prefix && !o->prefixed) || merges) status = put(e, o, " ", 1);
            o->prefixed = true;
        }
        if (status == NCE_OK) status = put(e, o, s + i, 1);
    }
    return status;
}

static nce_status normalize(nce_encoder *e, const char *text, size_t n, normalized *o)
{
    nce_status status = NCE_OK;
    for (size_t i = 0; i < n && status == NCE_OK;) {
        const char *out;
        size_t n_out;
        i += nce_charsmap_next(&e->t->charsmap, text + i, n - i, &out, &n_out);
        const bool mark = n_out == 3 && memcmp(out, "\xE2\x96\x81", 3) == 0;
        status = put_spaced(e, o, mark ? " " : out, mark ? 1 : n_out);
    }
    return status;
}

/* ---- the best path ---- */

typedef struct cell {
    double score;
    uint32_t from;
    int32_t token;
} cell; /* the best way to reach a byte */

static void relax(cell *to, double score, size_t from, int32_t token)
{
    if (score > to->score) *to = (cell){score, (uint32_t)from, token};
}

static void forward(const nce_tokenizer *t, const char *text, size_t n, cell *best)
{
    size_t length;
    for (size_t i = 0; i < n; i += length) {
        nce_prefix_walk w;
        int64_t id;
        bool covered = false;
        nce_utf8_decode((const uint8_t *)text + i, n - i, &length);
        nce_prefix_start(&t->prefixes, &w);
        for (size_t k = i; k < n && nce_prefix_step(t, &t->prefixes, &w, (uint8_t)text[k], &id); k++) {
            if (id < 0) continue;
            const double score = t->attributes[id] & NCE_TOKEN_USER_DEFINED ? 0.0 : (double)t->scores[id];
            covered |= k + 1 - i == length;
            relax(&best[k + 1], best[i].score + score, i, (int32_t)id);
        }
        if (!covered) relax(&best[i + length], best[i].score + (double)t->unknown_score, i, t->unk);
    }
}

/* Walk back, turning the links round, then write the tokens in order. */
static void backward(const nce_encoder *e, cell *best, size_t n)
{
    const int32_t unk = e->t->unk;
    size_t next = n;
    for (size_t i = n, from; i > 0; i = from) {
        from = best[i].from;
        best[i].from = (uint32_t)next;
        next = i;
    }
    bool was_unknown = false;
    for (size_t i = next;; i = best[i].from) {
        const bool unknown = best[i].token == unk;
        if (best[i].token >= 0 && !(unknown && was_unknown)) nce_sink_put(e->sink, best[i].token);
        was_unknown = unknown;
        if (i == n) break;
    }
}

nce_status nce_encode_ugm(nce_encoder *e, const char *text, size_t n)
{
    normalized o = {0};
    cell *best = NULL;
    nce_status status = normalize(e, text, n, &o);
    if (status != NCE_OK || o.n == 0) goto fail;
    if (o.n >= UINT32_MAX) {
        status = nce_fail(e->t->ctx, NCE_ERR_LIMIT, "the normalized text has %zu bytes; the limit is %u", o.n,
                          UINT32_MAX - 1);
        goto fail;
    }
    best = nce_alloc_array(e->t->ctx, o.n + 1, sizeof *best);
    if (best == NULL) {
        status = nce_fail_nomem(e->t->ctx, (o.n + 1) * sizeof *best);
        goto fail;
    }
    for (size_t i = 1; i <= o.n; i++)
        best[i].score = -DBL_MAX;
    forward(e->t, o.text, o.n, best);
    backward(e, best, o.n);
fail:
    nce_free(e->t->ctx, best);
    nce_free(e->t->ctx, o.text);
    return status;
}
