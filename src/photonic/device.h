/* Inside of an open photonic device: the driver's state.
 *
 * device.c: open and close.  dots.c: exact dot products.  calibrate.c: tuning of the lanes.  control.c: guard and
 * power, on their thread or in virtual time.  monitor.c: statistics, samples, logs, the laboratory of the simulator.
 *
 * Two mutexes: jobs (DMA buffers, ring, lanes, statistics), taken first, and control (guard, sequencer).  The guard's
 * thread takes only control, so a long job never delays it. */
#ifndef NCE_PHOTONIC_DEVICE_H
#define NCE_PHOTONIC_DEVICE_H
#include "nce/photonic.h"
#include "src/photonic/guard.h"
#include "src/photonic/power.h"
#include "src/photonic/registers.h"
#include "src/photonic/rns.h"
#include "src/photonic/sim.h"
#include "src/photonic/transport.h"

enum {
    NCE_PHOTONIC_RING = 64,             /* descriptors */
    NCE_PHOTONIC_TILE_BYTES = 1 << 19,  /* of weights */
    NCE_PHOTONIC_INPUT_BYTES = 1 << 16, /* of one tile's x */
    NCE_PHOTONIC_TILE_DOTS = 1 << 14
};

struct nce_photonic {
    nce_context *ctx;
    nce_photonic_options options; /* resolved: no zero stands for a default */
    nce_ptransport *transport;
    nce_psim *sim; /* NULL: hardware */

    pthread_mutex_t jobs;
    nce_dma_buffer ring, w, x, out;
    uint32_t tail, tag;
    uint32_t lanes;   /* mask in use */
    bool hung;        /* a job did not finish: no more are given, while guard and power go on */
    uint32_t *failed; /* [NCE_PHOTONIC_TILE_DOTS] indices of dots without an answer */
    int32_t *sums;    /* [NCE_PHOTONIC_INPUT_BYTES] column sums of a tile */
    nce_photonic_lane lane[NCE_PHOTONIC_LANES];
    nce_photonic_stats stats;
    double owed_ns; /* virtual time that jobs took and the guard has not seen */
    uint64_t last_busy_ns;

    pthread_mutex_t control;
    nce_guard guard;
    nce_guard_output drive; /* of the last tick */
    nce_power power;
    uint32_t control_shadow, rail_shadow;
    bool powered_wanted, lost;
    uint64_t ticks, overruns, jitter_max_ns, jitter_sum_ns;

    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
};

/* ---- control.c ---- */
/* One tick of guard and sequencer; control held. */
void nce_photonic_tick(nce_photonic *d);
nce_status nce_photonic_guard_start(nce_photonic *d); /* the thread, where time is real */
void nce_photonic_guard_stop(nce_photonic *d);
/* Virtual time of jobs (jobs held); nothing where time is real. */
void nce_photonic_owe(nce_photonic *d);
/* Wait (or let virtual time pass) until the rails and lasers are as wanted, or a fault latched. */
nce_status nce_photonic_settle(nce_photonic *d, bool on);
bool nce_photonic_is_lost(nce_photonic *d);

/* ---- dots.c and calibrate.c ---- */
/* Run descriptors already written to the ring from d->tail on; jobs held.  Each reports in its own status. */
nce_status nce_photonic_submit(nce_photonic *d, uint32_t n);
nce_pdesc *nce_photonic_slot(nce_photonic *d, uint32_t i);    /* the i-th free descriptor, cleared */
nce_status nce_photonic_tune(nce_photonic *d);                /* jobs held */
void nce_photonic_use_lanes(nce_photonic *d, uint32_t lanes); /* jobs held */

/* ---- options.c ---- */
nce_status nce_photonic_resolve(nce_context *ctx, const nce_photonic_options *given, nce_photonic_options *out);

/* ---- vfio.c ---- */
nce_status nce_photonic_vfio_open(nce_context *ctx, const char *address, nce_ptransport **out);

#endif
