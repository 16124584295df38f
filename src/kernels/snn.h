/* Clock-driven update of leaky integrate-and-fire populations, some steps of one population at a time.
 *
 * State is one array per variable, [n_blocks][16]; the inputs of a step lie in the delay ring,
 * [block][receptor][slot][16] (neuron-major by blocks of 16: one vector load reads a step's inputs, and a row of
 * synapses sorted by target stays within a few pages).  THE CONTRACT, for every variant: each neuron is computed by the
 * formulas of snn_lif_body.h with one rounding per written operation and nothing fused; SIMD runs across neurons, so
 * all variants give the same bits. */
#ifndef NCE_SRC_KERNELS_SNN_H
#define NCE_SRC_KERNELS_SNN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NCE_SNN_LANES = 16, NCE_SNN_SWEEP_STEPS = 2 };

typedef enum nce_snn_lif_kind {
    NCE_SNN_LIF_DELTA, /* input scaled by gain moves v at once */
    NCE_SNN_LIF_EXP1,  /* one exponential current */
    NCE_SNN_LIF_EXP2,  /* two */
    NCE_SNN_LIF_COND   /* two exponential conductances */
} nce_snn_lif_kind;

/* Coefficients that may differ between the neurons of a population. */
enum {
    NCE_SNN_COEF_P22,   /* decay of v - v_rest over a step */
    NCE_SNN_COEF_C0,    /* what rest and constant current add */
    NCE_SNN_COEF_P21_0, /* from current 0 to v; DELTA: the gain of the input */
    NCE_SNN_COEF_P21_1,
    NCE_SNN_COEF_P11_0, /* decay of current (conductance) 0 */
    NCE_SNN_COEF_P11_1,
    NCE_SNN_COEF_VTH,
    NCE_SNN_COEF_VRESET,
    NCE_SNN_COEF_NREF, /* refractory steps; the kernels take it as n_ref */
    NCE_SNN_COEF_COUNT
};

/* Arguments of a population: all arrays begin at its first neuron; one struct for each precision.
 * touched: a byte for each line of the ring (one slot, block and receptor), [slot][block][receptor]: 1 where an input
 * waits, else 0; lines without are not read.  In a network that lives in L2 that is a quarter of the traffic. */
#define NCE_SNN_LIF_ARGS(real)                                                                                         \
    {                                                                                                                  \
        real *v, *s0, *s1; /* s: currents (pA) or conductances (nS) */                                                 \
        uint16_t *ref;     /* refractory steps left */                                                                 \
        real *ring;                                                                                                    \
        uint8_t *touched;                     /* NULL: every line may hold input */                                    \
        size_t touched_slot;                  /* bytes from slot to slot */                                            \
        const real *each[NCE_SNN_COEF_COUNT]; /* per-neuron coefficients, used when each_set */                        \
        const uint16_t *n_ref_each;                                                                                    \
        real coef[NCE_SNN_COEF_COUNT];                 /* or one for all */                                            \
        real g_leak, g_rest, e_rev0, e_rev1, h_over_c; /* COND: nS, pA (g_leak e_l + i_e), mV, mV, ms/pF */            \
        size_t block_stride, plane;                    /* of the ring, in elements: receptors*slots*16 and slots*16 */ \
        nce_snn_lif_kind kind;                                                                                         \
        uint32_t n_receptors, slot_mask; /* slots are a power of two */                                                \
        uint16_t n_ref;                                                                                                \
        bool each_set, subtract, current_first;                                                                        \
        uint32_t first_id, n_neurons; /* id of neuron 0; lanes beyond n_neurons fill the last block */                 \
    }
typedef struct nce_snn_lif_f32 NCE_SNN_LIF_ARGS(float) nce_snn_lif_f32;
typedef struct nce_snn_lif_f64 NCE_SNN_LIF_ARGS(double) nce_snn_lif_f64;

/* What a call does.  A step of an exponential synapse has two halves: v moves by the currents of the step's beginning, then
 * the currents decay and take what arrives.  So arrivals of a step are needed a step later than v of that step, and a call
 * may leave them for the next one.  Two steps at once read and write the state once. */
typedef struct nce_snn_sweep {
    const uint32_t *list; /* blocks; NULL: first .. first + n - 1 */
    uint32_t first, n;
    uint64_t step;    /* the first; its slot is the step modulo the slots of the ring */
    uint32_t n_steps; /* at most NCE_SNN_SWEEP_STEPS; 0 with behind: only what was left */
    bool behind,
        stay_behind; /* arrivals of step - 1 were left to this call; those of its last step are left again; taken
                                 for false where there are no halves: DELTA, current_first */
    uint32_t *fired; /* ids of the neurons that fire in step + k are appended at fired + k * room + count[k] */
    size_t room, *count;
} nce_snn_sweep;

/* Take the steps of the sweep, block after block; inputs are taken and cleared. */
typedef void nce_snn_lif_f32_fn(const nce_snn_lif_f32 *a, const nce_snn_sweep *w);
typedef void nce_snn_lif_f64_fn(const nce_snn_lif_f64 *a, const nce_snn_sweep *w);
typedef struct nce_snn_ops {
    nce_snn_lif_f32_fn *lif_f32;
    nce_snn_lif_f64_fn *lif_f64;
} nce_snn_ops;

nce_snn_lif_f32_fn nce_snn_lif_f32_avx2, nce_snn_lif_f32_avx512;
nce_snn_lif_f64_fn nce_snn_lif_f64_avx2, nce_snn_lif_f64_avx512;

void nce_snn_ops_init(nce_snn_ops *ops, uint32_t cpu); /* cpu: NCE_CPU_* bits, already masked */

#endif
