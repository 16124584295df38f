/* The simulated photonic device under any sequence of register accesses, descriptors and passing time: nothing may crash,
 * hang or touch memory that is not mapped.  Also the decoder of residues and the text form of options.
 *
 * Input: the first byte selects the part; for the device, commands of a byte and its operands. */
#include "src/photonic/device.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static uint64_t take(input *in, size_t bytes)
{
    uint64_t v = 0;
    if (bytes > in->size) bytes = in->size;
    memcpy(&v, in->data, bytes);
    in->data += bytes;
    in->size -= bytes;
    return v;
}

/* Power, light and a ring, so that most inputs get past the first checks. */
static void start(nce_ptransport *t, uint64_t ring)
{
    for (uint32_t r = 0; r < NCE_RAILS; r++)
        nce_preg_write(t, NCE_PREG_RAIL + NCE_PREG_RAIL_STRIDE * r, 1);
    t->ops->advance(t, 40000000, 0.0);
    nce_preg_write(t, NCE_PREG_CONTROL, NCE_PCTL_ENABLE | NCE_PCTL_LASER);
    nce_preg_write(t, NCE_PREG_RING_LO, (uint32_t)ring);
    nce_preg_write(t, NCE_PREG_RING_HI, (uint32_t)(ring >> 32));
    nce_preg_write(t, NCE_PREG_RING_ENTRIES, 8);
}

/* A descriptor whose addresses point near the buffer and whose sizes are small, unless the input says otherwise. */
static void put_descriptor(input *in, const nce_dma_buffer *b)
{
    nce_pdesc d = {.op = (uint32_t)take(in, 1) % 4, .flags = (uint32_t)take(in, 1)};
    d.w = b->bus + take(in, 2) - 256;
    d.x = b->bus + take(in, 2) - 256;
    d.out = b->bus + (take(in, 2) & ~7ull);
    d.rows = (uint32_t)take(in, 1);
    d.blocks = (uint32_t)take(in, 1);
    d.length = (uint32_t)take(in, 1) + 1;
    d.ld_w = (uint32_t)take(in, 2);
    if (d.flags & 2) d.rows = (uint32_t)take(in, 4) & 0xfffff;
    if (d.flags & 4) d.ld_w = (uint32_t)take(in, 4);
    if (d.flags & 8) d.w = take(in, 8);
    if (d.flags & 16) d.out = take(in, 8);
    if (d.flags & 32) d.lanes = 1;
    memcpy((uint8_t *)b->host + sizeof d * (take(in, 1) % 8), &d, sizeof d);
}

static void drive(nce_context *ctx, input *in)
{
    const nce_psim_settings settings = {take(in, 1), 0.01, 100.0, 6, 14, 25.0, false};
    nce_psim *sim;
    nce_dma_buffer b = {0};
    if (nce_psim_create(ctx, &settings, &sim) != NCE_OK) return;
    nce_ptransport *t = &sim->base;
    if (t->ops->dma_alloc(t, 1 << 16, &b) == NCE_OK) start(t, b.bus);
    for (int step = 0; step < 64 && in->size > 0 && b.host != NULL; step++) {
        const uint32_t offset = (uint32_t)take(in, 2) & 0xfff;
        switch (take(in, 1) % 8) {
        case 0:
            nce_preg_write(t, offset, (uint32_t)take(in, 4));
            break;
        case 1:
            (void)nce_preg_read(t, offset);
            break;
        case 2:
            (void)nce_preg_read64(t, offset);
            break;
        case 3:
            put_descriptor(in, &b);
            break;
        case 4:
            nce_preg_write(t, NCE_PREG_RING_TAIL, offset % 8);
            break;
        case 5:
            t->ops->advance(t, take(in, 4) % 200000000, (double)take(in, 1));
            break;
        case 6:
            nce_psim_break(sim, (nce_photonic_part_fault)(offset % (NCE_PHOTONIC_LOST + 1)), offset / 16 % 3);
            break;
        case 7:
            nce_psim_lane_fault(sim, offset % 7, (nce_lane_fault)(offset / 8 % 5), 0.5);
            break;
        }
    }
    t->ops->dma_free(t, &b);
    t->ops->destroy(t);
}

static void decode(input *in)
{
    uint8_t residues[8] = {0};
    int32_t y;
    const uint32_t lanes = (uint32_t)take(in, 1), length = (uint32_t)take(in, 1) + 1;
    const uint64_t bits = take(in, 8);
    memcpy(residues, &bits, 8);
    if (nce_rns_decode_lanes(residues, lanes, length, &y)) {
        uint8_t back[8];
        nce_rns_encode(y, back);
        for (int l = 0; l < NCE_RNS_LANES; l++)
            if ((lanes >> l & 1) && back[l] != residues[l]) abort();
        if (abs(y) > (int32_t)(length << 14)) abort();
    }
    (void)nce_rns_suspects(residues, length);
}

static void parse(nce_context *ctx, input *in)
{
    char text[256], name[64];
    nce_photonic_options o = NCE_PHOTONIC_OPTIONS_INIT, resolved;
    const size_t n = in->size < sizeof text - 1 ? in->size : sizeof text - 1;
    memcpy(text, in->data, n);
    text[n] = '\0';
    if (nce_photonic_options_parse(ctx, text, &o, name, sizeof name) == NCE_OK)
        (void)nce_photonic_resolve(ctx, &o, &resolved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nce_context *ctx;
    input in = {data, size};
    if (size == 0 || nce_context_create(NULL, &ctx) != NCE_OK) return 0;
    switch (take(&in, 1) % 4) {
    case 0:
        decode(&in);
        break;
    case 1:
        parse(ctx, &in);
        break;
    default:
        drive(ctx, &in);
        break;
    }
    nce_context_destroy(ctx);
    return 0;
}
