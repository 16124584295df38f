/* Encoders and decoders against their definitions, coding of activations, conversion of a dense network. */
#include "tests/unit/faulty_alloc.h"
#include "tests/unit/snn_test.h"
#include "src/core/gguf/writer.h"
#include "src/snn/random.h"
#include <unistd.h>

static nce_snn_spike spikes[400000];

Test(snn_codec, rate)
{
    const float x[4] = {0, 0.25f, 0.5f, 1};
    float rate[4];
    size_t n, again;
    cr_assert_eq(nce_snn_encode_rate(x, 4, 50000, 0.8, 3, spikes, 400000, &n), NCE_OK);
    cr_assert_eq(nce_snn_decode_rate(spikes, n, 4, 50000, rate), NCE_OK);
    for (int k = 0; k < 4; k++) {
        const double p = 0.8 * (double)x[k];
        cr_assert(fabs((double)rate[k] - p) <= 4 * sqrt(p * (1 - p) / 50000) + 1e-9, "%g for %g", (double)rate[k], p);
    }
    cr_assert_eq(nce_snn_encode_rate(x, 4, 50000, 0.8, 3, spikes, 10, &again), NCE_ERR_LIMIT);
    cr_assert_eq(again, n, "says the room it needs");
    const float bad = 1.5f;
    cr_assert_eq(nce_snn_encode_rate(&bad, 1, 1, 1, 1, spikes, 10, &n), NCE_ERR_INVALID);
}

Test(snn_codec, latency)
{
    const float x[4] = {2, 1.1f, 0.9f, 10};
    uint32_t first[4], winner;
    size_t n;
    cr_assert_eq(nce_snn_encode_latency(x, 4, 100, 20, 1, spikes, 100, &n), NCE_OK);
    cr_assert_eq(n, 3);
    cr_assert_eq(nce_snn_decode_first(spikes, n, 4, first, &winner), NCE_OK);
    cr_assert_eq(first[0], (uint32_t)(20 * log(2.0)));
    cr_assert_eq(first[1], (uint32_t)(20 * log((double)x[1] / ((double)x[1] - 1))));
    cr_assert_eq(first[2], UINT32_MAX);
    cr_assert_eq(winner, 3);
}

Test(snn_codec, population)
{
    const float x[2] = {0, 0.5f};
    float out[2][5];
    cr_assert_eq(nce_snn_encode_population(x, 2, 0, 1, 5, 1, out[0]), NCE_OK);
    for (int c = 0; c < 5; c++) {
        cr_assert_float_eq(out[0][c], exp(-0.5 * c * c), 1e-6);
        cr_assert_float_eq(out[1][c], exp(-0.5 * (c - 2) * (c - 2)), 1e-6);
    }
}

Test(snn_codec, delta_stays_within_threshold)
{
    static float signal[5000], back[5000];
    size_t n;
    double error, worst = 0;
    for (int t = 0; t < 5000; t++)
        signal[t] = (float)(3 * sin(t * 0.01) + 0.5 * sin(t * 0.37) + (t > 2500 ? 4 : 0));
    cr_assert_eq(nce_snn_encode_delta(signal, 5000, 0, 0.1, spikes, 400000, &n, &error), NCE_OK);
    cr_assert_eq(nce_snn_decode_delta(spikes, n, 0, 0.1, back, 5000), NCE_OK);
    for (int t = 0; t < 5000; t++)
        worst = fmax(worst, fabs((double)back[t] - (double)signal[t]));
    cr_assert_lt(error, 0.1);
    cr_assert_float_eq(worst, error, 1e-6);
}

Test(snn_codec, membrane)
{
    const nce_snn_spike s[3] = {{0, 0}, {3, 0}, {9, 1}};
    float v[2];
    cr_assert_eq(nce_snn_decode_membrane(s, 3, 2, 10, 0.5, v), NCE_OK);
    cr_assert_float_eq(v[0], pow(0.5, 9) + pow(0.5, 6), 1e-7);
    cr_assert_eq(v[1], 1);
}

/* Independent Gaussian activations: the figures of research on them (k 3, 3 slots: 56.7 % empty slots, 10.6 % zeros). */
Test(snn_codec, counts_of_gaussian_activations)
{
    enum { TOKENS = 64, CHANNELS = 4096 };
    float *x = malloc(TOKENS * CHANNELS * sizeof *x);
    int32_t *counts = malloc(TOKENS * CHANNELS * sizeof *counts);
    nce_snn_stream s = {1, 0};
    nce_snn_coding c = NCE_SNN_CODING_INIT;
    for (int i = 0; i < TOKENS * CHANNELS; i += 2) {
        double z[2];
        nce_snn_normal2(&s, z);
        x[i] = (float)z[0], x[i + 1] = (float)z[1];
    }
    cr_assert_eq(nce_snn_code_counts(x, TOKENS, CHANNELS, 3, counts, &c), NCE_OK);
    cr_assert_float_eq(c.zero_share, 0.106, 0.003, "%g", c.zero_share);
    cr_assert_float_eq(c.slot_sparsity, 0.567, 0.01, "%g", c.slot_sparsity);
    double mean = 0;
    for (int i = 0; i < CHANNELS; i++)
        mean += fabs((double)x[i]) / CHANNELS;
    for (int i = 0; i < CHANNELS; i++) { /* the bits of a count say the rounded value exactly */
        const uint32_t a = (uint32_t)abs(counts[i]);
        uint32_t sum = 0;
        for (int b = 0; b < 31; b++)
            sum += (a >> b & 1) << b;
        cr_assert_eq(counts[i] < 0 ? -(double)sum : (double)sum, rint((double)x[i] / (mean / 3)));
    }
    free(x), free(counts);
}

Test(snn_codec, deltas_follow_within_half_a_threshold)
{
    enum { TOKENS = 200, CHANNELS = 64 };
    static float x[TOKENS][CHANNELS];
    static int32_t d[TOKENS][CHANNELS];
    nce_snn_stream s = {2, 0};
    nce_snn_coding c = NCE_SNN_CODING_INIT;
    double mean = 0;
    for (int t = 0; t < TOKENS; t++)
        for (int k = 0; k < CHANNELS; k++) {
            double z[2];
            nce_snn_normal2(&s, z);
            x[t][k] = (float)(t == 0 ? z[0] : 0.9 * (double)x[t - 1][k] + sqrt(1 - 0.81) * z[0]);
        }
    for (int k = 0; k < CHANNELS; k++)
        mean += fabs((double)x[0][k]) / CHANNELS;
    cr_assert_eq(nce_snn_code_deltas(x[0], TOKENS, CHANNELS, 0.5, d[0], &c), NCE_OK);
    for (int k = 0; k < CHANNELS; k++) {
        double state = 0;
        for (int t = 0; t < TOKENS; t++) {
            state += d[t][k] * 0.5 * mean;
            cr_assert(fabs(state - (double)x[t][k]) <= 0.25 * mean * (1 + 1e-9));
        }
    }
    cr_assert(c.zero_share > 0.2 && c.zero_share < 0.7, "%g", c.zero_share);
    cr_assert_lt(c.relative_error, 0.2);
}

/* ---- conversion ---- */

enum { IN = 20, HIDDEN = 30, OUT = 4, SAMPLES = 40, TIME = 400 };
static float w1[HIDDEN][IN], b1[HIDDEN], w2[OUT][HIDDEN], b2[OUT], samples[SAMPLES][IN];

static void make_network(void)
{
    nce_snn_stream s = {5, 0};
    double z[2];
    for (int o = 0; o < HIDDEN; o++) {
        nce_snn_normal2(&s, z);
        b1[o] = (float)(0.1 * z[0]);
        for (int i = 0; i < IN; i++) {
            nce_snn_normal2(&s, z);
            w1[o][i] = (float)(z[0] / sqrt(IN));
        }
    }
    for (int o = 0; o < OUT; o++)
        for (int i = 0; i < HIDDEN; i++) {
            nce_snn_normal2(&s, z);
            w2[o][i] = (float)(z[0] / sqrt(HIDDEN));
            b2[o] = (float)(0.1 * z[1]);
        }
    for (int k = 0; k < SAMPLES; k++)
        for (int i = 0; i < IN; i++)
            samples[k][i] = (float)nce_snn_uniform(nce_snn_next(&s));
}

static int best_of(const double *v)
{
    int best = 0;
    for (int k = 1; k < OUT; k++)
        if (v[k] > v[best]) best = k;
    return best;
}

static int agreement(nce_context *ctx, nce_snn *snn)
{
    uint32_t input, output;
    int same = 0;
    OK(nce_snn_population_find(snn, "input", &input));
    OK(nce_snn_population_find(snn, "output", &output));
    OK(nce_snn_build(snn, NULL, NULL));
    for (int k = 0; k < SAMPLES; k++) {
        double hidden[HIDDEN], out[OUT], v[OUT];
        size_t n;
        for (int o = 0; o < HIDDEN; o++) {
            hidden[o] = (double)b1[o];
            for (int i = 0; i < IN; i++)
                hidden[o] += (double)w1[o][i] * (double)samples[k][i];
            hidden[o] = fmax(0, hidden[o]);
        }
        for (int o = 0; o < OUT; o++) {
            out[o] = (double)b2[o];
            for (int i = 0; i < HIDDEN; i++)
                out[o] += (double)w2[o][i] * hidden[i];
        }
        OK(nce_snn_source_clear(snn));
        OK(nce_snn_reset_state(snn));
        cr_assert_eq(nce_snn_encode_rate(samples[k], IN, TIME, 1, (uint64_t)k + 1, spikes, 400000, &n), NCE_OK);
        for (size_t i = 0; i < n; i++) {
            const double at = spikes[i].step;
            OK(nce_snn_source_add(snn, input, 1, &spikes[i].channel, &at));
        }
        OK(nce_snn_run(snn, TIME + 2, NULL, NULL));
        OK(nce_snn_population_get(snn, output, NCE_SNN_PARAM_V, v, OUT));
        same += best_of(v) == best_of(out);
    }
    return same;
}

Test(snn_codec, dense_network)
{
    nce_context *ctx = snn_context(NCE_ISA_AUTO);
    nce_snn *snn;
    make_network();
    const nce_snn_dense_layer layers[2] = {{w1[0], b1, IN, HIDDEN}, {w2[0], b2, HIDDEN, OUT}};
    OK(nce_snn_from_dense(ctx, layers, 2, samples[0], SAMPLES, 100, &snn));
    const int same = agreement(ctx, snn);
    cr_assert_geq(same, SAMPLES - 4, "%d of %d decisions agree", same, SAMPLES);
    nce_snn_destroy(snn);
    nce_context_destroy(ctx);
}

/* The two layers as a GGUF file. */
static void write_gguf(nce_context *ctx, char path[64])
{
    nce_gguf_writer *w;
    strcpy(path, "/tmp/nce_dense_XXXXXX");
    close(mkstemp(path));
    make_network();
    const uint64_t shapes[4][2] = {{IN, HIDDEN}, {HIDDEN, 1}, {HIDDEN, OUT}, {OUT, 1}};
    const char *names[4] = {"layer0.weight", "layer0.bias", "layer1.weight", "layer1.bias"};
    const float *data[4] = {w1[0], b1, w2[0], b2};
    OK(nce_gguf_writer_create(ctx, path, 0, &w));
    for (int k = 0; k < 4; k++) {
        const nce_str name = {names[k], strlen(names[k])};
        OK(nce_gguf_put_tensor(w, name, NCE_TYPE_F32, k % 2 ? 1 : 2, shapes[k]));
    }
    OK(nce_gguf_writer_begin(w));
    for (int k = 0; k < 4; k++)
        OK(nce_gguf_write(w, data[k], shapes[k][0] * shapes[k][1] * sizeof(float)));
    OK(nce_gguf_writer_finish(w));
    nce_gguf_writer_destroy(w);
}

Test(snn_codec, dense_network_from_gguf)
{
    nce_context *ctx = snn_context(NCE_ISA_AUTO);
    nce_snn *snn;
    char path[64];
    write_gguf(ctx, path);
    OK(nce_snn_from_gguf(ctx, path, samples[0], SAMPLES, 100, &snn));
    cr_assert_geq(agreement(ctx, snn), SAMPLES - 4);
    nce_snn_destroy(snn);
    cr_assert_eq(nce_snn_from_gguf(ctx, "/nonexistent", samples[0], SAMPLES, 100, &snn), NCE_ERR_NOTFOUND);
    cr_assert_null(snn);
    unlink(path);
    nce_context_destroy(ctx);
}

/* Conversion from memory and from a file, with each request for memory failing in turn. */
Test(snn_codec, failing_allocations)
{
    nce_context *ctx = snn_context(NCE_ISA_AUTO);
    char path[64];
    write_gguf(ctx, path);
    nce_context_destroy(ctx);
    const nce_snn_dense_layer layers[2] = {{w1[0], b1, IN, HIDDEN}, {w2[0], b2, HIDDEN, OUT}};
    for (int from_file = 0; from_file < 2; from_file++)
        for (long n = 1;; n++) {
            faulty_alloc f = {.fail_at = n};
            nce_context_options o = NCE_CONTEXT_OPTIONS_INIT;
            nce_context *c;
            o.allocator = faulty_allocator(&f);
            if (nce_context_create(&o, &c) == NCE_OK) {
                nce_snn *snn;
                const nce_status status = from_file ? nce_snn_from_gguf(c, path, samples[0], SAMPLES, 100, &snn)
                                                    : nce_snn_from_dense(c, layers, 2, samples[0], SAMPLES, 100, &snn);
                cr_assert(status == NCE_OK || (status == NCE_ERR_NOMEM && snn == NULL), "request %ld: %s: %s", n,
                          nce_status_name(status), nce_context_error(c));
                nce_snn_destroy(snn);
                nce_context_destroy(c);
            }
            cr_assert_eq(f.live, 0, "request %ld leaks", n);
            if (!f.failed) break;
            cr_assert_lt(n, 2000);
        }
    unlink(path);
}
