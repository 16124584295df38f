/* A program on the CPU: slots and scratch, and what an operation's function may use.
 *
 * The step runs inside one OpenMP region.  Every thread walks the list of operations; an operation is a function that
 * does this thread's share.  Row-wise operations give a thread the same rows each time, so a chain of them needs no
 * barrier; others are fenced by barriers. */
#ifndef NCE_SRC_CPU_EXEC_H
#define NCE_SRC_CPU_EXEC_H
#include "src/hal/cpu/prefetch.h"
#include "src/hal/cpu/team.h"
#include "src/hal/program.h"
#include "src/kernels/matmul.h"
#include "src/kernels/sparse.h"
#include <pthread.h>

enum { NCE_CPU_CHUNK_ROWS = 128, NCE_CPU_DECODE_COLS = 16, NCE_CPU_ATTN_GROUP = 8 };

typedef struct nce_cpu_kernels {
    nce_matmul_ops matmul;
    nce_attn_ops attn;
    nce_vec_ops vec;
    nce_sparse_product_fn *sparse;
} nce_cpu_kernels;

/* A product done elsewhere, on activations packed by the reference (nce_matmul_reference_act): same contract, may fail. */
typedef nce_status nce_cpu_product_fn(void *user, const nce_type_info *type, const void *w, size_t row_bytes, size_t n_rows,
                                      const nce_act *a, float *y, size_t ld_y);

typedef struct nce_cpu_sparse nce_cpu_sparse; /* sparse.c */

/* The CPU, and what devices that only multiply (photonic) are built on. */
typedef struct nce_cpu_device {
    nce_device base;
    nce_cpu_kernels k;
    nce_cpu_product_fn *product; /* of quantized types; NULL: the kernels' own */
    void *product_user;
    pthread_mutex_t sparse_mutex;
    nce_cpu_sparse *sparse; /* weights by columns, shared by all execs */
} nce_cpu_device;
extern const nce_device_ops nce_cpu_ops;
/* cpu: NCE_CPU_* bits for the kernels. */
void nce_cpu_device_init(nce_cpu_device *d, nce_context *ctx, uint32_t cpu);
void nce_cpu_sparse_release(nce_cpu_device *d); /* with the device */

/* Working memory of expert layers, for max_rows * n_used (token, expert) pairs. */
typedef struct nce_cpu_experts {
    int32_t *ids;        /* [rows][n_used], ascending in a row */
    float *weights;      /* [rows][n_used] */
    uint32_t *first;     /* [n_experts + 1]: pairs of an expert, after sorting */
    uint32_t *pair_row;  /* [pairs] token row of a sorted pair */
    uint32_t *pair_slot; /* [rows][n_used] -> sorted position */
    float *x, *gate, *up, *y; /* [pairs][width] */
    uint8_t *act;        /* packed activations of all experts */
    size_t *act_at;      /* [n_experts] offsets in act */
} nce_cpu_experts;

struct nce_exec {
    nce_cpu_device *device;
    const nce_program *program;
    nce_exec_options o;
    float *slot[NCE_MAX_SLOTS];
    uint8_t *act[3];     /* packed activations: float, blocks of 32, blocks of 256 */
    size_t head_act_bytes; /* from one head's packed activations to the next */
    uint8_t **scratch;   /* [n_threads] for products, attention and tiles of outputs */
    size_t tile_floats;  /* of scratch, before the kernels' part */
    float *parts;        /* partial attention results, NCE_CPU_ATTN_GROUP runs */
    size_t parts_floats; /* of one run */
    nce_cpu_experts experts;
    atomic_size_t *next; /* [n_ops * 2] work counters, zero before a step */
    nce_attn_call *calls; /* [NCE_CPU_ATTN_GROUP] */
    const nce_sparse_weight **sparse; /* [n_ops], NULL where an operation has none, or NULL */
    void *sparse_memory;              /* of sparse_act */
    uint64_t columns, zero_columns;   /* seen by operations that have one */
    size_t bytes;
    nce_cpu_prefetch prefetch;
    /* of the running step */
    const nce_step *step;
    nce_team team;
    nce_sparse_act sparse_act;
    const nce_sparse_weight *sparse_now; /* of the running operation; thread 0 decides before a barrier */
    _Atomic nce_status status; /* of the step; a product done elsewhere may fail on any thread */
};

typedef struct nce_cpu_thread {
    nce_exec *e;
    const nce_cpu_kernels *k;
    const nce_step *step;
    size_t id, n;
} nce_cpu_thread;

/* Rows of an operation, this thread's share of n items, and row `row` of a view. */
static inline size_t nce_cpu_rows(const nce_cpu_thread *t, const nce_op *op)
{
    return op->head ? t->step->n_selected : t->step->n_rows;
}
static inline void nce_cpu_share(const nce_cpu_thread *t, size_t n, size_t *from, size_t *to)
{
    *from = (n * t->id + t->n - 1) / t->n; /* a single item belongs to thread 0 */
    *to = (n * (t->id + 1) + t->n - 1) / t->n;
}
static inline size_t nce_cpu_ld(const nce_cpu_thread *t, nce_view v) { return t->e->program->slot_width[v.slot]; }
static inline float *nce_cpu_row(const nce_cpu_thread *t, nce_view v, size_t row)
{
    const nce_program *p = t->e->program;
    float *base = v.slot == p->logits_slot ? t->step->logits : t->e->slot[v.slot];
    return base + row * p->slot_width[v.slot] + v.column;
}

/* One operation, this thread's share.  Returns true if the step is abandoned (seen at an inner barrier). */
typedef bool nce_cpu_op_fn(nce_cpu_thread *t, const nce_op *op, size_t index);
nce_cpu_op_fn nce_cpu_embed, nce_cpu_norm, nce_cpu_matmul, nce_cpu_rope, nce_cpu_kv_store, nce_cpu_attention, nce_cpu_act,
    nce_cpu_glu, nce_cpu_add, nce_cpu_scale, nce_cpu_softcap, nce_cpu_select, nce_cpu_route,
    nce_cpu_experts_run, nce_cpu_scale_by, nce_cpu_position, nce_cpu_copy, nce_cpu_matmul_heads;

/* Does op need a barrier before it, given the operation before it?  Row-wise chains do not. */
bool nce_cpu_row_wise(nce_op_kind kind);

nce_status nce_cpu_exec_create(nce_device *d, const nce_program *p, const nce_exec_options *o, nce_exec **out);
void nce_cpu_exec_destroy(nce_exec *e);
size_t nce_cpu_exec_bytes(const nce_exec *e);
nce_status nce_cpu_exec_read(nce_exec *e, uint32_t slot, size_t n_rows, float *host);
nce_status nce_cpu_exec_write(nce_exec *e, uint32_t slot, size_t n_rows, const float *host);
nce_status nce_cpu_submit(nce_exec *e, const nce_step *step, nce_event **out);
nce_status nce_cpu_wait(nce_event *event);

/* Weights by columns for the operations they suit; false: no memory. */
bool nce_cpu_sparse_take(nce_exec *e);
/* Pack the row x for operation number op if its product is to be sparse: then sparse_now is set.  Thread 0. */
bool nce_cpu_sparse_pack(nce_exec *e, size_t op, const float *x);
void nce_cpu_exec_sparsity(const nce_exec *e, uint64_t *columns, uint64_t *zero);

/* Rows [row0, row1) of y = scale * (W x) + bias, or added to y; tile is this thread's scratch.  sparse: NULL, or W by
 * columns, and a is sparse_act of the running step. */
void nce_cpu_product(nce_cpu_thread *t, const nce_op_matrix *m, const uint8_t *w, const float *bias, const nce_act *a,
                     const nce_sparse_weight *sparse, size_t row0, size_t row1, float *y, size_t ld_y);

/* Add rows [0, n_rows) of x, columns [from, to), to what was seen; from 0 counts the rows.  Does nothing if nobody asked. */
void nce_cpu_observe(const nce_seen *s, size_t set, const float *x, size_t ld_x, size_t n_rows, size_t k, size_t from, size_t to);

#endif
