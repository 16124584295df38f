/* The Level Zero functions and structures we use, with our own declarations, and the host's own state.
 *
 * Work is appended to a command list, each command behind a barrier, which is the order that driver.h promises and which
 * all versions know.  sync closes the list, runs it and empties it.  A captured graph is a list that is kept.  Host memory
 * that the driver did not give is copied through a pinned buffer: weights lie in read-only maps of files, which drivers
 * refuse to read from.
 *
 * X(field, arguments, name): all are needed. */
#ifndef NCE_SRC_LEVEL_ZERO_API_H
#define NCE_SRC_LEVEL_ZERO_API_H
#include "src/hal/gpu/driver.h"

typedef struct nce_ze_group_count {
    uint32_t x, y, z;
} nce_ze_group_count;

#define NCE_ZE_FUNCTIONS(X)                                                                                            \
    X(init, (uint32_t flags), "zeInit")                                                                                \
    X(drivers, (uint32_t *n, void **out), "zeDriverGet")                                                               \
    X(devices, (void *driver, uint32_t *n, void **out), "zeDeviceGet")                                                 \
    X(properties, (void *device, void *out), "zeDeviceGetProperties")                                                  \
    X(compute_properties, (void *device, void *out), "zeDeviceGetComputeProperties")                                   \
    X(memory_properties, (void *device, uint32_t *n, void *out), "zeDeviceGetMemoryProperties")                        \
    X(pci_properties, (void *device, void *out), "zeDevicePciGetPropertiesExt")                                        \
    X(context_create, (void *driver, const void *description, void **out), "zeContextCreate")                          \
    X(context_destroy, (void *context), "zeContextDestroy")                                                            \
    X(queue_create, (void *context, void *device, const void *description, void **out), "zeCommandQueueCreate")        \
    X(queue_destroy, (void *queue), "zeCommandQueueDestroy")                                                           \
    X(queue_run, (void *queue, uint32_t n, void **lists, void *fence), "zeCommandQueueExecuteCommandLists")            \
    X(queue_sync, (void *queue, uint64_t timeout), "zeCommandQueueSynchronize")                                        \
    X(list_create, (void *context, void *device, const void *description, void **out), "zeCommandListCreate")          \
    X(list_destroy, (void *list), "zeCommandListDestroy")                                                              \
    X(list_close, (void *list), "zeCommandListClose")                                                                  \
    X(list_reset, (void *list), "zeCommandListReset")                                                                  \
    X(barrier, (void *list, void *signal, uint32_t n, void **events), "zeCommandListAppendBarrier")                    \
    X(copy, (void *list, void *to, const void *from, size_t bytes, void *signal, uint32_t n, void **events),           \
      "zeCommandListAppendMemoryCopy")                                                                                 \
    X(fill,                                                                                                            \
      (void *list, void *to, const void *pattern, size_t pattern_bytes, size_t bytes, void *signal, uint32_t n,        \
       void **events),                                                                                                 \
      "zeCommandListAppendMemoryFill")                                                                                 \
    X(launch,                                                                                                          \
      (void *list, void *kernel, const nce_ze_group_count *groups, void *signal, uint32_t n, void **events),           \
      "zeCommandListAppendLaunchKernel")                                                                               \
    X(device_alloc, (void *context, const void *description, size_t bytes, size_t alignment, void *device, void **out),\
      "zeMemAllocDevice")                                                                                              \
    X(host_alloc, (void *context, const void *description, size_t bytes, size_t alignment, void **out),                \
      "zeMemAllocHost")                                                                                                \
    X(memory_free, (void *context, void *p), "zeMemFree")                                                              \
    X(module_create, (void *context, void *device, const void *description, void **out, void **log), "zeModuleCreate") \
    X(module_destroy, (void *module), "zeModuleDestroy")                                                               \
    X(log_text, (void *log, size_t *bytes, char *text), "zeModuleBuildLogGetString")                                   \
    X(log_destroy, (void *log), "zeModuleBuildLogDestroy")                                                             \
    X(kernel_create, (void *module, const void *description, void **out), "zeKernelCreate")                            \
    X(kernel_destroy, (void *kernel), "zeKernelDestroy")                                                               \
    X(kernel_indirect, (void *kernel, uint32_t flags), "zeKernelSetIndirectAccess")                                    \
    X(kernel_group, (void *kernel, uint32_t x, uint32_t y, uint32_t z), "zeKernelSetGroupSize")                        \
    X(kernel_arg, (void *kernel, uint32_t index, size_t bytes, const void *value), "zeKernelSetArgumentValue")

#define X(field, args, name) NCE_ZE_##field,
typedef enum nce_ze_call { NCE_ZE_FUNCTIONS(X) NCE_ZE_CALLS } nce_ze_call;
#undef X

typedef struct nce_ze_api {
#define X(field, args, name) uint32_t(*field) args;
    NCE_ZE_FUNCTIONS(X)
#undef X
} nce_ze_api;

/* Results we act on; the rest have names only (error.c). */
enum {
    NCE_ZE_OUT_OF_HOST_MEMORY = 0x70000002,
    NCE_ZE_OUT_OF_DEVICE_MEMORY = 0x70000003,
    NCE_ZE_BUILD_FAILED = 0x70000004,
    NCE_ZE_UNINITIALIZED = 0x78000001,
    NCE_ZE_UNSUPPORTED_SIZE = 0x78000009,
    NCE_ZE_BAD_BINARY = 0x7800000f,
    NCE_ZE_NO_KERNEL = 0x78000011,
};

/* Structure types of the specification. */
enum {
    NCE_ZE_DEVICE_PROPERTIES = 0x3,
    NCE_ZE_COMPUTE_PROPERTIES = 0x4,
    NCE_ZE_MEMORY_PROPERTIES = 0x7,
    NCE_ZE_CONTEXT_DESC = 0xd,
    NCE_ZE_QUEUE_DESC = 0xe,
    NCE_ZE_LIST_DESC = 0xf,
    NCE_ZE_DEVICE_ALLOC_DESC = 0x15,
    NCE_ZE_HOST_ALLOC_DESC = 0x16,
    NCE_ZE_MODULE_DESC = 0x1b,
    NCE_ZE_KERNEL_DESC = 0x1d,
    NCE_ZE_PCI_PROPERTIES = 0x10008,
};

typedef struct nce_ze_device_properties {
    uint32_t type;
    void *next;
    uint32_t kind /* 1: a GPU */, vendor, id, flags, subdevice, clock;
    uint64_t most_bytes; /* of one allocation */
    uint32_t contexts, priority, threads, simd, units_per_subslice, subslices, slices;
    uint64_t resolution;
    uint32_t bits, kernel_bits;
    uint8_t uuid[16];
    char name[256];
} nce_ze_device_properties;

typedef struct nce_ze_compute_properties {
    uint32_t type;
    void *next;
    uint32_t max_group, group[3], count[3], local_bytes, n_subgroups, subgroup[8];
} nce_ze_compute_properties;

typedef struct nce_ze_memory_properties {
    uint32_t type;
    void *next;
    uint32_t flags, clock, width;
    uint64_t bytes;
    char name[256];
} nce_ze_memory_properties;

typedef struct nce_ze_pci_properties {
    uint32_t type;
    void *next;
    uint32_t domain, bus, device, function;
    int32_t generation, width;
    int64_t bandwidth;
} nce_ze_pci_properties;

/* Contexts, queues, lists and allocations are described by these numbers, most of them 0. */
typedef struct nce_ze_description {
    uint32_t type;
    const void *next;
    uint32_t word[6];
} nce_ze_description;

typedef struct nce_ze_module_description {
    uint32_t type;
    const void *next;
    uint32_t format; /* 0: SPIR-V */
    size_t bytes;
    const void *data;
    const char *flags;
    const void *constants;
} nce_ze_module_description;

typedef struct nce_ze_kernel_description {
    uint32_t type;
    const void *next;
    uint32_t flags;
    const char *name;
} nce_ze_kernel_description;

struct nce_gpu_graph {
    void *list;
};

/* Memory from host_alloc: the device reads and writes it itself. */
typedef struct nce_ze_pinned {
    struct nce_ze_pinned *next;
    uint8_t *at;
    size_t bytes;
} nce_ze_pinned;

enum { NCE_ZE_STAGE_BYTES = 4 << 20 };

typedef struct nce_ze {
    nce_gpu base;
    nce_ze_api api;
    void *library, *driver, *device, *context, *queue, *module;
    void *list;     /* takes what is queued */
    bool queued;    /* the list is not empty */
    void *captured; /* takes it instead while a graph is captured */
    uint8_t *stage; /* NCE_ZE_STAGE_BYTES, pinned */
    uint64_t most_bytes;
    nce_ze_pinned *pinned;
    char loss[160];
} nce_ze;

extern const char *const nce_ze_calls[NCE_ZE_CALLS];

nce_status nce_ze_check(nce_ze *z, nce_ze_call call, uint32_t code);
void nce_ze_note(nce_ze *z, nce_ze_call call, uint32_t code);
const char *nce_ze_error_text(uint32_t code);
/* NCE_OK, or the loss of the device again. */
nce_status nce_ze_usable(nce_ze *z);
/* A command was appended: the barrier behind it. */
nce_status nce_ze_appended(nce_ze *z, nce_ze_call call, uint32_t code);
static inline void *nce_ze_list(const nce_ze *z) { return z->captured != NULL ? z->captured : z->list; }
nce_status nce_ze_list_create(nce_ze *z, void **out);
/* Sends what is queued to the device; the list cannot be used before the next sync. */
nce_status nce_ze_run(nce_ze *z, void *list);

NCE_GPU_FUNCTIONS(nce_ze);
NCE_GPU_GRAPH_FUNCTIONS(nce_ze);

#endif
