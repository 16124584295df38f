/* Characters: UTF-8 and the properties that tokenizers ask for.
 *
 * A code point has a 32-bit mask of classes, found through a two-stage table (block of 256, class number, mask).
 * Property names of a regular expression become bits, so that a bracket expression is two masks: wanted and refused. */
#ifndef NCE_SRC_TEXT_UNICODE_H
#define NCE_SRC_TEXT_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The order is that of BITS in scripts/generate-unicode.py. */
enum {
    NCE_CLASS_LU = 1 << 0, /* general categories */
    NCE_CLASS_LL = 1 << 1,
    NCE_CLASS_LT = 1 << 2,
    NCE_CLASS_LM = 1 << 3,
    NCE_CLASS_LO = 1 << 4,
    NCE_CLASS_MN = 1 << 5,
    NCE_CLASS_MX = 1 << 6, /* Mc, Me */
    NCE_CLASS_ND = 1 << 7,
    NCE_CLASS_NX = 1 << 8,     /* Nl, No */
    NCE_CLASS_P = 1 << 9,      /* any P* */
    NCE_CLASS_S = 1 << 10,     /* any S* */
    NCE_CLASS_WS = 1 << 11,    /* White_Space: \s */
    NCE_CLASS_NL = 1 << 12,    /* \r \n */
    NCE_CLASS_HAN = 1 << 13,   /* script Han */
    NCE_CLASS_OTHER = 1 << 14, /* any C*, unassigned too */
    NCE_CLASS_SPACE = 1 << 15, /* U+0020 */
    NCE_CLASS_PC = 1 << 16,
    NCE_CLASS_DIGIT = 1 << 17,  /* [0-9] */
    NCE_CLASS_ALPHA = 1 << 18,  /* [A-Za-z] */
    NCE_CLASS_APUNCT = 1 << 19, /* ASCII punctuation and symbols */
    NCE_CLASS_SLASH = 1 << 20,
    NCE_CLASS_LF = 1 << 21,
    NCE_CLASS_CJK_V3 = 1 << 22, /* lists of single pre-tokenizers, see the script */
    NCE_CLASS_CJK_CODER = 1 << 23,
    NCE_CLASS_CASED_LLM = 1 << 24,
    NCE_CLASS_PUNCT_LLM = 1 << 25,
    NCE_CLASS_ASIAN = 1 << 26,
    NCE_CLASS_HANGUL_YOUTU = 1 << 27,
    NCE_CLASS_PUNCT_YOUTU = 1 << 28,
    NCE_CLASS_BOPOMOFO = 1 << 29,
    NCE_CLASS_BLOOM_STOP = 1 << 30
};
#define NCE_CLASS_ANY 0x80000000u /* every code point */
#define NCE_CLASS_L (NCE_CLASS_LU | NCE_CLASS_LL | NCE_CLASS_LT | NCE_CLASS_LM | NCE_CLASS_LO)
#define NCE_CLASS_M (NCE_CLASS_MN | NCE_CLASS_MX)
#define NCE_CLASS_N (NCE_CLASS_ND | NCE_CLASS_NX)

typedef struct nce_unicode_pair {
    uint32_t from, to;
} nce_unicode_pair;

/* unicode_tables.c */
extern const uint32_t nce_unicode_masks[], nce_unicode_ascii[];
extern const uint8_t nce_unicode_stage1[], nce_unicode_stage2[];
extern const nce_unicode_pair nce_unicode_lower[]; /* simple lower case, sorted */
extern const nce_unicode_pair
    nce_unicode_nfd[]; /* full canonical decomposition, sorted; to = pool index << 3 | length */
extern const uint32_t nce_unicode_nfd_pool[];
/* Canonical composition (nfc.c). */
typedef struct nce_unicode_composition {
    uint32_t first, second, to;
} nce_unicode_composition;
extern const nce_unicode_composition
    nce_unicode_compositions[];                      /* sorted by first, then second; without the excluded */
extern const nce_unicode_pair nce_unicode_ccc[];     /* canonical combining classes but 0, sorted */
extern const nce_unicode_pair nce_unicode_careful[]; /* ranges: combining, or not surely in NFC by themselves */
extern const uint8_t nce_unicode_careful_blocks[];   /* a bit for each 256 code points: has it such ones? */
extern const size_t nce_unicode_n_lower, nce_unicode_n_nfd, nce_unicode_n_ccc, nce_unicode_n_compositions,
    nce_unicode_n_careful;

enum { NCE_REPLACEMENT = 0xFFFD };

static inline uint32_t nce_class_of(uint32_t cp)
{
    if (cp < 128) return nce_unicode_ascii[cp];
    if (cp > 0x10FFFF) cp = NCE_REPLACEMENT;
    return nce_unicode_masks[nce_unicode_stage2[(size_t)nce_unicode_stage1[cp >> 8] * 256 + (cp & 255)]];
}

/* Decode the character at s[0], n >= 1 bytes available.  An ill-formed sequence gives U+FFFD and length 1, so that
 * every byte string is covered. */
uint32_t nce_utf8_decode_long(const uint8_t *s, size_t n, size_t *length);
static inline uint32_t nce_utf8_decode(const uint8_t *s, size_t n, size_t *length)
{
    if (s[0] < 0x80) {
        *length = 1;
        return s[0];
    }
    return nce_utf8_decode_long(s, n, length);
}

/* Write cp (a surrogate or beyond U+10FFFF: U+FFFD) to at most 4 bytes; returns their number. */
size_t nce_utf8_encode(uint32_t cp, char *out);

/* Bytes the lead byte announces, 1 for a byte that starts nothing. */
static inline size_t nce_utf8_length(uint8_t lead)
{
    return lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
}

uint32_t nce_unicode_to_lower(uint32_t cp);
/* Canonical decomposition of one code point (no reordering of marks) to at most 4; returns their number. */
size_t nce_unicode_decompose(uint32_t cp, uint32_t out[4]);
uint32_t nce_unicode_combining_class(uint32_t cp);
/* The character that two canonically compose to, 0 if none. */
uint32_t nce_unicode_compose(uint32_t first, uint32_t second);
/* May cp change, or change what is before it, when a text is brought to NFC? */
bool nce_unicode_is_careful(uint32_t cp);

#endif
