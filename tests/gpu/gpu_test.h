/* For tests of GPU hosts: a context that knows the fake drivers, and their controls. */
#ifndef NCE_TESTS_GPU_TEST_H
#define NCE_TESTS_GPU_TEST_H
#include "src/hal/gpu/driver.h"
#include "tests/gpu/fake.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The controls of a fake, set to "all well". */
static inline fake_control *gpu_test_control(const char *library)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(handle, "%s", dlerror());
    fake_control_fn *get;
    *(void **)&get = dlsym(handle, "nce_fake_control");
    fake_control *c = get();
    cr_assert_eq(c->live, 0, "an earlier test left %ld objects", c->live);
    *c = (fake_control){.memory_bytes = (size_t)1 << 32};
    return c;
}

/* The fake library of a vendor. */
static inline const char *gpu_test_library(const char *vendor)
{
    return strcmp(vendor, "cuda") == 0 ? NCE_FAKE_CUDA : strcmp(vendor, "hip") == 0 ? NCE_FAKE_HIP : NCE_FAKE_ZE;
}

/* Is the code lack of memory? */
static inline bool gpu_test_no_memory(int code)
{
    return code == 2 || code == 0x70000003;
}

/* paths as in nce_context_options; allocator may be NULL. */
static inline nce_context *gpu_test_context(const char *paths, faulty_alloc *allocator)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    o.paths = paths;
    o.n_threads = 2;
    if (allocator != NULL) o.allocator = faulty_allocator(allocator);
    return nce_context_create(&o, &ctx) == NCE_OK ? ctx : NULL;
}

/* A file with this text; unlink it. */
static inline void gpu_test_file(const char *text, char path[64])
{
    snprintf(path, 64, "/tmp/nce-test-XXXXXX");
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}
#endif
