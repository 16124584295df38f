/* The hash of short byte strings, inlined. */
#ifndef NCE_SRC_TEXT_HASH_H
#define NCE_SRC_TEXT_HASH_H
#include <stddef.h>
#include <stdint.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t nce_text_hash(const char *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

#endif
