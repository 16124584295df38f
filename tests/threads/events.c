/* Events from several threads into a network that runs in the background, while others query it; and the queue by itself.
 * Exit status 0: nothing was lost, and a thread checker has nothing to say. */
#include "nce/nce.h"
#include "src/snn/calendar.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRODUCERS = 4, EACH = 50000, EVENTS = 3000, NEURONS = 64 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

typedef struct job {
    nce_snn_queue *queue;
    nce_snn *snn;
    uint32_t index, population;
    uint64_t refused;
} job;

/* ---- the queue ---- */

static void *push(void *user)
{
    const job *j = user;
    for (uint64_t i = 0; i < EACH; i++)
        while (!nce_snn_queue_push(j->queue, &(nce_snn_event){i, j->index, (float)j->index}))
            sched_yield();
    return NULL;
}

/* Every producer's events come out once and in its order; some hold their place for a while. */
static void queue_under_threads(nce_context *ctx)
{
    nce_snn_queue q;
    pthread_t threads[PRODUCERS];
    job jobs[PRODUCERS];
    uint64_t next[PRODUCERS] = {0}, held = 0;
    CHECK(nce_snn_queue_init(ctx, &q, 256) == NCE_OK);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        jobs[i] = (job){.queue = &q, .index = i};
        CHECK(pthread_create(&threads[i], NULL, push, &jobs[i]) == 0);
    }
    for (uint64_t n = 0; n < (uint64_t)PRODUCERS * EACH;) {
        nce_snn_event e;
        if (!nce_snn_queue_pop(&q, &e)) {
            nce_snn_queue_release(&q, held);
            held = 0;
            sched_yield();
            continue;
        }
        CHECK(e.neuron < PRODUCERS && e.step == next[e.neuron]);
        next[e.neuron]++;
        n++;
        if (++held < 100) continue;
        nce_snn_queue_release(&q, held);
        held = 0;
    }
    nce_snn_queue_release(&q, held);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(nce_snn_queue_pending(&q) == 0);
    nce_snn_queue_finish(ctx, &q);
}

/* ---- a network in the background ---- */

static void *submit(void *user)
{
    job *j = user;
    for (uint32_t i = 0; i < EVENTS; i++) {
        const uint32_t neuron = (i * 7 + j->index) % NEURONS;
        nce_status status;
        while ((status = nce_snn_submit(j->snn, j->population, neuron, 0, 1)) == NCE_ERR_BUSY) {
            j->refused++;
            sched_yield();
        }
        CHECK(status == NCE_OK);
    }
    return NULL;
}

static void *query(void *user)
{
    const job *j = user;
    for (int i = 0; i < 200; i++) {
        nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
        nce_snn_neuron n = NCE_SNN_NEURON_INIT;
        CHECK(nce_snn_statistics_read(j->snn, &s) == NCE_OK);
        CHECK(nce_snn_neuron_read(j->snn, j->population, (uint32_t)i % NEURONS, &n) == NCE_OK);
    }
    return NULL;
}

static nce_snn *network(nce_context *ctx, uint32_t *lif)
{
    nce_snn_options options = NCE_SNN_OPTIONS_INIT;
    nce_snn_population_options o = NCE_SNN_LIF_INIT;
    nce_snn_connection c = NCE_SNN_CONNECTION_INIT;
    nce_snn_random r = NCE_SNN_RANDOM_INIT;
    nce_snn *snn;
    options.n_threads = 3;
    options.queue_capacity = 128;
    o.n = NEURONS;
    o.synapse = NCE_SNN_CURRENT;
    CHECK(nce_snn_create(ctx, &options, &snn) == NCE_OK);
    CHECK(nce_snn_population_add(snn, &o, lif) == NCE_OK);
    c.pre = c.post = *lif;
    c.weight = 0.01;
    c.delay = 1.5;
    r.p = 0.1;
    CHECK(nce_snn_connect_random(snn, &c, &r) == NCE_OK);
    CHECK(nce_snn_build(snn, NULL, NULL) == NCE_OK);
    return snn;
}

/* Every event submitted is applied; a full queue counts as a drop, or not if the caller says it will try again. */
static void background_under_threads(nce_context *ctx, uint32_t flags)
{
    nce_snn_control_options control = NCE_SNN_CONTROL_OPTIONS_INIT;
    nce_snn_statistics s = NCE_SNN_STATISTICS_INIT;
    pthread_t threads[PRODUCERS + 1];
    job jobs[PRODUCERS + 1];
    uint32_t lif;
    uint64_t refused = 0;
    nce_snn *snn = network(ctx, &lif);
    control.flags = NCE_SNN_FREE_RUN | flags;
    CHECK(nce_snn_configure(snn, &control) == NCE_OK);
    CHECK(nce_snn_start(snn) == NCE_OK);
    for (uint32_t i = 0; i <= PRODUCERS; i++) {
        jobs[i] = (job){.snn = snn, .index = i, .population = lif};
        CHECK(pthread_create(&threads[i], NULL, i < PRODUCERS ? submit : query, &jobs[i]) == 0);
    }
    for (int i = 0; i <= PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        refused += jobs[i].refused;
    }
    CHECK(nce_snn_stop(snn) == NCE_OK);
    CHECK(nce_snn_run(snn, 100, NULL, NULL) == NCE_OK); /* what was still queued */
    CHECK(nce_snn_statistics_read(snn, &s) == NCE_OK);
    CHECK(s.events_submitted == (uint64_t)PRODUCERS * EVENTS && s.events_applied == s.events_submitted);
    CHECK(s.events_dropped == (flags & NCE_SNN_WOULD_BLOCK ? 0 : refused));
    nce_snn_destroy(snn);
}

int main(void)
{
    nce_context *ctx;
    CHECK(nce_context_create(NULL, &ctx) == NCE_OK);
    queue_under_threads(ctx);
    background_under_threads(ctx, 0);
    background_under_threads(ctx, NCE_SNN_WOULD_BLOCK);
    nce_context_destroy(ctx);
    return 0;
}
