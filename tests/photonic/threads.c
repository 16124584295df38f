/* Several threads on one photonic device in real time: jobs, calibration, faults, monitors, next to the guard's own thread;
 * every product is checked.  A plain program, because the thread sanitizer is its purpose (-Db_sanitize=thread) and
 * Criterion does not start under it. */
#include "nce/photonic.h"
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 6, ROWS = 20, BLOCKS = 4, LENGTH = 32 };

typedef struct worker {
    pthread_t thread;
    nce_photonic *device;
    uint32_t seed;
    int failures;
} worker;

static void check_product(worker *k, uint32_t state)
{
    int8_t w[ROWS * BLOCKS * LENGTH], x[BLOCKS * LENGTH];
    int32_t out[ROWS * BLOCKS];
    for (size_t i = 0; i < sizeof w; i++)
        w[i] = (int8_t)((state = state * 1664525u + 1013904223u) >> 24);
    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (int8_t)((state = state * 1664525u + 1013904223u) >> 24);
    k->failures += nce_photonic_block_dots(k->device, ROWS, BLOCKS, LENGTH, w, BLOCKS * LENGTH, x, out) != NCE_OK;
    for (int r = 0; r < ROWS; r++)
        for (int b = 0; b < BLOCKS; b++) {
            int32_t sum = 0;
            for (int i = b * LENGTH; i < (b + 1) * LENGTH; i++)
                sum += w[r * BLOCKS * LENGTH + i] * x[i];
            k->failures += out[r * BLOCKS + b] != sum;
        }
}

static void *work(void *user)
{
    worker *k = user;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        nce_photonic_stats stats = NCE_PHOTONIC_STATS_INIT;
        nce_photonic_sample sample = NCE_PHOTONIC_SAMPLE_INIT;
        char line[96];
        check_product(k, k->seed + i);
        k->failures += nce_photonic_stats_get(k->device, &stats) != NCE_OK;
        k->failures += nce_photonic_sample_get(k->device, &sample) != NCE_OK;
        k->failures += !nce_photonic_power_log(k->device, 0, line, sizeof line);
        k->failures += nce_photonic_fault_set(k->device, i, NCE_PHOTONIC_FAULT_RANDOM, i % 2 ? 0.1 : 0.0) != NCE_OK;
        if (i == 3) {
            const nce_status tuned =
                nce_photonic_calibrate(k->device); /* STATE: the machine stalled, the watchdog acted */
            k->failures += tuned != NCE_OK && tuned != NCE_ERR_STATE;
        }
    }
    return NULL;
}

int main(void)
{
    nce_context *ctx;
    nce_photonic_options options = NCE_PHOTONIC_OPTIONS_INIT;
    nce_photonic *device = NULL;
    worker workers[THREADS];
    int failures = 0;
    options.flags = NCE_PHOTONIC_GUARD_THREAD;
    if (nce_context_create(NULL, &ctx) != NCE_OK) return 1;
    /* A machine so busy that the guard sleeps for 100 ms makes the watchdog cut power: then start again. */
    for (int tries = 0; tries < 50 && nce_photonic_create(ctx, &options, &device) == NCE_ERR_BACKEND; tries++)
        usleep(100000);
    if (device == NULL) {
        fprintf(stderr, "%s\n", nce_context_error(ctx));
        nce_context_destroy(ctx);
        return 1;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.device = device, .seed = 1000 * i};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        failures += workers[i].failures;
    }
    nce_photonic_stats stats = NCE_PHOTONIC_STATS_INIT;
    failures += nce_photonic_stats_get(device, &stats) != NCE_OK || stats.dots != THREADS * ROUNDS * ROWS * BLOCKS ||
                stats.device_dots + stats.fallbacks != stats.dots;
    printf("%d failures, %llu dot products, %llu guard ticks, latest %llu us late\n", failures,
           (unsigned long long)stats.dots, (unsigned long long)stats.guard_ticks,
           (unsigned long long)stats.guard_jitter_max_ns / 1000);
    nce_photonic_destroy(device);
    nce_context_destroy(ctx);
    return failures != 0;
}
