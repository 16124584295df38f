/* The part of OpenCL 2.0 that is used, declared here and found with dlopen: a build needs no OpenCL, and one binary runs with
 * and without.  Shared virtual memory gives the 64-bit addresses that driver.h asks for; PoCL, Debian's OpenCL on the CPU, has
 * it, which is what this vendor is for: the kernels of all vendors run anywhere. */
#ifndef NCE_SRC_GPU_OPENCL_API_H
#define NCE_SRC_GPU_OPENCL_API_H
#include "src/hal/gpu/driver.h"

typedef struct nce_cl_object nce_cl_object; /* any handle of OpenCL */

enum {
    NCE_CL_OUT_OF_MEMORY = -4, /* of the device */
    NCE_CL_OUT_OF_HOST_MEMORY = -6,
    NCE_CL_INVALID_KERNEL_NAME = -46,
    NCE_CL_DEVICE_UNITS = 0x1002,
    NCE_CL_DEVICE_MAX_GROUP = 0x1004,
    NCE_CL_DEVICE_ADDRESS_BITS = 0x100d,
    NCE_CL_DEVICE_SINGLE_FP = 0x101b,
    NCE_CL_DEVICE_MEMORY = 0x101f,
    NCE_CL_DEVICE_LOCAL_MEMORY = 0x1023,
    NCE_CL_DEVICE_NAME = 0x102b,
    NCE_CL_DEVICE_VERSION = 0x102f,
    NCE_CL_DEVICE_SVM = 0x1053,
    NCE_CL_PROGRAM_LOG = 0x1183,
    NCE_CL_EXEC_SVM_POINTERS = 0x11b6,
    NCE_CL_FP_DENORM = 1,
    NCE_CL_FP_FMA = 1 << 5,
    NCE_CL_FP_CORRECT_DIVIDE = 1 << 7,
    NCE_CL_SVM_COARSE = 1
};

/* X(result, name, parameters) */
#define NCE_CL_FUNCTIONS(X)                                                                                            \
    X(int, clGetPlatformIDs, (uint32_t n, nce_cl_object * *out, uint32_t * count))                                     \
    X(int, clGetDeviceIDs,                                                                                             \
      (nce_cl_object * platform, uint64_t type, uint32_t n, nce_cl_object * *out, uint32_t * count))                   \
    X(int, clGetDeviceInfo, (nce_cl_object * device, uint32_t what, size_t bytes, void *out, size_t *size))            \
    X(nce_cl_object *, clCreateContext,                                                                                \
      (const intptr_t *properties, uint32_t n, nce_cl_object *const *devices,                                          \
       void (*notify)(const char *, const void *, size_t, void *), void *user, int *error))                            \
    X(int, clReleaseContext, (nce_cl_object * context))                                                                \
    X(nce_cl_object *, clCreateCommandQueueWithProperties,                                                             \
      (nce_cl_object * context, nce_cl_object * device, const uint64_t *properties, int *error))                       \
    X(int, clReleaseCommandQueue, (nce_cl_object * queue))                                                             \
    X(int, clFinish, (nce_cl_object * queue))                                                                          \
    X(void *, clSVMAlloc, (nce_cl_object * context, uint64_t flags, size_t bytes, uint32_t alignment))                 \
    X(void, clSVMFree, (nce_cl_object * context, void *p))                                                             \
    X(int, clEnqueueSVMMemcpy,                                                                                         \
      (nce_cl_object * queue, uint32_t blocking, void *to, const void *from, size_t bytes, uint32_t n,                 \
       nce_cl_object *const *wait, nce_cl_object **event))                                                             \
    X(int, clEnqueueSVMMemFill,                                                                                        \
      (nce_cl_object * queue, void *to, const void *pattern, size_t pattern_bytes, size_t bytes, uint32_t n,           \
       nce_cl_object *const *wait, nce_cl_object **event))                                                             \
    X(nce_cl_object *, clCreateProgramWithSource,                                                                      \
      (nce_cl_object * context, uint32_t n, const char **text, const size_t *sizes, int *error))                       \
    X(int, clBuildProgram,                                                                                             \
      (nce_cl_object * program, uint32_t n, nce_cl_object *const *devices, const char *options,                        \
       void (*notify)(nce_cl_object *, void *), void *user))                                                           \
    X(int, clGetProgramBuildInfo,                                                                                      \
      (nce_cl_object * program, nce_cl_object * device, uint32_t what, size_t bytes, void *out, size_t *size))         \
    X(int, clReleaseProgram, (nce_cl_object * program))                                                                \
    X(nce_cl_object *, clCreateKernel, (nce_cl_object * program, const char *name, int *error))                        \
    X(int, clReleaseKernel, (nce_cl_object * kernel))                                                                  \
    X(int, clSetKernelArg, (nce_cl_object * kernel, uint32_t i, size_t bytes, const void *value))                      \
    X(int, clSetKernelArgSVMPointer, (nce_cl_object * kernel, uint32_t i, const void *p))                              \
    X(int, clSetKernelExecInfo, (nce_cl_object * kernel, uint32_t what, size_t bytes, const void *value))              \
    X(int, clEnqueueNDRangeKernel,                                                                                     \
      (nce_cl_object * queue, nce_cl_object * kernel, uint32_t dimensions, const size_t *offset, const size_t *global, \
       const size_t *local, uint32_t n, nce_cl_object *const *wait, nce_cl_object **event))

typedef struct nce_cl {
    void *library;
#define NCE_CL_POINTER(result, name, parameters) result(*name) parameters;
    NCE_CL_FUNCTIONS(NCE_CL_POINTER)
#undef NCE_CL_POINTER
} nce_cl;

/* An opened device.  Kernels know all allocations, since they follow addresses that they read from memory. */
typedef struct nce_cl_device {
    nce_gpu base;
    nce_cl api;
    nce_cl_object *device, *context, *queue, *program;
    void **blocks; /* allocations of device memory */
    size_t n_blocks, blocks_capacity;
    uint64_t generation; /* grows with every change of blocks; a kernel remembers which it knows */
} nce_cl_device;

/* The loader's functions; NCE_ERR_NOTFOUND with the reason if they are not there.  The library stays loaded: drivers start
 * threads and exit handlers of their own. */
nce_status nce_cl_load(nce_context *ctx, nce_cl *out);

/* Failure of a call.  Out of memory leaves the device usable, everything else loses it. */
nce_status nce_cl_failed(nce_cl_device *d, const char *call, int code);
nce_status nce_cl_lost(nce_gpu *g);
const char *nce_cl_error_name(int code);

NCE_GPU_FUNCTIONS(nce_cl);

#endif
