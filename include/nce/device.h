/* Devices that models can run on.
 *
 * A device has a name: "cpu", "photonic:sim", "cuda:0" (NVIDIA), "hip:0" (AMD), "oneapi:0" (Intel), "opencl:0".  Drivers are
 * looked for when a program first asks, in this process and context; a program needs none of them to start.  All devices
 * give the same bits. */
#ifndef NCE_DEVICE_H
#define NCE_DEVICE_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Number of entries: devices found, and kinds of devices that this build knows but that cannot be used here (see
 * nce_device_refusal).  The CPU is always entry 0.  The first call in a context looks for drivers and starts them, which can
 * take a second; what it finds stays for the context's life.  At least 1.  Any thread.  Since 0.1. */
NCE_API size_t nce_device_count(const nce_context *ctx);

/* Name as nce_model_options.device takes it ("cpu", "cuda:0"), or of a refused kind ("cuda"), and one line about it; NULL
 * beyond the last.  Owned by the context.  Any thread.  Since 0.1. */
NCE_API const char *nce_device_name(const nce_context *ctx, size_t i);
NCE_API const char *nce_device_description(const nce_context *ctx, size_t i);

/* What its code is compiled for ("avx512", "sm_90"), "" if that means nothing here; NULL beyond the last.  Owned by the
 * context.  Any thread.  Since 0.1. */
NCE_API const char *nce_device_arch(const nce_context *ctx, size_t i);

/* Why entry i cannot be used ("cuda: libcuda.so.1: cannot open shared object file: No such file or directory"); NULL if it
 * can, and beyond the last.  Owned by the context.  Any thread.  Since 0.1. */
NCE_API const char *nce_device_refusal(const nce_context *ctx, size_t i);

/* Bytes of memory, and of them free when the devices were looked for.
 * Returns NCE_OK; NCE_ERR_NOTFOUND (beyond the last, or unknown); NCE_ERR_INVALID (a NULL).  Any thread.  Since 0.1. */
NCE_API nce_status nce_device_memory(const nce_context *ctx, size_t i, uint64_t *total, uint64_t *free);

#ifdef __cplusplus
}
#endif
#endif
