/* What the tests of the spiking engine share. */
#ifndef NCE_TESTS_SNN_TEST_H
#define NCE_TESTS_SNN_TEST_H
#include "nce/nce.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        const nce_status status_ = (call);                                                                             \
        cr_assert_eq(status_, NCE_OK, "%s: %s: %s", #call, nce_status_name(status_), nce_context_error(ctx));          \
    } while (0)

static inline nce_context *snn_context(nce_isa isa)
{
    nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
    nce_context *ctx;
    o.isa = isa;
    o.n_threads = 4;
    return nce_context_create(&o, &ctx) == NCE_OK ? ctx : NULL;
}

static inline nce_snn *snn_create(nce_context *ctx, double dt, nce_snn_precision precision, uint32_t threads)
{
    nce_snn_options o = NCE_SNN_OPTIONS_INIT;
    nce_snn *snn;
    o.dt = dt;
    o.precision = precision;
    o.n_threads = threads;
    o.seed = 7;
    OK(nce_snn_create(ctx, &o, &snn));
    return snn;
}

static inline uint64_t snn_random(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* A hash of all recorded spikes and final potentials. */
static inline uint64_t snn_hash(nce_context *ctx, nce_snn *snn)
{
    uint64_t h = 1469598103934665603u;
    for (uint32_t p = 0; p < nce_snn_n_populations(snn); p++) {
        size_t n = 0;
        if (nce_snn_spikes_read(snn, p, 0, 0, NULL, NULL, &n) != NCE_OK) continue;
        uint32_t *id = malloc((n + 1) * sizeof *id);
        double *time = malloc((n + 1) * sizeof *time);
        const uint32_t size = nce_snn_population_size(snn, p);
        double *v = malloc(size * sizeof *v);
        OK(nce_snn_spikes_read(snn, p, 0, n, id, time, &n));
        OK(nce_snn_population_get(snn, p, NCE_SNN_PARAM_V, v, size));
        for (size_t i = 0; i < n; i++)
            h = (h ^ id[i] ^ (uint64_t)llround(time[i] * 1e6) << 20) * 1099511628211u;
        for (uint32_t i = 0; i < size; i++) {
            uint64_t bits;
            memcpy(&bits, &v[i], sizeof bits);
            h = (h ^ bits) * 1099511628211u;
        }
        free(id);
        free(time);
        free(v);
    }
    return h;
}
#endif
