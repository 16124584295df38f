/* The measurements of nce sched bench. */
#ifndef NCE_TOOL_SCHED_BENCH_H
#define NCE_TOOL_SCHED_BENCH_H
#include "nce/nce.h"

int nce_sched_bench(nce_context *ctx, int argc, char **argv);

#endif
