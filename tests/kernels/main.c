/* checkkernels FAMILY ISA [SEED]: compare one instruction set of one kernel family with the scalar reference.
 *
 * Exit 0: equal; 1: a difference; 2: usage; 77: this machine or build lacks the instruction set.  Absent is not passed:
 * with NCE_REQUIRE_ISA naming the instruction set (comma separated), absence is a failure. */
#include "src/core/runtime/cpu.h"
#include "tests/kernels/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const check_family check_families[] = {
    {"matmul", check_matmul_run},
    {"attention", check_attention_run},
    {"vec", check_vec_run},
    {"sparse", check_sparse_run},
    {NULL, NULL},
};

static const struct level {
    const char *name;
    uint32_t bits;
} levels[] = {
    {"scalar", 0},
    {"avx2", NCE_CPU_AVX2},
    {"avx512", NCE_CPU_AVX2 | NCE_CPU_AVX512},
    {"amx", NCE_CPU_AVX2 | NCE_CPU_AVX512 | NCE_CPU_AMX},
    {"neon", NCE_CPU_NEON},
    {"i8mm", NCE_CPU_NEON | NCE_CPU_I8MM},
};

static bool required(const char *isa)
{
    const char *list = getenv("NCE_REQUIRE_ISA");
    const size_t n = strlen(isa);
    for (const char *p = list; p != NULL; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, isa, n) == 0 && (p[n] == '\0' || p[n] == ',')) return true;
    return false;
}

/* Bits both detected and built, whatever level nce_cpu_mask would choose. */
static uint32_t usable(void)
{
    const uint32_t detected = nce_cpu_detect();
    static const nce_isa isas[] = {NCE_ISA_AVX512, NCE_ISA_AVX2, NCE_ISA_NEON};
    uint32_t all = 0;
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        uint32_t bits;
        nce_isa resolved;
        if (nce_cpu_mask(isas[i], detected, &bits, &resolved)) all |= bits;
    }
    return all;
}

static int run(const check_family *family, const struct level *level, uint64_t seed)
{
    if ((usable() & level->bits) != level->bits) {
        printf("SKIP %s.%s: not in this machine or build\n", family->name, level->name);
        return required(level->name) ? 1 : 77;
    }
    check c = {.family = family->name, .isa = level->name, .cpu = level->bits, .seed = seed, .random = seed};
    family->run(&c);
    check_release(&c);
    printf("%s %s.%s seed %llu: %zu compared, %zu failed, digest %016llx\n", c.n_failed ? "FAIL" : "ok", c.family, c.isa,
           (unsigned long long)seed, c.n_compared, c.n_failed, (unsigned long long)c.digest);
    return c.n_failed > 0 || c.n_compared == 0;
}

int main(int argc, char **argv)
{
    const check_family *family = NULL;
    const struct level *level = NULL;
    for (const check_family *f = check_families; argc >= 3 && f->name; f++)
        if (strcmp(f->name, argv[1]) == 0) family = f;
    for (size_t i = 0; argc >= 3 && i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, argv[2]) == 0) level = &levels[i];
    if (family == NULL || level == NULL) {
        fprintf(stderr, "usage: checkkernels FAMILY ISA [SEED]\n  FAMILY:");
        for (const check_family *f = check_families; f->name; f++)
            fprintf(stderr, " %s", f->name);
        fprintf(stderr, "\n  ISA:");
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            fprintf(stderr, " %s", levels[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    return run(family, level, argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
}
