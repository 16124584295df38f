/* How the driver reaches a device: the simulator in this process, or hardware through VFIO.  One vtable; the driver and
 * the guard know nothing else.
 *
 * read32 and write32 may be called from several threads at once (the driver's and the guard's); everything else from
 * one thread at a time. */
#ifndef NCE_PHOTONIC_TRANSPORT_H
#define NCE_PHOTONIC_TRANSPORT_H
#include "src/core/runtime/context.h"

/* Memory that host and device both reach. */
typedef struct nce_dma_buffer {
    void *host;
    uint64_t bus; /* its address for the device */
    size_t bytes;
} nce_dma_buffer;

typedef struct nce_ptransport nce_ptransport;

typedef struct nce_ptransport_ops {
    uint32_t (*read32)(nce_ptransport *t, uint32_t offset);
    /* A release: what was written to DMA memory before is seen by the device first. */
    void (*write32)(nce_ptransport *t, uint32_t offset, uint32_t value);
    /* Zeroed; freed with the transport at the latest. */
    nce_status (*dma_alloc)(nce_ptransport *t, size_t bytes, nce_dma_buffer *out);
    void (*dma_free)(nce_ptransport *t, nce_dma_buffer *buffer); /* an empty buffer is allowed; empties it */
    /* NCE_OK; NCE_ERR_BUSY after timeout_ms; NCE_ERR_BACKEND when the device is gone. */
    nce_status (*wait_irq)(nce_ptransport *t, uint32_t timeout_ms);
    /* Of the function, by the bus; NCE_ERR_UNSUPPORTED where there is none (nothing happened). */
    nce_status (*reset)(nce_ptransport *t);
    /* Virtual time passes (simulator), with a load of the die in watts at full speed; NULL: time is real. */
    void (*advance)(nce_ptransport *t, uint64_t ns, double load_watt);
    void (*destroy)(nce_ptransport *t);
} nce_ptransport_ops;

struct nce_ptransport {
    const nce_ptransport_ops *ops;
    nce_context *ctx;
};

static inline uint32_t nce_preg_read(nce_ptransport *t, uint32_t offset)
{
    return t->ops->read32(t, offset);
}

static inline void nce_preg_write(nce_ptransport *t, uint32_t offset, uint32_t value)
{
    t->ops->write32(t, offset, value);
}

/* A 64-bit counter: reading the low word latches the high one.  One thread at a time per counter. */
static inline uint64_t nce_preg_read64(nce_ptransport *t, uint32_t offset)
{
    const uint32_t low = nce_preg_read(t, offset);
    return (uint64_t)nce_preg_read(t, offset + 4) << 32 | low;
}

#endif
