/* Without OpenCL's headers the fake drivers run no kernels. */
#include "tests/gpu/fake.h"
#include <stdlib.h>

struct fake_kernel {
    int unused;
};
static char skipped;

bool fake_module_load(const char *text, void **out)
{
    (void)text;
    fake.no_opencl = !fake.skip_kernels;
    *out = &skipped;
    return fake.skip_kernels;
}

fake_kernel *fake_kernel_find(void *from, const char *name)
{
    (void)from, (void)name;
    return calloc(1, sizeof(fake_kernel));
}

void fake_kernel_free(fake_kernel *k) { free(k); }
uint32_t fake_kernel_args(const fake_kernel *k) { return (uint32_t)k->unused; }
uint32_t fake_kernel_arg_bytes(const fake_kernel *k, uint32_t i) { return (uint32_t)k->unused + i; }
bool fake_run(const fake_launch *launch)
{
    fake.launches++;
    return launch->kernel != NULL;
}
