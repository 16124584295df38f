/* The benchmark networks of the literature, built through the public API. */
#ifndef NCE_TOOL_SNN_NETWORKS_H
#define NCE_TOOL_SNN_NETWORKS_H
#include "nce/snn.h"

typedef struct nce_snn_bench_net {
    const char *name;
    double dt;
    /* Fill an empty network; scale is the share of neurons and synapses kept (1: full size). */
    nce_status (*build)(nce_snn *snn, double scale, uint64_t seed);
} nce_snn_bench_net;

/* "cuba", "coba" (Vogels & Abbott 2005; Brette et al. 2007), "pd14" (Potjans & Diesmann 2014). */
const nce_snn_bench_net *nce_snn_bench_net_find(const char *name);

/* Potjans-Diesmann: published mean rates (Hz) of the eight populations, in the order of the populations. */
extern const double nce_snn_pd14_rates[8];

#endif
