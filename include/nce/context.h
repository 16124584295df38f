/* The context: allocator, log, error messages, CPU features and threads of everything created from it.
 *
 * A program may have several contexts; they share nothing.  Objects (models, sessions, networks, schedulers) belong to
 * the context they were created from and must be destroyed before it. */
#ifndef NCE_CONTEXT_H
#define NCE_CONTEXT_H
#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_context nce_context;

/* Where all memory of a context comes from.  Both functions are called from any thread of the library, concurrently.
 * alloc: size > 0, alignment a power of two from 16 to 4096; returns NULL when there is none.
 * free: p is what alloc returned, never NULL.  Neither may call the library. */
typedef struct nce_allocator {
    void *(*alloc)(void *user, size_t size, size_t alignment);
    void (*free)(void *user, void *p);
    void *user;
} nce_allocator;

typedef enum nce_log_level {
    NCE_LOG_ERROR = 1,
    NCE_LOG_WARNING = 2,
    NCE_LOG_INFO = 3,
    NCE_LOG_DEBUG = 4
} nce_log_level;

/* text: one line without newline, valid until return.  Called from any thread of the library, one call at a time. */
typedef void nce_log_fn(void *user, nce_log_level level, const char *text);

/* Progress of a long call: done of total units (bytes or steps; total 0: unknown).  Called on the calling thread of the
 * long call.  Return false to cancel: the call then ends with NCE_ERR_CANCELLED. */
typedef bool nce_progress_fn(void *user, uint64_t done, uint64_t total);

/* Instruction set of the CPU kernels.  All give the same bits; a lower one is for tests and comparisons. */
typedef enum nce_isa {
    NCE_ISA_AUTO = 0,   /* the best the processor has */
    NCE_ISA_SCALAR = 1, /* the reference, any processor */
    NCE_ISA_AVX2 = 2,   /* AVX2, FMA, F16C */
    NCE_ISA_AVX512 = 3, /* AVX-512 F, BW, DQ, VL, VNNI, VBMI, GFNI */
    NCE_ISA_NEON = 4    /* Armv8.2 with dot product (and i8mm where present) */
} nce_isa;

typedef struct nce_context_options {
    size_t struct_size;
    nce_allocator allocator; /* alloc NULL: the C library's */
    nce_log_fn *log;         /* NULL: silent */
    void *log_user;
    uint32_t log_level;      /* nce_log_level; 0: NCE_LOG_WARNING */
    uint32_t n_threads;      /* threads a call may use; 0: one per core this process may run on; at most 1024 */
    uint32_t isa;            /* nce_isa */
    uint32_t meters;         /* 1: sessions measure energy where the machine has meters, see metrics.h; 0: they do not */
    /* Where drivers, meters and kernels lie, if not in the usual places: "NAME=PATH,NAME=PATH"; NULL: all usual.  Borrowed
     * until return.  The names are in docs/gpus.md ("cuda=/opt/x/libcuda.so.1,powercap=/host/sys/class/powercap"); no
     * environment variable is read. */
    const char *paths;
} nce_context_options;
#define NCE_CONTEXT_OPTIONS_INIT { sizeof(nce_context_options), { 0, 0, 0 }, 0, 0, 0, 0, 0, 0, 0 }

/* Create a context.
 *
 * options  NULL for all defaults; borrowed until return.
 * out      the context, owned by the caller: nce_context_destroy.  NULL on failure.
 * Returns NCE_OK; NCE_ERR_INVALID (out is NULL, an option out of range or unknown, only one of alloc and free given);
 *         NCE_ERR_UNSUPPORTED (the processor or this build lacks the isa asked for); NCE_ERR_NOMEM.
 * Threads: any.  Since 0.1. */
NCE_API nce_status nce_context_create(const nce_context_options *options, nce_context **out);

/* Destroy a context whose objects have all been destroyed.  NULL is allowed.  Since 0.1. */
NCE_API void nce_context_destroy(nce_context *ctx);

/* What went wrong in the calling thread's last failed call on this context or one of its objects: one line of UTF-8
 * that names the file, key, value and limit.  "" if nothing failed on this thread.
 *
 * Returns text owned by the context, valid until this thread's next failing call on the same context; never NULL, also
 * for ctx NULL.  The messages of the last 32 failing threads are kept.  Any thread.  Since 0.1. */
NCE_API const char *nce_context_error(const nce_context *ctx);

/* The instruction set in use (never AUTO) and its name ("scalar", "avx2", "avx512", "neon").  Any thread.  Since 0.1. */
NCE_API nce_isa nce_context_isa(const nce_context *ctx);
NCE_API const char *nce_isa_name(nce_isa isa);

/* Threads that a call on this context uses by default.  Any thread.  Since 0.1. */
NCE_API uint32_t nce_context_threads(const nce_context *ctx);

#ifdef __cplusplus
}
#endif
#endif
