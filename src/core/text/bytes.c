/* The byte alphabet of GPT-2's vocabulary files: a printable Latin-1 byte is its own character, the 68 others are
 * U+0100, U+0101, ... in order. */
#include "src/core/text/tokenizer.h"

static bool is_printable(uint32_t c)
{
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255);
}

uint32_t nce_byte_to_char(uint8_t b)
{
    if (is_printable(b)) return b;
    return 256u + (b <= 32 ? b : b <= 160 ? b - 127u + 33u : 67u);
}

static int byte_of(uint32_t c)
{
    if (c < 256) return is_printable(c) ? (int)c : -1;
    c -= 256;
    return c <= 32 ? (int)c : c <= 66 ? (int)c - 33 + 127 : c == 67 ? 173 : -1;
}

bool nce_bytes_from_chars(const char *text, size_t n, char *out, size_t *n_out)
{
    size_t length;
    *n_out = 0;
    for (size_t i = 0; i < n; i += length) {
        const int b = byte_of(nce_utf8_decode((const uint8_t *)text + i, n - i, &length));
        if (b < 0) return false;
        out[(*n_out)++] = (char)b;
    }
    return true;
}
