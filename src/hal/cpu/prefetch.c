/* When weights are asked for, and how far ahead (see prefetch.h). */
#include "src/hal/cpu/prefetch.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { AHEAD_BYTES = 32 << 20, CALM_STEPS = 4 };

/* Faults that waited for a device, of the whole process: a fault of the host's own only makes us ask once too often. */
static uint64_t device_faults(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_majflt : 0;
}

static bool needed(const nce_cpu_prefetch *f)
{
    return f->calm < CALM_STEPS;
}

void nce_cpu_prefetch_begin(nce_cpu_prefetch *f)
{
    f->next = f->asked = f->begun = 0;
    f->faults = device_faults();
}

void nce_cpu_prefetch_end(nce_cpu_prefetch *f)
{
    if (device_faults() != f->faults) f->calm = 0;
    else if (needed(f)) f->calm++;
}

void nce_cpu_prefetch_bytes(const void *address, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)address & ~(page - 1);
    /* The advice may be refused; the bytes then come when they are touched. */
    (void)madvise((void *)from, (uintptr_t)address + bytes - from, MADV_WILLNEED);
}

static void ask(const nce_weight *w, size_t at, size_t bytes)
{
    if (w != NULL && w->buffer->address != NULL) nce_cpu_prefetch_bytes(w->buffer->address + w->offset + at, bytes);
}

static size_t weight_bytes(const nce_weight *w)
{
    return w->expert_bytes * w->n_experts;
}

/* Experts are not known before the step chooses them. */
static size_t bytes_of(const nce_op *op)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < op->n_matrices; i++)
        bytes += weight_bytes(op->matrix[i].w);
    return bytes;
}

void nce_cpu_prefetch_ahead(nce_cpu_prefetch *f, const nce_program *p, size_t i)
{
    if (!needed(f)) return;
    f->begun += bytes_of(&p->ops[i]);
    if (f->next <= i) f->next = i + 1, f->asked = f->begun; /* what begins now faults by itself */
    for (; f->next < p->n_ops && f->asked - f->begun < AHEAD_BYTES; f->next++) {
        const nce_op *op = &p->ops[f->next];
        for (uint32_t m = 0; m < op->n_matrices; m++)
            ask(op->matrix[m].w, 0, weight_bytes(op->matrix[m].w));
        f->asked += bytes_of(op);
    }
}

void nce_cpu_prefetch_experts(const nce_cpu_prefetch *f, const nce_op_experts *o, const uint32_t *first)
{
    const nce_weight *const w[] = {o->gate, o->up, o->down};
    if (!needed(f)) return;
    for (size_t m = 0; m < sizeof w / sizeof *w; m++)
        for (size_t e = 0; w[m] != NULL && e < w[m]->n_experts; e++)
            if (first[e] != first[e + 1]) ask(w[m], e * w[m]->expert_bytes, w[m]->expert_bytes);
}
