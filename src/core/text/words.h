/* The words one encode call remembers: direct-mapped, the last of a place wins. */
#ifndef NCE_SRC_TEXT_WORDS_H
#define NCE_SRC_TEXT_WORDS_H
#include "src/core/text/tokenizer.h"

enum { NCE_CACHED_WORDS = 4096, NCE_CACHED_WORD = 64 /* bytes */ };

typedef struct nce_word {
    const char *text;
    size_t first; /* of its tokens in the sink */
    uint32_t length, n_tokens;
    uint64_t generation; /* 0: empty */
} nce_word;

typedef struct nce_word_cache {
    uint64_t generation; /* raised when the memory that text points to changes */
    nce_word words[NCE_CACHED_WORDS];
} nce_word_cache;

#endif
