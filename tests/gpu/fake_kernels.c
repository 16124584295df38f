/* Kernels of the fake drivers: OpenCL C text, compiled and run by whatever OpenCL there is on a CPU (PoCL).  Addresses of
 * the fake device are host addresses, which a CPU device can use as shared virtual memory. */
#define CL_TARGET_OPENCL_VERSION 200
#include "tests/gpu/fake.h"
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CL_FUNCTIONS(X)                                                                                                \
    X(clGetPlatformIDs) X(clGetDeviceIDs) X(clCreateContext) X(clCreateCommandQueueWithProperties)                     \
    X(clCreateProgramWithSource) X(clBuildProgram) X(clGetProgramBuildInfo) X(clCreateKernel) X(clReleaseKernel)       \
    X(clGetKernelInfo) X(clGetKernelArgInfo) X(clSetKernelArg) X(clSetKernelArgSVMPointer) X(clEnqueueNDRangeKernel)   \
    X(clFinish)
static struct {
#define X(name) __typeof__(&name) name;
    CL_FUNCTIONS(X)
#undef X
    cl_device_id device;
    cl_context context;
    cl_command_queue queue;
    bool ready;
} cl;

struct fake_kernel {
    cl_kernel kernel; /* NULL where kernels are skipped */
    uint32_t n_args;
    uint8_t bytes[FAKE_MAX_ARGS];
    bool pointer[FAKE_MAX_ARGS];
};

/* Programs of this process, by text. */
typedef struct module {
    struct module *next;
    char *text;
    cl_program program;
} module;
static module *modules;
static char skipped; /* stands for a module where kernels are skipped */

static bool start(void)
{
    cl_platform_id platforms[8];
    cl_uint n = 0;
    if (cl.ready) return true;
    void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return false;
#define X(name)                                                                                                        \
    *(void **)&cl.name = dlsym(library, #name);                                                                        \
    if (cl.name == NULL) return false;
    CL_FUNCTIONS(X)
#undef X
    if (cl.clGetPlatformIDs(8, platforms, &n) != CL_SUCCESS) return false;
    for (cl_uint i = 0; i < n && i < 8 && cl.device == NULL; i++)
        if (cl.clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_CPU, 1, &cl.device, NULL) != CL_SUCCESS) cl.device = NULL;
    if (cl.device == NULL) return false;
    cl.context = cl.clCreateContext(NULL, 1, &cl.device, NULL, NULL, NULL);
    cl.queue = cl.context != NULL ? cl.clCreateCommandQueueWithProperties(cl.context, cl.device, NULL, NULL) : NULL;
    return cl.ready = cl.queue != NULL;
}

static bool build(module *m)
{
    static char log[4096];
    const char *text = m->text;
    m->program = cl.clCreateProgramWithSource(cl.context, 1, &text, NULL, NULL);
    if (m->program == NULL) return false;
    if (cl.clBuildProgram(m->program, 1, &cl.device,
                          "-cl-std=CL2.0 -cl-fp32-correctly-rounded-divide-sqrt -cl-kernel-arg-info", NULL, NULL) == CL_SUCCESS)
        return true;
    cl.clGetProgramBuildInfo(m->program, cl.device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log, NULL);
    fprintf(stderr, "%s\n", log);
    return false;
}

bool fake_module_load(const char *text, void **out)
{
    if (fake.skip_kernels) {
        *out = &skipped;
        return true;
    }
    for (module *m = modules; m != NULL; m = m->next)
        if (strcmp(m->text, text) == 0) {
            *out = m;
            return true;
        }
    if (!start()) {
        fake.no_opencl = true;
        return false;
    }
    module *m = calloc(1, sizeof *m);
    if (m == NULL) return false;
    m->text = strdup(text);
    m->next = modules;
    *out = m;
    if (m->text == NULL || !build(m)) return false; /* the module is lost with the process */
    modules = m;
    return true;
}

static bool read_args(fake_kernel *k)
{
    cl_uint n = 0;
    if (cl.clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof n, &n, NULL) != CL_SUCCESS || n > FAKE_MAX_ARGS) return false;
    k->n_args = n;
    for (cl_uint i = 0; i < n; i++) {
        cl_kernel_arg_address_qualifier where;
        char type[64] = "";
        if (cl.clGetKernelArgInfo(k->kernel, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof where, &where, NULL) != CL_SUCCESS ||
            cl.clGetKernelArgInfo(k->kernel, i, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type, NULL) != CL_SUCCESS)
            return false;
        k->pointer[i] = where != CL_KERNEL_ARG_ADDRESS_PRIVATE;
        k->bytes[i] = k->pointer[i] || strcmp(type, "ulong") == 0 || strcmp(type, "long") == 0 ? 8 : 4;
    }
    return true;
}

fake_kernel *fake_kernel_find(void *from, const char *name)
{
    fake_kernel *k = calloc(1, sizeof *k);
    if (k == NULL || from == &skipped) return k;
    k->kernel = cl.clCreateKernel(((module *)from)->program, name, NULL);
    if (k->kernel != NULL && read_args(k)) return k;
    fake_kernel_free(k);
    return NULL;
}

void fake_kernel_free(fake_kernel *k)
{
    if (k != NULL && k->kernel != NULL) cl.clReleaseKernel(k->kernel);
    free(k);
}

uint32_t fake_kernel_args(const fake_kernel *k) { return k->n_args; }
uint32_t fake_kernel_arg_bytes(const fake_kernel *k, uint32_t i) { return k->bytes[i]; }

bool fake_run(const fake_launch *l)
{
    const fake_kernel *k = l->kernel;
    const size_t local[3] = {l->group, 1, 1}, global[3] = {(size_t)l->groups[0] * l->group, l->groups[1], l->groups[2]};
    fake.launches++;
    if (k->kernel == NULL) return true;
    for (uint32_t i = 0; i < k->n_args; i++) {
        const cl_int code = k->pointer[i] ? cl.clSetKernelArgSVMPointer(k->kernel, i, (void *)(uintptr_t)l->value[i])
                                          : cl.clSetKernelArg(k->kernel, i, k->bytes[i], &l->value[i]);
        if (code != CL_SUCCESS) return false;
    }
    return cl.clEnqueueNDRangeKernel(cl.queue, k->kernel, 3, NULL, global, local, 0, NULL, NULL) == CL_SUCCESS &&
           cl.clFinish(cl.queue) == CL_SUCCESS;
}
