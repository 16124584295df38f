/* kernels [-i scalar|avx2|avx512|amx] [-t TYPE] [-r REPEATS] [-q PERCENT] [-k K] [-c COLUMNS,...]
 *
 * The matrix products on one core, beside the roofline measured by the same program: for few columns the rate at which
 * weights are read from memory (they are 256 MiB, so in no cache), for many the multiplications per second over 2048
 * rows. Thread CPU time of slices of 4 MiB, median of all of them (-q 10: the tenth percentile, for a machine with other
 * work; a slice is short enough to be left alone now and then). */
#include "bench/kernels.h"
#include "src/core/runtime/cpu.h"
#include "src/kernels/matmul.h"
#include "tools/measure.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFILL_ROWS = 2048, DECODE_MIB = 256, SLICE_MIB = 4, MANY = 32, MOST_COLUMNS = 16 };

typedef struct options {
    const char *isa, *type;
    uint32_t cpu;
    int repeats, percentile;
    size_t k, columns[MOST_COLUMNS], n_columns;
} options;

typedef struct roofline {
    double read, int8, f32;
} roofline;

/* Seconds of a product of n_rows rows with n_cols columns, from the quantile of its slices. */
static double time_product(const nce_matmul_ops *ops, const options *o, const nce_type_info *type, const uint8_t *w,
                           size_t n_rows, size_t n_cols)
{
    const size_t row_bytes = o->k / type->block * type->block_bytes;
    float *x = bench_huge_alloc(n_cols * o->k * sizeof *x), *y = bench_huge_alloc(n_cols * n_rows * sizeof *y);
    nce_act act = {type->act_block, n_cols, o->k, bench_huge_alloc(ops->act_bytes(type->act_block, n_cols, o->k))};
    void *scratch = bench_huge_alloc(ops->scratch_bytes);
    const size_t slice_rows = ((size_t)SLICE_MIB << 20) / row_bytes / 16 * 16, per_slice = slice_rows ? slice_rows : 16;
    const size_t n_slices = n_rows < per_slice ? 1 : n_rows / per_slice, n_samples = (size_t)o->repeats * n_slices;
    const size_t rows = n_rows < per_slice ? n_rows : per_slice;
    double *seconds = malloc(n_samples * sizeof *seconds);
    if (!x || !y || !act.data || !scratch || !seconds) exit(1);
    for (size_t i = 0; i < n_cols * o->k; i++)
        x[i] = (float)((int)(i * 2654435761u >> 16 & 0xffff) - 32768) / 32768.0f;
    ops->pack(&act, x, o->k, 0, 1);
    ops->product(type, w, row_bytes, rows, &act, y, n_rows, scratch); /* warms up */
    for (size_t i = 0; i < n_samples; i++) {
        const size_t r = i % n_slices * rows;
        const double start = bench_cpu_seconds();
        ops->product(type, w + r * row_bytes, row_bytes, rows, &act, y + r, n_rows, scratch);
        seconds[i] = bench_cpu_seconds() - start;
    }
    const double typical = measure_quantile(seconds, n_samples, o->percentile / 100.0) * (double)n_rows / (double)rows;
    free(x), free(y), free(act.data), free(scratch), free(seconds);
    return typical;
}

static void bench_type(const nce_matmul_ops *ops, const options *o, const nce_type_info *type, roofline roof)
{
    const size_t row_bytes = o->k / type->block * type->block_bytes, bytes = (size_t)DECODE_MIB << 20;
    const size_t decode_rows = bytes / row_bytes / 16 * 16;
    uint8_t *w = bench_huge_alloc(bytes);
    if (w == NULL) exit(1);
    bench_fill_weights(type, w, bytes);
    printf("%-8s", type->name);
    for (size_t i = 0; i < o->n_columns; i++) {
        const size_t n = o->columns[i], n_rows = n < MANY ? decode_rows : PREFILL_ROWS;
        const double s = time_product(ops, o, type, w, n_rows, n), gbs = (double)(n_rows * row_bytes) / s * 1e-9;
        const double gmacs = (double)n_rows * (double)o->k * (double)n / s * 1e-9;
        if (n < MANY)
            printf("  %5.1f %3.0f%% %4.0f", gbs, 100 * gbs / roof.read, gmacs);
        else
            printf("      %5.0f %3.0f%%", gmacs, 100 * gmacs / (type->act_block ? roof.int8 : roof.f32));
        fflush(stdout);
    }
    printf("\n");
    free(w);
}

static bool read_options(int argc, char **argv, options *o)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } levels[] = {{"scalar", 0},
                  {"avx2", NCE_CPU_AVX2},
                  {"avx512", NCE_CPU_AVX2 | NCE_CPU_AVX512},
                  {"amx", NCE_CPU_AVX2 | NCE_CPU_AVX512 | NCE_CPU_AMX}};
    for (int i = 1; i + 1 < argc; i += 2) {
        char *value = argv[i + 1];
        switch (argv[i][0] == '-' ? argv[i][1] : 0) {
        case 'i':
            o->isa = value;
            break;
        case 't':
            o->type = value;
            break;
        case 'r':
            o->repeats = atoi(value);
            break;
        case 'q':
            o->percentile = atoi(value);
            break;
        case 'k':
            o->k = strtoul(value, NULL, 10);
            break;
        case 'c':
            o->n_columns = 0;
            for (char *p = strtok(value, ","); p && o->n_columns < MOST_COLUMNS; p = strtok(NULL, ","))
                o->columns[o->n_columns++] = strtoul(p, NULL, 10);
            break;
        default:
            return false;
        }
    }
    bool found = false;
    const uint32_t detected = nce_cpu_detect();
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, o->isa) == 0 && (detected & levels[i].bits) == levels[i].bits) {
            o->cpu = levels[i].bits;
            found = true;
        }
    return found && argc % 2 == 1 && o->repeats > 0 && o->percentile >= 0 && o->percentile < 100 && o->k > 0 &&
           o->k % 256 == 0;
}

int main(int argc, char **argv)
{
    options o = {.isa = "avx512",
                 .repeats = 5,
                 .percentile = 50,
                 .k = 2048,
                 .columns = {1, 2, 4, 8, 16, 32, 128, 512},
                 .n_columns = 8};
    if (!read_options(argc, argv, &o)) {
        fprintf(
            stderr,
            "usage: kernels [-i scalar|avx2|avx512|amx] [-t TYPE] [-r REPEATS] [-q PERCENT] [-k K] [-c COLUMNS,...]\n");
        return 2;
    }
    nce_matmul_ops ops;
    nce_matmul_ops_init(&ops, o.cpu);
    const roofline roof = {bench_read_gbs(), bench_peak_int8_gmacs(o.cpu), bench_peak_f32_gmacs(o.cpu)};
    printf("%s, one core: read %.1f GB/s, int8 %.0f GMAC/s, f32 fma %.0f GMAC/s; k %zu\n", o.isa, roof.read, roof.int8,
           roof.f32, o.k);
    printf("below %d columns: GB/s, share of read, GMAC/s; from there: GMAC/s, share of peak\n%-8s", MANY, "columns");
    for (size_t i = 0; i < o.n_columns; i++)
        printf("  %15zu", o.columns[i]);
    printf("\n");
    for (int id = 0; id <= NCE_TYPE_LAST; id++) {
        const nce_type_info *type = nce_type_info_of((nce_type)id);
        const bool is_float = id == NCE_TYPE_F32 || id == NCE_TYPE_F16 || id == NCE_TYPE_BF16;
        if (type == NULL || (type->decode == NULL && !is_float) || (o.type && strcmp(o.type, type->name) != 0))
            continue;
        bench_type(&ops, &o, type, roof);
    }
    return 0;
}
