/* Inside of a trace. */
#ifndef NCE_SRC_SCHED_TRACE_H
#define NCE_SRC_SCHED_TRACE_H
#include "nce/sched_replay.h"
#include "src/core/runtime/context.h"

typedef struct nce_trace_row {
    double arrival_s;
    uint32_t input_tokens, output_tokens;
    size_t first_block, n_blocks; /* in blocks */
} nce_trace_row;

struct nce_trace {
    nce_context *ctx;
    nce_trace_row *requests;
    nce_block_hash *blocks; /* of all requests, one after the other */
    size_t n_requests, n_blocks;
};

#endif
