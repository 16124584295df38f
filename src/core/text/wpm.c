/* WordPiece: clean the text as BERT does, cut it into words, cover each word by the longest tokens from the left.
 *
 * A word starts with a space in the vocabulary's arena (U+2581 in the file), the pieces inside a word do not.  A word
 * that cannot be covered, or is longer than 100 characters, is one unknown token. */
#include "src/core/text/tokenizer.h"

enum { MAX_WORD = 100 };

/* One word being collected: the leading space and at most MAX_WORD characters. */
typedef struct word_buffer {
    char text[1 + 4 * MAX_WORD];
    size_t n, n_chars;
} word_buffer;

static int64_t longest(const nce_tokenizer *t, const char *text, size_t n)
{
    int64_t best = -1, id;
    nce_prefix_walk w;
    nce_prefix_start(&t->prefixes, &w);
    for (size_t i = 0; i < n && nce_prefix_step(t, &t->prefixes, &w, (uint8_t)text[i], &id); i++)
        if (id >= 0) best = id;
    return best;
}

static void flush_word(nce_encoder *e, word_buffer *w)
{
    const nce_tokenizer *t = e->t;
    int32_t ids[1 + 4 * MAX_WORD];
    size_t n_ids = 0, pos = 0;
    const size_t n_chars = w->n_chars;
    w->n_chars = 0;
    if (n_chars == 0) return;
    while (n_chars <= MAX_WORD && pos < w->n) {
        const int64_t id = longest(t, w->text + pos, w->n - pos);
        if (id < 0) break;
        ids[n_ids++] = (int32_t)id;
        pos += t->symbols[id].length;
    }
    if (n_chars > MAX_WORD || pos < w->n) {
        if (t->unk >= 0) nce_sink_put(e->sink, t->unk);
        return;
    }
    for (size_t i = 0; i < n_ids; i++)
        nce_sink_put(e->sink, ids[i]);
}

static void put_char(word_buffer *w, uint32_t cp)
{
    if (w->n_chars == 0) {
        w->text[0] = ' ';
        w->n = 1;
    }
    if (++w->n_chars <= MAX_WORD) w->n += nce_utf8_encode(cp, w->text + w->n);
}

/* The blocks of ideographs that BERT's tokenizer sets apart. */
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static void take_char(nce_encoder *e, word_buffer *w, uint32_t cp)
{
    const uint32_t classes = nce_class_of(cp);
    const bool kept_control =
        cp == '\t' || cp == '\n' || cp == '\r'; /* the others, U+0085 too, are no white space here */
    if (cp == 0 || cp == NCE_REPLACEMENT || ((classes & NCE_CLASS_OTHER) && !kept_control)) return;
    if (classes & NCE_CLASS_WS) {
        flush_word(e, w);
        return;
    }
    if (e->t->strip_accents && (classes & NCE_CLASS_MN)) return;
    if (e->t->lower_case) cp = nce_unicode_to_lower(cp);
    if ((classes & (NCE_CLASS_P | NCE_CLASS_APUNCT)) || is_ideograph(cp)) {
        flush_word(e, w);
        put_char(w, cp);
        flush_word(e, w);
    } else {
        put_char(w, cp);
    }
}

nce_status nce_encode_wpm(nce_encoder *e, const char *text, size_t n)
{
    word_buffer w = {.n = 0};
    size_t length;
    for (size_t i = 0; i < n; i += length) {
        uint32_t parts[4] = {nce_utf8_decode((const uint8_t *)text + i, n - i, &length)};
        size_t n_parts = 1;
        if (e->t->strip_accents) n_parts = nce_unicode_decompose(parts[0], parts);
        for (size_t k = 0; k < n_parts; k++)
            take_char(e, &w, parts[k]);
    }
    flush_word(e, &w);
    return NCE_OK;
}
