/* The roofline: independent accumulators in registers, and a plain read of memory. */
#include "bench/kernels.h"
#include "src/core/runtime/cpu.h"
#include "tools/measure.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { REPEATS = 7, ROUNDS = 1000000, HUGE_PAGE = 2 << 20 };

double bench_cpu_seconds(void)
{
    return measure_seconds(CLOCK_THREAD_CPUTIME_ID);
}

void *bench_huge_alloc(size_t bytes)
{
    const size_t n = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *p = aligned_alloc(HUGE_PAGE, n);
    if (p == NULL) return NULL;
    madvise(p, n, MADV_HUGEPAGE);
    return memset(p, 1, n);
}

/* Whole lines, prefetched into the second-level cache, which one core needs to reach its bandwidth. */
double bench_read_gbs(void)
{
    const size_t n = (size_t)256 << 20;
    uint64_t *p = bench_huge_alloc(n);
    double best = 0;
    if (p == NULL) return 0;
    for (int rep = 0; rep < REPEATS; rep++) {
        uint64_t sum[8] = {0};
        const double start = bench_cpu_seconds();
        for (size_t i = 0; i < n / 8; i += 8) {
            __builtin_prefetch(p + i + 8192, 0, 2);
            for (size_t j = 0; j < 8; j++)
                sum[j] ^= p[i + j];
        }
        for (int j = 0; j < 8; j++)
            __asm__ volatile("" ::"r"(sum[j]));
        const double rate = (double)n / (bench_cpu_seconds() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    free(p);
    return best;
}

#if defined(__x86_64__)
#define BEST_OF(macs, body)                                                                                            \
    double best = 0;                                                                                                   \
    for (int rep = 0; rep < REPEATS; rep++) {                                                                          \
        const double start = bench_cpu_seconds();                                                                      \
        for (long i = 0; i < ROUNDS; i++)                                                                              \
            body;                                                                                                      \
        const double rate = (double)ROUNDS * (macs) / (bench_cpu_seconds() - start) * 1e-9;                            \
        best = rate > best ? rate : best;                                                                              \
    }                                                                                                                  \
    return best
#define ZMM                                                                                                            \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm30", "zmm31"
#define TWELVE(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)

__attribute__((target("avx512f,avx512vnni"))) static double vnni512(void)
{
#define D(r) "vpdpbusd %%zmm31, %%zmm30, %%zmm" #r "\n"
    BEST_OF(12 * 64, __asm__ volatile(TWELVE(D)::: ZMM));
}

/* Registers hold what was left in them: a denormal there makes every product take a hundred times as long. */
__attribute__((target("avx512f"))) static double fma512(void)
{
    __asm__ volatile("vzeroall\n vpxord %%zmm30, %%zmm30, %%zmm30\n vpxord %%zmm31, %%zmm31, %%zmm31\n" ::
                         : ZMM, "zmm12", "zmm13", "zmm14", "zmm15");
#define F(r) "vfmadd231ps %%zmm31, %%zmm30, %%zmm" #r "\n"
    BEST_OF(12 * 16, __asm__ volatile(TWELVE(F)::: ZMM));
}

#define YMM                                                                                                            \
    "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10", "ymm11", "ymm13",         \
        "ymm14", "ymm15"
__attribute__((target("avx2"))) static double maddubs256(void)
{
#define A(a, t)                                                                                                        \
    "vpmaddubsw %%ymm15, %%ymm14, %%ymm" #t "\n vpmaddwd %%ymm13, %%ymm" #t ", %%ymm" #t "\n vpaddd %%ymm" #t          \
    ", %%ymm" #a ", %%ymm" #a "\n"
    BEST_OF(6 * 32, __asm__ volatile(A(0, 6) A(1, 7) A(2, 8) A(3, 9) A(4, 10) A(5, 11)::: YMM));
}

__attribute__((target("avx2,fma"))) static double fma256(void)
{
    __asm__ volatile("vzeroall" ::: YMM, "ymm12");
#define G(r) "vfmadd231ps %%ymm15, %%ymm14, %%ymm" #r "\n"
    BEST_OF(12 * 8, __asm__ volatile(TWELVE(G)::: YMM));
}

double bench_peak_int8_gmacs(uint32_t cpu)
{
    return cpu & NCE_CPU_AVX512 ? vnni512() : cpu & NCE_CPU_AVX2 ? maddubs256() : 0;
}

double bench_peak_f32_gmacs(uint32_t cpu)
{
    return cpu & NCE_CPU_AVX512 ? fma512() : cpu & NCE_CPU_AVX2 ? fma256() : 0;
}
#else
double bench_peak_int8_gmacs(uint32_t cpu)
{
    return (void)cpu, 0;
}
double bench_peak_f32_gmacs(uint32_t cpu)
{
    return (void)cpu, 0;
}
#endif
