/* What the GPU executor (exec.c: a program's operations as kernel launches) asks of a vendor's driver: one opened device,
 * one in-order stream, as a table of functions.  CUDA, HIP, Level Zero and OpenCL each fill one; the executor, the kernels
 * and the arithmetic are the same for all.
 *
 * Device memory is addressed by 64-bit addresses, on which the host may do arithmetic.  Everything that says "queued" runs
 * in the order of the calls; sync waits for all of it.  Errors: a status with a message that names the driver's call and its
 * code, in the context.  After NCE_ERR_BACKEND the device is lost: every later call gives the same at once, and close still
 * works and frees everything. */
#ifndef NCE_SRC_GPU_DRIVER_H
#define NCE_SRC_GPU_DRIVER_H
#include "src/core/runtime/context.h"

typedef uint64_t nce_gpu_address;
typedef struct nce_gpu nce_gpu;
typedef struct nce_gpu_kernel nce_gpu_kernel;
typedef struct nce_gpu_graph nce_gpu_graph;

typedef struct nce_gpu_arg {
    const void *value; /* an nce_gpu_address, int32_t, uint32_t or float */
    uint32_t bytes;    /* 8 or 4 */
    bool address;      /* value is an address in device memory */
} nce_gpu_arg;

typedef struct nce_gpu_info {
    char name[128];         /* "NVIDIA H200" */
    char arch[32];          /* "sm_90", "gfx942" */
    uint64_t memory_bytes, memory_free;
    uint32_t n_units;       /* multiprocessors, compute units, Xe cores */
    uint32_t max_group;     /* largest work group */
    uint32_t shared_bytes;  /* local memory of a work group */
    bool graphs;            /* capture and replay work */
    char pci[16];           /* "0000:41:00.0", to find the device's meters; "" if unknown */
} nce_gpu_info;

typedef struct nce_gpu_ops {
    void (*close)(nce_gpu *g); /* waits, frees everything */
    nce_status (*alloc)(nce_gpu *g, size_t bytes, nce_gpu_address *out); /* NCE_ERR_NOMEM names bytes asked and free */
    void (*free)(nce_gpu *g, nce_gpu_address address);                   /* 0 is allowed; waits for queued work */
    nce_status (*host_alloc)(nce_gpu *g, size_t bytes, void **out);      /* pinned staging memory */
    void (*host_free)(nce_gpu *g, void *p);
    /* Queued.  host must stay valid (pinned or not) until sync. */
    nce_status (*upload)(nce_gpu *g, nce_gpu_address to, const void *host, size_t bytes);
    nce_status (*download)(nce_gpu *g, void *host, nce_gpu_address from, size_t bytes);
    nce_status (*copy)(nce_gpu *g, nce_gpu_address to, nce_gpu_address from, size_t bytes);
    nce_status (*zero)(nce_gpu *g, nce_gpu_address to, size_t bytes);
    nce_status (*sync)(nce_gpu *g);
    /* A kernel of the embedded module by its name, as the driver's object.  The first call loads the module.
     * NCE_ERR_NOTFOUND: no such kernel; NCE_ERR_UNSUPPORTED: no module for this device. */
    nce_status (*kernel)(nce_gpu *g, const char *name, void **out);
    void (*kernel_release)(nce_gpu *g, void *kernel); /* NULL: it goes with the module */
    /* Queued.  groups: number of work groups in x, y, z; group: work items of one in x. */
    nce_status (*launch)(nce_gpu *g, nce_gpu_kernel *k, const uint32_t groups[3], uint32_t group, const nce_gpu_arg *args, uint32_t n_args);
    /* NULL where info.graphs is false.  What is queued between begin and end becomes a graph instead of running. */
    nce_status (*capture_begin)(nce_gpu *g);
    nce_status (*capture_end)(nce_gpu *g, nce_gpu_graph **out);
    nce_status (*replay)(nce_gpu *g, nce_gpu_graph *graph); /* queued */
    void (*graph_destroy)(nce_gpu *g, nce_gpu_graph *graph);
} nce_gpu_ops;

/* The functions of a table under a vendor's prefix: their declarations, and the table.  close is the vendor's own. */
#define NCE_GPU_FUNCTIONS(p)                                                                                           \
    nce_status p##_alloc(nce_gpu *g, size_t bytes, nce_gpu_address *out);                                              \
    void p##_free(nce_gpu *g, nce_gpu_address address);                                                                \
    nce_status p##_host_alloc(nce_gpu *g, size_t bytes, void **out);                                                   \
    void p##_host_free(nce_gpu *g, void *p);                                                                           \
    nce_status p##_upload(nce_gpu *g, nce_gpu_address to, const void *host, size_t bytes);                             \
    nce_status p##_download(nce_gpu *g, void *host, nce_gpu_address from, size_t bytes);                               \
    nce_status p##_copy(nce_gpu *g, nce_gpu_address to, nce_gpu_address from, size_t bytes);                           \
    nce_status p##_zero(nce_gpu *g, nce_gpu_address to, size_t bytes);                                                 \
    nce_status p##_sync(nce_gpu *g);                                                                                   \
    nce_status p##_kernel(nce_gpu *g, const char *name, void **out);                                                   \
    nce_status p##_launch(nce_gpu *g, nce_gpu_kernel *k, const uint32_t groups[3], uint32_t group,                     \
                          const nce_gpu_arg *args, uint32_t n_args)
#define NCE_GPU_GRAPH_FUNCTIONS(p)                                                                                     \
    nce_status p##_capture_begin(nce_gpu *g);                                                                          \
    nce_status p##_capture_end(nce_gpu *g, nce_gpu_graph **out);                                                       \
    nce_status p##_replay(nce_gpu *g, nce_gpu_graph *graph);                                                           \
    void p##_graph_destroy(nce_gpu *g, nce_gpu_graph *graph)
#define NCE_GPU_TABLE(p)                                                                                               \
    .alloc = p##_alloc, .free = p##_free, .host_alloc = p##_host_alloc, .host_free = p##_host_free,                    \
    .upload = p##_upload, .download = p##_download, .copy = p##_copy, .zero = p##_zero, .sync = p##_sync,              \
    .kernel = p##_kernel, .launch = p##_launch
#define NCE_GPU_GRAPH_TABLE(p)                                                                                         \
    .capture_begin = p##_capture_begin, .capture_end = p##_capture_end, .replay = p##_replay,                          \
    .graph_destroy = p##_graph_destroy

/* A kernel of a device (kernel.c); owned by it, lives until close. */
struct nce_gpu_kernel {
    nce_gpu_kernel *next;
    void *handle;       /* the driver's */
    uint64_t remembers; /* for the vendor; 0 at first */
    char name[48];
};

struct nce_gpu {
    const nce_gpu_ops *ops;
    nce_gpu_kernel *kernels; /* those found so far */
    nce_context *ctx;
    const char *vendor; /* "cuda" */
    nce_gpu_info info;
    bool lost;
};

/* A kernel by its name, the same each time; errors are those of ops->kernel.  close frees them all, its module still loaded. */
nce_status nce_gpu_kernel_find(nce_gpu *g, const char *name, nce_gpu_kernel **out);
void nce_gpu_kernels_free(nce_gpu *g);

/* A vendor: how many devices it has, and why not more. */
typedef struct nce_gpu_vendor {
    const char *name; /* "cuda", "hip", "oneapi", "opencl" */
    /* Number of devices.  If there are none: 0, NCE_ERR_NOTFOUND or NCE_ERR_BACKEND, and the reason as the context's error
     * ("cuda: libcuda.so.1: cannot open shared object file"). */
    nce_status (*count)(nce_context *ctx, uint32_t *out);
    nce_status (*open)(nce_context *ctx, uint32_t index, nce_gpu **out);
} nce_gpu_vendor;

extern const nce_gpu_vendor nce_gpu_cuda, nce_gpu_hip, nce_gpu_oneapi, nce_gpu_opencl;

/* A device for models from a vendor's device (device.h): takes the gpu over, closes it on failure too. */
struct nce_device;
nce_status nce_gpu_device_create(nce_gpu *gpu, struct nce_device **out);

#endif
