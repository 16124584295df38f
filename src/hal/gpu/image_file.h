/* Kernels from a file instead of the library: for trying changed kernels, and for the tests' drivers. */
#ifndef NCE_SRC_GPU_IMAGE_FILE_H
#define NCE_SRC_GPU_IMAGE_FILE_H
#include "src/core/runtime/context.h"

/* The whole file, ended by a zero byte that *bytes (may be NULL) does not count; nce_free it. */
nce_status nce_gpu_image_read(nce_context *ctx, const char *path, char **out, size_t *bytes);

#endif
