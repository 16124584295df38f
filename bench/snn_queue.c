/* Cost of an event on its way through the queue and the calendar, with a given number pending (hold model: every event
 * taken is submitted again at a random later step).  Delays are drawn beforehand.  Median of several stretches of thread
 * CPU time. */
#include "src/snn/calendar.h"
#include "tools/measure.h"
#include <stdio.h>

enum { PENDING = 4096, STRETCHES = 15, EVENTS = 2000000, DELAYS = 1 << 14 };

typedef struct subject {
    nce_snn_queue queue;
    nce_snn_calendar calendar;
    nce_snn_event out[PENDING + NCE_SNN_CALENDAR_LINE];
    uint16_t delay[DELAYS];
    uint64_t step, sum;
} subject;

/* Nanoseconds an event; through the queue too or not. */
static double stretch(subject *s, bool through_queue)
{
    uint64_t n = 0, sum = 0, step = s->step;
    const double start = measure_cpu_us();
    for (; n < EVENTS; step++) {
        const size_t m = nce_snn_calendar_take(&s->calendar, step, s->out);
        for (size_t i = 0; i < m; i++) {
            nce_snn_event e = s->out[i];
            sum += e.neuron;
            e.step = step + s->delay[n++ % DELAYS];
            if (through_queue) {
                nce_snn_queue_push(&s->queue, &e);
                nce_snn_queue_pop(&s->queue, &e);
                nce_snn_queue_release(&s->queue, 1);
            }
            nce_snn_calendar_insert(&s->calendar, &e);
        }
    }
    s->step = step;
    s->sum += sum;
    return (measure_cpu_us() - start) * 1e3 / (double)n;
}

int main(void)
{
    static subject s;
    double ring[STRETCHES], whole[STRETCHES];
    rng random = {1};
    nce_context *ctx;
    if (nce_context_create(NULL, &ctx) != NCE_OK || nce_snn_queue_init(ctx, &s.queue, PENDING) != NCE_OK ||
        nce_snn_calendar_init(ctx, &s.calendar, PENDING) != NCE_OK)
        return 1;
    for (uint32_t i = 0; i < DELAYS; i++)
        s.delay[i] = (uint16_t)(1 + rng_below(&random, PENDING - 1));
    for (uint32_t i = 0; i < PENDING; i++)
        nce_snn_calendar_insert(&s.calendar, &(nce_snn_event){rng_below(&random, PENDING), i, 1});
    for (int k = 0; k < STRETCHES; k++) {
        ring[k] = stretch(&s, false);
        whole[k] = stretch(&s, true);
    }
    const double median = measure_quantile(ring, STRETCHES, 0.5);
    printf("calendar ring, %d pending: %.1f ns per event (min %.1f); with the lock-free queue: %.1f ns  [%llu]\n",
           PENDING, median, ring[0], measure_quantile(whole, STRETCHES, 0.5), (unsigned long long)s.sum);
    nce_snn_calendar_finish(ctx, &s.calendar);
    nce_snn_queue_finish(ctx, &s.queue);
    nce_context_destroy(ctx);
    return 0;
}
