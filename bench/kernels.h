/* What this machine can do at most, measured on one core by thread CPU time. */
#ifndef NCE_BENCH_KERNELS_H
#define NCE_BENCH_KERNELS_H
#include "src/kernels/types/type.h"
#include <stddef.h>
#include <stdint.h>

double bench_cpu_seconds(void);             /* of this thread */
void *bench_huge_alloc(size_t bytes);       /* 2 MiB pages where the system gives them, touched; free() */
double bench_read_gbs(void);                /* GB/s reading 512 MiB in order */
double bench_peak_int8_gmacs(uint32_t cpu); /* GMAC/s: vpdpbusd, or maddubs + maddwd + add; 0 without either */
double bench_peak_f32_gmacs(uint32_t cpu);
/* bytes: of whole blocks. */
void bench_fill_weights(const nce_type_info *type, uint8_t *w, size_t bytes);

#endif
