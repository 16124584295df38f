/* Tuning of the lanes by what the receivers see of residue 0.
 *
 * A ring's resonance is off by an unknown detuning; its dropped field has amplitude A = (1 + x^2)^-1/2 with x
 * proportional to detuning plus trim, so 1/A^2 is exactly a parabola of the trim and three measurements give its
 * vertex.  Heaters warm their neighbours, so the rounds are repeated (Gauss-Seidel on the crosstalk matrix, which is
 * diagonally dominant).  The phase left over is then read and taken back by the phase trim. */
#include "src/photonic/device.h"
#include "src/photonic/optics.h"
#include <math.h>
#include <string.h>

enum { SAMPLES = 4096, ROUNDS = 4, SWEEP = 2000 /* 1/100 pm */, TRIM_LIMIT = 50000 };
static const double dark_below = 0.2, two_pi = 6.283185307179586476925;

typedef struct probe {
    double amplitude[NCE_RNS_LANES], phase[NCE_RNS_LANES], noise[NCE_RNS_LANES];
} probe;

static nce_status measure(nce_photonic *d, probe *p)
{
    int32_t v[NCE_RNS_LANES * 3];
    nce_pdesc *job = nce_photonic_slot(d, 0);
    job->op = NCE_POP_PROBE;
    job->rows = SAMPLES;
    job->out = d->out.bus;
    const nce_status status = nce_photonic_submit(d, 1);
    if (status != NCE_OK) return status;
    if (job->status != NCE_PDONE_OK)
        return nce_fail(d->ctx, NCE_ERR_STATE, "photonic: the device is not ready to be tuned, status %08x",
                        job->status);
    memcpy(v, d->out.host, sizeof v);
    for (int i = 0; i < NCE_RNS_LANES; i++) {
        const double re = v[2 * i] / (double)NCE_PROBE_ONE, im = v[2 * i + 1] / (double)NCE_PROBE_ONE;
        p->amplitude[i] = hypot(re, im);
        p->phase[i] = atan2(im, re);
        p->noise[i] = v[2 * NCE_RNS_LANES + i] / (double)NCE_PROBE_ONE;
    }
    return NCE_OK;
}

static void write_trim(nce_photonic *d, uint32_t lane, uint32_t which, int32_t value)
{
    nce_preg_write(d->transport, NCE_PREG_LANE + NCE_PREG_LANE_STRIDE * lane + which, (uint32_t)value);
}

static void write_rings(nce_photonic *d, const int32_t trim[NCE_RNS_LANES], int32_t offset)
{
    for (uint32_t i = 0; i < NCE_RNS_LANES; i++)
        write_trim(d, i, NCE_PREG_LANE_RING_TRIM, trim[i] + offset);
}

/* Vertex of the parabola through 1/A^2 at -1, 0, 1 sweeps; clamped to two of them. */
static int32_t vertex(double low, double middle, double high)
{
    const double a = 1.0 / (low * low), b = 1.0 / (middle * middle), c = 1.0 / (high * high);
    const double curve = a - 2.0 * b + c;
    if (!(curve > 0.0) || !isfinite(curve)) return a > c ? SWEEP : -SWEEP;
    return (int32_t)lrint(SWEEP * fmax(-2.0, fmin(2.0, (a - c) / (2.0 * curve))));
}

static nce_status tune_rings(nce_photonic *d, int32_t trim[NCE_RNS_LANES])
{
    for (int round = 0; round < ROUNDS; round++) {
        probe p[3];
        for (int k = 0; k < 3; k++) {
            write_rings(d, trim, SWEEP * (k - 1));
            const nce_status status = measure(d, &p[k]);
            if (status != NCE_OK) return status;
        }
        for (int i = 0; i < NCE_RNS_LANES; i++) {
            if (p[1].amplitude[i] < dark_below && p[0].amplitude[i] < dark_below && p[2].amplitude[i] < dark_below)
                continue;
            trim[i] += vertex(p[0].amplitude[i], p[1].amplitude[i], p[2].amplitude[i]);
            trim[i] = trim[i] > TRIM_LIMIT ? TRIM_LIMIT : trim[i] < -TRIM_LIMIT ? -TRIM_LIMIT : trim[i];
        }
    }
    write_rings(d, trim, 0);
    return NCE_OK;
}

static nce_status tune_phases(nce_photonic *d, int32_t trim[NCE_RNS_LANES])
{
    probe p;
    const nce_status status = measure(d, &p);
    if (status != NCE_OK) return status;
    for (uint32_t i = 0; i < NCE_RNS_LANES; i++) {
        trim[i] = (int32_t)lrint(-p.phase[i] / two_pi * (1 << 20));
        write_trim(d, i, NCE_PREG_LANE_PHASE_TRIM, trim[i]);
    }
    return NCE_OK;
}

nce_status nce_photonic_tune(nce_photonic *d)
{
    int32_t ring[NCE_RNS_LANES] = {0}, phase[NCE_RNS_LANES] = {0};
    uint32_t lanes = 0;
    probe p;
    nce_photonic_use_lanes(d, NCE_RNS_ALL);
    for (uint32_t i = 0; i < NCE_RNS_LANES; i++)
        write_trim(d, i, NCE_PREG_LANE_PHASE_TRIM, 0);
    nce_status status = tune_rings(d, ring);
    if (status == NCE_OK) status = tune_phases(d, phase);
    if (status == NCE_OK) status = measure(d, &p);
    if (status != NCE_OK) return status;
    for (int i = 0; i < NCE_RNS_LANES; i++) {
        const double angle = two_pi / 2.0 / nce_rns_moduli[i] - fabs(p.phase[i]);
        const double margin = angle > 0.0 ? p.amplitude[i] * sin(angle) : 0.0;
        if (p.amplitude[i] >= dark_below) lanes |= 1u << i;
        d->lane[i] = (nce_photonic_lane){
            .struct_size = sizeof d->lane[i],
            .modulus = nce_rns_moduli[i],
            .amplitude = p.amplitude[i],
            .phase_error = p.phase[i],
            .margin_sigma = p.noise[i] > 0.0 ? margin / p.noise[i] : INFINITY,
            .ring_trim_pm = ring[i] * 0.01,
            .phase_trim = phase[i] * two_pi / (1 << 20),
        };
    }
    nce_photonic_use_lanes(d, lanes);
    d->stats.calibrations++;
    if (lanes == 0) return nce_fail(d->ctx, NCE_ERR_BACKEND, "photonic: no lane shows light");
    if (lanes != NCE_RNS_ALL) nce_log(d->ctx, NCE_LOG_WARNING, "photonic: dark lanes, mask %02x of 7f in use", lanes);
    return NCE_OK;
}

nce_status nce_photonic_calibrate(nce_photonic *d)
{
    if (d == NULL) return NCE_ERR_INVALID;
    pthread_mutex_lock(&d->jobs);
    const nce_status status = nce_photonic_tune(d);
    pthread_mutex_unlock(&d->jobs);
    return status;
}
