/* Which tensor-core kernels a device takes: the layouts of kernels/tensor.h by vendor and architecture.
 *
 * Intel's matrix engines are not here: Debian's translator to SPIR-V knows only an outdated draft of the instructions, so oneapi
 * devices make all products with integer dot products.  OpenCL devices have an emulation for tests, which nobody else should want. */
#include "src/hal/gpu/exec.h"
#include <string.h>

/* An architecture is named as its image is; where an image came from a file, AMD's by the two numbers that the driver tells,
 * which say enough for some. */
static const struct {
    const char *vendor, *arch; /* how the architecture's name begins */
    const char *layout;
} rows[] = {
    {"cuda", "sm_8", "mma"},   {"cuda", "sm_9", "mma"},   {"cuda", "sm_1", "mma"},
    {"hip", "gfx908", "mfma"}, {"hip", "gfx90a", "mfma"}, {"hip", "gfx94", "mfma"},
    {"hip", "gfx9.4", "mfma"}, {"hip", "gfx11", "wmma"},  {"hip", "gfx12", "wmma12"},
};

static const char *layout_of(const nce_gpu *g)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(g->vendor, rows[i].vendor) == 0 && strncmp(g->info.arch, rows[i].arch, strlen(rows[i].arch)) == 0)
            return rows[i].layout;
    return NULL;
}

void nce_gpu_device_set_tensor(nce_gpu_device *d, const char *layout)
{
    d->tensor = layout;
    d->tensor_known = true;
    for (int i = 0; i < NCE_GPU_N_CLASSES; i++)
        d->kernel[NCE_GPU_K_MT + i] = NULL;
}

int nce_gpu_tensor_kernel(nce_gpu_device *d, const nce_gpu_type *type)
{
    static const nce_gpu_type classes[NCE_GPU_N_CLASSES] = {
#define ROW(name_, act_, second_, sub_) {#name_, 0, 0, act_, second_, sub_},
        NCE_GPU_CLASSES(ROW)
#undef ROW
    };
    if (!d->tensor_known) nce_gpu_device_set_tensor(d, layout_of(d->gpu));
    for (int i = 0; i < NCE_GPU_N_CLASSES && d->tensor != NULL; i++)
        if (classes[i].act == type->act && classes[i].second == type->second && classes[i].sub == type->sub)
            return NCE_GPU_K_MT + i;
    return -1;
}
