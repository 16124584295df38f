/* Opening and closing of a photonic device (see device.h). */
#include "src/photonic/device.h"
#include <string.h>

static const char vfio_prefix[] = "vfio:";

static nce_status open_simulator(nce_photonic *d)
{
    const nce_photonic_options *o = &d->options;
    const nce_psim_settings settings = {
        .seed = o->seed,
        .noise = o->noise > 0.0 ? o->noise : 0.0,
        .drift_pm_per_k = o->drift_nm_per_k > 0.0 ? 1000.0 * o->drift_nm_per_k : 0.0,
        .adc_bits = o->adc_bits,
        .dac_bits = o->noise > 0.0 ? o->dac_bits : 0,
        .ambient = o->ambient_mc / 1000.0,
        .real_time = (o->flags & NCE_PHOTONIC_GUARD_THREAD) != 0,
    };
    const nce_status status = nce_psim_create(d->ctx, &settings, &d->sim);
    if (status != NCE_OK) return status;
    d->transport = &d->sim->base;
    if (o->fault_kind != NCE_PHOTONIC_FAULT_NONE)
        nce_psim_lane_fault(d->sim, o->fault_lane, (nce_lane_fault)o->fault_kind, o->fault_rate);
    return NCE_OK;
}

static nce_status open_transport(nce_photonic *d)
{
    const char *name = d->options.transport;
    const size_t n = sizeof vfio_prefix - 1;
    if (strcmp(name, "sim") == 0) return open_simulator(d);
    if (strncmp(name, vfio_prefix, n) == 0) return nce_photonic_vfio_open(d->ctx, name + n, &d->transport);
    return nce_fail(d->ctx, NCE_ERR_NOTFOUND,
                    "photonic transport '%.80s': there are \"sim\" and \"vfio:<PCI address>\"", name);
}

static nce_status identify(nce_photonic *d)
{
    nce_ptransport *t = d->transport;
    const uint32_t id = nce_preg_read(t, NCE_PREG_ID), version = nce_preg_read(t, NCE_PREG_VERSION);
    if (id != NCE_PREG_ID_VALUE || version >> 16 != NCE_PREG_VERSION_VALUE >> 16)
        return nce_fail(d->ctx, NCE_ERR_UNSUPPORTED,
                        "%s: identity %08x version %u.%u, this driver knows %08x version 1.x", d->options.transport, id,
                        version >> 16, version & 0xffff, NCE_PREG_ID_VALUE);
    const uint32_t caps = nce_preg_read(t, NCE_PREG_CAPS);
    bool good =
        (caps & 0xff) == NCE_RNS_LANES && (caps >> 8 & 0xff) >= 8 && 1u << (caps >> 16 & 31) >= NCE_PHOTONIC_RING;
    for (uint32_t i = 0; i < NCE_RNS_LANES; i++)
        good &= nce_preg_read(t, NCE_PREG_LANE + NCE_PREG_LANE_STRIDE * i + NCE_PREG_LANE_MODULUS) == nce_rns_moduli[i];
    nce_preg_write(t, NCE_PREG_SCRATCH, 0x5aa5c33cu);
    good &= nce_preg_read(t, NCE_PREG_SCRATCH) == 0x5aa5c33cu;
    if (!good)
        return nce_fail(d->ctx, NCE_ERR_UNSUPPORTED, "%s: capabilities %08x or moduli are not those of the exact mode",
                        d->options.transport, caps);
    return NCE_OK;
}

static nce_status allocate(nce_photonic *d)
{
    const struct {
        nce_dma_buffer *buffer;
        size_t bytes;
    } table[] = {{&d->ring, NCE_PHOTONIC_RING * sizeof(nce_pdesc)},
                 {&d->w, NCE_PHOTONIC_TILE_BYTES},
                 {&d->x, NCE_PHOTONIC_INPUT_BYTES},
                 {&d->out, NCE_PHOTONIC_TILE_DOTS * 8}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const nce_status status = d->transport->ops->dma_alloc(d->transport, table[i].bytes, table[i].buffer);
        if (status != NCE_OK) return status;
    }
    d->failed = nce_alloc_array(d->ctx, NCE_PHOTONIC_TILE_DOTS, sizeof *d->failed);
    d->sums = nce_alloc_array(d->ctx, NCE_PHOTONIC_INPUT_BYTES, sizeof *d->sums);
    return d->failed != NULL && d->sums != NULL ? NCE_OK : nce_fail_nomem(d->ctx, NCE_PHOTONIC_TILE_DOTS * 4);
}

static void start_ring(nce_photonic *d)
{
    nce_ptransport *t = d->transport;
    nce_preg_write(t, NCE_PREG_RING_LO, (uint32_t)d->ring.bus);
    nce_preg_write(t, NCE_PREG_RING_HI, (uint32_t)(d->ring.bus >> 32));
    nce_preg_write(t, NCE_PREG_RING_ENTRIES, NCE_PHOTONIC_RING);
    nce_preg_write(t, NCE_PREG_IRQ_MASK, NCE_PIRQ_DONE | NCE_PIRQ_FAULT | NCE_PIRQ_EMERGENCY);
    nce_preg_write(t, NCE_PREG_TEMP_TRIP, (uint32_t)d->options.emergency_mc);
}

static void init_control(nce_photonic *d)
{
    static const nce_tec module = {0.022, 10.0, 0.03};
    nce_guard_limits limits = nce_guard_default_limits;
    limits.warning_mc = d->options.warning_mc;
    limits.critical_mc = d->options.critical_mc;
    limits.emergency_mc = d->options.emergency_mc;
    limits.hysteresis_mc = d->options.hysteresis_mc;
    nce_guard_init(&d->guard, &limits, &module);
    d->guard.drift_pm_per_k = d->options.drift_nm_per_k > 0.0 ? 1000.0 * d->options.drift_nm_per_k : 0.0;
    nce_power_init(&d->power);
    d->control_shadow = NCE_PCTL_ENABLE | NCE_PCTL_WATCHDOG;
    nce_preg_write(d->transport, NCE_PREG_CONTROL, d->control_shadow);
}

static nce_status start(nce_photonic *d)
{
    nce_status status = open_transport(d);
    if (status == NCE_OK) status = identify(d);
    if (status != NCE_OK) return status;
    status = d->transport->ops->reset(d->transport);
    if (status != NCE_OK && status != NCE_ERR_UNSUPPORTED) return status;
    nce_preg_write(d->transport, NCE_PREG_CONTROL, NCE_PCTL_RESET);
    status = allocate(d);
    if (status != NCE_OK) return status;
    start_ring(d);
    init_control(d);
    status = nce_photonic_guard_start(d);
    if (status == NCE_OK) status = nce_photonic_power(d, true);
    if (status == NCE_OK && !(d->options.flags & NCE_PHOTONIC_NO_CALIBRATION)) status = nce_photonic_calibrate(d);
    /* Between power-up and tuning the watchdog may cut power (a host that stalled for 100 ms): to the caller the device
     * did not come up. */
    return status == NCE_ERR_STATE ? NCE_ERR_BACKEND : status;
}

nce_status nce_photonic_create(nce_context *ctx, const nce_photonic_options *options, nce_photonic **out)
{
    nce_photonic_options resolved;
    if (out != NULL) *out = NULL;
    if (ctx == NULL || out == NULL) return nce_fail(ctx, NCE_ERR_INVALID, "nce_photonic_create: NULL argument");
    nce_status status = nce_photonic_resolve(ctx, options, &resolved);
    if (status != NCE_OK) return status;
    nce_photonic *d = nce_alloc_zero(ctx, sizeof *d);
    if (d == NULL) return nce_fail_nomem(ctx, sizeof *d);
    d->ctx = ctx;
    d->options = resolved;
    d->lanes = NCE_RNS_ALL;
    pthread_mutex_init(&d->jobs, NULL);
    pthread_mutex_init(&d->control, NULL);
    status = start(d);
    d->options.transport = d->sim != NULL ? "sim" : "vfio"; /* the caller's text is borrowed only until return */
    if (status != NCE_OK) goto fail;
    *out = d;
    return NCE_OK;
fail:
    nce_photonic_destroy(d);
    return status;
}

static void power_down(nce_photonic *d)
{
    if (d->transport == NULL || d->ring.host == NULL) return; /* never got as far as power */
    pthread_mutex_lock(&d->control);
    nce_power_request(&d->power, false);
    pthread_mutex_unlock(&d->control);
    const bool off = nce_photonic_settle(d, false) == NCE_OK;
    nce_photonic_guard_stop(d);
    /* Where power did not go off, the armed watchdog stays behind: unfed, it makes the device shut itself down. */
    nce_preg_write(d->transport, NCE_PREG_CONTROL, off ? 0 : NCE_PCTL_WATCHDOG);
}

void nce_photonic_destroy(nce_photonic *d)
{
    if (d == NULL) return;
    power_down(d);
    if (d->transport != NULL) {
        nce_dma_buffer *const buffers[] = {&d->ring, &d->w, &d->x, &d->out};
        for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
            d->transport->ops->dma_free(d->transport, buffers[i]);
        d->transport->ops->destroy(d->transport);
    }
    nce_free(d->ctx, d->failed);
    nce_free(d->ctx, d->sums);
    pthread_mutex_destroy(&d->control);
    pthread_mutex_destroy(&d->jobs);
    nce_free(d->ctx, d);
}
