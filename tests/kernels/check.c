/* Random values, guarded memory and comparisons of checkkernels (see check.h). */
#include "tests/kernels/check.h"
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, SHOWN = 8, FILLER = 0x5a };

static char current[256]; /* the running case, for the crash handler */

static void crashed(int signal_number)
{
    static const char text[] = "\nCRASH (read or write outside a buffer?) in ";
    ssize_t n = write(2, text, sizeof text - 1);
    n += write(2, current, strlen(current));
    n += write(2, "\n", 1);
    (void)n;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void check_case(check *c, const char *format, ...)
{
    va_list args;
    const int n =
        snprintf(current, sizeof current, "%s.%s seed %llu: ", c->family, c->isa, (unsigned long long)c->seed);
    va_start(args, format);
    vsnprintf(current + n, sizeof current - (size_t)n, format, args);
    va_end(args);
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    signal(SIGILL, crashed);
}

void check_fail(check *c, const char *format, ...)
{
    if (c->n_failed++ >= SHOWN) return;
    va_list args;
    fprintf(stderr, "FAIL %s: ", current);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int check_n_cases(int usual)
{
    const char *few = getenv("NCE_CHECK_CASES");
    return few != NULL && atoi(few) > 0 ? atoi(few) : usual;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t check_random(check *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

size_t check_between(check *c, size_t low, size_t high)
{
    return low + (size_t)(check_random(c) % (high - low + 1));
}

float check_uniform(check *c)
{
    return (float)(int32_t)(uint32_t)(check_random(c) >> 32) * 0x1p-31f;
}

void check_fill_f32(check *c, float *x, size_t n, check_fill kind)
{
    for (size_t i = 0; i < n; i++) {
        const float u = check_uniform(c);
        switch (kind) {
        case CHECK_ENDS:
            x[i] = u < 0 ? -1.0f : 1.0f;
            break;
        case CHECK_SPARSE:
            x[i] = check_random(c) % 16 ? copysignf(0.0f, u) : u * u * u;
            break;
        case CHECK_WILD:
            x[i] = ldexpf(u, (int)check_between(c, 0, 240) - 140);
            break;
        default:
            x[i] = u;
            break;
        }
    }
}

static void *keep(check *c, void *map, size_t bytes)
{
    if (map == MAP_FAILED || c->n_buffers == sizeof c->buffers / sizeof *c->buffers) {
        fprintf(stderr, "checkkernels: out of memory or buffer slots\n");
        exit(2);
    }
    c->buffers[c->n_buffers].map = map;
    c->buffers[c->n_buffers++].bytes = bytes;
    return map;
}

void *check_guarded(check *c, size_t bytes, check_edge edge)
{
    const size_t body = (bytes + PAGE - 1) / PAGE * PAGE, all = body + 2 * PAGE;
    char *map = keep(c, mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), all);
    if (body && mprotect(map + PAGE, body, PROT_READ | PROT_WRITE)) exit(2);
    memset(map + PAGE, FILLER, body);
    return map + PAGE + (edge == CHECK_AT_END ? body - bytes : 0);
}

void *check_memory(check *c, size_t bytes)
{
    const size_t all = bytes + 64;
    void *map = keep(c, mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), all);
    return memset(map, FILLER, all);
}

void check_release(check *c)
{
    while (c->n_buffers > 0) {
        c->n_buffers--;
        munmap(c->buffers[c->n_buffers].map, c->buffers[c->n_buffers].bytes);
    }
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* FNV-1a over words; a NaN is a NaN, whatever its payload. */
void check_digest(check *c, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        c->digest = (c->digest ^ (isnan(x[i]) ? 0x7fc00000u : bits_of(x[i]))) * 0x100000001b3u;
}

bool check_same_f32(check *c, const char *what, const float *want, const float *got, size_t n)
{
    c->n_compared++;
    check_digest(c, got, n);
    for (size_t i = 0; i < n; i++) {
        if (bits_of(want[i]) == bits_of(got[i]) || (isnan(want[i]) && isnan(got[i]))) continue;
        check_fail(c, "%s: element %zu of %zu is %.9g (%08x), want %.9g (%08x)", what, i, n, (double)got[i],
                   bits_of(got[i]), (double)want[i], bits_of(want[i]));
        return false;
    }
    return true;
}

bool check_same_rows(check *c, const char *what, const float *want, const float *got, size_t n_rows, size_t n,
                     size_t ld)
{
    for (size_t r = 0; r < n_rows; r++) {
        if (!check_same_f32(c, what, want + r * n, got + r * ld, n)) return false;
        for (size_t i = n; i < ld; i++) {
            if (bits_of(got[r * ld + i]) == 0x5a5a5a5au) continue;
            check_fail(c, "%s: wrote element %zu of row %zu, which has %zu", what, i, r, n);
            return false;
        }
    }
    return true;
}
