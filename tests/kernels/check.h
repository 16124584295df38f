/* Harness of checkkernels: every variant of every kernel family against the scalar reference, bit for bit.
 *
 * A family is one function run once per instruction set.  It draws random shapes and values from the check, places its
 * buffers against unreadable pages (so an over-read is a crash that names its case) and compares with the reference.
 * The seed of a failing run is printed and accepted as an argument. */
#ifndef NCE_TESTS_CHECK_H
#define NCE_TESTS_CHECK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct check {
    const char *family, *isa;
    uint32_t cpu;    /* NCE_CPU_* bits of the variant under test; the reference is 0 */
    uint64_t seed;   /* of this run */
    uint64_t random; /* generator state */
    size_t n_compared, n_failed;
    uint64_t digest; /* of all results compared: the same on every processor for one seed */
    size_t n_buffers;
    struct check_buffer {
        void *map;
        size_t bytes;
    } buffers[32];
} check;

/* Where a guarded buffer touches an unreadable page. */
typedef enum check_edge { CHECK_AT_END = 0, CHECK_AT_START = 1 } check_edge;

typedef void check_run_fn(check *c);
typedef struct check_family {
    const char *name;
    check_run_fn *run;
} check_family;
extern const check_family check_families[]; /* main.c; ends with a NULL name */
check_run_fn check_matmul_run, check_attention_run, check_vec_run, check_sparse_run;

uint64_t check_random(check *c);
size_t check_between(check *c, size_t low, size_t high); /* both included */
float check_uniform(check *c);                           /* -1 .. 1 */

/* Values for a kernel's float input. */
typedef enum check_fill {
    CHECK_UNIFORM = 0,
    CHECK_ENDS = 1,   /* +-1 only: every activation code is +-127 */
    CHECK_SPARSE = 2, /* mostly +0 and -0, the rest small */
    CHECK_WILD = 3,   /* any finite magnitude, denormals included */
    CHECK_N_FILLS = 4
} check_fill;
void check_fill_f32(check *c, float *x, size_t n, check_fill kind);

/* bytes of memory between two unreadable pages; CHECK_AT_END: the last byte is followed by one (bytes must then be a
 * multiple of the alignment needed), CHECK_AT_START: the first byte follows one and is page aligned.  Filled with 0x5a.
 * Freed by check_release. */
void *check_guarded(check *c, size_t bytes, check_edge edge);
/* Plain memory, 64-byte aligned, filled with 0x5a; freed by check_release. */
void *check_memory(check *c, size_t bytes);
void check_release(check *c); /* all buffers of a case */

/* Name the case that runs now: shown by a failure and by a crash. */
void check_case(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Count a failure and print it with its case; the first few only. */
void check_fail(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A family's number of cases, or what NCE_CHECK_CASES says: an emulator takes long for each. */
int check_n_cases(int usual);
/* Results that nothing is compared with bit for bit: part of the digest. */
void check_digest(check *c, const float *x, size_t n);
/* n floats equal bit for bit (NaN equals NaN), or a failure naming the first that differs. */
bool check_same_f32(check *c, const char *what, const float *want, const float *got, size_t n);
/* A matrix [n_rows][ld] whose first n of every row must equal want [n_rows][n], and whose rest still is 0x5a. */
bool check_same_rows(check *c, const char *what, const float *want, const float *got, size_t n_rows, size_t n,
                     size_t ld);

#endif
