/* Thousands of damaged GGUF files: each must open or be refused with a message, within 1 s of processor time and 64 MiB
 * of memory beyond the file.
 *
 *   mutate_gguf [COUNT [SEED]]      default 10000 files, seed 1; a failure prints the number to repeat it with
 *   mutate_gguf --corpus FOLDER     write the undamaged samples there (the fuzzer's seeds)
 *
 * Every eighth file goes through the disk, mapped and read in turn; the others are opened in memory, from a block of
 * exactly their size, so that a sanitizer sees any over-read.  Real models join the samples if NCE_TEST_DATA has them. */
#include "tests/fuzz/gguf_samples.h"
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SOURCES = 8, HEAD = 20000, LIMIT_BYTES = 64 << 20 };

typedef struct counter {
    size_t now, most;
} counter;

/* The block's size sits in front of it. */
static void *count_alloc(void *user, size_t size, size_t alignment)
{
    counter *c = user;
    uint8_t *p = aligned_alloc(alignment, (size + 2 * alignment - 1) / alignment * alignment);
    if (p == NULL) return NULL;
    memcpy(p, &size, sizeof size);
    c->now += size;
    if (c->now > c->most) c->most = c->now;
    return p + alignment;
}

static void count_free(void *user, void *p)
{
    uint8_t *start = (uint8_t *)p - 64;
    size_t size;
    memcpy(&size, start, sizeof size);
    ((counter *)user)->now -= size;
    free(start);
}

static uint64_t state;

static uint64_t next(void)
{
    state += 0x9e3779b97f4a7c15u; /* SplitMix64 */
    uint64_t x = state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static size_t below(size_t n)
{
    return n > 0 ? (size_t)(next() % n) : 0;
}

/* One change to *size bytes at data, of which room allows 64 more. */
static void mutate(uint8_t *data, size_t *size)
{
    static const uint64_t numbers[] = {0,          1,          7,          255,           65535,      65536,
                                       0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,    1ull << 60, 1ull << 62,
                                       INT64_MAX,  1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    const uint64_t value = numbers[below(sizeof numbers / sizeof *numbers)];
    const size_t head = *size < HEAD ? *size : HEAD, at = below(head), extra = 1 + below(63);
    if (*size < 16) return;
    switch (next() % 7) {
    case 0:
        *size = below(*size);
        break;
    case 1:
        for (size_t n = 1 + below(8); n > 0; n--)
            data[below(head)] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
        memcpy(data + below(head - 8), &value, 8);
        break;
    case 3:
        memcpy(data + below(head - 4), &value, 4);
        break;
    case 4: /* insert */
        memmove(data + at + extra, data + at, *size - at);
        *size += extra;
        break;
    case 5: /* delete */
        if (at + extra >= *size) break;
        memmove(data + at, data + at + extra, *size - at - extra);
        *size -= extra;
        break;
    default: /* copy one place to another */
        if (at + extra < *size) memmove(data + below(*size - extra), data + at, extra);
    }
}

typedef struct totals {
    unsigned loaded, refused;
    double longest;
    size_t most;
} totals;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static nce_status open_one(nce_context *ctx, const uint8_t *data, size_t size, unsigned number, nce_gguf **g)
{
    if (number % 8 != 0) return nce_gguf_open_memory(ctx, "mutated", data, size, g);
    char path[] = "/tmp/nce-mutated-XXXXXX";
    const int fd = mkstemp(path);
    const nce_gguf_options o = {.no_mmap = number % 16 == 0};
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    close(fd);
    const nce_status status = nce_gguf_open(ctx, path, &o, g);
    unlink(path);
    return status;
}

static bool run_one(const uint8_t *data, size_t size, unsigned number, totals *t)
{
    counter c = {0};
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    nce_gguf *g;
    o.allocator = (nce_allocator){count_alloc, count_free, &c};
    if (nce_context_create(&o, &ctx) != NCE_OK) return false;
    const size_t before = c.most;
    const double start = seconds();
    const nce_status status = open_one(ctx, data, size, number, &g);
    const double time = seconds() - start;
    const size_t most = c.most - before;
    bool good = time < 1.0 && most < size + LIMIT_BYTES;
    if (status == NCE_OK)
        gguf_sample_read_all(g);
    else
        good = good && g == NULL && nce_context_error(ctx)[0] != '\0';
    if (status == NCE_OK)
        t->loaded++;
    else
        t->refused++;
    if (time > t->longest) t->longest = time;
    if (most > t->most) t->most = most;
    if (!good)
        printf("file %u: %s (%s), %.3f s, %zu bytes\n", number, nce_status_name(status), nce_context_error(ctx), time,
               most);
    nce_gguf_close(g);
    nce_context_destroy(ctx);
    return good && c.now == 0;
}

static gguf_sample read_model(nce_context *ctx, const char *name)
{
    gguf_sample s = {0};
    char path[512];
    const char *root = getenv("NCE_TEST_DATA");
    snprintf(path, sizeof path, "%s/models/%s", root != NULL ? root : "", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) return s;
    fseek(f, 0, SEEK_END);
    s.size = (size_t)ftell(f);
    rewind(f);
    s.data = nce_alloc(ctx, s.size);
    if (s.data == NULL || fread(s.data, 1, s.size, f) != s.size) abort();
    fclose(f);
    return s;
}

static int write_corpus(const gguf_sample *samples, const char *folder)
{
    for (int i = 0; i < GGUF_SAMPLES; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/sample-%d.gguf", folder, i);
        FILE *f = fopen(path, "wb");
        if (f == NULL || fwrite(samples[i].data, 1, samples[i].size, f) != samples[i].size || fclose(f) != 0) return 1;
    }
    return 0;
}

static int run(const gguf_sample *sources, int n_sources, unsigned count, uint64_t seed)
{
    totals t = {0};
    unsigned bad = 0;
    for (unsigned i = 0; i < count; i++) {
        state = seed << 32 | i;
        const gguf_sample *s = &sources[below((size_t)n_sources)];
        const unsigned changes = 1 + (unsigned)below(4);
        size_t size = s->size;
        uint8_t *work = malloc(size + 64 * changes);
        memcpy(work, s->data, size);
        for (unsigned k = 0; k < changes; k++)
            mutate(work, &size);
        uint8_t *exact = malloc(size);
        if (size > 0) memcpy(exact, work, size);
        free(work);
        bad += !run_one(exact, size, i, &t);
        free(exact);
    }
    printf("%u files from %d sources: %u loaded, %u refused, %u bad; longest %.1f ms, most memory %zu KiB\n", count,
           n_sources, t.loaded, t.refused, bad, t.longest * 1e3, t.most >> 10);
    return bad > 0;
}

int main(int argc, char **argv)
{
    static const char *const models[] = {"stories260K.gguf", "llama-2-tiny-random.gguf"};
    gguf_sample sources[MAX_SOURCES];
    nce_context *ctx;
    int n = 0, result;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 1;
    for (; n < GGUF_SAMPLES; n++)
        sources[n] = gguf_sample_make(ctx, n);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        sources[n] = read_model(ctx, models[i]);
        if (sources[n].data != NULL)
            n++;
        else
            printf("without %s: not in NCE_TEST_DATA\n", models[i]);
    }
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0)
        result = write_corpus(sources, argv[2]);
    else
        result =
            run(sources, n, argc > 1 ? (unsigned)atoi(argv[1]) : 10000, argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    for (int i = 0; i < n; i++) {
        nce_gguf *g; /* the damage must be ours */
        if (nce_gguf_open_memory(ctx, "source", sources[i].data, sources[i].size, &g) != NCE_OK)
            result = printf("source %d: %s\n", i, nce_context_error(ctx));
        nce_gguf_close(g);
        nce_free(ctx, sources[i].data);
    }
    nce_context_destroy(ctx);
    return result;
}
