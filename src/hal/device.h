/* The hardware layer: what core may ask of a device, as one table of functions.  The CPU is the first device.
 *
 * Errors are nce_status with a message in the context.  After NCE_ERR_BACKEND a device is lost: every later call gives
 * the same, and destroy still works. */
#ifndef NCE_SRC_DEVICE_H
#define NCE_SRC_DEVICE_H
#include "src/core/runtime/context.h"
#include "nce/quant.h"

typedef struct nce_device nce_device;
typedef struct nce_buffer nce_buffer;
typedef struct nce_exec nce_exec;   /* a program made ready for a device, with its working memory */
typedef struct nce_event nce_event; /* completion of a submitted step */
struct nce_program;
struct nce_step;

typedef struct nce_device_caps {
    uint64_t memory_bytes;    /* of the device; 0: unknown, or the host's */
    uint64_t memory_free;     /* of it, kept up to date by the device with what it takes */
    bool host_memory;         /* addresses are host addresses: imports cost nothing */
    bool exact;               /* obeys the arithmetic contract */
    bool observes;            /* fills nce_op.seen */
    char meters[256];         /* what it draws power from: "cpu,cuda@0000:41:00.0", see meters/meters.h */
} nce_device_caps;

struct nce_buffer {
    nce_device *device;
    uint8_t *address; /* on the device; a host address where caps.host_memory */
    size_t bytes;
    bool owned;       /* false: imported */
};

typedef struct nce_exec_options {
    uint32_t max_rows;      /* tokens of a step */
    uint32_t max_selected;  /* logits rows of a step */
    uint32_t max_runs;
    uint32_t max_positions; /* longest sequence */
    uint32_t n_threads;
    bool dense_only;        /* never leave zero activations out */
} nce_exec_options;

typedef struct nce_device_ops {
    void (*destroy)(nce_device *d);
    /* Memory.  import: host memory that outlives the buffer (a mapped file); a device without host memory copies it. */
    nce_status (*buffer_create)(nce_device *d, size_t bytes, nce_buffer **out);
    nce_status (*buffer_import)(nce_device *d, const void *host, size_t bytes, nce_buffer **out);
    void (*buffer_destroy)(nce_buffer *b);
    nce_status (*buffer_write)(nce_buffer *b, size_t offset, const void *host, size_t bytes);
    nce_status (*buffer_read)(const nce_buffer *b, size_t offset, void *host, size_t bytes);
    nce_status (*buffer_copy)(nce_buffer *dst, const nce_buffer *src, size_t bytes);
    /* Programs. */
    nce_status (*exec_create)(nce_device *d, const struct nce_program *p, const nce_exec_options *o, nce_exec **out);
    void (*exec_destroy)(nce_exec *e);
    size_t (*exec_bytes)(const nce_exec *e);
    /* Activations met by products that may leave out zeros, and zeros among them, since creation; NULL: none leaves out any. */
    void (*exec_sparsity)(const nce_exec *e, uint64_t *columns, uint64_t *zero);
    /* Memory for keys and values of this program; NULL: buffer_create.  The other buffer functions work on it. */
    nce_status (*page_create)(nce_exec *e, size_t bytes, nce_buffer **out);
    /* Rows of a slot, out after wait and in before submit: how a step goes on on another device. */
    nce_status (*exec_read)(nce_exec *e, uint32_t slot, size_t n_rows, float *host);
    nce_status (*exec_write)(nce_exec *e, uint32_t slot, size_t n_rows, const float *host);
    /* Start a step; its arguments stay valid until wait returns.  wait gives the step's own status. */
    nce_status (*submit)(nce_exec *e, const struct nce_step *step, nce_event **out);
    nce_status (*wait)(nce_event *event);
} nce_device_ops;

struct nce_device {
    const nce_device_ops *ops;
    nce_context *ctx;
    nce_device_caps caps;
};

/* A way to make devices, one row of the registry. */
typedef struct nce_device_driver {
    const char *name; /* "cpu", the part of a device name before ':' */
    const char *description;
    nce_status (*create)(nce_context *ctx, const char *argument, nce_device **out); /* argument: after ':', or "" */
    const struct nce_gpu_vendor *vendor; /* whose devices are counted and opened to list them; NULL: there is one */
} nce_device_driver;

const nce_device_driver *nce_device_driver_at(size_t i); /* NULL beyond the last */
/* names: one device, or several with commas in between: layers of a model on each (split/).  gpu_layers: layers on all but
 * the last, 0: as many as fit; with a single device the CPU is the last. */
nce_status nce_device_create(nce_context *ctx, const char *names, uint32_t gpu_layers, nce_device **out);
void nce_device_destroy(nce_device *d); /* NULL is allowed */

extern const nce_device_driver nce_cpu_driver, nce_cuda_driver, nce_hip_driver, nce_oneapi_driver, nce_opencl_driver, nce_photonic_driver;

static inline void nce_buffer_destroy(nce_buffer *b)
{
    if (b != NULL) b->device->ops->buffer_destroy(b);
}

#endif
