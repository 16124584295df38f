/* Exact nearest code word, weighted, by branch and bound.
 *
 * A book holds words of 8 elements with 3 levels each, or of 4 with 8.  Either way a word is four digits: pairs of
 * elements (9 values) or single ones (8 values).  Its cost is the sum of the costs of its digits, from four short
 * tables; the sums of the last two digits are tabulated as well.  Words are listed by their first two digits.  A list
 * is skipped when the cost of its digits plus the least possible rest already reaches the best word found, and all
 * lists with one second digit likewise; the search begins at the cheapest digits.  What is left is a small part of the
 * book. */
#ifndef NCE_SRC_QUANT_WORDS_H
#define NCE_SRC_QUANT_WORDS_H
#include <stdbool.h>
#include <stdint.h>

enum { NCE_WORDS_MAX = 2048, NCE_WORDS_HALVES = 81, NCE_WORDS_LEVELS = 8, NCE_WORDS_WIDTH = 12 };

typedef struct nce_words {
    int n_dims, n_levels, base;           /* base: values of a digit */
    int8_t level[NCE_WORDS_LEVELS];       /* ascending */
    uint16_t start[NCE_WORDS_HALVES + 1]; /* of the list of a first half: digit 0 + base * digit 1 */
    uint8_t second[NCE_WORDS_MAX];        /* digit 2 + WIDTH * digit 3 of each listed word */
    uint16_t number[NCE_WORDS_MAX];       /* its number in the book */
} nce_words;

/* The books: words as 64-bit (8 elements) or 32-bit (4) integers, element k in byte k. */
void nce_words_init_8(nce_words *b, const uint64_t *words, int n);
void nce_words_init_4(nce_words *b, const uint32_t *words, int n);

/* Cheapest word; level[k] receives the level number of element k.  Ties go to the first listed. */
float nce_words_nearest(const nce_words *b, float cost[][NCE_WORDS_LEVELS], uint8_t *level);

/* Number in the book of a word given by level numbers; it must be in the book. */
uint32_t nce_words_number(const nce_words *b, const uint8_t *level);

#endif
