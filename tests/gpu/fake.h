/* What the fake drivers share: injected faults, counts, and kernels that run as OpenCL on the CPU.
 *
 * A fake driver is a shared object with a driver's functions.  Its device memory is the host's, its kernels are OpenCL C
 * text that PoCL compiles when it is loaded as a module.  A test finds the controls of the very library that libnce opened
 * with dlopen and dlsym(handle, "nce_fake_control"). */
#ifndef NCE_TESTS_GPU_FAKE_H
#define NCE_TESTS_GPU_FAKE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fake_control {
    /* set by the test */
    long fail_at;         /* 1: the first call fails; 0: none */
    int fail_code;        /* the driver's number */
    bool fail_for_good;   /* every later call but releases fails alike, as after a fault on a real device */
    bool skip_kernels;    /* modules load and launches do nothing: for tests of the calls alone */
    size_t memory_bytes;  /* of the device */
    bool wrong_arch;      /* modules are refused */
    /* told to the test */
    long calls;
    long launches;        /* kernels, those of a graph each time that it is replayed */
    const char *failed;   /* name of the call that failed, or NULL */
    long calls_after_init_failed;
    long live;            /* objects and blocks not given back */
    size_t used_bytes;
    bool no_opencl;       /* a kernel could not be compiled for lack of OpenCL */
} fake_control;

typedef fake_control *fake_control_fn(void);

/* ---- inside of the fakes ---- */
typedef struct fake_kernel fake_kernel;
enum { FAKE_MAX_ARGS = 64 };

/* A launch with its arguments' values. */
typedef struct fake_launch {
    fake_kernel *kernel;
    uint32_t groups[3], group;
    uint64_t value[FAKE_MAX_ARGS];
} fake_launch;

/* Count a call; its code if it is to fail, else 0.  release: it does its work all the same. */
int fake_enter(const char *name, bool release);
void fake_init_failed(void);

/* NULL when there is no room, or for 0 bytes. */
void *fake_block_alloc(size_t bytes, bool device);
void fake_block_free(void *p, bool device);
bool fake_block_is_device(const void *p);

/* A module of OpenCL C text.  The compiled program stays for the process, so that loading it again is quick.
 * false: it does not compile, or there is no OpenCL. */
bool fake_module_load(const char *text, void **out);
/* NULL: no such kernel. */
fake_kernel *fake_kernel_find(void *module, const char *name);
void fake_kernel_free(fake_kernel *k);
uint32_t fake_kernel_args(const fake_kernel *k);
uint32_t fake_kernel_arg_bytes(const fake_kernel *k, uint32_t i);
bool fake_run(const fake_launch *launch);

extern fake_control fake;
#endif
