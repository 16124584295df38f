/* Jobs of the simulated device: fetch a descriptor by DMA, check it, run it, write the result and then its status. */
#include "src/photonic/sim.h"
#include <math.h>
#include <string.h>

/* The simulated chip (assumptions of the model, docs/photonic.md): 64 dot-product units at 5 GHz, energy of one dot. */
static const double units = 64.0, symbol_ns = 0.2;
static const double laser_pj = 14.0, adc_pj = 14.0, digital_pj = 5.0; /* per dot product */
static const double dac_pj = 0.14;                                    /* per element: seven modulators */
static const double dma_pj = 10.0;                                    /* per byte */

enum { MAX_DOTS = 1 << 20, MAX_SAMPLES = 65536, CHUNK = 512 };

/* A checked job with its addresses resolved. */
typedef struct job {
    nce_pdesc desc;
    const int8_t *w, *x;
    uint8_t *out;
} job;

static uint32_t check_dots(nce_psim *sim, job *j)
{
    const nce_pdesc *d = &j->desc;
    const uint64_t row = (uint64_t)d->blocks * d->length;
    if (d->length < 1 || d->length > NCE_RNS_MAX_LENGTH || d->rows < 1 || d->blocks < 1 || d->ld_w < row ||
        (uint64_t)d->rows * d->blocks > MAX_DOTS || d->out % 8 != 0)
        return NCE_PDONE_INVALID;
    j->w = nce_psim_resolve(sim, d->w, (uint64_t)(d->rows - 1) * d->ld_w + row);
    j->x = nce_psim_resolve(sim, d->x, row);
    j->out = nce_psim_resolve(sim, d->out, (uint64_t)d->rows * d->blocks * 8);
    return j->w != NULL && j->x != NULL && j->out != NULL ? NCE_PDONE_OK : NCE_PDONE_DMA;
}

static uint32_t check_probe(nce_psim *sim, job *j)
{
    if (j->desc.rows < 1 || j->desc.rows > MAX_SAMPLES || j->desc.out % 8 != 0) return NCE_PDONE_INVALID;
    j->out = nce_psim_resolve(sim, j->desc.out, NCE_PROBE_BYTES);
    return j->out != NULL ? NCE_PDONE_OK : NCE_PDONE_DMA;
}

static uint32_t check(nce_psim *sim, job *j)
{
    if (j->desc.lanes != 0) return NCE_PDONE_INVALID;
    if (j->desc.op != NCE_POP_DOTS && j->desc.op != NCE_POP_PROBE) return NCE_PDONE_INVALID;
    const uint32_t status = j->desc.op == NCE_POP_DOTS ? check_dots(sim, j) : check_probe(sim, j);
    if (status == NCE_PDONE_OK && (!nce_psim_laser_on(sim) || sim->emergency)) return NCE_PDONE_NOT_READY;
    return status;
}

/* Outside the mutex, on a copy of the optics. */
static uint64_t run_dots(const nce_optical_core *core, const job *j, uint64_t reading)
{
    const nce_pdesc *d = &j->desc;
    uint64_t wrong = 0;
    int32_t y[CHUNK];
    uint8_t *out = j->out;
    for (uint32_t r = 0; r < d->rows; r++)
        for (uint32_t b = 0; b < d->blocks; b += CHUNK) {
            const uint32_t n = d->blocks - b < CHUNK ? d->blocks - b : CHUNK;
            const size_t from = (size_t)b * d->length;
            nce_core_dots(j->w + (size_t)r * d->ld_w + from, d->ld_w, j->x + from, 1, n, d->length, y);
            wrong += nce_core_read(core, reading, y, n, out);
            reading += n;
            out += 8 * (size_t)n;
        }
    return wrong;
}

static void run_probe(const nce_optical_core *core, const job *j, uint64_t reading)
{
    const uint32_t n = j->desc.rows;
    int32_t result[NCE_RNS_LANES * 3];
    for (uint32_t l = 0; l < NCE_RNS_LANES; l++) {
        double sum[2] = {0.0, 0.0}, squares = 0.0;
        for (uint32_t k = 0; k < n; k++) {
            double iq[2];
            nce_core_probe(core, l, reading + k, 0, iq);
            sum[0] += iq[0];
            sum[1] += iq[1];
            squares += iq[0] * iq[0];
        }
        const double mean = sum[0] / n, variance = squares / n - mean * mean;
        result[2 * l] = (int32_t)lrint(mean * NCE_PROBE_ONE);
        result[2 * l + 1] = (int32_t)lrint(sum[1] / n * NCE_PROBE_ONE);
        result[2 * NCE_RNS_LANES + l] = (int32_t)lrint(sqrt(variance > 0.0 ? variance : 0.0) * NCE_PROBE_ONE);
    }
    memcpy(j->out, result, sizeof result);
}

static void account(nce_psim *sim, const nce_pdesc *d)
{
    const double dots = d->op == NCE_POP_DOTS ? (double)d->rows * d->blocks : (double)d->rows;
    const double elements = d->op == NCE_POP_DOTS ? dots * d->length : 0.0;
    const double bytes = elements + 8.0 * dots + sizeof *d;
    const double spent[] = {dots * laser_pj, elements * dac_pj, dots * adc_pj, dots * digital_pj, bytes * dma_pj};
    static const nce_photonic_part part[] = {NCE_PHOTONIC_PART_LASER, NCE_PHOTONIC_PART_DAC, NCE_PHOTONIC_PART_ADC,
                                             NCE_PHOTONIC_PART_DIGITAL, NCE_PHOTONIC_PART_DMA};
    for (int i = 0; i < 5; i++) {
        sim->energy_pj[part[i]] += spent[i];
        if (part[i] != NCE_PHOTONIC_PART_DMA) sim->job_heat_pj += spent[i];
    }
    sim->busy_ns += dots * symbol_ns / units;
}

static uint32_t run(nce_psim *sim, job *j)
{
    const uint32_t status = check(sim, j);
    if (status != NCE_PDONE_OK) return status;
    const bool dots = j->desc.op == NCE_POP_DOTS;
    nce_psim_optics(sim, dots ? j->desc.length : 1);
    const nce_optical_core core = sim->core;
    const uint64_t reading = sim->readings;
    sim->readings += dots ? (uint64_t)j->desc.rows * j->desc.blocks : j->desc.rows;
    pthread_mutex_unlock(&sim->mutex);
    uint64_t wrong = 0;
    if (dots)
        wrong = run_dots(&core, j, reading);
    else
        run_probe(&core, j, reading);
    pthread_mutex_lock(&sim->mutex);
    sim->wrong += wrong;
    account(sim, &j->desc);
    return status;
}

void nce_psim_run_ring(nce_psim *sim)
{
    if (sim->running) return; /* that thread will see the new tail */
    sim->running = true;
    while ((sim->control & NCE_PCTL_ENABLE) && sim->ring_entries != 0 && sim->head != sim->tail) {
        const uint64_t bus = sim->ring + (uint64_t)sim->head * sizeof(nce_pdesc);
        uint8_t *host = bus % 8 == 0 ? nce_psim_resolve(sim, bus, sizeof(nce_pdesc)) : NULL;
        if (host == NULL) { /* nowhere to report to: the ring stops */
            sim->control &= ~(uint32_t)NCE_PCTL_ENABLE;
            nce_psim_raise(sim, NCE_PIRQ_FAULT);
            break;
        }
        job j = {0};
        memcpy(&j.desc, host, sizeof j.desc);
        const uint32_t status = run(sim, &j);
        __atomic_store_n((uint32_t *)(void *)(host + offsetof(nce_pdesc, status)), status, __ATOMIC_RELEASE);
        if (sim->ring_entries != 0) sim->head = (sim->head + 1) & (sim->ring_entries - 1);
        nce_psim_raise(sim, (j.desc.flags & 1 ? (uint32_t)NCE_PIRQ_DONE : 0) |
                                (status != NCE_PDONE_OK ? NCE_PIRQ_FAULT : 0));
    }
    sim->running = false;
    pthread_cond_broadcast(&sim->changed);
}
