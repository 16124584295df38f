/* The kernels compiled when the library was built, as a table that the build makes: what was found to compile them with
 * decides what is in it, and it may be empty. */
#ifndef NCE_SRC_GPU_IMAGE_H
#define NCE_SRC_GPU_IMAGE_H
#include <stddef.h>

typedef struct nce_gpu_image {
    const char *vendor; /* "cuda", "hip", "oneapi", "opencl" */
    const char *arch;   /* what it runs on: "sm_80 sm_90", "gfx942", "spirv"; of source text: "source" */
    const void *data;   /* text ends with a zero byte that bytes does not count */
    size_t bytes;
} nce_gpu_image;

const nce_gpu_image *nce_gpu_images(size_t *n);

#endif
