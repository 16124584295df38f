/* The driver functions that CUDA and HIP share, as one table.
 *
 * HIP was made after CUDA's driver interface: the functions take the same arguments in the same order and give the same
 * error numbers, only names and attribute numbers differ.  Handles are pointers, device addresses 64-bit numbers (in HIP
 * pointers, which are passed alike).  The prototypes are our own, so that no vendor header is needed.
 *
 * X(field, arguments, CUDA's name, HIP's name, needed): without the functions that are not needed there are no graphs. */
#ifndef NCE_SRC_CUDA_HIP_API_H
#define NCE_SRC_CUDA_HIP_API_H
#include "src/hal/gpu/driver.h"

#define NCE_CU_FUNCTIONS(X)                                                                                            \
    X(init, (unsigned flags), "cuInit", "hipInit", true)                                                               \
    X(device_count, (int *n), "cuDeviceGetCount", "hipGetDeviceCount", true)                                           \
    X(device_get, (int *device, int index), "cuDeviceGet", "hipDeviceGet", true)                                       \
    X(device_name, (char *text, int n, int device), "cuDeviceGetName", "hipDeviceGetName", true)                       \
    X(device_pci, (char *text, int n, int device), "cuDeviceGetPCIBusId", "hipDeviceGetPCIBusId", true)                \
    X(attribute, (int *value, int attribute, int device), "cuDeviceGetAttribute", "hipDeviceGetAttribute", true)       \
    X(retain, (void **context, int device), "cuDevicePrimaryCtxRetain", "hipDevicePrimaryCtxRetain", true)             \
    X(release, (int device), "cuDevicePrimaryCtxRelease_v2", "hipDevicePrimaryCtxRelease", true)                       \
    X(push, (void *context), "cuCtxPushCurrent_v2", "hipCtxPushCurrent", true)                                         \
    X(pop, (void **context), "cuCtxPopCurrent_v2", "hipCtxPopCurrent", true)                                           \
    X(memory_info, (size_t *free, size_t *total), "cuMemGetInfo_v2", "hipMemGetInfo", true)                            \
    X(memory_alloc, (nce_gpu_address * out, size_t bytes), "cuMemAlloc_v2", "hipMalloc", true)                         \
    X(memory_free, (nce_gpu_address at), "cuMemFree_v2", "hipFree", true)                                              \
    X(host_alloc, (void **out, size_t bytes, unsigned flags), "cuMemHostAlloc", "hipHostMalloc", true)                 \
    X(host_free, (void *p), "cuMemFreeHost", "hipHostFree", true)                                                      \
    X(upload, (nce_gpu_address to, const void *from, size_t bytes, void *stream), "cuMemcpyHtoDAsync_v2",              \
      "hipMemcpyHtoDAsync", true)                                                                                      \
    X(download, (void *to, nce_gpu_address from, size_t bytes, void *stream), "cuMemcpyDtoHAsync_v2",                  \
      "hipMemcpyDtoHAsync", true)                                                                                      \
    X(copy, (nce_gpu_address to, nce_gpu_address from, size_t bytes, void *stream), "cuMemcpyDtoDAsync_v2",            \
      "hipMemcpyDtoDAsync", true)                                                                                      \
    X(fill, (nce_gpu_address to, unsigned char value, size_t bytes, void *stream), "cuMemsetD8Async",                  \
      "hipMemsetD8Async", true)                                                                                        \
    X(stream_create, (void **stream, unsigned flags), "cuStreamCreate", "hipStreamCreateWithFlags", true)              \
    X(stream_destroy, (void *stream), "cuStreamDestroy_v2", "hipStreamDestroy", true)                                  \
    X(stream_sync, (void *stream), "cuStreamSynchronize", "hipStreamSynchronize", true)                                \
    X(module_load, (void **module, const void *image), "cuModuleLoadData", "hipModuleLoadData", true)                  \
    X(module_unload, (void *module), "cuModuleUnload", "hipModuleUnload", true)                                        \
    X(module_function, (void **function, void *module, const char *name), "cuModuleGetFunction",                       \
      "hipModuleGetFunction", true)                                                                                    \
    X(launch,                                                                                                          \
      (void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,  \
       void *stream, void **params, void **extra),                                                                     \
      "cuLaunchKernel", "hipModuleLaunchKernel", true)                                                                 \
    X(capture_begin, (void *stream, int mode), "cuStreamBeginCapture_v2", "hipStreamBeginCapture", false)              \
    X(capture_end, (void *stream, void **graph), "cuStreamEndCapture", "hipStreamEndCapture", false)                   \
    X(graph_make, (void **exec, void *graph, unsigned long long flags), "cuGraphInstantiateWithFlags",                 \
      "hipGraphInstantiateWithFlags", false)                                                                           \
    X(graph_destroy, (void *graph), "cuGraphDestroy", "hipGraphDestroy", false)                                        \
    X(graph_launch, (void *exec, void *stream), "cuGraphLaunch", "hipGraphLaunch", false)                              \
    X(graph_free, (void *exec), "cuGraphExecDestroy", "hipGraphExecDestroy", false)

#define X(field, args, cuda, hip, needed) NCE_CU_##field,
typedef enum nce_cu_call { NCE_CU_FUNCTIONS(X) NCE_CU_CALLS } nce_cu_call;
#undef X

typedef struct nce_cu_api {
#define X(field, args, cuda, hip, needed) int(*field) args;
    NCE_CU_FUNCTIONS(X)
#undef X
} nce_cu_api;

/* What differs beside the names. */
typedef struct nce_cu_vendor {
    const char *name;                                      /* "cuda", also in messages and among the images */
    const char *image_path;                                /* name in the context's paths of a file that replaces the images */
    const char *libraries[4];                              /* tried in order */
    const char *const *calls;                              /* [NCE_CU_CALLS] names of the functions */
    int max_group, shared_bytes, n_units, major, minor;    /* attribute numbers */
    const char *arch_format;                               /* of major and minor */
} nce_cu_vendor;
extern const nce_cu_vendor nce_cu_cuda, nce_cu_hip;

/* Error numbers we act on; the rest have names only (error.c). */
enum {
    NCE_CU_NO_MEMORY = 2,
    NCE_CU_NO_DEVICE = 100,
    NCE_CU_BAD_IMAGE = 200,
    NCE_CU_NO_BINARY = 209,
    NCE_CU_BAD_PTX = 218,
    NCE_CU_NEWER_PTX = 222,
    NCE_CU_BAD_OBJECT = 303,
    NCE_CU_NOT_FOUND = 500,
};

struct nce_gpu_graph {
    void *exec;
};

typedef struct nce_cu {
    nce_gpu base;
    const nce_cu_vendor *vendor;
    nce_cu_api api;
    void *library;
    int device;
    void *context; /* the device's primary one, shared with whatever else in this process uses the device */
    void *stream;
    void *module; /* loaded when the first kernel is asked for */
    char loss[160]; /* the message of the call that lost the device */
} nce_cu;

/* Open the library, find its functions, start the driver.  On failure nothing of the driver may be called any more, and
 * the library is closed again. */
nce_status nce_cu_load(nce_context *ctx, const nce_cu_vendor *vendor, nce_cu *c);
void nce_cu_unload(nce_cu *c);

/* The result of a driver's call as a status with a message; marks the device lost if it is. */
nce_status nce_cu_check(nce_cu *c, nce_cu_call call, int code);
const char *nce_cu_error_text(int code);
/* The same for calls that cannot report: into the log, and a loss shows in the next call. */
void nce_cu_note(nce_cu *c, nce_cu_call call, int code);

/* The device's context on this thread for the calls in between; leave gives back status, or its own failure. */
nce_status nce_cu_enter(nce_cu *c);
nce_status nce_cu_leave(nce_cu *c, nce_status status);

/* The functions of nce_gpu_ops, by file. */
NCE_GPU_FUNCTIONS(nce_cu);
NCE_GPU_GRAPH_FUNCTIONS(nce_cu);

#endif
