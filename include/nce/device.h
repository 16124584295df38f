/* Devices that models can run on. */
#ifndef NCE_DEVICE_H
#define NCE_DEVICE_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Number of devices this build knows and found; the CPU is always device 0.  Any thread.  Since 0.1. */
NCE_API size_t nce_device_count(const nce_context *ctx);
/* Name as nce_model_options.device takes it ("cpu") and one line about it; NULL beyond the last.  Static storage or owned
 * by the context.  Any thread.  Since 0.1. */
NCE_API const char *nce_device_name(const nce_context *ctx, size_t i);
NCE_API const char *nce_device_description(const nce_context *ctx, size_t i);

#ifdef __cplusplus
}
#endif
#endif
