/* Where there is no VFIO (anything but Linux). */
#include "src/photonic/device.h"

nce_status nce_photonic_vfio_open(nce_context *ctx, const char *address, nce_ptransport **out)
{
    *out = NULL;
    return nce_fail(ctx, NCE_ERR_UNSUPPORTED, "photonic device %.40s: VFIO exists on Linux only", address);
}
