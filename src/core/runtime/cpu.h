/* What the processor can do, as bundles that ship together. */
#ifndef NCE_SRC_CPU_H
#define NCE_SRC_CPU_H
#include "nce/context.h"

enum {
    NCE_CPU_AVX2 = 1 << 0,   /* AVX2, FMA, F16C, BMI2 */
    NCE_CPU_AVX512 = 1 << 1, /* AVX-512 F BW DQ VL VNNI VBMI, GFNI */
    NCE_CPU_NEON = 1 << 2,   /* Armv8.2 dot product and half precision */
    NCE_CPU_I8MM = 1 << 3,   /* Arm int8 matrix multiply */
    NCE_CPU_AMX = 1 << 4     /* AMX tiles with int8, permitted by the kernel */
};

/* Bits of this processor that the operating system also saves on a context switch. */
uint32_t nce_cpu_detect(void);
/* Bits that an instruction set may use; 0 bits and false if the processor or this build lacks it. */
bool nce_cpu_mask(nce_isa isa, uint32_t detected, uint32_t *bits, nce_isa *resolved);
/* Cores this process may run on, at least 1. */
uint32_t nce_cpu_count(void);

/* Floating-point environment of the contract: nearest even, denormals kept.  Save at an entry point, restore after. */
typedef struct nce_fp_env { uint64_t word; } nce_fp_env;
nce_fp_env nce_fp_enter(void);
void nce_fp_leave(nce_fp_env saved);

#endif
