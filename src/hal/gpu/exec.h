/* The GPU executor: a program's operations as kernel launches on any vendor's device.
 *
 * One block of device memory holds everything a program needs besides weights and pages.  What a step brings (tokens,
 * positions, rotation tables, addresses of pages) is gathered in one staging block and uploaded in front of the launches, so
 * that no launch has an argument that changes from token to token, and a step of the same shape can be replayed as a graph.
 * The head runs on at most NCE_GPU_HEAD_ROWS rows at a time: logits of a whole prompt would take more memory than the rest.
 *
 * Sessions of one model may run on different threads, while a device has one stream: a mutex is held round every use of it. */
#ifndef NCE_SRC_GPU_EXEC_H
#define NCE_SRC_GPU_EXEC_H
#include "src/hal/gpu/driver.h"
#include "src/hal/gpu/kernels/sizes.h"
#include "src/hal/gpu/kernels/types.h"
#include "src/hal/program.h"

enum {
    NCE_GPU_HEAD_ROWS = 64,    /* rows of the head at a time */
    NCE_GPU_EXPERT_ROWS = 256, /* tokens whose experts run at a time */
    NCE_GPU_MV_COLS = 4,       /* up to so many columns, weights go straight from memory into the sums */
    NCE_GPU_MT_COLS_MIN = 16,  /* from so many on, tensor cores, where there are some */
    NCE_GPU_SPLIT_ROWS = 16,   /* up to so many rows, the splits of an attention run side by side */
    NCE_GPU_GRAPHS = 4,        /* step shapes kept as graphs */
    NCE_GPU_N_CLASSES = 7      /* rows of NCE_GPU_CLASSES */
};

typedef enum nce_gpu_kernel_id {
    NCE_GPU_K_PACK,
    NCE_GPU_K_MM,
    NCE_GPU_K_MF_F32,
    NCE_GPU_K_MF_F16,
    NCE_GPU_K_MF_BF16,
    NCE_GPU_K_ROWS,
    NCE_GPU_K_COPY,
    NCE_GPU_K_NORM,
    NCE_GPU_K_ROPE,
    NCE_GPU_K_EMBED,
    NCE_GPU_K_KV_STORE,
    NCE_GPU_K_ATTENTION,
    NCE_GPU_K_MERGE,
    NCE_GPU_K_ROUTE,
    NCE_GPU_K_COMBINE,
    NCE_GPU_K_GROUP,
    NCE_GPU_K_MT,                                    /* one for each class of types, in the device's layout */
    NCE_GPU_K_MV = NCE_GPU_K_MT + NCE_GPU_N_CLASSES, /* one for each type, at NCE_GPU_K_MV + its number */
    NCE_GPU_KERNELS = NCE_GPU_K_MV + NCE_TYPE_LAST + 1
} nce_gpu_kernel_id;

/* How a product is made, by the type of its weights and the number of its columns. */
typedef enum nce_gpu_path {
    NCE_GPU_FLOATS,  /* kernels/matfloat.h */
    NCE_GPU_VECTORS, /* kernels/matvec.h */
    NCE_GPU_TILES,   /* kernels/matmul.h */
    NCE_GPU_TENSORS, /* kernels/matmul_tensor.h */
    NCE_GPU_PATHS
} nce_gpu_path;
extern const char *const nce_gpu_path_names[NCE_GPU_PATHS];

typedef struct nce_gpu_device {
    nce_device base;
    nce_gpu *gpu;
    pthread_mutex_t lock;
    nce_gpu_kernel *kernel[NCE_GPU_KERNELS]; /* those used so far */
    const char *tensor;                      /* layout of its tensor kernels (kernels/tensor.h), or NULL */
    bool tensor_known;                       /* tensor says what it is */
    bool no_halves, odd_half;                /* of upload.c: there is no pinned memory; the half that is next */
    uint8_t *halves;                         /* pinned, or NULL */
    uint64_t n_launches;
    uint64_t taken[NCE_TYPE_LAST + 1][NCE_GPU_PATHS]; /* products, by type of the weights */
} nce_gpu_device;

/* The same device, or NULL if it is not a GPU. */
nce_gpu_device *nce_gpu_device_of(nce_device *d);

/* Device memory, with the lock held; keeps caps.memory_free.  Giving 0 back is allowed. */
nce_status nce_gpu_take(nce_gpu_device *d, size_t bytes, nce_gpu_address *out);
void nce_gpu_give(nce_gpu_device *d, nce_gpu_address at, size_t bytes);

/* Queued: memory that may change or go away as soon as the call is over, with the lock held (upload.c).  A failure may show in a
 * later call only.  send_end: when the device is destroyed. */
nce_status nce_gpu_send(nce_gpu_device *d, nce_gpu_address to, const void *host, size_t bytes);
void nce_gpu_send_end(nce_gpu_device *d);

/* What a kernel needs to know of a quantized type, the row of kernels/types.h. */
typedef struct nce_gpu_type {
    const char *name;
    uint32_t block, bytes, act, second, sub;
} nce_gpu_type;
/* NULL for a type without a kernel; F32, F16 and BF16 have block 1. */
const nce_gpu_type *nce_gpu_type_of(nce_type id);

/* ---- tensor cores (tensor.c) ---- */
/* The layout that a device takes: for tests; NULL: no tensor cores.  Without this call the architecture decides. */
void nce_gpu_device_set_tensor(nce_gpu_device *d, const char *layout);
/* Number of the tensor kernel for a type, -1 if the device has none.  Ask after the first kernel was loaded: some drivers do not
 * tell the architecture before. */
int nce_gpu_tensor_kernel(nce_gpu_device *d, const nce_gpu_type *type);

/* ---- launching (launch.c) ---- */
typedef struct nce_gpu_value {
    enum { NCE_GPU_ADDRESS, NCE_GPU_INT, NCE_GPU_FLOAT } kind;
    nce_gpu_address address;
    uint32_t word;
    float number;
} nce_gpu_value;
#define NCE_GPU_A(x)                                                                                                   \
    {                                                                                                                  \
        .kind = NCE_GPU_ADDRESS, .address = (x)                                                                        \
    }
#define NCE_GPU_I(x)                                                                                                   \
    {                                                                                                                  \
        .kind = NCE_GPU_INT, .word = (uint32_t)(x)                                                                     \
    }
#define NCE_GPU_F(x)                                                                                                   \
    {                                                                                                                  \
        .kind = NCE_GPU_FLOAT, .number = (x)                                                                           \
    }
enum { NCE_GPU_MAX_ARGS = 48 };
nce_status nce_gpu_run(nce_gpu_device *d, int kernel, size_t groups_x, size_t groups_y, size_t groups_z, uint32_t group,
                       const nce_gpu_value *values, size_t n);
/* Load a kernel; NCE_ERR_NOTFOUND: the module has none of that name. */
nce_status nce_gpu_find(nce_gpu_device *d, int kernel);
#define NCE_GPU_RUN(d, kernel, gx, gy, group, ...)                                                                     \
    nce_gpu_run(d, kernel, gx, gy, 1, group, (const nce_gpu_value[]){__VA_ARGS__},                                     \
                sizeof((const nce_gpu_value[]){__VA_ARGS__}) / sizeof(nce_gpu_value))

static inline size_t nce_gpu_groups(size_t n, size_t per)
{
    return (n + per - 1) / per;
}

/* ---- a program on a device ---- */
/* Floats that the model keeps in host memory (norms, biases), and where they lie on the device. */
typedef struct nce_gpu_vector {
    const float *host;
    size_t n;
    nce_gpu_address at;
} nce_gpu_vector;

/* A step's shape, as far as launches depend on it. */
typedef struct nce_gpu_shape {
    uint32_t n_rows, n_selected, n_splits;
} nce_gpu_shape;

typedef struct nce_gpu_replay {
    nce_gpu_shape shape;
    nce_gpu_graph *graph; /* NULL: seen once, not captured yet */
} nce_gpu_replay;

struct nce_exec {
    nce_gpu_device *device;
    const nce_program *program;
    nce_exec_options o;
    size_t first_head;       /* index of the first operation of the head, or n_ops */
    nce_gpu_vector *vectors; /* sorted by host address */
    size_t n_vectors, vectors_capacity;
    nce_gpu_address memory; /* the block that all of the following lie in */
    size_t memory_bytes, n_pages;
    nce_gpu_address slot[NCE_MAX_SLOTS], constants;
    nce_gpu_address codes[2], scales[2]; /* packed activations: blocks of 32, of 256 */
    nce_gpu_address parts;               /* partial attention results */
    size_t parts_floats;
    nce_gpu_address ids, weights, gate, up, y;       /* of experts */
    nce_gpu_address order, tiles;                    /* columns sorted by expert (kernels/group.h) */
    nce_gpu_address rows, rope[NCE_MAX_ROPE], pages; /* what a step brings: copies of the staging block */
    size_t stage_bytes;
    uint8_t *stage; /* on the host, the same layout */
    uint32_t rope_width[NCE_MAX_ROPE];
    nce_gpu_replay replay[NCE_GPU_GRAPHS];
    uint32_t next_replay;
    /* of the running step */
    const nce_step *step;
    const nce_op *packed;  /* a product whose input lies in codes already, */
    uint32_t packed_block; /* in blocks of this size */
    uint32_t n_done;       /* operations that the last one did beside its own */
    nce_gpu_shape shape;
    nce_status status;
};

/* What is done with elements before they are packed: op and f of kernels/pack.h. */
typedef struct nce_gpu_front {
    int what, f;
    nce_gpu_address other, out;
    uint32_t ld_other, ld_out;
} nce_gpu_front;
nce_status nce_gpu_pack_front(nce_exec *e, uint32_t block, nce_gpu_address x, uint32_t ld_x, size_t k, size_t n_rows,
                              const nce_gpu_front *front);

/* n_rows rows of the step from row0 on: all of it, or a part of the head. */
typedef struct nce_gpu_span {
    size_t row0, n_rows;
} nce_gpu_span;

static inline nce_gpu_address nce_gpu_at(const nce_exec *e, nce_view v)
{
    return e->slot[v.slot] + 4u * (nce_gpu_address)v.column;
}
static inline uint32_t nce_gpu_ld(const nce_exec *e, nce_view v)
{
    return e->program->slot_width[v.slot];
}
static inline nce_gpu_address nce_gpu_weight_at(const nce_weight *w)
{
    return (nce_gpu_address)(uintptr_t)w->buffer->address + w->offset;
}
/* Address of a vector of the model; 0 for NULL. */
nce_gpu_address nce_gpu_vector_at(const nce_exec *e, const float *host);

/* An operation may do those behind it too, where that saves launches: it says how many in n_done. */
typedef nce_status nce_gpu_op_fn(nce_exec *e, const nce_op *op, nce_gpu_span s);
nce_gpu_op_fn nce_gpu_embed, nce_gpu_position, nce_gpu_norm, nce_gpu_matmul, nce_gpu_rope, nce_gpu_kv_store,
    nce_gpu_attention, nce_gpu_act, nce_gpu_glu, nce_gpu_add, nce_gpu_scale, nce_gpu_scale_by, nce_gpu_softcap,
    nce_gpu_select, nce_gpu_route, nce_gpu_experts, nce_gpu_copy, nce_gpu_matmul_heads;

/* The operation behind op, or NULL. */
static inline const nce_op *nce_gpu_next(const nce_exec *e, const nce_op *op)
{
    return op + 1 < e->program->ops + e->program->n_ops ? op + 1 : NULL;
}
/* If the next operation multiplies what op puts into out, all its width columns: the size of block that it wants them packed
 * in; 0: none.  The caller then packs them itself, in the launch that makes them. */
uint32_t nce_gpu_pack_ahead(nce_exec *e, const nce_op *op);
nce_gpu_address nce_gpu_codes(const nce_exec *e, uint32_t block);
nce_gpu_address nce_gpu_scales(const nce_exec *e, uint32_t block);

bool nce_gpu_runs(nce_op_kind kind); /* is there a kernel for it? */

nce_status nce_gpu_exec_create(nce_device *d, const nce_program *p, const nce_exec_options *o, nce_exec **out);
void nce_gpu_exec_destroy(nce_exec *e);
size_t nce_gpu_exec_bytes(const nce_exec *e);
nce_status nce_gpu_exec_read(nce_exec *e, uint32_t slot, size_t n_rows, float *host);
nce_status nce_gpu_exec_write(nce_exec *e, uint32_t slot, size_t n_rows, const float *host);
nce_status nce_gpu_submit(nce_exec *e, const nce_step *step, nce_event **out);
nce_status nce_gpu_wait(nce_event *event);

/* A device "vendor:index" of the registry; argument: the index, or "" for the first. */
nce_status nce_gpu_driver_create(const nce_gpu_vendor *vendor, nce_context *ctx, const char *argument,
                                 nce_device **out);

#endif
