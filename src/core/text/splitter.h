/* Pre-tokenization: cutting text into the words that byte-level BPE merges inside of.
 *
 * Tokenizer files describe this by regular expressions.  Here an expression is a row of data: passes, each an ordered
 * list of alternatives, each one of a few shapes (a run of a class with prefix and suffix, a contraction, white
 * space...).  One scanner runs every row in linear time and a fixed amount of stack.  Pass 2 cuts the pieces of pass 1,
 * and so on; what no alternative matches is a piece of its own, as in the "isolated" splits of tokenizer.json. */
#ifndef NCE_SRC_TEXT_SPLITTER_H
#define NCE_SRC_TEXT_SPLITTER_H
#include "src/core/text/unicode.h"
#include <stdbool.h>

enum { NCE_SPLIT_MAX_PASSES = 6 };

/* [wanted but not refused], both masks of NCE_CLASS_*. */
typedef struct nce_set {
    uint32_t want, deny;
} nce_set;

typedef enum nce_split_op {
    NCE_SPLIT_RUN,                /* prefix body{min,max} suffix */
    NCE_SPLIT_CONTRACTION,        /* 's|'t|'re|'ve|'m|'ll|'d */
    NCE_SPLIT_CONTRACTION_NOCASE, /* (?i:...) of it */
    NCE_SPLIT_CASED,              /* prefix? body* suffix+ | prefix? body+ suffix*, then with flag a contraction? */
    NCE_SPLIT_SPACED_LETTERS,     /* prefix? (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ */
    NCE_SPLIT_NEWLINES,           /* \s*[\r\n]+ */
    NCE_SPLIT_SPACES_KEEP_ONE,    /* \s+(?!\S) */
    NCE_SPLIT_SPACES,             /* \s+ */
    NCE_SPLIT_SPACES_AT_END,      /* \s+$ */
    NCE_SPLIT_SPACES_CASCADE,     /* \s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1} */
    NCE_SPLIT_DIGIT_GROUPS, /* body in groups of three counted from the right; with flag only before a word border */
    NCE_SPLIT_DIGIT_CUTS,   /* cuts at (?=(body{3})+(?!body)), nothing between */
    NCE_SPLIT_INDENT        /* [\t\n]|    |  (four or two spaces) */
} nce_split_op;

enum { NCE_PREFIX_NONE, NCE_PREFIX_OPTIONAL, NCE_PREFIX_REQUIRED };
enum { NCE_SUFFIX_NONE, NCE_SUFFIX_ANY, NCE_SUFFIX_ONE }; /* none, [..]*, [..]? */

typedef struct nce_alternative {
    uint8_t op, prefix_mode, suffix_mode, flag;
    uint16_t min, max; /* max 0: unlimited */
    nce_set prefix, body, suffix;
} nce_alternative;

typedef struct nce_split_pass {
    const nce_alternative *alternatives;
    size_t n;
} nce_split_pass;
typedef struct nce_split_rule {
    nce_split_pass passes[NCE_SPLIT_MAX_PASSES];
    size_t n_passes;
} nce_split_rule;

/* What else a pre-tokenizer's name implies. */
enum {
    NCE_SPLIT_WHOLE_WORDS = 1, /* a word that is a token is that token, whatever the merges ("ignore_merges") */
    NCE_SPLIT_RAW = 2,         /* characters, not bytes, are merged, and a space is written U+2581 */
    NCE_SPLIT_ADD_BOS = 4,     /* unless the file says otherwise */
    NCE_SPLIT_ADD_SEP = 8,
    NCE_SPLIT_NO_ESCAPE = 16, /* of RAW: spaces stay spaces */
    NCE_SPLIT_NFC = 32        /* the text is brought to NFC first */
};
typedef struct nce_split_name {
    const char *name;
    const nce_split_rule *rule;
    uint32_t flags;
} nce_split_name;

/* Row of tokenizer.ggml.pre; NULL for an unknown name. */
const nce_split_name *nce_split_find(const char *name, size_t n);

/* One stage of the scanner: text between pos and end is still to be cut. */
typedef struct nce_split_level {
    size_t pos, end;
    size_t match_end; /* a match found behind a gap waits here; 0: none */
    size_t memo_end;  /* end of the run last measured, so that no run is measured twice */
    size_t memo_left; /* digits of that run still to come */
} nce_split_level;

typedef struct nce_splitter {
    const nce_split_rule *rule;
    const nce_alternative *words; /* prefix? letters+, before which the rule has nothing but contractions; or NULL */
    const uint8_t *text;
    size_t depth; /* deepest level that has text */
    nce_split_level levels[NCE_SPLIT_MAX_PASSES];
} nce_splitter;

/* text is borrowed; n may be 0. */
void nce_splitter_init(nce_splitter *s, const nce_split_rule *rule, const void *text, size_t n);
/* The next word, never empty; false at the end.  Words are adjacent and cover the text. */
bool nce_splitter_next(nce_splitter *s, size_t *begin, size_t *end);
/* The ends of the next words, at most max > 0 of them; returns their number, 0 at the end of the text. */
size_t nce_splitter_fill(nce_splitter *s, size_t *ends, size_t max);

#endif
