/* What VFIO says where there is no device, no IOMMU, the wrong driver or no module (fake sysfs trees), and the
 * allocator of bus addresses.  The real kernel path is tests/photonic/vfio_edu.c, in QEMU. */
#include "nce/photonic.h"
#include "src/photonic/vfio.h"
#include "src/photonic/random.h"
#include "tests/unit/faulty_alloc.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/nce-vfio-XXXXXX";
static char sysfs[64], dev[64];

static void path_of(char out[256], const char *format, const char *a)
{
    snprintf(out, 256, format, root, a);
}

static void make(const char *relative)
{
    char path[256];
    path_of(path, "%s/%s", relative);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; *p++ = '/') {
        *p = '\0';
        mkdir(path, 0700);
    }
    mkdir(path, 0700);
}

static void link_to(const char *target, const char *relative)
{
    char path[256];
    path_of(path, "%s/%s", relative);
    cr_assert_eq(symlink(target, path), 0);
}

static void tree(void)
{
    strcpy(root + strlen(root) - 6, "XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    snprintf(sysfs, sizeof sysfs, "%s/sys", root);
    snprintf(dev, sizeof dev, "%s/dev", root);
    make("sys/bus/pci/devices/0000:01:00.0");
    make("dev/vfio");
}

static void clean(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", root);
    cr_assert_eq(system(command), 0);
}

static nce_status try(const char *address, char message[512])
{
    nce_context *ctx;
    nce_ptransport *t;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    const nce_vfio_options o = {.address = address, .sysfs_dir = sysfs, .dev_dir = dev};
    const nce_status status = nce_vfio_open(ctx, &o, &t);
    cr_assert_null(t);
    snprintf(message, 512, "%s", nce_context_error(ctx));
    nce_context_destroy(ctx);
    return status;
}

Test(photonic_vfio, every_refusal_says_what_to_do, .init = tree, .fini = clean)
{
    char m[512];
    cr_assert_eq(try("1:0.0", m), NCE_ERR_INVALID);
    cr_assert_eq(try("0000:01:00.x", m), NCE_ERR_INVALID);
    cr_assert_eq(try("../../../etc", m), NCE_ERR_INVALID);
    cr_assert_eq(try("0000:02:00.0", m), NCE_ERR_NOTFOUND);
    cr_assert(strstr(m, "lspci"), "%s", m);
    cr_assert_eq(try("0000:01:00.0", m), NCE_ERR_IO);
    cr_assert(strstr(m, "no driver") && strstr(m, "driver_override"), "%s", m);
    link_to("../../drivers/nvme", "sys/bus/pci/devices/0000:01:00.0/driver");
    cr_assert_eq(try("0000:01:00.0", m), NCE_ERR_IO);
    cr_assert(strstr(m, "bound to nvme"), "%s", m);
}

Test(photonic_vfio, the_kernel_parts_that_may_be_missing, .init = tree, .fini = clean)
{
    char m[512], path[256];
    link_to("../../drivers/vfio-pci", "sys/bus/pci/devices/0000:01:00.0/driver");
    cr_assert_eq(try("0000:01:00.0", m), NCE_ERR_IO);
    cr_assert(strstr(m, "modprobe vfio-pci"), "%s", m);
    path_of(path, "%s/%s", "dev/vfio/vfio");
    fclose(fopen(path, "w"));
    cr_assert_eq(try("0000:01:00.0", m), NCE_ERR_UNSUPPORTED, "a file is no container: %s", m);
    make("sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio0");
    path_of(path, "%s/%s", "dev/iommu");
    fclose(fopen(path, "w"));
    cr_assert_eq(try("0000:01:00.0", m), NCE_ERR_IO, "iommufd is preferred when both parts are there: %s", m);
    cr_assert(strstr(m, "vfio/devices/vfio0"), "%s", m);
}

Test(photonic_vfio, the_public_way_reports_the_same)
{
    nce_context *ctx;
    nce_photonic *d;
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    o.transport = "vfio:ffff:1f:1f.7";
    cr_assert_eq(nce_photonic_create(ctx, &o, &d), NCE_ERR_NOTFOUND, "%s", nce_context_error(ctx));
    cr_assert_null(d);
    o.transport = "vfio:";
    cr_assert_eq(nce_photonic_create(ctx, &o, &d), NCE_ERR_INVALID);
    nce_context_destroy(ctx);
}

/* ---- bus addresses ---- */

Test(photonic_vfio, bus_addresses_fill_and_empty)
{
    const nce_iova_range ranges[] = {{0x1800, 0x4fff}, {0x8000, 0x8fff}, {UINT64_MAX - 0x1fff, UINT64_MAX}};
    nce_context *ctx;
    nce_iova a;
    uint64_t bus[6], more;
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_iova_init(&a, ctx, ranges, 3, 0x1000), NCE_OK);
    const uint64_t expected[6] = {0x2000, 0x3000, 0x4000, 0x8000, UINT64_MAX - 0x1fff, UINT64_MAX - 0xfff};
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(nce_iova_alloc(&a, 1 + 800 * (uint64_t)i, &bus[i]), NCE_OK);
        cr_assert_eq(bus[i], expected[i], "%d: %llx", i, (unsigned long long)bus[i]);
    }
    cr_assert_eq(nce_iova_alloc(&a, 1, &more), NCE_ERR_LIMIT);
    nce_iova_free(&a, 0x3000);
    nce_iova_free(&a, 0x4000);
    nce_iova_free(&a, 0x4000);
    cr_assert_eq(nce_iova_alloc(&a, 0x3000, &more), NCE_ERR_LIMIT);
    cr_assert_eq(nce_iova_alloc(&a, 0x2000, &more), NCE_OK);
    cr_assert_eq(more, 0x3000);
    cr_assert_eq(nce_iova_alloc(&a, 0, &more), NCE_ERR_INVALID);
    cr_assert_eq(nce_iova_alloc(&a, UINT64_MAX, &more), NCE_ERR_INVALID);
    nce_iova_finish(&a);
    nce_iova_finish(&a);
    cr_assert_eq(nce_iova_init(&a, ctx, ranges, 3, 0x1001), NCE_ERR_INVALID);
    cr_assert_eq(nce_iova_init(&a, ctx, (nce_iova_range[]){{5, 4}}, 1, 1), NCE_ERR_INVALID);
    cr_assert_eq(nce_iova_init(&a, ctx, (nce_iova_range[]){{1, 4}, {4, 8}}, 2, 1), NCE_ERR_INVALID);
    nce_context_destroy(ctx);
}

Test(photonic_vfio, random_allocations_never_overlap)
{
    enum { N = 40, PAGES = 64 };
    const nce_iova_range ranges[] = {{0x10000, 0x10000 + PAGES * 0x1000 - 1}};
    nce_context *ctx;
    nce_iova a;
    struct {
        uint64_t bus, pages;
    } live[N] = {{0, 0}};
    uint64_t owner[PAGES] = {0};
    cr_assert_eq(nce_context_create(NULL, &ctx), NCE_OK);
    cr_assert_eq(nce_iova_init(&a, ctx, ranges, 1, 0x1000), NCE_OK);
    for (uint64_t t = 1; t < 5000; t++) {
        uint32_t w[4];
        nce_philox(8, t, 0, w);
        const uint32_t slot = w[0] % N;
        if (live[slot].pages > 0) {
            nce_iova_free(&a, live[slot].bus);
            for (uint64_t p = 0; p < live[slot].pages; p++)
                owner[(live[slot].bus - 0x10000) / 0x1000 + p] = 0;
            live[slot].pages = 0;
        } else if (nce_iova_alloc(&a, (1 + w[1] % 6) * 0x1000, &live[slot].bus) == NCE_OK) {
            live[slot].pages = 1 + w[1] % 6;
            for (uint64_t p = 0; p < live[slot].pages; p++) {
                const uint64_t page = (live[slot].bus - 0x10000) / 0x1000 + p;
                cr_assert(page < PAGES && owner[page] == 0);
                owner[page] = t;
            }
        }
    }
    nce_iova_finish(&a);
    nce_context_destroy(ctx);
}
