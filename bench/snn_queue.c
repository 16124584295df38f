/* Cost of an event on its way through the queue and the calendar, with a given number pending (hold model: every event
 * taken is submitted again at a random later step).  Prints the median of several stretches of thread CPU time. */
#include "src/snn/queue.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

int main(void)
{
    enum { PENDING = 4096, STRETCHES = 7, EVENTS = 3000000 };
    static nce_snn_event out[PENDING];
    double ring[STRETCHES], whole[STRETCHES];
    uint64_t state = 88172645463325252u, sum = 0;
    nce_context *ctx;
    nce_snn_queue q;
    nce_snn_calendar c;
    if (nce_context_create(NULL, &ctx) != NCE_OK || nce_snn_queue_init(ctx, &q, PENDING) != NCE_OK ||
        nce_snn_calendar_init(ctx, &c, PENDING) != NCE_OK)
        return 1;
    uint64_t step = 0;
    for (uint32_t i = 0; i < PENDING; i++)
        nce_snn_calendar_insert(&c, &(nce_snn_event){next(&state) % PENDING, i, 1});
    for (int k = 0; k < 2 * STRETCHES; k++) {
        const double start = seconds();
        uint64_t n = 0;
        for (; n < EVENTS; step++) {
            const size_t m = nce_snn_calendar_take(&c, step, out);
            if (m > 1) nce_snn_sort_events(out, m);
            for (size_t i = 0; i < m; i++) {
                nce_snn_event e = out[i];
                sum += e.neuron;
                e.step = step + 1 + next(&state) % (PENDING - 1);
                if (k % 2) {
                    nce_snn_queue_push(&q, &e);
                    nce_snn_queue_pop(&q, &e);
                    nce_snn_queue_release(&q, 1);
                }
                nce_snn_calendar_insert(&c, &e);
            }
            n += m;
        }
        *(k % 2 ? &whole[k / 2] : &ring[k / 2]) = (seconds() - start) / (double)n * 1e9;
    }
    qsort(ring, STRETCHES, sizeof *ring, ascending);
    qsort(whole, STRETCHES, sizeof *whole, ascending);
    printf("calendar ring, %d pending: %.1f ns per event (min %.1f); with the lock-free queue: %.1f ns  [%llu]\n",
           PENDING, ring[STRETCHES / 2], ring[0], whole[STRETCHES / 2], (unsigned long long)sum);
    nce_snn_calendar_finish(ctx, &c);
    nce_snn_queue_finish(ctx, &q);
    nce_context_destroy(ctx);
    return 0;
}
