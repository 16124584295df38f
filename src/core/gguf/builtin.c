/* The models that are part of the library: the bytes of models/tiny.gguf, taken in by the assembler.
 *
 * Left out with -Dbuiltin_model=false, or by a linker that drops what nobody refers to (the static library's member is
 * taken only together with nce_gguf_open). */
#include "src/core/gguf/locate.h"
#include <string.h>

#if NCE_BUILTIN_MODEL
#include "builtin_model.h" /* made by Meson: NCE_BUILTIN_FILE, and a checksum so that a new file is noticed */

/* Aligned as a mapped file would be for the kernels; the section is read-only and shared between processes. */
__asm__(".section .rodata\n"
        ".balign 64\n"
        ".globl nce_builtin_tiny\n"
        ".hidden nce_builtin_tiny\n"
        ".type nce_builtin_tiny, %object\n"
        "nce_builtin_tiny:\n"
        ".incbin \"" NCE_BUILTIN_FILE "\"\n"
        ".globl nce_builtin_tiny_end\n"
        ".hidden nce_builtin_tiny_end\n"
        "nce_builtin_tiny_end:\n"
        ".byte 0\n"
        ".size nce_builtin_tiny, . - nce_builtin_tiny\n"
        ".text\n");
extern const unsigned char nce_builtin_tiny[] __attribute__((visibility("hidden")));
extern const unsigned char nce_builtin_tiny_end[] __attribute__((visibility("hidden")));

const void *nce_builtin_model(const char *name, size_t *size)
{
    if (strcmp(name, "tiny") != 0) return NULL;
    *size = (size_t)(nce_builtin_tiny_end - nce_builtin_tiny);
    return nce_builtin_tiny;
}

const char *nce_builtin_name(size_t i)
{
    return i == 0 ? "tiny" : NULL;
}
#else
const void *nce_builtin_model(const char *name, size_t *size)
{
    (void)name;
    *size = 0;
    return NULL;
}

const char *nce_builtin_name(size_t i)
{
    (void)i;
    return NULL;
}
#endif
