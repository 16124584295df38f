/* Where event-driven update stops paying: the same population stepped both ways under the same input, from few blocks of 16
 * neurons touched in a step to most of them.  Weights are too small for anything to fire, so a block is awake only in the
 * steps that bring it input.  Thread CPU time of a step, medians of stretches that take turns; the share of awake blocks
 * where the two cost the same is what src/snn/window.c leaves event mode by. */
#include "nce/nce.h"
#include "tools/measure.h"
#include <stdio.h>
#include <stdlib.h>

enum { NEURONS = 16384, SOURCES = 512, FAN_OUT = 64, STEPS = 1000, STRETCHES = 9 };

static nce_snn *network(nce_context *ctx, double rate_hz, uint32_t drive)
{
    nce_snn_options options = NCE_SNN_OPTIONS_INIT;
    nce_snn_population_options poisson = NCE_SNN_POISSON_INIT, lif = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    nce_snn *snn = NULL;
    options.n_threads = 1;
    poisson.n = SOURCES;
    poisson.rate_hz = rate_hz;
    lif.n = NEURONS;
    lif.synapse = NCE_SNN_CURRENT;
    lif.drive = drive;
    nce_status status = nce_snn_create(ctx, &options, &snn);
    if (status == NCE_OK) status = nce_snn_population_add(snn, &poisson, &c.pre);
    if (status == NCE_OK) status = nce_snn_population_add(snn, &lif, &c.post);
    c.weight = 1e-6;
    r.p = (double)FAN_OUT / NEURONS;
    if (status == NCE_OK) status = nce_snn_connect_random(snn, &c, &r);
    if (status == NCE_OK) status = nce_snn_build(snn, NULL, NULL);
    if (status == NCE_OK) return snn;
    fprintf(stderr, "%s\n", nce_context_error(ctx));
    exit(1);
}

/* Microseconds a step. */
static double stretch(nce_snn *snn)
{
    const double start = measure_cpu_us();
    if (nce_snn_run(snn, STEPS, NULL, NULL) != NCE_OK) exit(1);
    return (measure_cpu_us() - start) / STEPS;
}

static double awake_share(nce_snn *snn)
{
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    if (nce_snn_statistics_read(snn, &s) != NCE_OK) exit(1);
    return (double)s.neuron_updates / (double)(s.neuron_updates + s.updates_skipped);
}

int main(void)
{
    nce_context *ctx;
    double before_share = 0, before_gain = 0;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 1;
    printf("%d neurons, us a step by clock and by event\n", NEURONS);
    for (double rate = 2; rate < 200; rate *= 1.6) {
        nce_snn *clock = network(ctx, rate, NCE_SNN_CLOCK), *event = network(ctx, rate, NCE_SNN_EVENT);
        double by_clock[STRETCHES], by_event[STRETCHES];
        stretch(clock), stretch(event);
        for (int k = 0; k < STRETCHES; k++) {
            by_clock[k] = stretch(clock);
            by_event[k] = stretch(event);
        }
        const double c = measure_quantile(by_clock, STRETCHES, 0.5), e = measure_quantile(by_event, STRETCHES, 0.5);
        const double share = awake_share(event), gain = c - e;
        printf("  %5.1f %% of blocks awake: %6.2f, %6.2f\n", 100 * share, c, e);
        if (gain < 0 && before_gain > 0)
            printf("  equal at %.1f %%\n",
                   100 * (before_share + (share - before_share) * before_gain / (before_gain - gain)));
        before_share = share;
        before_gain = gain;
        nce_snn_destroy(clock);
        nce_snn_destroy(event);
    }
    nce_context_destroy(ctx);
    return 0;
}
