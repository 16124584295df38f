/* NFC of lines of hexadecimal bytes, for scripts that compare it with another program's. */
#include "src/core/text/nfc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    nce_context *ctx;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 1;
    while (getline(&line, &capacity, stdin) > 0) {
        size_t n = 0, n_out;
        unsigned byte;
        const char *out;
        char *owned, *text = malloc(strlen(line));
        if (text == NULL) return 1;
        for (const char *hex = line; sscanf(hex, "%2x", &byte) == 1; hex += 2)
            text[n++] = (char)byte;
        if (nce_nfc(ctx, text, n, &out, &n_out, &owned) != NCE_OK) return 1;
        for (size_t i = 0; i < n_out; i++)
            printf("%02x", (unsigned char)out[i]);
        putchar('\n');
        nce_free(ctx, owned);
        free(text);
    }
    free(line);
    nce_context_destroy(ctx);
    return 0;
}
