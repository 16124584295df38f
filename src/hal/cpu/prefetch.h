/* Weights of a mapped file that are not in memory yet: ask the system for what comes next while the present operation runs.
 *
 * Asking for what is there already costs a look at each page, so it is done only while steps meet page faults that wait for
 * a device, and for a few steps more: the first steps of a model, or all of them where memory is smaller than the file. */
#ifndef NCE_SRC_CPU_PREFETCH_H
#define NCE_SRC_CPU_PREFETCH_H
#include "src/hal/program.h"

typedef struct nce_cpu_prefetch {
    size_t next;         /* first operation not yet asked for in this step */
    size_t asked, begun; /* bytes of the operations asked for, and of those begun */
    uint64_t faults;     /* the process had met when the step began */
    uint32_t calm;       /* steps since the last that met one */
} nce_cpu_prefetch;

/* Before and after a step, by the thread that submits it. */
void nce_cpu_prefetch_begin(nce_cpu_prefetch *f);
void nce_cpu_prefetch_end(nce_cpu_prefetch *f);
/* Before operation i, and when the experts of one are chosen (first: see nce_cpu_experts).  Thread 0. */
void nce_cpu_prefetch_ahead(nce_cpu_prefetch *f, const nce_program *p, size_t i);
void nce_cpu_prefetch_experts(const nce_cpu_prefetch *f, const nce_op_experts *o, const uint32_t *first);
/* Ask for bytes of a mapping; other memory stays as it is. */
void nce_cpu_prefetch_bytes(const void *address, size_t bytes);

#endif
