/* What the kernel refuses, in words: the state of a device as sysfs shows it, and error numbers with advice (see vfio.h). */
#include "src/photonic/vfio.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void nce_vfio_sysfs_path(const nce_vfio_options *o, const char *name, char out[NCE_VFIO_PATH])
{
    snprintf(out, NCE_VFIO_PATH, "%s/bus/pci/devices/%s%s%s", o->sysfs_dir, o->address, *name != '\0' ? "/" : "", name);
}

bool nce_vfio_link_name(const char *path, char *out, size_t bytes)
{
    char target[NCE_VFIO_PATH];
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n <= 0) return false;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    const char *name = slash != NULL ? slash + 1 : target;
    if (strlen(name) >= bytes) return false;
    memcpy(out, name, strlen(name) + 1);
    return true;
}

nce_status nce_vfio_refused(nce_context *ctx, const char *what, const char *path)
{
    const int error = errno;
    const char *advice = "see the kernel log";
    char reason[96];
    if (error == EACCES || error == EPERM)
        advice = "give the user read and write access to the node, by a udev rule or chown";
    if (error == ENOENT || error == ENODEV) advice = "load the driver: modprobe vfio-pci, and bind the device to it";
    if (error == EBUSY) advice = "another process has the device";
    if (error == ENOMEM) advice = "raise the limit of locked memory (ulimit -l, memlock in limits.conf)";
    if (error == EINVAL) advice = "the IOMMU does not allow it; is interrupt remapping on?";
    return nce_fail(ctx, NCE_ERR_IO, "cannot %s %s: %s; %s", what, path, strerror_r(error, reason, sizeof reason),
                    advice);
}

/* DDDD:BB:SS.F in hexadecimal. */
static bool is_address(const char *a)
{
    static const char form[] = "xxxx:xx:xx.x";
    if (a == NULL || strlen(a) != sizeof form - 1) return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == 'x' ? strchr("0123456789abcdefABCDEF", a[i]) == NULL : a[i] != form[i]) return false;
    return true;
}

nce_status nce_vfio_check(nce_context *ctx, const nce_vfio_options *o)
{
    char path[NCE_VFIO_PATH], driver[64] = "no driver";
    if (!is_address(o->address))
        return nce_fail(ctx, NCE_ERR_INVALID, "PCI address '%.40s': write it as 0000:01:00.0",
                        o->address ? o->address : "");
    nce_vfio_sysfs_path(o, "", path);
    if (access(path, F_OK) != 0)
        return nce_fail(ctx, NCE_ERR_NOTFOUND, "no PCI device %s (lspci -D lists them)", o->address);
    nce_vfio_sysfs_path(o, "driver", path);
    const bool bound = nce_vfio_link_name(path, driver, sizeof driver);
    if (!bound || strstr(driver, "vfio") == NULL)
        return nce_fail(ctx, NCE_ERR_IO,
                        "PCI device %s is bound to %s, not vfio-pci; as root: echo vfio-pci > "
                        "%s/bus/pci/devices/%s/driver_override; "
                        "echo %s > %s/bus/pci/drivers_probe",
                        o->address, driver, o->sysfs_dir, o->address, o->address, o->sysfs_dir);
    return NCE_OK;
}
