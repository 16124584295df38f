/* Shows the cuts of a pre-tokenizer, for scripts that compare them with another program's.
 *
 * Reads lines "NAME HEX" (a GGUF pre-tokenizer and a text in hexadecimal), answers each with the ends of the words in
 * bytes. */
#include "src/core/text/splitter.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t parse_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (uint8_t)byte;
    return n;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        char *space = strchr(line, ' ');
        const nce_split_name *name = space != NULL ? nce_split_find(line, (size_t)(space - line)) : NULL;
        uint8_t *text = malloc(strlen(line));
        if (name == NULL || text == NULL) return 1;
        nce_splitter s;
        size_t ends[7], n; /* few, so that texts have more than one batch */
        nce_splitter_init(&s, name->rule, text, parse_hex(space + 1, text));
        while ((n = nce_splitter_fill(&s, ends, 7)) > 0)
            for (size_t i = 0; i < n; i++)
                printf("%zu ", ends[i]);
        putchar('\n');
        free(text);
    }
    free(line);
    return 0;
}
