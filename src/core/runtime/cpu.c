/* Processor detection: CPUID and XGETBV on x86 (an instruction set counts only if the system saves its registers),
 * hwcap on Arm; and the floating-point environment of the arithmetic contract. */
#include "src/core/runtime/cpu.h"
#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>
#include <sys/syscall.h>

static uint64_t xgetbv0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

/* AMX tile data is 8 KB of state a process must ask Linux for; threads started later inherit the permission. */
static bool amx_permitted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
#if defined(__linux__)
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

uint32_t nce_cpu_detect(void)
{
    uint32_t a, b, c, d, bits = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const bool osxsave = c >> 27 & 1, fma = c >> 12 & 1, f16c = c >> 29 & 1, avx = c >> 28 & 1;
    if (!osxsave || !avx) return 0;
    const uint64_t xcr0 = xgetbv0();
    if ((xcr0 & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const bool avx2 = b >> 5 & 1, bmi2 = b >> 8 & 1;
    if (avx2 && bmi2 && fma && f16c) bits |= NCE_CPU_AVX2;
    const bool f = b >> 16 & 1, dq = b >> 17 & 1, bw = b >> 30 & 1, vl = b >> 31 & 1;
    const bool vbmi = c >> 1 & 1, vnni = c >> 11 & 1, gfni = c >> 8 & 1;
    if ((bits & NCE_CPU_AVX2) && (xcr0 & 0xe6) == 0xe6 && f && dq && bw && vl && vbmi && vnni && gfni) {
        bits |= NCE_CPU_AVX512;
        const bool amx_tile = d >> 24 & 1, amx_int8 = d >> 25 & 1;
        if (amx_tile && amx_int8 && (xcr0 & 0x60000) == 0x60000 && amx_permitted()) bits |= NCE_CPU_AMX;
    }
    return bits;
}

nce_fp_env nce_fp_enter(void)
{
    const nce_fp_env saved = {_mm_getcsr()};
    _mm_setcsr(0x1f80); /* all exceptions masked, nearest even, no flush to zero */
    return saved;
}

void nce_fp_leave(nce_fp_env saved)
{
    _mm_setcsr((unsigned)saved.word);
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint32_t nce_cpu_detect(void)
{
    const unsigned long hwcap = getauxval(AT_HWCAP), hwcap2 = getauxval(AT_HWCAP2);
    const bool asimdhp = hwcap >> 10 & 1, asimddp = hwcap >> 20 & 1, i8mm = hwcap2 >> 13 & 1;
    uint32_t bits = 0;
    if (asimdhp && asimddp) bits |= NCE_CPU_NEON;
    if (bits && i8mm) bits |= NCE_CPU_I8MM;
    return bits;
}

nce_fp_env nce_fp_enter(void)
{
    nce_fp_env saved;
    const uint64_t plain = 0;
    __asm__ volatile("mrs %0, fpcr\n\tmsr fpcr, %1" : "=&r"(saved.word) : "r"(plain));
    return saved;
}

void nce_fp_leave(nce_fp_env saved)
{
    __asm__ volatile("msr fpcr, %0" ::"r"(saved.word));
}

#else
uint32_t nce_cpu_detect(void) { return 0; }
nce_fp_env nce_fp_enter(void) { return (nce_fp_env){0}; }
void nce_fp_leave(nce_fp_env saved) { (void)saved; }
#endif

static uint32_t built_in(void)
{
    uint32_t bits = 0;
#if NCE_HAVE_AVX2
    bits |= NCE_CPU_AVX2;
#endif
#if NCE_HAVE_AVX512
    bits |= NCE_CPU_AVX512 | NCE_CPU_AMX;
#endif
#if NCE_HAVE_NEON
    bits |= NCE_CPU_NEON;
#endif
#if NCE_HAVE_I8MM
    bits |= NCE_CPU_I8MM;
#endif
    return bits;
}

bool nce_cpu_mask(nce_isa isa, uint32_t detected, uint32_t *bits, nce_isa *resolved)
{
    static const struct { nce_isa isa; uint32_t needs, allows; } levels[] = {
        {NCE_ISA_AVX512, NCE_CPU_AVX2 | NCE_CPU_AVX512, NCE_CPU_AVX2 | NCE_CPU_AVX512 | NCE_CPU_AMX},
        {NCE_ISA_AVX2, NCE_CPU_AVX2, NCE_CPU_AVX2},
        {NCE_ISA_NEON, NCE_CPU_NEON, NCE_CPU_NEON | NCE_CPU_I8MM},
        {NCE_ISA_SCALAR, 0, 0},
    };
    const uint32_t usable = detected & built_in();
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (isa != NCE_ISA_AUTO && isa != levels[i].isa) continue;
        if ((usable & levels[i].needs) != levels[i].needs) continue;
        *bits = usable & levels[i].allows;
        *resolved = levels[i].isa;
        return true;
    }
    return false;
}

uint32_t nce_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        const int n = CPU_COUNT(&set);
        if (n > 0) return (uint32_t)n;
    }
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}
