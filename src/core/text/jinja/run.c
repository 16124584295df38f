/* What every step of the interpreter stands on: the arena, the four limits, the output and the way out on a failure. */
#include "src/core/text/jinja/jinja.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct jchunk {
    jchunk *next;
    size_t n, capacity;
    _Alignas(16) char bytes[];
};

nce_status nce_jinja_protect(nce_jinja *j, void (*body)(nce_jinja *j, void *arg), void *arg)
{
    if (setjmp(j->failed) != 0) return j->status;
    body(j, arg);
    return NCE_OK;
}

void nce_jinja_finish(nce_jinja *j)
{
    while (j->chunks != NULL) {
        jchunk *next = j->chunks->next;
        nce_free(j->ctx, j->chunks);
        j->chunks = next;
    }
    nce_free(j->ctx, j->out);
    j->out = NULL;
}

void nce_jinja_fail(nce_jinja *j, nce_status status, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    j->status = nce_fail(j->ctx, status, "%s, line %u: %s", j->what, j->line, text);
    longjmp(j->failed, 1);
}

static void add_chunk(nce_jinja *j, size_t bytes)
{
    size_t capacity = j->chunks == NULL ? 4096 : j->chunks->capacity * 2;
    if (capacity > 1 << 20) capacity = 1 << 20;
    if (capacity < bytes) capacity = bytes;
    if (capacity > j->max_memory - j->memory)
        nce_jinja_fail(j, NCE_ERR_LIMIT, "more than the limit of %zu bytes of memory", j->max_memory);
    jchunk *c = nce_alloc(j->ctx, sizeof *c + capacity);
    if (c == NULL) {
        j->status = nce_fail_nomem(j->ctx, sizeof *c + capacity);
        longjmp(j->failed, 1);
    }
    *c = (jchunk){.next = j->chunks, .capacity = capacity};
    j->chunks = c;
    j->memory += capacity;
}

void *nce_jinja_alloc(nce_jinja *j, size_t bytes)
{
    if (bytes > j->max_memory)
        nce_jinja_fail(j, NCE_ERR_LIMIT, "more than the limit of %zu bytes of memory", j->max_memory);
    bytes = (bytes + 15) & ~(size_t)15;
    nce_jinja_burn(j, bytes / 64); /* touching memory takes time */
    if (j->chunks == NULL || j->chunks->capacity - j->chunks->n < bytes) add_chunk(j, bytes);
    void *p = j->chunks->bytes + j->chunks->n;
    j->chunks->n += bytes;
    return memset(p, 0, bytes);
}

void nce_jinja_burn(nce_jinja *j, uint64_t steps)
{
    if (steps > j->fuel) nce_jinja_fail(j, NCE_ERR_LIMIT, "more steps than the limit allows");
    j->fuel -= steps;
}

void nce_jinja_enter(nce_jinja *j)
{
    if (++j->depth > j->max_depth)
        nce_jinja_fail(j, NCE_ERR_LIMIT, "nested deeper than the limit of %u levels", j->max_depth);
}

void nce_jinja_write(nce_jinja *j, const char *s, size_t n)
{
    if (n == 0) return;
    if (n > j->max_out - j->n_out)
        nce_jinja_fail(j, NCE_ERR_LIMIT, "more than the limit of %zu bytes of output", j->max_out);
    nce_jinja_burn(j, n / 64);
    const nce_status status = nce_grow(j->ctx, (void **)&j->out, &j->out_capacity, j->n_out + n + 1, 1);
    if (status != NCE_OK) {
        j->status = status;
        longjmp(j->failed, 1);
    }
    memcpy(j->out + j->n_out, s, n);
    j->n_out += n;
}

jvalue nce_jinja_capture(nce_jinja *j, size_t start)
{
    const jvalue v = nce_jinja_copy(j, j->out != NULL ? j->out + start : "", j->n_out - start);
    j->n_out = start;
    return v;
}
