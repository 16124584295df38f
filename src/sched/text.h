/* Reading numbers from text that is not terminated, whatever the host program's locale. */
#ifndef NCE_SRC_SCHED_TEXT_H
#define NCE_SRC_SCHED_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rest of a text, and the line it has come to. */
typedef struct nce_text {
    const char *at, *end;
    size_t line;
} nce_text;

/* Skip blanks; new lines are counted. */
void nce_text_space(nce_text *t);
/* A decimal number with optional sign, fraction and exponent, to within one unit in the last place (exact when it has
 * at most 15 digits and a decimal exponent within 22).  False, and nothing consumed, when there is none or it is not
 * finite. */
bool nce_text_number(nce_text *t, double *out);
/* A whole number 0..max. */
bool nce_text_whole(nce_text *t, uint64_t max, uint64_t *out);
/* Consume the word if it comes next. */
bool nce_text_word(nce_text *t, const char *word);

#endif
