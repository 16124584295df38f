/* Inside of a context: what every module may use.  Allocation, error reporting and logging all go through here. */
#ifndef NCE_SRC_CONTEXT_H
#define NCE_SRC_CONTEXT_H
#include "nce/context.h"
#include "src/core/runtime/cpu.h"
#include <pthread.h>
#include <stdatomic.h>

enum { NCE_ERROR_SLOTS = 32, NCE_ERROR_BYTES = 512 };

typedef struct nce_error_slot {
    pthread_t thread;
    uint64_t sequence; /* 0: free */
    char text[NCE_ERROR_BYTES];
} nce_error_slot;

/* A block that lives as long as its context; the rest of it follows in the same allocation. */
typedef struct nce_kept {
    struct nce_kept *next;
} nce_kept;

struct nce_context {
    nce_allocator allocator;
    nce_log_fn *log;
    void *log_user;
    uint32_t log_level;
    uint32_t n_threads;
    nce_isa isa;
    bool meters;
    char *paths; /* NAME=PATH, each ended by a zero byte, the list by another; or NULL */
    uint32_t cpu; /* NCE_CPU_* bits the kernels may use, already masked by isa */
    pthread_mutex_t error_mutex, log_mutex, devices_mutex;
    struct nce_device_list *devices; /* hal/list.c: one block, or NULL until asked for */
    uint64_t error_sequence;
    nce_error_slot errors[NCE_ERROR_SLOTS];
    pthread_mutex_t architectures_mutex;
    nce_kept *architectures; /* registered by the program, see src/core/model/register.c */
};

/* ---- memory: 64-byte aligned, n may be 0 (a unique pointer all the same), NULL when there is none ---- */
void *nce_alloc(nce_context *ctx, size_t bytes);
void *nce_alloc_zero(nce_context *ctx, size_t bytes);
/* count * size with the product checked; zeroed. */
void *nce_alloc_array(nce_context *ctx, size_t count, size_t size);
/* Grow or shrink: keeps min(old, new) bytes; on NULL the old block is untouched. */
void *nce_realloc(nce_context *ctx, void *p, size_t old_bytes, size_t new_bytes);
void nce_free(nce_context *ctx, void *p); /* NULL is allowed */
char *nce_strndup(nce_context *ctx, const char *text, size_t n);
/* Make room for one more element in *items (capacity doubles); NCE_ERR_NOMEM is reported.
 * Typical use: nce_grow(ctx, (void **)&v->items, &v->capacity, v->count + 1, sizeof *v->items) */
nce_status nce_grow(nce_context *ctx, void **items, size_t *capacity, size_t needed, size_t element_bytes);

/* ---- failures ---- */
/* Record the message of this thread and return status, so that "return nce_fail(ctx, NCE_ERR_FORMAT, ...)" reads well.
 * A NOMEM message needs no memory. */
nce_status nce_fail(nce_context *ctx, nce_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
nce_status nce_fail_nomem(nce_context *ctx, size_t bytes);
void nce_log(nce_context *ctx, nce_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- where things lie ---- */
/* The path that the context's options give for a name, or the usual one.  Lives as long as the context. */
const char *nce_path(const nce_context *ctx, const char *name, const char *usual);

/* ---- options ---- */
/* Copy the caller's option struct of any age into dst (dst_size bytes, defaults already in it): an older, shorter one
 * leaves the tail at its default, a newer, longer one must have zeroes beyond what we know. */
nce_status nce_read_options(nce_context *ctx, void *dst, size_t dst_size, const void *src, const char *what);

#endif
