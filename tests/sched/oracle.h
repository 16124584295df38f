/* What the programs of this folder share: a repeatable random stream, reading files, failing. */
#ifndef NCE_TESTS_SCHED_ORACLE_H
#define NCE_TESTS_SCHED_ORACLE_H
#include "nce/sched.h"
#include "tools/measure.h"
#include <stdio.h>
#include <stdlib.h>

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                            \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The whole file, or NULL. */
static inline char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return NULL;
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    char *data = n >= 0 ? (char *)malloc((size_t)n + 1) : NULL;
    if (data != NULL && fread(data, 1, (size_t)n, f) != (size_t)n) {
        free(data);
        data = NULL;
    }
    fclose(f);
    if (data != NULL) *size = (size_t)n;
    return data;
}
#endif
