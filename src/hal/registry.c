/* The known kinds of devices: a new back end is one row here. */
#include "src/hal/split/split.h"
#include <string.h>

static const nce_device_driver *const drivers[] = {
    &nce_cpu_driver,
    &nce_cuda_driver,
    &nce_hip_driver,
    &nce_oneapi_driver,
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

/* The driver that a device's name begins with, or NULL. */
static const nce_device_driver *driver_of(const char *name)
{
    const size_t n = strcspn(name, ":,");
    for (size_t i = 0; i < N_DRIVERS; i++)
        if (strlen(drivers[i]->name) == n && memcmp(drivers[i]->name, name, n) == 0) return drivers[i];
    return NULL;
}

static nce_status create_one(nce_context *ctx, const char *name, nce_device **out)
{
    char known[256] = "";
    const nce_device_driver *driver = driver_of(name);
    const char *argument = strchr(name, ':');
    *out = NULL;
    if (driver != NULL) {
        const nce_status status = driver->create(ctx, argument != NULL ? argument + 1 : "", out);
        if (status == NCE_OK && (*out)->caps.meters[0] == '\0') memcpy((*out)->caps.meters, "cpu", 4);
        return status;
    }
    for (size_t i = 0; i < N_DRIVERS; i++)
        if (strlen(known) + strlen(drivers[i]->name) + 2 < sizeof known) strcat(strcat(known, " "), drivers[i]->name);
    return nce_fail(ctx, NCE_ERR_NOTFOUND, "device '%s' is not in this build, which has:%s", name, known);
}

/* Cuts a list of names in place.  A device's argument may have commas too: only before a driver's name one separates. */
static size_t cut_names(char *list, const char *names[NCE_SPLIT_MOST + 1])
{
    size_t n = 0;
    names[n++] = list;
    for (char *c = strchr(list, ','); c != NULL && n <= NCE_SPLIT_MOST; c = strchr(c + 1, ','))
        if (driver_of(c + 1) != NULL) {
            *c = '\0';
            names[n++] = c + 1;
        }
    return n;
}

nce_status nce_device_create(nce_context *ctx, const char *list, uint32_t gpu_layers, nce_device **out)
{
    const char *names[NCE_SPLIT_MOST + 2];
    nce_device *devices[NCE_SPLIT_MOST + 1];
    nce_status status = NCE_OK;
    *out = NULL;
    char *copy = nce_strndup(ctx, list, strlen(list));
    if (copy == NULL) return nce_fail_nomem(ctx, strlen(list) + 1);
    size_t n = cut_names(copy, names), made = 0;
    if (n == 1 && gpu_layers != 0 && strcmp(copy, "cpu") != 0) names[n++] = "cpu";
    if (n > NCE_SPLIT_MOST) status = nce_fail(ctx, NCE_ERR_LIMIT, "over %d devices", NCE_SPLIT_MOST);
    while (status == NCE_OK && made < n && (status = create_one(ctx, names[made], &devices[made])) == NCE_OK)
        made++;
    if (status == NCE_OK && n == 1) *out = devices[0];
    else if (status == NCE_OK) status = nce_split_device_create(ctx, devices, names, n, gpu_layers, out);
    else
        while (made > 0)
            nce_device_destroy(devices[--made]);
    nce_free(ctx, copy);
    return status;
}

void nce_device_destroy(nce_device *d)
{
    if (d != NULL) d->ops->destroy(d);
}
