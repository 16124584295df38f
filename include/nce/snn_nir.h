/* Import of NIR, the Neuromorphic Intermediate Representation [Pedersen et al. 2024, doi 10.1038/s41467-024-52259-9].
 *
 * A NIR file is an HDF5 file that defines neurons in continuous time.  It holds neither a time step nor how a membrane
 * is reset, so both are options here; simulators that train such networks differ in them and in the order of their
 * updates. Needs a build with HDF5 (Meson option nir); otherwise NCE_ERR_UNSUPPORTED. */
#ifndef NCE_SNN_NIR_H
#define NCE_SNN_NIR_H
#include "snn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nce_snn_nir_options {
    size_t struct_size;
    double dt;              /* ms; 0: 0.1 */
    uint32_t reset;         /* nce_snn_reset: to v_reset (0 if the file has none), or by subtracting the threshold */
    uint32_t method;        /* nce_snn_method of the neurons */
    uint32_t current_first; /* 1: CubaLIF membranes use the current of this step, not that of the step before */
    uint32_t precise;       /* 1: LIF spikes at exact times inside the step (NCE_SNN_PRECISE); needs precision F64,
                               method EXACT */
    uint32_t precision;     /* nce_snn_precision */
    uint32_t n_threads;     /* as in nce_snn_options */
} nce_snn_nir_options;
#define NCE_SNN_NIR_OPTIONS_INIT { sizeof(nce_snn_nir_options), 0, 0, 0, 0, 0, 0, 0 }

/* Read a graph into a new network that is not yet built, so that probes and inputs can be added; call nce_snn_build.
 *
 * Every Input becomes a SOURCE population and every neuron node a population that records its spikes, named as in the
 * file (a node of a subgraph: "subgraph.node").  Linear nodes between them (Linear, Affine, Scale, Conv1d, Conv2d,
 * SumPool2d, AvgPool2d, Flatten, Delay) are multiplied out into synapses, biases into constant currents.  Neurons: LIF,
 * LI, IF, I, CubaLIF, CubaLI, Threshold.  What reaches a neuron in a step is a current held for that step.
 * Layers act in the same step in the simulators NIR comes from; here a spike takes a step.  Populations therefore begin
 * later by their depth and count their time from there, which gives the same spike times; recurrent edges take one
 * step. Returns NCE_OK; NCE_ERR_IO; NCE_ERR_FORMAT (names file, node and value); NCE_ERR_UNSUPPORTED (names the nodes this
 * version cannot import, or HDF5 is missing); NCE_ERR_INVALID; NCE_ERR_NOMEM.  *out is NULL on failure.
 * Threads: one import at a time in a process, and no other use of HDF5 meanwhile (Debian's is not thread-safe).
 * Since 0.1. */
NCE_API nce_status nce_snn_load_nir(nce_context *ctx, const char *path, const nce_snn_nir_options *options,
                                    nce_snn **out);

#ifdef __cplusplus
}
#endif
#endif
