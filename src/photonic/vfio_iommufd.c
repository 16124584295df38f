/* VFIO by its character device and iommufd: Linux 6.6 and later.
 *
 * Debian 12's kernel headers do not know these calls, so the few structures needed are declared here; their layout is
 * the kernel's ABI (include/uapi/linux/iommufd.h and vfio.h of Linux 6.6). */
#include "src/photonic/vfio.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct bind_iommufd {
    uint32_t argsz, flags;
    int32_t iommufd;
    uint32_t out_devid;
} bind_iommufd;
typedef struct attach_ioas {
    uint32_t argsz, flags, pt_id;
} attach_ioas;
typedef struct ioas_alloc {
    uint32_t size, flags, out_ioas_id;
} ioas_alloc;
typedef struct ioas_ranges {
    uint32_t size, ioas_id, num_iovas, reserved;
    uint64_t allowed_iovas, out_iova_alignment;
} ioas_ranges;
typedef struct ioas_map {
    uint32_t size, flags, ioas_id, reserved;
    uint64_t user_va, length, iova;
} ioas_map;
typedef struct ioas_unmap {
    uint32_t size, ioas_id;
    uint64_t iova, length;
} ioas_unmap;

enum { MAP_FIXED_IOVA = 1, MAP_WRITEABLE = 2, MAP_READABLE = 4 };
static const unsigned long bind_request = _IO(';', 118), attach_request = _IO(';', 119);
static const unsigned long alloc_request = _IO(';', 0x81), ranges_request = _IO(';', 0x84);
static const unsigned long map_request = _IO(';', 0x85), unmap_request = _IO(';', 0x86);

/* The device's character node, "/dev/vfio/devices/vfio0"; false if the kernel made none. */
static bool find_node(const nce_vfio_iommu *m, char path[NCE_VFIO_PATH])
{
    char folder[NCE_VFIO_PATH];
    bool found = false;
    nce_vfio_sysfs_path(m->options, "vfio-dev", folder);
    DIR *dir = opendir(folder);
    if (dir == NULL) return false;
    for (struct dirent *e = readdir(dir); e != NULL && !found; e = readdir(dir)) {
        found = strncmp(e->d_name, "vfio", 4) == 0;
        if (found) snprintf(path, NCE_VFIO_PATH, "%s/vfio/devices/%.64s", m->options->dev_dir, e->d_name);
    }
    closedir(dir);
    return found;
}

static void read_ranges(nce_vfio_iommu *m)
{
    ioas_ranges r = {
        .size = sizeof r, .ioas_id = m->ioas, .num_iovas = NCE_VFIO_MAX_RANGES, .allowed_iovas = (uintptr_t)m->range};
    m->page = 4096;
    m->n_ranges = 0;
    if (ioctl(m->container, ranges_request, &r) == 0 && r.num_iovas > 0) {
        m->n_ranges = r.num_iovas < NCE_VFIO_MAX_RANGES ? r.num_iovas : NCE_VFIO_MAX_RANGES;
        if (r.out_iova_alignment > m->page) m->page = r.out_iova_alignment;
    }
    if (m->n_ranges == 0) {
        m->range[0] = (nce_iova_range){0, UINT64_MAX};
        m->n_ranges = 1;
    }
}

nce_status nce_vfio_iommufd_open(nce_vfio_iommu *m)
{
    char node[NCE_VFIO_PATH], iommu[NCE_VFIO_PATH];
    snprintf(iommu, sizeof iommu, "%s/iommu", m->options->dev_dir);
    if (!find_node(m, node) || access(iommu, F_OK) != 0)
        return nce_fail(m->ctx, NCE_ERR_UNSUPPORTED, "this kernel has no iommufd for %s", m->options->address);
    m->is_iommufd = true;
    m->container = open(iommu, O_RDWR | O_CLOEXEC);
    if (m->container < 0) return nce_vfio_refused(m->ctx, "open", iommu);
    m->device = open(node, O_RDWR | O_CLOEXEC);
    if (m->device < 0) return nce_vfio_refused(m->ctx, "open the VFIO device", node);
    bind_iommufd bind = {.argsz = sizeof bind, .iommufd = m->container};
    if (ioctl(m->device, bind_request, &bind) != 0) return nce_vfio_refused(m->ctx, "bind to iommufd", node);
    ioas_alloc alloc = {.size = sizeof alloc};
    if (ioctl(m->container, alloc_request, &alloc) != 0)
        return nce_vfio_refused(m->ctx, "get an address space from", iommu);
    m->ioas = alloc.out_ioas_id;
    attach_ioas attach = {.argsz = sizeof attach, .pt_id = m->ioas};
    if (ioctl(m->device, attach_request, &attach) != 0)
        return nce_vfio_refused(m->ctx, "attach an address space to", node);
    read_ranges(m);
    return NCE_OK;
}

nce_status nce_vfio_iommufd_map(nce_vfio_iommu *m, void *host, uint64_t bytes, uint64_t bus)
{
    ioas_map map = {
        .size = sizeof map,
        .flags = MAP_FIXED_IOVA | MAP_WRITEABLE | MAP_READABLE,
        .ioas_id = m->ioas,
        .user_va = (uintptr_t)host,
        .length = bytes,
        .iova = bus,
    };
    return ioctl(m->container, map_request, &map) == 0 ? NCE_OK : nce_vfio_refused(m->ctx, "map memory for", "DMA");
}

void nce_vfio_iommufd_unmap(nce_vfio_iommu *m, uint64_t bytes, uint64_t bus)
{
    ioas_unmap unmap = {.size = sizeof unmap, .ioas_id = m->ioas, .iova = bus, .length = bytes};
    (void)ioctl(m->container, unmap_request, &unmap);
}
