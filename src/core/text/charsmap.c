/* The normalizer inside SentencePiece unigram files: tokenizer.ggml.precompiled_charsmap.
 *
 * A 32-bit size, a double-array trie of that many bytes whose keys are character sequences, and the zero-terminated
 * strings they become.  A unit of the trie holds in bits 0-7 (and 31) its label, in bit 8 whether a value follows, in
 * bits 10-30 its offset, shifted by 8 more if bit 9 is set; a value unit holds the place of a string.  The format is
 * that of darts-clone, used by SentencePiece (Kudo and Richardson 2018).  Every index is checked: the blob comes from a
 * file. */
#include "src/core/text/tokenizer.h"
#include <string.h>

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

nce_status nce_charsmap_load(nce_tokenizer *t, const nce_gguf *g)
{
    const nce_gguf_kv *kv = nce_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    nce_charsmap *m = &t->charsmap;
    if (kv == NULL || kv->count == 0) return NCE_OK;
    const bool bytes =
        kv->type == NCE_GGUF_ARRAY && (kv->element_type == NCE_GGUF_U8 || kv->element_type == NCE_GGUF_I8);
    const uint32_t trie_bytes = bytes && kv->bytes >= 4 ? read_u32(kv->data) : 0;
    if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > kv->bytes - 4)
        return nce_fail(t->ctx, NCE_ERR_FORMAT,
                        "%s: tokenizer.ggml.precompiled_charsmap is no character map (%zu bytes, trie of %u)",
                        nce_gguf_name(g), kv->bytes, trie_bytes);
    m->blob = nce_alloc(t->ctx, kv->bytes);
    if (m->blob == NULL) return nce_fail_nomem(t->ctx, kv->bytes);
    memcpy(m->blob, kv->data, kv->bytes);
    m->blob_bytes = kv->bytes;
    m->n_units = trie_bytes / 4;
    m->strings = 4 + (size_t)trie_bytes;
    m->n_strings = kv->bytes - m->strings;
    return NCE_OK;
}

static bool unit_at(const nce_charsmap *m, size_t i, uint32_t *unit)
{
    if (i >= m->n_units) return false;
    *unit = read_u32(m->blob + 4 + 4 * i);
    return true;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & 512) >> 6);
}

/* The longest key that s starts with: its length and string; 0 if there is none. */
static size_t longest_key(const nce_charsmap *m, const char *s, size_t n, size_t *string)
{
    uint32_t unit;
    size_t best = 0;
    if (!unit_at(m, 0, &unit)) return 0;
    size_t node = offset_of(unit);
    for (size_t i = 0; i < n && s[i] != '\0'; i++) {
        node ^= (uint8_t)s[i];
        if (!unit_at(m, node, &unit) || (unit & 0x800000FFu) != (uint8_t)s[i]) break;
        node ^= offset_of(unit);
        uint32_t value;
        if (!(unit & 256) || !unit_at(m, node, &value)) continue;
        value &= 0x7FFFFFFFu;
        if (value >= m->n_strings || memchr(m->blob + m->strings + value, 0, m->n_strings - value) == NULL) continue;
        best = i + 1;
        *string = value;
    }
    return best;
}

size_t nce_charsmap_next(const nce_charsmap *m, const char *s, size_t n, const char **out, size_t *n_out)
{
    size_t string, length = m->blob != NULL ? longest_key(m, s, n, &string) : 0;
    if (length > 0) {
        *out = (const char *)m->blob + m->strings + string;
        *n_out = strlen(*out);
        return length;
    }
    const uint32_t cp = nce_utf8_decode((const uint8_t *)s, n, &length);
    const bool broken = cp == NCE_REPLACEMENT && length == 1;
    *out = broken ? "\xEF\xBF\xBD" : s;
    *n_out = broken ? 3 : length;
    return length;
}
