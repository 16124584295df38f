/* attention [-i scalar|avx2|avx512] [-m prefill|decode|store] [-k TYPE] [-v TYPE] [-d DK[/DV]] [-g GROUP] [-c CONTEXT]
 *           [-n ROWS] [-s SEQUENCES] [-t THREADS] [-r REPEATS]
 *
 * Attention beside the roofline measured by the same program.  Prefill: 512 rows of 8 query heads at the end of a
 * context, useful multiplications per second against the f32 peak.  Decode: one row (or ROWS) of each of some
 * sequences, 8 KV heads, more than 256 MiB of keys and values, bytes read per second against a plain read.  Store:
 * nanoseconds for a position of 8 KV heads.  One thread: thread CPU time; several: wall clock.  Medians; best in
 * brackets. */
#include "bench/kernels.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/attention.h"
#include "tools/measure.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { N_HEADS = 8, MOST_REPEATS = 64 };

typedef struct options {
    const char *isa, *mode;
    nce_type type_k, type_v;
    uint32_t dk, dv, group, cpu;
    size_t context, rows, sequences;
    int threads, repeats;
} options;

typedef struct cache {
    uint8_t *memory, **pages; /* [sequence][page] */
    size_t n_pages, k_bytes, v_bytes;
} cache;

static float noise(size_t i)
{
    return (float)((int)((uint32_t)i * 2654435761u >> 12 & 0xffff) - 32768) / 32768.0f;
}

static float *floats(size_t n)
{
    float *p = bench_huge_alloc(n * sizeof *p);
    if (p == NULL) exit(1);
    for (size_t i = 0; i < n; i++)
        p[i] = noise(i);
    return p;
}

/* One sequence is stored position by position, the others are copies of it. */
static cache open_cache(const nce_attn_ops *ops, const nce_attn_shape *shape, size_t context, size_t sequences)
{
    const size_t heads = shape->n_kv_heads;
    cache c = {.k_bytes = heads * nce_kv_k_bytes(shape->type_k, shape->n_dk)};
    c.v_bytes = heads * nce_kv_v_bytes(shape->type_v, shape->n_dv);
    c.n_pages = (context + NCE_KV_PAGE - 1) / NCE_KV_PAGE;
    const size_t page = c.k_bytes + c.v_bytes;
    c.memory = bench_huge_alloc(page * c.n_pages * sequences);
    c.pages = malloc(c.n_pages * sequences * sizeof *c.pages);
    float *x = floats(heads * (shape->n_dk + shape->n_dv) + 8 * context);
    if (c.memory == NULL || c.pages == NULL) exit(1);
    for (size_t i = 0; i < c.n_pages * sequences; i++)
        c.pages[i] = c.memory + i * page;
    for (size_t p = 0; p < context; p++) {
        uint8_t *at = c.pages[p / NCE_KV_PAGE];
        ops->store(shape, at, at + c.k_bytes, p % NCE_KV_PAGE, x + 8 * p, x + 8 * p + heads * shape->n_dk);
    }
    for (size_t s = 1; s < sequences; s++)
        memcpy(c.memory + s * c.n_pages * page, c.memory, c.n_pages * page);
    free(x);
    return c;
}

static void run_calls(const nce_attn_ops *ops, nce_attn_call *calls, size_t n, int threads, void **scratch)
{
    for (size_t i = 0; i < n; i++)
        atomic_store(&calls[i].next_unit, 0);
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const size_t thread = (size_t)omp_get_thread_num();
        for (size_t i = 0; i < n; i++)
            ops->phase1(&calls[i], thread, (size_t)threads, scratch[thread]);
#pragma omp barrier
        for (size_t i = 0; i < n; i++)
            ops->phase2(&calls[i], thread, (size_t)threads, scratch[thread]);
    }
#else
    for (size_t i = 0; i < n; i++) {
        ops->phase1(&calls[i], 0, (size_t)threads, scratch[0]);
        ops->phase2(&calls[i], 0, (size_t)threads, scratch[0]);
    }
#endif
}

typedef struct timing {
    double median, best, share; /* seconds of a pass; the median share of work / roof, the roof measured beside each */
} timing;

static timing time_calls(const nce_attn_ops *ops, const nce_attn_shape *shape, const options *o, const cache *c,
                         size_t rows, size_t sequences, double work, double (*roof)(uint32_t cpu))
{
    const size_t heads = (size_t)shape->n_kv_heads * shape->n_group, ld_q = heads * shape->n_dk,
                 ld_out = heads * shape->n_dv;
    const size_t parts = nce_attn_parts_bytes(shape, rows, o->context);
    float *q = floats(rows * ld_q), *out = floats(rows * ld_out);
    uint8_t *all_parts = bench_huge_alloc(parts * sequences + 64);
    nce_attn_call *calls = calloc(sequences, sizeof *calls);
    void *scratch[64] = {0};
    double seconds[MOST_REPEATS], shares[MOST_REPEATS];
    if (calls == NULL || all_parts == NULL) exit(1);
    for (int i = 0; i < o->threads; i++)
        scratch[i] = bench_huge_alloc(nce_attn_scratch_bytes(shape));
    for (size_t s = 0; s < sequences; s++)
        calls[s] = (nce_attn_call){.shape = shape,
                                   .kv = {c->pages + s * c->n_pages, 0, c->k_bytes},
                                   .q = q,
                                   .ld_q = ld_q,
                                   .out = out,
                                   .ld_out = ld_out,
                                   .n_rows = rows,
                                   .pos0 = o->context - rows,
                                   .parts = (float *)(void *)(all_parts + s * parts)};
    for (int i = -1; i < o->repeats; i++) {
        const clockid_t clock = o->threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
        const double start = measure_seconds(clock);
        run_calls(ops, calls, sequences, o->threads, scratch);
        if (i < 0) continue;
        seconds[i] = measure_seconds(clock) - start;
        shares[i] = work * 1e-9 / seconds[i] / (roof(o->cpu) * o->threads);
    }
    for (int i = 0; i < o->threads; i++)
        free(scratch[i]);
    free(q), free(out), free(all_parts), free(calls);
    const size_t n = (size_t)o->repeats;
    return (timing){measure_quantile(seconds, n, 0.5), measure_quantile(seconds, n, 0), measure_quantile(shares, n, 0.5)};
}

static double read_roof(uint32_t cpu)
{
    return (void)cpu, bench_read_gbs();
}

static nce_attn_shape shape_of(const options *o, uint32_t kv_heads)
{
    return (nce_attn_shape){.n_dk = o->dk,
                            .n_dv = o->dv,
                            .n_kv_heads = kv_heads,
                            .n_group = o->group,
                            .scale = 1.0f / sqrtf((float)o->dk),
                            .type_k = o->type_k,
                            .type_v = o->type_v};
}

static void print_case(const options *o)
{
    printf("%-7s %-6s %-4s %-4s size %3u/%-3u group %2u context %6zu threads %d:", o->mode, o->isa,
           nce_type_name(o->type_k), nce_type_name(o->type_v), o->dk, o->dv, o->group, o->context, o->threads);
}

static void bench_prefill(const nce_attn_ops *ops, const options *o)
{
    const nce_attn_shape shape = shape_of(o, N_HEADS / o->group > 0 ? N_HEADS / o->group : 1);
    const size_t rows = o->rows < o->context ? o->rows : o->context;
    cache c = open_cache(ops, &shape, o->context, 1);
    double live = 0;
    for (size_t r = 0; r < rows; r++)
        live += (double)(o->context - rows + r + 1);
    const double macs = live * shape.n_kv_heads * o->group * (o->dk + o->dv);
    const timing t = time_calls(ops, &shape, o, &c, rows, 1, macs, bench_peak_f32_gmacs);
    print_case(o);
    printf(" %6.1f (%6.1f) GMAC/s = %3.0f%% of f32 peak\n", macs / t.median * 1e-9, macs / t.best * 1e-9,
           100 * t.share);
    free(c.memory), free(c.pages);
}

static void bench_decode(const nce_attn_ops *ops, const options *o)
{
    const nce_attn_shape shape = shape_of(o, N_HEADS);
    const double bytes = (double)N_HEADS *
                         (double)(nce_kv_k_bytes(o->type_k, o->dk) + nce_kv_v_bytes(o->type_v, o->dv)) *
                         (double)o->context / NCE_KV_PAGE;
    const size_t sequences = o->sequences ? o->sequences : (size_t)(268e6 / bytes) + 1;
    cache c = open_cache(ops, &shape, o->context, sequences);
    const double all = bytes * (double)sequences;
    const timing t = time_calls(ops, &shape, o, &c, o->rows, sequences, all, read_roof);
    print_case(o);
    printf(" %5.1f (%5.1f) GB/s = %3.0f%% of read%s, %5.1f ns a position and head\n", all / t.median * 1e-9,
           all / t.best * 1e-9, 100 * t.share, o->threads > 1 ? " (threads x one)" : "",
           t.median / (double)sequences / (double)o->context / N_HEADS * 1e9);
    free(c.memory), free(c.pages);
}

static void bench_store(const nce_attn_ops *ops, const options *o)
{
    const nce_attn_shape shape = shape_of(o, N_HEADS);
    double best = 1e9;
    for (int i = 0; i < o->repeats; i++) {
        const double start = bench_cpu_seconds();
        cache c = open_cache(ops, &shape, o->context, 1);
        const double middle = bench_cpu_seconds();
        free(c.memory), free(c.pages);
        c = open_cache(ops, &shape, NCE_KV_PAGE * 2, 1);
        const double end = bench_cpu_seconds(), s = (middle - start - (end - middle)) / (double)o->context;
        if (s < best) best = s;
        free(c.memory), free(c.pages);
    }
    print_case(o);
    printf(" %.0f ns a position of %d KV heads (page faults included)\n", best * 1e9, N_HEADS);
}

static int parse(int argc, char **argv, options *o)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } isas[] = {{"scalar", 0}, {"avx2", NCE_CPU_AVX2}, {"avx512", NCE_CPU_AVX2 | NCE_CPU_AVX512}};
    *o = (options){.isa = "avx512",
                   .mode = "decode",
                   .type_k = NCE_TYPE_F16,
                   .type_v = (nce_type)-1,
                   .dk = 128,
                   .group = 4,
                   .context = 4096,
                   .threads = 1,
                   .repeats = 9};
    int known = 1;
    for (int c; (c = getopt(argc, argv, "i:m:k:v:d:g:c:n:s:t:r:")) != -1;)
        switch (c) {
        case 'i':
            o->isa = optarg;
            break;
        case 'm':
            o->mode = optarg;
            break;
        case 'k':
            known &= nce_type_from_name(optarg, &o->type_k) == NCE_OK;
            break;
        case 'v':
            known &= nce_type_from_name(optarg, &o->type_v) == NCE_OK;
            break;
        case 'd':
            known &= sscanf(optarg, "%u/%u", &o->dk, &o->dv) >= 1;
            break;
        case 'g':
            o->group = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            o->context = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            o->rows = strtoull(optarg, NULL, 10);
            break;
        case 's':
            o->sequences = strtoull(optarg, NULL, 10);
            break;
        case 't':
            o->threads = (int)strtol(optarg, NULL, 10);
            break;
        case 'r':
            o->repeats = (int)strtol(optarg, NULL, 10);
            break;
        default:
            known = 0;
        }
    if (o->dv == 0) o->dv = o->dk;
    if (o->type_v == (nce_type)-1) o->type_v = o->type_k;
    if (o->rows == 0) o->rows = strcmp(o->mode, "prefill") ? 1 : 512;
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
        if (strcmp(isas[i].name, o->isa) == 0) {
            o->cpu = isas[i].bits;
            return known && (o->cpu & ~nce_cpu_detect()) == 0 && o->repeats >= 1 && o->repeats <= MOST_REPEATS &&
                   o->threads >= 1 && o->threads <= 64 && o->context >= 1 && o->group >= 1;
        }
    return 0;
}

int main(int argc, char **argv)
{
    options o;
    nce_attn_ops ops;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: see the head of bench/attention.c\n");
        return 2;
    }
    nce_attn_ops_init(&ops, o.cpu);
    if (strcmp(o.mode, "prefill") == 0)
        bench_prefill(&ops, &o);
    else if (strcmp(o.mode, "store") == 0)
        bench_store(&ops, &o);
    else
        bench_decode(&ops, &o);
    return 0;
}
