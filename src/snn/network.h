/* Inside of a network.
 *
 * Neurons have global ids: population after population, each padded to whole blocks of 16.  A part is what one thread
 * owns: a range of blocks, the synapses that end there and the rings they end in.  Time advances in intervals no longer
 * than the shortest delay: every part updates its neurons for the interval, one barrier, then every part walks the
 * spikes of all parts in the order (step, id) and delivers to its own targets.  So each ring cell sees the same
 * additions in the same order whatever the number of parts.  Spike lists are kept twice (parity of the interval): one
 * barrier suffices.  interval.c has the length of an interval. */
#ifndef NCE_SRC_SNN_NETWORK_H
#define NCE_SRC_SNN_NETWORK_H
#include "nce/snn.h"
#include "src/core/runtime/context.h"
#include "src/kernels/snn.h"
#include "src/snn/calendar.h"
#include <pthread.h>

enum {
    NCE_SNN_MAX_PARTS = 64,
    NCE_SNN_MAX_INTERVAL = 16, /* steps between barriers, though delays may be longer */
    NCE_SNN_WINDOW = 100,      /* steps of a statistics and control window */
    NCE_SNN_TABLE = 256,       /* steps an event-driven block can be advanced at once */
    NCE_SNN_PRECISE_MAX = 8    /* spikes a PRECISE neuron may fire in one step */
};

/* Coefficients of advancing a sleeping block by 1 .. NCE_SNN_TABLE steps. */
typedef struct nce_snn_decay {
    double p22, c0, p21[2], p11[2];
} nce_snn_decay;

typedef struct nce_snn_population {
    char name[64];
    nce_snn_population_options o;
    uint32_t first, n;              /* global id of neuron 0; neurons */
    uint32_t first_block, n_blocks; /* global */
    uint32_t first_ring;            /* first ring block; sources have none */
    bool has_ring, precise;
    double *each[NCE_SNN_PARAM_COUNT_]; /* per-neuron values given before build, [n]; NULL: the option */
    bool each_set;                      /* coefficients differ between neurons */
    double coef[NCE_SNN_COEF_COUNT];    /* of the population */
    void *coefs;                        /* real [NCE_SNN_COEF_COUNT][n_blocks*16] with each_set */
    uint16_t *n_ref;                    /* refractory steps with each_set, [n_blocks*16] */
    double *i_e;                        /* constant currents now, [n]: given per neuron; NULL: o.i_e */
    double threshold_shift;             /* of the sparsity control, added to every threshold */
    union {
        nce_snn_lif_f32 f32;
        nce_snn_lif_f64 f64;
    } args;
    /* event-driven blocks */
    bool may_sleep, event_driven;  /* allowed by model and parameters; now */
    nce_snn_decay *decay;          /* [NCE_SNN_TABLE + 1] */
    double v_bound;                /* below it a bounded neuron cannot fire before its next input */
    uint64_t retry_at, retry_wait; /* steps: next try of event mode */
    uint64_t window_updates, n_in; /* block updates in this window; synapses that end here */
    /* recording */
    uint32_t *rec_neuron;
    double *rec_time;
    size_t rec_count, rec_capacity[2];
    uint64_t spikes, window_spikes;
} nce_snn_population;

typedef struct nce_snn_projection {
    nce_snn_connection c;
    nce_snn_random r; /* r.rule 0: a list */
    uint64_t key;
    uint32_t delay; /* steps */
    uint64_t *row;  /* list: [n_pre + 1] */
    uint32_t *post;
    double *weight;   /* NULL: c.weight */
    uint16_t *delays; /* NULL: delay */
    uint32_t *counts; /* FIXED_TOTAL: synapses of each source */
    uint32_t max_delay, min_delay;
    uint32_t stdp_class; /* 0: static */
} nce_snn_projection;

typedef struct nce_snn_poisson {
    uint32_t population, receptor;
    double rate_hz, weight;
    uint64_t key;
    uint64_t *above; /* a draw above entry k means more than k arrivals */
    uint32_t n_above;
} nce_snn_poisson;

typedef struct nce_snn_probe {
    uint32_t population, neuron, what, every;
    double *values;
    size_t count, capacity;
} nce_snn_probe;

/* Plastic synapses that end in a part: incoming index for potentiation and traces for every class. */
typedef struct nce_snn_plastic {
    uint8_t *cls;     /* [synapses of the part]; 0: static */
    uint64_t *in_row; /* [own neurons + 1] */
    uint64_t *in_edge;
    uint32_t *in_source;
    double *pre, *post; /* [class][neurons] traces at the time below; both for all neurons */
    uint64_t *pre_step, *post_step;
} nce_snn_plastic;

typedef struct nce_snn_part {
    nce_snn *snn;
    uint32_t index, first_block, end_block;
    uint64_t *row; /* [n_ids + 1], by source id */
    uint64_t n_synapses;
    uint32_t *base;  /* ring cell of the target at slot 0 */
    void *weight;    /* real */
    uint8_t *delay8; /* one of the two, or none when all delays are equal */
    uint16_t *delay16;
    /* pulled rows (snn->pull): ordered by delay, and who fired in the last steps */
    uint32_t *group; /* [n_ids][n_groups + 1] first synapse of a delay, from the row's begin */
    uint32_t *past;  /* [n_past][room] ids that fired, a ring of steps; written before a barrier */
    size_t *past_n;  /* [n_past] */
    nce_snn_plastic *plastic;
    /* [step of the interval][room] ids that fired and how many, by parity of the interval */
    uint32_t *fired[2];
    double *offset[2]; /* ms inside the step, with precise populations */
    size_t count[2][NCE_SNN_MAX_INTERVAL];
    size_t room;          /* all that can fire in a step */
    uint32_t *due_blocks; /* scratch of the event-driven update */
    uint64_t synaptic_events, updates, skipped;
} nce_snn_part;

/* Some steps; see nce_snn_sweep for what is left behind. */
typedef struct nce_snn_span {
    uint64_t step;
    uint32_t n_steps;
    bool behind, stay_behind;
} nce_snn_span;

/* Where the spikes of a span go: those of its step k at k * room, behind count[k] others. */
typedef struct nce_snn_lists {
    uint32_t *fired;
    double *offset; /* NULL without precise populations */
    size_t room, *count;
} nce_snn_lists;

typedef struct nce_snn_engine {
    size_t real_bytes;
    void (*bind)(nce_snn *snn, nce_snn_population *p); /* fill p->args from p->coef and the arrays */
    void (*update)(nce_snn *snn, nce_snn_part *part, nce_snn_population *p, const nce_snn_span *span, uint32_t first,
                   uint32_t end, const nce_snn_lists *to); /* blocks first .. end-1 of the population */
    void (*add)(nce_snn *snn, nce_snn_population *p, uint32_t neuron, uint64_t step, uint32_t receptor,
                double x); /* to the ring */
    void (*jump)(nce_snn *snn, nce_snn_population *p, uint32_t neuron, uint64_t step, double mv);
    void (*wake)(nce_snn *snn, nce_snn_population *p, uint32_t first, uint32_t end,
                 uint64_t step); /* bring blocks up to step */
    /* To the part's own targets: the spikes of all parts that were fired in an interval. */
    void (*deliver)(nce_snn *snn, nce_snn_part *part, uint64_t step, uint32_t n_steps, unsigned parity);
    void (*pull)(nce_snn *snn, nce_snn_part *part, uint64_t step); /* what arrives at the part's neurons in a step */
    double (*get)(const void *array, size_t i);
    void (*set)(void *array, size_t i, double value);
    void (*settle)(nce_snn *snn, const nce_snn_population *p); /* once a window, awake populations */
} nce_snn_engine;

struct nce_snn {
    nce_context *ctx;
    nce_snn_options o;
    nce_snn_ops ops;
    const nce_snn_engine *engine;
    pthread_mutex_t mutex; /* all of the network but the queue */
    atomic_uint waiting;   /* entries that want the mutex; the background thread lets them pass */
    bool built, broken;

    nce_snn_population *populations;
    size_t n_populations, populations_capacity;
    nce_snn_projection *projections;
    size_t n_projections, projections_capacity;
    nce_snn_poisson *poissons;
    size_t n_poissons, poissons_capacity;
    nce_snn_probe *probes;
    size_t n_probes, probes_capacity;
    nce_snn_event *given; /* spikes of SOURCE populations, sorted by step, then id, when given_sorted */
    size_t n_given, given_capacity;
    bool given_sorted;
    nce_snn_stdp *classes; /* [1 .. n_classes] */
    size_t n_classes, classes_capacity;

    /* set by build */
    uint32_t n_ids, n_blocks, n_rings;                   /* padded neurons, blocks, ring blocks */
    uint32_t *ring_first;                                /* [n_rings] global id of lane 0 */
    uint32_t n_receptors, n_slots, min_delay, max_delay; /* slots: a power of two */
    uint32_t equal_delay;                                /* of all synapses, or 0 */
    uint32_t n_waiting;                                  /* slots that may hold inputs between two runs */
    bool may_defer, defer;                               /* see interval.c: by the build; in this window */
    bool pull;                                           /* see pull_body.h */
    uint32_t n_groups, n_past;
    uint64_t n_synapses;
    void *v, *s0, *s1, *ring; /* real */
    uint16_t *ref;            /* refractory steps left */
    double *ref_ms;           /* precise populations: refractory ms left at the beginning of the step */
    uint8_t *touched;         /* [slot][ring block][receptor] input waits; while marks are kept */
    uint8_t *active;          /* [ring block] may fire without input */
    uint64_t *seen;           /* [ring block] steps done */
    bool marks;               /* touched is kept: for sleepers, or because few lines get input */
    uint32_t *spike_count;    /* [n_ids] */
    uint64_t *last_spike;     /* [n_ids] step + 1 */
    nce_snn_part parts[NCE_SNN_MAX_PARTS];
    uint32_t n_parts;

    /* running */
    uint64_t step;    /* steps done */
    uint64_t run_end; /* of the run at hand */
    pthread_barrier_t barrier;
    pthread_mutex_t gate_mutex; /* workers wait for n_workers to be set */
    pthread_cond_t gate;
    uint32_t n_workers;
    atomic_int run_status[2]; /* by parity: written before the interval's barrier, read by all after it */
    nce_progress_fn *progress;
    void *progress_user;
    uint64_t run_begin;
    double progress_at;                                               /* seconds */
    uint64_t window_deliveries, window_active, n_windows, active_sum; /* active: neurons that fired in the window */
    uint64_t spikes, applied, late, events_limit;
    nce_snn_queue queue;       /* from any thread */
    _Atomic uint64_t dropped;  /* events that found it full */
    uint64_t submitted_before; /* places taken before the last reset */
    atomic_bool would_block;   /* a full queue is the caller's to try again: not counted */
    nce_snn_calendar calendar;
    nce_snn_event *due[2]; /* events of an interval, by its parity, sorted */
    size_t n_due[2];
    float *delta_last; /* [n_ids] amplitude of the last DELTA spike */

    /* control */
    nce_snn_control_options control;
    pthread_t thread;
    bool thread_on; /* under mutex */
    atomic_bool stop;
    nce_status thread_status;
};

/* ---- entering ---- */
void nce_snn_lock(nce_snn *snn);
void nce_snn_unlock(nce_snn *snn);
/* Lock and check: built as wanted (1 built, 0 not yet, -1 either), no background run when exclusive. */
nce_status nce_snn_enter(nce_snn *snn, int built, bool exclusive);
nce_status nce_snn_check_population(nce_snn *snn, uint32_t population);

/* ---- parts of the work, each in its own file ---- */
/* coefficients.c: one neuron's coefficients from its parameters. */
void nce_snn_coefficients(const nce_snn *snn, const nce_snn_population *p, uint32_t neuron,
                          double coef[NCE_SNN_COEF_COUNT]);
nce_status nce_snn_prepare_population(nce_snn *snn, nce_snn_population *p); /* coef, coefs, decay; then engine->bind */
void nce_snn_refresh_coefficients(nce_snn *snn, nce_snn_population *p);     /* after i_e or a threshold changed */
double nce_snn_param_value(const nce_snn_population *p, nce_snn_param param, uint32_t neuron);
/* connect_random.c: synapses of one source: returns how many; post, weight, delay (may be NULL: count only) hold room.
 */
uint32_t nce_snn_random_row(const nce_snn *snn, const nce_snn_projection *q, uint32_t source, uint32_t *post,
                            double *weight, uint16_t *delay, uint32_t *scratch);
uint64_t nce_snn_random_row_bound(const nce_snn *snn, const nce_snn_projection *q);
nce_status nce_snn_projection_begin(nce_snn *snn, const nce_snn_connection *options, nce_snn_projection *q);
void nce_snn_projection_drop(nce_snn *snn, nce_snn_projection *q);
nce_status nce_snn_projection_take(nce_snn *snn, nce_snn_projection *q);
nce_status nce_snn_delay_steps(nce_snn *snn, double delay, uint32_t *steps);
/* build.c */
nce_status nce_snn_allocate_state(nce_snn *snn);
nce_status nce_snn_layout(nce_snn *snn);
void nce_snn_choose_parts(nce_snn *snn);
nce_status nce_snn_allocate_part(nce_snn *snn, nce_snn_part *part);
nce_status nce_snn_group_rows(nce_snn *snn, nce_snn_part *part); /* pull.c, after the rows are filled */
uint32_t nce_snn_delay_of(const nce_snn *snn, const nce_snn_part *part, uint32_t id, uint64_t e);
void nce_snn_choose_delivery(nce_snn *snn);
void nce_snn_initial_state(nce_snn *snn);
nce_status nce_snn_index_plastic(nce_snn *snn, nce_snn_part *part);
/* state.c: V, U or S1 of a neuron as of step now, without disturbing a sleeping block. */
double nce_snn_peek(nce_snn *snn, nce_snn_population *p, uint32_t neuron, nce_snn_param what, uint64_t now);
/* run.c: with the lock held. */
nce_status nce_snn_advance(nce_snn *snn, uint64_t n_steps);
/* interval.c */
void nce_snn_choose_slots(nce_snn *snn);
void nce_snn_choose_defer(nce_snn *snn);                          /* at the begin of a run and of a window */
nce_snn_span nce_snn_interval(const nce_snn *snn, uint64_t step); /* the interval that begins with a step */
/* input.c: events due in [step, end) go to due[parity]; the given spikes are sorted before a run. */
void nce_snn_collect_events(nce_snn *snn, uint64_t step, uint64_t end, unsigned parity);
void nce_snn_return_events(nce_snn *snn, unsigned parity);
void nce_snn_apply_poisson(nce_snn *snn, nce_snn_population *p, uint64_t step, uint32_t first, uint32_t end);
void nce_snn_apply_events(nce_snn *snn, nce_snn_population *p, uint64_t step, unsigned parity, uint32_t first,
                          uint32_t end);
size_t nce_snn_update_source(nce_snn *snn, nce_snn_population *p, uint64_t step, unsigned parity, uint32_t first,
                             uint32_t end, uint32_t *fired);
void nce_snn_sort_given(nce_snn *snn);
nce_status nce_snn_prepare_poisson(nce_snn *snn, nce_snn_poisson *g);
/* record.c: spikes of an interval (one thread), probes of the blocks of a part. */
nce_status nce_snn_record_interval(nce_snn *snn, uint64_t step, uint32_t n_steps, unsigned parity);
nce_status nce_snn_record_probes(nce_snn *snn, const nce_snn_part *part, uint64_t step);
/* window.c: at the end of a window, by one thread while the others wait. */
void nce_snn_window_end(nce_snn *snn, uint64_t step);
void nce_snn_set_marks(nce_snn *snn, bool on, uint64_t step); /* step: the next one */

extern const nce_snn_engine nce_snn_engine_f32, nce_snn_engine_f64;

#endif
