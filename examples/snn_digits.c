/* Digits from an event camera: N-MNIST recordings through a spiking network of Loihi neurons, 2312 - 512 - 10.
 *
 *   snn_digits WEIGHTS RECORDING.bs2 [OUT.png]  shows one recording: raster of the outputs, the digit; with OUT.png also
 *                                             a picture of all spikes (needs libpng)
 *   snn_digits WEIGHTS --list LIST            classifies every "NUMBER DIGIT" of a list (NUMBER.bs2 lies beside it)
 *
 * WEIGHTS is a folder with NMNISTFc1.txt and NMNISTFc2.txt (one integer per line, [output][input], input = polarity, y, x),
 * as published with SLAYER (Shrestha & Orchard 2018).  A recording has five bytes per event: x, y, then polarity in the top
 * bit and 23 bits of microseconds.  Events are binned to steps of 1 ms; after 300 the output with most spikes wins. */
#include <nce/nce.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if HAVE_PNG
#include "snn_raster.h"
#endif

enum { SIDE = 34, N_INPUT = 2 * SIDE * SIDE, N_HIDDEN = 512, N_OUTPUT = 10, STEPS = 300 };

typedef struct classifier {
    nce_context *ctx;
    nce_snn *snn;
    uint32_t input, hidden, output;
} classifier;

static float *read_weights(const char *folder, const char *name, size_t n)
{
    char path[4096];
    float *w = malloc(n * sizeof *w);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    size_t k = 0;
    while (w != NULL && f != NULL && k < n && fscanf(f, "%f", &w[k]) == 1)
        k++;
    if (f != NULL) fclose(f);
    if (k == n) return w;
    fprintf(stderr, "%s: %zu of %zu weights\n", path, k, n);
    free(w);
    return NULL;
}

static nce_status connect(classifier *c, uint32_t pre, uint32_t post, const float *weights)
{
    nce_snn_connection connection = NCE_SNN_CONNECTION_INIT;
    connection.pre = pre;
    connection.post = post;
    return nce_snn_connect_dense(c->snn, &connection, weights);
}

static nce_status create(classifier *c, const float *w1, const float *w2)
{
    nce_snn_options options = NCE_SNN_OPTIONS_INIT;
    nce_snn_population_options input = NCE_SNN_SOURCE_INIT, loihi = NCE_SNN_LOIHI_INIT;
    options.dt = 1;
    input.n = N_INPUT;
    loihi.v_th = 80 * 64;
    loihi.decay_voltage = 128;
    loihi.decay_current = 1024;
    loihi.weight_scale = 64;
    loihi.t_ref = 1;
    loihi.flags = NCE_SNN_RECORD;
    nce_status status = nce_context_create(NULL, &c->ctx);
    if (status == NCE_OK) status = nce_snn_create(c->ctx, &options, &c->snn);
    if (status == NCE_OK) status = nce_snn_population_add(c->snn, &input, &c->input);
    loihi.n = N_HIDDEN;
    if (status == NCE_OK) status = nce_snn_population_add(c->snn, &loihi, &c->hidden);
    loihi.n = N_OUTPUT;
    if (status == NCE_OK) status = nce_snn_population_add(c->snn, &loihi, &c->output);
    if (status == NCE_OK) status = connect(c, c->input, c->hidden, w1);
    if (status == NCE_OK) status = connect(c, c->hidden, c->output, w2);
    if (status == NCE_OK) status = nce_snn_build(c->snn, NULL, NULL);
    return status;
}

/* Spikes of a recording; events off the sensor or after the last step are left out. */
static nce_status feed(classifier *c, const char *path)
{
    unsigned char e[5];
    FILE *f = fopen(path, "rb");
    nce_status status = f != NULL ? NCE_OK : NCE_ERR_IO;
    while (status == NCE_OK && fread(e, 1, sizeof e, f) == sizeof e) {
        const uint32_t polarity = e[2] >> 7, us = (uint32_t)(e[2] & 127) << 16 | (uint32_t)e[3] << 8 | e[4];
        const uint32_t neuron = (polarity * SIDE + e[1]) * SIDE + e[0];
        const double time = us / 1000;
        if (e[0] < SIDE && e[1] < SIDE && time < STEPS)
            status = nce_snn_source_add(c->snn, c->input, 1, &neuron, &time);
    }
    if (f != NULL) fclose(f);
    return status;
}

/* The digit, or -1; count[10] are the output spikes. */
static int classify(classifier *c, const char *path, size_t count[N_OUTPUT])
{
    static uint32_t id[N_OUTPUT * STEPS];
    size_t n = 0;
    int best = 0;
    nce_status status = nce_snn_source_clear(c->snn);
    if (status == NCE_OK) status = nce_snn_reset_state(c->snn);
    if (status == NCE_OK) status = feed(c, path);
    if (status == NCE_OK) status = nce_snn_run(c->snn, STEPS + 2, NULL, NULL); /* two layers, a step each */
    if (status == NCE_OK) status = nce_snn_spikes_read(c->snn, c->output, 0, N_OUTPUT * STEPS, id, NULL, &n);
    if (status != NCE_OK) {
        fprintf(stderr, "%s: %s %s\n", path, nce_status_name(status), nce_context_error(c->ctx));
        return -1;
    }
    memset(count, 0, N_OUTPUT * sizeof *count);
    for (size_t i = 0; i < n; i++)
        count[id[i]]++;
    for (int k = 1; k < N_OUTPUT; k++)
        if (count[k] > count[best]) best = k;
    return best;
}

static void raster(classifier *c, const size_t count[N_OUTPUT])
{
    enum { COLUMNS = 75, BIN = STEPS / COLUMNS };
    static uint32_t id[N_OUTPUT * STEPS];
    static double time[N_OUTPUT * STEPS];
    char line[N_OUTPUT][COLUMNS + 1];
    size_t n = 0;
    memset(line, '.', sizeof line);
    nce_snn_spikes_read(c->snn, c->output, 0, N_OUTPUT * STEPS, id, time, &n);
    for (size_t i = 0; i < n; i++) {
        const int column = (int)(time[i] - 3) / BIN; /* spikes of the first step come out in the third */
        if (column >= 0 && column < COLUMNS) line[id[i]][column] = '|';
    }
    for (int k = 0; k < N_OUTPUT; k++)
        printf("%d %.*s %4zu\n", k, COLUMNS, line[k], count[k]);
}

static int picture(classifier *c, const char *path)
{
#if HAVE_PNG
    const uint32_t populations[] = {c->hidden, c->output}, row_pixels[] = {1, 8};
    if (snn_raster_write(path, c->snn, populations, row_pixels, 2, STEPS + 2) == 0) return 0;
    fprintf(stderr, "%s: cannot be written\n", path);
#else
    (void)c;
    fprintf(stderr, "%s: this build has no libpng\n", path);
#endif
    return 1;
}

static int show(classifier *c, const char *recording, const char *png)
{
    size_t count[N_OUTPUT];
    const int digit = classify(c, recording, count);
    if (digit < 0) return 1;
    raster(c, count);
    printf("digit %d\n", digit);
    return png != NULL ? picture(c, png) : 0;
}

static int classify_list(classifier *c, const char *list)
{
    char text[256], path[4096], number[64];
    size_t count[N_OUTPUT];
    int digit, right = 0, all = 0;
    FILE *f = fopen(list, "r");
    const char *slash = strrchr(list, '/');
    while (f != NULL && fgets(text, sizeof text, f) != NULL) {
        if (text[0] == '#' || sscanf(text, "%63s %d", number, &digit) != 2) continue;
        snprintf(path, sizeof path, "%.*s%s.bs2", slash != NULL ? (int)(slash - list + 1) : 0, list, number);
        const int found = classify(c, path, count);
        if (found != digit) printf("%s: %d, labelled %d\n", number, found, digit);
        right += found == digit;
        all++;
    }
    if (f != NULL) fclose(f);
    printf("%d of %d\n", right, all);
    return all > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    classifier c = {0};
    int result = 1;
    if (argc < 3) {
        fprintf(stderr, "usage: snn_digits WEIGHTS (RECORDING.bs2 [OUT.png] | --list LIST)\n");
        return 2;
    }
    float *w1 = read_weights(argv[1], "NMNISTFc1.txt", (size_t)N_HIDDEN * N_INPUT);
    float *w2 = read_weights(argv[1], "NMNISTFc2.txt", (size_t)N_OUTPUT * N_HIDDEN);
    if (w1 != NULL && w2 != NULL && create(&c, w1, w2) == NCE_OK) {
        if (strcmp(argv[2], "--list") == 0 && argc == 4)
            result = classify_list(&c, argv[3]);
        else
            result = show(&c, argv[2], argc > 3 ? argv[3] : NULL);
    } else if (c.ctx != NULL) {
        fprintf(stderr, "%s\n", nce_context_error(c.ctx));
    }
    free(w1);
    free(w2);
    nce_snn_destroy(c.snn);
    nce_context_destroy(c.ctx);
    return result;
}
