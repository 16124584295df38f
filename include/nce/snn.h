/* Spiking neural networks: populations, synapses with delays, event-driven and clock-driven simulation.
 *
 * A network is built (populations, connections, inputs), sealed by nce_snn_build, then run in steps of dt.  Spikes
 * travel at least one step.  A run gives the same bits for any number of threads and for any split into calls.
 *
 * UNITS: ms, mV, pA, pF, nS, GOhm (mV/pA), Hz; without physical units take r_m = 1.  Physical parameters have no hidden
 * defaults: 0 means 0, so begin with one of the _INIT macros.
 * ERRORS common to every entry: NCE_ERR_INVALID (NULL, an unknown id, a value outside its range, not finite),
 * NCE_ERR_NOMEM, NCE_ERR_STATE (building after nce_snn_build, running before it, or either while the background run is
 * on); the network is unchanged and usable after any of them.  nce_context_error has the reason.
 * THREADS: every entry may be called from any thread; entries of one network wait for each other, except
 * nce_snn_submit, which never waits.  nce_snn_destroy must be the last call.
 * References: docs/snn.md. */
#ifndef NCE_SNN_H
#define NCE_SNN_H
#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_snn nce_snn;

/* ---- the network ---- */

typedef enum nce_snn_precision { NCE_SNN_F32 = 0, NCE_SNN_F64 = 1 } nce_snn_precision;

typedef struct nce_snn_options {
    size_t struct_size;
    double dt;           /* ms; 0: 0.1 */
    uint64_t seed;       /* of every random draw that gives no seed of its own */
    uint32_t precision;  /* nce_snn_precision of state, weights and arithmetic */
    uint32_t n_threads;  /* 0: one below 20,000 neurons, else those of the context; at most 64 */
    uint32_t queue_capacity; /* pending submitted events; a power of two from 2 to 2^20; 0: 4096 */
    uint32_t reserved;   /* 0 */
} nce_snn_options;
#define NCE_SNN_OPTIONS_INIT { sizeof(nce_snn_options), 0, 0, 0, 0, 0, 0 }

/* Create an empty network in a context.  options may be NULL.  *out is NULL on failure.  Since 0.1. */
NCE_API nce_status nce_snn_create(nce_context *ctx, const nce_snn_options *options, nce_snn **out);
/* Stop a background run and free everything.  NULL is allowed.  Since 0.1. */
NCE_API void nce_snn_destroy(nce_snn *snn);

/* ---- populations ---- */

typedef enum nce_snn_model {
    NCE_SNN_LIF = 1,        /* tau_m dv/dt = e_l - v + r_m (i_e + I)    [Lapicque 1907; Rotter & Diesmann 1999] */
    NCE_SNN_LI = 2,         /* the same without threshold */
    NCE_SNN_IF = 3,         /* dv/dt = r_m (i_e + I): no leak; tau_m is not used */
    NCE_SNN_LOIHI = 4,      /* integer CuBa-LIF                          [Davies et al. 2018] */
    NCE_SNN_IZHIKEVICH = 5, /* v' = .04 v^2 + 5 v + 140 - u + I, u' = a (b v - u)     [Izhikevich 2003] */
    NCE_SNN_ADEX = 6,       /* adaptive exponential                      [Brette & Gerstner 2005] */
    NCE_SNN_SOURCE = 7,     /* no dynamics: fires at given times or when an event is submitted */
    NCE_SNN_POISSON = 8     /* no dynamics: each neuron fires as a Poisson process of rate_hz (at most once a step) */
} nce_snn_model;

typedef enum nce_snn_synapse {
    NCE_SNN_DELTA = 0,       /* an arrival moves v by its weight (mV) at once (Izhikevich, AdEx too) */
    NCE_SNN_HOLD = 1,        /* arrivals of a step are a current (pA) for that step: the meaning NIR gives them */
    NCE_SNN_CURRENT = 2,     /* exponential current (pA) per receptor, tau_syn[receptor]: with LIF this is CuBa-LIF */
    NCE_SNN_CONDUCTANCE = 3  /* exponential conductance (nS), tau_syn[receptor], e_rev[receptor]: LIF only */
} nce_snn_synapse;

typedef enum nce_snn_reset {
    NCE_SNN_RESET_TO = 0,      /* v = v_reset */
    NCE_SNN_RESET_SUBTRACT = 1 /* v -= v_th - v_reset */
} nce_snn_reset;
typedef enum nce_snn_method {
    NCE_SNN_EXACT = 0, /* propagators of the linear equations (conductances: exact for a constant conductance in a
                          step) */
    NCE_SNN_EULER = 1  /* forward Euler, to match simulators that use it */
} nce_snn_method;
typedef enum nce_snn_drive {
    NCE_SNN_AUTO = 0,  /* event driven while that is cheaper, by the measured crossover; see nce_snn_statistics */
    NCE_SNN_CLOCK = 1, /* every neuron every step */
    NCE_SNN_EVENT = 2  /* only blocks of 16 neurons that got input or may fire; LIF and LI with DELTA, HOLD or
                          CURRENT */
} nce_snn_drive;

enum { /* flags of a population */
    NCE_SNN_RECORD = 1,       /* keep its spikes for nce_snn_spikes_read */
    NCE_SNN_PRECISE = 2,      /* LIF with HOLD, EXACT and F64: spike times inside the step by the closed form, several a
                                 step if need be; refractory time to the same precision; times are read with offsets */
    NCE_SNN_CURRENT_FIRST = 4 /* CURRENT: arrivals count in the step they arrive (v uses the new current) */
};

typedef struct nce_snn_population_options {
    size_t struct_size;
    const char *name;   /* NULL: "pN"; at most 63 bytes; borrowed until return */
    uint32_t model;     /* nce_snn_model */
    uint32_t n;         /* neurons, 1 .. 2^27 */
    uint32_t synapse;   /* nce_snn_synapse */
    uint32_t reset;     /* nce_snn_reset */
    uint32_t method;    /* nce_snn_method */
    uint32_t drive;     /* nce_snn_drive */
    uint32_t flags;
    uint32_t onset;     /* steps this population sleeps before its time 0; its spike times are counted from there */
    double tau_m, r_m, e_l, v_th, v_reset, t_ref, i_e;
    double tau_syn[2], e_rev[2];
    double a, b, c, d;  /* Izhikevich; AdEx: a (nS), b (pA) */
    double delta_t, v_peak, tau_w; /* AdEx; v_peak also Izhikevich */
    double decay_current, decay_voltage, weight_scale; /* Loihi: 0..4096, 0..4096, usually 64 */
    double rate_hz;     /* Poisson */
    double v_init;
} nce_snn_population_options;
/* r_m = 1: weights and currents in mV; tau_syn 5 and 10 ms. */
#define NCE_SNN_LIF_INIT { sizeof(nce_snn_population_options), 0, NCE_SNN_LIF, 1, 0, 0, 0, 0, 0, 0, \
    20.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, {5.0, 10.0}, {0.0, -80.0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0 }
/* Regular spiking of Izhikevich 2003; delta synapses (mV). */
#define NCE_SNN_IZHIKEVICH_INIT { sizeof(nce_snn_population_options), 0, NCE_SNN_IZHIKEVICH, 1, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 30.0, 0, 0, 0, {0, 0}, {0, 0}, 0.02, 0.2, -65.0, 8.0, 0, 30.0, 0, 0, 0, 0, 0, -65.0 }
/* Brette & Gerstner 2005, table 1: C = tau_m / r_m = 281 pF, g_l = 1 / r_m = 30 nS. */
#define NCE_SNN_ADEX_INIT { sizeof(nce_snn_population_options), 0, NCE_SNN_ADEX, 1, 0, 0, 0, 0, 0, 0, \
    281.0 / 30.0, 1.0 / 30.0, -70.6, -50.4, -70.6, 0, 0, {5.0, 10.0}, {0, 0}, 4.0, 80.5, 0, 0, 2.0, 20.0, 144.0, 0, 0, \
    0, 0, -70.6 }
/* decay 4096: no memory; threshold in the units of the scaled weights; spikes when v >= v_th. */
#define NCE_SNN_LOIHI_INIT { sizeof(nce_snn_population_options), 0, NCE_SNN_LOIHI, 1, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 5120.0, 0, 0, 0, {0, 0}, {0, 0}, 0, 0, 0, 0, 0, 0, 0, 1024.0, 128.0, 64.0, 0, 0 }
#define NCE_SNN_SOURCE_INIT { sizeof(nce_snn_population_options), 0, NCE_SNN_SOURCE, 1, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 0, 0, 0, 0, {0, 0}, {0, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define NCE_SNN_POISSON_INIT { sizeof(nce_snn_population_options), 0, NCE_SNN_POISSON, 1, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 0, 0, 0, 0, {0, 0}, {0, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Add a population.  id counts from 0 in order of adding.  NCE_ERR_INVALID names the parameter and its range;
 * NCE_ERR_UNSUPPORTED: a combination that does not exist (say PRECISE in single precision).  Since 0.1. */
NCE_API nce_status nce_snn_population_add(nce_snn *snn, const nce_snn_population_options *options, uint32_t *id);

typedef enum nce_snn_param {
    NCE_SNN_PARAM_V = 0,   /* membrane; also while running */
    NCE_SNN_PARAM_U = 1,   /* recovery (Izhikevich), adaptation (AdEx), current 0 (others); also while running */
    NCE_SNN_PARAM_S1 = 2,  /* current or conductance 1; also while running */
    NCE_SNN_PARAM_I_E = 3, /* constant current; also while running */
    NCE_SNN_PARAM_V_TH = 4,/* also while running */
    NCE_SNN_PARAM_TAU_M = 5,
    NCE_SNN_PARAM_R_M = 6,
    NCE_SNN_PARAM_E_L = 7,
    NCE_SNN_PARAM_V_RESET = 8,
    NCE_SNN_PARAM_T_REF = 9,
    NCE_SNN_PARAM_TAU_SYN0 = 10,
    NCE_SNN_PARAM_TAU_SYN1 = 11,
    NCE_SNN_PARAM_COUNT_ = 12
} nce_snn_param;

/* Give every neuron of a population its own value.  values [n].  Parameters other than V, U, S1 and I_E make the
 * population's coefficients per neuron (clock driven; not with CONDUCTANCE, AdEx, Izhikevich, Loihi: UNSUPPORTED).
 * Only the ones marked "also while running" may be set after nce_snn_build.  Since 0.1. */
NCE_API nce_status nce_snn_population_set(nce_snn *snn, uint32_t population, nce_snn_param param, const double *values,
                                          size_t n);
/* Read the same (V, U, S1: the state as of now).  Since 0.1. */
NCE_API nce_status nce_snn_population_get(nce_snn *snn, uint32_t population, nce_snn_param param, double *values,
                                          size_t n);

/* Number of populations; and the size and name of one (0 and NULL for an unknown id).  The name lives until
 * the next population is added.  Since 0.1. */
NCE_API uint32_t nce_snn_n_populations(nce_snn *snn);
NCE_API uint32_t nce_snn_population_size(nce_snn *snn, uint32_t population);
NCE_API const char *nce_snn_population_name(nce_snn *snn, uint32_t population);
/* Id of a name; NCE_ERR_NOTFOUND.  Since 0.1. */
NCE_API nce_status nce_snn_population_find(nce_snn *snn, const char *name, uint32_t *id);

/* ---- synapses ---- */

/* Pair-based STDP with all-to-all pairing of emission times [Morrison, Diesmann & Gerstner 2008], bounds and the weight
 * dependence of Guetig et al. 2003:  dw+ = a_plus w_max (1 - w/w_max)^mu x_pre,  dw- = -a_minus w_max (w/w_max)^mu
 * x_post, then w is clipped to [w_min, w_max].  mu 0: additive, 1: multiplicative. */
typedef struct nce_snn_stdp {
    double tau_plus, tau_minus; /* ms > 0 */
    double a_plus, a_minus;     /* share of w_max */
    double w_min, w_max;
    uint32_t mu;                /* 0 or 1 */
    uint32_t enabled;           /* 0: static synapses */
} nce_snn_stdp;

typedef struct nce_snn_connection {
    size_t struct_size;
    uint32_t pre, post; /* populations */
    uint32_t receptor;  /* 0 or 1; 1 only for CURRENT and CONDUCTANCE */
    uint32_t reserved;
    double weight;      /* where no list is given */
    double delay;       /* ms; rounded to steps, at least 1, at most 65,535; where no list is given */
    nce_snn_stdp stdp;
} nce_snn_connection;
#define NCE_SNN_CONNECTION_INIT { sizeof(nce_snn_connection), 0, 0, 0, 0, 1.0, 0.0, {0, 0, 0, 0, 0, 0, 0, 0} }

/* Connect a list of pairs: pre[n], post[n] are indices inside the populations; weight[n] and delay[n] (ms) or NULL.
 * A pair may occur several times.  Copied.  Since 0.1. */
NCE_API nce_status nce_snn_connect(nce_snn *snn, const nce_snn_connection *c, size_t n, const uint32_t *pre,
                                   const uint32_t *post, const double *weight, const double *delay);
/* Connect by a matrix weights[n_post][n_pre], row-major; exact zeros make no synapse.  Since 0.1. */
NCE_API nce_status nce_snn_connect_dense(nce_snn *snn, const nce_snn_connection *c, const float *weights);

typedef enum nce_snn_rule {
    NCE_SNN_PAIRWISE = 1,    /* each ordered pair with probability p */
    NCE_SNN_FIXED_TOTAL = 2, /* n synapses, both ends uniform, multapses allowed */
    NCE_SNN_FIXED_INDEGREE = 3 /* n sources for each target, multapses allowed */
} nce_snn_rule;
typedef struct nce_snn_random {
    size_t struct_size;
    uint32_t rule;      /* nce_snn_rule */
    uint32_t no_autapses; /* not for FIXED_TOTAL */
    double p;
    uint64_t n;
    double weight_sd;   /* normal around c->weight, redrawn until it has the sign of c->weight; 0: all equal */
    double delay_sd;    /* ms; normal around c->delay, at least one step, at most delay + 6 sd; 0: all equal */
    uint64_t seed;      /* 0: that of the network and the number of the connection */
} nce_snn_random;
#define NCE_SNN_RANDOM_INIT { sizeof(nce_snn_random), 1, 0, 0, 0, 0, 0, 0 }
/* Connect at random.  The same seed gives the same synapses on every machine and thread count.  Since 0.1. */
NCE_API nce_status nce_snn_connect_random(nce_snn *snn, const nce_snn_connection *c, const nce_snn_random *r);

/* Synapses in the network after nce_snn_build.  Since 0.1. */
NCE_API uint64_t nce_snn_n_synapses(nce_snn *snn);
/* Synapses from one population to another after nce_snn_build, ordered by source: writes up to capacity entries of the
 * arrays that are not NULL, and the number that exist to *n.  delay in ms.  Since 0.1. */
NCE_API nce_status nce_snn_synapses_read(nce_snn *snn, uint32_t pre, uint32_t post, size_t capacity,
                                         uint32_t *pre_index, uint32_t *post_index, double *weight, double *delay,
                                         size_t *n);

/* ---- inputs ---- */

/* Independent Poisson arrivals at every neuron of a population: rate_hz each, weight per arrival, on a receptor.  Since
 * 0.1. */
NCE_API nce_status nce_snn_poisson_add(nce_snn *snn, uint32_t population, uint32_t receptor, double rate_hz,
                                       double weight);
/* Spikes of a SOURCE population: neuron[n], time[n] in ms (>= 0; step = floor(time / dt + 1e-9)), any order.  Times
 * already past are refused.  May be called before and between runs.  Since 0.1. */
NCE_API nce_status nce_snn_source_add(nce_snn *snn, uint32_t population, size_t n, const uint32_t *neuron,
                                      const double *time);
/* The same from a text file with a line "neuron time_ms" per spike; '#' begins a comment.  NCE_ERR_IO, NCE_ERR_FORMAT
 * (file, line, what).  Since 0.1. */
NCE_API nce_status nce_snn_source_load(nce_snn *snn, uint32_t population, const char *path);

/* Forget all spikes given to SOURCE populations, past and to come.  Since 0.1. */
NCE_API nce_status nce_snn_source_clear(nce_snn *snn);

/* ---- running ---- */

/* Seal the network: order the synapses, compute the propagators, lay out the rings.  progress may be NULL.  On failure
 * the network can only be destroyed.  NCE_ERR_LIMIT: 2^32 ring cells (neurons x receptors x delay slots).  Since
 * 0.1. */
NCE_API nce_status nce_snn_build(nce_snn *snn, nce_progress_fn *progress, void *user);
/* Advance by n_steps.  progress (may be NULL) is called about every 100 ms with steps done of n_steps;
 * NCE_ERR_CANCELLED then leaves the network between two steps, ready to go on.  NCE_ERR_NOMEM: a recording could not
 * grow; the steps done stay done.  Since 0.1. */
NCE_API nce_status nce_snn_run(nce_snn *snn, uint64_t n_steps, nce_progress_fn *progress, void *user);
/* Steps done since build or reset, and the length of one (ms).  Since 0.1. */
NCE_API uint64_t nce_snn_step(nce_snn *snn);
NCE_API double nce_snn_dt(nce_snn *snn);
/* Back to step 0: state, rings, recordings, statistics, pending events.  Weights (learned ones too) and given source
 * spikes stay.  Since 0.1. */
NCE_API nce_status nce_snn_reset_state(nce_snn *snn);

/* ---- recordings ---- */

/* Spikes recorded for a population, oldest first, ordered by step, then neuron: writes up to capacity entries from
 * entry first on to the arrays that are not NULL.  time in ms since the population's onset: (step + 1) dt, the end of
 * the step, or the moment itself with PRECISE.  *n: entries that exist from first on.  Since 0.1. */
NCE_API nce_status nce_snn_spikes_read(nce_snn *snn, uint32_t population, size_t first, size_t capacity,
                                       uint32_t *neuron, double *time, size_t *n);
/* Forget recorded spikes of all populations.  Since 0.1. */
NCE_API nce_status nce_snn_spikes_clear(nce_snn *snn);
/* Record V, U or S1 of a neuron after every n-th step.  probe counts from 0.  Since 0.1. */
NCE_API nce_status nce_snn_probe_add(nce_snn *snn, uint32_t population, uint32_t neuron, nce_snn_param what,
                                     uint32_t every, uint32_t *probe);
/* Values of a probe, as nce_snn_spikes_read.  Since 0.1. */
NCE_API nce_status nce_snn_probe_read(nce_snn *snn, uint32_t probe, size_t first, size_t capacity, double *values,
                                      size_t *n);

/* ---- statistics ---- */

typedef struct nce_snn_statistics {
    size_t struct_size;         /* in: of the caller; only that much is written */
    uint64_t steps;
    uint64_t spikes;
    uint64_t synaptic_events;   /* deliveries */
    uint64_t neuron_updates;    /* made: 16 for each block of an event-driven population */
    uint64_t updates_skipped;   /* neuron-steps that needed none */
    uint64_t events_submitted, events_applied;
    uint64_t events_dropped;    /* queue full */
    uint64_t events_late;       /* applied after their time */
    double slot_sparsity;       /* share of neuron-steps without a spike: what bit-slot hardware counts */
    double silent_share;        /* share of neurons that never fired since reset */
    double skippable_share;     /* mean share of neurons silent in a window of 100 steps: weight columns a CPU can
                                   skip */
    double mean_rate_hz;
    uint64_t state_bytes;       /* of neurons, rings and synapses */
} nce_snn_statistics;
#define NCE_SNN_STATISTICS_INIT { sizeof(nce_snn_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* Since build or reset.  Sources and Poisson populations count in synaptic_events, not in spikes, shares and rates.
 * Since 0.1. */
NCE_API nce_status nce_snn_statistics_read(nce_snn *snn, nce_snn_statistics *out);

typedef struct nce_snn_energy {
    size_t struct_size;      /* in */
    double pj_per_synop;     /* in; 0: 0.03, an INT8 add in 45 nm (arXiv:2509.05276) */
    double pj_per_update;    /* in; 0: 0.23, as a multiply-add */
    double pj_per_mac;       /* in; 0: 0.23, an INT8 multiply-add in 45 nm (same source) */
    double synops, updates;  /* out */
    double energy_pj;        /* out: estimate for the run so far */
    double dense_macs;       /* out: every synapse in every step: what a dense layer of the same shape does */
    double dense_energy_pj;  /* out */
} nce_snn_energy;
#define NCE_SNN_ENERGY_INIT { sizeof(nce_snn_energy), 0, 0, 0, 0, 0, 0, 0, 0 }
/* Estimate the energy of the run on hardware with the given costs.  An estimate: no memory traffic, no idle power.
 * Since 0.1. */
NCE_API nce_status nce_snn_energy_estimate(nce_snn *snn, nce_snn_energy *io);

/* ---- control: events from outside, background run ---- */

typedef enum nce_snn_encoding { /* of the amplitude of an event for a SOURCE neuron; others take it as mV on v */
    NCE_SNN_ENCODE_DIRECT = 0,   /* one spike, whatever the amplitude */
    NCE_SNN_ENCODE_RATE = 1,     /* spikes at each step of the processing interval with probability amplitude /
                                    scale_mv */
    NCE_SNN_ENCODE_TEMPORAL = 2, /* one spike after (1 - amplitude / scale_mv) of the processing interval; none for <=
                                    0 */
    NCE_SNN_ENCODE_DELTA = 3     /* one spike when the amplitude differs by scale_mv or more from that of the last
                                    spike */
} nce_snn_encoding;

enum { /* flags of the control options */
    NCE_SNN_FREE_RUN = 1,   /* do not wait for the wall clock */
    NCE_SNN_WOULD_BLOCK = 2 /* a full queue: the caller keeps the event and tries again; not counted as dropped */
};

typedef struct nce_snn_control_options {
    size_t struct_size;
    uint32_t encoding;         /* nce_snn_encoding */
    uint32_t events_per_cycle; /* taken from the queue in one processing interval; 0: 4096 */
    uint32_t interval_us;      /* processing interval, of model and wall time alike; 0: 1000; at least one dt */
    uint32_t flags;
    double target_sparsity;    /* slot sparsity to hold by moving the thresholds of LIF populations, 0: off; below 1 */
    double scale_mv;           /* of the encodings; 0: 1 */
} nce_snn_control_options;
#define NCE_SNN_CONTROL_OPTIONS_INIT { sizeof(nce_snn_control_options), 0, 0, 0, 0, 0, 0 }
/* Set the control options (NULL: all defaults); before or between runs.  The target sparsity works in nce_snn_run too:
 * every 100 steps each LIF threshold moves so that the activity nears 1 - target.  Since 0.1. */
NCE_API nce_status nce_snn_configure(nce_snn *snn, const nce_snn_control_options *options);
/* Start running in a thread of the library, interval after interval; and stop it, waiting for the interval at hand.
 * stop reports what ended the run early, if anything did.  Since 0.1. */
NCE_API nce_status nce_snn_start(nce_snn *snn);
NCE_API nce_status nce_snn_stop(nce_snn *snn);
/* Submit an event: at time_us of model time (since reset; a time already past: as soon as possible), amplitude in mV.
 * A full queue is NCE_ERR_BUSY and nothing was queued: a drop, counted in events_dropped, or with NCE_SNN_WOULD_BLOCK
 * the caller's to try again, not counted.  Never waits, never allocates.  Events of one step act in the order of
 * neuron, then amplitude (by its bits: negative ones last), however they were submitted.
 * Since 0.1. */
NCE_API nce_status nce_snn_submit(nce_snn *snn, uint32_t population, uint32_t neuron, uint64_t time_us,
                                  float amplitude_mv);

typedef struct nce_snn_neuron {
    size_t struct_size;  /* in */
    double v, u, s1;     /* membrane; recovery or current 0; current 1 */
    double v_th;         /* threshold in force */
    double refractory;   /* ms left */
    uint64_t spikes;     /* since reset */
    uint64_t last_spike; /* step + 1; 0: none */
} nce_snn_neuron;
#define NCE_SNN_NEURON_INIT { sizeof(nce_snn_neuron), 0, 0, 0, 0, 0, 0, 0 }
/* The state of a neuron between two intervals.  Since 0.1. */
NCE_API nce_status nce_snn_neuron_read(nce_snn *snn, uint32_t population, uint32_t neuron, nce_snn_neuron *out);

/* ---- files ---- */

/* Write a built network with its state to one file (little-endian, versioned, checksummed; docs/snn.md), or read one:
 * it continues bit for bit as the saved one would.  Recordings, probes and queued events are not kept.  options of
 * load: dt, precision and seed come from the file (0 there).  NCE_ERR_IO; NCE_ERR_FORMAT names file, field and value.
 * Since 0.1. */
NCE_API nce_status nce_snn_save(nce_snn *snn, const char *path);
NCE_API nce_status nce_snn_load(nce_context *ctx, const char *path, const nce_snn_options *options, nce_snn **out);
/* The same from memory, borrowed until return; name is for messages.  Since 0.1. */
NCE_API nce_status nce_snn_load_memory(nce_context *ctx, const char *name, const void *data, size_t size,
                                       const nce_snn_options *options, nce_snn **out);

/* ---- closed forms ---- */

/* Propagators of a LIF neuron with one exponential current over a step h (ms): P11 of the current, P22 of v, P21 from
 * current (pA) to v (mV), P20 from constant current; c_m in pF.  Accurate also for tau_syn near tau_m.
 * [Rotter & Diesmann 1999, doi 10.1007/s004220050570]  Since 0.1. */
NCE_API nce_status nce_snn_propagators(double tau_m, double tau_syn, double c_m, double h,
                                       double p[4] /* P11 P22 P21 P20 */);
/* Firing rate (Hz) of a LIF neuron under constant drive: drive = e_l + r_m i - v_reset, threshold = v_th - v_reset
 * (mV); 0 below threshold.  Since 0.1. */
NCE_API double nce_snn_lif_rate(double tau_m, double t_ref, double drive, double threshold);

#ifdef __cplusplus
}
#endif
#endif
