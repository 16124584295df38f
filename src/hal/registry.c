/* The known kinds of devices: a new back end is one row here. */
#include "src/hal/device.h"
#include "nce/device.h"
#include <string.h>

static const nce_device_driver *const drivers[] = {
    &nce_cpu_driver,
    &nce_opencl_driver,
#if NCE_WITH_PHOTONIC
    &nce_photonic_driver,
#endif
};
enum { N_DRIVERS = sizeof drivers / sizeof *drivers };

const nce_device_driver *nce_device_driver_at(size_t i)
{
    return i < N_DRIVERS ? drivers[i] : NULL;
}

nce_status nce_device_create(nce_context *ctx, const char *name, nce_device **out)
{
    char known[256] = "";
    const size_t n = strcspn(name, ":");
    *out = NULL;
    for (size_t i = 0; i < N_DRIVERS; i++) {
        const char *d = drivers[i]->name;
        if (strlen(d) == n && memcmp(d, name, n) == 0) return drivers[i]->create(ctx, name[n] == ':' ? name + n + 1 : "", out);
        if (strlen(known) + strlen(d) + 2 < sizeof known) strcat(strcat(known, " "), d);
    }
    return nce_fail(ctx, NCE_ERR_NOTFOUND, "device '%s' is not in this build, which has:%s", name, known);
}

void nce_device_destroy(nce_device *d)
{
    if (d != NULL) d->ops->destroy(d);
}

size_t nce_device_count(const nce_context *ctx)
{
    (void)ctx;
    return N_DRIVERS;
}

const char *nce_device_name(const nce_context *ctx, size_t i)
{
    (void)ctx;
    return i < N_DRIVERS ? drivers[i]->name : NULL;
}

const char *nce_device_description(const nce_context *ctx, size_t i)
{
    (void)ctx;
    return i < N_DRIVERS ? drivers[i]->description : NULL;
}
