/* The simulated device: creation, transport functions, laboratory (see sim.h). */
#include "src/photonic/sim.h"
#include "src/photonic/random.h"
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

static nce_psim *self(nce_ptransport *t)
{
    return (nce_psim *)t;
}

static uint32_t sim_read32(nce_ptransport *t, uint32_t offset)
{
    nce_psim *sim = self(t);
    pthread_mutex_lock(&sim->mutex);
    nce_psim_catch_up(sim);
    const uint32_t value = sim->lost ? UINT32_MAX : nce_psim_read_register(sim, offset);
    pthread_mutex_unlock(&sim->mutex);
    return value;
}

static void sim_write32(nce_ptransport *t, uint32_t offset, uint32_t value)
{
    nce_psim *sim = self(t);
    pthread_mutex_lock(&sim->mutex);
    nce_psim_catch_up(sim);
    if (!sim->lost && nce_psim_write_register(sim, offset, value)) nce_psim_run_ring(sim);
    pthread_mutex_unlock(&sim->mutex);
}

static nce_status sim_dma_alloc(nce_ptransport *t, size_t bytes, nce_dma_buffer *out)
{
    nce_psim *sim = self(t);
    nce_psim_mapping m = {.bytes = bytes};
    *out = (nce_dma_buffer){0};
    m.host = nce_alloc_zero(t->ctx, bytes);
    if (m.host == NULL) return nce_fail_nomem(t->ctx, bytes);
    pthread_mutex_lock(&sim->mutex);
    nce_status status =
        nce_grow(t->ctx, (void **)&sim->mappings, &sim->mappings_capacity, sim->n_mappings + 1, sizeof m);
    if (status == NCE_OK) status = nce_iova_alloc(&sim->iova, bytes, &m.bus);
    if (status == NCE_OK) sim->mappings[sim->n_mappings++] = m;
    pthread_mutex_unlock(&sim->mutex);
    if (status != NCE_OK) {
        nce_free(t->ctx, m.host);
        return status;
    }
    *out = (nce_dma_buffer){m.host, m.bus, bytes};
    return NCE_OK;
}

static void sim_dma_free(nce_ptransport *t, nce_dma_buffer *buffer)
{
    nce_psim *sim = self(t);
    if (buffer->host == NULL) return;
    pthread_mutex_lock(&sim->mutex);
    while (sim->running) /* a job may still write to it */
        pthread_cond_wait(&sim->changed, &sim->mutex);
    for (size_t i = 0; i < sim->n_mappings; i++)
        if (sim->mappings[i].host == buffer->host) sim->mappings[i] = sim->mappings[--sim->n_mappings];
    nce_iova_free(&sim->iova, buffer->bus);
    pthread_mutex_unlock(&sim->mutex);
    nce_free(t->ctx, buffer->host);
    *buffer = (nce_dma_buffer){0};
}

static nce_status sim_wait_irq(nce_ptransport *t, uint32_t timeout_ms)
{
    nce_psim *sim = self(t);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int error = 0;
    pthread_mutex_lock(&sim->mutex);
    while (!sim->lost && (sim->irq_status & sim->irq_mask) == 0 && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&sim->changed, &sim->mutex, &until);
    const bool lost = sim->lost, raised = (sim->irq_status & sim->irq_mask) != 0;
    pthread_mutex_unlock(&sim->mutex);
    if (lost) return nce_fail(t->ctx, NCE_ERR_BACKEND, "photonic:sim left the bus");
    return raised ? NCE_OK : nce_fail(t->ctx, NCE_ERR_BUSY, "photonic:sim: no interrupt within %u ms", timeout_ms);
}

static nce_status sim_reset(nce_ptransport *t)
{
    sim_write32(t, NCE_PREG_CONTROL, NCE_PCTL_RESET);
    return NCE_OK;
}

static void sim_advance(nce_ptransport *t, uint64_t ns, double load_watt)
{
    enum { STEP_NS = 1000000 };
    nce_psim *sim = self(t);
    pthread_mutex_lock(&sim->mutex);
    for (; ns > 0; ns -= ns < STEP_NS ? ns : STEP_NS)
        nce_psim_step(sim, ns < STEP_NS ? ns : STEP_NS, load_watt);
    pthread_mutex_unlock(&sim->mutex);
}

static void sim_destroy(nce_ptransport *t)
{
    nce_psim *sim = self(t);
    if (sim == NULL) return;
    for (size_t i = 0; i < sim->n_mappings; i++)
        nce_free(t->ctx, sim->mappings[i].host);
    nce_free(t->ctx, sim->mappings);
    nce_iova_finish(&sim->iova);
    pthread_cond_destroy(&sim->changed);
    pthread_mutex_destroy(&sim->mutex);
    nce_free(t->ctx, sim);
}

static const nce_ptransport_ops virtual_ops = {
    sim_read32, sim_write32, sim_dma_alloc, sim_dma_free, sim_wait_irq, sim_reset, sim_advance, sim_destroy,
};
static const nce_ptransport_ops real_time_ops = {
    sim_read32, sim_write32, sim_dma_alloc, sim_dma_free, sim_wait_irq, sim_reset, NULL, sim_destroy,
};

/* What the fab left behind: each ring off its wavelength by about 20 pm, each phase by about 50 mrad. */
static void fabricate(nce_psim *sim)
{
    enum { STREAM_FABRICATION = 7 };
    for (uint64_t i = 0; i < NCE_RNS_LANES; i++) {
        double n[2];
        nce_normal_pair(sim->settings.seed, i, STREAM_FABRICATION, n);
        sim->ring_offset[i] = 20.0 * fmax(-3.0, fmin(3.0, n[0]));
        sim->phase_offset[i] = 0.05 * n[1];
    }
}

nce_status nce_psim_create(nce_context *ctx, const nce_psim_settings *settings, nce_psim **out)
{
    const nce_iova_range whole = {0x100000, 0xffffffffffull};
    *out = NULL;
    nce_psim *sim = nce_alloc_zero(ctx, sizeof *sim);
    if (sim == NULL) return nce_fail_nomem(ctx, sizeof *sim);
    sim->base = (nce_ptransport){settings->real_time ? &real_time_ops : &virtual_ops, ctx};
    sim->settings = *settings;
    pthread_mutex_init(&sim->mutex, NULL);
    pthread_cond_init(&sim->changed, NULL);
    const nce_status status = nce_iova_init(&sim->iova, ctx, &whole, 1, 4096);
    if (status != NCE_OK) {
        sim_destroy(&sim->base);
        return status;
    }
    nce_plant_init(&sim->plant, settings->ambient);
    sim->previous_junction = settings->ambient;
    sim->core = (nce_optical_core){.seed = settings->seed, .adc_bits = settings->adc_bits};
    fabricate(sim);
    nce_psim_reset_registers(sim);
    nce_psim_step(sim, 0, 0.0); /* fills the sensors */
    nce_psim_catch_up(sim);
    *out = sim;
    return NCE_OK;
}

void *nce_psim_resolve(nce_psim *sim, uint64_t bus, uint64_t bytes)
{
    for (size_t i = 0; i < sim->n_mappings; i++) {
        const nce_psim_mapping *m = &sim->mappings[i];
        if (bus >= m->bus && bus - m->bus <= m->bytes && bytes <= m->bytes - (bus - m->bus))
            return m->host + (bus - m->bus);
    }
    return NULL;
}

void nce_psim_raise(nce_psim *sim, uint32_t irq)
{
    sim->irq_status |= irq;
    pthread_cond_broadcast(&sim->changed);
}

void nce_psim_lane_fault(nce_psim *sim, uint32_t lane, nce_lane_fault fault, double rate)
{
    pthread_mutex_lock(&sim->mutex);
    sim->core.lane[lane].fault = fault;
    sim->core.lane[lane].fault_rate = rate;
    sim->optics_changed = true;
    pthread_mutex_unlock(&sim->mutex);
}

void nce_psim_break(nce_psim *sim, nce_photonic_part_fault fault, uint32_t index)
{
    pthread_mutex_lock(&sim->mutex);
    if (fault == NCE_PHOTONIC_PART_OK) {
        memset(sim->rails.fault, 0, sizeof sim->rails.fault);
        memset(sim->sensor_fault, 0, sizeof sim->sensor_fault);
        sim->fan_dead = sim->lost = false;
    } else if (fault <= NCE_PHOTONIC_RAIL_STUCK_ON) {
        sim->rails.fault[index] = (nce_rail_fault)fault; /* the enumerations agree, checked below */
    } else if (fault <= NCE_PHOTONIC_SENSOR_OPEN) {
        sim->sensor_fault[index] = fault;
    } else if (fault == NCE_PHOTONIC_FAN_DEAD) {
        sim->fan_dead = true;
    } else {
        sim->lost = true;
        pthread_cond_broadcast(&sim->changed);
    }
    pthread_mutex_unlock(&sim->mutex);
}
_Static_assert((int)NCE_PHOTONIC_RAIL_DEAD == (int)NCE_RAIL_FAULT_DEAD &&
                   (int)NCE_PHOTONIC_RAIL_STUCK_ON == (int)NCE_RAIL_FAULT_STUCK_ON &&
                   (int)NCE_PHOTONIC_FAULT_RANDOM == (int)NCE_LANE_FAULT_RANDOM,
               "public and internal fault numbers");

uint64_t nce_psim_wrong(nce_psim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    const uint64_t wrong = sim->wrong;
    pthread_mutex_unlock(&sim->mutex);
    return wrong;
}

double nce_psim_junction(nce_psim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    const double celsius = sim->plant.junction;
    pthread_mutex_unlock(&sim->mutex);
    return celsius;
}

bool nce_psim_lasers(nce_psim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    const bool on = nce_psim_laser_on(sim);
    pthread_mutex_unlock(&sim->mutex);
    return on;
}
