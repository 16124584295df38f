/* Transport to real hardware: a PCI device that Linux hands to user space through VFIO.
 *
 * Two ways to the IOMMU, chosen by what the kernel offers: the VFIO character device with iommufd (vfio_iommufd.c),
 * else container, group and type 1 (vfio_group.c).  vfio.c does what both share: sysfs, regions, BAR 0, interrupts by
 * eventfd, DMA buffers.  No root is needed once the administrator has bound the device to vfio-pci and given the user
 * its node; every refusal of the kernel is explained in those terms.
 *
 * When the kernel wants the device back (hot unplug, driver unbind) it signals a request interrupt: waits then end with
 * NCE_ERR_BACKEND, registers read ~0 and writes go nowhere, until the owner destroys the transport. */
#ifndef NCE_PHOTONIC_VFIO_H
#define NCE_PHOTONIC_VFIO_H
#include "src/photonic/iova.h"
#include "src/photonic/transport.h"

typedef struct nce_vfio_options {
    const char *address;   /* "0000:01:00.0" */
    uint32_t dma_bits;     /* width of the device's bus addresses; 0: 40 */
    const char *sysfs_dir; /* NULL: "/sys"; tests give their own */
    const char *dev_dir;   /* NULL: "/dev" */
    bool no_iommufd;       /* use container and group even where iommufd exists */
} nce_vfio_options;

nce_status nce_vfio_open(nce_context *ctx, const nce_vfio_options *options, nce_ptransport **out);

/* ---- between the files ---- */
enum { NCE_VFIO_MAX_RANGES = 16, NCE_VFIO_PATH = 512 };

typedef struct nce_vfio_iommu {
    nce_context *ctx;
    const nce_vfio_options *options; /* until open returns */
    int device, container, group;    /* file descriptors; -1: none.  container: of iommufd there */
    bool is_iommufd;
    uint32_t ioas;
    nce_iova_range range[NCE_VFIO_MAX_RANGES]; /* bus addresses the IOMMU accepts */
    size_t n_ranges;
    uint64_t page;
} nce_vfio_iommu;

/* Open the device; NCE_ERR_UNSUPPORTED from the second if the kernel has no iommufd for it (then try the first). */
nce_status nce_vfio_group_open(nce_vfio_iommu *m);
nce_status nce_vfio_iommufd_open(nce_vfio_iommu *m);
nce_status nce_vfio_map(nce_vfio_iommu *m, void *host, uint64_t bytes, uint64_t bus);
void nce_vfio_unmap(nce_vfio_iommu *m, uint64_t bytes, uint64_t bus);
nce_status nce_vfio_group_map(nce_vfio_iommu *m, void *host, uint64_t bytes, uint64_t bus);
void nce_vfio_group_unmap(nce_vfio_iommu *m, uint64_t bytes, uint64_t bus);
nce_status nce_vfio_iommufd_map(nce_vfio_iommu *m, void *host, uint64_t bytes, uint64_t bus);
void nce_vfio_iommufd_unmap(nce_vfio_iommu *m, uint64_t bytes, uint64_t bus);
void nce_vfio_close(nce_vfio_iommu *m);

/* Reasons that sysfs can tell before the kernel is asked: bad address, no device, not bound to vfio-pci. */
nce_status nce_vfio_check(nce_context *ctx, const nce_vfio_options *o);
/* "cannot <what> <path>: <reason>; <advice>" as NCE_ERR_IO, by errno. */
nce_status nce_vfio_refused(nce_context *ctx, const char *what, const char *path);
/* DIR/bus/pci/devices/ADDRESS/NAME. */
void nce_vfio_sysfs_path(const nce_vfio_options *o, const char *name, char out[NCE_VFIO_PATH]);
/* The last component of a symbolic link; false if it is none. */
bool nce_vfio_link_name(const char *path, char *out, size_t bytes);

#endif
