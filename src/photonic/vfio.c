/* The VFIO transport: what container and iommufd have in common (see vfio.h). */
#include "src/photonic/vfio.h"
#include "src/photonic/device.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* A DMA buffer: whole pages of one block of ours, so that the device never sees foreign memory. */
typedef struct mapping {
    void *block; /* of nce_alloc */
    void *host;  /* first whole page in it */
    uint64_t bus, bytes;
} mapping;

typedef struct vfio {
    nce_ptransport base;
    nce_vfio_iommu iommu;
    nce_iova iova;
    bool has_iova;
    volatile uint8_t *bar;
    size_t bar_bytes;
    int interrupt, request; /* eventfds; -1: none */
    bool can_reset;
    atomic_bool lost;
    mapping *mappings;
    size_t n_mappings, mappings_capacity;
} vfio;

static vfio *self(nce_ptransport *t)
{
    return (vfio *)t;
}

/* ---- words for what the kernel refuses ---- */

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

/* Reasons that sysfs can tell before the kernel is asked. */
static nce_status check_sysfs(nce_context *ctx, const nce_vfio_options *o)
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

/* ---- the two ways ---- */

nce_status nce_vfio_map(nce_vfio_iommu *m, void *host, uint64_t bytes, uint64_t bus)
{
    return m->is_iommufd ? nce_vfio_iommufd_map(m, host, bytes, bus) : nce_vfio_group_map(m, host, bytes, bus);
}

void nce_vfio_unmap(nce_vfio_iommu *m, uint64_t bytes, uint64_t bus)
{
    if (m->is_iommufd)
        nce_vfio_iommufd_unmap(m, bytes, bus);
    else
        nce_vfio_group_unmap(m, bytes, bus);
}

static void close_one(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void nce_vfio_close(nce_vfio_iommu *m)
{
    close_one(&m->device);
    close_one(&m->group);
    close_one(&m->container);
}

static nce_status open_iommu(nce_vfio_iommu *m)
{
    nce_status status = NCE_ERR_UNSUPPORTED;
    if (!m->options->no_iommufd) status = nce_vfio_iommufd_open(m);
    if (status != NCE_ERR_UNSUPPORTED) return status;
    nce_vfio_close(m);
    m->is_iommufd = false;
    return nce_vfio_group_open(m);
}

/* The ranges of the IOMMU that the device can also address. */
static nce_status open_iova(vfio *v, uint32_t dma_bits)
{
    const uint64_t last = dma_bits >= 64 ? UINT64_MAX : (1ull << dma_bits) - 1;
    nce_iova_range usable[NCE_VFIO_MAX_RANGES];
    size_t n = 0;
    for (size_t i = 0; i < v->iommu.n_ranges; i++) {
        nce_iova_range r = v->iommu.range[i];
        if (r.first == 0 && r.last > 0xfffff) r.first = 0x100000; /* address 0 stays free: it is what bugs point to */
        if (r.first > last) continue;
        if (r.last > last) r.last = last;
        usable[n++] = r;
    }
    const nce_status status = nce_iova_init(&v->iova, v->base.ctx, usable, n, v->iommu.page);
    v->has_iova = status == NCE_OK;
    return status;
}

/* ---- regions and interrupts ---- */

static nce_status enable_device(vfio *v)
{
    struct vfio_region_info config = {.argsz = sizeof config, .index = VFIO_PCI_CONFIG_REGION_INDEX};
    uint16_t command = 0;
    if (ioctl(v->iommu.device, VFIO_DEVICE_GET_REGION_INFO, &config) != 0 ||
        pread(v->iommu.device, &command, sizeof command, (off_t)(config.offset + PCI_COMMAND)) != sizeof command)
        return nce_vfio_refused(v->base.ctx, "read", "the PCI configuration");
    command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    if (pwrite(v->iommu.device, &command, sizeof command, (off_t)(config.offset + PCI_COMMAND)) != sizeof command)
        return nce_vfio_refused(v->base.ctx, "enable", "memory and bus mastering");
    return NCE_OK;
}

static nce_status map_bar(vfio *v)
{
    struct vfio_region_info bar = {.argsz = sizeof bar, .index = VFIO_PCI_BAR0_REGION_INDEX};
    if (ioctl(v->iommu.device, VFIO_DEVICE_GET_REGION_INFO, &bar) != 0)
        return nce_vfio_refused(v->base.ctx, "ask for", "BAR 0");
    if (bar.size < 0x1000 || !(bar.flags & VFIO_REGION_INFO_FLAG_MMAP))
        return nce_fail(v->base.ctx, NCE_ERR_UNSUPPORTED,
                        "BAR 0 has %llu bytes or cannot be mapped: not a device of this interface",
                        (unsigned long long)bar.size);
    void *p = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, v->iommu.device, (off_t)bar.offset);
    if (p == MAP_FAILED) return nce_vfio_refused(v->base.ctx, "map", "BAR 0");
    v->bar = p;
    v->bar_bytes = bar.size;
    return NCE_OK;
}

/* Route vector 0 of an interrupt index to a new eventfd; -1 if the device does not have it. */
static int route(vfio *v, uint32_t index)
{
    struct vfio_irq_info info = {.argsz = sizeof info, .index = index};
    if (ioctl(v->iommu.device, VFIO_DEVICE_GET_IRQ_INFO, &info) != 0 || info.count == 0) return -1;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return -1;
    union {
        struct vfio_irq_set set;
        uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
    } u;
    u.set = (struct vfio_irq_set){
        .argsz = sizeof u.bytes,
        .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = index,
        .count = 1,
    };
    const int32_t value = fd;
    memcpy(u.bytes + sizeof(struct vfio_irq_set), &value, sizeof value);
    if (ioctl(v->iommu.device, VFIO_DEVICE_SET_IRQS, &u) != 0) close_one(&fd);
    return fd;
}

static nce_status route_interrupts(vfio *v)
{
    v->interrupt = route(v, VFIO_PCI_MSIX_IRQ_INDEX);
    if (v->interrupt < 0) v->interrupt = route(v, VFIO_PCI_MSI_IRQ_INDEX);
    if (v->interrupt < 0)
        return nce_fail(v->base.ctx, NCE_ERR_UNSUPPORTED,
                        "the device has neither MSI-X nor MSI, or the kernel refuses them");
    v->request = route(v, VFIO_PCI_REQ_IRQ_INDEX);
    return NCE_OK;
}

/* ---- transport functions ---- */

static uint32_t vfio_read32(nce_ptransport *t, uint32_t offset)
{
    vfio *v = self(t);
    if (atomic_load(&v->lost) || offset > v->bar_bytes - 4) return UINT32_MAX;
    return *(volatile uint32_t *)(v->bar + offset);
}

static void vfio_write32(nce_ptransport *t, uint32_t offset, uint32_t value)
{
    vfio *v = self(t);
    if (atomic_load(&v->lost) || offset > v->bar_bytes - 4) return;
    __atomic_store_n((volatile uint32_t *)(v->bar + offset), value, __ATOMIC_RELEASE);
}

static nce_status vfio_dma_alloc(nce_ptransport *t, size_t bytes, nce_dma_buffer *out)
{
    vfio *v = self(t);
    mapping m = {.bytes = (bytes + v->iommu.page - 1) & ~(v->iommu.page - 1)};
    *out = (nce_dma_buffer){0};
    nce_status status = nce_grow(t->ctx, (void **)&v->mappings, &v->mappings_capacity, v->n_mappings + 1, sizeof m);
    if (status != NCE_OK) return status;
    m.block = nce_alloc_zero(t->ctx, m.bytes + v->iommu.page);
    if (m.block == NULL) return nce_fail_nomem(t->ctx, m.bytes + v->iommu.page);
    m.host = (void *)(((uintptr_t)m.block + v->iommu.page - 1) & ~(uintptr_t)(v->iommu.page - 1));
    status = nce_iova_alloc(&v->iova, m.bytes, &m.bus);
    if (status != NCE_OK) goto fail;
    status = nce_vfio_map(&v->iommu, m.host, m.bytes, m.bus);
    if (status != NCE_OK) {
        nce_iova_free(&v->iova, m.bus);
        goto fail;
    }
    v->mappings[v->n_mappings++] = m;
    *out = (nce_dma_buffer){m.host, m.bus, bytes};
    return NCE_OK;
fail:
    nce_free(t->ctx, m.block);
    return status;
}

static void vfio_dma_free(nce_ptransport *t, nce_dma_buffer *buffer)
{
    vfio *v = self(t);
    for (size_t i = 0; i < v->n_mappings && buffer->host != NULL; i++) {
        const mapping m = v->mappings[i];
        if (m.host != buffer->host) continue;
        nce_vfio_unmap(&v->iommu, m.bytes, m.bus);
        nce_iova_free(&v->iova, m.bus);
        nce_free(t->ctx, m.block);
        v->mappings[i] = v->mappings[--v->n_mappings];
        break;
    }
    *buffer = (nce_dma_buffer){0};
}

static nce_status vfio_wait_irq(nce_ptransport *t, uint32_t timeout_ms)
{
    vfio *v = self(t);
    struct pollfd p[2] = {{v->interrupt, POLLIN, 0}, {v->request, POLLIN, 0}}; /* poll skips a descriptor of -1 */
    uint64_t count;
    if (!atomic_load(&v->lost) && poll(p, 2, (int)timeout_ms) < 0 && errno != EINTR)
        return nce_vfio_refused(t->ctx, "wait for", "an interrupt");
    if (p[1].revents & POLLIN) atomic_store(&v->lost, true);
    if (atomic_load(&v->lost))
        return nce_fail(t->ctx, NCE_ERR_BACKEND, "the kernel takes the device back (unplugged or unbound)");
    if (p[0].revents & POLLIN && read(v->interrupt, &count, sizeof count) == sizeof count) return NCE_OK;
    return nce_fail(t->ctx, NCE_ERR_BUSY, "no interrupt within %u ms", timeout_ms);
}

static nce_status vfio_reset(nce_ptransport *t)
{
    vfio *v = self(t);
    if (!v->can_reset) return nce_fail(t->ctx, NCE_ERR_UNSUPPORTED, "the device has no function-level reset");
    if (ioctl(v->iommu.device, VFIO_DEVICE_RESET) != 0) return nce_vfio_refused(t->ctx, "reset", "the device");
    return enable_device(v); /* the reset cleared the command register */
}

static void vfio_destroy(nce_ptransport *t)
{
    vfio *v = self(t);
    if (v == NULL) return;
    while (v->n_mappings > 0) {
        nce_dma_buffer last = {v->mappings[v->n_mappings - 1].host, 0, 0};
        vfio_dma_free(t, &last);
    }
    if (v->bar != NULL) munmap((void *)(uintptr_t)v->bar, v->bar_bytes);
    close_one(&v->interrupt);
    close_one(&v->request);
    nce_vfio_close(&v->iommu);
    if (v->has_iova) nce_iova_finish(&v->iova);
    nce_free(t->ctx, v->mappings);
    nce_free(t->ctx, v);
}

static const nce_ptransport_ops vfio_ops = {
    vfio_read32, vfio_write32, vfio_dma_alloc, vfio_dma_free, vfio_wait_irq, vfio_reset, NULL, vfio_destroy,
};

static nce_status open_device(vfio *v, uint32_t dma_bits)
{
    struct vfio_device_info info = {.argsz = sizeof info};
    nce_status status = open_iommu(&v->iommu);
    if (status == NCE_OK) status = open_iova(v, dma_bits);
    if (status != NCE_OK) return status;
    if (ioctl(v->iommu.device, VFIO_DEVICE_GET_INFO, &info) != 0)
        return nce_vfio_refused(v->base.ctx, "ask", "the device");
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI)) return nce_fail(v->base.ctx, NCE_ERR_UNSUPPORTED, "not a PCI device");
    v->can_reset = (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
    status = enable_device(v);
    if (status == NCE_OK) status = map_bar(v);
    if (status == NCE_OK) status = route_interrupts(v);
    return status;
}

nce_status nce_vfio_open(nce_context *ctx, const nce_vfio_options *options, nce_ptransport **out)
{
    nce_vfio_options o = *options;
    *out = NULL;
    if (o.sysfs_dir == NULL) o.sysfs_dir = "/sys";
    if (o.dev_dir == NULL) o.dev_dir = "/dev";
    if (o.dma_bits == 0) o.dma_bits = 40;
    nce_status status = check_sysfs(ctx, &o);
    if (status != NCE_OK) return status;
    vfio *v = nce_alloc_zero(ctx, sizeof *v);
    if (v == NULL) return nce_fail_nomem(ctx, sizeof *v);
    v->base = (nce_ptransport){&vfio_ops, ctx};
    v->iommu = (nce_vfio_iommu){.ctx = ctx, .options = &o, .device = -1, .container = -1, .group = -1};
    v->interrupt = v->request = -1;
    status = open_device(v, o.dma_bits);
    v->iommu.options = NULL;
    if (status != NCE_OK) goto fail;
    *out = &v->base;
    return NCE_OK;
fail:
    vfio_destroy(&v->base);
    return status;
}

nce_status nce_photonic_vfio_open(nce_context *ctx, const char *address, nce_ptransport **out)
{
    const nce_vfio_options options = {.address = address};
    return nce_vfio_open(ctx, &options, out);
}
