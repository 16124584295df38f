/* VFIO by container, group and type 1 IOMMU: every kernel since 3.6. */
#include "src/photonic/vfio.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The other devices of the group, for the message: "0000:00:1f.0 0000:00:1f.3". */
static void list_group(const nce_vfio_options *o, char *text, size_t bytes)
{
    char path[NCE_VFIO_PATH];
    size_t used = 0;
    text[0] = '\0';
    nce_vfio_sysfs_path(o, "iommu_group/devices", path);
    DIR *dir = opendir(path);
    if (dir == NULL) return;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, o->address) == 0) continue;
        const int n = snprintf(text + used, bytes - used, " %s", e->d_name);
        if (n < 0 || (size_t)n >= bytes - used) break;
        used += (size_t)n;
    }
    closedir(dir);
}

static nce_status open_group(nce_vfio_iommu *m)
{
    char path[NCE_VFIO_PATH], name[32], others[160];
    struct vfio_group_status status = {.argsz = sizeof status};
    nce_vfio_sysfs_path(m->options, "iommu_group", path);
    if (!nce_vfio_link_name(path, name, sizeof name))
        return nce_fail(
            m->ctx, NCE_ERR_IO,
            "PCI device %s has no IOMMU group: switch the IOMMU on in the firmware and boot with intel_iommu=on or "
            "amd_iommu=on",
            m->options->address);
    snprintf(path, sizeof path, "%s/vfio/%s", m->options->dev_dir, name);
    m->group = open(path, O_RDWR | O_CLOEXEC);
    if (m->group < 0) return nce_vfio_refused(m->ctx, "open the VFIO group", path);
    if (ioctl(m->group, VFIO_GROUP_GET_STATUS, &status) != 0) return nce_vfio_refused(m->ctx, "ask the group", path);
    if (status.flags & VFIO_GROUP_FLAGS_VIABLE) return NCE_OK;
    list_group(m->options, others, sizeof others);
    return nce_fail(m->ctx, NCE_ERR_IO,
                    "IOMMU group %s is not viable: bind its other devices to vfio-pci or no driver:%s", name, others);
}

/* Which bus addresses the IOMMU takes: a capability after the structure; without it (before 5.4), everything. */
static void read_ranges(nce_vfio_iommu *m)
{
    union {
        struct vfio_iommu_type1_info info;
        uint8_t bytes[4096];
    } u = {.info = {.argsz = sizeof u}};
    m->page = 4096;
    m->range[0] = (nce_iova_range){0, UINT64_MAX};
    m->n_ranges = 1;
    if (ioctl(m->container, VFIO_IOMMU_GET_INFO, &u) != 0) return;
    if ((u.info.flags & VFIO_IOMMU_INFO_PGSIZES) && u.info.iova_pgsizes != 0)
        m->page = u.info.iova_pgsizes & (0 - u.info.iova_pgsizes); /* the smallest */
    if (!(u.info.flags & VFIO_IOMMU_INFO_CAPS)) return;
    for (uint32_t at = u.info.cap_offset, guard = 0; at != 0 && guard < 64; guard++) {
        struct vfio_info_cap_header header;
        if (at > sizeof u - sizeof(struct vfio_iommu_type1_info_cap_iova_range)) return;
        memcpy(&header, u.bytes + at, sizeof header);
        if (header.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
            const struct vfio_iommu_type1_info_cap_iova_range *cap = (const void *)(u.bytes + at);
            const uint32_t most = (uint32_t)((sizeof u - at - sizeof *cap) / sizeof cap->iova_ranges[0]);
            const uint32_t n = cap->nr_iovas < most ? cap->nr_iovas : most;
            for (uint32_t i = 0; i < n && i < NCE_VFIO_MAX_RANGES; i++)
                m->range[i] = (nce_iova_range){cap->iova_ranges[i].start, cap->iova_ranges[i].end};
            if (n > 0) m->n_ranges = n < NCE_VFIO_MAX_RANGES ? n : NCE_VFIO_MAX_RANGES;
        }
        at = header.next;
    }
}

nce_status nce_vfio_group_open(nce_vfio_iommu *m)
{
    char path[NCE_VFIO_PATH];
    snprintf(path, sizeof path, "%s/vfio/vfio", m->options->dev_dir);
    m->container = open(path, O_RDWR | O_CLOEXEC);
    if (m->container < 0) return nce_vfio_refused(m->ctx, "open the VFIO container", path);
    if (ioctl(m->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
        ioctl(m->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
        return nce_fail(m->ctx, NCE_ERR_UNSUPPORTED, "%s: VFIO without the type 1 IOMMU: modprobe vfio_iommu_type1",
                        path);
    const nce_status status = open_group(m);
    if (status != NCE_OK) return status;
    if (ioctl(m->group, VFIO_GROUP_SET_CONTAINER, &m->container) != 0)
        return nce_vfio_refused(m->ctx, "join the group to", path);
    if (ioctl(m->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
        return nce_vfio_refused(m->ctx, "set the IOMMU of", path);
    read_ranges(m);
    m->device = ioctl(m->group, VFIO_GROUP_GET_DEVICE_FD, m->options->address);
    return m->device >= 0 ? NCE_OK : nce_vfio_refused(m->ctx, "open the device", m->options->address);
}

nce_status nce_vfio_group_map(nce_vfio_iommu *m, void *host, uint64_t bytes, uint64_t bus)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)host,
        .iova = bus,
        .size = bytes,
    };
    return ioctl(m->container, VFIO_IOMMU_MAP_DMA, &map) == 0 ? NCE_OK
                                                              : nce_vfio_refused(m->ctx, "map memory for", "DMA");
}

void nce_vfio_group_unmap(nce_vfio_iommu *m, uint64_t bytes, uint64_t bus)
{
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = bus, .size = bytes};
    (void)ioctl(m->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}
