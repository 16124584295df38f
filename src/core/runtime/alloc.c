/* Memory through the context's allocator.  Every block is 64-byte aligned so that kernels may use aligned loads. */
#include "src/core/runtime/context.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

void *nce_alloc(nce_context *ctx, size_t bytes)
{
    if (bytes == 0) bytes = 1;
    return ctx->allocator.alloc(ctx->allocator.user, bytes, ALIGNMENT);
}

void *nce_alloc_zero(nce_context *ctx, size_t bytes)
{
    void *p = nce_alloc(ctx, bytes);
    if (p != NULL) memset(p, 0, bytes);
    return p;
}

void *nce_alloc_array(nce_context *ctx, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return nce_alloc_zero(ctx, bytes);
}

void *nce_realloc(nce_context *ctx, void *p, size_t old_bytes, size_t new_bytes)
{
    void *q = nce_alloc(ctx, new_bytes);
    if (q == NULL) return NULL;
    if (p != NULL) memcpy(q, p, old_bytes < new_bytes ? old_bytes : new_bytes);
    nce_free(ctx, p);
    return q;
}

void nce_free(nce_context *ctx, void *p)
{
    if (p != NULL) ctx->allocator.free(ctx->allocator.user, p);
}

char *nce_strndup(nce_context *ctx, const char *text, size_t n)
{
    char *copy = nce_alloc(ctx, n + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

nce_status nce_grow(nce_context *ctx, void **items, size_t *capacity, size_t needed, size_t element_bytes)
{
    if (needed <= *capacity) return NCE_OK;
    size_t next = *capacity < 16 ? 16 : *capacity, bytes;
    while (next < needed)
        if (__builtin_mul_overflow(next, (size_t)2, &next)) return nce_fail_nomem(ctx, SIZE_MAX);
    if (__builtin_mul_overflow(next, element_bytes, &bytes)) return nce_fail_nomem(ctx, SIZE_MAX);
    void *grown = nce_realloc(ctx, *items, *capacity * element_bytes, bytes);
    if (grown == NULL) return nce_fail_nomem(ctx, bytes);
    *items = grown;
    *capacity = next;
    return NCE_OK;
}
