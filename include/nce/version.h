/* Version of the library and the export macro of every public header. */
#ifndef NCE_VERSION_H
#define NCE_VERSION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NCE_API __attribute__((visibility("default")))
#else
#define NCE_API
#endif

#define NCE_VERSION_MAJOR 0
#define NCE_VERSION_MINOR 1
#define NCE_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* Version of the library that is running (the macros say what the program was compiled against).
 *
 * Returns (major << 16) | (minor << 8) | patch.  Never fails.  Any thread.  Since 0.1. */
NCE_API uint32_t nce_version(void);

/* The same as text, "0.1.0".  Static storage.  Any thread.  Since 0.1. */
NCE_API const char *nce_version_string(void);

#ifdef __cplusplus
}
#endif
#endif
