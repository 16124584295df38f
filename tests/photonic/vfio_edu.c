/* The VFIO transport on a real kernel: run inside the guest of run_vfio.sh with QEMU's educational PCI device "edu"
 * (1234:11e8) bound to vfio-pci.  Identify, compute with an MSI, DMA both ways, a DMA that the IOMMU must block.
 *
 * usage: vfio_edu PCI-ADDRESS group|iommufd.  Prints one line per check and VFIO_EDU_PASS, or the failure.
 * (edu: QEMU docs/specs/edu.rst.  Its DMA addresses have 28 bits; a transfer must stay below 4096 bytes.) */
#include "src/photonic/vfio.h"
#include <stdio.h>
#include <string.h>

enum {
    EDU_ID = 0x00,
    EDU_LIVENESS = 0x04,
    EDU_FACTORIAL = 0x08,
    EDU_STATUS = 0x20, /* bit 7: interrupt when a factorial is done */
    EDU_IRQ_STATUS = 0x24,
    EDU_IRQ_RAISE = 0x60,
    EDU_IRQ_ACK = 0x64,
    EDU_DMA_FROM = 0x80,
    EDU_DMA_TO = 0x88,
    EDU_DMA_COUNT = 0x90,
    EDU_DMA_COMMAND = 0x98, /* bit 0 start, bit 1 device to memory, bit 2 interrupt */
    EDU_MEMORY = 0x40000,   /* of the device */
    EDU_BYTES = 4032
};

static int failures;

static void check(const char *what, bool good)
{
    printf("%-40s %s\n", what, good ? "ok" : "FAILED");
    failures += !good;
}

/* One interrupt, acknowledged; its status, 0 if none came. */
static uint32_t take_irq(nce_ptransport *t)
{
    if (t->ops->wait_irq(t, 5000) != NCE_OK) return 0;
    const uint32_t status = nce_preg_read(t, EDU_IRQ_STATUS);
    nce_preg_write(t, EDU_IRQ_ACK, status);
    return status;
}

static uint32_t dma(nce_ptransport *t, uint64_t from, uint64_t to, uint32_t direction)
{
    nce_preg_write(t, EDU_DMA_FROM, (uint32_t)from);
    nce_preg_write(t, EDU_DMA_TO, (uint32_t)to);
    nce_preg_write(t, EDU_DMA_COUNT, EDU_BYTES);
    nce_preg_write(t, EDU_DMA_COMMAND, 1 | direction | 4);
    return take_irq(t);
}

static void check_registers(nce_ptransport *t)
{
    check("identity", (nce_preg_read(t, EDU_ID) & 0xff) == 0xed);
    nce_preg_write(t, EDU_LIVENESS, 0x12345678);
    check("liveness", nce_preg_read(t, EDU_LIVENESS) == ~0x12345678u);
    check("registers beyond the BAR read ~0", nce_preg_read(t, 1u << 24) == UINT32_MAX);
    nce_preg_write(t, EDU_IRQ_RAISE, 0x42);
    check("message-signalled interrupt", take_irq(t) == 0x42);
    nce_preg_write(t, EDU_STATUS, 0x80);
    nce_preg_write(t, EDU_FACTORIAL, 10);
    check("interrupt when computed", take_irq(t) == 1);
    check("10! = 3628800", nce_preg_read(t, EDU_FACTORIAL) == 3628800);
    nce_preg_write(t, EDU_STATUS, 0);
    check("no interrupt: a wait ends", t->ops->wait_irq(t, 20) == NCE_ERR_BUSY);
}

static void check_dma(nce_ptransport *t)
{
    nce_dma_buffer a, b, gone;
    if (t->ops->dma_alloc(t, 2 * EDU_BYTES, &a) != NCE_OK || t->ops->dma_alloc(t, 3 << 20, &b) != NCE_OK ||
        t->ops->dma_alloc(t, EDU_BYTES, &gone) != NCE_OK) {
        check(nce_context_error(t->ctx), false);
        return;
    }
    uint8_t *from = a.host, *to = b.host;
    check("bus addresses fit the device", b.bus + b.bytes <= 1u << 28 && a.bus % 4096 == 0);
    for (int i = 0; i < EDU_BYTES; i++)
        from[i] = (uint8_t)(i * 31 + 7);
    check("DMA to the device", dma(t, a.bus, EDU_MEMORY, 0) == 0x100);
    check("DMA from the device", dma(t, EDU_MEMORY, b.bus, 2) == 0x100);
    check("the bytes came through", memcmp(from, to, EDU_BYTES) == 0);
    const uint64_t stale = gone.bus;
    t->ops->dma_free(t, &gone);
    memset(to, 0xaa, EDU_BYTES);
    memset(from, 0xbb, EDU_BYTES);
    (void)dma(t, EDU_MEMORY, stale, 2);
    bool intact = true;
    for (int i = 0; i < EDU_BYTES; i++)
        intact &= from[i] == 0xbb && to[i] == 0xaa;
    check("DMA out of range is blocked", intact);
    check("and the device lives on", dma(t, EDU_MEMORY, b.bus, 2) == 0x100 && to[5] == (uint8_t)(5 * 31 + 7));
    t->ops->dma_free(t, &a);
    t->ops->dma_free(t, &b);
}

int main(int argc, char **argv)
{
    nce_context *ctx;
    nce_ptransport *t;
    if (argc != 3 || nce_context_create(NULL, &ctx) != NCE_OK) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const nce_vfio_options o = {.address = argv[1], .dma_bits = 28, .no_iommufd = strcmp(argv[2], "group") == 0};
    if (nce_vfio_open(ctx, &o, &t) != NCE_OK) {
        printf("FAILED %s\n", nce_context_error(ctx));
        return 1;
    }
    check_registers(t);
    check_dma(t);
    const nce_status reset = t->ops->reset(t);
    check("reset, or the reason why not", reset == NCE_OK || reset == NCE_ERR_UNSUPPORTED);
    t->ops->destroy(t);
    check("open again after close", nce_vfio_open(ctx, &o, &t) == NCE_OK && (nce_preg_read(t, EDU_ID) & 0xff) == 0xed);
    if (t != NULL) t->ops->destroy(t);
    nce_context_destroy(ctx);
    if (failures == 0) puts("VFIO_EDU_PASS");
    return failures != 0;
}
