/* Creation of contexts, and the reader of option structs that all modules share. */
#include "src/core/runtime/context.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(sizeof(nce_context_options) == 72, "ABI: grows only at the end");

enum { HUGE_FROM = 4 << 20, HUGE_PAGE = 2 << 20 };

/* Large blocks are weights read into memory, activations, or tables walked at random: ask for huge pages (several per cent
 * of a decode).  Refusal does no harm. */
static void *huge_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - HUGE_PAGE) return NULL;
    void *p = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1));
#ifdef MADV_HUGEPAGE
    if (p != NULL) madvise(p, bytes & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
#endif
    return p;
}

static void *libc_alloc(void *user, size_t size, size_t alignment)
{
    (void)user;
    size_t rounded;
    if (__builtin_add_overflow(size, alignment - 1, &rounded)) return NULL;
    if (size >= HUGE_FROM && alignment <= HUGE_PAGE) return huge_alloc(size);
    return aligned_alloc(alignment, rounded & ~(alignment - 1));
}

static void libc_free(void *user, void *p)
{
    (void)user;
    free(p);
}

nce_status nce_read_options(nce_context *ctx, void *dst, size_t dst_size, const void *src, const char *what)
{
    size_t given;
    if (src == NULL) return NCE_OK;
    memcpy(&given, src, sizeof given);
    if (given < sizeof given || given > 4096)
        return nce_fail(ctx, NCE_ERR_INVALID, "%s: struct_size %zu: use the _INIT macro", what, given);
    const size_t known = given < dst_size ? given : dst_size;
    for (size_t i = known; i < given; i++)
        if (((const unsigned char *)src)[i] != 0)
            return nce_fail(ctx, NCE_ERR_INVALID, "%s: byte %zu set, this library (%s) knows %zu bytes of options", what, i,
                            nce_version_string(), dst_size);
    memcpy(dst, src, known);
    memcpy(dst, &dst_size, sizeof dst_size);
    return NCE_OK;
}

static char *copy_paths(nce_context *ctx, const char *paths)
{
    const size_t n = strlen(paths);
    char *copy = nce_alloc(ctx, n + 2);
    if (copy == NULL) return NULL;
    for (size_t i = 0; i < n; i++)
        copy[i] = paths[i] == ',' ? '\0' : paths[i];
    copy[n] = copy[n + 1] = '\0';
    return copy;
}

const char *nce_path(const nce_context *ctx, const char *name, const char *usual)
{
    const size_t n = strlen(name);
    for (const char *p = ctx->paths; p != NULL && *p != '\0'; p += strlen(p) + 1)
        if (strncmp(p, name, n) == 0 && p[n] == '=') return p + n + 1;
    return usual;
}

nce_status nce_context_create(const nce_context_options *options, nce_context **out)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    uint32_t bits;
    nce_isa isa;
    if (out == NULL) return NCE_ERR_INVALID;
    *out = NULL;
    const nce_status status = nce_read_options(NULL, &o, sizeof o, options, "nce_context_options");
    if (status != NCE_OK) return status;
    if ((o.allocator.alloc == NULL) != (o.allocator.free == NULL) || o.log_level > NCE_LOG_DEBUG || o.n_threads > 1024 ||
        o.isa > NCE_ISA_NEON || o.meters > 1)
        return NCE_ERR_INVALID;
    if (!nce_cpu_mask((nce_isa)o.isa, nce_cpu_detect(), &bits, &isa)) return NCE_ERR_UNSUPPORTED;
    if (o.allocator.alloc == NULL) o.allocator = (nce_allocator){libc_alloc, libc_free, NULL};
    nce_context *ctx = o.allocator.alloc(o.allocator.user, sizeof *ctx, 64);
    if (ctx == NULL) return NCE_ERR_NOMEM;
    memset(ctx, 0, sizeof *ctx);
    ctx->allocator = o.allocator;
    ctx->log = o.log;
    ctx->log_user = o.log_user;
    ctx->log_level = o.log_level != 0 ? o.log_level : NCE_LOG_WARNING;
    ctx->n_threads = o.n_threads != 0 ? o.n_threads : nce_cpu_count();
    ctx->isa = isa;
    ctx->cpu = bits;
    ctx->meters = o.meters == 1;
    if (o.paths != NULL && (ctx->paths = copy_paths(ctx, o.paths)) == NULL) {
        nce_free(ctx, ctx);
        return NCE_ERR_NOMEM;
    }
    pthread_mutex_init(&ctx->error_mutex, NULL);
    pthread_mutex_init(&ctx->log_mutex, NULL);
    pthread_mutex_init(&ctx->architectures_mutex, NULL);
    pthread_mutex_init(&ctx->devices_mutex, NULL);
    *out = ctx;
    return NCE_OK;
}

void nce_context_destroy(nce_context *ctx)
{
    if (ctx == NULL) return;
    pthread_mutex_destroy(&ctx->error_mutex);
    pthread_mutex_destroy(&ctx->log_mutex);
    pthread_mutex_destroy(&ctx->architectures_mutex);
    for (nce_kept *k = ctx->architectures, *next; k != NULL; k = next) {
        next = k->next;
        nce_free(ctx, k);
    }
    pthread_mutex_destroy(&ctx->devices_mutex);
    nce_free(ctx, ctx->devices);
    nce_free(ctx, ctx->paths);
    nce_free(ctx, ctx);
}

nce_isa nce_context_isa(const nce_context *ctx)
{
    return ctx->isa;
}

uint32_t nce_context_threads(const nce_context *ctx)
{
    return ctx->n_threads;
}

const char *nce_isa_name(nce_isa isa)
{
    static const char *const names[] = {"auto", "scalar", "avx2", "avx512", "neon"};
    return (unsigned)isa < sizeof names / sizeof *names ? names[isa] : "unknown";
}
