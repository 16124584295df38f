/* A forward step as data: a list of operations over activation slots, built once per model by core and run by a device.
 *
 * Core says what is computed, in which order; a device decides how (threads, kernels, fusion, graphs), within the
 * arithmetic contract of docs/numerics.md.  So a new device needs no change in core, and a new architecture none in a
 * device.
 *
 * A slot is a matrix of floats with one row per token of the step and a fixed width.  A view is a slot and a column.
 * After NCE_OP_SELECT, rows are the tokens whose logits are wanted. */
#ifndef NCE_SRC_PROGRAM_H
#define NCE_SRC_PROGRAM_H
#include "src/hal/device.h"
#include "src/kernels/attention.h"
#include "src/kernels/types/type.h"
#include "src/kernels/vec.h"

enum { NCE_MAX_SLOTS = 24, NCE_MAX_ROPE = 4, NCE_MAX_EXPERTS_USED = 64, NCE_MAX_SHARED_INPUT = 3 };

typedef struct nce_view {
    uint16_t slot;
    uint16_t unused;
    uint32_t column;
} nce_view;

/* A weight matrix in device memory: rows of one type.  Experts and heads: n_experts matrices one after the other. */
typedef struct nce_weight {
    const nce_type_info *type;
    nce_buffer *buffer;
    size_t offset;       /* of row 0 in the buffer */
    size_t row_bytes, n_rows, k;
    size_t n_experts;    /* 1 for an ordinary matrix */
    size_t expert_bytes; /* distance of experts */
    float scale;         /* of the whole tensor, multiplied into the product; 1 for every type but I2_S */
} nce_weight;

typedef enum nce_op_kind {
    NCE_OP_EMBED,     /* out = rows of a table, times scale */
    NCE_OP_NORM,      /* out = norm(in), on n_groups parts of width columns each */
    NCE_OP_MATMUL,    /* up to three products of one input: out = [out +] (W in + bias) * scale */
    NCE_OP_ROPE,      /* rotate in place */
    NCE_OP_KV_STORE,  /* in = K, in2 = V, into the pages of their positions */
    NCE_OP_ATTENTION, /* out = attention of in over the pages */
    NCE_OP_ACT,       /* out = f(in) */
    NCE_OP_GLU,       /* out = f(in) * in2 */
    NCE_OP_ADD,       /* out = in + in2 */
    NCE_OP_SCALE,     /* out = in * scale */
    NCE_OP_SCALE_BY,  /* out = in * (the one float of in2) */
    NCE_OP_POSITION,  /* out = in + the row of a table that the token's position names (learned positions) */
    NCE_OP_SOFTCAP,   /* out = cap * tanh(in / cap) */
    NCE_OP_SELECT,    /* keep the rows whose logits are wanted: out (a slot of the head) = rows of in */
    NCE_OP_ROUTE,     /* choose experts from router logits */
    NCE_OP_EXPERTS,   /* the chosen experts' feed-forward: out = combination, ascending expert order */
    NCE_OP_COPY,      /* out = in, in n_groups parts of width columns that lie in_stride and out_stride columns apart */
    NCE_OP_MATMUL_HEADS, /* matrix[0] holds n_groups matrices: part g of out = matrix g times part g of in */
    NCE_OP_KINDS
} nce_op_kind;

typedef enum nce_norm_kind { NCE_NORM_RMS, NCE_NORM_LAYER } nce_norm_kind;
typedef enum nce_route_kind { NCE_ROUTE_SOFTMAX, NCE_ROUTE_SIGMOID, NCE_ROUTE_SOFTMAX_CHOSEN } nce_route_kind;

typedef struct nce_op_matrix {
    const nce_weight *w;
    const float *bias;    /* [n_rows] or NULL; host memory for the CPU, see nce_vector */
    nce_view out;
    bool add;             /* add to what out holds (a residual) */
    float scale;          /* of the product, before bias; 1: none */
} nce_op_matrix;

typedef struct nce_op_experts {
    const nce_weight *gate, *up, *down; /* gate NULL: not gated */
    const float *gate_bias, *up_bias, *down_bias; /* [n_experts][n_rows] or NULL */
    nce_act_fn f;
    uint32_t n_used;
} nce_op_experts;

typedef struct nce_op_route {
    nce_route_kind kind;
    uint32_t n_experts, n_used, n_groups, n_groups_used;
    bool normalise;
    float scale;       /* of the weights; 1: none */
    const float *bias; /* added for choosing only (deepseek), [n_experts] or NULL */
} nce_op_route;

/* What the inputs of products were like, for importance matrices: sums of squares of every column and numbers of rows, for
 * each expert or head.  The device adds to them, rows ascending, so the sums do not depend on threads or batches. */
typedef struct nce_seen {
    double *sum2;   /* [sets][k]; NULL: nobody wants to know */
    uint64_t *rows; /* [sets] */
} nce_seen;

typedef struct nce_op {
    nce_op_kind kind;
    uint32_t layer;
    bool head;            /* rows are the selected ones (SELECT itself and what follows it) */
    nce_view in, in2, out;
    uint32_t width;       /* columns of in (of one part for NORM) */
    uint32_t n_groups;    /* NORM, COPY, MATMUL_HEADS: parts; ROPE: heads */
    uint32_t in_stride, out_stride; /* COPY, MATMUL_HEADS: columns from one part to the next; 0: the same part again */
    float scale, eps;     /* EMBED SCALE SOFTCAP (cap), NORM */
    const float *weight, *bias; /* NORM: vectors; group_weights: [n_groups][width] */
    bool group_weights;
    nce_norm_kind norm;
    nce_act_fn f;
    uint32_t rope;        /* ROPE: table of the step */
    uint32_t n_rot;
    bool neox;
    uint32_t n_matrices;
    nce_op_matrix matrix[NCE_MAX_SHARED_INPUT];
    const nce_weight *table; /* EMBED */
    const nce_attn_shape *shape;  /* KV_STORE, ATTENTION */
    size_t k_offset, v_offset;    /* of this layer in a page */
    nce_op_route route;
    nce_op_experts experts;
    nce_seen seen;      /* MATMUL, MATMUL_HEADS, EXPERTS: in */
    nce_seen seen_down; /* EXPERTS: what down is multiplied by */
} nce_op;

typedef struct nce_program {
    nce_op *ops;
    size_t n_ops, capacity;
    uint32_t slot_width[NCE_MAX_SLOTS];
    bool slot_head[NCE_MAX_SLOTS]; /* one row per selected token */
    uint32_t n_slots;
    uint16_t logits_slot; /* n_vocab wide: it is the step's logits, a device gives it no memory of its own */
    uint32_t n_vocab;
} nce_program;

/* ---- one step ---- */
typedef struct nce_step_run {
    uint8_t *const *pages; /* device addresses of the sequence's pages */
    size_t row0, n_rows, pos0;
} nce_step_run;

typedef struct nce_step {
    const int32_t *tokens;           /* [n_rows] */
    size_t n_rows;
    const nce_step_run *runs;
    size_t n_runs;
    const float *rope[NCE_MAX_ROPE]; /* [n_rows][n_rot]: cosines, then sines */
    uint32_t rope_width[NCE_MAX_ROPE];
    const uint32_t *selected;        /* [n_selected] rows whose logits are wanted, ascending */
    float *logits;                   /* [n_selected][n_vocab], host memory */
    size_t n_selected;
    atomic_bool *cancel;             /* checked now and then */
} nce_step;

#endif
